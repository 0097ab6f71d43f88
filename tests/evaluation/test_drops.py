"""A drop is found where it was put in, whatever the unit; noise, slopes and gaps are none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn_eval.evaluation.drops import FEWEST, drops

NOISE = 0.01


def noisy(seed: int = 0, frames: int = 64) -> np.ndarray:
    return 0.9 + NOISE * np.random.default_rng(seed).normal(size=frames)


@pytest.mark.parametrize("place", range(4, 64))
def test_a_dip_is_found_at_its_frame(place):
    curve = noisy(place)
    curve[place] -= 12 * NOISE
    (found,) = drops(curve.tolist())
    assert (found.before, found.at) == (place - 1, place)
    assert found.value == curve[place]
    assert found.level == pytest.approx(0.9, abs=2 * NOISE)
    assert found.change == found.value - found.level < -8 * NOISE


@pytest.mark.parametrize("length", [1, 5, 12])
def test_a_fall_for_good_is_found_where_it_begins_and_ends(length):
    curve = noisy(1)
    curve[30:] -= 20 * NOISE * np.minimum(1, (np.arange(34) + 1) / length)
    (found,) = drops(curve.tolist())
    assert 28 <= found.before < found.at <= 30 + length
    assert curve[found.before] > 0.9 - 8 * NOISE
    assert curve[found.at] < 0.9 - 8 * NOISE


def test_the_deepest_come_first_and_stand_apart():
    curve = noisy(2, 100)
    for place, depth in ((20, 12), (21, 11), (40, 30), (60, 16), (80, 20)):
        curve[place] -= depth * NOISE
    assert [drop.at for drop in drops(curve.tolist())] == [40, 80, 60]
    assert [drop.at for drop in drops(curve.tolist(), most=9)] == [40, 80, 60, 20]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 999), st.sampled_from([1e-6, 0.5, 1.0, 3e4]), st.sampled_from([-5.0, 0.0, 0.25]), st.booleans()
)  # fmt: skip
def test_unit_and_direction_change_no_frame(seed, scale, shift, turned):
    rng = np.random.default_rng(seed)
    curve = noisy(seed)
    curve[rng.integers(4, 64, 3)] -= rng.uniform(0.05, 0.5, 3)
    other = scale * (-1 if turned else 1) * (curve + shift)
    first, second = drops(curve.tolist()), drops(other.tolist(), higher_is_better=not turned)
    assert [(a.before, a.at) for a in first] == [(b.before, b.at) for b in second]
    for a, b in zip(first, second, strict=True):
        assert b.clear == pytest.approx(a.clear, rel=1e-6)
        assert b.change == pytest.approx(scale * (-1 if turned else 1) * a.change, rel=1e-6)


@pytest.mark.parametrize("window", [4, 8, 16])
def test_noise_is_seldom_a_drop(window):
    """Of 500 curves of noise, or that wander, at most 2 of 100; the seeds are fixed, the bound is not tight."""
    rng = np.random.default_rng(5)
    for make in (lambda: rng.normal(size=48), lambda: rng.normal(size=48).cumsum()):
        assert sum(bool(drops(make().tolist(), window=window)) for _ in range(500)) <= 10


def test_a_slope_a_wave_and_a_rise_are_no_drop():
    time = np.linspace(0, 1, 120)
    for curve in (1 - time, np.sin(12 * time), np.where(time < 0.5, 0.2, 0.8) + 0 * time, np.full(120, 0.5)):
        assert drops(curve.tolist()) == []


def test_a_gap_is_closed():
    curve: list[float | None] = noisy(3).tolist()
    curve[0] = None
    curve[20:30] = [math.nan] * 10
    curve[30] = 0.5
    (found,) = drops(curve)
    assert (found.before, found.at) == (19, 30)


def test_few_frames_say_nothing():
    curve = [0.9] * (FEWEST - 2) + [0.1]
    assert drops(curve) == drops([None] * 50 + curve) == drops([]) == drops([None] * 99) == []
    assert drops([0.9, *curve]) != []


def test_what_is_below_the_least_depth_is_none():
    curve = [0.9] * 20 + [0.8] * 20
    assert [drop.at for drop in drops(curve, least=0.09)] == [20]
    assert drops(curve, least=0.11) == []
