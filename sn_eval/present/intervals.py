"""Estimates with their intervals, a row each: a dot with whiskers, and a line at zero to hold them against."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sn_eval.present.charts import COLOURS

WIDTH, ROW = 360, 26  # pixels of the field, and of a row
NAMES, NUMBERS = 330, 170  # pixels left and right of it
UNSURE = "#767676"

Spec: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Interval:
    """An estimate with its bounds (None: not known), so turned that right is better. words: what stands beside it."""

    name: str
    mean: float
    low: float | None
    high: float | None
    words: str = ""

    @property
    def reach(self) -> float:
        """How far from zero it goes."""
        return max(abs(value) for value in (self.mean, self.low, self.high) if value is not None)

    @property
    def clear(self) -> bool:
        """Whether all of it lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def intervals(shown: Sequence[Interval], *, left: str, right: str, reach: float | None = None) -> Spec:
    """Dots with whiskers around zero, as a chart for `charts.svg`; clear ones are filled and coloured, others hollow.

    left, right: what the halves mean, above them. reach: the scale of all rows; without it each row has its own (units
    may differ), so rows are to be read against zero and not against each other. Raises ValueError for no rows.
    """
    if not shown:
        raise ValueError("intervals show one or more; given none")
    rows = [_row(each, reach or each.reach or 1.0) for each in shown]
    y = {
        "field": "name", "type": "nominal", "sort": None, "title": None,
        "axis": {"labelLimit": NAMES, "domain": False, "ticks": False, "grid": True},
    }  # fmt: skip
    sides = f"datum.value < 0 ? {json.dumps(left)} : {json.dumps(right)}"
    x = {
        "type": "quantitative", "title": None, "scale": {"domain": [-1.08, 1.08], "nice": False},
        "axis": {
            "orient": "top", "values": [-0.5, 0.5], "labelExpr": sides, "grid": False, "ticks": False, "domain": False,
        },
    }  # fmt: skip
    colour = {"condition": {"test": "datum.clear", "value": COLOURS[0]}, "value": UNSURE}
    filled = {"condition": {"test": "datum.clear", "value": COLOURS[0]}, "value": "white"}
    beside = {"x": {"value": WIDTH + 12}, "text": {"field": "words", "type": "nominal"}}
    at = {"x": {**x, "field": "mean"}, "y": y}
    layers: list[Spec] = [
        {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "color": "#333"}, "encoding": {
            "x": {**x, "field": "zero"}}},
        {"transform": [{"filter": "isValid(datum.low)"}], "mark": {"type": "rule", "strokeWidth": 2.5}, "encoding": {
            "x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour}},
        {"mark": {"type": "point", "size": 80, "strokeWidth": 2, "opacity": 1}, "encoding": {
            **at, "stroke": colour, "fill": filled}},
        {"mark": {"type": "text", "align": "left", "fontSize": 12}, "encoding": {**beside, "y": y}},
    ]  # fmt: skip
    return {
        "data": {"values": rows}, "layer": layers, "width": WIDTH, "height": ROW * len(rows),
        "padding": {"left": 5, "top": 5, "bottom": 5, "right": NUMBERS},
    }  # fmt: skip


def _row(each: Interval, reach: float) -> Spec:
    """As a share of the scale; what goes beyond ends at its edge."""
    low, mean, high = (
        None if value is None else max(-1.0, min(1.0, value / reach)) for value in (each.low, each.mean, each.high)
    )
    return {"name": each.name, "mean": mean, "low": low, "high": high, "clear": each.clear, "words": each.words}
