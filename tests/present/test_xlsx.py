"""The workbook: its formulas yield the ROI of the report, and follow when an input is changed."""

import math
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from functools import cache

import numpy as np
import openpyxl
import pytest
from blocks import grid, written
from findings import found
from openpyxl.utils import column_index_from_string

from sn_eval.decision.economics import cumulative, volume
from sn_eval.present.report.build import build
from sn_eval.present.report.model import Grid, Section
from sn_eval.present.report.xlsx import write_xlsx
from sn_eval.present.words import say

REF = re.compile(r"'((?:[^']|'')+)'!\$([A-Z]+)\$(\d+)(?::\$([A-Z]+)\$(\d+))?")
FUNCTIONS = {
    "IF": lambda test, yes, no: yes if test else no, "AND": lambda *tests: all(tests), "ABS": abs, "EXP": math.exp,
    "SUM": np.sum, "COUNT": np.size, "AVERAGE": np.mean, "GAMMALN": math.lgamma,
    "SUMPRODUCT": lambda *arrays: np.sum(np.prod(arrays, axis=0)),
}  # fmt: skip


class Sheets:
    """Evaluates the few functions that the workbook uses; changed: values in place of cells'."""

    def __init__(self, path, changed=()):
        self.book, self.changed, self.known = openpyxl.load_workbook(path), dict(changed), {}

    def value(self, sheet, row, column):
        place = sheet, row, column
        if place not in self.known:
            held = self.changed.get(place, self.book[sheet].cell(row, column).value)
            formula = isinstance(held, str) and held.startswith("=")
            self.known[place] = self.evaluated(held[1:]) if formula else held
        return self.known[place]

    def evaluated(self, formula):
        code = REF.sub(lambda m: f"at({m.groups()!r})", formula).replace("^", "**")
        code = re.sub(r"(?<![<>=])=(?!=)", "==", code)
        return eval(code, {**FUNCTIONS, "at": self.at})  # noqa: S307  formulas that this project wrote

    def at(self, groups):
        sheet, column, row, last_column, last_row = groups
        first = int(row), column_index_from_string(column)
        if last_column is None:
            return self.value(sheet, *first)
        last = int(last_row), column_index_from_string(last_column)
        return np.array([self.value(sheet, r, c) for r in range(first[0], last[0] + 1)
                         for c in range(first[1], last[1] + 1)], float)  # fmt: skip

    def row(self, sheet, label):
        """Numbers beside a label in the first column."""
        cells = self.book[sheet]
        row = next(r for r in range(1, cells.max_row + 1) if cells.cell(r, 1).value == label)
        return [self.value(sheet, row, c) for c in range(2, 5)]

    def formulas(self):
        return [(ws.title, cell.row, cell.column) for ws in self.book for line in ws.iter_rows() for cell in line
                if cell.data_type == "f"]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    @cache
    def book(variant, lang):
        path = tmp_path_factory.mktemp("book") / "report.xlsx"
        return write_xlsx(build(found(variant), lang), found(variant), path)

    return book


@pytest.mark.parametrize(("variant", "lang"), [("complete", "ja"), ("illustrative", "en"), ("imported", "ja")])
def test_formulas_yield_what_is_written_beside_them_and_the_roi(made, variant, lang):
    path, roi = made(variant, lang), found(variant).roi
    sheets, written_values = Sheets(path), openpyxl.load_workbook(path, data_only=True)
    places = sheets.formulas()
    assert len(places) > 300
    for sheet, row, column in places:
        cached = written_values[sheet].cell(row, column).value
        assert sheets.value(sheet, row, column) == pytest.approx(cached, rel=1e-9, abs=1e-9)
    name = say(lang, "office.sheet.roi")
    npv, saving = (sheets.row(name, say(lang, f"office.row.{key}")) for key in ("npv", "saving"))
    assert npv == pytest.approx([case.npv for case in roi.scenarios], rel=1e-6)
    assert saving == pytest.approx([case.monthly_saving for case in roi.scenarios], rel=1e-6)
    months = [-1 if case.payback_months is None else case.payback_months for case in roi.scenarios]
    assert sheets.row(name, say(lang, "office.row.payback")) == months


