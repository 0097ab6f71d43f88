"""A scenario's name, its file to save and to load, and the way back to the run's own inputs."""

import streamlit as st

from dashboard.page import Page, plain
from dashboard.scenario_state import kept_of, take, to_url, widget
from sn_eval.results import scenario as scenarios
from sn_eval.results.files import ResultsError
from sn_eval.results.scenario import Scenario


def files(page: Page, scenario: Scenario) -> None:
    """Name, download, upload and reset."""
    mine = kept_of(page.open.id)
    left, middle, right = st.columns(3, gap="medium", vertical_alignment="bottom")
    at = widget(page.open.id, mine.epoch, "scenario", "name")
    st.session_state.setdefault(at, mine.name)
    left.text_input(page("assumption.name"), key=at, max_chars=60, on_change=_renamed, args=(page, at))
    middle.download_button(
        page("assumption.download"), scenarios.dump(scenario), f"{page.open.id}-scenario.yaml", "application/yaml",
        key="as-download", on_click="ignore", icon=":material/download:", width="stretch",
    )  # fmt: skip
    right.button(page("assumption.reset"), key="as-reset", on_click=take, args=(page, Scenario()),
                 kwargs={"afresh": True}, disabled=not mine.url and not mine.problems,
                 icon=":material/restart_alt:", width="stretch")  # fmt: skip
    at = widget(page.open.id, mine.epoch, "scenario", "file")
    st.file_uploader(
        page("assumption.upload"), ["yaml", "yml"], key=at, on_change=_uploaded, args=(page, at), max_upload_size=1
    )
    if mine.upload:
        st.error(page("assumption.bad_file", why=plain(mine.upload)), icon=":material/error:")


def _renamed(page: Page, at: str) -> None:
    mine = kept_of(page.open.id)
    mine.name = "".join(letter for letter in st.session_state[at] if letter.isprintable())
    to_url(mine)


def _uploaded(page: Page, at: str) -> None:
    """Take an uploaded scenario; one that cannot be is told, and what counted still does."""
    file = st.session_state[at]
    mine = kept_of(page.open.id)
    mine.upload = ""
    if file is None:
        return
    try:
        take(page, scenarios.load(file.read(scenarios.MOST_BYTES + 1)), afresh=True)
    except ResultsError as error:
        mine.upload = str(error)
