"""Falls when wine leaves its glass; stays when a glass stands, a red ball rolls, the light changes."""

import math

import pytest
import torch
from rewarding import RED, WINE, exposed, noisy, picture, score, still

import rewards

GLASS = ("box", WINE, 44, 42, 4.5)
ANCHOR = still(1, [GLASS])


@pytest.fixture(scope="module")
def reward():
    return rewards.create("event_absence")


def spilling(frames=8, until=1.0, table=(0.8, 0.8, 0.82)):
    def frame(t):
        part = until * t / (frames - 1)
        spots = [("disc", WINE, 20 + x, 50, 5 * part) for x in (0, 4, 8)] if part > 0 else []
        return picture([*spots, GLASS], table=table)

    return noisy(torch.stack([frame(t) for t in range(frames)])[None])


def test_a_standing_glass_scores_one(reward):
    assert score(reward, still(8, [GLASS]), ANCHOR) == 1


@pytest.mark.parametrize("table", [(0.8, 0.8, 0.82), (0.55, 0.36, 0.2), (0.94,) * 3, (0.13,) * 3])
def test_a_spill_scores_zero_and_a_small_one_more(reward, table):
    anchor = still(1, [GLASS], table=table)
    assert score(reward, spilling(table=table), anchor) == 0
    assert 0 < score(reward, spilling(until=0.45, table=table), anchor) < 1


def test_it_is_seen_when_it_happens(reward):
    per_frame = reward(spilling(), [""], fps=8.0, anchor=ANCHOR).per_frame[0]
    assert per_frame[0] > 0.9
    assert per_frame[-1] == 0


def test_a_red_ball_that_rolls_is_no_spill(reward):
    frames = torch.stack([picture([GLASS, ("disc", RED, 8 + 3 * t, 46, 6.0)]) for t in range(8)])[None]
    assert score(reward, noisy(frames)[:, 1:], noisy(frames)[:, :1]) > 0.9


@pytest.mark.parametrize("stops", [-0.25, 0.25])
def test_light_does_not_matter(reward, stops):
    assert score(reward, exposed(still(6, [GLASS]), stops), ANCHOR) > 0.95


def test_a_flash_of_one_frame_is_noise(reward):
    clip = still(9, [GLASS])
    clip[:, 4] = spilling()[:, -1]
    assert score(reward, clip, ANCHOR) > 0.6


def test_it_is_not_scored_without_wine_or_when_it_is_wanted(reward):
    assert math.isnan(score(reward, spilling(), still(1)))
    assert math.isnan(score(reward, spilling(), ANCHOR, "a glass of red wine tips over and the wine spills"))
    assert score(reward, spilling(), ANCHOR, "a ball rolls toward a glass of red wine") == 0
