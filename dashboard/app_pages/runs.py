"""Runs: is it finished, and valid? Follows a run that is under way."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import streamlit as st

from dashboard import blocks, cell_matrix, grids, links, look, runs
from dashboard.cell_matrix import SPLITS, WORDS
from dashboard.following import Following, follow, matrix
from dashboard.page import Page, begin, plain
from sn_eval.poc.spending import FILE_NAME as SPENT
from sn_eval.poc.status import ArmStatus
from sn_eval.present.money import money
from sn_eval.present.report.model import Checklist, Column, Fact, Grid, Row
from sn_eval.results.files import ResultsError

EVERY = 5  # seconds between two looks at a run that is not finished
BY_PROMPT = 60  # prompts that get a row of their own; of more, groups are counted
LATEST = 20  # runs of the folder that are listed
LONG = 300  # letters of a message
CATEGORIES = {
    "quality": "runs_page.category_quality", "infrastructure": "runs_page.category_infrastructure",
    "evaluator": "runs_page.category_evaluator", "input": "runs_page.category_input",
}  # fmt: skip
UNITS = (("runs_page.days", 86400.0), ("runs_page.hours", 3600.0), ("runs_page.minutes", 60.0))


def main() -> None:
    """Draw the page."""
    page = begin("runs", needs_cells=False)
    look.apply()
    st.html(f"<style>{cell_matrix.CSS}</style>")
    if page.open.state == "complete":
        _now(page, None)
    else:
        paused = st.toggle(page("runs_page.pause"), key="paused", bind="query-params")
        st.fragment(_now, run_every=None if paused else EVERY)(page, None if paused else EVERY)
    _valid(page)
    _others(page)
    page.end()


def _now(page: Page, every: int | None) -> None:
    """What changes while it runs. every: seconds until it is looked at again, None where it is not."""
    try:
        found = _followed(page)
    except (ResultsError, OSError) as error:
        st.error(page("runs_page.gone", why=plain(str(error))), icon=":material/error:")
        return
    if every and found.open == 0 and _over(page):
        st.rerun()  # the whole page: its notices and its verdict have changed, and there is no more to wait for
    _standing(page, found, every)
    cards = "".join(blocks.card(page, fact) for fact in headline(page, found))
    st.html(f'<div class="sn-facts sn-five">{cards}</div>')
    st.caption(page("runs_page.cap"))
    st.subheader(page("runs_page.by_arm"))
    st.html(arms_table(page, found))
    _matrix(page, found)
    _failures(page, found)


def _over(page: Page) -> bool:
    """Whether the run is finished for all pages, too: they may be a little behind."""
    try:
        return runs.open_run(page.open.id).state == "complete"
    except ResultsError:
        return False


@st.cache_resource(max_entries=16, show_spinner=False)
def _kept(_page: Page, run_id: str, version: str, spent: str, minute: int) -> Following:
    return follow(_page.open.run)


def _followed(page: Page) -> Following:
    """Looked at anew where something has changed since, and each minute, since silence is news, too."""
    folder = page.open.run.folder
    spent = folder / SPENT
    counted = str(spent.stat().st_mtime_ns) if spent.is_file() else ""
    minute = int(datetime.now(UTC).timestamp() // 60)
    return _kept(page, page.open.id, runs.version_of(folder), counted, minute)


# --- how it stands ----------------------------------------------------------------------------------------


def _standing(page: Page, found: Following, every: int | None) -> None:
    """Whether it is finished, running or stopped, and the command that goes on with it."""
    where = short(page.open.run.folder)
    if found.open == 0:
        st.success(page("runs_page.finished"), icon=":material/check_circle:")
        if not page.open.demo:
            _command(page("runs_page.report"), f"sn-eval poc report {where}")
        return
    _under_way(page, found)
    time = datetime.now(UTC).strftime("%H:%M:%S UTC")
    if every:
        st.caption(page("runs_page.refreshed", time=time, seconds=every))
    elif page.open.state != "complete":
        st.caption(page("runs_page.paused", time=time))
    if not page.open.demo and page.open.run.plan.kind == "generated":
        _command(page("runs_page.go_on"), f"sn-eval poc run {where}/spec.yaml --out {where}")


def short(folder: Path) -> str:
    """A run's folder as it is reached from where the server was started; its name alone where it lies elsewhere."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else folder.name


