"""Runs an experiment and says which arm is better, by how much, at what cost, and where it loses: a first look.

The verdict of a PoC, with its rules and its money, is `sn-eval poc report`'s.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sn_eval.decision.statistics import PairedDifference, paired_difference
from sn_eval.poc.run import INTERRUPTED, Watched, run
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError, cannot_write, write_whole
from sn_eval.results.plan import Plan, Planned
from sn_eval.results.record import PREVIEW, Record
from sn_eval.results.run_folder import RunFolder
from sn_eval.results.store import RunStore
from sn_eval.results.table import table
from sn_eval.results.trace import plain
from sn_eval.video import SHEET_TILES, SheetRow, contact_sheet, frames_at, probe, save_image, spread


@dataclass(frozen=True)
class Judged:
    """An evaluator's verdict on one arm: its mean over videos, and the paired difference from another arm."""

    judge: str
    method: str
    mean: float
    against: str
    difference: PairedDifference | None
    searched_family: bool


@dataclass(frozen=True)
class Comparison:
    """What an experiment found: verdicts, cost by arm, and how far each stayed from its budget."""

    experiment: Experiment
    baseline: str
    verdicts: tuple[Judged, ...]
    cost: dict[str, dict[str, float | None]]
    correlations: dict[str, dict[str, float]]
    videos: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for `summary.json`."""
        rows = []
        for verdict in self.verdicts:
            d = verdict.difference
            rows.append(
                {"judge": verdict.judge, "method": verdict.method, "mean": verdict.mean, "against": verdict.against,
                 "searched_family": verdict.searched_family}
                | ({} if d is None else {
                    "difference": d.mean, "low": d.low, "high": d.high, "p": d.p, "prompts": d.n_prompts,
                    "interval": d.method, "losing_prompts": list(d.losing), "per_prompt": dict(d.per_prompt)})
            )  # fmt: skip
        return {"experiment": self.experiment.model_dump(mode="json"), "videos": self.videos, "verdicts": rows,
                "cost": self.cost, "preview_correlation": self.correlations}  # fmt: skip


def run_and_compare(
    experiment: Experiment, out: Path, *, text: str | None = None, watched: Watched | None = None
) -> Comparison:
    """Run what is missing in `out`, then compare; a finished run is only read. Writes results.csv, summary.json and one
    contact sheet a prompt. ResultsError where cells failed or are left; KeyboardInterrupt where Ctrl-C stopped the run.
    """
    outcome = run(experiment, out, text=text, watched=watched or Watched())
    if outcome.stopped_by == INTERRUPTED:
        raise KeyboardInterrupt
    if not outcome.finished:
        raise _unfinished(out, outcome.plan, outcome.stopped_by)
    folder = RunFolder.open(out)
    records = folder.records()
    found = compare(experiment, outcome.plan, records)
    write_results(out, found, list(records.values()))
    for number, prompt in enumerate(experiment.prompts):
        path = out / "sheets" / f"{number + 1:02d}.png"
        prompt_sheet(folder, records, prompt.text, path)
    return found


def _unfinished(out: Path, plan: Plan, stopped_by: str | None) -> ResultsError:
    """Why there is no comparison yet."""
    store = RunStore(out)
    missing, last = store.missing([cell.cell for cell in plan.cells]), store.last_errors()
    why = stopped_by or next((last[cell]["message"] for cell in missing if cell in last), "")
    return ResultsError(
        f"{len(missing)} of {len(plan.cells)} videos are not made ({why}); the others are kept in {out}: run it again"
    )


def compare(experiment: Experiment, plan: Plan, records: Mapping[str, Record]) -> Comparison:
    """Paired differences of every arm from the baseline, and of the others from each search, by every evaluator."""
    by_arm: dict[str, list[tuple[Planned, Record]]] = {}
    for cell in plan.cells:
        if cell.cell in records:
            by_arm.setdefault(cell.arm, []).append((cell, records[cell.cell]))
    verdicts = []
    for judge in plan.judges:
        scores = {
            arm: {(cell.prompt, cell.repeat): record.scores.get(judge.key) for cell, record in rows}
            for arm, rows in by_arm.items()
        }
        for arm, rows in by_arm.items():
            known = [v for v in scores[arm].values() if v is not None]
            mean = sum(known) / len(known) if known else float("nan")
            others = [other for other in scores if other != arm] if _searches(rows[0][1]) else [plan.baseline]
            for other in others:
                difference = None
                if other != arm:
                    difference = paired_difference(
                        scores[arm], scores.get(other, {}), higher_is_better=judge.higher_is_better
                    )
                verdicts.append(Judged(judge.key, arm, mean, other, difference, judge.searched))
    cost = {arm: _cost([record for _, record in rows]) for arm, rows in by_arm.items()}
    looked = {arm: _correlations([record for _, record in rows]) for arm, rows in by_arm.items()}
    return Comparison(
        experiment, plan.baseline, tuple(verdicts), cost, {k: v for k, v in looked.items() if v}, len(records)
    )


def _searches(record: Record) -> bool:
    return record.method.use not in ("plain", "plain_more_steps", "random_pick", "best_of_n")


def _cost(rows: Sequence[Record]) -> dict[str, float | None]:
    """Means over videos; the budget's use is the fullest and the emptiest video's share."""
    mean = lambda values: sum(values) / len(values)  # noqa: E731
    spent = [float(r.cost.nfe.value or 0) for r in rows]
    budgets = {r.parameters["budget_nfe"] for r in rows}
    budget = budgets.pop() if len(budgets) == 1 else None
    flops = [r.cost.flops.value for r in rows if r.cost.flops.value is not None]
    return {
        "nfe": mean(spent),
        "nfe_preview": mean([float(r.cost.nfe_preview.value or 0) for r in rows]),
        "share_of_budget": mean(spent) / float(budget) if isinstance(budget, int) else None,
        "seconds": mean([r.cost.seconds.total for r in rows]),
        "teraflops": mean(flops) / 1e12 if flops else None,
        "decoded_frames": mean([float(r.cost.decoded_frames.value or 0) for r in rows]),
        "reward_frames": mean([float(r.cost.reward_frames.value or 0) for r in rows]),
    }


def _correlations(rows: Sequence[Record]) -> dict[str, float]:
    """Mean over videos of Spearman's rho between preview and final score of kept branches, by look."""
    seen: dict[str, list[float]] = {}
    for record in rows:
        for name, value in record.scores.items():
            if name.startswith(PREVIEW) and value is not None:
                seen.setdefault(name.removeprefix(PREVIEW), []).append(value)
    return {look: sum(values) / len(values) for look, values in seen.items()}


