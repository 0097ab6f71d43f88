"""1 while things move, 0 when nothing does, and flicker is no motion."""

import math

import pytest
import torch
from rewarding import score, still, video

import rewards


@pytest.fixture(scope="module")
def reward():
    return rewards.create("motion_floor")


def test_a_rolling_ball_moves_and_a_still_picture_does_not(reward):
    assert score(reward, video(8)) == 1
    assert score(reward, still(8)) < 0.1
    assert score(reward, video(1).expand(1, 8, -1, -1, -1)) == 0


def test_it_falls_with_slower_motion():
    strict = rewards.create("motion_floor", minimum=2.0)
    values = [score(strict, video(8, speed=speed)) for speed in (2.0, 1.0, 0.5, 0.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[2] + 0.1


def test_flicker_and_dimming_are_no_motion(reward):
    flicker = still(8, table=(0.55, 0.36, 0.2)) * (1 - 0.15 * (torch.arange(8) % 2).view(1, -1, 1, 1, 1))
    assert score(reward, flicker) < 0.35


def test_one_frame_alone_is_not_scored_but_with_an_anchor_it_is(reward):
    assert math.isnan(score(reward, video(1)))
    assert score(reward, video(2)[:, 1:], video(1)) > 0.5


def test_a_minimum_of_nothing_is_refused(reward):
    with pytest.raises(rewards.UserError, match="above 0"):
        score(rewards.create("motion_floor", minimum=0.0), video(3))
