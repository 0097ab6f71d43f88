"""Curves over time, one below another: each has a height axis of its own, all share the time, and a dip stays seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, TypeAlias

from sn_eval.present.charts import COLOURS

WIDTH, HEIGHT = 780, 84  # pixels of a panel's field where panels stand in one column
BESIDE = 34  # pixels of that, which a column gives to the axis of the next
LABELS = 54  # pixels for the numbers of a height axis, the same for all, so that fields stand exactly below each other
LETTER = 8  # pixels of a letter in a panel's title, at most on average
POINTS = 400  # a curve is drawn with at most so many

Point: TypeAlias = tuple[float, float | None]
Spec: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """A point of a curve that is to be seen, and a word beside it."""

    x: float
    y: float
    word: str = ""


@dataclass(frozen=True)
class Panel:
    """One curve; None and NaN leave a gap.

    x: where its values stand, rising. least: the axis covers at least so much, lest noise be drawn as large as a fall.
    below: whether marks stand below the curve (a fall) or above it (a rise).
    """

    title: str
    x: Sequence[float]
    y: Sequence[float | None]
    marks: Sequence[Mark] = ()
    least: float = 0.0
    below: bool = True

    @property
    def covered(self) -> tuple[float, float]:
        """What the height axis covers: the curve, at least `least`, and room for marks with their words."""
        known = [value for value in self.y if value is not None and math.isfinite(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        missing = max(self.least, 1e-6 * max(abs(low), abs(high)), 1e-12) - (high - low)
        if missing > 0:
            low, high = low - missing / 2, high + missing / 2
        room, slim = (high - low) * (0.5 if self.marks else 0.06), (high - low) * 0.06
        return (low - room, high + slim) if self.below else (low - slim, high + room)


def panels(
    shown: Sequence[Panel],
    x_title: str,
    *,
    lines: Sequence[float] = (),
    columns: int = 1,
    title: Sequence[str] = (),
    subtitle: Sequence[str] = (),
) -> Spec:
    """A panel for each curve, all of one x axis, as a chart for `charts.svg` or `charts.png`.

    lines: places on the x axis that a thin line marks in every panel. title, subtitle: line by line. Raises ValueError
    for no panels, and for one without points.
    """
    if not shown or not all(panel.x for panel in shown):
        raise ValueError("panels show one curve or more, each with points")
    span = (min(panel.x[0] for panel in shown), max(panel.x[-1] for panel in shown))
    width = WIDTH if columns == 1 else WIDTH // columns - BESIDE
    titles = [None] * (len(shown) - columns) + [""] * (columns - 1) + [x_title]
    drawn = [_panel(panel, span, lines, name, width) for panel, name in zip(shown, titles[-len(shown) :], strict=True)]
    spec: Spec = {"concat": drawn, "columns": columns, "spacing": 14}
    if title:
        spec["title"] = {"text": list(title), "subtitle": list(subtitle), "subtitleFontSize": 12, "subtitlePadding": 4}
    return spec


def thinned(x: Sequence[float], y: Sequence[float | None], points: int = POINTS) -> list[Point]:
    """At most `points` (x, y) of a curve: the lowest and the highest of each stretch, in their order.

    A stretch without any value gives one None.

    >>> thinned(range(12), [5, 6, 5, 1, 5, 5, 9, 5, None, None, None, None], 6)
    [(1, 6), (3, 1), (4, 5), (6, 9), (8, None)]
    """
    pairs = [(a, b if b is not None and math.isfinite(b) else None) for a, b in zip(x, y, strict=True)]
    if len(pairs) <= points:
        return pairs
    stretches = max(1, points // 2)
    kept: list[Point] = []
    for i in range(stretches):
        stretch = pairs[i * len(pairs) // stretches : (i + 1) * len(pairs) // stretches]
        known = [(a, b) for a, b in stretch if b is not None]
        kept += sorted({choose(known, key=lambda p: p[1]) for choose in (min, max)}) if known else stretch[:1]
    return kept


def _panel(
    panel: Panel, span: tuple[float, float], lines: Sequence[float], x_title: str | None, width: int
) -> Spec:
    """One panel; x_title None leaves the numbers of the x axis out as well."""
    points = thinned(panel.x, panel.y)
    x = {
        "field": "x", "type": "quantitative", "title": x_title, "scale": {"domain": span, "nice": False},
        "axis": {"labels": x_title is not None, "tickCount": width // 80, "titleFontSize": 12, "labelFontSize": 11},
    }  # fmt: skip
    y = {
        "field": "y", "type": "quantitative", "title": None,
        "scale": {"domain": panel.covered, "nice": False, "zero": False},
        "axis": {
            "tickCount": 4, "labelFontSize": 11, "minExtent": LABELS, "maxExtent": LABELS,
            "format": _format(panel.covered),
        },
    }  # fmt: skip
    layers: list[Spec] = [
        _layer([{"x": place} for place in lines], RULE, {"x": x}),
        _layer([{"x": a, "y": b} for a, b in points], LINE, {"x": x, "y": y}),
        _layer(_alone(points), DOT, {"x": x, "y": y}),
        *_marked(panel, {"x": x, "y": y}),
    ]
    return {
        "layer": layers, "width": width, "height": HEIGHT,
        "title": {
            "text": wrap(panel.title, width // LETTER, max_lines=2, placeholder=" …"), "fontSize": 12, "offset": 4,
            "frame": "group",
        },
    }  # fmt: skip


RULE = {"type": "rule", "color": "#999", "strokeWidth": 0.7, "strokeDash": [2, 3]}
LINE = {"type": "line", "strokeWidth": 1.6, "color": COLOURS[0], "invalid": "break-paths-show-path-domains"}
DOT = {"type": "point", "size": 14, "filled": True, "color": COLOURS[0], "opacity": 1}


def _layer(rows: Sequence[Spec], mark: Spec, encoding: Spec) -> Spec:
    return {"data": {"values": list(rows)}, "mark": mark, "encoding": encoding}


def _marked(panel: Panel, encoding: Spec) -> list[Spec]:
    """A triangle that points at each mark, and its word."""
    side, shape = (1, "triangle-up") if panel.below else (-1, "triangle-down")
    rows = [{"x": mark.x, "y": mark.y, "word": mark.word} for mark in panel.marks]
    arrow = {"type": "point", "shape": shape, "size": 60, "filled": True, "color": COLOURS[1], "opacity": 1}
    word = {"type": "text", "fontSize": 12, "fontWeight": "bold", "color": COLOURS[1], "dy": 20 * side}
    return [
        _layer(rows, {**arrow, "yOffset": 7 * side}, encoding),
        _layer(rows, word, {**encoding, "text": {"field": "word", "type": "nominal"}}),
    ]  # fmt: skip


def _format(covered: tuple[float, float]) -> str:
    """How a height axis writes its numbers: very small and very large ones as 1.2e-5.

    >>> _format((0.0, 1.0)), _format((-2e-5, 1e-5))
    ('', '.1e')
    """
    return "" if 1e-3 <= max(map(abs, covered)) < 1e5 else ".1e"


def _alone(points: Sequence[Point]) -> list[Spec]:
    """Points between gaps, which no line goes through."""
    known = [False, *(b is not None for _, b in points), False]
    return [
        {"x": a, "y": b} for i, (a, b) in enumerate(points, 1) if known[i] and not known[i - 1] and not known[i + 1]
    ]
