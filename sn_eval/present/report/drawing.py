"""Figures of a report as Vega-Lite charts, for `charts.svg`: colour, mark and a direct label, so none stands alone."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from sn_eval.present import words
from sn_eval.present.charts import COLOURS, SHAPES
from sn_eval.present.report.labels import Label, placed
from sn_eval.present.report.model import Axis, Figure, Format, Lang, Point, Reference, Region, Series

WIDTH, HEIGHT = 620, 340  # pixels of the field
ROW = 34  # pixels of a row of a lying chart
BESIDE = 8  # pixels between marks that share a place
JAPANESE = "IPAexGothic, Hiragino Sans, Yu Gothic, Meiryo, Noto Sans CJK JP, sans-serif"
GREY, DARK = "#767676", "#333333"
BLUE, ORANGE, GREEN, BLACK = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[6]
OTHERS = (COLOURS[0], COLOURS[2], COLOURS[3], COLOURS[5], COLOURS[4])
ROLES = {
    "chosen": (ORANGE, "diamond"),
    "baseline": (BLACK, "square"),
    "muted": (GREY, "cross"),
    "model": (DARK, "circle"),
}
PLAIN_SHAPES = tuple(shape for shape in SHAPES if shape not in {shape for _, shape in ROLES.values()})

Spec: TypeAlias = dict[str, Any]


def drawing(figure: Figure, lang: Lang) -> Spec:
    """The chart of a figure. Raises ValueError for one without a point that has a value."""
    if not figure.drawable:
        raise ValueError(f"figure {figure.key!r} has no point to draw")
    spec = _KINDS[figure.kind](figure, lang)
    mark = {"subtitle": figure.mark, "subtitleColor": "#a33b00", "subtitleFontSize": 12} if figure.mark else {}
    dress = {"config": {"font": JAPANESE}} if lang == "ja" else {}
    return {**spec, "title": {"text": figure.title, **mark}, "padding": 6, **dress}


# --- scatter and lines ------------------------------------------------------------------------------------


def _plane(figure: Figure, lang: Lang) -> Spec:
    """Points with bounds over a numeric axis, lines and steps between them."""
    styles = _styles(figure.series)
    x, y = _channel(figure.x, "x", lang), _channel(figure.y, "y", lang)
    points = [point for series in figure.series for point in series.points if point.y is not None]
    x["scale"] = {"domain": _domain(figure.x, [float(point.x) for point in points]), "nice": False}
    heights = [v for point in points for v in (point.y, point.low, point.high) if v is not None]
    y["scale"] = {"domain": _domain(figure.y, heights), "nice": False}
    lines = _references(figure.references, x, y, left=figure.kind == "scatter")
    layers: list[Spec] = [*_region(figure.region, x, y), *lines]
    marked = [series.name for series in figure.series if series.draw != "step"]
    legend = _legend(marked, styles)
    aside = _aside(figure)
    for series in figure.series:
        rows = _rows(series)
        colour, _ = styles[series.name]
        shift = {"xOffset": aside[series.name]} if series.name in aside else {}
        if series.draw in ("line", "step", "marks+line"):
            joined = {"interpolate": "step-after"} if series.draw == "step" else {}
            dash = [5, 4] if series.draw == "step" or series.role == "model" else [1, 0]
            mark = {"type": "line", "strokeWidth": 1.8, "color": colour, "strokeDash": dash, **joined}
            layers.append(_layer(rows, mark, {"x": x, "y": y}))
        if series.draw in ("marks", "marks+line"):
            bounds = [row for row in rows if "low" in row]
            whisker = {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": {"value": colour}}
            layers.append(_layer(bounds, {"type": "rule", "strokeWidth": 1.6, **shift}, {"x": x, **whisker}))
            point = {"type": "point", "filled": True, "size": 150 if series.role == "chosen" else 90, "opacity": 1}
            layers.append(_layer(rows, {**point, **shift}, {"x": x, "y": y, **legend}))
    layers += _labels(figure.series, x, y)
    return {"layer": layers, "width": WIDTH, "height": HEIGHT}


def _aside(figure: Figure) -> dict[str, float]:
    """Pixels by which series of bare marks stand aside, where they share places and would cover each other."""
    marked = [series for series in figure.series if series.draw == "marks"]
    bare = [series for series in marked if any(point.low is not None for point in series.points)]
    places = [point.x for series in bare for point in series.points]
    if figure.kind != "line" or len(set(places)) == len(places):
        return {}
    return {series.name: BESIDE * (place - (len(bare) - 1) / 2) for place, series in enumerate(bare)}


def _legend(names: Sequence[str], styles: dict[str, tuple[str, str]]) -> Spec:
    """Colour and shape of series, in one legend above the field."""
    look = {"orient": "top", "title": None, "columns": 3, "labelLimit": 300}
    return {
        channel: {
            "field": "series", "type": "nominal", "legend": look,
            "scale": {"domain": list(names), "range": [styles[name][place] for name in names]},
        }
        for place, channel in enumerate(("color", "shape"))
    }  # fmt: skip


def _labels(shown: Sequence[Series], x: Spec, y: Spec) -> list[Spec]:
    """Words beside points, where they cover neither each other nor a point; bold for the chosen one."""
    ends = x["scale"]["domain"], y["scale"]["domain"]
    found = [
        Label(point.label, *_pixel(ends, float(point.x), point.y), bold=series.role == "chosen")
        for series in shown
        for point in series.points
        if point.label and point.y is not None
    ]
    layers = []
    for label in placed(found, (WIDTH, HEIGHT)):
        bold = {"fontWeight": "bold", "fontSize": 13} if label.bold else {"fontSize": 12}
        mark = {"type": "text", "align": "left", "baseline": "middle", "color": DARK, **bold}
        at = {"x": {"value": label.x}, "y": {"value": label.y}, "text": {"value": label.text}}
        layers.append(_layer([{}], {**mark, "stroke": "white", "strokeWidth": 4}, at))  # a halo over lines
        layers.append(_layer([{}], mark, at))
    return layers


def _pixel(ends: tuple[Sequence[float], Sequence[float]], x: float, y: float) -> tuple[float, float]:
    """Where a point stands in the field, from its upper left corner."""
    (left, right), (low, high) = ends
    return WIDTH * (x - left) / (right - left), HEIGHT * (high - y) / (high - low)


def _domain(axis: Axis, values: Sequence[float]) -> list[float]:
    """The ends of an axis: those it asks for, else the data's with a little room."""
    low, high = min(values), max(values)
    room = 0.08 * ((high - low) or abs(high) or 1.0)
    return [low - room if axis.low is None else axis.low, high + room if axis.high is None else axis.high]


