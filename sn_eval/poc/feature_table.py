"""A run's kept features joined with its trace's scores: the table that a predictor is trained on, or checked by.

Joined by cell, step, seed and lineage. Candidates of one beam at one step stand against each other, and all of them are
scored alike: by their finished pieces where every one was finished, else at the last look that all of them reached.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rewards.base import UserError
from sn_eval.poc.feature_tap import FILE_NAME, Kept, Name, read_features
from sn_eval.results.experiment import Split, short
from sn_eval.results.plan import Planned
from sn_eval.results.run_folder import RunFolder
from sn_eval.results.trace import read_trace
from sn_eval.search.correlation import spearman
from sn_eval.search.features import VERSION
from sn_eval.search.predictor import Scope
from sn_eval.search.predictor_fitting import Table

Row = Mapping[str, Any]
HOW = "set keep_features: true in the experiment and run it into a new folder (finished cells are not made again)"


@dataclass(frozen=True)
class Source:
    """A training table and where it comes from. prompts: texts, by the table's numbers.

    cells, left_out: cells that it was read from, and cells with features of other looks, steps or shapes.
    """

    table: Table
    scope: Scope
    prompts: tuple[str, ...]
    cells: int
    left_out: int


@dataclass
class _Rows:
    """The table while it grows."""

    rows: list[Any] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    prompt: list[int] = field(default_factory=list)


def load_table(run: Path, look: int, split: Split | Literal["all"] = "dev") -> Source:
    """The table of a run's finished cells, with estimates after `look` evaluations (0: none).

    UserError, in one line: no features kept, none at this look, no prompts of this split.
    """
    folder = RunFolder.open(run, renew=False)
    kept = _kept(folder, split)
    of = Counter(_about(found, look) for _, found in kept)
    wanted = of.most_common(1)[0][0]
    used = [(planned, found) for planned, found in kept if _about(found, look) == wanted]
    texts = tuple(dict.fromkeys(planned.prompt for planned, _ in used))
    grown, steps = _Rows(), 0
    for planned, found in used:
        rows = found.rows(look)
        for names, scores in scored_steps(read_trace(folder.store.folder(planned.cell) / "trace.jsonl")):
            if all(name in rows for name in names):
                grown.rows += [rows[name] for name in names]
                grown.score += scores
                grown.step += [steps] * len(names)
                grown.prompt += [texts.index(planned.prompt)] * len(names)
                steps += 1
    if not grown.rows:
        raise UserError(_no_look(run, look, used))
    about = used[0][1].about
    groups = {name: length for name, length in about["groups"].items() if look or name != "latents"}
    table = Table(
        np.stack(grown.rows).astype(np.float32), np.array(grown.score), np.array(grown.step), np.array(grown.prompt),
        groups,
    )  # fmt: skip
    scope = Scope(
        about["model"], about["rollout"], short(folder.experiment.reward.use), tuple(about["noise"]), about["steps"],
        about["preview"], table.rows.shape[1],
    )  # fmt: skip
    return Source(table, scope, texts, len(used), len(kept) - len(used))


def scored_steps(trace: Iterable[Row]) -> list[tuple[list[Name], list[float]]]:
    """Candidates of each beam and step with their scores; those that stand alone say nothing."""
    looks: dict[tuple[int, int, str], dict[Name, dict[int, float | None]]] = {}
    finals: dict[Name, float | None] = {}
    for row in trace:
        name = (row["step"], row["seed"], row["key"])
        if row["kind"] == "preview":
            beam = (row["step"], row["seed"], row["parent"])
            looks.setdefault(beam, {}).setdefault(name, {})[row["look"]] = row["score"]
        elif row["kind"] == "final":
            finals[name] = row["score"]
    found = [_alike(candidates, finals) for candidates in looks.values() if len(candidates) > 1]
    return [step for step in found if len(step[0]) > 1]


def _alike(
    candidates: Mapping[Name, Mapping[int, float | None]], finals: Mapping[Name, float | None]
) -> tuple[list[Name], list[float]]:
    """Every candidate's score by one and the same measure; what was not scored (NaN) is left out."""
    scores: dict[Name, float | None] = {name: finals.get(name) for name in candidates}
    if not all(name in finals for name in candidates):
        common = set.intersection(*(set(looks) for looks in candidates.values()))
        last = max(common, default=0)
        scores = {name: looks.get(last) for name, looks in candidates.items()}
    known = {name: score for name, score in scores.items() if score is not None}
    return list(known), list(known.values())


