"""What a report says of the run itself: how many cells were planned, done and lost, on what, by what, and when."""

from collections.abc import Mapping
from dataclasses import dataclass

from sn_eval.decision.findings import RunFacts
from sn_eval.results.record import Record
from sn_eval.results.run_folder import RunFolder


@dataclass(frozen=True)
class Cells:
    """The cells of a run by what became of them, each with why.

    failed: quality failures. lost: of the machine. refused: by something of the user's (a reward that raises).
    """

    records: Mapping[str, Record]
    failed: Mapping[str, str]
    lost: Mapping[str, str]
    refused: Mapping[str, str]
    damaged: Mapping[str, str]

    @classmethod
    def of(cls, run: RunFolder) -> "Cells":
        """Damaged cells have no record here: they are to be made again."""
        records, damaged = run.records(), run.damaged()
        sound = {cell: record for cell, record in records.items() if cell not in damaged}
        why: dict[str, dict[str, str]] = {"quality": {}, "input": {}, "infrastructure": {}}
        planned = {cell.cell for cell in run.plan.cells}
        for cell, line in run.store.last_errors().items():
            if cell in planned and cell not in records and cell not in damaged:
                why.get(line["category"], why["infrastructure"])[cell] = str(line["message"])
        return cls(sound, why["quality"], why["infrastructure"], why["input"], damaged)

    @property
    def settled(self) -> set[str]:
        """Cells that will not change unless somebody runs them again."""
        return {*self.records, *self.failed, *self.lost, *self.refused}


def facts_of(run: RunFolder, cells: Cells) -> RunFacts:
    """The run in figures."""
    experiment, plan = run.experiment, run.plan
    records = list(cells.records.values())
    times = sorted(record.created for record in records if record.created)
    prompts = {split: {cell.prompt for cell in plan.cells if cell.split == split} for split in ("confirm", "dev")}
    repeats = {(cell.arm, cell.prompt): 0 for cell in plan.cells}
    for cell in plan.cells:
        repeats[cell.arm, cell.prompt] += 1
    devices = {
        f"{r.environment.device_name or r.environment.device} ({r.environment.threads} threads)" for r in records
    }
    return RunFacts(
        name=experiment.name, about=experiment.about, kind=plan.kind, folder=str(run.folder),
        spec_sha256=run.spec_sha256, started=times[0] if times else "", ended=times[-1] if times else "",
        planned=len(plan.cells), done=len(records), quality_failures=len(cells.failed), infrastructure=len(cells.lost),
        damaged=len(cells.damaged), finished=len(cells.settled) == len(plan.cells),
        model=experiment.model.use, rollout=experiment.rollout.use, reward=experiment.reward.use,
        devices=tuple(sorted(devices)), versions=records[-1].versions if records else {},
        confirm_prompts=len(prompts["confirm"]), dev_prompts=len(prompts["dev"]),
        repeats=max(repeats.values(), default=0),
    )  # fmt: skip
