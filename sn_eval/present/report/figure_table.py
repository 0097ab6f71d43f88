"""A figure's numbers as a table: for those who cannot see it, and for those who want to count with it."""

import math
from collections.abc import Sequence

from sn_eval.present.report.model import Axis, Column, Figure, Grid, Lang, Row, Value
from sn_eval.present.words import say

DIGITS = 3  # significant ones of the largest plain figure


def figure_table(figure: Figure, lang: Lang) -> Grid:
    """Every point of every series, in order; a column that would be empty is left out."""
    several = len(figure.series) > 1
    points = [(series.name if several else None, point) for series in figure.series for point in series.points]
    cells = [(name, p.x, p.y, p.low, p.high, p.label or None) for name, p in points]
    names = ("series", "name", "value", "low", "high", "label")
    titles = dict(zip(names, (say(lang, f"figure_table.{name}") for name in names), strict=True))
    columns = (
        Column(titles["series"]),
        _column(figure.x, titles["name"], [p.x for _, p in points]),
        _column(figure.y, titles["value"], [p.y for _, p in points]),
        _column(figure.y, titles["low"], [p.y for _, p in points], short=True),
        _column(figure.y, titles["high"], [p.y for _, p in points], short=True),
        Column(titles["label"], wide=True),
    )
    kept = [place for place in range(len(columns)) if any(row[place] is not None for row in cells)]
    rows = tuple(Row(tuple(row[place] for place in kept)) for row in cells)
    return Grid(figure.key, figure.title, tuple(columns[place] for place in kept), rows)


def _column(axis: Axis, name: str, values: Sequence[Value], *, short: bool = False) -> Column:
    """A column of an axis; short: under `name` in place of the axis's title."""
    title = name if short else axis.title or name
    if any(isinstance(value, str) for value in values):
        return Column(title, wide=True)
    return Column(title, axis.format, digits=_digits(values) if axis.format == "number" else 1)


def _digits(values: Sequence[Value]) -> int:
    """Digits behind the point that plain figures need.

    >>> _digits([0.0123, None, 0.5]), _digits([12, 340.0]), _digits([])
    (3, 0, 2)
    """
    largest = max((abs(float(value)) for value in values if value is not None and float(value)), default=1.0)
    return max(0, DIGITS - 1 - math.floor(math.log10(largest)))
