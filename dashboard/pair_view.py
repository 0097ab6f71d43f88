"""Two cells side by side: their videos on one clock, what every judge says of both, and what they cost."""

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape

import streamlit as st

from dashboard import blocks, cell_view, duels, links, media, player, state
from dashboard.page import Page, plain
from sn_eval.decision.findings import Attempt
from sn_eval.decision.paired_dots import SAME, Meeting, cells_of, unmet
from sn_eval.decision.prices import money
from sn_eval.present.paired_dots import SIGNS, short
from sn_eval.present.report.model import Column, Grid, Row, Value
from sn_eval.results.experiment import Criterion
from sn_eval.results.plan import Planned

SIDES = ("A", "B")
NONE = "none"
LETTERS = 80  # of an unknown id that is shown


def show(page: Page, left: str, right: str, *, meetings: Sequence[Meeting] = ()) -> None:
    """The pair, or what is wrong with its ids. meetings: repeats of its prompt to choose from."""
    if known(page, left, right):
        _both(page, [page.open.planned[cell] for cell in (left, right)], meetings)


def known(page: Page, left: str, right: str) -> bool:
    """Whether both are cells of the run; else says what is wrong with the link."""
    if not left or not right:
        st.error(page("pair.half"), icon=":material/link_off:")
        return False
    unknown = [name for name in (left, right) if page.open.cell(name) is None]
    for name in unknown:
        st.error(page("pair.unknown", cell=plain(short(name, LETTERS))), icon=":material/link_off:")
    return not unknown


def _both(page: Page, cells: Sequence[Planned], meetings: Sequence[Meeting]) -> None:
    left, right = (cell.cell for cell in cells)
    for prompt in dict.fromkeys(cell.prompt for cell in cells):
        st.markdown(f"{page('pair.prompt')}: **{plain(' '.join(prompt.split()))}**")
    if cells[0].prompt != cells[1].prompt:
        st.warning(page("pair.two_prompts"), icon=":material/warning:")
    _other_repeats(page, left, right, meetings)
    player.pair(page, left, right, key="compare")
    _sheets(page, cells)
    _verdicts(page, cells)
    blocks.show(page, scores_grid(page, cells))
    with st.container(horizontal=True):
        for cell in cells:
            links.to(page, "trajectories", page("pair.tree", arm=name_of(cells, cell)), cell=cell.cell)
    _details(page, cells)


# --- which pair -------------------------------------------------------------------------------------------


def _other_repeats(page: Page, left: str, right: str, meetings: Sequence[Meeting]) -> None:
    """Other repeats of the prompt, the greatest loss first; of videos made elsewhere, other candidates."""
    if any(len(each.ours.cells) > 1 or len(each.theirs.cells) > 1 for each in meetings):
        _candidates(page, left, right, meetings[0])
    elif len(meetings) > 1:
        pairs, names = [cells_of(each) for each in meetings], [repeat_name(page, each) for each in meetings]
        key = f"repeat-{left}-{right}"
        st.segmented_control(
            page("pair.repeat"), range(len(pairs)), format_func=names.__getitem__, key=key,
            default=pairs.index((left, right)) if (left, right) in pairs else None,
            on_change=partial(_jump, key, pairs),
        )  # fmt: skip


def repeat_name(page: Page, meeting: Meeting) -> str:
    """A repeat with how it came out."""
    gain = meeting.gain
    sign = "unknown" if gain is None else "same" if abs(gain) <= SAME else "better" if gain > 0 else "worse"
    return page("pair.repeat_of", repeat=meeting.ours.repeat, sign=f"{SIGNS[sign]} {page(f'paired.{sign}')}")


def _jump(key: str, pairs: Sequence[tuple[str, str]]) -> None:
    place = st.session_state.get(key)
    if place is not None:
        duels.open_pair(*pairs[place])


def _candidates(page: Page, left: str, right: str, meeting: Meeting) -> None:
    """Two selectors: each side may be any candidate of the prompt."""
    cells = list(dict.fromkeys((*meeting.theirs.cells, *meeting.ours.cells)))
    for side, cell, label in (("left", left, "pair.candidate_a"), ("right", right, "pair.candidate_b")):
        key = f"candidate-{side}-{cell}"
        st.selectbox(
            page(label), cells, index=cells.index(cell) if cell in cells else None, key=key, width=280,
            on_change=partial(_replace, key, side, (left, right)),
        )  # fmt: skip
    st.caption(page("pair.candidates"))


def _replace(key: str, side: str, pair: tuple[str, str]) -> None:
    chosen = st.session_state.get(key)
    if chosen is not None:
        duels.open_pair(*((chosen, pair[1]) if side == "left" else (pair[0], chosen)))


# --- what is known of it ----------------------------------------------------------------------------------


def attempts(page: Page) -> Mapping[str, Attempt]:
    """Every cell's own attempt."""
    return _attempts(page, page.open.id, page.open.version)


@st.cache_resource(max_entries=4, show_spinner=False)
def _attempts(_page: Page, run_id: str, version: str) -> Mapping[str, Attempt]:
    return {each.cells[0]: each for each in _page.open.material.candidates}


def name_of(cells: Sequence[Planned], cell: Planned) -> str:
    """What a side is called: its arm, with what tells two of one arm apart."""
    if cells[0].arm != cells[1].arm:
        return cell.arm
    return f"{cell.arm} #{cell.repeat}"


