"""A chart has a sentence, a table with its numbers, and files; what is selected in it comes back."""

import csv
import io
import json

import blocks as samples
import findings as runs
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard import figures, grids
from dashboard.settings import VARIABLE
from sn_eval.present import charts
from sn_eval.present.report.drawing import drawing
from sn_eval.present.report.figure_table import figure_table
from sn_eval.present.report.model import Axis, Figure, Point, Series


@pytest.fixture(autouse=True)
def run(monkeypatch):
    """The pages see the run "complete"."""
    monkeypatch.setenv(VARIABLE, json.dumps({"runs": str(runs.folder("complete"))}))


def page_of(shown, lang):
    def script(shown):
        from dashboard import figures
        from dashboard.page import begin

        figures.figure(begin("decision"), shown)

    at = AppTest.from_function(script, default_timeout=60, args=(shown,))
    at.query_params["lang"] = lang
    at.run()
    assert not at.exception
    return at


@pytest.mark.parametrize("shown", samples.FIGURES, ids=lambda shown: shown.kind)
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_kind_has_a_sentence_a_table_and_three_files(shown, lang):
    at = page_of(shown, lang)
    [chart] = at.get("vega_lite_chart")
    spec = json.loads(chart.proto.spec)
    assert chart.proto.alt == shown.about
    assert any(shown.about in each.value for each in at.caption)
    assert len(at.expander[0].dataframe) == 1
    assert len(at.get("download_button")) == 3
    page_font, _, own = spec["config"]["font"].split(", ")[:3]
    assert "Source Sans" in page_font  # as Streamlit sets axes
    assert ("IPAexGothic" in own) is (lang == "ja")
    assert "http" not in json.dumps({**spec, "$schema": ""})


@pytest.mark.parametrize("shown", samples.FIGURES, ids=lambda shown: shown.kind)
def test_the_table_has_every_number_of_the_chart(shown):
    told = figure_table(shown, "en")
    held = [cell for row in told.rows for cell in row.cells]
    for series in shown.series:
        for point in series.points:
            for value in (point.x, point.y, point.low, point.high):
                assert value is None or value in held
    rows = list(csv.reader(io.StringIO(grids.csv_of(told).decode("utf-8-sig"))))
    assert len(rows) == 1 + sum(len(series.points) for series in shown.series)


def test_files_show_the_chart_as_the_page_does():
    spec = figures.dressed(drawing(samples.PARETO, "ja"), "ja")
    assert samples.PARETO.title in charts.svg(spec)
    once, twice = (Image.open(io.BytesIO(charts.png(spec, scale))).size for scale in (1.0, 2.0))
    assert twice == pytest.approx([2 * side for side in once], abs=2)


def test_a_width_that_was_given_is_that_of_the_field():
    assert figures.dressed({"width": 620, "mark": "bar"}, "en")["autosize"] == {"type": "pad"}
    assert not figures.fills({"hconcat": []})
    assert figures.fills({"mark": "bar"})
    assert "autosize" not in figures.dressed({"mark": "bar"}, "en")


def test_without_a_number_there_are_words():
    nothing = Figure("n", "line", "title", "about", Axis("x"), Axis("y"), (Series("s", (Point(1.0, None),)),))
    at = page_of(nothing, "en")
    assert not at.get("vega_lite_chart")
    assert "There is no number to draw yet." in at.info[0].value


def test_a_chart_that_may_be_selected_in_says_what_was():
    def script():
        import streamlit as st

        from dashboard import figures
        from dashboard.page import begin
        from sn_eval.present.report.model import Column, Grid, Row

        spec = {
            "data": {"values": [{"arm": "plain", "n": 1}]}, "mark": "point", "width": 300,
            "params": [{"name": "picked", "select": {"type": "point", "fields": ["arm"]}}],
            "encoding": {"x": {"field": "n", "type": "quantitative"}},
        }  # fmt: skip
        table = Grid("g", "g", (Column("arm"),), (Row(("plain",)),))
        st.text(repr(figures.chart(begin("decision"), "mine", spec, table, "about", select="picked")))

    at = AppTest.from_function(script, default_timeout=60).run()
    assert not at.exception
    assert at.text[0].value == "{}"
    assert list(at.get("vega_lite_chart")[0].proto.selection_mode) == ["picked"]
