"""Falls when the light changes, in strength, colour or evenness; stays when things move or come in."""

import math

import pytest
import torch
from rewarding import BLUE, RED, exposed, ramp, score, still, video

import rewards

ANCHOR = still(1)
BALL = video(8, others=[("box", BLUE, 50, 44, 5.0)])


@pytest.fixture(scope="module")
def reward():
    return rewards.create("lighting_consistency")


def test_still_light_scores_high_whatever_moves(reward):
    assert score(reward, BALL[:, 1:], BALL[:, :1]) > 0.95
    assert score(reward, video(8, speed=5), video(1)) > 0.95


@pytest.mark.parametrize("radius", [6.0, 16.0])
def test_a_coloured_thing_that_comes_in_is_no_change_of_light(reward, radius):
    entering = video(6, start=20, colour=RED, radius=radius)
    assert score(reward, entering, ANCHOR) > 0.93


@pytest.mark.parametrize(
    "change",
    [
        lambda x, s: exposed(x, ramp(x, s)),
        lambda x, s: exposed(x, -ramp(x, s)),
        lambda x, s: (x * (1 + 0.2 * ramp(x, s) * torch.tensor([1.0, 0, -1.0]).view(3, 1, 1))).clamp(0, 1),
        lambda x, s: x * (1 - 0.1 * s * (torch.arange(x.shape[1]) % 2).view(1, -1, 1, 1, 1)),
        lambda x, s: x * (1 - 0.2 * s * torch.linspace(0, 1, 64) * (ramp(x, 1) > 0.5)),
    ],
    ids=["brighter", "darker", "cast", "flicker", "shadow"],
)
def test_it_falls_the_more_the_light_changes(reward, change):
    values = [score(reward, change(BALL, s), BALL[:, :1]) for s in (0.0, 0.25, 0.75, 1.5)]
    assert values == sorted(values, reverse=True)
    assert values[1] < values[0] - 0.02
    assert values[3] < values[0] - 0.15


def test_a_change_that_was_asked_for_is_free_but_flicker_is_not(reward):
    dim = exposed(BALL, -ramp(BALL, 0.75))
    flicker = BALL * (1 - 0.15 * (torch.arange(8) % 2).view(1, -1, 1, 1, 1))
    asked = "a ball, the light dims"
    assert score(reward, dim, BALL[:, :1], asked) > score(reward, dim, BALL[:, :1]) + 0.05
    assert score(reward, flicker, BALL[:, :1], asked) < 0.75
    by_metadata = score(reward, dim, BALL[:, :1], metadata=[{"allow_change": True}])
    assert by_metadata == score(reward, dim, BALL[:, :1], asked)
    strict = rewards.create("lighting_consistency", allow_change="never")
    assert score(strict, dim, BALL[:, :1], asked) == score(strict, dim, BALL[:, :1])


def test_too_few_comparable_pixels_are_not_scored(reward):
    other = torch.rand(1, 3, 3, 64, 64, generator=torch.Generator().manual_seed(0)).round()
    scores = reward(other, [""], fps=8.0, anchor=ANCHOR)
    assert math.isnan(scores.values.item())
    assert scores.parts["compared"].item() < 0.1
