"""Which scenario counts: that of the URL, else what this visitor edited of the run before; each run has its own."""

from dataclasses import dataclass

import streamlit as st

from dashboard import scenario_link
from dashboard.page import Page, plain
from sn_eval.results.assumption import LONGEST, Unfit
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.scenario import Scenario

URL, NAME = "s", "scenario"


@dataclass
class Kept:
    """What a visitor's session keeps of one run. url: the text that counts; epoch: changes where fields begin anew."""

    url: str = ""
    name: str = ""
    epoch: int = 0
    problems: dict[str, Unfit] | None = None
    upload: str = ""


def current(page: Page) -> tuple[Scenario, Experiment]:
    """The scenario that counts, and the run's experiment under it; one that cannot be is told, and left out."""
    mine = _synced(page)
    try:
        found = scenario_link.decode(mine.url, mine.name)
        return found, found.apply(page.open.experiment, page("assumption.edited_by"))
    except ResultsError as error:
        st.error(page("assumption.bad_link", why=plain(str(error))), icon=":material/link_off:")
        return Scenario(), page.open.experiment


def _synced(page: Page) -> Kept:
    """What is kept of the run, in step with the URL: a link that was opened wins; another run's edits do not follow."""
    mine = kept_of(page.open.id)
    shown = st.session_state.get("as-run")
    st.session_state["as-run"] = page.open.id
    asked, name = st.query_params.get(URL, ""), st.query_params.get(NAME, "")
    followed = shown not in (None, page.open.id) and asked == kept_of(shown).url  # type: ignore[arg-type]  # a run
    if asked and not followed and asked != mine.url:
        mine.url, mine.epoch, mine.problems = asked, mine.epoch + 1, {}
    if asked and not followed and name.isprintable():
        mine.name = name[:LONGEST]
    to_url(mine)
    return mine


def kept_of(run: str) -> Kept:
    """What this session keeps of a run."""
    found: Kept = st.session_state.setdefault(f"as-kept-{run}", Kept(problems={}))
    return found


def to_url(mine: Kept) -> None:
    """Let the URL say what counts."""
    for key, text in ((URL, mine.url), (NAME, mine.name if mine.url else "")):
        if text:
            st.query_params[key] = text
        elif key in st.query_params:
            del st.query_params[key]


def take(page: Page, found: Scenario, *, afresh: bool = False) -> None:
    """Let a scenario count. afresh: the fields begin anew, too. Raises ResultsError where the run cannot take it."""
    found.apply(page.open.experiment)
    mine = kept_of(page.open.id)
    mine.url, mine.name = scenario_link.encode(found), found.name
    if afresh:
        mine.epoch, mine.problems, mine.upload = mine.epoch + 1, {}, ""
    to_url(mine)


def widget(run: str, epoch: int, key: str, field: str) -> str:
    """The key of a field's widget."""
    return f"as-{run}-{epoch}-{key}-{field}"
