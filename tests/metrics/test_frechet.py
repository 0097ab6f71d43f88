"""The Fréchet distance of feature sets: analytic distances, streaming, and what it says of small samples."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.base import UserError
from rewards.encoders import Encoder, Network, Preprocessing, create_encoder
from sn_eval.metrics.frechet import (
    FeatureStatistics,
    Halves,
    evenly,
    frechet,
    frechet_distance,
    gaussian_distance,
    root,
    warning,
)

SMALL = "imagenet-lite0-early@32"


def normal(count, dimensions, seed=0):
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def statistics_of(features, block=1000):
    found = FeatureStatistics()
    for some in features.split(block):
        found.add(some)
    return found


def positive(dimensions, seed):
    """A covariance with eigenvalues of very unlike sizes."""
    mix = normal(dimensions, dimensions, seed)
    return mix @ torch.diag(10.0 ** torch.linspace(-3, 1, dimensions, dtype=torch.float64)) @ mix.T


def with_exactly(mean, covariance, count=50, seed=0):
    """Vectors whose mean and covariance are these, not just about."""
    raw = normal(count, len(mean), seed)
    white = raw - raw.mean(0)
    white = white @ torch.linalg.inv(torch.linalg.cholesky(white.T @ white / (count - 1))).T
    return mean + white @ torch.linalg.cholesky(covariance).T


# --- the distance -----------------------------------------------------------------------------------------


def test_in_one_dimension_it_is_the_known_formula():
    """(μa − μb)² + (σa − σb)²."""
    a, b = (torch.tensor([[x - s], [x], [x + s]], dtype=torch.float64) for x, s in ((2.0, 3.0), (5.0, 0.5)))
    assert frechet_distance(statistics_of(a), statistics_of(b)) == pytest.approx(3.0**2 + 2.5**2)


def test_of_diagonal_covariances_it_is_the_sum_over_dimensions():
    mean_a, mean_b = normal(2, 6)
    std_a, std_b = normal(2, 6, seed=1).abs()
    expected = float(((mean_a - mean_b) ** 2 + (std_a - std_b) ** 2).sum())
    found = gaussian_distance(mean_a, root(torch.diag(std_a**2)), mean_b, root(torch.diag(std_b**2)))
    assert found == pytest.approx(expected)
    sets = (with_exactly(m, torch.diag(s**2), seed=i) for i, (m, s) in enumerate([(mean_a, std_a), (mean_b, std_b)]))
    assert frechet_distance(*map(statistics_of, sets)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_of_any_covariances_it_is_the_closed_form(seed):
    a, b = positive(7, 2 * seed), positive(7, 2 * seed + 1)
    mean_a, mean_b = normal(2, 7, seed)
    middle = scipy.linalg.sqrtm(a.numpy() @ b.numpy()).real
    expected = float(((mean_a - mean_b) ** 2).sum()) + np.trace(a.numpy() + b.numpy() - 2 * middle)
    sets = with_exactly(mean_a, a, seed=seed), with_exactly(mean_b, b, seed=seed + 9)
    assert frechet_distance(*map(statistics_of, sets)) == pytest.approx(expected, rel=1e-6)


def test_covariances_that_do_not_overlap_add_up():
    """Singular ones, whose product has no square root that algorithms like: the first along x, the second along y."""
    a, b = (torch.zeros(3, 5, dtype=torch.float64) for _ in range(2))
    a[:, 0], b[:, 1] = (torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64) for _ in range(2))
    assert frechet_distance(statistics_of(a), statistics_of(b)) == pytest.approx(8.0)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 12), st.integers(0, 99))
def test_it_is_symmetric_not_negative_and_zero_for_equal_sets(n, m, dimensions, seed):
    a, b = statistics_of(normal(n, dimensions, seed)), statistics_of(1 + 2 * normal(m, dimensions, seed + 1))
    forth, back = frechet_distance(a, b), frechet_distance(b, a)
    assert forth == pytest.approx(back, rel=1e-8, abs=1e-9)
    assert forth > 0
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_equal_sets_of_many_features_and_few_vectors_are_zero_apart():
    few = statistics_of(normal(20, 300).abs().float())
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 60), st.integers(1, 70), st.integers(0, 99))
def test_bit_by_bit_and_in_any_order_is_at_once(count, block, seed):
    features = 5 + normal(count, 4, seed)
    once = statistics_of(features)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    for other in (statistics_of(features, block), statistics_of(features[order], block)):
        assert other.count == count
        assert torch.allclose(other.mean, features.mean(0), atol=1e-12)
        assert torch.allclose(other.covariance, torch.cov(features.T).view(4, 4), atol=1e-12)
        assert frechet_distance(once, other) == pytest.approx(0, abs=1e-9)


def test_a_large_mean_costs_no_precision():
    features = normal(500, 3)
    far = statistics_of(1e6 + features, 7)
    assert torch.allclose(far.covariance, torch.cov(features.T), rtol=1e-6)


def test_what_cannot_be_compared_is_one_clear_line():
    one = statistics_of(normal(1, 3))
    with pytest.raises(UserError, match="at least two feature vectors; given 1"):
        frechet_distance(one, statistics_of(normal(5, 3)))
    with pytest.raises(UserError, match="features of 3 and of 4 numbers"):
        frechet_distance(one, statistics_of(normal(5, 4)))
    with pytest.raises(UserError, match="features of 4 numbers after 3"):
        one.add(normal(2, 4))


# --- sets of videos ---------------------------------------------------------------------------------------


def video(seed, frames=6, tint=1.0):
    """A stream of blocks of two frames of a drawn-out random picture, not square."""
    coarse = torch.rand(frames, 3, 4, 6, generator=torch.Generator().manual_seed(seed))
    colour = torch.tensor([1.0, tint, tint]).view(3, 1, 1)
    return iter((torch.nn.functional.interpolate(coarse, (40, 60)) * colour).split(2))


def test_the_distance_of_videos_is_that_of_their_frames():
    found = frechet((video(i) for i in range(3)), (video(i, tint=0.3) for i in range(4)), SMALL)
    encoder = create_encoder(SMALL)
    sets = [
        statistics_of(torch.cat([encoder(frames) for i in range(count) for frames in video(i, tint=tint)]))
        for count, tint in ((3, 1.0), (4, 0.3))
    ]
    assert found.value == pytest.approx(frechet_distance(*sets), rel=1e-4)
    assert (found.videos, found.frames, found.dimensions) == ((3, 4), (18, 24), 160)
    assert (found.encoder, found.families) == (SMALL, ("encoder:imagenet-lite0",))
    assert found.encoder_sha256 == encoder.sha256
    assert "3 videos where hundreds are needed: not for a PoC's primary metric" in found.warning
    assert "18 frames for 160 features, so the covariance is singular" in found.warning


def test_equal_sets_are_zero_apart_and_below_the_floor():
    found = frechet((video(i) for i in range(4)), (video(i) for i in range(4)), SMALL, frames_per_video=3)
    assert found.value == pytest.approx(0, abs=1e-6)
    assert found.floor > 0.01
    assert found.frames == (12, 12)
    assert "no larger than between two random halves" in found.warning


def test_the_floor_is_about_twice_what_chance_does():
    """Two sets of one Gaussian: the distance is all chance, and halves of either are twice as small."""
    values, floors = [], []
    for seed in range(8):
        halves = [Halves(), Halves()]
        for i, each in enumerate(halves):
            for half, some in zip(each.halves, normal(400, 8, 2 * seed + i).split(200), strict=True):
                half.add(some)
        values.append(frechet_distance(halves[0].all, halves[1].all))
        floors.append(sum(each.floor for each in halves) / 2)
    assert sum(floors) / sum(values) == pytest.approx(2, rel=0.3)


def colours(asked):
    """An encoder whose features are the mean colour, of 2 × 2 pixels; it notes what it was asked for."""

    class Means(Network):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x):
            asked.extend(x[:, 0, 0, 0].tolist())
            return x.mean((2, 3))

    return Encoder("colours", "colours", "0" * 64, Preprocessing(2, (0.0,) * 3, (1.0,) * 3), Means())


def test_halves_hold_whole_videos_of_both_ends():
    halves = Halves.of((iter([torch.full((3, 3, 2, 2), i / 10)]) for i in range(7)), colours([]), 16)
    assert halves.videos == 7
    assert sorted(half.count for half in halves.halves) == [9, 12]
    assert halves.all.mean.tolist() == pytest.approx([0.3] * 3)
    single = Halves.of([iter([torch.rand(3, 3, 2, 2)])], colours([]), 16)
    assert math.isnan(single.floor)


@pytest.mark.parametrize("block", [1, 3, 32])
@pytest.mark.parametrize("frames", [1, 4, 5, 7, 8, 30, 100])
def test_frames_are_taken_evenly_whatever_the_length_and_the_blocks(frames, block):
    asked = []
    numbered = torch.arange(frames).float().view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    taken = [int(x) for x in evenly(iter(numbered.split(block)), colours(asked), 4)[:, 0]]
    assert len(taken) == min(4, frames)
    assert taken[0] == 0
    gaps = np.diff(taken)
    assert frames < 4 or max(gaps) <= 2 * min(gaps)
    assert taken[-1] >= frames / 2 or frames == 1
    if block == 1:
        assert len(asked) <= 8 + 4 * math.log2(max(2, frames))


def test_sets_that_are_too_small_are_one_clear_line():
    with pytest.raises(UserError, match="the first set has 0 videos and 0 frames"):
        frechet([], [video(1)], SMALL)
    with pytest.raises(UserError, match="the second set has 1 videos and 1 frames"):
        frechet([video(1)], [video(1, frames=1)], SMALL)
    with pytest.raises(UserError, match="a video without frames"):
        frechet([iter([])], [video(1)], SMALL)
    with pytest.raises(UserError, match="frames_per_video must be at least 1; given 0"):
        frechet([video(1)], [video(1)], SMALL, frames_per_video=0)


def test_nothing_is_said_against_large_sets_that_differ():
    assert warning(5.0, 0.1, 500, 8000, 1280) == ""
    assert warning(5.0, math.nan, 500, 8000, 1280) == ""
    assert "199 videos" in warning(5.0, 0.1, 199, 8000, 1280)
