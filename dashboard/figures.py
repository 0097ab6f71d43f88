"""Charts with a table beside them and files to take away."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.page import Page
from sn_eval.present.report.drawing import drawing
from sn_eval.present.report.model import Figure, Grid


def figure(page: Page, shown: Figure) -> None:
    """A figure of the report as a chart, its numbers as a table, and both to download."""
    if shown.drawable:
        st.vega_lite_chart(spec=drawing(shown, page.lang), theme=None, alt=shown.about)


def chart(
    page: Page, key: str, spec: Mapping[str, Any], table: Grid, about: str, *, select: str | None = None
) -> Mapping[str, Any]:
    """A chart of this page's own: as `figure`. about: what it shows, in one sentence, for those who cannot see it.

    select: name of a selection parameter of the spec; what is selected is returned, {} for nothing.
    """
    return {}
