"""VBench-Long's two scores: the cutting written out, in both modes, and what each of them sees."""

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_features import as_frames, consistency, on_plain_features, plain, wandering

from rewards.base import UserError
from sn_eval import metrics
from sn_eval.metrics.base import Clip
from sn_eval.metrics.clips import ClipToClip, InClip, clip_length

GOLDEN = json.loads((Path(__file__).parents[1] / "rewards" / "data" / "vbench_golden.json").read_text())
NAMES = ["in_clip_consistency", "clip_to_clip_consistency"]
MODES = ["fixed", "reference"]


def cut(rows, length, *, borrow):
    """The clips as lists of frames: whole ones, then what is left, filled up with frames before it where asked."""
    whole = len(rows) // length
    clips = [rows[i * length : (i + 1) * length] for i in range(whole)]
    left = rows[whole * length :]
    if left:
        clips.append(rows[-length:] if borrow and whole else left)
    return clips


def in_clip(rows, length, mode):
    if mode == "reference":
        values = [consistency(clip) for clip in cut(rows, length, borrow=True) if len(clip) > 1]
        return sum(values) / len(values)
    kept = cut(rows, length, borrow=False)
    if len(kept) > 1 and len(kept[-1]) == 1:  # a single frame joins the clip before
        kept[-2:] = [kept[-2] + kept[-1]]
    pairs = [len(clip) - 1 for clip in kept]
    return sum(n * consistency(clip) for n, clip in zip(pairs, kept, strict=True)) / sum(pairs)


def clip_to_clip(rows, length, mode):
    return consistency([clip[0] for clip in cut(rows, length, borrow=mode == "reference")])


FORMULAS = dict(zip(NAMES, (in_clip, clip_to_clip), strict=True))


# --- the formulas -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [9, 16, 17, 18, 31, 32, 33, 48, 67])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_cutting_written_out(name, mode, frames):
    rows = wandering(frames)
    for size in (1, 3, 32):
        found = on_plain_features(name, mode, seconds=1.0).measure(as_frames(rows).split(size), Clip(fps=8.4))
        assert found.value == pytest.approx(FORMULAS[name](rows.tolist(), 8, mode), abs=1e-6)
        assert len(found.curve) == frames


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(2, 12), st.integers(1, 20), st.booleans())
def test_the_tallies_take_features_in_any_pieces(frames, length, size, borrow):
    rows = wandering(frames)
    inside, across = (kind(plain(), length, borrow=borrow) for kind in (InClip, ClipToClip))
    for some in rows.split(size):
        inside.follow(some)
        across.follow(some)
    mode = MODES[borrow]
    assert inside.result().value == pytest.approx(in_clip(rows.tolist(), length, mode), abs=1e-6)
    if frames > length:
        assert across.result().value == pytest.approx(clip_to_clip(rows.tolist(), length, mode), abs=1e-6)
    else:
        assert math.isnan(across.result().value)


@pytest.mark.parametrize("case", GOLDEN["consistency"], ids=lambda c: f"{c['kind']}-{c['T']}")
@pytest.mark.parametrize("mode", MODES)
def test_a_video_of_one_clip_has_vbenchs_own_number(mode, case):
    found = on_plain_features("in_clip_consistency", mode).measure(as_frames(case["features"]).split(3), Clip(fps=8))
    assert found.value == pytest.approx(case["subject"], abs=1e-5)


@pytest.mark.parametrize("case", GOLDEN["consistency"], ids=lambda c: f"{c['kind']}-{c['T']}")
@pytest.mark.parametrize("mode", MODES)
def test_from_clip_to_clip_first_frames_have_vbenchs_own_number(mode, case):
    noise = wandering(case["T"] * 4, seed=1)
    noise[::4] = torch.tensor(case["features"])
    found = on_plain_features("clip_to_clip_consistency", mode, seconds=1.0).measure([as_frames(noise)], Clip(fps=4))
    assert found.value == pytest.approx(case["subject"], abs=1e-5)


# --- what they see ------------------------------------------------------------------------------------------


def test_slow_drift_is_seen_from_clip_to_clip_alone():
    angle = torch.linspace(0, math.pi / 2, 161)[:, None]
    rows = torch.cat([angle.cos(), angle.sin(), torch.zeros(161, 1)], dim=1)
    inside, across = (on_plain_features(name).measure([as_frames(rows)], Clip(fps=8)).value for name in NAMES)
    assert inside > 0.99
    assert across < 0.85


@pytest.mark.parametrize(("frames", "which"), [*((20, which) for which in range(20)), (17, 16), (9, 8)])
@pytest.mark.parametrize("mode", MODES)
def test_one_bad_frame_lowers_in_clip_wherever_it_is(mode, frames, which):
    rows = wandering(frames, step=0.02)
    bad = rows.clone()
    bad[which] = -rows[which].flip(0)
    metric = on_plain_features("in_clip_consistency", mode, seconds=1.0)
    clean, broken = (metric.measure([as_frames(x)], Clip(fps=8)) for x in (rows, bad))
    assert broken.value < clean.value - 0.01


@pytest.mark.parametrize("which", [0, 8, 16])
def test_one_bad_first_frame_lowers_clip_to_clip_and_another_does_not(which):
    rows = wandering(20, step=0.02)
    metric = on_plain_features("clip_to_clip_consistency", seconds=1.0)
    values = []
    for place in (None, which, which + 1):
        changed = rows.clone()
        if place is not None:
            changed[place] = -rows[place].flip(0)
        values.append(metric.measure([as_frames(changed)], Clip(fps=8)).value)
    assert values[1] < values[0] - 0.05
    assert values[2] == values[0]


