"""Falls when a thing vanishes, changes or doubles; stays when it moves, grows a little, is lit otherwise."""

import math

import pytest
import torch
from rewarding import BLUE, RED, WINE, exposed, picture, score, still, video

import rewards

TABLES = {"marble": (0.8, 0.8, 0.82), "wood": (0.55, 0.36, 0.2), "white": (0.94,) * 3, "black": (0.13,) * 3}
ANCHOR = video(2, start=14)


@pytest.fixture(scope="module")
def reward():
    return rewards.create("object_persistence")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("colour", [RED, BLUE, (0.12, 0.62, 0.22), (0.93, 0.8, 0.12), (0.55, 0.18, 0.7)])
@pytest.mark.parametrize("kind", ["disc", "box"])
def test_a_rolling_thing_keeps_its_score(reward, table, colour, kind):
    clip = video(8, colour=colour, kind=kind, table=TABLES[table])
    assert score(reward, clip[:, 1:], clip[:, :1]) > 0.93


@pytest.mark.parametrize("radius", [6 * 0.8, 6 * 1.25])
def test_scale_does_not_matter(reward, radius):
    assert score(reward, video(6, radius=radius), ANCHOR) > 0.93


@pytest.mark.parametrize("stops", [-0.25, 0.25])
def test_light_does_not_matter(reward, stops):
    assert score(reward, exposed(video(6), stops), ANCHOR) > score(reward, video(6), ANCHOR) - 0.03


def test_it_falls_with_the_share_of_frames_without_the_thing(reward):
    def gone(share):
        clip = video(10)
        clip[:, 10 - round(10 * share) :] = still(round(10 * share))
        return score(reward, clip, ANCHOR)

    values = [gone(share) for share in (0.0, 0.1, 0.3, 0.6, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[3] < 0.5
    assert values[4] == 0


def test_another_colour_is_another_thing(reward):
    assert score(reward, video(6, colour=BLUE), ANCHOR) < 0.1


def test_another_shape_of_the_same_colour_is_another_thing(reward):
    tall = video(1)
    for x in range(6):
        tall[:, 0] = torch.minimum(tall[:, 0], picture([("box", RED, 18 + 2 * x, 44, 2.5)]))
    assert score(reward, tall, ANCHOR) < score(reward, video(6), ANCHOR) - 0.2


def test_a_second_one_costs(reward):
    double = video(6, others=[("disc", RED, 52, 46, 6.0)])
    scores = reward(double, ["a ball"], fps=8.0, anchor=ANCHOR)
    assert scores.values.item() < score(reward, video(6), ANCHOR) - 0.3
    assert scores.parts["single"].item() < 0.1


def test_two_of_a_kind_that_were_two_from_the_start_are_no_copies(reward):
    pair = video(6, others=[("disc", RED, 52, 46, 6.0)])
    assert score(reward, pair[:, 1:], pair[:, :1]) > 0.93
    one_left = torch.cat([pair[:, :1], video(6)], dim=1)
    assert score(reward, one_left[:, 1:], pair[:, :1]) < 0.8


def test_a_new_thing_of_another_colour_does_not_matter(reward):
    assert score(reward, video(6, others=[("disc", BLUE, 52, 44, 6.0)]), ANCHOR) > 0.93


def test_each_of_two_things_counts(reward):
    glass = ("box", WINE, 50, 42, 4.5)
    both = video(7, others=[glass])
    without = torch.cat([both[:, :1], video(6)], dim=1)
    kept, lost = (score(reward, clip[:, 1:], both[:, :1]) for clip in (both, without))
    assert kept > 0.93
    assert lost == pytest.approx(0.5, abs=0.08)


def test_an_exit_that_was_asked_for_is_not_missed(reward):
    clip = video(10, start=40, speed=4)
    assert score(reward, clip[:, 1:], clip[:, :1]) < 0.85
    assert score(reward, clip[:, 1:], clip[:, :1], metadata=[{"exit_allowed": True}]) > 0.85


def test_an_exit_in_the_middle_of_the_table_is_missed_even_then(reward):
    clip = torch.cat([video(4), still(6)], dim=1)
    assert score(reward, clip, ANCHOR, metadata=[{"exit_allowed": True}]) < 0.6


def test_nothing_in_the_anchor_is_not_scored(reward):
    assert math.isnan(score(reward, video(4), still(1)))
