"""What a search did, as charts: the plain sampler's noise against what was kept, and what a preview is worth."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sn_eval.present import words
from sn_eval.present.charts import COLOURS
from sn_eval.present.report.drawing import DARK, GREY
from sn_eval.present.report.model import Lang
from sn_eval.present.search_telling import Telling, signed
from sn_eval.results.search_tree import Pair, Part, Rescue

BLUE, ORANGE, BLACK = COLOURS[0], COLOURS[1], COLOURS[6]
PALE = "#9ec3de"
WIDTH = 780  # pixels of a chart's field
LEAST = 0.0005  # difference of a detail that is worth a row
ROW = 34  # of a row of a lying chart
MANY = 40  # steps from which a chart has lines only

Spec: TypeAlias = dict[str, Any]


def gains_chart(told: Telling, found: Sequence[Rescue], marked: Rescue | None) -> Spec:
    """Scores of the plain sampler's noise and of what was kept, over the steps; the largest rescue in words."""
    names = names_of(told)
    rows = [
        {"step": each.step + 1, "series": name, "score": score}
        for each in found
        for name, score in zip(names, (each.before, each.after), strict=True)
        if score is not None
    ]
    domain = _room([score for each in found for score in (each.before, each.after) if score is not None])
    spans = [{"step": e.step + 1, "from": e.before, "to": e.after} for e in found if None not in (e.before, e.after)]
    x = {"field": "step", "type": "quantitative", "title": told("trajectory.axis.piece" if told.chunks else
         "trajectory.axis.step"), "axis": {"tickMinStep": 1, "format": "d", "grid": False},
         "scale": {"nice": False, "zero": False, "padding": 40}}  # fmt: skip
    y = {"field": "score", "type": "quantitative", "title": told("trajectory.axis.score"),
         "scale": {"domain": domain, "nice": False}}  # fmt: skip
    looks = _looks(names)
    layers = [
        _layer(spans, {"type": "rule", "color": PALE, "strokeWidth": 5},
               {"x": x, "y": {**y, "field": "from"}, "y2": {"field": "to"}}),
        _layer(rows, {"type": "line", "strokeWidth": 1.6}, {"x": x, "y": y, **looks}),
    ]  # fmt: skip
    if len(found) <= MANY:
        titles = {"series": told("trajectory.column.candidate"), "step": x["title"], "score": y["title"]}
        tip = [{"field": name, "title": title} for name, title in titles.items()]
        point = {"type": "point", "filled": True, "size": 130, "opacity": 1}
        layers.append(_layer(rows, point, {"x": x, "y": y, **looks, "tooltip": tip}))
    if marked is not None and marked.after is not None:
        words_ = told("trajectory.gains.most", difference=signed(marked.difference))
        ends = {found[0].step: "left", found[-1].step: "right"}
        mark = {
            "type": "text",
            "dy": -16,
            "align": ends.get(marked.step, "center"),
            "fontSize": 13,
            "fontWeight": "bold",
            "color": DARK,
        }
        row = {"step": marked.step + 1, "score": marked.after, "label": words_}
        layers.append(_layer([row], mark, {"x": x, "y": y, "text": {"field": "label"}}))
    return {"layer": layers, "width": WIDTH, "height": 250}


