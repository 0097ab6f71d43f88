"""Which cell is shown: arm, then prompt, then repeat; the URL holds the cell's id and nothing else need be known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from dashboard import state
from dashboard.page import Page, plain
from dashboard.tree.reading import arm_rescues, has_trace
from sn_eval.decision.findings import Attempt
from sn_eval.present.report.model import Lang
from sn_eval.present.search_telling import signed
from sn_eval.present.words import say
from sn_eval.results.plan import Planned, method_of

CELL, ORDER, FIND = "cell", "order", "find"
PIECE, WINDOW = OWN = ("piece", "from")  # choices that hold for one cell
WHOLE = ("plain", "plain_more_steps", "random_pick", "best_of_n")  # methods that make whole videos and choose
SHOWN = 300  # prompts that a browser is given to choose from

T = TypeVar("T")


@dataclass(frozen=True)
class Listed:
    """A cell in the order that was asked for, and what is told beside its prompt."""

    cell: Planned
    told: str = ""


def choose(page: Page) -> Planned | None:
    """The cell, by the URL and the widgets; None where the run has none."""
    cells = page.open.run.plan.cells
    if not cells:
        return None
    wanted = state.asked(CELL)
    current = page.open.cell(wanted)
    if wanted and current is None:
        st.warning(page("trajectory.choose.unknown_cell", cell=plain(wanted[:80])), icon=":material/link_off:")
    columns = st.columns([2.2, 1.8, 1.6])
    with columns[0]:
        arm = _arm(page, current)
    with columns[1]:
        orders = {name: page(f"trajectory.choose.{name}") for name in ("losing", "rescue", "planned")}
        order = state.pick(page("trajectory.choose.order"), orders, ORDER)
    listed = _listed(page, arm, order)
    with columns[2]:
        text = _find(page, listed)
    found = _matching(page, listed, text)
    if current is None or current.arm != arm:
        current = found[0].cell
    return _prompt_and_repeat(page, listed, found, current, order)


# --- the widgets ------------------------------------------------------------------------------------------


def _arm(page: Page, current: Planned | None) -> str:
    """The arm; a change of it keeps prompt and repeat where it can."""
    plan = page.open.run.plan
    baseline = [arm for arm in plan.arms if arm == plan.baseline]
    arms = [arm for arm in plan.arms if arm != plan.baseline] + baseline
    arm = current.arm if current else _first_arm(page, arms)

    def chosen(name: str) -> None:
        there = [cell for cell in plan.cells if cell.arm == name]
        same = [c for c in there if current and (c.prompt, c.repeat) == (current.prompt, current.repeat)]
        _go((same or there)[0])

    return _select(page("trajectory.choose.arm"), arms, arm, "arm", chosen)


def _first_arm(page: Page, arms: Sequence[str]) -> str:
    """The recommended one where it searches within a video, else the dearest that does, else the first."""
    searches = [arm for arm in arms if method_of(arm) not in WHOLE]
    recommended = page.open.findings.verdict.arm
    return recommended if recommended in searches else (searches or list(arms))[-1 if searches else 0]


def _find(page: Page, listed: Sequence[Listed]) -> str:
    """The search box; what is typed leads to the first prompt that holds it."""
    widget = f"trajectory-find-{page.lang}"
    st.session_state.setdefault(widget, state.asked(FIND)[:200])

    def typed() -> None:
        text = str(st.session_state[widget]).strip()
        st.query_params.pop(FIND, None)
        if text:
            st.query_params[FIND] = text
            hits = _holding(listed, text)
            if hits:
                _go(hits[0].cell)

    return st.text_input(
        page("trajectory.choose.find"), key=widget, on_change=typed, placeholder=page("trajectory.choose.find_hint"),
        icon=":material/search:", max_chars=200,
    ).strip()  # fmt: skip


def _matching(page: Page, listed: Sequence[Listed], text: str) -> Sequence[Listed]:
    found = _holding(listed, text)
    if not found:
        st.caption(page("trajectory.choose.none_found", text=plain(text)))
    return found or listed


def _prompt_and_repeat(
    page: Page, listed: Sequence[Listed], found: Sequence[Listed], current: Planned, order: str
) -> Planned:
    """Prompts in order, each with what tells its place, and the repeats of the chosen one."""
    told: dict[str, str] = {}
    for each in found:
        told.setdefault(each.cell.prompt, f"{each.told} {each.cell.prompt}".strip())
    all_of_them, shown = len(told), dict(list(told.items())[:SHOWN])
    shown.setdefault(current.prompt, told.get(current.prompt, current.prompt))
    of_prompt = [each.cell for each in listed if each.cell.prompt == current.prompt] or [current]

    def prompt_chosen(prompt: str) -> None:
        _go(next(each.cell for each in listed if each.cell.prompt == prompt))

    def repeat_chosen(repeat: int) -> None:
        _go(next(cell for cell in of_prompt if cell.repeat == repeat))

    left, right = st.columns([4.6, 1])
    with left:
        label = page("trajectory.choose.prompt", count=all_of_them)
        _select(label, list(shown), current.prompt, "prompt", prompt_chosen, shown.__getitem__, _help(page, order))
    with right:
        repeats = sorted({cell.repeat for cell in (*of_prompt, current)})
        _select(page("trajectory.choose.repeat"), repeats, current.repeat, "repeat", repeat_chosen)
    if all_of_them > SHOWN:
        st.caption(page("trajectory.choose.too_many", count=SHOWN))
    return current


def _help(page: Page, order: str) -> str | None:
    return {"losing": page("trajectory.choose.help_losing"), "rescue": page("trajectory.choose.help_rescue")}.get(order)


def _select(
    label: str,
    options: Sequence[T],
    value: T,
    name: str,
    chosen: Callable[[T], None],
    show: Callable[[T], str] = str,
    help: str | None = None,
) -> T:
    """A box whose value follows the URL; a change writes the cell there."""
    widget = f"trajectory-{name}-{state.language()}"
    st.session_state[widget] = value

    def changed() -> None:
        chosen(st.session_state[widget])

    st.selectbox(label, options, format_func=show, key=widget, on_change=changed, help=help)
    return value


def _go(cell: Planned) -> None:
    """Another cell opens where its own search mattered most, not at the step that was looked into before."""
    st.query_params[CELL] = cell.cell
    for name in OWN:
        state.forget(name)


# --- the order --------------------------------------------------------------------------------------------


def _listed(page: Page, arm: str, order: str) -> list[Listed]:
    """Finished cells of an arm in an order; all planned ones where none is finished."""
    attempts = {attempt.cells[0]: attempt for attempt in page.open.material.attempts if len(attempt.cells) == 1}
    planned = [cell for cell in page.open.run.plan.cells if cell.arm == arm]
    done = [cell for cell in planned if cell.cell in attempts and not attempts[cell.cell].failed]
    if not done:
        return [Listed(cell) for cell in planned]
    if order == "rescue":
        listed = _by_rescue(page, arm, done)
    elif order == "losing":
        listed = by_loss(done, attempts, page.open.run.plan.baseline, page.lang)
    else:
        listed = [Listed(cell) for cell in done]
    return _traced_first(page, listed)


def _traced_first(page: Page, listed: Sequence[Listed]) -> list[Listed]:
    """Cells without a trace (a bundle holds few of them) come last and say so."""
    traced = {each.cell.cell for each in listed if has_trace(page, each.cell.cell)}
    words = page("trajectory.choose.untraced")
    return [each for each in listed if each.cell.cell in traced] + [
        Listed(each.cell, f"{each.told} {words}".strip()) for each in listed if each.cell.cell not in traced
    ]


def _by_rescue(page: Page, arm: str, done: Sequence[Planned]) -> list[Listed]:
    found = arm_rescues(page, arm)
    if len(found.best) < found.cells:
        st.caption(page("trajectory.choose.scanned", count=len(found.best), all=found.cells))
    ranked = sorted(done, key=lambda cell: -found.best.get(cell.cell, (-1.0, None))[0])
    return [Listed(cell, _told_rescue(found.best.get(cell.cell))) for cell in ranked]


def _told_rescue(best: tuple[float, int | None] | None) -> str:
    return "" if best is None or best[1] is None else f"◆ {signed(best[0])} ·"


def by_loss(
    done: Sequence[Planned], attempts: dict[str, Attempt], baseline: str, lang: Lang
) -> list[Listed]:  # fmt: skip
    """Cells against the plain cell of their prompt and repeat: those that lost first, by acceptance, then by score."""
    plain_ones = {(a.prompt, a.repeat): a for a in attempts.values() if a.arm == baseline and not a.failed}
    ranked = []
    for cell in done:
        own, other = attempts[cell.cell], plain_ones.get((cell.prompt, cell.repeat))
        accepted = _less(own.accepted, other.accepted if other else None)
        score = _less(own.rewarded, other.rewarded if other else None)
        ranked.append((accepted or 0.0, score or 0.0, _told_loss(lang, accepted, score), cell))
    ranked.sort(key=lambda each: each[:2])
    return [Listed(cell, told) for _, _, told, cell in ranked]


def _told_loss(lang: Lang, accepted: float | None, score: float | None) -> str:
    """What came out better or worse, in a sign, a word and the difference of scores.

    >>> _told_loss("en", -1.0, 0.2), _told_loss("en", None, -0.12), _told_loss("en", None, None)
    ('▼ acceptance worse (score +0.200) ·', '▼ score −0.120 ·', '')
    """
    outcome = accepted if accepted is not None else score
    if outcome is None:
        return ""
    sign, way = ("▼", "worse") if outcome < 0 else ("▲", "better") if outcome > 0 else ("=", "same")
    if accepted is None:
        return say(lang, "trajectory.choose.against_scored", sign=sign, score=signed(score))
    word = say(lang, f"trajectory.choose.{way}")
    return say(lang, "trajectory.choose.against_accepted", sign=sign, word=word, score=signed(score))


def _less(own: float | None, other: float | None) -> float | None:
    return None if own is None or other is None else own - other


def _holding(listed: Sequence[Listed], text: str) -> list[Listed]:
    wanted = text.casefold()
    return [each for each in listed if wanted in each.cell.prompt.casefold()]