def _region(region: Region | None, x: Spec, y: Spec) -> list[Spec]:
    """A shaded frame with its name along its upper edge, as far as the field goes; none where it lies beyond."""
    if region is None:
        return []
    inside = region.within(x["scale"]["domain"], y["scale"]["domain"])
    if inside is None:
        return []
    frame = {"type": "rect", "color": GREEN, "fillOpacity": 0.13, "stroke": GREEN, "strokeDash": [6, 3]}
    words = {"type": "text", "align": "left", "baseline": "top", "dx": 6, "dy": 5, "fontSize": 11, "color": DARK}
    corner = {"x": {**x, "field": "x0"}, "y": {**y, "field": "y1"}}
    ends = {"x2": {"field": "x1"}, "y2": {"field": "y0"}}
    row = [{**dict(zip(("x0", "x1", "y0", "y1"), inside, strict=True)), "label": region.label}]
    return [_layer(row, frame, {**corner, **ends}), _layer(row, words, {**corner, "text": {"field": "label"}})]


def _references(lines: Sequence[Reference], x: Spec, y: Spec, *, left: bool = False) -> list[Spec]:
    """Dashed lines across the field with their names; left: those of lying lines stand there."""
    layers = []
    for place, line in enumerate(lines):
        domain = x["scale"].get("domain")
        far = line.axis == "x" and domain is not None and line.value > sum(domain) / 2
        row = [{"at": line.value, "label": line.label}]
        channel = {**(x if line.axis == "x" else y), "field": "at"}
        rule = {"type": "rule", "strokeDash": [3, 3], "color": GREY, "strokeWidth": 1.4}
        layers.append(_layer(row, rule, {line.axis: channel}))
        along = {"y": {"value": 10 + 15 * place}} if line.axis == "x" else {"x": {"value": 4 if left else WIDTH - 4}}
        shift = {"align": "right" if far else "left", "dx": -4 if far else 4}
        shift = shift if line.axis == "x" else {"align": "left" if left else "right", "dy": -7}
        words = {"type": "text", "fontSize": 11, "color": DARK, **shift}
        layers.append(_layer(row, words, {line.axis: channel, **along, "text": {"field": "label"}}))
    return layers


