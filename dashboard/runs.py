"""Which runs there are, and one of them opened: its cells, what they say, and what a reader must know first.

Everything is kept until the run changes on the disk. A run that is being written to is judged anew only now and then,
and in the background where that takes long; where it cannot be read any more, the last good state stays. Nothing is
written, not even a run's snapshot.

A folder that is a symbolic link counts as a run like any other, wherever it leads: only who may write into the folder
of runs can have put it there. URLs name runs by these names alone, so no visitor can reach anything else.
"""

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import streamlit as st

from dashboard.demo import demo_run
from dashboard.settings import settings
from sn_eval.decision.analysis import Material, Quality, conclude, material_of, price_of, quality_of, same_quality
from sn_eval.decision.facts import Cells
from sn_eval.decision.findings import Findings
from sn_eval.results.error_log import FILE_NAME as ERRORS
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import FILE_NAME as PLAN
from sn_eval.results.plan import Plan, Planned
from sn_eval.results.run_folder import PRICES, SPEC, Progress, RunFolder, declared
from sn_eval.results.store import ID, RunStore

DEMO = "demo"
PATIENCE = 10  # a changing run is judged again when this many times the last judging has passed
FRESH = 1.0  # seconds within which a run is not looked at again
GLANCES = 20  # nor before this many times what looking took: 10,000 cells on a network's disk
QUICK = 0.5  # seconds of reading that a visitor waits for; what takes longer is read behind his back

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
    quality: Quality | None = None

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

    @cached_property
    def planned(self) -> dict[str, Planned]:
        """The plan by cell."""
        return {cell.cell: cell for cell in self.run.plan.cells}

    def cell(self, name: str | None) -> Planned | None:
        """The planned cell of an id that came from a URL; None for any other text."""
        return self.planned.get(name or "")


# --- which there are --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listing:
    """runs: folders by id, the latest first. left_out: names of folders that may be runs and cannot be shown."""

    runs: Mapping[str, Path]
    left_out: tuple[str, ...] = ()


def listing() -> Listing:
    """The runs of the folder that the server was started with; the demo run where there is none.

    A run whose folder's name is no plain one is left out, since ids stand in URLs, and so is one that cannot be looked
    into. ResultsError, in one line, where there is no such folder. Where all runs are gone, those that were opened
    before stay listed.
    """
    folder = settings().folder
    if folder is None:
        return Listing({DEMO: demo_run()})
    try:
        if _is_run(folder):
            name = folder.resolve().name
            return Listing({name if ID.fullmatch(name) else "run": folder})
        return _listed(folder)
    except OSError as error:
        if opened := _opened():
            return Listing(dict(opened))
        raise ResultsError(f"cannot read the folder of runs {folder}: {error.strerror}. Name another one") from error


def _listed(folder: Path) -> Listing:
    times: dict[str, float] = {}
    left_out = []
    for path in folder.iterdir():
        try:
            if not _is_run(path):
                continue
            times[path.name] = (path / PLAN).stat().st_mtime if (path / PLAN).is_file() else 0.0
        except OSError:
            left_out.append(path.name)
    odd = [name for name in times if not ID.fullmatch(name)]
    names = sorted(times.keys() - set(odd), key=lambda name: (-times[name], name))
    found = {name: folder / name for name in names} or _opened() or {DEMO: demo_run()}
    return Listing(dict(found), tuple(sorted(left_out + odd)))


def _is_run(path: Path) -> bool:
    return (path / PLAN).is_file() or (path / SPEC).is_file()


def run_ids() -> dict[str, Path]:
    """Folders of the runs by id, the latest first."""
    return dict(listing().runs)


@st.cache_data(ttl=20, max_entries=256, show_spinner=False)
def glance(folder: str) -> dict[str, str]:
    """How a run stands, without opening its records: {state, done, planned}, or {why} where it cannot be read.

    It is complete where every cell is finished or gave no usable video; a damaged one counts as finished here.
    """
    try:
        plan, store = Plan.load(Path(folder)), RunStore(Path(folder))
        cells, done, failed = {cell.cell for cell in plan.cells}, store.stamps().keys(), store.last_errors()
    except ResultsError as error:
        return {"why": str(error)}
    except OSError as error:
        return {"why": error.strerror or type(error).__name__}
    unusable = {cell for cell, line in failed.items() if line["category"] == "quality"} - done
    finished = len(cells & done)
    over = finished + len(cells & unusable) == len(cells)
    state = "complete" if over and cells else "partial" if finished else "empty"
    return {"state": state, "done": f"{finished:,}", "planned": f"{len(cells):,}"}


# --- one of them ------------------------------------------------------------------------------------------


def open_run(run_id: str) -> OpenRun:
    """The run of this id; ResultsError, in one line, where it is unknown or was never readable.

    One that was opened before and is gone is still shown, with words.
    """
    folders = run_ids()
    folder = folders.get(run_id) or _opened().get(run_id)
    if folder is None:
        raise ResultsError(f"no run {run_id!r} here: choose one of {', '.join(folders)}")
    found = _kept(str(folder)).now(run_id, folder)
    if run_id != DEMO:
        _opened()[run_id] = folder
    return found


