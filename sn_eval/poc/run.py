"""Runs an experiment's cells into a run folder, as often as it takes: what is finished is never made again.

`spec.yaml`, `prices.yaml` and `plan.json` say what belongs to the run, the store which of it is there. A run that was
stopped, by whatever, goes on by running it again; a finished one loads no model. Nothing here needs torch.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from sn_eval.poc.executors import Crew, Executor, Failure, Result, WorkerLost, create
from sn_eval.poc.part import WHOLE, Part
from sn_eval.poc.sources import sources_key
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError, write_whole
from sn_eval.results.plan import Plan
from sn_eval.results.run_folder import PRICES, SPEC
from sn_eval.results.snapshot import damaged, recorded
from sn_eval.results.store import RunStore

if TYPE_CHECKING:
    from sn_eval.poc.cell import Cell
    from sn_eval.poc.spending import Spending
    from sn_eval.results.record import Environment

RETRIES = 2
PAUSE = 1.0  # seconds before the first further attempt; each next one waits twice as long
STRIKES = 3  # cells in a row that the machine fails: more would fail, too
INTERRUPTED = "Ctrl-C"


@dataclass(frozen=True)
class Caps:
    """How much a call makes, and where it stops by itself, once the cells in progress are done.

    hours: of this call. money: of the whole run, earlier calls and evaluators included, in the currency of the prices.
    part: cells that this call may make [all].
    """

    hours: float | None = None
    money: float | None = None
    part: Part = WHOLE


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True)
class Watched:
    """Who is told how far a run is. cells: (done, all, what is made); steps: of the cell that this process makes."""

    cells: Callable[[int, int, str], None] = _nothing
    steps: Callable[[int, int], None] = _nothing
    say: Callable[[str], None] = _nothing


@dataclass(frozen=True)
class Standing:
    """How many cells are complete, are not, by category of their failure, and are still to be tried."""

    done: int
    failed: Mapping[str, int]
    left: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.done + self.left + sum(self.failed.values())

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to try: videos that came out unusable are results, too."""
        return not self.left and set(self.failed) <= {"quality"}


@dataclass(frozen=True)
class RunOutcome(Standing):
    """How the part that was asked for stands, and the whole run with it.

    made: of the complete cells, by this call. stopped_by: why this call ended before the others, in words, else None.
    """

    plan: Plan
    made: int
    whole: Standing
    stopped_by: str | None = None


def run(
    experiment: Experiment,
    out: Path,
    *,
    text: str | None = None,
    executor: Executor | None = None,
    caps: Caps = Caps(),
    prices: Path | None = None,
    retries: int = RETRIES,
    watched: Watched = Watched(),
) -> RunOutcome:
    """Make every cell of the experiment, or of the part in `caps`, that `out` does not hold.

    text: the experiment's file, word for word [written anew]. executor: where cells run [serial]. prices: file of a
    price list [the run's own, else the shipped one]. retries: further attempts of a cell that the machine failed.
    ResultsError, in one line, before anything is made: for an experiment that cannot run, a folder that another run
    writes, a cap in money without a price, a model that does not fit in memory, a part that there is not.
    """
    caps.part.check(experiment)
    store = RunStore(out.absolute())
    declared = _Declared(experiment, text, prices)
    with store.locked():
        for cell, why in damaged(store).items():
            watched.say(f"damaged cell set aside as {store.set_aside(cell)}, to be made again: {why}")
        known = remembered(store.root, experiment)
        if known is not None and not (ledger := _Ledger(store, known, caps.part)).open:
            declared.write(store.root)
            return ledger.outcome(0, None)
        spending = declared.spending(store.root, capped=caps.money is not None)
        loop = _Loop(store, executor or create("serial"), caps, retries, watched, spending)
        try:
            return loop.run(declared)
        finally:
            loop.executor.close()


def remembered(out: Path, experiment: Experiment) -> Plan | None:
    """The run's plan, where all that its ids were made from looks as it did then."""
    try:
        plan = Plan.load(out)
    except ResultsError:
        return None
    return plan if plan.sources == sources_key(experiment) else None


