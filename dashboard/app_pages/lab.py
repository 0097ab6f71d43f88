"""Reward lab: does my reward measure what I mean?"""

import streamlit as st

from dashboard import look, scoring, state
from dashboard.lab import against_judges, audits, clips, stored
from dashboard.page import Page, begin

TABS = {"stored": stored.show, "clips": clips.show, "audit": audits.show}


def main() -> None:
    """Draw the page: the reward against the judges, then one of three tools."""
    page = begin("lab", needs_cells=False)
    look.apply()
    scoring.prefetch()
    against_judges.show(page)
    st.divider()
    TABS[_tab(page)](page)
    page.end()


def _tab(page: Page) -> str:
    tabs = {key: page(f"lab.tab.{key}") for key in TABS}
    return state.pick(
        page("lab.tools"), tabs, "tab", draw=st.segmented_control, required=True, label_visibility="collapsed"
    )


if __name__ == "__main__":
    main()
