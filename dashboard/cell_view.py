"""Everything that is recorded of one cell: what was asked, what came out, what it cost, and its files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import blocks, media
from dashboard.page import Page, plain
from sn_eval.present.paired_dots import short
from sn_eval.present.report.model import Column, Grid, Row
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Judge, Planned
from sn_eval.results.record import PREVIEW, SEARCHED, WHOLE, Component, Record

LETTERS = 80  # of an unknown id that is shown
AMOUNTS = (
    "nfe", "nfe_preview", "decoded_frames", "reward_frames", "flops", "peak_memory_bytes", "energy_joules",
)  # fmt: skip
TROUBLES = {
    "damaged": ":material/broken_image:", "quality": ":material/block:", "infrastructure": ":material/error:",
    "other": ":material/error:", "not_run": ":material/hourglass_empty:",
}  # fmt: skip


def show(page: Page, cell: str) -> None:
    """All of it below each other; what is wrong with the cell stands first, and whatever is left of it follows."""
    planned = page.open.cell(cell)
    if planned is None:
        st.error(page("cell_view.unknown", cell=plain(short(cell, LETTERS))), icon=":material/link_off:")
        return
    st.markdown(f"#### `{cell}`")
    st.caption(plain(_place(page, planned)))
    st.markdown(plain(" ".join(planned.prompt.split())))
    record = _record(page, cell)
    kind, why = trouble(page, cell)
    if kind:
        words = page(f"cell_view.{kind}", why=plain(why), attempt=_tries(page, cell))
        (st.info if kind == "not_run" else st.error)(words, icon=TROUBLES[kind])
    if record is None:
        return
    for grid in grids_of(page, record):
        blocks.show(page, grid)
    _files(page, cell, record)


def trouble(page: Page, cell: str) -> tuple[str, str]:
    """(what is wrong with a planned cell, the message), ("", "") for a whole one. One of TROUBLES."""
    if cell in page.open.damaged:
        return "damaged", page.open.damaged[cell]
    store = page.open.run.store
    if store.has(cell):
        return "", ""
    last = store.last_errors().get(cell)
    if last is None:
        return "not_run", ""
    kind = str(last.get("category", ""))
    return kind if kind in TROUBLES else "other", str(last.get("message", ""))


def _tries(page: Page, cell: str) -> int | None:
    last = page.open.run.store.last_errors().get(cell)
    return last.get("attempt") if last else None


def _record(page: Page, cell: str) -> Record | None:
    """The record as it lies there; None where it is missing or cannot be read."""
    try:
        return page.open.run.store.record(cell)
    except ResultsError:
        return None


def _place(page: Page, cell: Planned) -> str:
    return page("cell_view.place", arm=cell.arm, repeat=cell.repeat, split=page(f"word.{cell.split}"),
                group=cell.group or None)  # fmt: skip


# --- tables -----------------------------------------------------------------------------------------------


def grids_of(page: Page, record: Record) -> tuple[Grid, ...]:
    """Scores, time by phase, other amounts, parameters, machine."""
    return tuple(made(page, record) for made in (_scores, _times, _amounts, _parameters, _machine))


def _scores(page: Page, record: Record) -> Grid:
    judges = {judge.key: judge for judge in page.open.run.plan.judges}
    columns = (
        Column(page("cell_view.score"), wide=True),
        Column(page("cell_view.value"), "number", digits=4),
        Column(page("cell_view.role")),
    )
    rows = tuple(
        Row((name, value, page(f"cell_view.{role(name, judges)}")),
            look="searched" if name in judges and judges[name].searched else "plain")
        for name, value in record.scores.items()
    )  # fmt: skip
    return Grid("cell_scores", page("cell_view.scores"), columns, rows, page("cell_view.not_scored"))


def role(name: str, judges: Mapping[str, Judge]) -> str:
    """What a key of `Record.scores` is to the experiment: a key of the catalogue.

    >>> role("searched:likeness", {}), role("whole:likeness/speed", {}), role("preview_correlation@16", {})
    ('searched', 'part', 'preview')
    """
    if name in judges:
        return "judge_searched" if judges[name].searched else "judge"
    if name.startswith(PREVIEW):
        return "preview"
    if "/" in name:
        return "part"
    return "searched" if name.startswith(SEARCHED) else "rewarded" if name.startswith(WHOLE) else "extra"


def _times(page: Page, record: Record) -> Grid:
    seconds = record.cost.seconds
    columns = (Column(page("cell_view.phase")), Column(page("cell_view.seconds"), "number", digits=3))
    rows = tuple(Row((phase, value)) for phase, value in seconds.by_phase.items())
    total = Row((page("cell_view.total"), seconds.total if seconds.source != "none" else None), look="total")
    note = page("cell_view.times_note", source=page.teller.source(seconds.source), how=seconds.how)
    return Grid("cell_times", page("cell_view.times"), columns, (*rows, total), note)


def _amounts(page: Page, record: Record) -> Grid:
    columns = (
        Column(page("cell_view.amount")),
        Column(page("cell_view.value"), "general"),
        Column(page("cell_view.source")),
        Column(page("cell_view.how"), wide=True),
    )
    rows = []
    for name in AMOUNTS:
        found = getattr(record.cost, name)
        told = page.teller.source(found.source)
        rows.append(Row((page(f"cell_view.{name}"), page.teller.number(found.value), told, found.how)))
    return Grid("cell_amounts", page("cell_view.amounts"), columns, tuple(rows))


def _parameters(page: Page, record: Record) -> Grid:
    parts = {
        "prompt": record.prompt, "schedule": record.schedule, "image": record.image, "seed": record.seed,
        "model": record.model, "rollout": record.rollout, "method": record.method, "rewards": record.rewards,
        "parameters": record.parameters, "frames": record.frames, "fps": record.fps,
        "size": f"{record.width} x {record.height}", "frames_sha256": record.frames_sha256, "created": record.created,
    }  # fmt: skip
    return _named(page, "cell_parameters", page("cell_view.parameters"), parts)


def _machine(page: Page, record: Record) -> Grid:
    parts = {**record.environment.model_dump(), "versions": record.versions}
    return _named(page, "cell_machine", page("cell_view.machine"), parts)


def _named(page: Page, key: str, title: str, parts: Mapping[str, Any]) -> Grid:
    columns = (Column(page("cell_view.parameter")), Column(page("cell_view.value"), wide=True))
    rows = tuple(Row(pair) for name, part in parts.items() for pair in flat(name, part))
    return Grid(key, title, columns, rows)


def flat(name: str, part: Any) -> Iterator[tuple[str, str]]:
    """(path, value as text) of everything within; what is not set is left out.

    >>> list(flat("method", Component(use="best_of_n", params={"videos": 2, "knobs": {"eta": 0.5}})))
    [('method', 'best_of_n'), ('method.videos', '2'), ('method.knobs.eta', '0.5')]
    >>> list(flat("a", [1, 2])), list(flat("b", None))
    ([('a[0]', '1'), ('a[1]', '2')], [])
    """
    if isinstance(part, Component):
        yield name, part.use
        part = part.params
    if isinstance(part, Mapping):
        for key, value in part.items():
            yield from flat(f"{name}.{key}", value)
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for place, value in enumerate(part):
            yield from flat(f"{name}[{place}]", value)
    elif part is not None and part != "":
        yield name, str(part)


# --- files ------------------------------------------------------------------------------------------------


def _files(page: Page, cell: str, record: Record) -> None:
    """Files to fetch; of those that the record names and nobody can fetch here, the name alone."""
    st.markdown(f"**{page('cell_view.files')}**")
    names = dict.fromkeys((*media.FILES, *record.files))
    lines = []
    for name in names:
        size = f"{record.files[name]:,} bytes" if name in record.files else ""
        if media.there(page.open, cell, name):
            lines.append(f"- [{plain(name)}]({media.url(page.open.id, cell, name)}) {size}")
        elif name in record.files:
            gone = f" ({page('cell_view.gone')})" if name in media.FILES else ""
            lines.append(f"- {plain(name)} {size}{gone}")
    if lines:
        st.markdown("\n".join(lines))
    else:
        st.caption(page("cell_view.no_files"))