def parts_chart(told: Telling, parts: Sequence[Part]) -> Spec:
    """What explains one step: each part of the plain and of the kept candidate's score.

    Details of parts that are alike are left to the table.
    """
    parts = [part for part in parts if "/" not in part.name or abs(part.difference) >= LEAST]
    names = names_of(told)
    rows = [
        {"part": told.part(part.name), "series": name, "value": value}
        for part in parts
        for name, value in zip(names, (part.plain, part.chosen), strict=True)
    ]
    ends = [
        {"part": told.part(p.name), "from": p.plain, "to": p.chosen, "far": max(p.plain, p.chosen),
         "label": signed(p.difference)}
        for p in parts
    ]  # fmt: skip
    domain = _room([value for part in parts for value in (part.plain, part.chosen)])
    axis = {"labelLimit": 260, "domain": False, "ticks": False, "grid": True, "labelFontSize": 12}
    order = [told.part(part.name) for part in parts]
    y = {"field": "part", "type": "nominal", "title": None, "sort": order, "axis": axis}
    x = {"field": "value", "type": "quantitative", "title": told("trajectory.axis.part"),
         "scale": {"domain": domain, "nice": False}}  # fmt: skip
    point = {"type": "point", "filled": True, "size": 140, "opacity": 1}
    text = {"type": "text", "align": "left", "dx": 10, "fontSize": 12, "color": DARK}
    layers = [
        _layer(ends, {"type": "rule", "color": PALE, "strokeWidth": 6},
               {"y": y, "x": {**x, "field": "from"}, "x2": {"field": "to"}}),
        _layer(rows, point, {"y": y, "x": x, **_looks(names)}),
        _layer(ends, text, {"y": y, "x": {**x, "field": "far"}, "text": {"field": "label"}}),
    ]  # fmt: skip
    return {"layer": layers, "width": WIDTH - 230, "height": ROW * len(parts)}


def pairs_chart(lang: Lang, found: Sequence[Pair]) -> Spec:
    """Final over preview score of finished candidates; on the dashed line a forecast came true."""
    values = [value for pair in found for value in (pair.preview, pair.final)]
    room = 0.05 * ((max(values) - min(values)) or 1.0)
    domain = [min(values) - room, max(values) + room]
    scale = {"domain": domain, "nice": False}
    x = {"field": "preview", "type": "quantitative", "title": words.say(lang, "trajectory.column.preview"),
         "scale": scale}  # fmt: skip
    y = {"field": "final", "type": "quantitative", "title": words.say(lang, "trajectory.column.final"), "scale": scale}
    looks = list(dict.fromkeys(words.say(lang, "trajectory.column.look", look=pair.look) for pair in found))
    rows = [
        {"preview": p.preview, "final": p.final, "look": words.say(lang, "trajectory.column.look", look=p.look)}
        for p in found
    ]
    shapes = ["circle", "square", "triangle-up", "diamond"]
    series = {
        channel: {"field": "look", "type": "nominal", "legend": {"orient": "top", "title": None},
                  "scale": {"domain": looks, "range": [each[i % 4] for i in range(len(looks))]}}
        for channel, each in (("color", [BLUE, ORANGE, COLOURS[2], COLOURS[3]]), ("shape", shapes))
    }  # fmt: skip
    few = len(found) <= 60
    point = {"type": "point", "filled": True, "size": 90 if few else 40, "opacity": 0.85 if few else 0.5}
    line = [{"preview": end, "final": end} for end in domain]
    layers = [
        _layer(line, {"type": "line", "strokeDash": [4, 4], "color": GREY, "strokeWidth": 1.4}, {"x": x, "y": y}),
        _layer(rows, point, {"x": x, "y": y, **(series if len(looks) > 1 else {"color": {"value": BLUE}})}),
    ]
    return {"layer": layers, "width": 380, "height": 320}


def names_of(told: Telling) -> tuple[str, str]:
    """What stands against each other: noises in a search, else whole videos."""
    if told.tree.kind == "videos":
        return told("trajectory.plain_video"), told("trajectory.chosen_video")
    return told("trajectory.plain_noise"), told("trajectory.kept_noise")


def _room(values: Sequence[float]) -> list[float]:
    """Ends of an axis, with space for words at its high end."""
    reach = (max(values) - min(values)) or 1.0
    return [min(values) - 0.05 * reach, max(values) + 0.16 * reach]


def _looks(names: tuple[str, str]) -> Mapping[str, Any]:
    """Colour and shape of plain and kept, in one legend."""
    legend = {"orient": "top", "title": None}
    return {
        channel: {"field": "series", "type": "nominal", "legend": legend,
                  "scale": {"domain": list(names), "range": each}}
        for channel, each in (("color", [BLACK, BLUE]), ("shape", ["square", "circle"]))
    }  # fmt: skip


def _layer(rows: Sequence[Mapping[str, Any]], mark: Spec, encoding: Mapping[str, Any]) -> Spec:
    return {"data": {"values": list(rows)}, "mark": mark, "encoding": dict(encoding)}
