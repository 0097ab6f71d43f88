"""A run as it lies on the disk: the experiment that was declared, its plan of cells, and the store that holds them.

What `poc report`, `poc status` and the dashboard open. Nothing here writes, runs or needs torch.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from sn_eval.results import plan as plans
from sn_eval.results import snapshot
from sn_eval.results.experiment import Experiment
from sn_eval.results.experiment_file import load_experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan
from sn_eval.results.record import Record
from sn_eval.results.snapshot import Recorded
from sn_eval.results.store import RunStore

SPEC = "spec.yaml"
PRICES = "prices.yaml"
RULES = ("acceptance", "primary", "looks", "rules", "baseline", "labels")
"""Parts of an experiment that decide what its results mean, and must stand before there are any."""


@dataclass(frozen=True)
class Progress:
    """How far a run is. done: complete and undamaged. failed: cells that are not complete, by how they last failed."""

    planned: int
    done: int
    damaged: int
    failed: Mapping[str, int]

    @property
    def waiting(self) -> int:
        """Cells that nobody has tried yet (or whose try was interrupted)."""
        return self.planned - self.done - self.damaged - sum(self.failed.values())


@dataclass(frozen=True)
class RunFolder:
    """`runs/<name>/`; cells of the store that are not in the plan (of an earlier spec) are left out of everything.

    renew: whether its snapshot may be written anew; False where nothing is to be written, not even that.
    """

    folder: Path
    experiment: Experiment
    plan: Plan
    store: RunStore
    renew: bool = field(default=True, repr=False, compare=False)
    _last: list[Recorded] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def open(cls, path: Path | str, *, renew: bool = True, before: "RunFolder | None" = None) -> Self:
        """The run in a folder. ResultsError, in one line, for anything that is none, and for a newer sn-eval's.

        before: the same run as it was opened earlier; records that have not changed since are not read again.
        """
        folder = Path(path)
        _check(folder)
        store, plan = RunStore(folder), Plan.load(folder)
        try:
            experiment = load_experiment(folder / SPEC)
        except ResultsError as error:
            raise ResultsError(
                f"{error} (this is the run's own copy: if a newer sn-eval wrote it, upgrade sn-eval)"
            ) from error
        return cls(folder, experiment, plan, store, renew)._with_records_of(before)

    def under(self, experiment: Experiment) -> Self:
        """The same cells under another experiment; their records are not read again."""
        return replace(self, experiment=experiment)._with_records_of(self)

    @property
    def spec_sha256(self) -> str:
        """Of the experiment file as it was copied into the run."""
        return hashlib.sha256((self.folder / SPEC).read_bytes()).hexdigest()

    def records(self) -> dict[str, Record]:
        """Every readable record by cell, in the order of the plan, of cells with damaged files, too."""
        found = self._recorded().records
        return {cell: found[cell] for cell in self._cells() if cell in found}

    def damaged(self) -> dict[str, str]:
        """Cells with an unreadable record, or a missing or cut file, and why, in one line each."""
        found = snapshot.damaged(self.store, self._recorded())
        return {cell: found[cell] for cell in self._cells() if cell in found}

    def progress(self, damaged: Mapping[str, str] | None = None) -> Progress:
        """How many cells are done, damaged, failed (by category) and waiting. damaged: these, where they are known."""
        cells, last, found = self._cells(), self.store.last_errors(), self._recorded()
        damaged = self.damaged() if damaged is None else damaged
        missing = [cell for cell in cells if cell not in found.records and cell not in found.unreadable]
        failed = Counter(last[cell]["category"] for cell in missing if cell in last)
        return Progress(len(cells), len(cells) - len(missing) - len(damaged), len(damaged), dict(failed))

    def _recorded(self) -> Recorded:
        """All records, read anew only where a cell has come, gone or changed since the last time."""
        before = self._last[0] if self._last else None
        if before is None or before.stamps != self.store.stamps():
            self._last[:] = [snapshot.recorded(self.store, before=before, renew=self.renew)]
        return self._last[0]

    def _with_records_of(self, other: "RunFolder | None") -> Self:
        if other is not None:
            self._last[:] = other._last
        return self

    def _cells(self) -> list[str]:
        return [planned.cell for planned in self.plan.cells]


def declared(experiment: Experiment) -> str:
    """SHA-256 of the rules that results are judged by.

    Without what is left at its default, so that a rule that a later version adds is no change of old experiments.
    """
    rules = experiment.model_dump(mode="json", include=set(RULES), exclude_defaults=True)
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


def _check(folder: Path) -> None:
    """Refuse what is no run, and say what it is."""
    if not folder.exists():
        raise ResultsError(f"no run at {folder}: there is no such folder. Start one with sn-eval poc run or poc import")
    if not folder.is_dir():
        raise ResultsError(f"{folder} is a file: name the folder of a run, which holds {plans.FILE_NAME} and {SPEC}")
    there = {name for name in (plans.FILE_NAME, SPEC) if (folder / name).is_file()}
    if not there:
        raise ResultsError(
            f"{folder} is no run: it holds no {plans.FILE_NAME} and no {SPEC}. Name a folder that sn-eval poc run or "
            "poc import made"
        )
    if SPEC not in there:
        raise ResultsError(f"no {SPEC} in {folder}: copy the experiment file of this run there, under that name")
