"""Blind A/B: which of two videos is better, asked without saying whose they are, and kept for rewards and labels."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import streamlit as st

from dashboard import blocks, player
from dashboard.blind_order import Maker, Turn, makers, turns
from dashboard.page import Page, plain
from dashboard.settings import settings
from sn_eval.present.report.model import Column, Grid, Row
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Planned
from sn_eval.results.preferences import (
    LONGEST,
    Preference,
    append_preference,
    check_ratings,
    clean_rater,
    clip_path,
    labels_beside,
    labels_csv,
    pairs_csv,
    rater_problem,
    read_preferences,
)
from sn_eval.results.record import FILE_NAME as RECORD

CHOICES = {"a": "blind.a", "b": "blind.b", "tie": "blind.tie", "": "blind.unsure"}
ACCEPT = {True: "blind.yes", False: "blind.no"}
DOWNLOAD = "blind.csv"


@dataclass(frozen=True)
class Session:
    """One rater's work on two makers. file: where it is kept; None for this browser session only."""

    page: Page
    makers: tuple[Maker, Maker]
    rater: str
    file: Path | None

    @cached_property
    def mark(self) -> str:
        """For keys of widgets and of what is remembered: it tells a browser nothing."""
        told = repr((self.page.open.id, self.makers, self.rater))
        return f"blind-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    @cached_property
    def turns(self) -> list[Turn]:
        """Those whose videos are both there, in the rater's order."""
        found = turns(self.page.open.run.plan.cells, self.makers, self.rater)
        return [turn for turn in found if self._shows(turn.a) and self._shows(turn.b)]

    @cached_property
    def given(self) -> dict[frozenset[str], Preference]:
        """Judgements of this rater on these pairs so far."""
        kept = read_preferences(self.file) if self.file else st.session_state.get(f"{self.mark}-given", ())
        wanted = {self.pair(turn) for turn in self.turns}
        return {each.pair: each for each in kept if each.rater == self.rater and each.pair in wanted}

    @property
    def left(self) -> list[Turn]:
        """What is still to be judged."""
        return [turn for turn in self.turns if self.pair(turn) not in self.given]

    def clip(self, cell: Planned) -> str:
        """A cell's video as the file names it."""
        return f"{self._cells}/{cell.cell}/video.mp4"

    def pair(self, turn: Turn) -> frozenset[str]:
        """As in `Preference.pair`."""
        return frozenset((self.clip(turn.a), self.clip(turn.b)))

    def keep(self, turn: Turn, choice: str, accept: tuple[bool | None, bool | None]) -> None:
        """Write a judgement down. Raises ResultsError where the file refuses it."""
        made = Preference(
            self.clip(turn.a), self.clip(turn.b), choice, self.rater, turn.prompt, *accept,  # type: ignore[arg-type]
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )  # fmt: skip
        if self.file:
            append_preference(self.file, made)
        else:
            kept = st.session_state.get(f"{self.mark}-given", ())
            st.session_state[f"{self.mark}-given"] = (*kept, made)

    def flag(self, name: str) -> bool:
        """Whether something was said in this browser session: "ended" or "revealed"."""
        return bool(st.session_state.get(f"{self.mark}-{name}"))

    def set(self, name: str, value: bool) -> None:
        """Say it."""
        st.session_state[f"{self.mark}-{name}"] = value

    @cached_property
    def _cells(self) -> str:
        """The folder of cells from the file's; for a download, from where the run's folder lies."""
        folder = self.page.open.run.folder.resolve()
        return clip_path(folder / "cells", self.file or folder.parent / DOWNLOAD)

    def _shows(self, cell: Planned) -> bool:
        folder = self.page.open.run.store.folder(cell.cell)
        whole = (folder / RECORD).is_file() and cell.cell not in self.page.open.damaged
        return whole and (folder / "video.mp4").is_file()


def panel(page: Page, left: str, right: str, key: str) -> None:
    """Ask a rater about every pair of the confirm prompts of two makers, in the rater's own order.

    left, right: ids of cells that are examples of them: two arms, or two repeats of one arm. Neither names nor scores
    are shown or sent before the rater has ended.
    """
    cells = page.open.cell(left), page.open.cell(right)
    st.subheader(page("blind.title"))
    if cells[0] is None or cells[1] is None:
        st.error(page("blind.unknown"), icon=":material/link_off:")
        return
    st.caption(page("blind.about"))
    file = _file(page)
    rater = _rater(page, key)
    if not rater:
        return
    session = Session(page, makers(cells[0], cells[1]), rater, file)
    try:
        if not session.turns:
            st.warning(page("blind.nothing"), icon=":material/videocam_off:")
        elif session.flag("ended") or not session.left:
            _end(session)
        else:
            _ask(session, key)
    except ResultsError as error:  # the file was changed, or the disk is full
        st.error(page("blind.refused", why=plain(str(error))), icon=":material/error:")


def _file(page: Page) -> Path | None:
    """Where judgements are kept; None, with words, where they are not."""
    if not settings().ratings:
        command = "`sn-eval dashboard RUNS --ratings ratings.csv`"
        st.info(page("blind.not_kept", command=command), icon=":material/info:")
        return None
    path = Path(settings().ratings)
    try:
        check_ratings(path)
    except ResultsError as error:
        st.error(page("blind.bad_file", why=plain(str(error))), icon=":material/error:")
        return None
    return path


def _rater(page: Page, key: str) -> str:
    """The rater's id, "" until there is a good one."""
    told = st.text_input(
        page("blind.rater"), key=f"{key}-rater", max_chars=LONGEST, help=page("blind.rater_help"), width=360
    )
    problem = rater_problem(told)
    if problem == "empty":
        st.caption(page("blind.bad_rater.empty"))
    elif problem:
        st.error(page(f"blind.bad_rater.{problem}", longest=LONGEST), icon=":material/person_off:")
    return "" if problem else clean_rater(told)


