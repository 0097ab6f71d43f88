"""Which two arms a reader holds against each other, on what and where: choices kept in the URL, and their result."""

from collections.abc import Mapping

import streamlit as st

from dashboard import state
from dashboard.page import Page
from sn_eval.decision.analysis import look_at
from sn_eval.decision.findings import Attempt, Compared, Findings
from sn_eval.decision.paired_dots import Asked, Duel, duel
from sn_eval.results.experiment import ACCEPTANCE

PAIR = ("left", "right")  # cells of the pair that is open, in the URL
STATES = ("accepted", "rejected", "gained", "lost", "failed")
LONGEST = 200  # letters of a text that is looked for


def choose(page: Page) -> Asked | None:
    """The choices as widgets; None, with words, where there are no two arms."""
    names = list(dict.fromkeys((page.open.findings.baseline, *(each.arm for each in page.open.material.attempts))))
    if len(names) < 2:
        st.info(page("compare_page.one_arm"), icon=":material/compare:")
        return None
    roles = {name: _arm(page, name) for name in names}
    with st.container(border=True):
        first, second, third, fourth = st.columns([3, 3, 3, 3])
        with first:
            against = state.pick(page("compare_page.arm_a"), roles, "a")
        with second:
            judged = page.open.findings.verdict.arm or next(iter(names[1:]))
            others = {name: roles[name] for name in dict.fromkeys((judged, *names)) if name in roles}
            others.pop(against)
            arm = state.pick(page("compare_page.arm_b"), others, "b")
        with third:
            outcome = state.pick(page("compare_page.outcome"), _outcomes(page), "outcome")
        with fourth:
            split = state.pick(page("compare_page.split"), _splits(page), "split")
        group, only, text = _filters(page, split)
    return Asked(arm, against, outcome, split, group, only, text)  # type: ignore[arg-type]  # codes of the lists


def _filters(page: Page, split: str) -> tuple[str, str, str]:
    """(group, state, text): what the pairs are narrowed to."""
    first, second, third = st.columns([3, 3, 6])
    everything = {"": page("compare_page.all")}
    groups = dict.fromkeys(each.group for each in page.open.material.attempts if each.group and each.split == split)
    with first:
        group = state.pick(page("compare_page.group"), everything | {name: name for name in groups}, "group")
    with second:
        states = everything | {code: page(f"compare_page.states.{code}") for code in STATES}
        only = state.pick(page("compare_page.only"), states, "only")
    with third:
        text = st.text_input(page("compare_page.text"), key="text", bind="query-params", max_chars=LONGEST)
    return group, only, " ".join(text.split())


def _arm(page: Page, name: str) -> str:
    """An arm with what it is in this run."""
    findings = page.open.findings
    role = "word.chosen" if name == findings.verdict.arm else "word.baseline" if name == findings.baseline else ""
    return page("compare_page.arm_role", arm=name, role=page(role)) if role else name


def _outcomes(page: Page) -> dict[str, str]:
    """Acceptance where it is known, and every evaluator, each with what a reader must know of it."""
    known = any(each.accepted is not None for each in page.open.material.attempts)
    found = {ACCEPTANCE: page.teller.outcome(ACCEPTANCE)} if known else {}
    for judge in page.open.findings.judges:
        notes = [page("word.searched")] * judge.searched
        notes += [] if judge.higher_is_better else [page("word.lower_is_better")]
        note = page("compare_page.outcome_note", outcome=judge.label, note=", ".join(notes))
        found[judge.label] = note if notes else judge.label
    main = page.teller.main_outcome
    return found if known or main not in found else {main: found[main]} | found


def _splits(page: Page) -> dict[str, str]:
    """Confirm prompts, and dev prompts where there are any."""
    there = {each.split for each in page.open.material.attempts}
    words = {"confirm": page("compare_page.confirm"), "dev": page("compare_page.dev")}
    return {name: told for name, told in words.items() if name in there} or words


# --- the result -------------------------------------------------------------------------------------------


def duel_of(page: Page, asked: Asked) -> Duel:
    """The two arms on what is asked, kept until the run changes."""
    return _duel(page, page.open.id, page.open.version, asked)


@st.cache_data(max_entries=64, show_spinner=False)
def _duel(_page: Page, run_id: str, version: str, asked: Asked) -> Duel:
    run = _page.open
    return duel(shown(run.findings, counted(_page)), asked, run.findings.judges, run.experiment.rules.confidence)


def counted(page: Page) -> frozenset[str]:
    """Confirm prompts that the report counts: of the last look that is due, or all that are finished."""
    return frozenset(look_at(page.open.material)[0])


def shown(findings: Findings, prompts: frozenset[str]) -> tuple[Attempt, ...]:
    """Attempts that comparisons are made of: those of dev prompts, and of confirm prompts that count."""
    return tuple(each for each in findings.attempts if each.split == "dev" or each.prompt in prompts)


def declared(findings: Findings, asked: Asked) -> Compared | None:
    """The comparison of the report that this is; None for a filtered one, or one that the report does not make."""
    if asked.narrowed or asked.split != "confirm":
        return None
    wanted = asked.outcome, asked.arm, asked.against
    return next((each for each in findings.comparisons if (each.outcome, each.arm, each.against) == wanted), None)


# --- the pair that is open ---------------------------------------------------------------------------------


def open_pair(left: str, right: str) -> None:
    """Let the URL name the pair."""
    st.query_params.update(dict(zip(PAIR, (left, right), strict=True)))


def close_where_changed(asked: Asked) -> None:
    """Other choices close the pair that was open, unless the URL came with both, as after "back" and from a link."""
    now = asked, *(state.asked(name) for name in PAIR)
    before = st.session_state.get("compare-before")
    if before is not None and before[0] != asked and before[1:] == now[1:]:
        for name in PAIR:
            st.query_params.pop(name, None)
        now = asked, "", ""
    st.session_state["compare-before"] = now


def clicked(source: str, found: Mapping[str, object]) -> bool:
    """Whether a selection is a new one: what was selected before stays so, whatever else is opened in between."""
    name = f"compare-clicked-{source}"
    before, st.session_state[name] = st.session_state.get(name), dict(found)
    return bool(found) and dict(found) != before
