"""Figures of a report as charts that one can edit: native chart parts with their data sheets, by python-pptx.

Numeric kinds are scatter charts, in which lines, steps, marks, intervals and references are series of one another;
"bar" and "tornado" are bar charts. Colours are Okabe and Ito's, with a mark of its own for each series, so that no
meaning hangs on colour alone.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pptx.chart.data import CategoryChartData, XyChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import (
    XL_AXIS_CROSSES,
    XL_CHART_TYPE,
    XL_LABEL_POSITION,
    XL_LEGEND_POSITION,
    XL_MARKER_STYLE,
    XL_TICK_LABEL_POSITION,
)
from pptx.enum.dml import MSO_LINE
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls, qn
from pptx.util import Pt

from sn_eval.present.charts import COLOURS
from sn_eval.present.report.error_bars import Bounds, add_error_bars
from sn_eval.present.report.fitting import clipped, em
from sn_eval.present.report.fonts import FONTS, dress
from sn_eval.present.report.model import Axis, Column, Figure, Format, Lang, Point, Region, Series
from sn_eval.present.report.shown import sheet_format
from sn_eval.present.words import say

ROLES = {"chosen": "D55E00", "baseline": "404040", "muted": "A6A6A6", "model": "0072B2"}
PLAIN = tuple(colour.lstrip("#") for colour in COLOURS if colour not in ("#D55E00", "#000000"))
MARKS = (
    XL_MARKER_STYLE.CIRCLE, XL_MARKER_STYLE.SQUARE, XL_MARKER_STYLE.TRIANGLE, XL_MARKER_STYLE.DIAMOND,
    XL_MARKER_STYLE.X, XL_MARKER_STYLE.STAR, XL_MARKER_STYLE.PLUS,
)  # fmt: skip
FRAME = COLOURS[2].lstrip("#")
LETTERS = 12
"""Size of a chart's letters in points; a slide across a room needs them."""

GAP = (math.nan, math.nan)
"""A point that is not there: a line breaks at it."""

LABELS = 0.34
"""Share of an interval chart's width for the names of its rows."""


