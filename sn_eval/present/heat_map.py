"""The break-even heat map: what a month saves over two inputs, the line where it saves nothing, and where one stands.

Gains are blue and begin with +, losses orange and begin with −, so that the colour says nothing alone.
"""

import json
from typing import Any, TypeAlias

from sn_eval.decision.heat_map import PRICE, UPLIFT, HeatMap, Side
from sn_eval.present.charts import COLOURS
from sn_eval.present.money import Lang, plain
from sn_eval.present.report.model import Column, Format, Grid, Row
from sn_eval.present.report.teller import Teller

Spec: TypeAlias = dict[str, Any]

WIDTH, HEIGHT = 640, 330
GAIN, LOSS = COLOURS[0], COLOURS[1]
PADDING = dict.fromkeys(("left", "top", "right", "bottom"), 6)
STRONGEST = 0.55  # share of the colour in the strongest cell: dark letters stay readable on it
INK = "#1a1a1a"
AMOUNTS: tuple[str, ...] = (PRICE, "review", "rejection", "fallback", "compute_per_attempt")
JAPANESE = "IPAexGothic, Hiragino Sans, Yu Gothic, Meiryo, Noto Sans CJK JP, sans-serif"


def drawing(found: HeatMap, t: Teller) -> Spec:
    """The map as a Vega-Lite chart."""
    x, y = _axis(found.x, "x", t), _axis(found.y, "y", t)
    cells = {"x": x, "x2": {"field": "x2"}, "y": y, "y2": {"field": "y2"}, "color": _plain("fill")}
    middle = {"x": {**x, "field": "cx"}, "y": {**y, "field": "cy"}, "text": {"field": "text"}}
    rows = _cells(found, t.lang)
    letters = {"type": "text", "fontSize": 11}
    halo = {"type": "text", "fontSize": 11, "strokeWidth": 4, "strokeJoin": "round"}
    layers = [
        _layer(rows, {"type": "rect", "stroke": "white", "strokeWidth": 1}, cells),
        *_line(found, x, y, t),
        _layer(rows, halo, {**middle, "color": _plain("fill"), "stroke": _plain("fill")}),  # numbers lie on the line
        _layer(rows, {**letters, "color": INK}, middle),
        *_here(found, x, y, t),
    ]
    mark = {"subtitle": t.mark, "subtitleColor": "#a33b00", "subtitleFontSize": 12} if t.mark else {}
    dress = {"config": {"font": JAPANESE}} if t.lang == "ja" else {}
    title = {"text": t("heat_map.title", currency=t.currency), **mark}
    return {"layer": layers, "width": WIDTH, "height": HEIGHT, "title": title, "padding": PADDING, **dress}


def about(found: HeatMap, t: Teller) -> str:
    """What it shows, in a sentence or two."""
    whole = t(f"heat_map.{found.pays}")
    told = {"x": t.input(found.x.key), "y": t.input(found.y.key), "now": t.money(found.now, signed=True)}
    note = t("heat_map.uplift_note") if UPLIFT in (found.x.key, found.y.key) else ""
    return " ".join(filter(None, (t("heat_map.about", **told), whole, note, t("heat_map.median_note"))))


def table(found: HeatMap, t: Teller) -> Grid:
    """The map's numbers: a row for each value of y, the highest first, as in the map."""
    columns = (
        Column(t("heat_map.corner", x=t.input(found.x.key), y=t.input(found.y.key))),
        *(Column(value(found.x.key, center, t), "money", t.currency, digits=0) for center in found.x.centers),
    )
    rows = [
        Row((value(found.y.key, center, t), *map(float, found.saving[place])))
        for place, center in enumerate(found.y.centers)
    ]
    title = t.marked(t("heat_map.title", currency=t.currency), t.mark)
    return Grid("heat_map", title, columns, tuple(reversed(rows)), t("heat_map.table_note"))


def value(key: str, number: float, t: Teller) -> str:
    """A value of an axis in words."""
    if key == UPLIFT:
        return t.points(number)
    return t.money(number) if key in AMOUNTS else t.number(number)


def short(number: float, lang: Lang) -> str:
    """Money with its sign, short enough for a cell.

    >>> short(123456, "ja"), short(-123456, "ja"), short(123456, "en"), short(-2.5e6, "en"), short(0.0, "en")
    ('+12.3万', '−12.3万', '+123k', '−2.5M', '±0')
    """
    steps = ((1e8, "億"), (1e4, "万")) if lang == "ja" else ((1e9, "B"), (1e6, "M"), (1e3, "k"))
    size = abs(number)
    if plain(size) == "0":
        return "±0"
    scale, name = next((step for step in steps if size >= step[0]), (1.0, ""))
    return ("−" if number < 0 else "+") + plain(size / scale) + name


