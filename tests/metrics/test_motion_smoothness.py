"""Smoothness equals its formula written out, passes over no frame, and is near 1 where motion goes on evenly."""

import math

import numpy as np
import pytest
import torch
from moving import gliding, spoilt, still, waves

from rewards.base import UserError
from rewards.flow import flow
from rewards.functional import luminance
from sn_eval.metrics import create
from sn_eval.metrics.motion_smoothness import midpoint

SMALL = (24, 37)


def measured(video, mode="fixed", block=32):
    return create("motion_smoothness", mode=mode).measure(video.split(block))


def read(picture, x, y):
    """A picture between its pixels: bilinear, the border repeats."""
    h, w = picture.shape
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    left, top = int(x), int(y)
    right, down = min(left + 1, w - 1), min(top + 1, h - 1)
    a, b = x - left, y - top
    upper = (1 - a) * picture[top, left] + a * picture[top, right]
    return (1 - b) * upper + b * ((1 - a) * picture[down, left] + a * picture[down, right])


def by_hand(before, frame, after):
    """1 − MAE to the midpoint, pixel by pixel."""
    one, two = (luminance(x)[None] for x in (before, after))
    there, back = flow(one, two)[0].numpy().astype(float), flow(two, one)[0].numpy().astype(float)
    before, frame, after = (x.numpy().astype(float) for x in (before, frame, after))
    gaps = []
    for c in range(3):
        for y in range(frame.shape[1]):
            for x in range(frame.shape[2]):
                from_before = read(before[c], x + back[0, y, x] / 2, y + back[1, y, x] / 2)
                from_after = read(after[c], x + there[0, y, x] / 2, y + there[1, y, x] / 2)
                gaps.append(abs(255 * frame[c, y, x] - 255 * (from_before + from_after) / 2))
    return (255 - np.mean(gaps)) / 255


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_it_equals_the_formula_written_out(count):
    noise = torch.rand(count, 3, *SMALL, generator=torch.Generator().manual_seed(count))
    video = (gliding(count, 1.3, -0.6, SMALL) + 0.1 * noise).clamp(0, 1)
    expected = [by_hand(*video[t - 1 : t + 2]) for t in range(1, count - 1)]
    fixed, reference = measured(video), measured(video, "reference")
    assert fixed.value == pytest.approx(np.mean(expected), abs=1e-5)
    assert fixed.curve[1:-1] == pytest.approx(expected, abs=1e-5)
    assert reference.value == pytest.approx(np.mean(expected[::2]), abs=1e-5)
    assert [t for t in range(count) if not math.isnan(reference.curve[t])] == list(range(1, count - 1, 2))
    for found in (fixed, reference):
        assert len(found.curve) == count
        assert math.isnan(found.curve[0])
        assert math.isnan(found.curve[-1])


@pytest.mark.parametrize("mode", ["fixed", "reference"])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_the_size_of_blocks_does_not_matter(mode, block):
    video = spoilt(gliding(9, 1.5, 0.5, SMALL), 4)
    whole, parts = measured(video, mode), measured(video, mode, block)
    assert parts.value == pytest.approx(whole.value, abs=1e-6)
    assert parts.curve == pytest.approx(whole.curve, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("count", [7, 8])
def test_one_spoilt_frame_lowers_it_wherever_it_is(count):
    video = gliding(count, 2.0, size=SMALL)
    clean = measured(video).value
    assert all(measured(spoilt(video, at)).value < clean - 0.005 for at in range(count))


def test_the_published_formula_passes_over_the_last_frame_of_an_even_number():
    video = gliding(8, 2.0, size=SMALL)
    clean = measured(video, "reference").value
    assert measured(spoilt(video, 7), "reference").value == clean
    assert all(measured(spoilt(video, at), "reference").value < clean - 0.005 for at in range(7))


@pytest.mark.parametrize(("dx", "dy"), [(1.0, 0.0), (3.0, -2.0), (-2.5, 1.5)])
def test_even_motion_is_near_1_and_far_above_a_blend(dx, dy):
    video = gliding(6, dx, dy)
    blend = 1 - (video[1:-1] - 0.5 * (video[:-2] + video[2:])).abs().mean().item()
    value = measured(video).value
    assert value > 0.985
    assert 1 - value < 0.25 * (1 - blend)


def test_the_midpoint_of_a_translation_is_the_frame_between():
    before, between, after = gliding(3, 2.0, 1.0).split(1)
    inner = (midpoint(before, after) - between)[..., 8:-8, 8:-8]
    assert inner.abs().mean() < 0.003


def test_uneven_motion_scores_less_than_even_motion():
    time = torch.arange(12.0)
    uneven = torch.where(time % 2 == 0, 2 * time, 2 * time - 1.5)  # as far in the end
    even = measured(waves(2 * time, 0 * time, (80, 112))).value
    assert measured(waves(uneven, 0 * time, (80, 112))).value < even - 0.01


def test_a_frozen_video_scores_1():
    assert measured(still(5)).value == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("mode", ["fixed", "reference"])
@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_frames_are_not_scored(mode, count):
    found = measured(gliding(count, 1.0), mode)
    assert math.isnan(found.value)
    assert found.note == "needs three frames"
    assert len(found.curve) == count


def test_pictures_without_flow_are_not_scored():
    found = measured(gliding(4, 1.0, size=(11, 40)))
    assert math.isnan(found.value)
    assert found.note == "pictures of 11 pixels are too small for dis, which needs 12"
    assert measured(gliding(4, 1.0, size=(12, 40))).note == ""


def test_as_a_reward_it_scores_every_video_alone():
    metric = create("motion_smoothness")
    batch = torch.stack([gliding(5, 2.0), spoilt(gliding(5, 2.0), 2)])
    scores = metric(batch, ["", ""], fps=8.0)
    assert scores.values.tolist() == pytest.approx([measured(v).value for v in batch], abs=1e-6)
    assert metric.key == "motion_smoothness[dis-midpoint]"


def test_an_unknown_mode_is_answered_in_one_line():
    with pytest.raises(UserError, match="mode must be .*fixed.*reference.*; given 'other'"):
        create("motion_smoothness", mode="other")