def write_results(out: Path, found: Comparison, records: Sequence[Record]) -> None:
    """results.csv (a row a video; UTF-8 with BOM, as spreadsheets want) and summary.json."""
    try:
        table(records).to_csv(out / "results.csv", index=False, encoding="utf-8-sig", quoting=csv.QUOTE_MINIMAL)
    except OSError as error:
        raise cannot_write(out / "results.csv", error) from error
    whole = json.dumps(plain(found.as_dict()), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(out / "summary.json", whole + "\n")


def prompt_sheet(folder: RunFolder, records: Mapping[str, Record], prompt: str, path: Path) -> None:
    """One picture a prompt: a row an arm, for its first seed, with what the first evaluator says."""
    rows, times, fps = [], [0], 1.0
    judge, seed = folder.plan.judges[0], folder.experiment.seeds[0]
    for cell in folder.plan.cells:
        if cell.prompt == prompt and cell.repeat == seed and cell.cell in records:
            video, record = folder.store.folder(cell.cell) / "video.mp4", records[cell.cell]
            info = probe(video)
            times, fps = spread(record.frames, SHEET_TILES), info.fps
            judged = record.scores.get(judge.key)
            label = f"{cell.arm}\n{'' if judged is None else f'{judge.label} {judged:.2f}'}"
            small = torch.nn.functional.interpolate(
                frames_at(video, times).float() / 255, (record.height, record.width), mode="area"
            )
            rows.append(SheetRow(label, small))
    if not rows:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    save_image(contact_sheet(rows, times, caption=f"{prompt}   (seed {seed})", fps=fps), path)
