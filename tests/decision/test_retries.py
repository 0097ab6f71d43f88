"""Attempts are expected over what is known of a prompt, not at its mean, and agree with their closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln

from sn_eval.decision.population import Population
from sn_eval.decision.retries import Spread, beta_nodes, retries, spread

positive = st.floats(0.05, 300)


def alike(alpha, beta):
    """A population of one kind of prompts."""
    return Population(*(np.array([[value]], float) for value in (1.0, alpha, beta)))


def attempts(alpha, beta, cap):
    return float(retries(alike(alpha, beta), cap).attempts[0])


def test_the_mean_acceptance_underestimates_attempts_when_prompts_differ():
    mean, correlation = 0.60, 0.2
    strength = 1 / correlation - 1
    at_the_mean = 1 / mean
    over_prompts = attempts(mean * strength, (1 - mean) * strength, 100_000)
    assert at_the_mean == pytest.approx(1.67, abs=0.005)
    assert over_prompts == pytest.approx((strength - 1) / (mean * strength - 1), rel=1e-3)  # E[1/a] of a beta
    assert over_prompts == pytest.approx(2.15, abs=0.02)


@given(positive, positive, st.integers(1, 12))
def test_attempts_and_failures_are_ratios_of_beta_functions(alpha, beta, cap):
    """E[(1−a)^j] = B(α, β+j) / B(α, β)."""
    rejected = [np.exp(betaln(alpha, beta + j) - betaln(alpha, beta)) for j in range(cap + 1)]
    found = retries(alike(alpha, beta), cap)
    assert found.failed[0] == pytest.approx(rejected[cap])
    assert found.attempts[0] == pytest.approx(sum(rejected[:cap]))


def test_simulated_attempts_take_as_many():
    rng = np.random.default_rng(0)
    shares = rng.beta(0.8, 0.6, 200_000)
    accepted = rng.random((len(shares), 3)) < shares[:, None]
    taken = np.where(accepted.any(1), accepted.argmax(1) + 1, 3)
    found = retries(alike(0.8, 0.6), 3)
    assert found.attempts[0] == pytest.approx(taken.mean(), abs=0.01)
    assert found.failed[0] == pytest.approx(1 - accepted.any(1).mean(), abs=0.005)


@given(st.floats(0.01, 0.99), st.integers(1, 10))
def test_where_prompts_are_alike_it_is_a_capped_geometric_law(share, cap):
    found = retries(alike(share * 1e9, (1 - share) * 1e9), cap)
    assert found.attempts[0] == pytest.approx((1 - (1 - share) ** cap) / share)
    assert found.failed[0] == pytest.approx((1 - share) ** cap, abs=1e-6)


@given(positive, positive, st.integers(1, 40))
def test_points_of_a_population_are_exact(alpha, beta, cap):
    exact, by_points = retries(alike(alpha, beta), cap), spread(alike(alpha, beta)).retries(cap)
    for name in ("attempts", "failed", "accepted"):
        assert getattr(by_points, name)[0] == pytest.approx(getattr(exact, name)[0], rel=1e-8, abs=1e-8)


@given(positive, positive)
def test_nodes_are_a_distribution_inside_zero_and_one(alpha, beta):
    nodes, weights = beta_nodes(alpha, beta)
    assert weights.sum() == pytest.approx(1)
    assert ((nodes > 0) & (nodes < 1)).all()
    assert weights @ (nodes - weights @ nodes) ** 2 == pytest.approx(stats.beta.var(alpha, beta), rel=1e-6)


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (1.0, 1.0), (0.3, 0.7), (1.0, 2e5), (399.0, 1e-3)])
def test_nodes_of_singular_densities(alpha, beta):
    nodes, weights = beta_nodes(alpha, beta)
    assert weights @ nodes == pytest.approx(alpha / (alpha + beta), rel=1e-9)


@given(positive, positive, st.floats(0.02, 0.98))
def test_a_shift_reaches_a_mean_and_keeps_the_order_of_prompts(alpha, beta, mean):
    before = spread(alike(alpha, beta))
    after = before.with_mean(mean)
    assert after.mean == pytest.approx(mean, abs=1e-6)
    assert (np.diff(after.shares[np.argsort(before.shares)]) >= 0).all()


def test_easier_prompts_take_fewer_attempts_down_to_one():
    prompts = Spread(np.array([0.2, 0.7]), np.array([0.5, 0.5]))
    taken = [float(prompts.shifted(by).retries(5).attempts[0]) for by in (-60, -1, 0, 1, 60)]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] == pytest.approx(5)
    assert taken[-1] == pytest.approx(1)
