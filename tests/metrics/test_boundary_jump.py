"""Steps across chunk boundaries against steps inside of chunks, where both are known."""

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.base import UserError
from sn_eval import metrics
from sn_eval.audit.corruptions import CORRUPTIONS, NUISANCES
from sn_eval.metrics.base import Clip
from sn_eval.metrics.boundary_jump import BoundaryJump


def stairs(steps, height=6, width=10):
    """A plain video that changes by steps[t] from frame t to t + 1."""
    levels = 0.5 + torch.tensor([0.0, *steps]).cumsum(0)
    return levels.view(-1, 1, 1, 1).expand(-1, 3, height, width)


def seamed(inside=0.01, seam=0.05, chunks=4, length=6):
    """Small steps to and fro, a large one (to and fro as well) where a chunk begins."""
    steps = [(-1) ** t * (seam if t % length == 0 else inside) for t in range(1, chunks * length)]
    return stairs(steps)


def measure(video, metadata=None, block=32, **parameters):
    metric = BoundaryJump(**parameters)
    return metric.measure(iter(video.split(block)), Clip(metadata=metadata or {}))


def test_a_jump_at_every_seam_has_its_size():
    found = measure(seamed(), {"frames_per_chunk": 6})
    assert found.value == pytest.approx(0.04, abs=1e-6)
    assert found.parts == pytest.approx({"boundary": 0.05, "inside": 0.01, "ratio": 5.0}, abs=1e-5)
    assert math.isnan(found.curve[0])
    assert [t for t, size in enumerate(found.curve) if size > 0.03] == [6, 12, 18]


def test_without_seams_there_is_no_jump_whatever_moves():
    noise = torch.rand(24, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    found = measure(noise, {"frames_per_chunk": 6})
    assert found.value == pytest.approx(0, abs=0.02)
    assert found.parts["ratio"] == pytest.approx(1, abs=0.06)
    shifted = noise * 0.5 + 0.5 * (torch.arange(24) // 6 % 2).view(-1, 1, 1, 1)  # the same, with seams
    assert measure(shifted, {"frames_per_chunk": 6}).value > 0.2


def test_a_video_that_moves_less_at_its_seams_is_below_zero():
    assert measure(seamed(0.05, 0.01), {"frames_per_chunk": 6}).value == pytest.approx(-0.04, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-0.02, 0.02), min_size=1, max_size=30), st.integers(2, 7), st.integers(0, 8),
    st.sampled_from([1, 3, 32]),
)  # fmt: skip
def test_it_is_the_written_out_formula_in_blocks_of_any_size(steps, chunk, first, block):
    sizes = dict(enumerate(map(abs, steps), 1))
    across = [size for frame, size in sizes.items() if frame >= first and (frame - first) % chunk == 0]
    within = [size for frame, size in sizes.items() if frame < first or (frame - first) % chunk]
    told = {"frames_per_chunk": chunk, "first_boundary": first}
    found = measure(stairs(steps), told, block)
    assert found.curve[1:] == pytest.approx(list(sizes.values()), abs=1e-6)
    if across and within:
        expected = sum(across) / len(across) - statistics.median(within)
        assert found.value == pytest.approx(expected, abs=1e-6)
    else:
        assert math.isnan(found.value)
        assert found.note == f"no {'step inside of a chunk' if across else 'chunk boundary'} in {len(steps) + 1} frames"


def test_where_the_first_boundary_is():
    """Every frame's step is another one: the boundaries can be read off."""
    steps = [0.001 * t for t in range(1, 16)]

    def boundaries(told, **parameters):
        return round(measure(stairs(steps), told, **parameters).parts["boundary"] * 1000, 3)

    assert boundaries({"frames_per_chunk": 6}) == statistics.mean([6, 12])
    assert boundaries({"frames_per_chunk": 6, "start_frames": 3}) == statistics.mean([3, 9, 15])
    assert boundaries({"frames_per_chunk": 6, "start_frames": 0}) == statistics.mean([6, 12])
    assert boundaries({"frames_per_chunk": 6, "start_frames": 3, "first_boundary": 5}) == statistics.mean([5, 11])
    assert boundaries({}, frames_per_chunk=7) == statistics.mean([7, 14])
    assert boundaries({"frames_per_chunk": 6}, frames_per_chunk=7) == statistics.mean([6, 12])
    assert boundaries({}, frames_per_chunk=6, first_boundary=2) == statistics.mean([2, 8, 14])
    assert boundaries({"frames_per_chunk": "6.0"}) == statistics.mean([6, 12])


def test_steps_of_the_start_context_do_not_count():
    video = torch.cat([stairs([0.2, -0.2, 0.2]), stairs([0.01] * 11)])
    told = {"frames_per_chunk": 6, "start_frames": 4}
    assert measure(video, told).parts["inside"] == pytest.approx(0.01, abs=1e-6)


def test_a_still_video_has_no_ratio():
    found = measure(stairs([0.0] * 11), {"frames_per_chunk": 6})
    assert found.value == 0
    assert math.isnan(found.parts["ratio"])


@pytest.mark.parametrize("frames", [1, 2, 6])
def test_a_video_without_a_boundary_is_not_scored_and_says_why(frames):
    found = measure(stairs([0.01] * (frames - 1)), {"frames_per_chunk": 6})
    assert math.isnan(found.value)
    assert found.note == f"no chunk boundary in {frames} frames"
    assert len(found.curve) == frames


@pytest.mark.parametrize("told", [
    {}, {"frames_per_chunk": None}, {"frames_per_chunk": 1}, {"frames_per_chunk": "six"}, {"frames_per_chunk": 6.5},
    {"frames_per_chunk": True}, {"frames_per_chunk": 6, "first_boundary": -1},
    {"frames_per_chunk": 6, "start_frames": "a"},
])  # fmt: skip
def test_what_is_not_known_or_wrong_is_one_clear_line(told):
    with pytest.raises(UserError, match=r"boundary_jump(:| needs) .*(given|metadata)") as caught:
        BoundaryJump().start(Clip(metadata=told))
    assert "\n" not in str(caught.value)


def test_what_is_declared():
    metric = metrics.create("boundary_jump", frames_per_chunk=6)
    assert not metric.spec.higher_is_better
    assert metric.spec.families == ("frame-difference",)
    assert set(metric.spec.falls_under) <= set(CORRUPTIONS)
    assert set(metric.spec.holds_under) <= set(NUISANCES)


def test_as_a_reward_frames_are_counted_from_the_anchor_on():
    video = seamed()
    told = [{"frames_per_chunk": 6}]
    scores = BoundaryJump()(video[None, 2:], [""], fps=8.0, anchor=video[None, :2], metadata=told)
    assert scores.values.item() == pytest.approx(0.04, abs=1e-6)
    assert scores.per_frame.shape == (1, 22)