def test_a_changed_input_changes_the_net_present_value(made):
    path, roi = made("complete", "en"), found("complete").roi
    before, given = Sheets(path), {each.key: each.value for each in roi.inputs}
    sheet = before.book["Assumptions"]
    row = next(r for r in range(1, 30) if str(sheet.cell(r, 1).value).startswith("Videos a month"))
    assert sheet.cell(row, 2).value == given["videos_per_month"]
    after = Sheets(path, {("Assumptions", row, 2): given["videos_per_month"] * 2})
    ramp = [value for key, value in given.items() if key.startswith("ramp[")]
    saving = 2 * given["videos_per_month"] * (roi.unit_cost[0] - roi.unit_cost[1])
    expected = cumulative(
        saving, given["one_off"], given["monthly"], given["discount"], volume(ramp, int(given["months"]))
    )[0, -1]  # fmt: skip
    assert after.row("ROI", "Net present value")[1] == pytest.approx(expected, rel=1e-6)


def test_sheets_have_every_table_frozen_headers_and_charts(made):
    path = made("complete", "ja")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[:5] == ["結論", "前提条件", "投資対効果", "キャッシュフロー", "合格率"]
    grids = [each for section in build(found("complete"), "ja").sections for each in section.of(Grid)]
    for table in grids:
        sheet = next(ws for ws in book if ws.title.startswith(table.title[:20]) and ws.max_row >= len(table.rows) + 2)
        assert sheet.freeze_panes == "B3"
        numbers = [[cell.value for cell in line] for line in sheet.iter_rows(min_row=3, max_col=len(table.columns))]
        for row, held in zip(table.rows, numbers, strict=False):
            for value, cell in zip(row.cells, held, strict=True):
                if isinstance(value, float) and math.isfinite(value):
                    assert cell == pytest.approx(value)
    with zipfile.ZipFile(path) as held:
        assert sum(name.startswith("xl/charts/chart") for name in held.namelist()) == 2


@pytest.mark.parametrize("variant", ["minimal", "provisional", "empty", "awkward"])
def test_books_without_an_roi_hold_the_tables(made, variant):
    book = openpyxl.load_workbook(made(variant, "en"))
    assert book.sheetnames[0] == "Verdict"
    assert ("ROI" in book.sheetnames) == (found(variant).roi is not None)


def test_texts_are_never_formulas_and_every_sheet_has_its_foot(tmp_path):
    section = Section("arms", "Arms", (grid(2, text="=HYPERLINK(1)"),))
    report = replace(written("en", tmp_path), sections=(section,))
    book = openpyxl.load_workbook(write_xlsx(report, found("minimal"), tmp_path / "report.xlsx"))
    cell = next(c for line in book["Table arms"].iter_rows() for c in line if c.value == "=HYPERLINK(1)")
    assert cell.data_type == "s"
    assert cell.quotePrefix
    for sheet in book:
        assert "run demo" in sheet.oddFooter.left.text
        assert "Example inputs" in sheet.oddHeader.center.text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_computes_the_same(made, tmp_path):
    bare = tmp_path / "bare.xlsx"
    with zipfile.ZipFile(made("complete", "ja")) as held, zipfile.ZipFile(bare, "w") as out:
        for name in held.namelist():  # without values beside formulas it must compute them
            out.writestr(name, re.sub(rb"(</f>)<v>[^<]*</v>", rb"\1", held.read(name)))
    convert = ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/home", "--convert-to"]
    subprocess.run([*convert, "ods", "--outdir", str(tmp_path), str(bare)], check=True, capture_output=True)
    subprocess.run([*convert, "xlsx", "--outdir", str(tmp_path / "out"), str(tmp_path / "bare.ods")], check=True,
                   capture_output=True)  # fmt: skip
    computed = openpyxl.load_workbook(tmp_path / "out" / "bare.xlsx", data_only=True)
    sheets = Sheets(made("complete", "ja"))
    for sheet, row, column in sheets.formulas():
        ours = sheets.value(sheet, row, column)
        assert computed[sheet].cell(row, column).value == pytest.approx(ours, rel=1e-9, abs=1e-9)
