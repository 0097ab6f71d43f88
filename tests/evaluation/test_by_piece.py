"""Rewards as metrics of long videos: piece by piece, against the first frame and the one before."""

import math

import pytest
import torch

import rewards
from rewards.base import Scores, reward
from sn_eval.evaluation.by_piece import ByPiece
from sn_eval.metrics.base import Clip


@reward("far", family="pixels", range=(0, 10))
def far(frames, prompts, *, fps, anchor=None, metadata=None):
    """How far each frame is from the fixed anchor, and as a part from the sliding one."""
    gap = (frames - anchor[:, :1]).mean((2, 3, 4))
    return Scores(gap.mean(1), gap, {"sliding": (frames[:, 0] - anchor[:, -1]).mean((1, 2, 3))})


def ramp(frames):
    return (torch.arange(frames) / 64.0).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()


@pytest.mark.parametrize("block", [1, 5, 100])
@pytest.mark.parametrize("frames", [2, 9, 17, 18, 35])
def test_every_frame_but_the_first_counts_once(block, frames):
    found = ByPiece(far()).measure(ramp(frames).split(block), Clip(frames=frames))
    assert found.value == pytest.approx(sum(range(1, frames)) / (frames - 1) / 64)
    assert math.isnan(found.curve[0])
    assert found.curve[1:] == pytest.approx([t / 64 for t in range(1, frames)])
    assert found.parts["sliding"] == pytest.approx(1 / 64), "the anchor's last frame is the one before the piece"


def test_pieces_are_the_chunks_that_the_video_was_made_in():
    seen = []

    class Lengths(far):
        def score(self, frames, prompts, **told):
            seen.append(frames.shape[1])
            return super().score(frames, prompts, **told)

    ByPiece(Lengths()).measure([ramp(20)], Clip(metadata={"frames_per_chunk": 6}))
    assert seen == [6, 6, 7], "a rest of one frame joins the piece before"


def test_a_short_video_scores_as_the_reward_itself():
    made = rewards.create("motion_floor")
    video = torch.rand(1, 9, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = ByPiece(made).measure([video[0]], Clip(prompt="p", fps=8))
    assert found.value == pytest.approx(made(video[:, 1:], ["p"], fps=8, anchor=video[:, :1]).values.item())


def test_one_frame_is_not_scored():
    found = ByPiece(far()).measure([ramp(1)])
    assert math.isnan(found.value)
    assert found.note