def _fan(figure: Figure, lang: Lang) -> Spec:
    """Lines with their bounds as bands."""
    styles = _styles(figure.series)
    x, y = _channel(figure.x, "x", lang), _channel(figure.y, "y", lang)
    layers: list[Spec] = []
    for series in figure.series:
        rows, (colour, _) = _rows(series), styles[series.name]
        bounds = [row for row in rows if "low" in row]
        band = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        layers.append(_layer(bounds, {"type": "area", "opacity": 0.22, "color": colour}, band))
        layers.append(_layer(rows, {"type": "line", "strokeWidth": 2.6, "color": colour}, {"x": x, "y": y}))
        end = [{**rows[-1], "label": series.name}] if rows else []
        words = {"type": "text", "align": "right", "dx": -4, "dy": -12, "color": DARK, "fontWeight": "bold"}
        layers.append(_layer(end, words, {"x": x, "y": y, "text": {"field": "label"}}))
    layers += _references(figure.references, x, y)
    return {"layer": layers, "width": WIDTH, "height": HEIGHT}


# --- categories -------------------------------------------------------------------------------------------


def _lying(figure: Figure, lang: Lang) -> Spec:
    """Dots with bounds, a row for each category."""
    styles = _styles(figure.series)
    names = list(dict.fromkeys(str(point.x) for series in figure.series for point in series.points))
    value, row = _channel(figure.y, "y", lang), _category(names)
    layers = [*_references([Reference(r.label, r.value, "x") for r in figure.references], value, row)]
    for series in figure.series:
        rows, (colour, shape) = _rows(series), styles[series.name]
        bounds = [each for each in rows if "low" in each]
        whisker = {"x": {**value, "field": "low"}, "x2": {"field": "high"}, "y": row}
        layers.append(_layer(bounds, {"type": "rule", "strokeWidth": 2.4, "color": colour}, whisker))
        dot = {"type": "point", "filled": True, "size": 120, "opacity": 1, "color": colour, "shape": shape}
        layers.append(_layer(rows, dot, {"x": {**value, "field": "y"}, "y": row}))
    room = {"y": {"value": -4}}
    heads = [layer for layer in layers if layer["mark"]["type"] == "text"]
    for head in heads:
        head["encoding"] |= room
        head["mark"] |= {"dy": -7 - 14 * heads.index(head), "dx": 0, "align": "left"}
    return {"layer": layers, "width": WIDTH - 60, "height": ROW * len(names)}