@dataclass(frozen=True)
class Box:
    """A place on a page, in EMU."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class _Tongue:
    """What figures do not say of themselves."""

    lang: Lang
    currency: str

    def __call__(self, key: str) -> str:
        """A word for a legend."""
        return say(self.lang, f"office.legend.{key}")


@dataclass(frozen=True)
class _Line:
    """A series as it is drawn: numbers only."""

    name: str
    points: tuple[tuple[float, float], ...]
    bounds: Bounds
    labels: tuple[str, ...]
    colour: str
    joined: bool
    marked: bool
    dashed: bool = False
    legend: bool = True


def add_figure(shapes: Any, figure: Figure, box: Box, lang: Lang, currency: str = "") -> Any:
    """Draw a figure into a slide's shapes and return its graphic frame; `about` becomes the text for screen readers.

    box: its place. currency: of amounts on axes. The figure has a point with a value.
    """
    draw = {"bar": _bars, "tornado": _tornado}.get(figure.kind, _numeric)
    frame = draw(shapes, figure, box, _Tongue(lang, currency))
    chart = frame.chart
    chart.has_title = False
    chart.font.size = Pt(LETTERS)
    for space in chart._chartSpace.iter(qn("c:chartSpace")):
        dress(space, FONTS[lang])
    described = frame._element.nvGraphicFramePr.cNvPr
    described.set("name", figure.title)
    described.set("descr", f"{figure.title}. {figure.about}")
    return frame


# --- numeric axes -----------------------------------------------------------------------------------------


def _numeric(shapes: Any, figure: Figure, box: Box, tongue: _Tongue) -> Any:
    """Scatter, line, fan and interval: one scatter chart."""
    lying = figure.kind == "interval"
    names = list(dict.fromkeys(str(point.x) for series in figure.series for point in series.points)) if lying else []
    drawn = list(_lying(figure, names, tongue)) if lying else list(_standing(figure, tongue))
    x_axis, y_axis = (figure.y, Axis("", low=-0.6, high=len(names) - 0.4)) if lying else (figure.x, figure.y)
    points = [point for line in drawn for point in line.points if point is not GAP]
    across = [r.value for r in figure.references if lying or r.axis == "x"]
    upward = [r.value for r in figure.references if not lying and r.axis == "y"]
    x_ends = ends(x_axis, [x for x, _ in points] + across)
    y_ends = ends(y_axis, [y for _, y in points] + _reach(drawn) + upward)
    drawn += _references(figure, x_ends, y_ends, lying)
    drawn += _region(figure.region, x_ends, y_ends)
    if lying:
        drawn.append(_row_names(names, x_ends[0]))
    data = XyChartData()
    for line in drawn:
        series = data.add_series(line.name)
        for x, y in line.points:
            series.add_data_point(*((None, None) if math.isnan(x) else (x, y)))
    frame = shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, box.x, box.y, box.width, box.height, data)
    chart = frame.chart
    for line, series in zip(drawn, chart.plots[0].series, strict=True):
        _style(series, line)
    _scale(chart.category_axis, x_axis, x_ends, tongue.currency)
    _scale(chart.value_axis, y_axis, y_ends, tongue.currency)
    chart.category_axis.crosses = chart.value_axis.crosses = XL_AXIS_CROSSES.MINIMUM
    _legend(chart, drawn)
    add_error_bars(chart, [line.bounds for line in drawn])
    if lying:
        chart.value_axis.tick_label_position = XL_TICK_LABEL_POSITION.NONE
        chart.value_axis.has_major_gridlines = False
        _inner(chart, LABELS)
    return frame


def _standing(figure: Figure, tongue: _Tongue) -> Iterator[_Line]:
    """Series of numeric x. A step keeps y until the next x; a fan's bounds are lines of their own."""
    plain = itertools.cycle(PLAIN)
    for series in figure.series:
        colour = ROLES.get(series.role) or next(plain)
        points = [(float(p.x), float(p.y), p) for p in series.points if p.y is not None and not isinstance(p.x, str)]
        if not points:
            continue
        if figure.kind == "fan":
            yield from _band(series, colour, tongue)
        pairs = [(x, y) for x, y, _ in points]
        if series.draw == "step":
            pairs = [pairs[0], *(p for (_, y), (x, new) in itertools.pairwise(pairs) for p in ((x, y), (x, new)))]
            yield _Line(series.name, tuple(pairs), (), (), colour, joined=True, marked=False)
            continue
        yield _Line(
            series.name, tuple(pairs),
            () if figure.kind == "fan" else tuple(_distances(p) for _, _, p in points),
            tuple(p.label for _, _, p in points), colour,
            joined=series.draw in ("line", "marks+line"), marked=series.draw in ("marks", "marks+line"),
            dashed=series.role == "model",
        )  # fmt: skip


def _band(series: Series, colour: str, tongue: _Tongue) -> Iterator[_Line]:
    """Lower and upper bound as thin dashed lines."""
    for side in ("low", "high"):
        pairs = [(float(p.x), getattr(p, side)) for p in series.points if getattr(p, side) is not None]
        if pairs:
            yield _Line(
                f"{series.name}: {tongue(side)}", tuple(pairs), (), (), colour, True, False, dashed=True, legend=False
            )


