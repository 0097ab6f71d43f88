"""CSV that a spreadsheet opens as it is, with all rows and numbers in full."""

import csv

import findings as runs
import pandas as pd
import pytest

from sn_eval.present.report.build import build
from sn_eval.present.report.model import Column, Grid, Row
from sn_eval.present.report.tables import table_text, write_tables


def test_every_table_is_a_file(tmp_path):
    report = build(runs.found("complete"), "ja")
    paths = write_tables(report, tmp_path)
    assert {"arms.csv", "differences_acceptance.csv", "prompts.csv", "attempts.csv"} <= {path.name for path in paths}
    assert len({path.name for path in paths}) == len(paths)
    for path in paths:
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_attempts_are_all_there_with_their_values(tmp_path):
    found = runs.found("complete")
    write_tables(build(found, "en"), tmp_path)
    table = pd.read_csv(tmp_path / "attempts.csv", encoding="utf-8-sig")
    assert len(table) == len(found.attempts)
    assert table["steadiness"].tolist() == pytest.approx([a.scores["steadiness"] for a in found.attempts])
    assert table["Cells"].tolist() == [", ".join(a.cells) for a in found.attempts]


def test_a_prompt_that_looks_like_a_formula_is_text():
    grid = Grid(
        "x", "x", (Column("a"), Column("b", "number")), (Row(("=cmd|'/c calc'!A1", -0.5)), Row(('a,\n"b"', None)))
    )
    rows = list(csv.reader(table_text(grid).splitlines(keepends=True)))
    assert rows == [["a", "b"], ["'=cmd|'/c calc'!A1", "-0.5"], ['a,\n"b"', ""]]