# --- one pair ---------------------------------------------------------------------------------------------


def _ask(session: Session, key: str) -> None:
    """The next pair and its questions."""
    page, turn, done, count = session.page, session.left[0], len(session.given), len(session.turns)
    st.progress(done / count, text=page("blind.progress", done=done, count=count))
    st.markdown(page("blind.prompt", prompt=plain(" ".join(turn.prompt.split()))))
    player.pair(page, turn.a.cell, turn.b.cell, key=f"{key}-blind", blind=True, rater=session.rater)
    with st.form(f"{session.mark}-{done}"):
        choice = st.radio(
            page("blind.which"), list(CHOICES), index=None, horizontal=True, key=f"{session.mark}-{done}-choice",
            format_func=lambda code: page(CHOICES[code]),
        )  # fmt: skip
        accept = [_accept(session, side, f"{session.mark}-{done}-{side}") for side in ("A", "B")]
        sent = st.form_submit_button(page("blind.save"), type="primary", icon=":material/arrow_forward:")
    if sent and choice is None:
        st.error(page("blind.choose"), icon=":material/touch_app:")
    elif sent:
        session.keep(turn, choice or "", (accept[0], accept[1]))
        st.rerun()
    if st.button(page("blind.end"), key=f"{session.mark}-end", type="tertiary", icon=":material/stop_circle:"):
        session.set("ended", True)
        st.rerun()


def _accept(session: Session, side: str, key: str) -> bool | None:
    page = session.page
    return st.radio(
        page("blind.accept", side=side), list(ACCEPT), index=None, horizontal=True, key=key,
        format_func=lambda code: page(ACCEPT[code]),
    )  # fmt: skip


# --- the end ----------------------------------------------------------------------------------------------


def _end(session: Session) -> None:
    """Thanks, where the judgements are, and, if wanted, whose videos they were."""
    page, done, count = session.page, len(session.given), len(session.turns)
    st.success(page("blind.done", done=done, count=count), icon=":material/check_circle:")
    _take_away(session)
    revealed = st.toggle(page("blind.reveal"), key=f"{session.mark}-toggle", disabled=not done)
    if revealed:
        session.set("revealed", True)
        st.markdown(summary(session))
        blocks.show(page, revealed_grid(session))
    if not session.left:
        return
    if session.flag("revealed"):
        st.caption(page("blind.no_more"))
    elif st.button(page("blind.go_on"), key=f"{session.mark}-on", icon=":material/play_arrow:"):
        session.set("ended", False)
        st.rerun()


def _take_away(session: Session) -> None:
    """The file that holds them, or the files to download."""
    page, given = session.page, list(session.given.values())
    if session.file:
        labels = labels_beside(session.file).name
        st.caption(page("blind.kept_in", file=plain(session.file.name), labels=plain(labels)))
    elif given:
        st.caption(page("blind.download_where", folder=plain(page.open.run.folder.resolve().name)))
        with st.container(horizontal=True):
            for name, label, text in (
                (DOWNLOAD, "blind.download", pairs_csv(given)),
                (labels_beside(Path(DOWNLOAD)).name, "blind.download_labels", labels_csv(given)),
            ):
                st.download_button(
                    page(label), text.encode(), name, "text/csv", key=f"{session.mark}-{name}", on_click="ignore",
                    icon=":material/download:",
                )  # fmt: skip


def preferred(session: Session) -> Mapping[str, int]:
    """How often each maker was preferred, by name; "" counts pairs that were found equal or could not be judged."""
    counts = {name_of(maker): 0 for maker in session.makers} | {"": 0}
    for turn in session.turns:
        given = session.given.get(session.pair(turn))
        if given is not None:
            counts[_winner(session, given)] += 1
    return counts


def summary(session: Session) -> str:
    """Who was preferred how often, as Markdown."""
    counts = preferred(session)
    first, second = (name_of(maker) for maker in session.makers)
    return session.page(
        "blind.summary", first=plain(first), wins=counts[first], second=plain(second), losses=counts[second],
        ties=counts[""],
    )  # fmt: skip


def revealed_grid(session: Session) -> Grid:
    """Every judged pair with the names of both sides."""
    page = session.page
    names = ("prompt", "side_a", "side_b", "said", "better")
    columns = tuple(Column(page(f"blind.column.{name}"), wide=name == "prompt") for name in names)
    rows = []
    for turn in session.turns:
        given = session.given.get(session.pair(turn))
        if given is not None:
            a, b = _sides(session, given)
            said = page(CHOICES[given.choice])
            rows.append(Row((turn.prompt, a, b, said, _winner(session, given) or page("blind.neither"))))
    return Grid("blind", page("blind.revealed"), columns, tuple(rows))


def name_of(maker: Maker) -> str:
    """What a maker is called."""
    return maker[0] if maker[1] is None else f"{maker[0]} #{maker[1]}"


def _sides(session: Session, given: Preference) -> tuple[str, str]:
    """Names of what was shown as A and as B, as the judgement says."""
    first = {session.clip(turn.a): turn.a for turn in session.turns} | {
        session.clip(turn.b): turn.b for turn in session.turns
    }
    alike = session.makers[0][0] == session.makers[1][0]
    a, b = (first[clip] for clip in (given.clip_a, given.clip_b))
    return tuple(name_of((cell.arm, cell.repeat if alike else None)) for cell in (a, b))  # type: ignore[return-value]


def _winner(session: Session, given: Preference) -> str:
    sides = _sides(session, given)
    return {"a": sides[0], "b": sides[1]}.get(given.choice, "")
