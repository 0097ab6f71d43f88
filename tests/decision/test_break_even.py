"""At the break-even nothing is saved, and without a cap it is the closed form of the design."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sn_eval.decision.break_even import (
    AT_ANY_PRICE,
    AT_NO_PRICE,
    BELOW,
    NO_PRICE,
    ONLY_ABOVE,
    break_even_acceptance,
    highest_price,
)
from sn_eval.decision.economics import unit_cost
from sn_eval.decision.population import Population
from sn_eval.decision.retries import Spread, spread

REVIEW, REJECTION, FALLBACK = 100.0, 50.0, 5000.0
share = st.floats(0.05, 0.95)
compute = st.floats(0, 500)


def cost(outcome, g, fallback=FALLBACK):
    return float(unit_cost(outcome, g, REVIEW, REJECTION, fallback)[0])


def prompts(*shares):
    return Spread(np.array(shares), np.full(len(shares), 1 / len(shares)))


def harmonic(arm):
    return 1 / float(arm.weights @ (1 / arm.shares))


@settings(max_examples=40)
@given(st.lists(share, min_size=1, max_size=6), st.integers(1, 8), compute, compute)
def test_at_the_break_even_acceptance_nothing_is_saved(shares, cap, g0, g1):
    baseline = prompts(*shares)
    before = cost(baseline.retries(cap), g0)
    needed = break_even_acceptance(baseline, cap, lambda arm: cost(arm, g1), before)
    assume(needed is not None and 0.001 < needed < 0.999)
    assert cost(baseline.with_mean(needed).retries(cap), g1) == pytest.approx(before, rel=1e-6)


@settings(max_examples=40)
@given(st.lists(share, min_size=1, max_size=6), st.integers(1, 8), compute, st.floats(1, 300))
def test_a_dearer_method_must_be_accepted_more_often(shares, cap, g0, more):
    baseline = prompts(*shares)
    before = cost(baseline.retries(cap), g0)
    cheap, same, dear = (
        break_even_acceptance(baseline, cap, lambda arm, g=g: cost(arm, g), before) for g in (g0 / 2, g0, g0 + more)
    )
    assert same == pytest.approx(baseline.mean, abs=1e-6)
    assert cheap <= same + 1e-9
    assert dear is None or dear > same


def test_without_a_cap_it_is_the_ratio_of_harmonic_means():
    """ã₁/ã₀ = (g₁+ρ+h)/(g₀+ρ+h); DECISION.md, "ROI"."""
    baseline, (g0, g1) = prompts(0.3, 0.5, 0.8), (50.0, 120.0)
    before = cost(baseline.retries(2000), g0)
    needed = break_even_acceptance(baseline, 2000, lambda arm: cost(arm, g1), before)
    ratio = harmonic(baseline.with_mean(needed)) / harmonic(baseline)
    assert ratio == pytest.approx((g1 + REVIEW + REJECTION) / (g0 + REVIEW + REJECTION), rel=1e-6)


def test_a_beta_population_breaks_even_at_its_own_acceptance_for_equal_costs():
    population = Population(np.array([[0.4, 0.6]]), np.array([[0.3, 5.0]]), np.array([[0.6, 1.0]]))
    baseline = spread(population)
    needed = break_even_acceptance(baseline, 4, lambda arm: cost(arm, 10.0), cost(baseline.retries(4), 10.0))
    assert needed == pytest.approx(baseline.mean, abs=1e-8)


def test_no_acceptance_suffices_for_a_method_that_costs_more_than_it_can_save():
    baseline = prompts(0.9)
    assert break_even_acceptance(baseline, 3, lambda arm: cost(arm, 1e5), cost(baseline.retries(3), 1.0)) is None
    assert break_even_acceptance(prompts(0.99), 3, lambda arm: 0.0, 1.0) == 0.0


def test_the_highest_price_is_where_nothing_is_saved_capped_or_not():
    for cap in (1, 3, 2000):
        baseline, method = prompts(0.3, 0.6).retries(cap), prompts(0.6, 0.8).retries(cap)
        hours = (0.01, 0.05)
        price = 1000.0
        saving = cost(baseline, hours[0] * price) - cost(method, hours[1] * price)
        attempts = float(baseline.attempts[0]), float(method.attempts[0])
        top, words = highest_price(price, (hours[0] * price, hours[1] * price), attempts, saving)
        assert words == BELOW
        assert cost(baseline, hours[0] * top) == pytest.approx(cost(method, hours[1] * top))


def test_without_a_cap_the_highest_price_is_the_designs():
    """p* = (ã₁−ã₀)(ρ+h)/(ã₀G₁ − ã₁G₀)."""
    before, after, (hours0, hours1) = prompts(0.3, 0.6), prompts(0.6, 0.8), (0.01, 0.05)
    arms = before.retries(5000), after.retries(5000)
    saving = cost(arms[0], hours0 * 1000.0) - cost(arms[1], hours1 * 1000.0)
    attempts = float(arms[0].attempts[0]), float(arms[1].attempts[0])
    top, _ = highest_price(1000.0, (hours0 * 1000.0, hours1 * 1000.0), attempts, saving)
    a0, a1 = harmonic(before), harmonic(after)
    assert top == pytest.approx((a1 - a0) * (REVIEW + REJECTION) / (a0 * hours1 - a1 * hours0), rel=1e-6)


@pytest.mark.parametrize(
    ("price", "computing", "attempts", "saving", "words"),
    [
        (10.0, (10.0, 10.0), (2.0, 1.0), 15.0, AT_ANY_PRICE),  # it computes less, and is accepted as often
        (10.0, (10.0, 10.0), (2.0, 1.0), -20.0, ONLY_ABOVE),
        (10.0, (10.0, 30.0), (1.0, 1.0), -25.0, AT_NO_PRICE),
        (None, (10.0, 30.0), (1.0, 1.0), 5.0, NO_PRICE),
        (10.0, (0.0, 0.0), (1.0, 1.0), 5.0, NO_PRICE),
    ],
)
def test_where_there_is_no_highest_price_words_say_why(price, computing, attempts, saving, words):
    assert highest_price(price, computing, attempts, saving) == (None, words)
