"""Cosines of frames 2, 5, 10, 20 and 50 apart: by the written-out formula, whole or bit by bit."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.encoders import create_encoder
from sn_eval import metrics
from sn_eval.audit.corruptions import CORRUPTIONS
from sn_eval.metrics.base import Clip
from sn_eval.metrics.lag_consistency import LAGS, LagConsistency, Lags

SMALL = "imagenet-lite0@32"


def walk(frames, seed=0, dimensions=5):
    """Features that drift away at random."""
    steps = torch.randn(frames, dimensions, generator=torch.Generator().manual_seed(seed))
    return 1 + 0.3 * steps.cumsum(0)


def followed(features, block=32):
    """Features are what the encoder would have made: none is asked."""
    tally = Lags(create_encoder(SMALL))
    for some in features.split(block):
        tally.follow(some)
    return tally


def naive(features):
    """lag → {later frame: cosine}."""
    rows = features.tolist()

    def cosine(x, y):
        return sum(a * b for a, b in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)

    return {lag: {t: cosine(rows[t], rows[t - lag]) for t in range(lag, len(rows))} for lag in LAGS}


@pytest.mark.parametrize("frames", [3, 5, 6, 11, 21, 50, 51, 52, 90])
def test_it_is_the_written_out_formula(frames):
    features = walk(frames)
    found, known = followed(features).result(), naive(features)
    there = [lag for lag in LAGS if lag < frames]
    means = {lag: sum(known[lag].values()) / len(known[lag]) for lag in there}
    parts = {f"lag_{lag}": means.get(lag, math.nan) for lag in LAGS}
    assert found.parts == pytest.approx(parts, abs=1e-5, nan_ok=True)
    assert found.value == pytest.approx(sum(means.values()) / len(there), abs=1e-5)
    curve = [sum(known[lag][t] for lag in there) / len(there) if t >= there[-1] else math.nan for t in range(frames)]
    assert found.curve == pytest.approx(curve, abs=1e-5, nan_ok=True)


def test_a_turn_of_known_speed_has_known_cosines():
    """Features that turn by 2 degrees a frame: two that are k apart differ by 2k degrees."""
    angle = torch.deg2rad(2.0 * torch.arange(60))
    found = followed(torch.stack([angle.cos(), angle.sin()], dim=1)).result()
    assert found.parts == pytest.approx({f"lag_{k}": math.cos(math.radians(2 * k)) for k in LAGS}, abs=1e-5)
    assert found.parts["lag_50"] < 0


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 120), st.sampled_from([1, 3, 32, 64]), st.integers(0, 99))
def test_the_size_of_blocks_does_not_matter(frames, block, seed):
    whole, some = followed(walk(frames, seed), frames).result(), followed(walk(frames, seed), block).result()
    assert some.value == pytest.approx(whole.value, abs=1e-6, nan_ok=True)
    assert some.parts == pytest.approx(whole.parts, abs=1e-6, nan_ok=True)
    assert some.curve == pytest.approx(whole.curve, abs=1e-6, nan_ok=True)
    assert len(some.curve) == frames


@settings(deadline=None, max_examples=20)
@given(st.integers(3, 80), st.integers(0, 99))
def test_time_backward_gives_the_same(frames, seed):
    forward, backward = followed(walk(frames, seed)).result(), followed(walk(frames, seed).flip(0)).result()
    assert backward.parts == pytest.approx(forward.parts, abs=1e-5, nan_ok=True)


def test_missing_lags_are_named():
    assert followed(walk(60)).result().note == ""
    assert followed(walk(20)).result().note == "too short for lag 20, 50"
    short = followed(walk(2)).result()
    assert math.isnan(short.value)
    assert short.note == "too short for lag 2, 5, 10, 20, 50"
    assert len(short.curve) == 2
    assert all(math.isnan(each) for each in (*short.curve, *short.parts.values()))


def test_one_frame_among_others_lowers_it_wherever_it_stands():
    features = torch.ones(64, 4)
    for frame in range(64):
        broken = features.clone()
        broken[frame] = torch.tensor([1.0, -1, 1, -1])
        found = followed(broken).result()
        assert found.value < 1 - 1e-3
        assert found.parts["lag_2"] < 1 - 1e-3


def test_only_the_last_fifty_features_are_kept():
    tally = followed(walk(400), 7)
    assert tally.past.shape == (50, 5)
    assert tally.past.untyped_storage().nbytes() == 50 * 5 * 4


def test_a_video_goes_through_its_encoder():
    video = torch.rand(12, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    metric = metrics.create("lag_consistency", encoder=SMALL)
    features = create_encoder(SMALL)(video)
    known = naive(features)
    for block in (1, 3, 32):
        found = metric.measure(iter(video.split(block)), Clip())
        for lag in (2, 5, 10):
            mean = sum(known[lag].values()) / len(known[lag])
            assert found.parts[f"lag_{lag}"] == pytest.approx(mean, abs=1e-4)
    scores = metric(video[None, 1:], [""], fps=8.0, anchor=video[None, :1])
    assert scores.values.item() == pytest.approx(found.value, abs=1e-4)
    assert scores.per_frame.shape == (1, 11)


def test_a_frozen_video_scores_one():
    still = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(0)).expand(12, -1, -1, -1)
    assert LagConsistency(SMALL).measure(iter([still])).value == pytest.approx(1, abs=1e-5)


def test_what_is_declared():
    spec = LagConsistency().spec
    assert spec.higher_is_better
    assert spec.range == (-1, 1)
    assert spec.families == ("encoder:imagenet-lite0",)
    assert spec.encoder == "imagenet-lite0"
    assert set(spec.falls_under) <= set(CORRUPTIONS)