def _under_way(page: Page, found: Following) -> None:
    pace = found.pace
    if all(fate != "waiting" for fate in found.fates.values()):
        st.warning(page("runs_page.settled", count=f"{found.open:,}"), icon=":material/rule:")
    elif pace is None:
        st.info(page("runs_page.not_begun"), icon=":material/hourglass_empty:")
    elif pace.running:
        st.info(page("runs_page.under_way", ago=lasting(page, pace.silent)), icon=":material/play_circle:")
    else:
        st.warning(page("runs_page.stopped", ago=lasting(page, pace.silent)), icon=":material/pause_circle:")


def _command(title: str, text: str) -> None:
    st.caption(title)
    st.code(text, language=None)


def headline(page: Page, found: Following) -> tuple[Fact, ...]:
    """Cells, failures, time and money."""
    status, counts = found.status, Counter(found.fates.values())
    lost = sum(status.failed.values()) + len(status.damaged)
    share = f"{status.done / status.planned:.0%}" if status.planned else "–"
    done = page("runs_page.cells_value", done=f"{status.done:,}", planned=f"{status.planned:,}")
    failed = {
        name: f"{counts[name]:,}" for name in ("quality", "infrastructure", "input", "damaged")
    }  # fmt: skip
    return (
        Fact(page("runs_page.cells"), done, note=page("runs_page.share", share=share), number=float(status.done)),
        Fact(
            page("runs_page.failed"), f"{lost:,}", note=page("runs_page.failed_note", **failed), number=float(lost)
        ),
        Fact(
            page("runs_page.computed"), lasting(page, status.seconds), note=page("runs_page.computed_note"),
            number=status.seconds,
        ),
        _left(page, found),
        _spent(page, found),
    )  # fmt: skip


def _left(page: Page, found: Following) -> Fact:
    label, alone, pace = page("runs_page.left"), found.status.seconds_left, found.pace
    if found.open == 0:
        return Fact(label, page("runs_page.left_none"), note=page("runs_page.left_nothing"), number=0.0)
    if found.left is not None and pace is not None:
        told = page("runs_page.left_pace", workers=f"{pace.workers:.1f}")
        return Fact(label, lasting(page, found.left), note=told, number=found.left)
    why = page("runs_page.left_no_pace")
    if alone is None and pace is not None:
        why = page("runs_page.left_no_arm")
    elif alone is not None and pace is not None:
        why = page("runs_page.left_silent", alone=lasting(page, alone))
    return Fact(label, page("runs_page.left_unknown"), note=why)


def _spent(page: Page, found: Following) -> Fact:
    status, label = found.status, page("runs_page.spent")
    if status.money is None:
        why = page("runs_page.spent_why", why=status.no_money)
        return Fact(label, page("runs_page.spent_unknown"), note=why)
    counted = (page.open.run.folder / SPENT).is_file()
    note = page("runs_page.spent_counted") if counted else page("runs_page.spent_records")
    mark = page("example.mark") if page.open.findings.watermark else ""
    return Fact(label, money(status.money, status.currency, page.lang), note=note, number=status.money, mark=mark)


def lasting(page: Page, seconds: float) -> str:
    """A length of time in words."""
    for key, length in UNITS:
        if seconds >= 2 * length:
            return page(key, n=f"{seconds / length:,.1f}")
    return page("runs_page.seconds", n=f"{seconds:.1f}" if 0 < seconds < 10 else f"{seconds:.0f}")