def _lying(figure: Figure, names: Sequence[str], tongue: _Tongue) -> Iterator[_Line]:
    """Rows of categories, the first on top; several series of a row stand a little apart.

    Intervals are lines of their own with gaps between: LibreOffice draws no lying error bars.
    """
    plain = itertools.cycle(PLAIN)
    points_of = [str(p.x) for series in figure.series for p in series.points]
    count = len(figure.series) if len(set(points_of)) < len(points_of) else 1
    for place, series in enumerate(figure.series):
        shift = 0.0 if count < 2 else 0.25 - 0.5 * place / (count - 1)
        points = [p for p in series.points if p.y is not None]
        if points:
            colour = ROLES.get(series.role) or next(plain)
            rows = [len(names) - 1 - names.index(str(p.x)) + shift for p in points]
            placed = list(zip(points, rows, strict=True))
            known = [(p.low, p.high, row) for p, row in placed if p.low is not None and p.high is not None]
            reach = tuple(pair for low, high, row in known for pair in ((low, row), (high, row), GAP))
            if reach:
                yield _Line(
                    f"{series.name}: {tongue('interval')}",
                    reach,
                    (),
                    (),
                    colour,
                    joined=True,
                    marked=False,
                    legend=False,
                )
            marks = tuple((float(p.y or 0), row) for p, row in placed)
            yield _Line(series.name, marks, (), tuple(p.label for p in points), colour, joined=False, marked=True)


def _row_names(names: Sequence[str], left: float) -> _Line:
    """Names of rows as labels of marks that are not drawn, at the left end."""
    words = tuple(clipped(name, width=190, size=LETTERS, most=2) for name in reversed(names))
    points = tuple((left, float(row)) for row in range(len(names)))
    return _Line(" ", points, (), words, "FFFFFF", joined=False, marked=False, legend=False)


def _references(
    figure: Figure, x: tuple[float, float, float], y: tuple[float, float, float], lying: bool
) -> Iterator[_Line]:
    """Lines across the whole chart."""
    for reference in figure.references:
        upright = lying or reference.axis == "x"
        at = reference.value
        points = ((at, y[0]), (at, y[1])) if upright else ((x[0], at), (x[1], at))
        yield _Line(reference.label, points, (), (), "808080" if at == 0 else "000000", True, False, dashed=at != 0)


def _region(region: Region | None, x: Sequence[float], y: Sequence[float]) -> Iterator[_Line]:
    """A dashed frame, as far as the axes go; none where it lies beyond."""
    inside = region.within(x, y) if region is not None else None
    if region is not None and inside is not None:
        x0, x1, y0, y1 = inside
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
        yield _Line(region.label, corners, (), (), FRAME, True, False, dashed=True)


def _distances(point: Point) -> tuple[float | None, float | None]:
    """Distances to both bounds; None where a bound is not known."""
    if point.y is None or point.low is None or point.high is None:
        return None, None
    return max(point.y - point.low, 0.0), max(point.high - point.y, 0.0)


def _reach(drawn: Sequence[_Line]) -> list[float]:
    """Ends of all intervals."""
    return [
        point[1] + sign * distance
        for line in drawn
        for point, bound in zip(line.points, line.bounds, strict=False)
        for side, sign in ((0, -1), (1, 1))
        if (distance := bound[side]) is not None
    ]


def ends(axis: Axis, values: Sequence[float]) -> tuple[float, float, float]:
    """(low, high, step) of an axis: its own ends where it has them, else round numbers around the values.

    >>> ends(Axis(""), [0.13, 0.87]), ends(Axis("", low=0.0), [3.0, 41.0])
    ((0.0, 1.0, 0.2), (0.0, 50.0, 10.0))
    """
    low = min(values) if axis.low is None else axis.low
    high = max(values) if axis.high is None else axis.high
    if high <= low:
        low, high = (low - 1, high + 1) if low == 0 else (low - abs(low) / 2, low + abs(low) / 2)
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    down = math.floor(low / step + 1e-9) * step if axis.low is None else low
    up = math.ceil(high / step - 1e-9) * step if axis.high is None else high
    return float(f"{down:.12g}"), float(f"{up:.12g}"), float(f"{step:.12g}")


