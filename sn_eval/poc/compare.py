"""Run a suite's cells, resumably, and say which method is better, by how much, at what cost, and where it loses."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import rewards
from rewards.base import Reward, UserError
from sn_eval import metrics, models
from sn_eval.decision.statistics import PairedDifference, paired_difference
from sn_eval.poc.cell import Cell, check_cell, fingerprinted, judge_name, run_cell
from sn_eval.poc.spec import Suite
from sn_eval.results.files import cannot_write, write_whole
from sn_eval.results.record import Component, Record
from sn_eval.results.store import RunStore
from sn_eval.results.table import table
from sn_eval.results.trace import plain
from sn_eval.video import SheetRow, contact_sheet, frames_at, probe, save_image, spread

SHEET_TILES = 9


@dataclass(frozen=True)
class Judged:
    """A judge's verdict on one method: its mean over videos, and the paired difference from the baseline."""

    judge: str
    method: str
    mean: float
    against: str
    difference: PairedDifference | None
    searched_family: bool


@dataclass(frozen=True)
class Comparison:
    """What a suite found: verdicts, cost by method, and how far each method stayed from the budget."""

    suite: Suite
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
        return {"suite": self.suite.model_dump(mode="json"), "videos": self.videos, "verdicts": rows,
                "cost": self.cost, "preview_correlation": self.correlations}  # fmt: skip


@dataclass(frozen=True)
class Cast:
    """The objects that a suite names, made once for all of its cells."""

    model: Any
    reward: Reward
    judges: tuple[Reward, ...]


def cast(suite: Suite) -> Cast:
    """Make model, reward and judges; refuse a judge of a family that is searched on, unless the suite allows it."""
    reward = rewards.create(suite.reward.use, **suite.reward.params)
    judges = tuple(metrics.create(judge.use, **judge.params) for judge in suite.judges)
    names = [judge_name(component, judge) for component, judge in zip(suite.judges, judges, strict=True)]
    if len(set(names)) < len(names):
        raise UserError(f"judges {', '.join(names)}: two would share one column; leave one out")
    for component, judge in zip(suite.judges, judges, strict=True):
        shared = same_family(reward, judge)
        if shared and not suite.allow_same_family:
            raise UserError(
                f"judge {component.use!r} measures by {', '.join(shared)}, which {suite.reward.use!r} searches on: "
                "choose a judge of another family, or set allow_same_family: true (every table is then marked)"
            )
    return Cast(models.create(suite.model.use, **suite.model.params), reward, judges)


def same_family(reward: Reward, judge: Reward) -> list[str]:
    """Measurement families that both use."""
    return sorted(set(reward.spec.families) & set(judge.spec.families))


def run_suite(
    suite: Suite,
    out: Path,
    *,
    on_cell: Callable[[int, int, Cell], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Run what is missing in `out`, then compare; a finished suite is only read. Writes results.csv, summary.json
    and one contact sheet a prompt."""
    players = cast(suite)
    check_methods(suite, players.model)
    store, cells = RunStore(out), [fingerprinted(cell, players.model) for cell in suite.cells()]
    missing = set(store.missing([cell.id for cell in cells]))
    for number, cell in enumerate(cells):
        if on_cell:
            on_cell(number, len(cells), cell)
        if cell.id in missing:
            folder = store.begin(cell.id)
            try:
                made = run_cell(cell, folder, players.model, players.reward, players.judges, on_progress=on_progress)
            except Exception as error:
                store.fail(cell.id, error)
                raise
            store.finish(cell.id, made.record)
    if on_cell:
        on_cell(len(cells), len(cells), cells[-1])
    records = [store.record(cell.id) for cell in cells]
    found = compare(suite, records, players)
    write_results(out, found, records)
    for number, prompt in enumerate(suite.prompts):
        prompt_sheet(suite, store, cells, prompt, out / "sheets" / f"{number + 1:02d}.png")
    return found


def check_methods(suite: Suite, model: Any) -> None:
    """Refuse unknown methods, wrong knobs and budgets too small before anything is spent."""
    for cell in suite.cells()[: len(suite.methods)]:
        check_cell(cell, model)


def compare(suite: Suite, records: Sequence[Record], players: Cast) -> Comparison:
    """Paired differences of every method from the baseline, and of the others from each search, by every judge."""
    by_method: dict[str, list[Record]] = {}
    for record in records:
        by_method.setdefault(record.method.use, []).append(record)
    verdicts = []
    for component, judge in zip(suite.judges, players.judges, strict=True):
        name, shared = judge_name(component, judge), bool(same_family(players.reward, judge))
        higher = getattr(judge.spec, "higher_is_better", True)
        scores = {use: {(r.prompt, r.seed): r.scores.get(name) for r in rows} for use, rows in by_method.items()}
        for method in suite.methods:
            known = [v for v in scores[method.use].values() if v is not None]
            mean = sum(known) / len(known) if known else float("nan")
            others = [use for use in scores if use != method.use] if _searches(method) else [suite.baseline]
            for other in others:
                difference = None
                if other != method.use:
                    difference = paired_difference(scores[method.use], scores[other], higher_is_better=higher)
                verdicts.append(Judged(name, method.use, mean, other, difference, shared))
    cost = {use: _cost(rows) for use, rows in by_method.items()}
    correlations = {use: found for use, rows in by_method.items() if (found := _correlations(rows))}
    return Comparison(suite, tuple(verdicts), cost, correlations, len(records))


def _searches(method: Component) -> bool:
    return method.use not in ("plain", "plain_more_steps", "random_pick", "best_of_n")


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
            if name.startswith("preview_correlation@") and value is not None:
                seen.setdefault(name.split("@")[1], []).append(value)
    return {look: sum(values) / len(values) for look, values in seen.items()}


def write_results(out: Path, found: Comparison, records: Sequence[Record]) -> None:
    """results.csv (a row a video; UTF-8 with BOM, as spreadsheets want) and summary.json."""
    try:
        table(records).to_csv(out / "results.csv", index=False, encoding="utf-8-sig", quoting=csv.QUOTE_MINIMAL)
    except OSError as error:
        raise cannot_write(out / "results.csv", error) from error
    whole = json.dumps(plain(found.as_dict()), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(out / "summary.json", whole + "\n")


def prompt_sheet(suite: Suite, store: RunStore, cells: Sequence[Cell], prompt: str, path: Path) -> None:
    """One picture a prompt: a row a method, for its first seed, with what the first judge says."""
    rows, times, fps = [], [0], 1.0
    for cell in cells:
        if cell.prompts[0] == prompt and cell.seed == suite.seeds[0]:
            video, record = store.folder(cell.id) / "video.mp4", store.record(cell.id)
            info = probe(video)
            times, fps = spread(record.frames, SHEET_TILES), info.fps
            judged = next((v for k, v in record.scores.items() if not k.startswith(("searched:", "preview_"))), None)
            label = f"{cell.method.use}\n{'' if judged is None else f'{suite.judges[0].use} {judged:.2f}'}"
            small = torch.nn.functional.interpolate(
                frames_at(video, times).float() / 255, (record.height, record.width), mode="area"
            )
            rows.append(SheetRow(label, small))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    save_image(contact_sheet(rows, times, caption=f"{prompt}   (seed {suite.seeds[0]})", fps=fps), path)
