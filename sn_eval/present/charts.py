"""The charts of report, audit page and dashboard: SVG text, drawn offline, readable in black and white.

Every series has a colour (Okabe and Ito's palette, which colour-blind readers can tell apart), a dash and a mark of its
own, so no meaning hangs on colour alone.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import altair as alt
import vl_convert

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [1, 3], [4, 4])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
FONT = "DejaVu Sans, Verdana, Arial, IPAexGothic, Hiragino Sans, Yu Gothic, Noto Sans CJK JP, sans-serif"
WIDTH, HEIGHT = 560, 320
DRESS = {
    "font": FONT,
    "background": "white",
    "axis": {"labelFontSize": 12, "titleFontSize": 13, "gridColor": "#e4e4e4"},
    "legend": {
        "labelFontSize": 12, "symbolSize": 120, "symbolOpacity": 1, "symbolStrokeWidth": 0, "labelLimit": 320,
    },
    "title": {"fontSize": 15, "anchor": "start", "offset": 12},
}  # fmt: skip

Row: TypeAlias = Mapping[str, Any]
Drawing: TypeAlias = alt.TopLevelMixin | Mapping[str, Any]
"""A chart of altair, or a Vega-Lite specification as such: many panels are checked by altair too slowly."""


def curves(
    rows: Sequence[Row],
    x: tuple[str, str],
    y: tuple[str, str],
    *,
    series: str,
    title: str,
    band: tuple[str, str] | None = None,
    label: tuple[str, str] | None = None,
) -> str:
    """Lines with marks, and an interval as a band around each, as SVG text.

    x, y: (key in a row, axis title). series: the key whose values are lines of their own, named in the legend. band:
    keys of the lower and upper bound; rows without them have no band. label: (key, words before it), e.g.
    ("n", "n = "), written below the first series' marks. Raises ValueError for no rows, or more series than can be
    told apart.
    """
    names = list(dict.fromkeys(str(row[series]) for row in rows))
    if not 1 <= len(names) <= len(COLOURS):
        raise ValueError(f"{len(names)} series: a chart shows 1 to {len(COLOURS)} that can be told apart")
    shown = [{**row, series: str(row[series])} for row in rows]
    base = alt.Chart(alt.InlineData(values=shown)).encode(
        x=alt.X(x[0], type="quantitative", title=x[1], axis=alt.Axis(tickCount=8)),
        color=_scale(alt.Color, series, names, COLOURS),
    )
    height = alt.Y(y[0], type="quantitative", title=y[1])
    layers = [
        base.mark_line(strokeWidth=2).encode(y=height, strokeDash=_scale(alt.StrokeDash, series, names, DASHES)),
        base.mark_point(size=55, filled=True, opacity=1).encode(
            y=height, shape=_scale(alt.Shape, series, names, SHAPES)
        ),
    ]
    if band is not None:
        valid = f"isValid(datum[{json.dumps(band[0])}]) && isValid(datum[{json.dumps(band[1])}])"
        area = base.transform_filter(valid).mark_area(opacity=0.18).encode(
            y=alt.Y(band[0], type="quantitative", title=y[1]), y2=alt.Y2(band[1])
        )  # fmt: skip
        layers.insert(0, area)
    if label is not None:
        first = f"datum[{json.dumps(series)}] === {json.dumps(names[0])}"
        words = f"{json.dumps(label[1])} + datum[{json.dumps(label[0])}]"
        layers.append(
            base.transform_filter(first).transform_calculate(words=words).mark_text(dy=-12, fontSize=11, color="#333")
            .encode(y=height, text=alt.Text("words", type="nominal"), color=alt.ColorValue("#333333"))
        )  # fmt: skip
    return svg(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title))


def svg(chart: Drawing) -> str:
    """A chart in this project's dress as SVG text; nothing is fetched."""
    _japanese_too()
    drawn: str = vl_convert.vegalite_to_svg(_dressed(chart), vl_version=_version(), allowed_base_urls=[])
    return drawn


def png(chart: Drawing, scale: float = 1.0) -> bytes:
    """A chart in this project's dress as a PNG file, `scale` pixels for each of its own; nothing is fetched."""
    _japanese_too()
    drawn: bytes = vl_convert.vegalite_to_png(
        _dressed(chart), vl_version=_version(), scale=scale, allowed_base_urls=[]
    )  # fmt: skip
    return drawn


@cache
def _japanese_too() -> None:
    """Let the renderer know a font with Japanese letters; without one it draws and measures none of them."""
    package = find_spec("matplotlib_fontja")  # not imported: it would load matplotlib
    for place in (package.submodule_search_locations or []) if package is not None else []:
        vl_convert.register_font_directory(str(Path(place) / "fonts"))


def _dressed(chart: Drawing) -> str:
    """The chart as JSON, with this project's font, sizes and colours."""
    made = dict(chart) if isinstance(chart, Mapping) else chart.to_dict()
    return json.dumps({**made, "config": {**DRESS, **made.get("config", {})}}, sort_keys=True)


def _version() -> str:
    """The version of Vega-Lite that altair writes, as vl_convert names it."""
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def _scale(channel: Any, field: str, names: Sequence[str], values: Sequence[Any]) -> Any:
    """An encoding of a series by the first `len(names)` values, under one legend for all such encodings."""
    scale = alt.Scale(domain=list(names), range=list(values[: len(names)]))
    return channel(field, type="nominal", scale=scale, legend=alt.Legend(title=None, orient="top"))