def _style(series: Any, line: _Line) -> None:
    series.smooth = False
    if line.joined:
        series.format.line.color.rgb = RGBColor.from_string(line.colour)
        series.format.line.width = Pt(1.25 if line.dashed or line.colour == "808080" else 2.25)
        if line.dashed:
            series.format.line.dash_style = MSO_LINE.DASH
    else:
        series.format.line.fill.background()
    series.marker.style = _mark(line) if line.marked else XL_MARKER_STYLE.NONE
    if line.marked:
        series.marker.size = 9
        series.marker.format.fill.solid()
        series.marker.format.fill.fore_color.rgb = RGBColor.from_string(line.colour)
        series.marker.format.line.color.rgb = RGBColor.from_string(line.colour)
    left = not line.joined and not line.marked
    for index, words in enumerate(line.labels):
        if words:
            label = series.points[index].data_label
            label.position = XL_LABEL_POSITION.LEFT if left else XL_LABEL_POSITION.RIGHT
            label.text_frame.text = words
            for run in label.text_frame.paragraphs[0].runs:
                run.font.size = Pt(LETTERS - 1)
                run.font.color.rgb = RGBColor.from_string("262626")


def _mark(line: _Line) -> Any:
    """The recommended arm is a diamond, the baseline a square; others by their colour."""
    if line.colour == ROLES["chosen"]:
        return XL_MARKER_STYLE.DIAMOND
    if line.colour == ROLES["baseline"]:
        return XL_MARKER_STYLE.SQUARE
    return MARKS[PLAIN.index(line.colour) % len(MARKS)] if line.colour in PLAIN else XL_MARKER_STYLE.CIRCLE


# --- categories -------------------------------------------------------------------------------------------


def _bars(shapes: Any, figure: Figure, box: Box, tongue: _Tongue) -> Any:
    """Bars, lying where names are long."""
    names = list(dict.fromkeys(str(point.x) for series in figure.series for point in series.points))
    lying = len(names) > 8 or any(em(name) > 9 for name in names)
    by_name = [{str(p.x): p for p in series.points} for series in figure.series]
    data = CategoryChartData()
    data.categories = [clipped(name, width=200, size=LETTERS, most=2) for name in names]
    for series, points in zip(figure.series, by_name, strict=True):
        data.add_series(series.name, [points[name].y if name in points else None for name in names])
    kind = XL_CHART_TYPE.BAR_CLUSTERED if lying else XL_CHART_TYPE.COLUMN_CLUSTERED
    frame = shapes.add_chart(kind, box.x, box.y, box.width, box.height, data)
    chart = frame.chart
    plain = itertools.cycle(PLAIN)
    for series, drawn in zip(figure.series, chart.plots[0].series, strict=True):
        _fill(drawn, ROLES.get(series.role) or next(plain))
    chart.plots[0].gap_width, chart.plots[0].overlap = 60, 0
    values = [v for points in by_name for p in points.values() for v in (p.y, p.low, p.high) if v is not None]
    _scale(chart.value_axis, figure.y, ends(figure.y, [0.0, *values]), tongue.currency)
    _titled(chart.category_axis, figure.x.title)
    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    chart.category_axis.reverse_order = lying
    if lying:
        chart.value_axis.tick_label_position = XL_TICK_LABEL_POSITION.HIGH
    _legend(chart, figure.series)
    bounds = [[_distances(points[name]) if name in points else (None, None) for name in names] for points in by_name]
    add_error_bars(chart, bounds)
    return frame


