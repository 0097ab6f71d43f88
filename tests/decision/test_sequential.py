"""Group-sequential looks: published bounds, the error they hold, and no verdict between declared looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sn_eval.decision.sequential import boundaries, look_confidence, prompts_at, spent
from sn_eval.results.experiment import Looks

HALVES = Looks(at=(0.5, 1.0))
shares = st.lists(st.integers(1, 19), max_size=4, unique=True).map(lambda n: [x / 20 for x in sorted(n)] + [1.0])


@pytest.mark.parametrize(
    ("spending", "looks", "published"),
    [
        # two-sided 0.05, equally spaced; the package ldbounds prints these (Lan & DeMets 1983, Casper & Perez)
        ("obrien_fleming", 2, [2.963, 1.969]),
        ("obrien_fleming", 3, [3.710, 2.511, 1.993]),
        ("obrien_fleming", 5, [4.877, 3.357, 2.680, 2.290, 2.031]),
        ("pocock", 2, [2.157, 2.201]),
        ("pocock", 5, [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_published_boundaries(spending, looks, published):
    found = boundaries([k / looks for k in range(1, looks + 1)], spending)
    assert found == pytest.approx(published, abs=0.002)


@given(shares, st.sampled_from(["obrien_fleming", "pocock"]), st.sampled_from([0.01, 0.05, 0.1]))
@settings(max_examples=20)
def test_all_is_spent_at_the_end_and_no_look_is_easier_than_a_single_one(at, spending, alpha):
    assert spent(1.0, spending, alpha) == pytest.approx(alpha)
    assert [spent(share, spending, alpha) for share in at] == sorted(spent(share, spending, alpha) for share in at)
    single = stats.norm.isf(alpha / 2)
    assert all(z >= single - 1e-6 for z in boundaries(at, spending, alpha))


@given(shares, st.sampled_from(["obrien_fleming", "pocock"]))
@settings(max_examples=10)
def test_the_error_is_held_exactly(at, spending):
    """Crossing at any look has probability alpha, by the joint normal law of scipy, which integrates another way."""
    z = np.array(boundaries(at, spending))
    covariance = np.sqrt(np.minimum.outer(at, at) / np.maximum.outer(at, at))
    law = stats.multivariate_normal(cov=covariance, allow_singular=True, seed=0, abseps=1e-5, releps=1e-5)
    inside = law.cdf(z, lower_limit=-z)
    assert 1 - inside == pytest.approx(0.05, abs=2e-4)


def test_type_one_error_by_simulation_of_prompts():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40_000, 60))
    due = prompts_at(Looks(at=(0.3, 0.6, 1.0)), 60)
    bounds = boundaries([n / 60 for n in due], "obrien_fleming")
    crossed = [np.abs(values[:, :n].sum(1)) / np.sqrt(n) > z for n, z in zip(due, bounds, strict=True)]
    assert np.any(crossed, axis=0).mean() == pytest.approx(0.05, abs=0.004)
    naive = np.any([np.abs(values[:, :n].sum(1)) / np.sqrt(n) > 1.96 for n in due], axis=0).mean()
    assert naive > 0.08  # what undeclared looks cost


def test_one_look_keeps_the_confidence_and_waits_for_the_end():
    assert look_confidence(Looks(), 30, 30, 0.9) == (0.9, 1)
    assert look_confidence(Looks(), 29, 30) is None


def test_levels_of_two_looks():
    first, second = look_confidence(HALVES, 20, 40), look_confidence(HALVES, 40, 40)
    assert (first[1], second[1]) == (1, 2)
    assert stats.norm.isf((1 - first[0]) / 2) == pytest.approx(2.963, abs=0.001)
    assert stats.norm.isf((1 - second[0]) / 2) == pytest.approx(1.969, abs=0.001)


@pytest.mark.parametrize("done", [0, 19, 21, 39])
def test_a_look_that_was_not_declared_gives_nothing(done):
    assert look_confidence(HALVES, done, 40) is None


def test_information_is_what_was_seen_not_what_was_declared():
    """Half of 5 prompts is 3: the look at 3/5 may spend more than one at 1/2."""
    level, _ = look_confidence(HALVES, 3, 5)
    assert level == pytest.approx(1 - spent(3 / 5, "obrien_fleming", 0.05))
    assert level < look_confidence(HALVES, 20, 40)[0]


def test_looks_that_fall_together_are_one():
    assert prompts_at(Looks(at=(0.1, 0.2, 1.0)), 5) == (1, 5)
    assert prompts_at(Looks(at=(0.5, 1.0)), 1) == (1,)
    assert look_confidence(HALVES, 1, 1) == (0.95, 1)


def test_a_very_early_look_shows_nothing_and_costs_nothing():
    level, number = look_confidence(Looks(at=(0.01, 1.0)), 1, 100)
    assert 1 - 1e-12 < level < 1
    assert number == 1
    assert look_confidence(Looks(at=(0.01, 1.0)), 100, 100)[0] == pytest.approx(0.95, abs=1e-6)
