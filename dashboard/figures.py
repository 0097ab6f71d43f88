"""Charts with a table beside them and files to take away."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import grids
from dashboard.page import Page, plain
from sn_eval.present import charts
from sn_eval.present.money import Lang
from sn_eval.present.report.drawing import JAPANESE, drawing
from sn_eval.present.report.figure_table import figure_table
from sn_eval.present.report.model import Figure, Grid

SCALE = 2.0  # pixels of a PNG for each of the chart's own
PAGE = '"Source Sans", "Source Sans Pro"'  # the page's own font, which Streamlit gives to axes
USER = {"embedOptions": {"renderer": "svg", "actions": False}}  # sharp on paper; files are saved below the chart


def figure(page: Page, shown: Figure) -> None:
    """A figure of the report as a chart, its numbers as a table, and both to download.

    Its key stands once on a page.
    """
    if not shown.drawable:
        st.info(f"{plain(shown.title)} — {page('blocks.nothing_to_draw')}", icon=":material/bar_chart_off:")
        return
    chart(page, shown.key, drawing(shown, page.lang), figure_table(shown, page.lang), shown.about)


def chart(
    page: Page, key: str, spec: Mapping[str, Any], table: Grid, about: str, *, select: str | None = None
) -> Mapping[str, Any]:
    """A chart of this page's own: as `figure`. about: what it shows, in one sentence, for those who cannot see it.

    spec: Vega-Lite with its data inside; a numeric width stays (at most 800 pixels fit beside the sidebar, and on
    paper), one without fills the page. key: stands once on a page, and names the files.
    select: name of a selection parameter of the spec; what is selected is returned, {} for nothing: the fields of the
    point that was clicked, or field → (low, high) of an interval.
    """
    dressed_ = dressed(spec, page.lang)
    more: dict[str, Any] = {"on_select": "rerun", "selection_mode": select} if select else {}
    width: Any = "stretch" if fills(spec) else "content"
    state = st.vega_lite_chart(spec=dressed_, theme=None, width=width, alt=about, key=f"chart-{key}", **more)
    st.caption(plain(about))
    with st.expander(page("blocks.table_of"), icon=":material/table_chart:"):
        grids.table(page, table)
        _files(page, key, dressed_, table)
    return selected(state, select) if select else {}


def dressed(spec: Mapping[str, Any], lang: Lang) -> dict[str, Any]:
    """The chart in this project's dress, all of it in the page's font; without that in one of the reader's machine."""
    font = f"{PAGE}, {JAPANESE if lang == 'ja' else charts.FONT}"
    config = {**charts.DRESS, **spec.get("config", {}), "font": font}
    padding = spec.get("padding", 6)
    if not isinstance(padding, Mapping):  # Streamlit's page sets single sides of it
        padding = dict.fromkeys(("left", "top", "right", "bottom"), padding)
    field = {} if fills(spec) else {"autosize": {"type": "pad"}}  # else axes are taken off a width that was given
    return {**field, **spec, "padding": dict(padding), "config": config, "usermeta": USER}


def fills(spec: Mapping[str, Any]) -> bool:
    """Whether a chart is as wide as the page: it has no width of its own, and is not several beside each other."""
    composed = any(part in spec for part in ("concat", "hconcat", "vconcat", "facet", "repeat"))
    return not composed and spec.get("width", "container") == "container"


def selected(state: Any, select: str) -> Mapping[str, Any]:
    """What a chart's state holds of a selection.

    >>> selected({"selection": {"at": [{"arm": "plain"}]}}, "at"), selected({"selection": {"at": []}}, "at")
    ({'arm': 'plain'}, {})
    >>> selected({"selection": {"at": {"x": [1, 2]}}}, "at"), selected({}, "at")
    ({'x': [1, 2]}, {})
    """
    found = state.get("selection", {}).get(select) or {}
    return dict(found[-1]) if isinstance(found, list) else dict(found)


def _files(page: Page, key: str, spec: Mapping[str, Any], table: Grid) -> None:
    """Buttons; a file is drawn when it is asked for."""
    with st.container(horizontal=True):
        st.download_button(
            page("blocks.chart_svg"), lambda: charts.svg(spec), f"{key}.svg", "image/svg+xml", key=f"svg-{key}",
            on_click="ignore", icon=":material/shapes:",
        )  # fmt: skip
        st.download_button(
            page("blocks.chart_png"), lambda: charts.png(spec, SCALE), f"{key}.png", "image/png", key=f"png-{key}",
            on_click="ignore", icon=":material/image:",
        )  # fmt: skip
        grids.csv_button(page, table)