def _tornado(shapes: Any, figure: Figure, box: Box, tongue: _Tongue) -> Any:
    """Bars from the result in between to the results at both ends of each input, the widest on top."""
    points = [p for series in figure.series for p in series.points if p.low is not None and p.high is not None]
    data = CategoryChartData()
    named = [f"{p.x} ({p.label})" if p.label else str(p.x) for p in points]
    data.categories = [clipped(name, width=200, size=LETTERS, most=2) for name in named]
    for side in ("low", "high"):
        data.add_series(tongue(f"input_{side}"), [getattr(p, side) for p in points])
    frame = shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, box.x, box.y, box.width, box.height, data)
    chart = frame.chart
    for series, colour in zip(chart.plots[0].series, (ROLES["baseline"], PLAIN[0]), strict=True):
        _fill(series, colour)
    chart.plots[0].gap_width, chart.plots[0].overlap = 40, 100
    centre = next((p.y for p in points if p.y is not None), 0.0)
    values = [centre, *(v for p in points for v in (p.low, p.high) if v is not None)]
    _scale(chart.value_axis, figure.y, ends(figure.y, values), tongue.currency)
    chart.value_axis.crosses_at = centre
    chart.category_axis.reverse_order = True
    chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    chart.value_axis.tick_label_position = XL_TICK_LABEL_POSITION.HIGH
    _legend(chart, figure.series * 2)
    return frame


def _fill(series: Any, colour: str) -> None:
    series.format.fill.solid()
    series.format.fill.fore_color.rgb = RGBColor.from_string(colour)
    series.invert_if_negative = False


# --- axes, legend, place ----------------------------------------------------------------------------------


def _scale(axis: Any, about: Axis, bounds: tuple[float, float, float], currency: str) -> None:
    axis.minimum_scale, axis.maximum_scale, axis.major_unit = bounds
    axis.has_major_gridlines = True
    axis.major_gridlines.format.line.color.rgb = RGBColor.from_string("E4E4E4")
    axis.format.line.color.rgb = RGBColor.from_string("808080")
    axis.tick_labels.number_format = axis_format(about.format, bounds[2], currency)
    axis.tick_labels.number_format_is_linked = False
    axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    _titled(axis, about.title)


def axis_format(form: Format, step: float, currency: str = "") -> str:
    """Number format of an axis whose ticks lie `step` apart: as many digits as tell them apart.

    >>> axis_format("percent", 0.2), axis_format("number", 0.05), axis_format("money", 1e6, "JPY")
    ('0%', '#,##0.00', '"¥"#,##0')
    """
    shown = step * 100 if form in ("percent", "points") else step
    digits = max(0, -math.floor(math.log10(shown) + 1e-9))
    return sheet_format(Column("", form if form != "text" else "number", digits=digits), currency)


def _titled(axis: Any, title: str) -> None:
    axis.has_title = bool(title)
    if title:
        axis.axis_title.text_frame.text = title
        for run in axis.axis_title.text_frame.paragraphs[0].runs:
            run.font.size, run.font.bold = Pt(LETTERS), False


def _legend(chart: Any, series: Sequence[Any]) -> None:
    """A legend below, where there is more than one series; helper lines do not stand in it."""
    named = [getattr(one, "legend", True) for one in series]
    chart.has_legend = sum(named) > 1
    if chart.has_legend:
        chart.legend.position = XL_LEGEND_POSITION.TOP
        chart.legend.include_in_layout = False
        chart.legend.font.size = Pt(LETTERS)
        after = chart.legend._element.find(qn("c:legendPos"))
        for index in reversed([i for i, shows in enumerate(named) if not shows]):
            entry = f'<c:legendEntry {nsdecls("c")}><c:idx val="{index}"/><c:delete val="1"/></c:legendEntry>'
            after.addnext(parse_xml(entry))


def _inner(chart: Any, left: float) -> None:
    """Keep a share of the chart's width free for the names of rows."""
    area = chart._chartSpace.chart.plotArea
    for old in area.findall(qn("c:layout")):
        area.remove(old)
    parts = (("xMode", "edge"), ("yMode", "edge"), ("x", left), ("y", 0.12), ("w", 0.97 - left), ("h", 0.66))
    inside = "".join(f'<c:{tag} val="{value}"/>' for tag, value in parts)
    layout = (
        f'<c:layout {nsdecls("c")}><c:manualLayout><c:layoutTarget val="inner"/>{inside}</c:manualLayout></c:layout>'
    )
    area.insert(0, parse_xml(layout))
