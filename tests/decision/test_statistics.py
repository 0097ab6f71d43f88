"""Paired statistics: pairing matters, intervals cover, p is exact for small n, degenerate input is named."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sn_eval.decision.statistics import (
    benjamini_hochberg,
    differences_by_prompt,
    holm,
    interval,
    mean,
    paired_difference,
    sign_flip_p,
)

finite = st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 6))
scores = st.dictionaries(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3)), finite, min_size=1)


def as_pairs(values: np.ndarray) -> dict[tuple[str, int], float]:
    return {(f"p{i:03d}", 0): float(v) for i, v in enumerate(values)}


@given(scores)
@settings(max_examples=50, deadline=None)
def test_a_method_against_itself_differs_by_exactly_nothing(a):
    result = paired_difference(a, a, resamples=200)
    assert result.mean == 0
    assert result.losing == ()
    assert not result.excludes_zero
    assert result.p in (None, 1.0)


@given(scores, scores)
@settings(max_examples=50, deadline=None)
def test_swapping_the_methods_negates_everything_but_p(a, b):
    one, two = paired_difference(a, b, resamples=500), paired_difference(b, a, resamples=500)
    assert (one.n_pairs, one.dropped, one.p) == (two.n_pairs, two.dropped, two.p)
    if one.low is not None:
        assert one.mean == pytest.approx(-two.mean)
        assert one.low == pytest.approx(-two.high)


@given(scores, scores, st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=50, deadline=None)
def test_what_both_methods_share_on_a_prompt_cancels(a, b, scale, shift):
    moved = {(prompt, seed): value + shift * ord(prompt) for (prompt, seed), value in a.items()}
    base = {(prompt, seed): value + shift * ord(prompt) for (prompt, seed), value in b.items()}
    one, two = paired_difference(a, b, resamples=100), paired_difference(moved, base, resamples=100)
    assert one.n_pairs == two.n_pairs
    if one.mean is not None:
        assert two.mean == pytest.approx(one.mean, abs=1e-6)


def test_prompts_weigh_alike_however_many_seeds_they_have():
    ours = {("a", s): 1.0 for s in range(9)} | {("b", 0): 0.0}
    plain = dict.fromkeys(ours, 0.0)
    assert paired_difference(ours, plain).mean == 0.5


def test_unscored_and_unpaired_are_dropped_and_counted():
    ours = {("a", 0): 1.0, ("a", 1): math.nan, ("b", 0): 2.0, ("c", 0): 1.0}
    plain = {("a", 0): 0.0, ("a", 1): 0.0, ("b", 0): None, ("d", 0): 1.0}
    result = paired_difference(ours, plain)
    assert (result.n_pairs, result.n_prompts, result.dropped) == (1, 1, 4)
    assert result.low is None
    assert result.p is None
    assert "at least 2" in result.method


def test_nothing_in_common_has_no_mean():
    result = paired_difference({("a", 0): 1.0}, {("b", 0): 1.0})
    assert result.mean is None
    assert result.n_prompts == 0


def test_losing_prompts_come_worst_first_and_follow_the_direction():
    ours, plain = {("a", 0): 1.0, ("b", 0): 0.0, ("c", 0): 5.0}, {("a", 0): 2.0, ("b", 0): 4.0, ("c", 0): 1.0}
    assert paired_difference(ours, plain).losing == ("b", "a")
    assert paired_difference(ours, plain, higher_is_better=False).losing == ("c",)


def test_t_interval_is_scipys_paired_t_test():
    values = np.random.default_rng(1).normal(0.3, 1, 12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    result = paired_difference(as_pairs(values), as_pairs(np.zeros(12)), confidence=0.9)
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high))


def test_bootstrap_from_twenty_prompts_on_and_close_to_t_for_normal_data():
    values = np.random.default_rng(2).normal(0.3, 1, 200)
    low, high, how = interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert "BCa" in how
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert "BCa" in interval(values[:20])[2]
    assert "t-interval" in interval(values[:19])[2]


def test_bootstrap_leans_the_right_way_on_skewed_data():
    """BCa's reason to be: for a long right tail the upper arm of the interval is the longer one."""
    values = np.random.default_rng(3).lognormal(0, 1, 40)
    low, high, _ = interval(values)
    assert high - values.mean() > 1.2 * (values.mean() - low)


def test_interval_covers_about_as_often_as_it_says():
    """Twenty prompts, where BCa alone covers 92 %; skewed and heavy-tailed as well."""
    rng = np.random.default_rng(4)
    for draw, truth in (
        (rng.standard_normal, 0.0), (rng.standard_exponential, 1.0), (lambda n: rng.standard_t(3, n), 0.0),
    ):  # fmt: skip
        draws = [interval(draw(20), resamples=400) for _ in range(300)]
        assert 0.91 <= np.mean([low <= truth <= high for low, high, _ in draws]) <= 0.985


def test_no_bound_is_nearer_than_that_of_t():
    rng = np.random.default_rng(9)
    for values in (rng.normal(size=20), rng.exponential(size=40), rng.choice([-1.0, 0.0, 1.0], 60)):
        low, high, how = interval(values, resamples=400)
        least = stats.ttest_1samp(values, 0).confidence_interval()
        assert low <= least.low
        assert high >= least.high
        assert "at least as wide as t" in how


@pytest.mark.parametrize("n", [2, 5, 9])
def test_sign_flip_is_exact_for_few_prompts(n):
    values = np.random.default_rng(n).normal(0.5, 1, n)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(values) == pytest.approx(expected.pvalue)