def judged(run: OpenRun, run_id: str, version: str, experiment: Experiment) -> Findings:
    """What the same cells say under other prices, business inputs, criteria or rules: nothing is made again.

    As `analyse` would find it. Where only money changes, what the videos say is not computed again.
    """
    key = hashlib.sha256(experiment.model_dump_json().encode()).hexdigest()
    return _judged(run, experiment, run_id, version, key)


@st.cache_resource(max_entries=32, show_spinner=False)
def _judged(_run: OpenRun, _experiment: Experiment, run_id: str, version: str, key: str) -> Findings:
    other = _run.run.under(_experiment)
    if _run.quality is None or not same_quality(_experiment, _run.experiment):
        return conclude(material_of(other), *price_of(other))
    changed = other.plan.declared not in ("", declared(_experiment))
    material = replace(_run.material, experiment=_experiment, rules_changed=changed)
    return conclude(material, *price_of(other), quality=_run.quality)


# --- keeping ----------------------------------------------------------------------------------------------


@dataclass
class _Kept:
    """The last good state of one run, and when and how slowly it was looked at and read. seen: version at that look.

    lock: held by the one that reads; the others are shown the last good state meanwhile, or wait where there is none.
    """

    last: OpenRun | None = None
    seen: str = ""
    look_again: float = 0.0
    read: float = 0.0
    took: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self, run_id: str, folder: Path) -> OpenRun:
        """As it is, or as it last was readable."""
        if self.last is None:
            with self.lock:
                self.seen = self.seen if self.last else version_of(folder)
                return self.last or self._again(run_id, folder, self.seen)
        if time.monotonic() < self.look_again or not self.lock.acquire(blocking=False):
            return self._aged()
        try:
            self._look(folder)
            if not self._changed or time.monotonic() - self.read < PATIENCE * self.took:
                return self._aged()
            if self.took <= QUICK:
                return self._again(run_id, folder, self.seen)
        finally:
            self.lock.release()
        threading.Thread(target=self._behind, args=(run_id, folder, self.seen), daemon=True).start()
        return self._aged()

    def _look(self, folder: Path) -> None:
        began = time.monotonic()
        self.seen = version_of(folder)
        ended = time.monotonic()
        self.look_again = ended + max(FRESH, GLANCES * (ended - began))

    @property
    def _changed(self) -> bool:
        return self.last is None or self.seen != self.last.version or bool(self.last.problem)

    def _aged(self) -> OpenRun:
        """The last good state, and how old it is where the run has changed since."""
        assert self.last is not None
        return replace(self.last, stale=time.monotonic() - self.read) if self._changed else self.last

    def _behind(self, run_id: str, folder: Path, version: str) -> None:
        if self.lock.acquire(blocking=False):
            try:
                self._again(run_id, folder, version)
            finally:
                self.lock.release()

    def _again(self, run_id: str, folder: Path, version: str) -> OpenRun:
        """Read it; where that fails, the last good state with words. ResultsError where there is none."""
        began = time.monotonic()
        try:
            self.last = _read(run_id, folder, version, self.last)
            self.read = time.monotonic()
            self.took = self.read - began
        except ResultsError as error:
            if self.last is None:
                raise
            self.last = replace(self.last, problem=str(error))
        return self.last


@st.cache_resource(max_entries=8, show_spinner=False)
def _kept(folder: str) -> _Kept:
    return _Kept()


@st.cache_resource(show_spinner=False)
def _opened() -> dict[str, Path]:
    """Folders of runs by id, of all that were read."""
    return {}


def _read(run_id: str, folder: Path, version: str, before: OpenRun | None) -> OpenRun:
    """ResultsError, in one line, for whatever keeps it from being read."""
    try:
        run = RunFolder.open(folder, renew=False, before=before.run if before else None)
        cells = Cells.of(run)
        material = material_of(run, cells)
        quality = quality_of(material)
        findings = conclude(material, *price_of(run), quality=quality)
        progress = run.progress(cells.damaged)
    except ResultsError:
        raise
    except OSError as error:
        raise ResultsError(f"cannot read run {run_id!r}: {error.strerror or error}. See to its permissions") from error
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        # files that somebody changed may hold anything, and one run must not take the others' pages down
        raise ResultsError(
            f"run {run_id!r} cannot be judged ({type(error).__name__}: {error}). Try sn-eval poc report on it"
        ) from error
    return OpenRun(
        run_id, run, material, findings, progress, cells.damaged, version, run_id == DEMO, quality=quality
    )  # fmt: skip


def version_of(folder: Path) -> str:
    """Of everything that findings are made from: changes with any of it, and says the same in every process."""
    digest = hashlib.sha256()
    try:
        labels = sorted(path.name for path in folder.glob("*.csv"))
        for name in (SPEC, PLAN, PRICES, ERRORS, *labels):
            path = folder / name
            stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None
            digest.update(f"{name} {stamp}\n".encode())
        for cell, stamp in RunStore(folder).stamps().items():
            digest.update(f"{cell} {stamp}\n".encode())
    except (OSError, ResultsError) as error:
        return f"unreadable: {error}"
    return digest.hexdigest()
