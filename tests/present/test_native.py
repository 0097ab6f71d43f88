"""Charts of slides are native, hold the figure's numbers, and show its intervals."""

import dataclasses
import io

import openpyxl
import pytest
from blocks import COMPARED, CURVE, FAN, FIGURES, GROUPS, PARETO, TORNADO
from pptx import Presentation
from pptx.oxml.ns import qn
from pptx.util import Pt

from sn_eval.present.report.model import Axis, Figure, Point, Region, Series
from sn_eval.present.report.native import Box, add_figure, ends


def drawn(figure, lang="ja"):
    """The chart as it is in a file that was written and read again."""
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    add_figure(slide.shapes, figure, Box(0, 0, Pt(500), Pt(300)), lang, "JPY")
    held = io.BytesIO()
    deck.save(held)
    return next(shape for shape in Presentation(held).slides[0].shapes if shape.has_chart)


def points(series):
    """(x, y) of a scatter series, blank ones left out."""
    sides = [
        {int(p.get("idx")): float(p.findtext(qn("c:v"))) for p in series._element.find(qn(tag)).iter(qn("c:pt"))}
        for tag in ("c:xVal", "c:yVal")
    ]
    return [(sides[0][i], sides[1][i]) for i in sorted(sides[0])]


def bars(series):
    """(below, above) of a series' error bars."""
    found = series._element.find(qn("c:errBars"))
    if found is None:
        return None
    values = [[float(v.text) for v in found.find(qn(tag)).iter(qn("c:v"))] for tag in ("c:minus", "c:plus")]
    return list(zip(*values, strict=True))


def named(chart):
    return {series.name: series for series in chart.plots[0].series}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.kind)
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_kind_is_a_chart_with_words_fonts_and_a_sheet(figure, lang):
    frame = drawn(figure, lang)
    space = frame.chart._chartSpace
    assert figure.about in frame._element.nvGraphicFramePr.cNvPr.get("descr")
    for properties in [*space.iter(qn("a:defRPr")), *space.iter(qn("a:rPr"))]:
        assert properties.find(qn("a:ea")).get("typeface") == "Yu Gothic"
    sheet = openpyxl.load_workbook(io.BytesIO(frame.chart.part.chart_workbook.xlsx_part.blob))["Sheet1"]
    for ref in space.iter(qn("c:f")):
        cells = [cell for row in _rows(sheet, ref.text) for cell in row]
        for point in ref.getparent().iter(qn("c:pt")):
            held, written = cells[int(point.get("idx"))].value, point.findtext(qn("c:v"))
            assert held == pytest.approx(float(written)) if isinstance(held, int | float) else held == written


def _rows(sheet, ref):
    found = sheet[ref.partition("!")[2].replace("$", "")]
    return found if isinstance(found, tuple) else ((found,),)


def test_scatter_has_points_intervals_steps_and_references():
    series = named(drawn(PARETO).chart)
    assert points(series["plain"]) == [(100.0, 0.6)]
    assert bars(series["plain"])[0] == (pytest.approx(0.1), pytest.approx(0.12))
    assert points(series["推奨"]) == [(150.0, 0.8)]  # a point without a value is left out
    assert points(series["frontier"]) == [(100.0, 0.6), (150.0, 0.6), (150.0, 0.8), (180.0, 0.8), (180.0, 0.8)]
    assert bars(series["frontier"]) is None
    assert points(series["break-even"]) == [(0.0, 0.7), (200.0, 0.7)]
    order = [child.tag for child in series["plain"]._element]
    assert order.index(qn("c:errBars")) == order.index(qn("c:xVal")) - 1  # ECMA-376, CT_ScatterSer


def test_lying_intervals_are_lines_with_gaps_and_rows_have_names():
    chart = drawn(COMPARED).chart
    series = named(chart)
    assert points(series["scaling_noise"]) == [(0.1, 2.25), (-0.05, 1.25), (0.2, 0.25)]
    assert points(series["scaling_noise: 区間"]) == [(-0.02, 2.25), (0.2, 2.25), (-0.1, 1.25), (0.0, 1.25)]
    labels = [p.data_label.text_frame.text for p in (series[" "].points[i] for i in range(3))]
    assert labels == ["motion", "lighting", "物体の永続性"]
    hidden = [entry.find(qn("c:idx")).get("val") for entry in chart._chartSpace.iter(qn("c:legendEntry"))]
    names = [one.name for one in chart.plots[0].series]
    assert {names[int(index)] for index in hidden} == {"scaling_noise: 区間", "best_of_n: 区間", " "}


def test_bars_have_values_and_intervals():
    series = named(drawn(GROUPS).chart)
    assert list(series["chosen"].values) == [0.7, 0.8]
    assert bars(series["chosen"])[1] == (pytest.approx(0.1), pytest.approx(0.1))
    assert bars(series["plain"])[1] == (0.0, 0.0)  # nothing is known of its interval


def test_a_tornado_starts_from_the_result_in_between():
    chart = drawn(TORNADO).chart
    low, high = chart.plots[0].series
    assert (list(low.values), list(high.values)) == ([2e5, 1.4e6], [1.8e6, 6e5])
    axis = chart._chartSpace.find(f".//{qn('c:catAx')}/{qn('c:crossesAt')}")
    assert float(axis.get("val")) == 1e6


def test_a_fan_has_its_bounds_as_lines():
    series = named(drawn(FAN).chart)
    assert [y for _, y in points(series["P50: 区間の下限"])] == pytest.approx([p.low for p in FAN.series[0].points])
    assert [y for _, y in points(series["P50: 区間の上限"])] == pytest.approx([p.high for p in FAN.series[0].points])


def test_a_series_shorter_than_another_is_drawn_in_libreoffice_too():
    """It draws only the longest of series of unequal lengths, so all have equally many rows, some blank."""
    chart = drawn(CURVE).chart
    counts = {count.get("val") for series in chart.plots[0].series for count in series._element.iter(qn("c:ptCount"))}
    assert counts - {"1"} == {str(len(CURVE.series[1].points))}


def test_axes_end_on_round_numbers_and_survive_equal_values():
    assert ends(Axis(""), [0.3]) == (0.1, 0.5, 0.1)
    assert ends(Axis(""), [0.0, 0.0]) == (-1.0, 1.0, 0.5)
    low, high, step = ends(Axis("", low=0.0, high=1.0), [0.2, 0.9])
    assert (low, high, step) == (0.0, 1.0, 0.2)
    alone = Figure("a", "scatter", "one", "one point", Axis("x"), Axis("y"), (Series("s", (Point(1.0, 1.0),)),))
    assert points(named(drawn(alone).chart)["s"]) == [(1.0, 1.0)]


def test_a_region_is_a_frame_as_far_as_the_axes_go():
    region = Region("both targets", 0.0, None, 0.65, 1.0)
    series = named(drawn(dataclasses.replace(PARETO, region=region)).chart)
    frame = points(series["both targets"])
    assert frame[0] == frame[-1]
    assert {x for x, _ in frame} == {0.0, 200.0}
    assert {y for _, y in frame} == {0.65, 1.0}