# --- cells ------------------------------------------------------------------------------------------------


def arms_table(page: Page, found: Following) -> str:
    """Progress of every arm and split as HTML: a bar, and its numbers."""
    keys = (
        ("runs_page.arm", ""), ("runs_page.split", ""), ("runs_page.progress", ""), ("runs_page.done", "n"),
        ("runs_page.planned", "n"), ("runs_page.failed_short", "n"), ("runs_page.remaining", "n"),
        ("runs_page.each", "n"),
    )  # fmt: skip
    head = "".join(f'<th scope="col" class="{kind}">{escape(page(key))}</th>' for key, kind in keys)
    body = "".join(_arm_row(page, arm) for arm in found.status.arms)
    return f'<table class="sn-arms"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _arm_row(page: Page, arm: ArmStatus) -> str:
    shares = [100 * count / arm.planned if arm.planned else 0.0 for count in (arm.done, arm.failed)]
    words = escape(f"{arm.done:,} / {arm.planned:,}")
    bar = (
        f'<div class="sn-bar" role="img" aria-label="{words}" title="{words}"><span class="f-done" '
        f'style="width:{shares[0]:.2f}%"></span><span class="f-failed" style="width:{shares[1]:.2f}%"></span></div>'
    )
    each = "–" if arm.seconds is None else lasting(page, arm.seconds)
    numbers = [f"{n:,}" for n in (arm.done, arm.planned, arm.failed, arm.planned - arm.done - arm.failed)]
    cells = "".join(f'<td class="n">{escape(text)}</td>' for text in (*numbers, each))
    split = escape(page(SPLITS[arm.split]))
    return f'<tr><th scope="row">{escape(arm.arm)}</th><td class="sn-small">{split}</td><td>{bar}</td>{cells}</tr>'


def _matrix(page: Page, found: Following) -> None:
    plan = page.open.run.plan
    prompts = len({cell.prompt for cell in plan.cells})
    by_prompt = prompts <= BY_PROMPT
    st.subheader(page("runs_page.matrix"))
    told = page("runs_page.matrix_prompts") if by_prompt else page("runs_page.matrix_groups", prompts=f"{prompts:,}")
    st.caption(told)
    st.html(cell_matrix.legend(page, Counter(found.fates.values())))
    st.html(cell_matrix.table(page, matrix(plan, found.fates, BY_PROMPT), plan.arms, by_prompt=by_prompt))
    if st.toggle(page("runs_page.table_of_cells"), key="cells", bind="query-params"):  # thousands of rows: on demand
        grid = cells_grid(page, found)
        grids.table(page, grid)
        grids.csv_button(page, grid)


def cells_grid(page: Page, found: Following) -> Grid:
    """All cells of the plan with what became of them."""
    columns = (
        Column(page("runs_page.cell")), Column(page("runs_page.prompt"), wide=True), Column(page("runs_page.arm")),
        Column(page("runs_page.repeat"), "integer"), Column(page("runs_page.fate"), wide=True),
    )  # fmt: skip
    rows = tuple(
        Row((cell.cell, cell.prompt, cell.arm, cell.repeat, page(WORDS[found.fates[cell.cell]])))
        for cell in page.open.run.plan.cells
    )
    return Grid("cells", page("runs_page.matrix"), columns, rows)


# --- what went wrong --------------------------------------------------------------------------------------