def _tornado(figure: Figure, lang: Lang) -> Spec:
    """Bars from the middle to what each input's low and high end yield, the ends in figures and in a legend."""
    points = [point for series in figure.series for point in series.points]
    names = [str(point.x) for point in points]
    value, row = _channel(figure.y, "y", lang), _category(names)
    ends = {"low": words.say(lang, "tornado.low"), "high": words.say(lang, "tornado.high")}
    legend = {"orient": "top", "title": None, "columns": 2, "labelLimit": 300}
    scale = {"domain": list(ends.values()), "range": [BLUE, ORANGE]}
    colour = {"field": "end", "type": "nominal", "legend": legend, "scale": scale}
    rows = [row for point in points for row in _ends(point, ends)]
    bar = {"x": {**value, "field": "from"}, "x2": {"field": "to"}, "y": row, "color": colour}
    layers: list[Spec] = [_layer(rows, {"type": "bar", "height": ROW * 0.55}, bar)]
    for left in (True, False):
        side = [each for each in rows if each["left"] is left]
        text = {"type": "text", "align": "right" if left else "left", "dx": -5 if left else 5, "fontSize": 11}
        at = {"x": {**value, "field": "edge"}, "y": row, "text": {"field": "label"}}
        layers.append(_layer(side, {**text, "color": DARK}, at))
    layers += _references(figure.references, value, row)[:1]
    reach = [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    spare = 0.24 * ((max(reach) - min(reach)) or 1.0)
    for layer in layers:
        layer["encoding"]["x"]["scale"] = {"domain": [min(reach) - spare, max(reach) + spare], "nice": False}
    return {"layer": layers, "width": WIDTH - 60, "height": ROW * len(names)}


def _ends(point: Point, ends: dict[str, str]) -> list[Spec]:
    """A bar for each end that has a value; one's figure stands left and the other's right, so that none overlap."""
    low, _, high = point.label.partition(" … ")
    values = {"low": point.low, "high": point.high}
    falls = point.low is not None and point.high is not None and point.high < point.low
    rows = []
    for end, label in (("low", low), ("high", high)):
        to, left = values[end], (end == "low") is not falls
        if to is not None and point.y is not None:
            edge = min(point.y, to) if left else max(point.y, to)
            row = {"x": point.x, "from": point.y, "to": to, "end": ends[end], "label": label}
            rows.append({**row, "left": left, "edge": edge})
    return rows


def _bars(figure: Figure, lang: Lang) -> Spec:
    """Standing bars beside each other."""
    styles = _styles(figure.series)
    names = list(dict.fromkeys(str(point.x) for series in figure.series for point in series.points))
    x = {"field": "x", "type": "nominal", "title": figure.x.title, "sort": names, "axis": {"labelAngle": 0}}
    rows = [row for series in figure.series for row in _rows(series)]
    legend = _legend([series.name for series in figure.series], styles)
    if len(figure.series) == 1:  # the axis says what it is
        legend["color"]["legend"] = None
    beside = {"xOffset": {"field": "series", "type": "nominal"}}
    bar = _layer(
        rows, {"type": "bar"}, {"x": x, "y": _channel(figure.y, "y", lang), "color": legend["color"], **beside}
    )
    return {"layer": [bar], "width": WIDTH, "height": HEIGHT}


_KINDS: dict[str, Callable[[Figure, Lang], Spec]] = {
    "scatter": _plane, "line": _plane, "fan": _fan, "interval": _lying, "tornado": _tornado, "bar": _bars,
}  # fmt: skip


# --- parts ------------------------------------------------------------------------------------------------


def _layer(rows: Sequence[Spec], mark: Spec, encoding: Spec) -> Spec:
    return {"data": {"values": list(rows)}, "mark": dict(mark), "encoding": json.loads(json.dumps(encoding))}


def _rows(series: Series) -> list[Spec]:
    """Points that have a value."""
    rows = []
    for point in series.points:
        if point.y is None:
            continue
        row: Spec = {"x": point.x, "y": point.y, "series": series.name, "label": point.label}
        if point.low is not None and point.high is not None:
            row |= {"low": point.low, "high": point.high}
        rows.append(row)
    return rows


def _styles(shown: Sequence[Series]) -> dict[str, tuple[str, str]]:
    """(colour, shape) by series: of its role, else the next that is free; a fitted curve follows what it fits."""
    styles: dict[str, tuple[str, str]] = {}
    free = 0
    for series in shown:
        if series.role in ROLES and not (series.role == "model" and series.draw == "line" and styles):
            styles[series.name] = ROLES[series.role]
        elif series.role == "model":
            styles[series.name] = list(styles.values())[-1]
        else:
            styles[series.name] = (OTHERS[free % len(OTHERS)], PLAIN_SHAPES[free % len(PLAIN_SHAPES)])
            free += 1
    return styles


def _category(names: Sequence[str]) -> Spec:
    axis = {"labelLimit": 260, "domain": False, "ticks": False, "grid": True}
    return {"field": "x", "type": "nominal", "title": None, "sort": list(names), "axis": axis}


def _channel(axis: Axis, field: str, lang: Lang) -> Spec:
    """A numeric axis in its format."""
    scale: Spec = {"zero": False, "nice": axis.high is None}
    if axis.low is not None and axis.high is not None:
        scale["domain"] = [axis.low, axis.high]
    elif axis.low is not None:
        scale["domainMin"] = axis.low
    ticks = {"tickCount": 6, "labelExpr": _expression(axis.format, lang), "titlePadding": 8}
    return {"field": field, "type": "quantitative", "title": axis.title, "scale": scale, "axis": ticks}


def _expression(form: Format, lang: Lang) -> str:
    """How numbers stand at an axis, in Vega's language."""
    if form == "percent":
        return "format(datum.value, '.0%')"
    if form == "points":
        return "format(100 * datum.value, '+.0f')"
    if form == "money" and lang == "ja":
        large = "abs(datum.value) >= 1e8 ? format(datum.value / 1e8, ',~r') + '億'"
        return (
            f"{large} : abs(datum.value) >= 1e4 ? format(datum.value / 1e4, ',~r') + '万' : format(datum.value, ',~r')"
        )
    if form == "money":
        return "abs(datum.value) >= 1e4 ? format(datum.value, '~s') : format(datum.value, ',~r')"
    return "format(datum.value, ',~r')"