def _kept(folder: RunFolder, split: str) -> list[tuple[Planned, Kept]]:
    """Finished cells of the split that kept features."""
    done = folder.records()
    if not done:
        raise UserError(f"no cell of {folder.folder} is finished: sn-eval poc run makes them")
    cells = [planned for planned in folder.plan.cells if planned.cell in done and split in ("all", planned.split)]
    if not cells:
        raise UserError(
            f"no finished cell of {folder.folder} has a prompt of split {split}: mark prompts so in the experiment, or "
            "take --split all"
        )
    found = [(planned, read_features(folder.store.folder(planned.cell))) for planned in cells]
    kept = [(planned, features) for planned, features in found if features is not None]
    if not kept:
        raise UserError(f"no cell of {folder.folder} holds {FILE_NAME}: {HOW}")
    current = [(planned, features) for planned, features in kept if features.about["version"] == VERSION]
    if not current:
        raise UserError(f"the features in {folder.folder} are of another version of sn-eval: {HOW}")
    return current


def _about(kept: Kept, look: int) -> tuple[Any, ...]:
    """What must be the same for all of a table's rows; steps and kind of looks only where estimates are used."""
    about = kept.about
    same = (about["model"], about["rollout"], *about["noise"])
    return (*same, about["steps"], about["preview"]) if look else same


def _no_look(run: Path, look: int, used: Iterable[tuple[Planned, Kept]]) -> str:
    there = sorted({at for _, kept in used for at in kept.seen})
    if look and look not in there:
        return f"no features after {look} evaluations in {run}: known looks are 0, {', '.join(map(str, there))}"
    return f"no step in {run} has several scored candidates: let methods try some, e.g. scaling_noise"


# --- how it did ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """A predictor at work: over `steps`, the mean rank correlation of its guess and the preview's score.

    Only of the candidates that it kept, since no others were previewed: an underestimate of what it knows of all.
    """

    cells: int
    steps: int
    predicted: int
    previewed: int
    spearman: float | None


def check_run(run: Path) -> Checked:
    """Of all finished cells whose search had a predictor; UserError where there are none."""
    folder = RunFolder.open(run, renew=False)
    total = Checked(0, 0, 0, 0, None)
    correlations: list[float] = []
    for cell in folder.records():
        found = check_trace(read_trace(folder.store.folder(cell) / "trace.jsonl"))
        if found.predicted:
            correlations += [found.spearman] * found.steps if found.spearman is not None else []
            total = Checked(
                total.cells + 1, total.steps + found.steps, total.predicted + found.predicted,
                total.previewed + found.previewed, None,
            )  # fmt: skip
    if not total.cells:
        raise UserError(f"no finished cell of {run} had a predictor: give a method params: {{predictor: FILE}}")
    return replace(total, spearman=float(np.mean(correlations)) if correlations else None)


def check_trace(trace: Iterable[Row]) -> Checked:
    """Of one video: guesses and first previews of the kept, rank-correlated within each beam and step."""
    beams: dict[tuple[int, int, str], dict[str, float]] = {}
    pairs: dict[tuple[int, int, str], dict[str, tuple[float, float]]] = {}
    for row in trace:
        beam = (row["step"], row["seed"], row["parent"])
        if row["kind"] == "predicted":
            beams.setdefault(beam, {})[row["key"]] = row["score"]
        elif row["kind"] == "preview" and (guess := beams.get(beam, {}).get(row["key"])) is not None:
            score = np.nan if row["score"] is None else row["score"]
            pairs.setdefault(beam, {}).setdefault(row["key"], (guess, score))  # of the first look
    sides = [list(map(list, zip(*found.values(), strict=True))) for found in pairs.values() if len(found) > 1]
    found = [rho for rho in (spearman(*side) for side in sides) if rho is not None]
    guessed, previewed = (sum(map(len, each.values())) for each in (beams, pairs))
    return Checked(int(guessed > 0), len(found), guessed, previewed, float(np.mean(found)) if found else None)