def shade(number: float, most: float) -> str:
    """Colour of a cell: white at nothing, up to a strong tint of the gain's or the loss's colour.

    >>> shade(0.0, 10.0), shade(10.0, 10.0), shade(-10.0, 10.0)
    ('#ffffff', '#73b1d5', '#e8a673')
    """
    colour = [int((GAIN if number > 0 else LOSS)[place : place + 2], 16) for place in (1, 3, 5)]
    share = STRONGEST * (abs(number) / most) ** 0.6 if most else 0.0
    return "#" + "".join(f"{round(255 + share * (part - 255)):02x}" for part in colour)


# --- layers -----------------------------------------------------------------------------------------------


def _cells(found: HeatMap, lang: Lang) -> list[Spec]:
    most = float(abs(found.saving).max())
    x, y = found.x, found.y
    return [
        {
            "x": x.edges[i], "x2": x.edges[i + 1], "y": y.edges[j], "y2": y.edges[j + 1], "cx": x.centers[i],
            "cy": y.centers[j], "text": short(float(found.saving[j, i]), lang),
            "fill": shade(float(found.saving[j, i]), most),
        }
        for j in range(len(y.centers))
        for i in range(len(x.centers))
    ]  # fmt: skip


def _line(found: HeatMap, x: Spec, y: Spec, t: Teller) -> list[Spec]:
    """The break-even, black on white, with its name above the field."""
    if len(found.line) < 2:
        return []
    rows = [{"x": a, "y": b, "place": place} for place, (a, b) in enumerate(found.line)]
    way = {"x": x, "y": y, "order": {"field": "place", "type": "quantitative"}}
    lines = [
        _layer(rows, {"type": "line", "strokeWidth": width, "color": colour, "strokeDash": dash}, way)
        for width, colour, dash in ((5, "white", [1, 0]), (2, "black", [6, 3]))
    ]
    return [*lines, _above(f"╌╌ {t('heat_map.line')}", {"align": "right"}, WIDTH)]


def _here(found: HeatMap, x: Spec, y: Spec, t: Teller) -> list[Spec]:
    """Where the business stands."""
    row = {"x": found.x.now, "y": found.y.now}
    told = t("heat_map.here", saving=t.money(found.now, signed=True))
    point = {
        "type": "point", "shape": "diamond", "size": 190, "fill": "white", "fillOpacity": 1, "stroke": "black",
        "strokeWidth": 2, "opacity": 1,
    }  # fmt: skip
    return [_layer([row], point, {"x": x, "y": y}), _above(f"◇ {told}", {"align": "left", "fontWeight": "bold"}, 0)]


def _above(text: str, look: Spec, x: int) -> Spec:
    """A line of the legend above the field, where it covers no number."""
    mark = {"type": "text", "fontSize": 12, "color": "black", **look}
    return _layer([{"text": text}], mark, {"x": {"value": x}, "y": {"value": -12}, "text": {"field": "text"}})


def _axis(side: Side, field: str, t: Teller) -> Spec:
    scale = {"domain": [side.edges[0], side.edges[-1]], "nice": False, "zero": False}
    form: Format = "points" if side.key == UPLIFT else "money" if side.key in AMOUNTS else "number"
    axis = {"labelExpr": expression(form, t), "titlePadding": 8, "grid": False, "tickCount": 8 if field == "x" else 6}
    title = t("heat_map.axis_money", name=t.input(side.key), currency=t.currency) if form == "money" else (
        t("heat_map.axis_points", name=t.input(side.key)) if form == "points" else t.input(side.key)
    )  # fmt: skip
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def expression(form: Format, t: Teller) -> str:
    """How numbers stand at an axis, in Vega's language."""
    if form == "points":
        return "format(100 * datum.value, '+.0f')"
    if t.lang == "ja":
        return "abs(datum.value) >= 1e4 ? format(datum.value / 1e4, ',~r') + '万' : format(datum.value, ',~r')"
    return "abs(datum.value) >= 1e4 ? format(datum.value, '~s') : format(datum.value, ',~r')"


def _plain(field: str) -> Spec:
    """A colour that rows hold themselves."""
    return {"field": field, "type": "nominal", "scale": None, "legend": None}


def _layer(rows: list[Spec], mark: Spec, encoding: Spec) -> Spec:
    return {"data": {"values": rows}, "mark": mark, "encoding": json.loads(json.dumps(encoding))}
