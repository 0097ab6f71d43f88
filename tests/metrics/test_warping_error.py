"""The warping error equals its formula written out, is near 0 for pure motion, and says what it could not compare."""

import math

import pytest
import torch
from moving import gliding, spoilt, still
from torch import Tensor

from rewards.flow import flow, trusted
from rewards.functional import luminance
from sn_eval.metrics import create
from sn_eval.metrics.warping_error import warping_error

SMALL = (24, 37)


def measured(video, block=32, mode="fixed"):
    return create("warping_error", mode=mode).measure(video.split(block))


def read(picture: Tensor, x: float, y: float) -> Tensor:
    """A picture between its pixels: bilinear, the border repeats."""
    h, w = picture.shape[-2:]
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    left, top = int(x), int(y)
    right, down = min(left + 1, w - 1), min(top + 1, h - 1)
    a, b = x - left, y - top
    upper = (1 - a) * picture[:, top, left] + a * picture[:, top, right]
    return (1 - b) * upper + b * ((1 - a) * picture[:, down, left] + a * picture[:, down, right])


def by_hand(frame, following):
    """Mean squared difference over trusted pixels, pixel by pixel; and the trusted share."""
    one, two = (luminance(x)[None] for x in (frame, following))
    there, back = flow(one, two), flow(two, one)
    sure, total, count = trusted(there, back)[0], 0.0, 0
    for y in range(frame.shape[1]):
        for x in range(frame.shape[2]):
            if sure[y, x]:
                dx, dy = there[0, :, y, x].tolist()
                total += (frame[:, y, x] - read(following, x + dx, y + dy)).square().mean().item()
                count += 1
    return total / count, count / sure.numel()


@pytest.mark.parametrize("mode", ["fixed", "reference"])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_it_equals_the_formula_written_out(count, mode):
    noise = torch.rand(count, 3, *SMALL, generator=torch.Generator().manual_seed(count))
    video = (gliding(count, 1.3, -0.6, SMALL) + 0.1 * noise).clamp(0, 1)
    rows = [by_hand(video[t], video[t + 1]) for t in range(count - 1)]
    found = measured(video, mode=mode)
    assert found.curve[1:] == pytest.approx([error for error, _ in rows], abs=1e-6)
    assert found.value == pytest.approx(sum(error for error, _ in rows) / len(rows), abs=1e-6)
    assert found.parts["trusted"] == pytest.approx(sum(share for _, share in rows) / len(rows), abs=1e-6)
    assert math.isnan(found.curve[0])


@pytest.mark.parametrize("block", [1, 2, 3])
def test_the_size_of_blocks_does_not_matter(block):
    video = gliding(9, 1.5, 0.5, SMALL)
    video[4] *= 0.8
    whole, parts = measured(video), measured(video, block)
    assert parts.value == pytest.approx(whole.value, abs=1e-6)
    assert parts.curve == pytest.approx(whole.curve, abs=1e-6, nan_ok=True)
    assert parts.parts == pytest.approx(whole.parts, abs=1e-6)


@pytest.mark.parametrize(("dx", "dy"), [(1.0, 0.0), (3.0, -2.0), (-2.5, 1.5)])
def test_pure_motion_has_hardly_an_error(dx, dy):
    video = gliding(5, dx, dy)
    plain = (video[1:] - video[:-1]).square().mean().item()
    found = measured(video)
    assert found.value < 2e-4
    assert found.value < 0.02 * plain
    assert found.parts["trusted"] > 0.9


@pytest.mark.parametrize("count", [6, 7])
def test_one_darker_frame_raises_it_wherever_it_is(count):
    video = gliding(count, 1.5, size=SMALL)
    clean = measured(video).value
    for at in range(count):
        dark = video.clone()
        dark[at] *= 0.8
        assert measured(dark).value > clean + 1e-3


def test_light_that_changes_by_a_known_step_has_a_known_error():
    video = 0.3 + 0.4 * still(2)
    video[1] += 0.1  # flow does not see it
    assert measured(video).value == pytest.approx(0.01, rel=0.01)


def test_only_trusted_pixels_count():
    frame, following = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    following[..., 0, 0], following[..., 1, 1] = 1.0, 0.5
    sure = torch.tensor([[[False, True], [True, True]]])
    nowhere = torch.zeros(1, 2, 2, 2)
    assert warping_error(frame, following, nowhere, sure).item() == pytest.approx(0.25 / 3)
    assert warping_error(frame, following, nowhere, sure & False).isnan().item()


def test_a_pair_in_which_nothing_can_be_trusted_is_left_out_and_said(monkeypatch):
    monkeypatch.setattr("sn_eval.metrics.base.trusted", lambda there, back: _sure_but_second(there))
    found = measured(gliding(4, 1.0))
    assert [math.isnan(value) for value in found.curve] == [True, False, True, False]
    assert found.value == pytest.approx((found.curve[1] + found.curve[3]) / 2)
    assert found.note == "1 of 3 pairs left out: nothing in them can be trusted"
    assert found.parts["trusted"] == pytest.approx(2 / 3)


def _sure_but_second(there):
    sure = torch.ones(len(there), *there.shape[-2:], dtype=torch.bool)
    sure[1] = False
    return sure


def test_a_spoilt_frame_shows_in_what_can_be_trusted():
    video = gliding(6, 1.5)
    assert measured(spoilt(video, 3)).parts["trusted"] < measured(video).parts["trusted"] - 0.1


def test_a_frozen_video_has_no_error():
    assert measured(still(4)).value == pytest.approx(0, abs=1e-9)


def test_one_frame_and_tiny_pictures_are_not_scored():
    one, tiny = measured(gliding(1, 1.0)), measured(gliding(3, 1.0, size=(11, 40)))
    assert math.isnan(one.value)
    assert one.note == "needs two frames"
    assert len(one.curve) == 1
    assert math.isnan(tiny.value)
    assert tiny.note == "pictures of 11 pixels are too small for dis, which needs 12"
    assert tiny.parts == {}


def test_lower_is_better_and_it_says_so():
    metric = create("warping_error")
    assert metric.spec.higher_is_better is False
    assert metric.key == "warping_error[dis]"
    assert metric(gliding(3, 1.0)[None], [""], fps=8.0).values.item() == pytest.approx(
        measured(gliding(3, 1.0)).value, abs=1e-7
    )
