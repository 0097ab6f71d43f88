"""The heat map as a chart and a table: signs beside colours, letters that can be read, both languages."""

import re

import pytest
from findings import folder, found

from sn_eval.decision.analysis import material_of
from sn_eval.decision.fiscal_years import fiscal_years
from sn_eval.decision.heat_map import PRICE, UPLIFT, heat_map, today
from sn_eval.present import charts
from sn_eval.present import fiscal_years as fiscal
from sn_eval.present import heat_map as maps
from sn_eval.present.report.drawing import drawing
from sn_eval.present.report.teller import Teller
from sn_eval.results.run_folder import RunFolder


@pytest.fixture(scope="module")
def drawn():
    run = RunFolder.open(folder("illustrative"))
    return heat_map(today(material_of(run), found("illustrative")), PRICE, UPLIFT)


def brightness(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_cell_shows_its_sign_and_can_be_read(drawn):
    spec = maps.drawing(drawn, Teller(found("illustrative"), "en"))
    rows = spec["layer"][0]["data"]["values"]
    assert len(rows) == drawn.saving.size
    for row, saving in zip(rows, drawn.saving.ravel(), strict=True):
        assert row["text"][0] == ("+" if saving > 0 else "−")
        assert (brightness(row["fill"]) + 0.05) / (brightness(maps.INK) + 0.05) > 4.5


@pytest.mark.parametrize(("lang", "line", "here"), [("ja", "損益分岐", "現在"), ("en", "break-even", "today")])
def test_line_and_place_are_named_in_both_languages(drawn, lang, line, here):
    t = Teller(found("illustrative"), lang)
    svg = charts.svg(maps.drawing(drawn, t))
    assert line in svg
    assert here in svg
    assert t.mark in svg
    assert t.input(PRICE) in svg
    assert t.input(UPLIFT) in maps.about(drawn, t)


def test_the_table_has_every_number_the_highest_row_first(drawn):
    table = maps.table(drawn, Teller(found("illustrative"), "ja"))
    numbers = [list(row.cells[1:]) for row in table.rows]
    assert numbers == drawn.saving[::-1].tolist()
    assert len(table.columns) == drawn.saving.shape[1] + 1


def test_years_are_bars_with_a_table_and_tax_beside_them():
    findings, business = found("illustrative"), RunFolder.open(folder("illustrative")).experiment.business
    t = Teller(findings, "ja")
    years = fiscal_years(business, 2_000_000.0, business.fiscal_year_starts)
    assert re.search("2年度目", charts.svg(drawing(fiscal.bars(years, business, t), "ja")))
    table = fiscal.table(years, business, t)
    assert [row.cells[-1] for row in table.rows] == [year.total for year in years]
    sensitivity = fiscal.sensitivity(findings.roi, business, t)
    assert sensitivity.rows[1].cells[1] == findings.roi.after_tax_npv
    assert [row.cells[1] for row in sensitivity.rows[2:]] == list(findings.roi.exchange_swing)
