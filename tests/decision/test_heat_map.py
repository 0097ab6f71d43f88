"""The break-even map against the ROI itself, and cash by fiscal year against sums by hand."""

import dataclasses

import numpy as np
import pytest
from findings import folder
from money import business, told

from sn_eval.decision.analysis import conclude, material_of, price_of
from sn_eval.decision.economics import after_tax, volume
from sn_eval.decision.fiscal_years import fiscal_years
from sn_eval.decision.heat_map import KEYS, PRICE, UPLIFT, heat_map, side, today
from sn_eval.results.assumption import Amount
from sn_eval.results.files import ResultsError
from sn_eval.results.run_folder import RunFolder
from sn_eval.results.scenario import Scenario

FEW = 50  # draws: none of this depends on them


@pytest.fixture(scope="module")
def run():
    return RunFolder.open(folder("complete"))


@pytest.fixture(scope="module")
def material(run):
    return material_of(run)


@pytest.fixture(scope="module")
def found(run, material):
    return conclude(material, *price_of(run), draws=FEW)


def standard(findings):
    return next(case.monthly_saving for case in findings.roi.scenarios if case.kind == "standard")


def test_today_is_what_the_roi_says(material, found):
    assert today(material, found).saving({}) == pytest.approx(standard(found))


@pytest.mark.parametrize("key", ["review", "rejection", "fallback", "videos_per_month", "minutes_per_video"])
def test_an_input_on_the_map_is_that_input_in_the_roi(run, material, found, key):
    value = 1.7 * today(material, found).now(key)
    changed = Scenario("", {f"business.{key}": Amount(value=value)}).apply(run.experiment)
    other = dataclasses.replace(run, experiment=changed)
    again = conclude(dataclasses.replace(material, experiment=changed), *price_of(other), draws=FEW)
    assert today(material, found).saving({key: value}) == pytest.approx(standard(again))


def test_the_price_on_the_map_is_that_of_the_roi(run, material, found):
    changed = Scenario("", {"prices.utilisation": Amount(value=0.25)}).apply(run.experiment)  # from 0.5
    other = dataclasses.replace(run, experiment=changed)
    again = conclude(dataclasses.replace(material, experiment=changed), *price_of(other), draws=FEW)
    here = today(material, found)
    assert here.saving({PRICE: 2 * here.now(PRICE)}) == pytest.approx(standard(again))


def test_the_uplift_on_the_map_is_that_of_the_tornado(material, found):
    here = today(material, found)
    assert here.saving({UPLIFT: here.now(UPLIFT)}) == pytest.approx(here.saving({}))
    swing = next(each for each in found.roi.tornado if each.key == UPLIFT)
    low, high = (here.saving({UPLIFT: end}) for end in (swing.low_input, swing.high_input))
    assert low < here.saving({}) < high


@pytest.mark.parametrize(("x", "y"), [(PRICE, UPLIFT), ("review", UPLIFT), ("fallback", "rejection")])
def test_nothing_is_saved_on_the_line_and_signs_change_across_it(material, found, x, y):
    here = today(material, found)
    drawn = heat_map(here, x, y)
    scale = np.abs(drawn.saving).max()
    for a, b in drawn.line:
        assert here.saving({x: a, y: b}) == pytest.approx(0, abs=1e-5 * scale)
        assert drawn.x.edges[0] <= a <= drawn.x.edges[-1]
        assert drawn.y.edges[0] <= b <= drawn.y.edges[-1]
    assert (drawn.pays == "part") == (len({*np.sign(drawn.saving).ravel()}) > 1)
    if drawn.pays == "part":
        assert len(drawn.line) > 5


@pytest.mark.parametrize("key", [PRICE, UPLIFT, "review", "fallback", "videos_per_month"])
def test_a_map_shows_where_one_stands(material, found, key):
    here = today(material, found)
    axis = side(here, key, 8)
    assert axis.edges[0] <= axis.now <= axis.edges[-1]
    assert len(axis.centers) == 8


def test_cells_are_savings_at_their_centres(material, found):
    here = today(material, found)
    drawn = heat_map(here, PRICE, "fallback", columns=3, rows=2)
    assert drawn.saving.shape == (2, 3)
    expected = here.saving({PRICE: drawn.x.centers[2], "fallback": drawn.y.centers[1]})
    assert drawn.saving[1, 2] == pytest.approx(expected)


@pytest.mark.parametrize(("x", "y"), [(PRICE, PRICE), ("nonsense", UPLIFT), (UPLIFT, "compute_per_attempt")])
def test_other_axes_are_refused_in_one_line(material, found, x, y):
    with pytest.raises(ResultsError, match="choose two of"):
        heat_map(today(material, found), x, y)


def test_videos_made_elsewhere_have_no_price_of_an_hour():
    run = RunFolder.open(folder("imported"))
    material = material_of(run)
    found = conclude(material, *price_of(run), draws=FEW)
    here = today(material, found)
    assert PRICE not in here.keys
    assert "compute_per_attempt" in here.keys
    assert here.saving({"compute_per_attempt": 240.0}) < here.saving({})


def test_without_an_roi_there_is_no_map():
    run = RunFolder.open(folder("minimal"))
    material = material_of(run)
    with pytest.raises(ResultsError, match="no map without an ROI"):
        today(material, conclude(material, *price_of(run), draws=FEW))
    assert len(set(KEYS)) == len(KEYS)


# --- fiscal years -------------------------------------------------------------------------------------------


def test_years_begin_where_the_company_says_and_sum_to_everything():
    case = business(ramp=(0.5, 1.0), months=30, monthly=told(10.0), one_off=told(100.0), tax=told(0.3))
    years = fiscal_years(case, 50.0, starts=6)
    assert [year.months for year in years] == [(1, 10), (11, 22), (23, 30)]  # June to March, twelve, eight
    assert years[0].cash == pytest.approx(-100 + 15 + 9 * 40)
    assert years[1].cash == pytest.approx(12 * 40)
    assert years[-1].total == pytest.approx(sum(year.cash for year in years))
    untaxed = after_tax(50.0, 100.0, 10.0, 0.0, volume((0.5, 1.0), 30), 0.3)
    assert sum(year.after_tax for year in years) == pytest.approx(untaxed)


def test_no_rate_no_figure_after_tax_and_no_costs_no_years():
    assert all(year.after_tax is None for year in fiscal_years(business(), 50.0, starts=4))
    assert fiscal_years(business(one_off=told(None)), 50.0, starts=4) == ()
