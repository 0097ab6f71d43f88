"""Money by hand: the cost of a delivered video, discounted months, payback and tax."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.decision.economics import after_tax, cumulative, monthly_rate, payback, unit_cost, volume
from sn_eval.decision.retries import Retries

amount = st.floats(0, 1e6)


def outcome(shares, cap):
    """What prompts of these acceptances take."""
    shares = np.asarray(shares, float)
    none = (1 - shares) ** cap
    return Retries(*(np.array([each.mean()]) for each in ((1 - none) / shares, none, shares)))


def test_two_attempts_at_one_half_by_hand():
    """Half the videos take one attempt, half two; a quarter fails. Rejected: 1/2 × 1 + 1/4 × 1 = 0.75 a video."""
    cost = unit_cost(outcome([0.5], 2), compute=30.0, review=70.0, rejection=40.0, fallback=1000.0)
    assert cost[0] == pytest.approx(1.5 * 100 + 0.75 * 40 + 0.25 * 1000)


@given(st.floats(0.02, 0.97), st.integers(1, 8), amount, amount, amount, amount)
def test_a_video_is_cheaper_the_more_attempts_are_accepted(share, cap, compute, review, rejection, fallback):
    costs = [unit_cost(outcome([a], cap), compute, review, rejection, fallback)[0] for a in (share, share + 0.02)]
    assert costs[1] <= costs[0] + 1e-6


def test_simulated_production_costs_what_the_formula_says():
    rng = np.random.default_rng(5)
    cap, (compute, review, rejection, fallback) = 3, (10.0, 20.0, 30.0, 400.0)
    accepted = rng.random((200_000, cap)) < rng.choice([0.3, 0.9], size=(200_000, 1))
    first = np.where(accepted.any(1), accepted.argmax(1) + 1, cap)
    failed = ~accepted.any(1)
    paid = first * (compute + review) + (first - 1 + failed) * rejection + failed * fallback
    expected = unit_cost(outcome([0.3, 0.9], cap), compute, review, rejection, fallback)[0]
    assert paid.mean() == pytest.approx(expected, abs=4 * paid.std() / np.sqrt(len(paid)))


def test_net_present_value_by_hand():
    """−1000, then 150 and 350 after one and two months, at a rate that is 1 % a month."""
    yearly = 1.01**12 - 1
    cash = cumulative(400.0, 1000.0, 50.0, yearly, np.array([0.5, 1.0]))[0]
    assert cash == pytest.approx([-1000, -1000 + 150 / 1.01, -1000 + 150 / 1.01 + 350 / 1.01**2])


def test_a_yearly_rate_is_compounded_over_twelve_months():
    assert (1 + monthly_rate(0.08)) ** 12 == pytest.approx(1.08)
    year = cumulative(0.0, 0.0, -1.0, 0.08, np.concatenate([np.zeros(12)]))[0, -1]
    assert year == pytest.approx(sum(1.08 ** (-month / 12) for month in range(1, 13)))


def test_draws_go_side_by_side():
    savings = np.array([100.0, 200.0])
    both = cumulative(savings, 10.0, 5.0, np.array([0.0, 0.1]), np.ones(3))
    for row, saving, discount in zip(both, savings, (0.0, 0.1), strict=True):
        assert row == pytest.approx(cumulative(saving, 10.0, 5.0, discount, np.ones(3))[0])


def test_the_ramp_holds_on_and_may_be_longer_than_the_horizon():
    assert volume((0.5,), 3).tolist() == [0.5, 0.5, 0.5]
    assert volume((0.1, 0.2, 0.3), 2).tolist() == [0.1, 0.2]


def test_payback_is_the_month_from_which_the_money_stays():
    cash = np.array([[-3.0, -1.0, 0.0], [0.0, -1.0, -2.0], [-1.0, 1.0, -1.0], [0.0, 0.0, 5.0], [-1.0, 2.0, 3.0]])
    assert payback(cash).tolist() == [2.0, np.inf, np.inf, 0.0, 1.0]


def test_tax_takes_its_share_of_what_is_earned_and_spares_it_on_what_is_lost():
    share = np.ones(4)
    untaxed = cumulative(100.0, 200.0, 10.0, 0.0, share)[0, -1]
    assert after_tax(100.0, 200.0, 10.0, 0.0, share, tax=0.0) == pytest.approx(untaxed)
    assert after_tax(100.0, 200.0, 10.0, 0.0, share, tax=0.3) == pytest.approx(0.7 * untaxed)
    assert after_tax(0.0, 200.0, 10.0, 0.0, share, tax=0.3) == pytest.approx(0.7 * -240)
    late = after_tax(100.0, 200.0, 10.0, 0.5, share, tax=0.3)
    assert (
        late < 0.7 * cumulative(100.0, 200.0, 10.0, 0.5, share)[0, -1]
    )  # the write-off comes later than the money went
