"""Trees of cells and what an arm's traces say together, read once and kept until the files change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.page import Page
from dashboard.runs import OpenRun
from sn_eval.results.files import ResultsError
from sn_eval.results.record import Record
from sn_eval.results.search_tree import (
    FILE_NAME,
    Pair,
    Tree,
    largest_rescue,
    load_tree,
    pairs,
    within_steps,
)

CELLS = 60  # whose preview and final scores are shown together
READ = 64 << 20  # bytes of traces that ordering by rescue reads at most


def record_of(page: Page, cell: str) -> Record | None:
    """The record of a cell; None where it is not finished, or damaged."""
    try:
        return page.open.run.store.record(cell)
    except ResultsError:
        return None


def tree_of(page: Page, cell: str, record: Record | None) -> Tree:
    """The tree of a cell; ResultsError, in one line, where nothing can be read."""
    folder = page.open.run.store.folder(cell)
    return _tree(str(folder), _stamp(folder), _winner(record))


def has_trace(page: Page, cell: str) -> bool:
    """Whether the cell came with its trace."""
    return (page.open.run.store.folder(cell) / FILE_NAME).is_file()


@st.cache_resource(max_entries=8, show_spinner=False)
def _tree(folder: str, stamp: tuple[int, int], winner: str) -> Tree:
    return load_tree(Path(folder), winner)


def _stamp(folder: Path) -> tuple[int, int]:
    try:
        status = (folder / FILE_NAME).stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def _winner(record: Record | None) -> str:
    return str(record.parameters.get("winner", "")) if record else ""


# --- an arm -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArmPairs:
    """Preview and final scores of so many cells of an arm. centred: less the mean of their cell, step and look."""

    pairs: tuple[Pair, ...]
    centred: tuple[Pair, ...]
    cells: int


@dataclass(frozen=True)
class ArmRescues:
    """Cell → (largest rescue, its step), (0, None) where there was none. cells: finished ones; some may be unread."""

    best: Mapping[str, tuple[float, int | None]]
    cells: int


def arm_pairs(page: Page, arm: str) -> ArmPairs:
    """Of at most `CELLS` finished cells, evenly spread over the plan."""
    return _arm_pairs(page.open, page.open.id, page.open.version, arm)


def arm_rescues(page: Page, arm: str) -> ArmRescues:
    """Of all finished cells, as far as `READ` goes."""
    return _arm_rescues(page.open, page.open.id, page.open.version, arm)


@st.cache_resource(max_entries=16, show_spinner=False)
def _arm_pairs(_run: OpenRun, run_id: str, version: str, arm: str) -> ArmPairs:
    done = [cell.cell for cell in _run.run.plan.cells if cell.arm == arm and _run.run.store.has(cell.cell)]
    traced = [cell for cell in done if (_run.run.store.folder(cell) / FILE_NAME).is_file()]
    found: list[Pair] = []
    centred: list[Pair] = []
    cells = 0
    for _, tree in _trees(_run, dict.fromkeys(spread(traced, CELLS), ""), READ // 4):
        own = pairs(tree)
        found += own
        centred += within_steps(own)
        cells += bool(own)
    return ArmPairs(tuple(found), tuple(centred), cells)


@st.cache_resource(max_entries=16, show_spinner=False)
def _arm_rescues(_run: OpenRun, run_id: str, version: str, arm: str) -> ArmRescues:
    records = _run.run.records()
    done = {c.cell: _winner(records[c.cell]) for c in _run.run.plan.cells if c.arm == arm and c.cell in records}
    best: dict[str, tuple[float, int | None]] = {}
    for cell, tree in _trees(_run, done, READ):
        most = largest_rescue(tree)
        best[cell] = (most.difference or 0.0, most.step) if most else (0.0, None)
    return ArmRescues(best, len(done))


def _trees(run: OpenRun, winners: Mapping[str, str], most: int) -> Iterator[tuple[str, Tree]]:
    """Trees of cells that can be read, until so many bytes were."""
    for cell, winner in winners.items():
        folder = run.run.store.folder(cell)
        most -= _stamp(folder)[1]
        if most < 0:
            return
        try:
            yield cell, load_tree(folder, winner)
        except ResultsError:
            continue


def spread(items: Sequence[Any], most: int) -> Sequence[Any]:
    """At most so many of them, evenly spread.

    >>> list(spread(range(10), 4)), list(spread(range(3), 4))
    ([0, 2, 5, 7], [0, 1, 2])
    """
    if len(items) <= most:
        return items
    return [items[place * len(items) // most] for place in range(most)]
