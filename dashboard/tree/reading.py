"""Trees of cells and what an arm's traces say together, read once and kept until the files change."""

from collections.abc import Mapping, Sequence
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
class ArmTraces:
    """What the traces of an arm say. best: cell → (largest rescue, its step), (0, None) where there was none.

    pairs: preview and final scores of `sampled` cells; centred: the same less the mean of their cell, step and look.
    cells: finished ones of the arm, of which `read` were read.
    """

    best: Mapping[str, tuple[float, int | None]]
    pairs: tuple[Pair, ...]
    centred: tuple[Pair, ...]
    sampled: int
    cells: int

    @property
    def read(self) -> int:
        """Cells whose trace could be read."""
        return len(self.best)


def arm_traces(page: Page, arm: str) -> ArmTraces:
    """Of the finished cells of an arm, as far as `READ` goes."""
    return _arm_traces(page.open, page.open.id, page.open.version, arm)


@st.cache_resource(max_entries=16, show_spinner=False)
def _arm_traces(_run: OpenRun, run_id: str, version: str, arm: str) -> ArmTraces:
    records = _run.run.records()
    cells = [cell.cell for cell in _run.run.plan.cells if cell.arm == arm and cell.cell in records]
    best: dict[str, tuple[float, int | None]] = {}
    found: list[Pair] = []
    centred: list[Pair] = []
    sample, left, sampled = set(spread(cells, CELLS)), READ, 0
    for cell in cells:
        folder = _run.run.store.folder(cell)
        left -= _stamp(folder)[1]
        if left < 0:
            break
        try:
            tree = load_tree(folder, _winner(records[cell]))
        except ResultsError:
            continue
        most = largest_rescue(tree)
        best[cell] = (most.difference or 0.0, most.step) if most else (0.0, None)
        if cell in sample and (own := pairs(tree)):
            found += own
            centred += within_steps(own)
            sampled += 1
    return ArmTraces(best, tuple(found), tuple(centred), sampled, len(cells))


def spread(items: Sequence[Any], most: int) -> Sequence[Any]:
    """At most so many of them, evenly spread.

    >>> list(spread(range(10), 4)), list(spread(range(3), 4))
    ([0, 2, 5, 7], [0, 1, 2])
    """
    if len(items) <= most:
        return items
    return [items[place * len(items) // most] for place in range(most)]