def test_sign_flip_for_many_prompts_is_near_the_t_test_and_never_zero():
    values = np.random.default_rng(5).normal(0.25, 1, 60)
    assert sign_flip_p(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    assert 0 < sign_flip_p(np.full(60, 1.0)) <= 1e-3


def test_same_seed_same_result():
    values = np.random.default_rng(6).normal(size=30)
    assert interval(values, seed=3) == interval(values, seed=3)
    assert interval(values, seed=3) != interval(values, seed=4)


def test_pairing_beats_not_pairing():
    """Prompts differ far more than methods do: only paired differences can see the gain."""
    rng = np.random.default_rng(7)
    hard = rng.normal(0, 5, 40)
    ours, plain = as_pairs(hard + 0.5 + rng.normal(0, 0.3, 40)), as_pairs(hard + rng.normal(0, 0.3, 40))
    assert paired_difference(ours, plain).excludes_zero
    assert stats.ttest_ind(list(ours.values()), list(plain.values())).pvalue > 0.2


def test_confidence_is_checked():
    with pytest.raises(ValueError, match=r"confidence 95: must lie between 0 and 1"):
        paired_difference({}, {}, confidence=95)


def test_differences_ignore_the_order_of_entry():
    a, b = {("x", 1): 2.0, ("x", 0): 1.0}, {("x", 0): 0.5, ("x", 1): 0.5}
    assert differences_by_prompt(a, b) == {"x": [0.5, 1.5]}


def test_equal_but_for_rounding_is_equal():
    """0.3 − 0.2 is not 0.4 − 0.3 in floating point; BCa would make NaN of it."""
    values = np.array([0.3 - 0.2, 0.4 - 0.3, 0.5 - 0.4] * 10)
    low, high, how = interval(values)
    assert (low, high) == pytest.approx((0.1, 0.1))
    assert "same amount" in how


@pytest.mark.parametrize(("n", "confidence", "told"), [(2, 0.95, False), (5, 0.95, False), (6, 0.95, True),
                                                       (8, 0.997, False), (10, 0.997, True)])  # fmt: skip
def test_a_few_equal_values_have_no_interval(n, confidence, told):
    """Two prompts that both win would else be a certainty; sign flips give them a p of one half."""
    low, high, how = interval(np.ones(n), confidence=confidence)
    assert (low is not None) is told is (sign_flip_p(np.ones(n)) <= 1 - confidence)
    assert low == high
    assert "same amount" in how


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=6, max_size=60))
@settings(max_examples=60)
def test_shares_always_have_a_finite_interval_around_their_mean(values):
    low, high, _ = interval(np.array(values), resamples=300)
    assert low <= np.mean(values) + 1e-9
    assert high >= np.mean(values) - 1e-9


ps = st.lists(st.none() | st.floats(0, 1), max_size=8)


@given(ps)
@settings(max_examples=25)
def test_corrections_by_their_definitions(values):
    """Holm: every p times the number of those at least as large, made monotone; BH: n ÷ rank, made monotone."""
    known = sorted(p for p in values if p is not None)
    n = len(known)
    by_holm = np.minimum(1, np.maximum.accumulate([(n - i) * p for i, p in enumerate(known)]))
    by_bh = np.minimum(1, np.minimum.accumulate([n / (n - i) * p for i, p in enumerate(known[::-1])])[::-1])
    for corrected, expected in ((holm(values), by_holm), (benjamini_hochberg(values), by_bh)):
        assert [p is None for p in corrected] == [p is None for p in values]
        assert sorted(p for p in corrected if p is not None) == pytest.approx(list(expected))


def test_false_discovery_rate_of_true_nulls_and_effects():
    rng = np.random.default_rng(8)
    shares = []
    for _ in range(300):
        values = [*rng.uniform(size=20), *(rng.uniform(size=5) / 500)]
        found = [p <= 0.05 for p in benjamini_hochberg(values)]
        shares.append(sum(found[:20]) / max(1, sum(found)))
    assert np.mean(shares) <= 0.05


@pytest.mark.parametrize("n", [2, 9, 13, 14, 20, 75, 300])
def test_p_is_that_of_all_signs_at_once(n):
    """Signs are kept between calls and multiplied in parts: the same draws, and the same p."""
    rng = np.random.default_rng(n)
    for values in (rng.normal(0.1, 1, n), rng.choice([-1.0, 0.0, 1.0], n), rng.choice([0.0, 0.5, 1 / 3], n)):
        if 2**n <= 10_000:
            signs, extra = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1), 0
        else:
            signs, extra = np.random.default_rng(3).choice([-1, 1], size=(10_000, n)), 1
        least = abs(values.sum()) - 1e-12 * np.abs(values).sum()
        assert sign_flip_p(values, seed=3) == ((np.abs(signs @ values) >= least).sum() + extra) / (len(signs) + extra)


@pytest.mark.parametrize("n", [20, 255, 256, 300])
def test_bounds_are_those_of_scipys_own_resamples(n):
    """Resamples are kept between calls: the same draws, and the same bounds to the last bit."""
    rng = np.random.default_rng(n)
    for values in (rng.normal(0.1, 1, n), rng.choice([-1.0, 0.0, 1.0], n)):
        level = 2 * stats.norm.cdf(stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))) - 1
        bounds = stats.bootstrap(
            (values,), np.mean, n_resamples=1100, confidence_level=level, rng=np.random.default_rng(3), batch=1000
        ).confidence_interval
        least = stats.ttest_1samp(values, 0).confidence_interval()
        low, high, _ = interval(values, resamples=1100, seed=3)
        assert (low, high) == pytest.approx((min(bounds.low, least.low), max(bounds.high, least.high)), rel=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_a_mean_is_numpys_to_the_last_bit(values):
    assert repr(mean(values)) == repr(float(np.mean(values)))
