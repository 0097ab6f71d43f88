"""Every figure can be drawn, in both languages, with letters that are there and labels that do not cover each other."""

import io

import findings as runs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sn_eval.present import charts
from sn_eval.present.report.build import build
from sn_eval.present.report.drawing import drawing
from sn_eval.present.report.labels import Label, placed
from sn_eval.present.report.model import Axis, Figure, Point, Reference, Region, Series


def figure(**changed) -> Figure:
    points = (Point("a", 1.0, 0.5, 2.0, "x"), Point("b", 2.0))
    values = {
        "key": "f", "kind": "bar", "title": "title", "about": "about", "x": Axis("x", "text"), "y": Axis("y"),
        "series": (Series("s", points), Series("t", points)),
    }  # fmt: skip
    return Figure(**(values | changed))


def pixels(title: str) -> np.ndarray:
    drawn = drawing(figure(title=title), "ja")
    return np.asarray(Image.open(io.BytesIO(charts.png(drawn))).convert("L")).astype(int)


@pytest.mark.parametrize("variant", ["complete", "imported", "minimal", "no_acceptance"])
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_figure_of_a_report_can_be_drawn(variant, lang):
    report = build(runs.found(variant), lang)
    for section in report.sections:
        for shown in section.of(Figure):
            svg = charts.svg(drawing(shown, lang))
            assert svg.startswith("<svg")
            assert shown.title in svg


def test_japanese_letters_are_drawn_and_differ():
    first, second = pixels("品質"), pixels("費用")  # letters without a glyph would all be the same box, or nothing
    assert (first < 128).sum() > (pixels(" ") < 128).sum()
    assert first.shape != second.shape or (np.abs(first - second) > 128).sum() > 20


def test_bars_and_lines_at_a_value():
    svg = charts.svg(drawing(figure(), "en"))
    assert svg.count("bar") >= 1
    x = (Series("s", (Point(1.0, 1.0), Point(2.0, 3.0)), "line"),)
    line = figure(kind="line", x=Axis("x"), series=x, references=(Reference("here", 1.5, "x"),))
    assert "here" in charts.svg(drawing(line, "en"))


def test_nothing_to_draw_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="no point"):
        drawing(figure(series=(Series("s", (Point("a", None),)),)), "en")


@given(
    st.lists(
        st.tuples(st.floats(0, 600), st.floats(0, 300), st.sampled_from(["plain", "search@96", "推奨候補"])),
        min_size=1,
        max_size=4,
    )
)
def test_labels_stay_in_the_field(points):
    for label in placed([Label(text, x, y) for x, y, text in points], (620.0, 340.0)):
        assert label.x >= -4
        assert label.x + label.width <= 624
        assert 0 <= label.y <= 340


def test_labels_of_close_points_do_not_cover_each_other():
    found = placed([Label("scaling@96", 300, 100), Label("scaling@144", 330, 104), Label("plain", 310, 90)], (620, 340))
    assert not any(a.covers(b) for i, a in enumerate(found) for b in found[i + 1 :])


def test_a_region_is_framed_and_named_as_far_as_the_field_goes():
    dots = (Series("s", (Point(1.0, 0.2), Point(4.0, 0.6))),)
    plane = {"kind": "scatter", "x": Axis("x", low=0.0), "y": Axis("y", low=0.0, high=1.0), "series": dots}
    plain, framed = (
        drawing(figure(**plane, region=region), "en") for region in (None, Region("good", 0.0, 99.0, 0.5, 1.0))
    )
    assert "good" in charts.svg(framed)
    row = framed["layer"][0]["data"]["values"][0]
    assert (row["x0"], row["y0"], row["y1"]) == (0.0, 0.5, 1.0)
    assert row["x1"] == framed["layer"][-1]["encoding"]["x"]["scale"]["domain"][1] < 99
    beyond = drawing(figure(**plane, region=Region("far", x_low=99.0)), "en")
    assert len(beyond["layer"]) == len(plain["layer"])
