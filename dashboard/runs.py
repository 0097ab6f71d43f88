"""Which runs there are, and one of them opened: its cells, what they say, and what a reader must know first.

Everything is kept until the run changes on the disk. A run that is being written to is judged anew only now and then,
and where it cannot be read any more, the last good state stays.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from dashboard.demo import demo_run
from dashboard.settings import settings
from sn_eval.decision.analysis import Material, conclude, material_of, price_of
from sn_eval.decision.findings import Findings
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import FILE_NAME as PLAN
from sn_eval.results.plan import Planned
from sn_eval.results.run_folder import PRICES, SPEC, Progress, RunFolder
from sn_eval.results.store import ID, RunStore

DEMO = "demo"
PATIENCE = 10  # a changing run is judged again when this many times the last judging has passed
FRESH = 1.0  # seconds within which a run is not looked at again

State = Literal["complete", "partial", "empty"]


@dataclass(frozen=True)
class OpenRun:
    """A run as the pages see it. id: its folder's name. version: changes whenever its cells do.

    stale: seconds since it was read, where it has changed since; problem: why it cannot be read now (then this is the
    last good state), in one line.
    """

    id: str
    run: RunFolder
    material: Material
    findings: Findings
    progress: Progress
    damaged: Mapping[str, str]
    version: str
    demo: bool = False
    stale: float | None = None
    problem: str = ""

    @property
    def state(self) -> State:
        """How much of it there is: an empty one has no finished cell, a partial one some without an outcome."""
        if not self.material.attempts:
            return "empty"
        return "complete" if self.findings.run.finished else "partial"

    @property
    def experiment(self) -> Experiment:
        """As it was declared."""
        return self.run.experiment

    @property
    def planned(self) -> dict[str, Planned]:
        """The plan by cell."""
        return {cell.cell: cell for cell in self.run.plan.cells}

    def cell(self, name: str | None) -> Planned | None:
        """The planned cell of an id that came from a URL; None for any other text."""
        return self.planned.get(name or "")


def run_ids() -> dict[str, Path]:
    """Folders of the runs by id, the latest first; the demo run where there is no other.

    A folder whose name is no plain one is left out, since ids stand in URLs.
    """
    folder = settings().folder
    if folder is None:
        return {DEMO: demo_run()}
    if _is_run(folder):
        return {folder.resolve().name: folder}
    found = [path for path in folder.iterdir() if _is_run(path) and ID.fullmatch(path.name)] if folder.is_dir() else []
    found.sort(key=lambda path: (path / PLAN).stat().st_mtime if (path / PLAN).is_file() else 0.0, reverse=True)
    return {path.name: path for path in found} or {DEMO: demo_run()}


def open_run(run_id: str) -> OpenRun:
    """The run of this id; ResultsError, in one line, where it is unknown or was never readable."""
    folders = run_ids()
    if run_id not in folders:
        raise ResultsError(f"no run {run_id!r} here: choose one of {', '.join(folders)}")
    return _kept(str(folders[run_id])).now(run_id, folders[run_id])


@st.cache_data(max_entries=64, show_spinner=False)
def judged(_run: OpenRun, run_id: str, version: str, experiment: Experiment) -> Findings:
    """What the same cells say under other prices, business inputs, criteria or rules: nothing is made again."""
    from dataclasses import replace

    other = replace(_run.run, experiment=experiment)
    return conclude(replace(_run.material, experiment=experiment), *price_of(other))


# --- keeping ----------------------------------------------------------------------------------------------


@dataclass
class _Kept:
    """The last good state of one run, and when and how slowly it was read."""

    last: OpenRun | None = None
    looked: float = 0.0
    read: float = 0.0
    took: float = 0.0

    def now(self, run_id: str, folder: Path) -> OpenRun:
        """As it is, or as it last was readable."""
        from dataclasses import replace

        begun = time.monotonic()
        if self.last is not None and begun - self.looked < FRESH:
            return self.last
        self.looked = begun
        version = _version(folder)
        if self.last is not None and version == self.last.version and not self.last.problem:
            return self.last
        if self.last is not None and begun - self.read < PATIENCE * self.took:
            return replace(self.last, stale=begun - self.read)
        try:
            self.last = _read(run_id, folder, version)
        except ResultsError as error:
            if self.last is None:
                raise
            self.last = replace(self.last, problem=str(error))
        self.read, self.took = time.monotonic(), time.monotonic() - begun
        return self.last


@st.cache_resource(show_spinner=False)
def _kept(folder: str) -> _Kept:
    return _Kept()


def _read(run_id: str, folder: Path, version: str) -> OpenRun:
    run = RunFolder.open(folder)
    material = material_of(run)
    findings = conclude(material, *price_of(run))
    return OpenRun(run_id, run, material, findings, run.progress(), run.damaged(), version, run_id == DEMO)


def _version(folder: Path) -> str:
    """Of everything that findings are made from: changes with any of it."""
    parts = []
    for name in (SPEC, PLAN, PRICES, "errors.jsonl"):
        path = folder / name
        parts.append((path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None)
    return str(hash((*parts, *RunStore(folder).stamps().items())))


def _is_run(path: Path) -> bool:
    return (path / PLAN).is_file() or (path / SPEC).is_file()
