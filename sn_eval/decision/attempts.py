"""From the cells of a run to attempts: what each video scored, whether it is accepted, what it took.

A planned cell is finished (it has a record), a quality failure (its method gave no usable video: a rejected attempt),
or still open: then it is no attempt at all. Videos made elsewhere are candidates, which become the expected attempts of
"one at random" and "the best of k".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sn_eval.decision.acceptance import judge_acceptance
from sn_eval.decision.findings import Attempt, Compute
from sn_eval.decision.order_statistics import expected
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan, Planned
from sn_eval.results.ratings import read_ratings
from sn_eval.results.record import Record

NOT_PRODUCTION = ("load",)  # phases that a service pays once, not per video


def attempts_of(
    experiment: Experiment,
    plan: Plan,
    records: Mapping[str, Record],
    failed: Mapping[str, str],
    labels: Mapping[str, float] | None = None,
) -> tuple[Attempt, ...]:
    """Every attempt of the plan, in its order; of videos made elsewhere, every candidate.

    records: by cell, of finished cells. failed: cell → why no usable video came out. labels: people's verdict by cell,
    1 or 0; they are the acceptance where the experiment declares no criteria.
    """
    return tuple(
        _attempt(experiment, plan, cell, records[cell.cell], labels or {})
        if cell.cell in records
        else _rejected(cell, failed[cell.cell])
        for cell in plan.cells
        if cell.cell in records or cell.cell in failed
    )


def as_arms(experiment: Experiment, plan: Plan, attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """The attempts of the arms that are compared: candidates become what "the best of k" would have given."""
    if plan.kind == "generated":
        return tuple(attempts)
    sizes = [int(amount) for amount in experiment.budget.amounts] if experiment.budget else []
    return expected(attempts, sizes)


def labels_of(path: Path, cells: Sequence[str]) -> dict[str, float]:
    """People's verdict on cells, 1 accepted and 0 rejected, by majority; half and half is left out.

    Raises ResultsError where ratings are no pass or fail, or name no cell of the run.
    """
    table = read_ratings(path).table()
    if not table.passing:
        raise ResultsError(f"{path}: ratings are no pass/fail; the acceptance needs 1 or 0 (or pass, fail) for a video")
    known = set(cells)
    found = {}
    for name, ratings in zip(table.videos, table.values, strict=True):
        given = [float(value) for value in ratings if value == value]
        cell = next((part for part in reversed(Path(name).parts) if part in known), None)
        if cell is not None and sum(given) * 2 != len(given):
            found[cell] = float(sum(given) * 2 > len(given))
    if not found:
        raise ResultsError(f"{path}: no video there is a cell of this run; name videos by their cell's id")
    return found


def _attempt(experiment: Experiment, plan: Plan, cell: Planned, record: Record, labels: Mapping[str, float]) -> Attempt:
    """A finished cell."""
    scores = {judge.label: record.scores.get(judge.key) for judge in plan.judges}
    criteria = experiment.criteria(cell.group)
    accepted = judge_acceptance(scores, criteria) if criteria else labels.get(cell.cell)
    return Attempt(
        cells=(cell.cell,), prompt=cell.prompt, arm=cell.arm, repeat=cell.repeat, group=cell.group, split=cell.split,
        scores=scores, searched=record.scores.get(plan.searched or ""),
        rewarded=record.scores.get(plan.rewarded or plan.searched or ""),
        accepted=accepted, video_seconds=record.seconds_of_video, compute=compute_of(record),
    )  # fmt: skip


def _rejected(cell: Planned, why: str) -> Attempt:
    """A quality failure: somebody waited, and nothing could be shown."""
    return Attempt(
        cells=(cell.cell,), prompt=cell.prompt, arm=cell.arm, repeat=cell.repeat, group=cell.group, split=cell.split,
        accepted=0.0, failed=True, why=why,
    )  # fmt: skip


def compute_of(record: Record) -> Compute:
    """What a cell took. On a CPU, seconds times threads (an upper bound); on a GPU, seconds of the device.

    Loading the model is left out, and so are the judges, which are not the method's cost.
    """
    cost, environment = record.cost, record.environment
    if cost.seconds.source == "none":
        return Compute()
    wall = sum(seconds for phase, seconds in cost.seconds.by_phase.items() if phase not in NOT_PRODUCTION)
    gpu, cpu = environment.device.startswith("cuda"), environment.device.startswith("cpu")
    return Compute(
        device="gpu" if gpu else "cpu" if cpu else "unknown",
        seconds=wall * environment.threads if cpu else wall,
        wall=wall,
        nfe=cost.nfe.value,  # the meter's evaluations include the previews
        teraflops=None if cost.flops.value is None else cost.flops.value / 1e12,
        joules=cost.energy_joules.value,
        source="estimated" if cpu else cost.seconds.source,
    )