def verdict(page: Page, cell: Planned) -> str:
    """Accepted or why not; or why nothing can be said, with the message of what went wrong."""
    attempt = attempts(page).get(cell.cell)
    if attempt is None:
        kind, why = cell_view.trouble(page, cell.cell)
        return page({"damaged": "pair.damaged", "not_run": "pair.not_run"}.get(kind, "pair.broken"), why=why)
    if attempt.failed:
        return page("pair.failed", why=attempt.why)
    criteria = page.open.experiment.criteria(cell.group)
    word = page(
        "word.undecided" if attempt.accepted is None else "word.accepted" if attempt.accepted >= 0.5 else
        "word.rejected"
    )  # fmt: skip
    missed = ", ".join(_missed(page, each, value) for each, value in unmet(attempt.scores, criteria))
    if not criteria and attempt.accepted is None:
        missed = page("pair.undecided")
    return page("pair.because", verdict=word, why=missed) if missed else word


def _missed(page: Page, criterion: Criterion, value: float | None) -> str:
    """A criterion that is not met, with both numbers."""
    number = page.teller.number
    if value is None:
        return page("pair.unmeasured", evaluator=criterion.evaluator)
    low = criterion.at_least is not None and value < criterion.at_least
    bound = criterion.at_least if low else criterion.at_most
    return page("pair.below" if low else "pair.above", evaluator=criterion.evaluator, value=number(value),
                bound=number(bound))  # fmt: skip


def _verdicts(page: Page, cells: Sequence[Planned]) -> None:
    for column, side, cell in zip(st.columns(2), SIDES, cells, strict=True):
        name = page("pair.score_of", side=side, arm=name_of(cells, cell))
        column.markdown(f"**{plain(name)}**  \n{plain(verdict(page, cell))}")


def scores_grid(page: Page, cells: Sequence[Planned]) -> Grid:
    """Both cells by evaluator, and what they cost."""
    found = [attempts(page).get(cell.cell) for cell in cells]
    columns = (
        Column(page("compare_page.outcome")),
        *(Column(page("pair.score_of", side=side, arm=name_of(cells, cell)), "general")
          for side, cell in zip(SIDES, cells, strict=True)),
        Column(page("column.difference"), "general"),
        Column(page("column.result")),
        Column(page("column.remark"), wide=True),
    )  # fmt: skip
    return Grid("pair", page("pair.scores"), columns, (*_score_rows(page, found), *_cost_rows(page, found)))


def _score_rows(page: Page, found: Sequence[Attempt | None]) -> list[Row]:
    rows = []
    for judge in page.open.findings.judges:
        values = [each.scores.get(judge.label) if each else None for each in found]
        cells, gain = _cells(page, values), None
        if values[0] is not None and values[1] is not None:
            gain = (values[1] - values[0]) * (1 if judge.higher_is_better else -1)
        sign = "unknown" if gain is None else "same" if abs(gain) <= SAME else "better" if gain > 0 else "worse"
        notes = [page("word.searched")] * judge.searched
        notes += [] if judge.higher_is_better else [page("word.lower_is_better")]
        rows.append(Row((judge.label, *cells, f"{SIGNS[sign]} {page(f'paired.{sign}')}", " · ".join(notes))))
    return rows


def _cost_rows(page: Page, found: Sequence[Attempt | None]) -> list[Row]:
    computes = [each.compute if each else None for each in found]
    kept = page.open.run.records()
    records = [kept[cell] for each in found if each for cell in each.cells if cell in kept]
    price = page.open.findings.price
    amounts = {
        "pair.nfe": [each.nfe if each else None for each in computes],
        "pair.device": [each.seconds if each else None for each in computes],
        "pair.wall": [each.wall if each else None for each in computes],
    }
    sources = {
        "pair.nfe": [each.cost.nfe.source for each in records],
        "pair.device": [each.source for each in computes if each],
        "pair.wall": [each.cost.seconds.source for each in records],
    }  # seconds of a CPU's device are wall time by its threads, which is an estimate; the others are the record's own
    told_of = {key: _told_sources(page, each) for key, each in sources.items()}
    rows = [Row((page(key), *_cells(page, values), "", told_of[key])) for key, values in amounts.items()]
    if price is not None:
        paid = [money(price, each) if each else None for each in computes]
        told = [page.teller.money(value) for value in paid]
        more = page.teller.money(paid[1] - paid[0], signed=True) if None not in paid else None  # type: ignore[operator]
        rows.append(Row((page("pair.money"), *told, more, "", page.teller.money_mark)))
    return rows


def _told_sources(page: Page, sources: Sequence[str]) -> str:
    """Whether amounts were measured or estimated, each word once."""
    return ", ".join(dict.fromkeys(page.teller.source(each) for each in sources if each != "none"))


def _cells(page: Page, values: Sequence[float | None]) -> tuple[Value, ...]:
    """Both values and the second minus the first, as text: one column holds figures of every size."""
    number = page.teller.number
    more = None if values[0] is None or values[1] is None else values[1] - values[0]
    return number(values[0]), number(values[1]), number(more, signed=True)


def _sheets(page: Page, cells: Sequence[Planned]) -> None:
    """Frames in a row, where there is no video to show but those were kept."""
    run = page.open
    for cell in cells:
        if not media.there(run, cell.cell) and media.there(run, cell.cell, "contact_sheet.png"):
            source = escape(media.url(run.id, cell.cell, "contact_sheet.png"))
            alt = escape(page("pair.sheet", arm=name_of(cells, cell)))
            st.html(f'<figure><img src="{source}" alt="{alt}" style="max-width:100%"><br>{alt}</figure>')


def _details(page: Page, cells: Sequence[Planned]) -> None:
    names = {NONE: page("pair.none")} | {
        side: page("pair.score_of", side=side, arm=plain(name_of(cells, cell)))
        for side, cell in zip(SIDES, cells, strict=True)
    }
    side = state.pick(page("pair.details"), names, "record", draw=st.segmented_control, required=True)
    if side in SIDES:
        cell_view.show(page, cells[SIDES.index(side)].cell)