def _earlier(store: RunStore) -> Plan | None:
    """The plan before this one, if a cell has run under it."""
    try:
        plan = Plan.load(store.root)
    except ResultsError:
        return None
    return plan if store.ids() or store.last_errors() else None


@dataclass(frozen=True)
class _Declared:
    """What lies beside the results: the experiment, word for word, and the price list. Loads neither before it must."""

    experiment: Experiment
    text: str | None
    prices: Path | None

    def write(self, out: Path) -> None:
        """Put it there, where it is not there yet."""
        text = self.text
        if text is None:
            text = yaml.safe_dump(self.experiment.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
        path = out / SPEC
        if not path.is_file() or path.read_bytes() != text.encode():
            write_whole(path, text)
        if self.prices is not None or not (out / PRICES).is_file():
            from sn_eval.decision.prices import load_prices

            write_whole(out / PRICES, load_prices(self.prices).text())

    def spending(self, out: Path, *, capped: bool) -> "Spending":
        """A count of money at these prices; ResultsError where a cap needs a price and there is none."""
        from sn_eval.decision.prices import load_prices, prices_of
        from sn_eval.poc.spending import Spending

        rows = load_prices(self.prices) if self.prices else prices_of(out)
        return Spending.of(self.experiment, rows, out, capped=capped)


class _Ledger:
    """Which cells of a part are done, which will never be, and which are open. rest: how all other cells stand."""

    def __init__(self, store: RunStore, plan: Plan, part: Part) -> None:
        self.plan, cells = plan, part.cells(plan)
        complete, last = store.stamps(), store.last_errors()
        self.done = {cell for cell in cells if cell in complete}
        self.failed = {cell: "quality" for cell in cells if _unusable(last.get(cell)) and cell not in complete}
        self.open = [cell for cell in cells if cell not in self.done and cell not in self.failed]
        self.total = len(cells)
        others = {planned.cell for planned in plan.cells}.difference(cells)
        done = len(others & complete.keys())
        failed = sum(_unusable(last.get(cell)) for cell in others - complete.keys())
        self.rest = Standing(done, {"quality": failed}, len(others) - done - failed)

    def outcome(self, made: int, stopped_by: str | None) -> RunOutcome:
        """How the part and the run stand."""
        failed, rest = Counter(self.failed.values()), self.rest
        left = self.total - len(self.done) - len(self.failed)
        whole = Standing(len(self.done) + rest.done, dict(failed + Counter(rest.failed)), left + rest.left)
        return RunOutcome(len(self.done), dict(failed), left, self.plan, made, whole, stopped_by)


def _unusable(line: Mapping[str, object] | None) -> bool:
    """Whether a cell's last error says that its method makes no video: trying again would give the same."""
    return line is not None and line["category"] == "quality"


@dataclass
class _Job:
    """A cell to be made. attempt: the one that comes. ready: when it may begin, on the monotonic clock."""

    cell: "Cell"
    attempt: int = 1
    ready: float = 0.0


@dataclass
class _Loop:
    """Hands cells out and takes results in until nothing is left, a cap is reached, or the machine fails."""

    store: RunStore
    executor: Executor
    caps: Caps
    retries: int
    watched: Watched
    spending: "Spending"
    ledger: _Ledger = field(init=False, repr=False)
    where: "Environment" = field(init=False, repr=False)
    made: int = 0
    strikes: int = 0
    last_failure: str = ""
    stopped_by: str | None = None
    waiting: deque[_Job] = field(default_factory=deque)
    under_way: dict[str, _Job] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def run(self, declared: _Declared) -> RunOutcome:
        """Plan with a worker's model, then make what is missing.

        Ctrl-C is an end, too: cells in progress are given up, and all others stay.
        """
        self.executor.start(Crew(declared.experiment, self.store.root, Path.cwd()), self.watched.steps)
        self.executor.submit("plan", "plan", _earlier(self.store))
        result = self.executor.next()[1]
        if result.failure is not None:
            raise ResultsError(result.failure.line)
        plan, cells, self.where = result.value
        if self.caps.money is not None:
            self.spending.applies(self.where)
        self.spending.earlier(recorded(self.store).records, plan)
        self.ledger, known = _Ledger(self.store, plan, self.caps.part), {cell.id: cell for cell in cells}
        plan.save(self.store.root)
        declared.write(self.store.root)
        self.waiting.extend(_Job(known[cell]) for cell in self.ledger.open)
        try:
            self._work()
        except KeyboardInterrupt:
            self.stopped_by = INTERRUPTED
        return self.ledger.outcome(self.made, self.stopped_by)

    def _work(self) -> None:
        self._tell("")
        while self.under_way or (self.waiting and self._may_begin()):
            self._hand_out()
            if self.under_way:
                ticket, result = self.executor.next()
                self.spending.worked(result.seconds, self.where)
                self._take(self.under_way.pop(ticket), result)
            else:
                time.sleep(max(0.0, min(job.ready for job in self.waiting) - time.monotonic()))

    def _hand_out(self) -> None:
        """Give every free worker the first cell that may begin."""
        while len(self.under_way) < self.executor.slots and self._may_begin():
            now = time.monotonic()
            job = next((job for job in self.waiting if job.ready <= now), None)
            if job is None:
                return
            self.waiting.remove(job)
            self.under_way[job.cell.id] = job
            self._tell(f"{job.cell.method.use}, seed {job.cell.seed}: {job.cell.text[:40]}")
            self.executor.submit(job.cell.id, "perform", job.cell, job.attempt)

    def _may_begin(self) -> bool:
        """Whether a further cell may begin; else `stopped_by` says why not."""
        if self.stopped_by is None:
            hours, money = self.caps.hours, self.caps.money
            if self.strikes >= STRIKES:
                self.stopped_by = f"{self.strikes} cells in a row that the machine failed: {self.last_failure}"
            elif hours is not None and time.monotonic() - self.began >= hours * 3600:
                self.stopped_by = f"the cap of {hours:g} hours"
            elif money is not None and self.spending.spent >= money:
                self.stopped_by = f"the cap in money: {self.spending.against(money)} are spent"
        return self.stopped_by is None

    def _take(self, job: _Job, result: Result) -> None:
        """Book one result. The store is asked: a worker may have finished a cell and ended before it said so."""
        cell, failure = job.cell.id, result.failure
        if self.store.has(cell):
            self.ledger.done.add(cell)
            self.made, self.strikes = self.made + 1, 0
        elif failure is None:
            raise ResultsError(f"cell {cell} was made and is not in {self.store.root}: do all workers see that folder?")
        else:
            self._failed(job, failure)
        self._tell("")

    def _failed(self, job: _Job, failure: Failure) -> None:
        """Try again what the machine failed; what the method or the user's files failed is told, and stays so."""
        cell, self.last_failure = job.cell.id, failure.line
        if failure.lost:
            self.store.fail(cell, WorkerLost(failure.message), category=failure.category, attempt=job.attempt)
        if failure.category == "infrastructure" and job.attempt <= self.retries:
            ready = time.monotonic() + PAUSE * 2 ** (job.attempt - 1)
            self.waiting.appendleft(_Job(job.cell, job.attempt + 1, ready))
            self.watched.say(f"cell {cell}: attempt {job.attempt} failed, and is repeated: {failure.line}")
            return
        self.ledger.failed[cell] = failure.category
        self.strikes = self.strikes + 1 if failure.category == "infrastructure" else 0
        self.watched.say(f"cell {cell} failed ({failure.category}): {failure.line}")

    def _tell(self, what: str) -> None:
        spent = self.spending.against(self.caps.money)
        self.watched.cells(len(self.ledger.done), self.ledger.total, " · ".join(filter(None, (spent, what))))
