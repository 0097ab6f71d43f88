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


def test_a_freeze_costs_the_share_of_frames_that_stand_still(reward):
    clip = video(9, speed=3, noise=0.0)
    assert score(reward, clip) == 1
    for frozen in (2, 4, 6):
        stopped = torch.cat([clip[:, : 9 - frozen], clip[:, 8 - frozen : 9 - frozen].expand(1, frozen, -1, -1, -1)], 1)
        assert score(reward, stopped) == pytest.approx(1 - frozen / 8, abs=0.01)


def test_one_jump_does_not_pay_for_a_freeze(reward):
    jump = torch.cat([video(1, start=12).expand(1, 4, -1, -1, -1), video(1, start=50).expand(1, 4, -1, -1, -1)], 1)
    scores = reward(jump, ["a ball"], fps=8.0)
    assert scores.values.item() == pytest.approx(1 / 7, abs=0.01)
    assert scores.per_frame[0, 1:].tolist() == pytest.approx([0, 0, 0, 1, 0, 0, 0], abs=0.01)
    assert scores.per_frame[0, 0].isnan()  # nothing before it


def test_each_video_may_say_how_much_should_move(reward):
    clip = video(8, noise=0.0)
    moves = reward(clip, ["a ball"], fps=8.0).parts["motion"].item()
    told = [{"minimum_motion": moves * factor} for factor in (4, 2, 0.1)] + [{}, {"minimum_motion": 0}]
    values = reward(clip.expand(5, -1, -1, -1, -1), ["a ball"] * 5, fps=8.0, metadata=told).values.tolist()
    assert values[:2] == pytest.approx([0.25, 0.5], abs=0.05)
    assert values[2:4] == [1, 1]
    assert math.isnan(values[4])  # this one may stand still
