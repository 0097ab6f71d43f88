"""The cheapest arm that keeps enough of the reference's gain: chosen on dev prompts, judged once on confirm prompts."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.methods.figures import ArmFigures, Difference, Material
from sn_eval.decision.power import needed
from sn_eval.poc.part import Part
from sn_eval.poc.spec import experiment_names
from sn_eval.results.run_folder import SPEC

GOAL = 0.40
"""Of the reference's cost: what issue 7 asks of the chosen arm on confirm prompts."""


@dataclass(frozen=True)
class Choice:
    """Made from dev cells only. arm: None where none keeps enough; nearest: then the cheaper arm that keeps most.

    clear: whether the reference's own gain there is clearly above zero; else the choice is little more than a guess.
    sure: whether the chosen arm's whole interval lies above what was asked for. open: dev cells that nobody has made
    yet; until there are none the choice may change. needed: prompts that would show such a gain of the reference as is
    seen now with a chance of 80 %, None where it is clear, or where no number would.
    """

    keep: float
    arm: str | None
    nearest: str | None
    clear: bool
    sure: bool
    open: int
    needed: int | None


@dataclass(frozen=True)
class Judged:
    """The chosen arm on confirm prompts. figures: None where it has no cells there.

    missing: cells that are still to be made, by arm, of the three that this rests on; command: makes them, None where
    none are missing, or where no confirm prompt is planned. against: the reference, in the measure.
    cheap: whether it costs no more than the goal's share of the reference.
    """

    figures: ArmFigures | None
    missing: dict[str, int]
    command: str | None
    against: Difference
    goal: float
    cheap: bool | None


def choose(dev: Sequence[ArmFigures], material: Material, keep: float) -> Choice:
    """The arm with the fewest evaluations among those that keep the share; of equally dear ones, what gains more.

    Only arms that are cheaper than the reference compete.
    """
    known = {each.arm: each for each in dev}
    cheaper = [
        each for each in dev
        if each.arm not in (material.baseline, material.reference) and each.cost is not None and each.cost < 1
        and each.kept.share is not None
    ]  # fmt: skip
    enough = [each for each in cheaper if (each.kept.share or 0.0) >= keep]
    reference = known.get(material.reference)
    clear = reference is not None and reference.kept.clear
    best = min(enough, key=lambda each: (each.nfe or 0.0, -(each.gain.mean or 0.0)), default=None)
    nearest = None if best else max(cheaper, key=lambda each: each.kept.share or 0.0, default=None)
    return Choice(
        keep, best.arm if best else None, nearest.arm if nearest else None, clear,
        sure=best is not None and best.kept.low is not None and best.kept.low >= keep,
        open=sum(material.missing("dev", arm) for arm in material.arms["dev"]), needed=_needed(reference, clear),
    )  # fmt: skip


def _needed(reference: ArmFigures | None, clear: bool) -> int | None:
    """Prompts for a gain that is not clear yet."""
    if reference is None or clear or reference.gain.spread is None or (reference.gain.mean or 0.0) <= 0:
        return None
    return needed(reference.gain.mean or 0.0, reference.gain.spread)


def judge(arm: str, material: Material, confirm: Sequence[ArmFigures]) -> Judged:
    """What the chosen arm does on confirm prompts, or what is missing for that."""
    figures = next((each for each in confirm if each.arm == arm), None)
    three = (material.baseline, material.reference, arm)
    missing = {name: count for name in three if (count := material.missing("confirm", name))}
    planned = material.planned("confirm", arm)
    command = command_for(material, three) if missing or not planned else None
    cheap = None if figures is None or figures.cost is None else figures.cost <= GOAL
    return Judged(figures, missing, command, material.gain("confirm", arm, material.reference), GOAL, cheap)


def command_for(material: Material, arms: Sequence[str]) -> str | None:
    """The command that makes the confirm cells of these arms; None where nobody knows which prompts those are.

    A run of dev prompts only is gone on with by the suite of its name, if there is one.
    """
    run: Path = material.run.folder
    if any(cell.split == "confirm" for cell in material.run.plan.cells):
        spec = str(run / SPEC)
    elif material.run.experiment.name in experiment_names():
        spec = material.run.experiment.name
    else:
        return None
    return f"sn-eval poc run {shlex.quote(spec)} --out {shlex.quote(str(run))}{Part('confirm', tuple(arms)).options}"
