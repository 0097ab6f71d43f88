"""A run as it is at this moment: what became of each cell, why some failed, how fast it goes, and when it will end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal

from sn_eval.poc.status import Status, status_of
from sn_eval.results.plan import Plan, Planned
from sn_eval.results.record import Record
from sn_eval.results.run_folder import RunFolder

Fate = Literal["done", "quality", "infrastructure", "input", "damaged", "waiting"]
FATES: tuple[Fate, ...] = ("done", "quality", "infrastructure", "input", "damaged", "waiting")

RECENT = 50  # finished cells that the pace is taken from
SILENT = 600.0  # seconds without a finished cell, or this many times the longest of them: nothing seems to run
TIMES = 5


@dataclass(frozen=True)
class Failure:
    """The last failed attempt of a cell. fate: of the cell by now; an evaluator may have failed on a finished one."""

    cell: str
    category: str
    attempt: int
    message: str
    time: str
    fate: Fate


@dataclass(frozen=True)
class Pace:
    """How fast cells were finished lately. workers: seconds of cells ÷ seconds that passed: how many were under way.

    silent: seconds since the last cell was finished. running: whether the run seems to be under way.
    """

    workers: float
    silent: float
    running: bool


@dataclass(frozen=True)
class Following:
    """status: in counts. fates: by cell, in the order of the plan. attempts: lines of failures, whatever came after.

    unreadable: lines of errors.jsonl that are damaged. left: seconds until the end at the run's own pace; None where
    nothing tells, or nothing seems to run.
    """

    status: Status
    fates: Mapping[str, Fate]
    failures: tuple[Failure, ...]
    attempts: int
    unreadable: int
    pace: Pace | None

    @property
    def open(self) -> int:
        """Cells that another `poc run` would make: all but the finished ones and those without a usable video."""
        return sum(fate not in ("done", "quality") for fate in self.fates.values())

    @property
    def left(self) -> float | None:
        """Seconds until the end."""
        if self.open == 0:
            return 0.0
        if self.status.seconds_left is None or self.pace is None or not self.pace.running:
            return None
        return self.status.seconds_left / max(self.pace.workers, 0.01)


def follow(run: RunFolder, now: datetime | None = None) -> Following:
    """Look at a run. now: the present moment. ResultsError, or OSError, where it cannot be read any more."""
    status, records, log = status_of(run), run.records(), run.store.error_log()
    last = {line["cell"]: line for line in log.lines}
    fates = fates_of(run.plan, records, status.damaged, {cell: line["category"] for cell, line in last.items()})
    failures = tuple(_failure(line, fates[cell]) for cell, line in last.items() if cell in fates)
    done = [record for cell, record in records.items() if cell not in status.damaged]
    return Following(
        status, fates, failures, len(log.lines), log.damaged, pace_of(done, now or datetime.now(UTC)),
    )  # fmt: skip


def fates_of(
    plan: Plan, records: Mapping[str, Any], damaged: Mapping[str, str], failed: Mapping[str, str]
) -> dict[str, Fate]:
    """What became of every planned cell. failed: category of the last failure, of any cell that ever failed."""
    return {cell.cell: _fate(cell.cell, records, damaged, failed) for cell in plan.cells}


def _fate(
    cell: str, records: Mapping[str, Any], damaged: Mapping[str, str], failed: Mapping[str, str]
) -> Fate:  # fmt: skip
    if cell in damaged:
        return "damaged"
    if cell in records:
        return "done"
    category = failed.get(cell)
    if category is None:
        return "waiting"
    return "quality" if category == "quality" else "input" if category == "input" else "infrastructure"


def _failure(line: Mapping[str, Any], fate: Fate) -> Failure:
    """A line of the log, whatever somebody wrote into it."""
    attempt = line["attempt"] if isinstance(line["attempt"], int) else 1
    kind, message = str(line["kind"]), str(line["message"])
    told = f"{kind}: {message}" if kind else message
    return Failure(line["cell"], line["category"], attempt, told, str(line["time"]), fate)


def pace_of(done: Sequence[Record], now: datetime) -> Pace | None:
    """The pace of the latest cells; None where fewer than two say when they were finished.

    Time in which nothing can have run (a night, say) does not count: no gap is longer than the longest of these cells.
    """
    found = [(when, record.cost.seconds.total) for record in done if (when := _moment(record.created)) is not None]
    found = sorted(found)[-RECENT:]
    if len(found) < 2:
        return None
    longest = max(seconds for _, seconds in found)
    gaps = [(after - before).total_seconds() for (before, _), (after, _) in pairwise(found)]
    passed = sum(min(gap, max(longest, 1.0)) for gap in gaps)
    silent = max(0.0, (now - found[-1][0]).total_seconds())
    work = sum(seconds for _, seconds in found[1:])
    workers = work / passed if passed else 1.0
    return Pace(workers, silent, silent < max(SILENT, TIMES * longest))


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# --- the matrix -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MatrixRow:
    """A prompt, or a group of prompts. cells: (cell, fate) by arm; counts: of fates by arm."""

    name: str
    split: str
    prompts: int
    cells: Mapping[str, tuple[tuple[str, Fate], ...]]

    def counts(self, arm: str) -> dict[Fate, int]:
        """How many cells of an arm came out how, fates without any left out."""
        found = Counter(fate for _, fate in self.cells.get(arm, ()))
        return {fate: found[fate] for fate in FATES if found[fate]}


def matrix(plan: Plan, fates: Mapping[str, Fate], most: int) -> tuple[MatrixRow, ...]:
    """Rows of prompts in the order of the plan; of groups and splits where there are more prompts than `most`."""
    by_prompt = len({cell.prompt for cell in plan.cells}) <= most
    rows: dict[tuple[str, str], list[Planned]] = {}
    for cell in plan.cells:
        rows.setdefault((cell.prompt if by_prompt else cell.group, cell.split), []).append(cell)
    return tuple(
        MatrixRow(name, split, len({cell.prompt for cell in cells}), _by_arm(cells, fates))
        for (name, split), cells in rows.items()
    )


def _by_arm(cells: Sequence[Planned], fates: Mapping[str, Fate]) -> dict[str, tuple[tuple[str, Fate], ...]]:
    found: dict[str, list[tuple[str, Fate]]] = {}
    for cell in cells:
        found.setdefault(cell.arm, []).append((cell.cell, fates[cell.cell]))
    return {arm: tuple(made) for arm, made in found.items()}
