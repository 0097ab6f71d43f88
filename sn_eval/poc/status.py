"""How far a run is, read off its folder: cells by arm and split, failures, seconds, money. Needs no torch."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Planned
from sn_eval.results.record import Record
from sn_eval.results.run_folder import RunFolder


@dataclass(frozen=True)
class ArmStatus:
    """Cells of one arm in one split. seconds: mean of the finished ones, None where there are none."""

    arm: str
    split: str
    planned: int
    done: int
    failed: int
    seconds: float | None


@dataclass(frozen=True)
class Status:
    """All of a run. failed: cells that are not complete, by how they last failed. damaged: cell → what is wrong.

    seconds: recorded cost of the finished cells. seconds_left: what the open ones take by the means of their arms, one
    after the other; None where an arm has none finished yet. money: of `seconds`, at the run's own prices. no_money:
    why there is none. unmeasured: evaluators, and the reward, that gave no number for some of the finished videos, and
    for how many: they failed, or returned NaN.
    """

    name: str
    planned: int
    done: int
    failed: dict[str, int]
    waiting: int
    damaged: dict[str, str]
    arms: tuple[ArmStatus, ...]
    seconds: float
    seconds_left: float | None
    money: float | None
    currency: str
    no_money: str
    unmeasured: dict[str, int]


def status(path: Path) -> Status:
    """Read it; ResultsError for a folder that is no run."""
    return status_of(RunFolder.open(path))


def status_of(run: RunFolder) -> Status:
    """The same of a run that is open: as it is now."""
    records, damaged = run.records(), run.damaged()
    progress = run.progress(damaged)
    done = {cell: record for cell, record in records.items() if cell not in damaged}
    last = {cell: line for cell, line in run.store.last_errors().items() if cell not in records}
    places: dict[tuple[str, str], list[Planned]] = {}
    for planned in run.plan.cells:
        places.setdefault((planned.arm, planned.split), []).append(planned)
    arms = tuple(_arm(arm, split, cells, done, set(last)) for (arm, split), cells in places.items())
    money, currency, why = _money(run, done)
    return Status(
        run.experiment.name, progress.planned, progress.done, dict(progress.failed), progress.waiting, damaged, arms,
        sum(record.cost.seconds.total for record in done.values()), _left(run, done), money, currency, why,
        _unmeasured(run, done),
    )  # fmt: skip


def _unmeasured(run: RunFolder, done: dict[str, Record]) -> dict[str, int]:
    asked = {judge.label: judge.key for judge in run.plan.judges}
    if run.plan.rewarded is not None:
        asked[f"the reward {run.experiment.reward.use}"] = run.plan.rewarded
    cells = {planned.cell for planned in run.plan.cells} & done.keys()
    counts = {name: sum(done[cell].scores.get(key) is None for cell in cells) for name, key in asked.items()}
    return {name: count for name, count in counts.items() if count}


def _arm(arm: str, split: str, cells: list[Planned], done: dict[str, Record], failed: set[str]) -> ArmStatus:
    seconds = [done[cell.cell].cost.seconds.total for cell in cells if cell.cell in done]
    mean = sum(seconds) / len(seconds) if seconds else None
    return ArmStatus(arm, split, len(cells), len(seconds), sum(cell.cell in failed for cell in cells), mean)


def _left(run: RunFolder, done: dict[str, Record]) -> float | None:
    """Seconds of the open cells, at the mean of their arm; of one that stands in the plan twice, once."""
    seconds: dict[str, list[float]] = {}
    for planned in run.plan.cells:
        if planned.cell in done:
            seconds.setdefault(planned.arm, []).append(done[planned.cell].cost.seconds.total)
    unusable = {cell for cell, line in run.store.last_errors().items() if line["category"] == "quality"}
    left = {c.cell: c.arm for c in run.plan.cells if c.cell not in done and c.cell not in unusable}
    counts = Counter(left.values())
    if not counts.keys() <= seconds.keys():
        return None
    return sum(count * sum(seconds[arm]) / len(seconds[arm]) for arm, count in counts.items())


def _money(run: RunFolder, done: dict[str, Record]) -> tuple[float | None, str, str]:
    """(money, currency, why there is none)."""
    if run.experiment.prices is None:
        return None, "", "the experiment declares no prices"
    from sn_eval.decision.prices import hour_price, money, prices_of
    from sn_eval.poc.spending import used

    try:
        price = hour_price(run.experiment.prices, prices_of(run.folder))
    except ResultsError as error:
        return None, "", str(error)
    paid = [money(price, each) for each in used(run.folder, done, run.plan)]
    if any(each is None for each in paid):
        return None, price.currency, f"the price is for a {price.unit}, which is not what was measured"
    return sum(each for each in paid if each is not None), price.currency, ""
