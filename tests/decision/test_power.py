"""Power of the paired design: published sample sizes, agreement with simulation, and words for what a run could see."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sn_eval.decision.power import acceptance_spread, detectable, needed, needed_for_acceptance, power, power_of
from sn_eval.results.files import ResultsError

effects, spreads = st.floats(0.01, 3), st.floats(0.01, 3)


def test_published_sample_size_for_half_a_standard_deviation():
    """Cohen 1988, and every table since: d = 0.5, two-sided 5 %, 80 %: 34 pairs; 90 %: 44."""
    assert (needed(0.5, 1.0, 0.8), needed(0.5, 1.0, 0.9)) == (34, 44)
    assert (needed(0.2, 1.0), needed(0.8, 1.0)) == (199, 15)


@given(effects, spreads, st.integers(2, 300), st.sampled_from([0.9, 0.95, 0.997]))
def test_power_is_a_chance_that_grows_with_effect_prompts_and_error_allowed(effect, spread, n, confidence):
    chance = power(effect, spread, n, confidence)
    assert (1 - confidence) / 2 - 1e-9 <= chance <= 1
    slack = 1e-7
    assert power(1.1 * effect, spread, n, confidence) >= chance - slack
    assert power(effect, spread, n + 1, confidence) >= chance - slack
    assert power(effect, spread, n, 0.8) >= chance - slack
    assert power(-effect, spread, n, confidence) == chance


@given(effects, spreads, st.sampled_from([0.5, 0.8, 0.9]))
def test_needed_is_the_fewest_and_detectable_undoes_power(effect, spread, chance):
    n = needed(effect, spread, chance)
    assert power(effect, spread, n) >= chance
    assert n == 2 or power(effect, spread, n - 1) < chance
    least = detectable(spread, max(n, 2), chance)
    assert power(least, spread, max(n, 2)) == pytest.approx(chance, abs=1e-6)
    assert least <= effect * (1 + 1e-6)


def test_power_agrees_with_simulated_intervals():
    draws = np.random.default_rng(0).normal(0.3, 1.0, (4000, 50))
    low = draws.mean(1) - stats.t.ppf(0.975, 49) * draws.std(1, ddof=1) / math.sqrt(50)
    assert (low > 0).mean() == pytest.approx(power(0.3, 1.0, 50), abs=0.025)


@pytest.mark.parametrize("correlation", [0.3, 0.4, 0.5])
def test_sixty_to_seventy_five_percent_takes_75_to_105_prompts(correlation):
    assert 75 <= needed_for_acceptance(0.6, 0.75, correlation) <= 107


@pytest.mark.parametrize("attempts", [1, 4])
def test_spread_planned_before_the_data_is_that_of_simulated_data(attempts):
    """Baseline and method share a prompt's acceptance, so all attempts at it correlate alike."""
    rng = np.random.default_rng(1)
    chance = rng.beta(0.6 * 1.5, 0.4 * 1.5, 200_000)  # correlation of two attempts: 1 / (1 + 1.5)
    shares = rng.binomial(attempts, chance, (2, len(chance))) / attempts
    assert np.std(shares[1] - shares[0]) == pytest.approx(acceptance_spread(0.6, 0.6, 0.4, attempts), rel=0.01)


def test_more_attempts_at_a_prompt_need_fewer_prompts():
    counts = [needed_for_acceptance(0.6, 0.75, 0.4, attempts) for attempts in (1, 2, 4)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 2 * counts[-1]


@pytest.mark.parametrize(
    ("p0", "p1", "correlation", "message"),
    [
        (0.6, 1.2, 0.3, "acceptance 0.6 and 1.2: shares lie between 0 and 1"),
        (0.6, 0.75, 0.9, r"correlation 0.9 with 1 attempts: .* from 0 to 0.71"),
        (0.6, 0.75, -0.1, "correlation -0.1"),
        (0.0, 0.5, 0.1, "from 0 to 0.00"),
    ],
)
def test_what_cannot_be_is_refused(p0, p1, correlation, message):
    with pytest.raises(ResultsError, match=message):
        needed_for_acceptance(p0, p1, correlation)


def test_a_run_says_what_it_could_see():
    values = np.random.default_rng(2).normal(0.1, 0.3, 30).tolist()
    found = power_of("acceptance", values, 0.1)
    assert found.spread == pytest.approx(np.std(values, ddof=1))
    assert found.power == power(0.1, found.spread, 30)
    assert found.needed_80 == needed(0.1, found.spread, 0.8) > 30
    assert found.needed_90 > found.needed_80
    assert f"80% for 0.1 would take {found.needed_80} prompts" in found.words


def test_without_a_threshold_only_what_could_be_detected_is_told():
    found = power_of("acceptance", [0.0, 0.1, 0.3], None)
    assert (found.power, found.needed_80) == (None, None)
    assert found.detectable == pytest.approx(detectable(found.spread, 3))
    assert "no threshold is declared" in found.words


@pytest.mark.parametrize("values", [[], [0.2]])
def test_too_few_prompts_have_no_power_and_words(values):
    found = power_of("acceptance", values, 0.1)
    assert (found.spread, found.power, found.detectable) == (None, None, None)
    assert "at least 2" in found.words


def test_extremes_are_numbers():
    """scipy's noncentral t has gaps far out."""
    for effect in np.geomspace(1e-4, 300, 200):
        for n in (2, 5, 20, 1000):
            assert 0 <= power(float(effect), 1.0, n) <= 1
    assert needed(1e-9, 1.0) is None
    assert needed(100.0, 1.0) <= 3


def test_prompts_that_are_all_alike_tell_no_power():
    found = power_of("acceptance", [0.0] * 12, 0.1)
    assert (found.spread, found.power, found.detectable, found.needed_80) == (None, None, None, None)
    assert "power unknown" in found.words