@pytest.mark.parametrize(("frames", "first"), [(20, [0, 8, 16]), (16, [0, 8])])
def test_curves_hold_what_was_measured_where_it_was(frames, first):
    rows = wandering(frames)
    inside, across = (
        on_plain_features(name, seconds=1.0).measure([as_frames(rows)], Clip(fps=8)).curve for name in NAMES
    )
    assert [t for t, value in enumerate(inside) if math.isnan(value)] == first
    assert [t for t, value in enumerate(across) if not math.isnan(value)] == first[1:]
    assert across[8] == pytest.approx(consistency(rows[[0, 8]].tolist()), abs=1e-6)


def test_borrowed_frames_are_those_before_the_end():
    rows = wandering(20)
    inside, across = (
        on_plain_features(name, "reference", seconds=1.0).measure([as_frames(rows)], Clip(fps=8)) for name in NAMES
    )
    assert [t for t, value in enumerate(inside.curve) if math.isnan(value)] == [0, 8]
    assert [t for t, value in enumerate(across.curve) if not math.isnan(value)] == [8, 12]  # 12 is 20 − 8
    last = consistency(rows[[12, 19]].tolist()) + consistency(rows[[18, 19]].tolist())
    assert inside.curve[19] == pytest.approx(last / 2, abs=1e-6)


def test_only_first_frames_are_encoded_where_they_are_all_that_counts():
    metric = on_plain_features("clip_to_clip_consistency", seconds=1.0)
    metric.measure(as_frames(wandering(50)).split(3), Clip(fps=8))
    assert sum(metric.encoder.network.calls) == 7


def test_little_is_kept_of_a_long_video():
    inside, across = (kind(plain(), 8, borrow=True) for kind in (InClip, ClipToClip))
    for seed in range(50):
        for tally in (inside, across):
            tally.follow(wandering(16, seed))
    assert (len(inside.recent), len(across.recent)) == (8, 8)
    assert len(across.firsts) == 100
    assert {first.untyped_storage().nbytes() for first in across.firsts} == {6 * 4}  # not the blocks they came in


# --- short videos, odd rates, weights -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_video_of_one_clip_has_nothing_to_compare_with(mode):
    for frames in (1, 15, 16):
        found = on_plain_features("clip_to_clip_consistency", mode).measure([as_frames(wandering(frames))], Clip(fps=8))
        assert math.isnan(found.value)
        assert found.note == "the video is one clip: there is nothing to compare it with"
        assert len(found.curve) == frames


@pytest.mark.parametrize("mode", MODES)
def test_one_frame_is_not_scored(mode):
    found = on_plain_features("in_clip_consistency", mode).measure([as_frames(wandering(1))], Clip(fps=8))
    assert math.isnan(found.value)
    assert found.note == "needs two frames"


@pytest.mark.parametrize(
    ("fps", "seconds", "length"), [(8.0, 2.0, 16), (23.976, 2.0, 46), (30.0, 0.5, 15), (1.0, 2.0, 2), (12.5, 2, 24)]
)
def test_a_clip_has_the_frames_of_so_many_seconds(fps, seconds, length):
    assert clip_length("x", Clip(fps=fps), seconds) == length


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("fps", "seconds"), [(0.5, 2.0), (8.0, 0.1), (8.0, -1.0), (8.0, math.inf), (8.0, math.nan)])
def test_clips_without_pairs_get_one_clear_line(name, fps, seconds):
    with pytest.raises(UserError, match=f"{name}: seconds must give clips of at least two frames") as error:
        on_plain_features(name, seconds=seconds).start(Clip(fps=fps))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("mode", MODES)
def test_both_are_fused_as_one_asks(mode):
    rows, clip = wandering(37), Clip(fps=8)
    parts = [on_plain_features(name, mode, seconds=1.0).measure([as_frames(rows)], clip).value for name in NAMES]
    metric = on_plain_features("long_consistency", mode, seconds=1.0, in_clip=0.7, clip_to_clip=0.3)
    found = metric.measure(as_frames(rows).split(5), clip)
    assert found.value == pytest.approx(0.7 * parts[0] + 0.3 * parts[1], abs=1e-6)
    assert list(found.parts.values()) == pytest.approx(parts, abs=1e-6)
    assert list(found.parts) == ["in_clip", "clip_to_clip"]
    assert sum(metric.encoder.network.calls) == 37  # one pass for both


def test_a_score_of_no_weight_need_not_be_there():
    rows, clip = as_frames(wandering(9)), Clip(fps=8)
    alone = on_plain_features("long_consistency", in_clip=1.0, clip_to_clip=0.0).measure([rows], clip)
    assert alone.value == pytest.approx(consistency(wandering(9).tolist()), abs=1e-6)
    both = on_plain_features("long_consistency", in_clip=0.7, clip_to_clip=0.3).measure([rows], clip)
    assert math.isnan(both.value)
    assert both.note == "the video is one clip: there is nothing to compare it with"


@pytest.mark.parametrize("weights", [(0.7, 0.7), (1.2, -0.2), (math.nan, 0.3)])
def test_the_weights_must_be_given_and_sum_to_one(weights):
    with pytest.raises(UserError, match="must be at least 0 and sum to 1; given"):
        metrics.create("long_consistency", in_clip=weights[0], clip_to_clip=weights[1])
    with pytest.raises(UserError, match="needs clip_to_clip"):
        metrics.create("long_consistency", in_clip=1.0)
