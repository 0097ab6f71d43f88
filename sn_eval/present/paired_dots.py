"""Two arms prompt by prompt as a chart: a row a prompt, its two dots joined; above them the mean difference.

Direction is told by the shape of a dot and by a signed figure beside it, colour only repeats it.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any, TypeAlias

from sn_eval.decision.paired_dots import Dot, Duel
from sn_eval.present.charts import COLOURS
from sn_eval.present.report.model import Column, Format, Grid, Row
from sn_eval.present.report.teller import Teller
from sn_eval.results.experiment import ACCEPTANCE

Spec: TypeAlias = dict[str, Any]

SELECT, PLACE = "prompt", "place"
"""Name of the chart's selection, and the field that it returns: a prompt's place among all, from 0."""

WIDTH, ROW, TOP = 400, 25, 54  # pixels: of the field, of a prompt's row, of the field above
LETTERS = 44  # of a prompt beside its row, a Japanese one counting two
GREY, DARK, RUST = "#767676", "#333333", "#a33b00"
SIGNS = {"better": "▲", "worse": "▼", "same": "=", "unknown": "–"}
LOOKS = {
    "other": ("square", "#000000"), "better": ("triangle-up", COLOURS[0]), "worse": ("triangle-down", COLOURS[1]),
    "same": ("circle", GREY),
}  # fmt: skip
WORDS = {"better": DARK, "worse": RUST, "same": DARK}  # colours of figures: paler ones are hard to read


def paired_dots(t: Teller, duel: Duel, first: int, shown: Sequence[Dot], *, opened: int = -1) -> Spec:
    """The chart of some prompts as Vega-Lite; clicking a row selects `PLACE` under `SELECT`.

    first: place of the first shown among all. opened: place of the row that is marked as open. Only prompts with a
    value are drawn; ValueError where none has one.
    """
    rows = [
        _row(t, duel, place, dot) for place, dot in enumerate(shown, start=first) if dot.difference is not None
    ]  # fmt: skip
    if not rows:
        raise ValueError("no prompt with a value to draw")
    return {"vconcat": [_above(t, duel), _rows(t, duel, rows, opened)], "spacing": 18}


def dots_grid(t: Teller, duel: Duel, first: int, shown: Sequence[Dot], key: str = "paired_dots") -> Grid:
    """The same prompts in numbers, with the sign of the difference as a word."""
    asked = duel.asked
    form, amount = _forms(asked.outcome)
    digits = 1 if asked.outcome == ACCEPTANCE else 3
    columns = (
        Column("#", "integer"),
        Column(t("column.result")),
        Column(t("column.difference"), form, digits=digits),
        Column(t("paired.arm_a", arm=asked.against), amount, digits=digits),
        Column(t("paired.arm_b", arm=asked.arm), amount, digits=digits),
        Column(t("paired.repeats"), "integer"),
        Column(t("column.group")),
        Column(t("column.prompt"), wide=True),
    )
    rows = tuple(
        Row((place + 1, told(t, dot.direction), dot.difference, dot.theirs, dot.ours, len(dot.meetings), dot.group,
             dot.prompt))
        for place, dot in enumerate(shown, start=first)
    )  # fmt: skip
    return Grid(key, t("paired.table"), columns, rows)


def told(t: Teller, direction: str) -> str:
    """How a prompt came out: a sign and a word."""
    return f"{SIGNS[direction]} {t(f'paired.{direction}')}"


def short(text: str, letters: int = LETTERS) -> str:
    """A text on one line of so many letters, a wide one counting two.

    >>> short("a red ball", 7), short("机の上の赤いカップ", 9), short("two\\nlines")
    ('a red …', '机の上の…', 'two lines')
    """
    line, width = " ".join(text.split()), 0
    wide = [1 + (unicodedata.east_asian_width(letter) in "WF") for letter in line]
    if sum(wide) <= letters:
        return line
    for place, size in enumerate(wide):
        width += size
        if width > letters - 1:
            return line[:place] + "…"
    return line


# --- the field above: the mean over prompts ----------------------------------------------------------------


def _above(t: Teller, duel: Duel) -> Spec:
    """The mean difference with its interval, against no difference."""
    difference, outcome = duel.compared.difference, duel.asked.outcome
    title = t("paired.mean_axis", arm=duel.asked.arm, against=duel.asked.against, outcome=t.outcome(outcome))
    ends = [value for value in (difference.low, difference.mean, difference.high) if value is not None]
    room = 0.15 * ((max([*ends, 0.0]) - min([*ends, 0.0])) or 0.1)
    scale = {"domain": [min([*ends, 0.0]) - room, max([*ends, 0.0]) + room], "nice": False}
    axis = {"tickCount": 5, "labelExpr": _expression(_forms(outcome)[0])}
    x = {"field": "mean", "type": "quantitative", "title": title, "scale": scale, "axis": axis}
    row = {
        "mean": difference.mean, "low": difference.low, "high": difference.high, "zero": 0.0,
        "label": t.amount(outcome, difference.mean, signed=True), "none": t("word.no_difference"),
    }  # fmt: skip
    half = {"y": {"value": TOP / 2}}
    return {
        "width": WIDTH,
        "height": TOP,
        "data": {"values": [row]},
        "title": {"text": t("paired.mean", level=t.percent(difference.confidence, 0)), "fontSize": 13},
        "layer": [
            _mark({"type": "rule", "strokeDash": [3, 3], "color": GREY}, x={**x, "field": "zero"}),
            _mark({"type": "text", "align": "left", "dx": 4, "color": DARK, "fontSize": 11},
                  x={**x, "field": "zero"}, y={"value": 8}, text={"field": "none"}),
            _mark({"type": "rule", "strokeWidth": 3, "color": DARK}, x={**x, "field": "low"}, x2={"field": "high"},
                  **half),
            _mark({"type": "point", "shape": "diamond", "filled": True, "size": 150, "opacity": 1, "color": DARK},
                  x=x, **half),
            _mark({"type": "text", "dy": 17, "fontWeight": "bold", "color": DARK, "fontSize": 12}, x=x, **half,
                  text={"field": "label"}),
        ],
    }  # fmt: skip


# --- the field below: a row a prompt -----------------------------------------------------------------------


def _rows(t: Teller, duel: Duel, rows: Sequence[Spec], opened: int) -> Spec:
    outcome = duel.asked.outcome
    x = {
        "field": "theirs", "type": "quantitative", "title": t.outcome(outcome),
        "scale": {"domain": _domain(outcome, rows), "nice": False},
        "axis": {"tickCount": 6, "labelExpr": _expression(_forms(outcome)[1])},
    }  # fmt: skip
    axis = {"labelLimit": 330, "ticks": False, "domain": False, "grid": False, "labelPadding": 8}
    y = {"field": "name", "type": "nominal", "title": None, "sort": [row["name"] for row in rows], "axis": axis}
    chosen = {"param": SELECT, "value": 0.14, "empty": False}
    back = {"type": "rect", "color": DARK, "cursor": "pointer"}
    band = {
        **_mark(back, y=y, opacity={"condition": chosen, "value": 0.01}, tooltip=_tips(t, duel)),
        "params": [{"name": SELECT, "select": {"type": "point", "fields": [PLACE], "toggle": False}}],
    }
    mark = {"type": "rect", "fill": None, "stroke": DARK, "strokeWidth": 1.5}
    open_now = {**_mark(mark, y=y), "data": {"values": [row for row in rows if row[PLACE] == opened]}}
    dots = [{**row, "kind": "other", "at": row["theirs"]} for row in rows]
    dots += [{**row, "kind": row["direction"], "at": row["ours"]} for row in rows]
    return {
        "width": WIDTH,
        "height": {"step": ROW},
        "data": {"values": list(rows)},
        "title": {"text": t("paired.by_prompt"), "fontSize": 13},
        "layer": [
            band,
            *([open_now] if open_now["data"]["values"] else []),
            _mark({"type": "rule", "strokeWidth": 2, "color": "#9a9a9a"}, x=x, x2={"field": "ours"}, y=y),
            {**_mark({"type": "point", "filled": True, "size": 95, "opacity": 1}, x={**x, "field": "at"}, y=y,
                     **_legend(t, duel)), "data": {"values": dots}},
            *(
                {**_mark({"type": "text", "align": "left", "fontSize": 12, "color": ink}, x={"value": WIDTH + 10}, y=y,
                         text={"field": "label"}), "data": {"values": [row for row in rows if row["ink"] == ink]}}
                for ink in (DARK, RUST)
            ),
        ],
    }  # fmt: skip


def _row(t: Teller, duel: Duel, place: int, dot: Dot) -> Spec:
    """A prompt as data; its number makes its name one of its own."""
    amount = t.amount(duel.asked.outcome, dot.difference, signed=True)
    return {
        PLACE: place, "name": f"{place + 1}. {short(dot.prompt)}", "prompt": dot.prompt, "group": dot.group,
        "theirs": dot.theirs, "ours": dot.ours, "direction": dot.direction, "ink": WORDS[dot.direction],
        "label": f"{SIGNS[dot.direction]} {amount}", "told": told(t, dot.direction),
    }  # fmt: skip


def _legend(t: Teller, duel: Duel) -> Spec:
    """Shape and colour of the dots, in words above the field."""
    ours = t("paired.arm_b", arm=duel.asked.arm)
    names = {way: f"{ours}: {t(f'paired.{way}')}" for way in ("better", "worse", "same")}
    names |= {"other": t("paired.arm_a", arm=duel.asked.against)}
    words = " : ".join(f"datum.label === '{key}' ? {_quoted(name)}" for key, name in names.items())
    legend = {"orient": "top", "title": None, "columns": 2, "labelLimit": 330, "labelExpr": f"{words} : ''"}
    return {
        channel: {
            "field": "kind", "type": "nominal", "legend": legend,
            "scale": {"domain": list(LOOKS), "range": [look[place] for look in LOOKS.values()]},
        }
        for place, channel in enumerate(("shape", "color"))
    }  # fmt: skip


def _tips(t: Teller, duel: Duel) -> list[Spec]:
    """What a pointer shows of a row."""
    form = ".0%" if duel.asked.outcome == ACCEPTANCE else ".4~g"
    return [
        {"field": "prompt", "type": "nominal", "title": t("column.prompt")},
        {"field": "group", "type": "nominal", "title": t("column.group")},
        {"field": "theirs", "type": "quantitative", "format": form, "title": "A"},
        {"field": "ours", "type": "quantitative", "format": form, "title": "B"},
        {"field": "label", "type": "nominal", "title": t("column.difference")},
    ]


def _domain(outcome: str, rows: Sequence[Spec]) -> list[float]:
    if outcome == ACCEPTANCE:
        return [-0.04, 1.04]
    values = [row[side] for row in rows for side in ("theirs", "ours")]
    room = 0.06 * ((max(values) - min(values)) or abs(max(values)) or 1.0)
    return [min(values) - room, max(values) + room]


def _forms(outcome: str) -> tuple[Format, Format]:
    """How differences and values of an outcome are written."""
    return ("points", "percent") if outcome == ACCEPTANCE else ("number", "number")


def _expression(form: Format) -> str:
    """How numbers stand at an axis, in Vega's language."""
    written = {"points": "format(100 * datum.value, '+.0f')", "percent": "format(datum.value, '.0%')"}
    return written.get(form, "format(datum.value, ',~r')")


def _quoted(text: str) -> str:
    """A text of others as a string of Vega's language.

    >>> _quoted("it's")
    "'it\\\\'s'"
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ") + "'"


def _mark(mark: Spec, **encoding: Any) -> Spec:
    return {"mark": mark, "encoding": encoding}