def _failures(page: Page, found: Following) -> None:
    st.subheader(page("runs_page.failures"))
    if not found.failures:
        st.caption(page("runs_page.no_failures"))
    else:
        mended = sum(each.fate == "done" and each.category != "evaluator" for each in found.failures)
        st.caption(page("runs_page.attempts", attempts=f"{found.attempts:,}", mended=f"{mended:,}"))
        grids.table(page, failures_grid(page, found))
        grids.csv_button(page, failures_grid(page, found))
    if found.unreadable:
        st.warning(page("runs_page.unreadable_lines", count=found.unreadable), icon=":material/broken_image:")
    if found.status.damaged:
        columns = (Column(page("runs_page.cell")), Column(page("runs_page.why"), wide=True))
        rows = tuple(Row((cell, why)) for cell, why in found.status.damaged.items())
        grids.grid(page, Grid("damaged_cells", page("runs_page.damaged"), columns, rows))
    if found.status.unmeasured:
        st.markdown(f"**{page('runs_page.unmeasured')}**")
        for name, count in found.status.unmeasured.items():
            told = page("runs_page.unmeasured_line", name=name, count=f"{count:,}", done=f"{found.status.done:,}")
            st.markdown(f"- {plain(told)}")


def failures_grid(page: Page, found: Following) -> Grid:
    """The last failure of every cell that has one, the latest first."""
    columns = (
        Column(page("runs_page.cell")), Column(page("runs_page.category")),
        Column(page("runs_page.attempt"), "integer"), Column(page("runs_page.message"), wide=True),
        Column(page("runs_page.time")), Column(page("runs_page.now")),
    )  # fmt: skip
    latest = sorted(found.failures, key=lambda each: each.time, reverse=True)
    rows = tuple(
        Row(
            (each.cell, page(CATEGORIES[each.category]), each.attempt, each.message[:LONG], each.time,
             page(WORDS[each.fate]))
        )
        for each in latest
    )  # fmt: skip
    return Grid("failures", page("runs_page.failures"), columns, rows)


# --- is it valid ------------------------------------------------------------------------------------------


def _valid(page: Page) -> None:
    st.subheader(page("runs_page.validity"))
    if page.open.state == "empty":
        st.caption(page("runs_page.validity_undecided"))
    else:
        rules = [block for section in page.report.sections for block in section.of(Checklist) if block.rules]
        for block in rules[:1]:
            blocks.show(page, block)
    plan = page.open.run.plan
    if plan.declared_on:
        told = page("runs_page.rules_declared", when=plain(plan.declared_on))
    else:
        told = page("runs_page.rules_no_date")
    if page.open.material.rules_changed:
        st.warning(f"{told} {page('runs_page.rules_changed')}", icon=":material/edit_note:")
    else:
        st.caption(f"{told} {page('runs_page.rules_same')}")
    if plan.notes:
        st.markdown(f"**{page('runs_page.notes')}**")
        st.markdown("\n".join(f"- {plain(note)}" for note in plan.notes))


# --- the others -------------------------------------------------------------------------------------------


def _others(page: Page) -> None:
    st.subheader(page("runs_page.all_runs"))
    try:
        listing = runs.listing()
    except ResultsError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if len(listing.runs) > LATEST:
        st.caption(page("runs_page.only_latest", shown=LATEST, count=f"{len(listing.runs):,}"))
    for run_id, folder in list(listing.runs.items())[:LATEST]:
        name, standing = st.columns([2, 5], vertical_alignment="center")
        with name:
            if run_id == page.open.id:
                st.markdown(f"**{plain(run_id)}** ({page('runs_page.this_one')})")
            else:
                links.to(page, "runs", run_id, run=run_id)
        standing.markdown(_state(page, runs.glance(str(folder))))
    if listing.left_out:
        names = ", ".join(repr(name) for name in listing.left_out)
        st.warning(page("runs_page.left_out", names=plain(names)), icon=":material/folder_off:")


def _state(page: Page, seen: Mapping[str, str]) -> str:
    if seen.get("why"):
        return page("runs_page.state_unreadable", why=plain(seen["why"]))
    counted = page("runs_page.cells_value", done=seen["done"], planned=seen["planned"])
    words = {
        "complete": "runs_page.state_complete", "partial": "runs_page.state_partial", "empty": "runs_page.state_empty"
    }  # fmt: skip
    return f"{page(words[seen['state']])} · {counted}"


if __name__ == "__main__":
    main()
