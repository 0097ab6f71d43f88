"""Best-of-n curves against analytic truth, and the three verdicts on pools made to deserve them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from rewards.base import UserError
from sn_eval.audit.hacking import best_of, distance, hacking_curve

N = 64


def pool(prompts: int, seed: int = 0, candidates: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Two independent standard normal scores."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, prompts, candidates))


def expected_max(n: int) -> float:
    """E[max of n standard normals], by integration."""
    density = lambda x: x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1)  # noqa: E731
    return integrate.quad(density, -10, 10)[0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), min_size=4, max_size=7), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_expectation_is_that_over_all_subsets(pairs, n):
    """Ties included: every one of the best of a subset is as likely to be picked."""
    picked = []
    for subset in itertools.combinations(pairs, n):
        best = max(p for p, _ in subset)
        picked.append(np.mean([s for p, s in subset if p == best]))
    proxy, scores = (np.array(side, float) for side in zip(*pairs, strict=True))
    assert best_of(proxy, scores, [n])[0] == pytest.approx(np.mean(picked), abs=1e-9)


def test_the_best_of_n_normals_has_its_known_mean():
    proxy, _ = pool(4000)
    means = np.mean([best_of(row, row, [1, 4, 16, 64]) for row in proxy], axis=0)
    assert means == pytest.approx([expected_max(n) for n in (1, 4, 16, 64)], abs=0.02)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_a_correlated_judge_gains_its_correlation_times_the_proxy(rho):
    proxy, other = pool(600, 1)
    result = hacking_curve(proxy, rho * proxy + math.sqrt(1 - rho**2) * other)
    gains = [result.held_out.gain[result.n.index(n)].value for n in (4, 32)]
    assert gains == pytest.approx([rho * expected_max(4), rho * expected_max(32)], abs=0.1)


def test_identical_scores_raise_no_alarm():
    proxy, _ = pool(12)
    result = hacking_curve(proxy, proxy)
    assert result.verdict == "no alarm"
    assert result.proxy == result.held_out
    assert result.best_n == 64
    assert "No alarm" in result.words


@pytest.mark.parametrize("prompts", [12, 30])
def test_a_judge_that_turns_against_the_proxy_raises_the_alarm(prompts):
    """Moderate proxies are good, extreme ones cheat: the judge follows up to one standard deviation."""
    proxy, other = pool(prompts, 2)
    judged = np.where(proxy < 1, proxy, 1 - 4 * (proxy - 1)) + 0.2 * other
    result = hacking_curve(proxy, judged, names=("sharpness", "persistence"))
    assert result.verdict == "alarm"
    assert 1 < result.best_n < 16
    assert result.held_out.beta.rises
    assert "sharpness still rises while persistence falls" in result.words
    assert f"n = {result.best_n}" in result.words


def test_an_unrelated_judge_of_few_prompts_is_not_resolved():
    result = hacking_curve(*pool(8, 3))
    assert result.verdict == "not resolved"
    assert "more prompts" in result.words


def test_intervals_cover_and_false_alarms_are_rare():
    """An unrelated judge truly neither rises nor falls: 95 % of intervals hold 0, at most 2.5 % of pools ring."""
    results = [hacking_curve(*pool(10, seed, 16)) for seed in range(200)]
    slopes = [result.held_out.slope for result in results]
    assert 0.90 <= np.mean([slope.low <= 0 <= slope.high for slope in slopes]) <= 0.99
    assert sum(result.verdict == "alarm" for result in results) <= 12


def test_a_constant_proxy_optimises_nothing():
    _, judged = pool(6)
    result = hacking_curve(np.ones_like(judged), judged)
    assert result.verdict == "not resolved"
    assert "nothing is being optimised" in result.words
    assert all(abs(e.value) < 1e-9 for e in result.held_out.gain)


def test_equal_scores_have_no_slope_at_all():
    """Not even by rounding: 0.1 + 0.2 must not raise an alarm."""
    proxy, _ = pool(9)
    result = hacking_curve(proxy, np.full_like(proxy, 0.1))
    assert result.verdict == "not resolved"
    assert "tells these candidates apart" in result.words
    assert {e.value for e in result.held_out.gain} == {0.0}


def test_the_fit_is_least_squares_of_the_known_curve():
    proxy, _ = pool(1500, 4)
    result = hacking_curve(proxy, proxy)
    d = np.array(result.d)
    truth = np.array([expected_max(n) for n in result.n])
    alpha, beta = np.linalg.lstsq(np.stack([d, -(d**2)], 1), truth, rcond=None)[0]
    assert result.proxy.alpha.value == pytest.approx(alpha, abs=0.05)
    assert result.proxy.beta.value == pytest.approx(beta, abs=0.05)


def test_units_do_not_matter():
    proxy, other = pool(10, 5)
    one, two = hacking_curve(proxy, other), hacking_curve(100 * proxy + 7, other / 50 - 1)
    assert two.held_out.slope.value == pytest.approx(one.held_out.slope.value)
    assert two.held_out.slope.low == pytest.approx(one.held_out.slope.low)
    assert two.proxy.sd == pytest.approx(100 * one.proxy.sd)


def test_unscored_candidates_are_left_out_and_counted():
    proxy, other = pool(5, 6)
    other[0, 0] = math.nan  # one candidate: then 64 cannot be drawn there
    other[1, :40] = math.nan  # too few left: the prompt goes
    result = hacking_curve(proxy, other)
    assert (result.prompts, result.dropped, result.n[-1]) == (4, 1 + 64, 32)


def test_one_prompt_has_no_interval_and_no_verdict():
    result = hacking_curve(*pool(1))
    assert result.held_out.slope.low is None
    assert result.verdict == "not resolved"


def test_rows_are_made_for_the_chart():
    rows = hacking_curve(*pool(8)).rows("mine", "theirs")
    assert {row["score"] for row in rows} == {"mine", "theirs"}
    assert len(rows) == 2 * 7
    assert rows[0] == {"score": "mine", "n": 1, "d": 0.0, "gain": 0.0, "low": 0.0, "high": 0.0}


def test_distance_is_the_known_divergence():
    assert distance(2) ** 2 == pytest.approx(math.log(2) - 0.5)


@pytest.mark.parametrize(
    ("proxy", "held_out", "says"),
    [
        (np.zeros((2, 8)), np.zeros((2, 7)), r"\[prompts, candidates\]"),
        (np.zeros((2, 3)), np.zeros((2, 3)), "at least 4"),
        (np.zeros((2, 8)), np.full((2, 8), np.nan), "no prompt has 4"),
    ],
)
def test_wrong_input_is_one_clear_line(proxy, held_out, says):
    with pytest.raises(UserError, match=says) as caught:
        hacking_curve(proxy, held_out)
    assert "\n" not in str(caught.value)
