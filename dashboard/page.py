"""What every page begins and ends with: its title, the run, what a reader must know first, and the footer."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from dashboard import runs, state
from sn_eval.present import words
from sn_eval.present.report.build import build
from sn_eval.present.report.model import Report
from sn_eval.present.report.teller import Teller
from sn_eval.results.files import ResultsError

LISTED = re.compile(r"^(\d*)([-+.)])(?= )")  # how a line begins that Markdown makes an item of a list


@dataclass(frozen=True)
class Page:
    """One page of a run in one language; calling it yields the sentence of a key."""

    key: str
    lang: state.Lang
    open: runs.OpenRun

    def __call__(self, key: str, **values: Any) -> str:
        """The sentence of this key."""
        return words.say(self.lang, key, **values)

    @cached_property
    def teller(self) -> Teller:
        """Tells the run's own findings."""
        return Teller(self.open.findings, self.lang)

    @property
    def report(self) -> Report:
        """The run's report, whose blocks pages show."""
        return _report(self.open, self.open.id, self.open.version, self.lang)

    def end(self) -> None:
        """The report's files, and the footer: run, date of prices, exchange, n."""
        from dashboard import exports  # which draws on pages itself

        st.divider()
        exports.bar(self)
        st.caption(plain(self.report.footer_line))


@st.cache_resource(max_entries=16, show_spinner=False)
def _report(_run: runs.OpenRun, run_id: str, version: str, lang: state.Lang) -> Report:
    return build(_run.findings, lang)


def begin(key: str, *, needs_cells: bool = True) -> Page:
    """The page's title and notices. Stops the page, with words, where there is no run to show.

    needs_cells: whether the page has nothing to say of a run without a finished cell.
    """
    lang = state.language()
    st.title(words.say(lang, f"pages.{key}.title"))
    st.caption(words.say(lang, f"pages.{key}.question"))
    try:
        ids = runs.run_ids()
        unknown = state.asked(state.RUN) not in (*ids, "")
        run = runs.open_run(state.asked(state.RUN) if unknown else state.kept(state.RUN, ids, next(iter(ids))))
    except ResultsError as error:
        st.error(words.say(lang, "app.unreadable", why=plain(str(error))), icon=":material/error:")
        st.stop()
    page = Page(key, lang, run)
    _notices(page)
    if needs_cells and run.state == "empty":
        st.stop()
    return page


def _notices(page: Page) -> None:
    """What must be known before anything is read: demo, provisional, damage, age, examples."""
    run, done = page.open, page.open.progress
    if run.demo:
        st.info(page("app.demo", command="`sn-eval poc new`"), icon=":material/science:")
    if run.problem:
        st.error(page("app.last_good", why=plain(run.problem)), icon=":material/history:")
    if run.stale is not None:
        st.caption(page("app.stale", seconds=f"{run.stale:.0f}"))
    if run.state == "empty":
        text = page("app.empty", planned=done.planned, command="`sn-eval poc run`")
        st.warning(text, icon=":material/hourglass_empty:")
    elif run.state == "partial":
        st.warning(page("app.partial", done=done.done, planned=done.planned), icon=":material/hourglass_top:")
    if run.damaged:
        first = next(iter(run.damaged.values())).replace(f"{run.run.folder}/", "")
        text = page("app.damaged", count=len(run.damaged), first=plain(first))
        st.warning(text, icon=":material/broken_image:")
    if page.report.watermark:
        head, inputs = page.report.watermark
        st.warning(f"**{plain(head)}**", icon=":material/warning:")
        with st.expander(page("app.examples", count=len(run.findings.watermark))):
            st.markdown(plain(inputs))


def plain(text: str) -> str:
    """Text of others as Markdown shows it literally, on one line: no link, picture, formula or markup is followed.

    >>> plain("[a](b) $x$ <script>")
    '\\\\[a\\\\](b) \\\\$x\\\\$ &lt;script&gt;'
    >>> plain("1. one\\n- two"), plain("- two"), plain("-1.5 points")
    ('1\\\\. one - two', '\\\\- two', '-1.5 points')
    """
    escaped = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*_[]$~|#:":
        escaped = escaped.replace(sign, f"\\{sign}")
    escaped = LISTED.sub(r"\1\\\2", escaped)
    return escaped.replace("www.", "www\\.")
