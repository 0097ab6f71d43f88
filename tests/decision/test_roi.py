"""The worth of a method: by hand, at its limits, and in which direction every input moves it."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from money import arm, business, dollars, prices, rate, told
from scipy import stats

from sn_eval.decision.acceptance import smooth
from sn_eval.decision.economics import cumulative, unit_cost, volume
from sn_eval.decision.findings import HourPrice
from sn_eval.decision.inputs import NEEDED, unresolved
from sn_eval.decision.population import expected_population
from sn_eval.decision.prices import hour_price, load_prices
from sn_eval.decision.retries import Retries, spread
from sn_eval.decision.roi import UPLIFT, roi
from sn_eval.results.files import ResultsError

RNG = np.random.default_rng(4)
HARD = RNG.binomial(4, RNG.beta(2, 2, 60))
EASY = np.minimum(4, HARD + RNG.binomial(2, 0.5, 60))


def worth(baseline=None, method=None, *, inputs=None, price=None, draws=1000, **changed):
    paid = prices() if price is None else price
    return roi(
        business(**(inputs or {})), arm(HARD) if baseline is None else baseline,
        arm(EASY, compute=40.0) if method is None else method, prices=paid,
        price=hour_price(paid, load_prices()), draws=draws, **changed,
    )  # fmt: skip


# --- the figures ------------------------------------------------------------------------------------------


def test_standard_figures_by_hand():
    found = worth()
    figures = zip(found.attempts, found.fallback_share, (0.0, 0.0), strict=True)
    outcomes = [Retries(*(np.array([value]) for value in each)) for each in figures]
    costs = [
        float(unit_cost(each, g, 100.0, 50.0, 10_000.0)[0]) for each, g in zip(outcomes, (10.0, 40.0), strict=True)
    ]
    assert found.unit_cost == pytest.approx(costs)
    standard = found.scenarios[1]
    assert standard.monthly_saving == pytest.approx(100 * (costs[0] - costs[1]))
    cash = cumulative(standard.monthly_saving, 1e6, 2e4, 0.05, volume((1.0,), 24))[0]
    assert standard.npv == pytest.approx(cash[-1])
    assert standard.payback_months == found.payback_months == int(np.argmax(cash >= 0))


def test_bands_are_in_order_and_hold_the_middle():
    found = worth(inputs={"fallback": told(10_000.0, 5_000.0, 20_000.0)})
    for band in (found.monthly_saving, found.npv, *found.unit_cost_bands, *found.cumulative):
        assert band.p10 <= band.p50 <= band.p90
    assert found.monthly_saving.p10 < found.scenarios[1].monthly_saving < found.monthly_saving.p90
    assert len(found.cumulative) == 25
    assert found.cumulative[0].p50 == -1_000_000
    assert found.cumulative[-1] == found.npv
    early, middle, late = (np.inf if month is None else month for month in found.payback)
    assert early <= middle <= late


def test_an_uncertain_input_widens_the_bands_as_its_triangle_says():
    """The one-off cost alone: its percentiles are those of the triangle, since the saving is a constant of nothing."""
    same = arm(HARD)
    known, unsure = (
        roi(business(one_off=cost, monthly=told(0.0), videos_per_month=told(0.0)), same, same, prices=prices(),
            price=hour_price(prices(), load_prices()), draws=20_000)
        for cost in (told(1e6), told(1e6, 1e6, 2e6))
    )  # fmt: skip
    assert known.npv.p10 == known.npv.p90 == -1e6
    wanted = [-stats.triang(0, 1e6, 1e6).ppf(share) for share in (0.9, 0.5, 0.1)]
    assert dataclasses.astuple(unsure.npv) == pytest.approx(wanted, rel=0.01)


def test_the_same_seed_repeats_and_more_draws_hardly_move_the_bands():
    one, again, other = worth(draws=10_000), worth(draws=10_000), worth(draws=10_000, seed=1)
    assert one == again
    assert one.npv != other.npv
    assert other.npv.p50 == pytest.approx(one.npv.p50, rel=0.05)


def test_more_prompts_narrow_the_bands():
    few, many = worth(), worth(arm(np.tile(HARD, 16)), arm(np.tile(EASY, 16), compute=40.0))
    width = [each.monthly_saving.p90 - each.monthly_saving.p10 for each in (few, many)]
    assert width[1] == pytest.approx(width[0] / 4, rel=0.3)


def test_arms_that_are_equal_save_nothing():
    found = worth(arm(HARD), arm(HARD))
    assert found.scenarios[1].monthly_saving == pytest.approx(0, abs=1e-9)
    assert found.chance_of_profit < 0.1
    assert found.break_even_uplift == pytest.approx(0, abs=1e-8)


def test_prompts_are_paired_by_name_in_any_order():
    names = [f"prompt {i}" for i in range(60)]
    back = arm(EASY[::-1], compute=40.0, prompts=names[::-1])
    assert worth(method=back) == worth()
    more = arm([*EASY, 0, 0, 0], compute=40.0)
    assert worth(method=more) == worth()  # what the baseline was not tried on is left out


def test_hopeless_and_perfect_methods():
    nothing, all_of_them = (
        worth(method=arm(np.zeros(60), compute=40.0)),
        worth(method=arm(np.full(60, 4), compute=40.0)),
    )
    assert nothing.chance_of_profit == 0
    assert nothing.payback_months is None
    assert nothing.payback == (None, None, None)
    assert all_of_them.chance_of_profit > 0.95


# --- break-even -------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(1, 6), st.floats(1.0, 80.0), st.floats(0.0, 20_000.0))
def test_a_method_at_the_break_even_uplift_saves_nothing(cap, compute, fallback):
    inputs = {"attempts_cap": cap, "fallback": told(fallback)}
    found = worth(arm(HARD), arm(HARD, compute=compute), inputs=inputs, draws=50)
    if found.break_even_uplift is None or not 0.001 < found.break_even_acceptance < 0.999:
        return
    present = found.break_even_acceptance - found.break_even_uplift
    base = spread(expected_population(smooth(HARD.astype(float), np.full(60, 4.0))))
    assert base.mean == pytest.approx(present)
    before = unit_cost(base.retries(cap), 10.0, 100.0, 50.0, fallback)[0]
    after = unit_cost(base.with_mean(found.break_even_acceptance).retries(cap), compute, 100.0, 50.0, fallback)[0]
    assert after == pytest.approx(before, rel=1e-6)


def test_at_the_highest_price_nothing_is_saved():
    found = worth()
    factor = found.highest_price / hour_price(prices(), load_prices()).value
    at_it = worth(
        arm(HARD, compute=10.0 * factor), arm(EASY, compute=40.0 * factor), price=prices(rate=rate(600.0 * factor))
    )
    assert at_it.scenarios[1].monthly_saving == pytest.approx(0, abs=1e-6)
    assert at_it.highest_price == pytest.approx(found.highest_price)


# --- directions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "more", "sign"),
    [("one_off", 2e6, -1), ("monthly", 4e4, -1), ("discount", 0.2, -1), ("fallback", 2e4, 1),
     ("videos_per_month", 200, 1)],
)  # fmt: skip
def test_each_input_moves_the_value_in_its_direction(key, more, sign):
    assert sign * (worth(inputs={key: told(more)}).npv.p50 - worth().npv.p50) > 0


def test_a_dearer_attempt_lowers_and_a_slower_ramp_delays():
    assert worth(method=arm(EASY, compute=80.0)).npv.p50 < worth().npv.p50
    assert worth(inputs={"ramp": (0.1, 0.5, 1.0)}).payback_months > worth().payback_months


def test_utilisation_and_length_scale_what_computing_costs():
    """Twice the price of computing is a utilisation half as high, or videos twice as long."""
    dear = worth(arm(HARD, compute=20.0), arm(EASY, compute=80.0)).scenarios[1].npv
    swings = worth(
        inputs={"minutes_per_video": told(1.0, 0.5, 2.0)}, price=prices(utilisation=told(0.5, 0.25, 1.0))
    ).tornado
    ends = {swing.key: swing for swing in swings}
    assert ends["minutes_per_video"].at_high == pytest.approx(dear)
    assert ends["utilisation"].at_low == pytest.approx(dear)
    assert ends["utilisation"].at_high == pytest.approx(ends["minutes_per_video"].at_low)


def test_the_tornado_is_sorted_and_its_ends_enclose_the_standard_case():
    found = worth(inputs={"fallback": told(10_000.0, 5_000.0, 20_000.0), "review": told(100.0, 90.0, 110.0)})
    effects = [abs(swing.at_high - swing.at_low) for swing in found.tornado]
    assert effects == sorted(effects, reverse=True)
    assert {swing.key for swing in found.tornado} == {"fallback", "review", UPLIFT}
    standard = found.scenarios[1].npv
    for swing in found.tornado:
        assert min(swing.at_low, swing.at_high) <= standard <= max(swing.at_low, swing.at_high)


def test_scenarios_are_in_order_and_their_kinds_stand():
    found = worth(inputs={"fallback": told(10_000.0, 5_000.0, 20_000.0), "one_off": told(1e6, 5e5, 3e6)})
    assert [scenario.kind for scenario in found.scenarios] == ["conservative", "standard", "optimistic"]
    values = [scenario.npv for scenario in found.scenarios]
    assert values == sorted(values)
    bad = found.scenarios[0]
    assert bad.npv < min(min(swing.at_low, swing.at_high) for swing in found.tornado)


def test_exchange_and_tax_where_they_apply():
    foreign = prices(rate=rate(4.0, currency="USD"), exchange=dollars())
    found = worth(price=foreign, inputs={"tax": told(0.3)})
    cheap, dear = found.exchange_swing
    assert cheap > found.scenarios[1].npv > dear
    assert found.after_tax_npv < found.scenarios[1].npv
    assert worth().exchange_swing is None
    assert worth().after_tax_npv is None


# --- inputs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", NEEDED)
def test_a_missing_input_is_named_and_refused(key):
    inputs = {key: told(None)}
    assert unresolved(business(**inputs)) == (key,)
    with pytest.raises(ResultsError, match=re.escape(f"business.{key} has no value")):
        worth(inputs=inputs)


def test_videos_made_elsewhere_need_what_an_attempt_costs():
    assert unresolved(business()) == ()
    assert unresolved(business(), metered=False) == ("compute_per_attempt",)
    assert unresolved(business(compute_per_attempt=told(None)), metered=False) == ("compute_per_attempt",)
    inputs = business(compute_per_attempt=told(10.0, 5.0, 20.0))
    paid = prices(utilisation=told(None))
    found = roi(inputs, arm(HARD), arm(EASY, compute=40.0), prices=paid, price=None, draws=500)
    swing = next(swing for swing in found.tornado if swing.key == "compute_per_attempt")
    twice = roi(business(compute_per_attempt=told(20.0)), arm(HARD, compute=20.0), arm(EASY, compute=80.0),
                prices=paid, price=None, draws=10)  # fmt: skip
    assert swing.at_high == pytest.approx(twice.scenarios[1].npv)
    assert found.highest_price is None
    assert "not known" in found.highest_price_words


@pytest.mark.parametrize(
    ("inputs", "told_"),
    [
        ({"review": told(-1.0)}, "business.review -1: an amount of 0 or more"),
        ({"fallback": told(1.0, -5.0, 2.0)}, "business.fallback -5"),
        ({"one_off": told(float("nan"))}, "business.one_off nan"),
        ({"minutes_per_video": told(0.0)}, "business.minutes_per_video 0: must be above 0"),
    ],
)
def test_an_input_that_cannot_be_is_one_line(inputs, told_):
    with pytest.raises(ResultsError, match=f"^{re.escape(told_)}[^\n]*$"):
        worth(inputs=inputs)


def test_a_range_of_utilisation_beyond_a_share_is_refused():
    with pytest.raises(ResultsError, match="prices.utilisation 1.5: a share of at most 1"):
        worth(price=prices(utilisation=told(0.5, 0.4, 1.5)))


def test_arms_without_a_common_prompt_are_refused():
    with pytest.raises(ResultsError, match="no prompt has attempts of both arms"):
        worth(method=arm(EASY, prompts=[f"other {i}" for i in range(60)]))


def test_examples_are_listed_by_their_keys():
    found = worth(
        inputs={"review": told(100.0, illustrative=True), "tax": told(0.3, illustrative=True)},
        price=prices(rate=rate(illustrative=True), utilisation=told(0.5, illustrative=True)),
    )
    assert found.illustrative == ("business.review", "business.tax", "prices.rate", "prices.utilisation")
    assert worth().illustrative == ()


def test_every_input_is_listed_with_its_source():
    found = worth(inputs={"ramp": (0.5, 1.0), "fiscal_year_starts": 1, "tax": told(0.3)})
    rows = {row.key: row for row in found.inputs}
    assert {*NEEDED, "utilisation", "tax", "hour_price", "attempts_cap", "months", "ramp[1]", "ramp[2]"} <= set(rows)
    assert all(row.source for row in found.inputs)
    assert rows["fiscal_year_starts"].value == 1
    assert rows["hour_price"].value == pytest.approx(1200.0)
    assert "a quotation" in rows["hour_price"].source


def test_the_result_is_plain_data_in_the_reports_currency():
    found = worth()
    assert found.currency == "JPY"
    assert found.draws == 1000
    numbers = [value for value in dataclasses.asdict(found).values() if isinstance(value, float)]
    assert all(type(value) is float and np.isfinite(value) for value in numbers)
    assert isinstance(hour_price(prices(), load_prices()), HourPrice)
