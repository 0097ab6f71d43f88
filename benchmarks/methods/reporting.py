"""All figures of a run in one place: what the tables and the JSON show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.methods.choosing import Choice, Judged, choose, judge
from benchmarks.methods.figures import ArmFigures, Material
from sn_eval.results.experiment import Split
from sn_eval.results.files import ResultsError


@dataclass(frozen=True)
class Report:
    """dev, confirm: arms that have videos there. choice: from dev cells only. judged: None where nothing was chosen.

    asked: what arms that were named, whatever chose them, do on confirm prompts. dev_words, confirm_words: how much of
    each split is there.
    """

    name: str
    measure: str
    baseline: str
    reference: str
    dev_words: str
    confirm_words: str
    choice: Choice
    judged: Judged | None
    asked: dict[str, Judged]
    dev: tuple[ArmFigures, ...]
    confirm: tuple[ArmFigures, ...]


def report(
    path: Path, *, reference: str, keep: float, measure: str | None = None, arms: Sequence[str] = ()
) -> Report:
    """Read a run and choose; ResultsError, in one line, for what cannot be read or is not there."""
    material = Material.of(path, reference, measure)
    dev, confirm = material.figures("dev"), material.figures("confirm")
    choice = choose(dev, material, keep)
    judged = None if choice.arm is None else judge(choice.arm, material, confirm)
    known = dict.fromkeys(cell.arm for cell in material.run.plan.cells)
    if unknown := [arm for arm in arms if arm not in known]:
        raise ResultsError(f"no arm {unknown[0]!r} in this run; there are {', '.join(known)}")
    asked = {arm: judge(arm, material, confirm) for arm in arms}
    return Report(
        material.run.experiment.name, material.measure, material.baseline, reference,
        _there("dev", material), _there("confirm", material), choice, judged, asked, dev, confirm,
    )  # fmt: skip


def _there(split: Split, material: Material) -> str:
    planned = [cell for cell in material.run.plan.cells if cell.split == split]
    if not planned:
        return f"no {split} videos are planned"
    prompts = len({cell.prompt for cell in planned})
    done = sum(len(arm.attempts) for arm in material.arms[split].values())
    return f"{done} of {len(planned)} {split} videos ({prompts} prompts) are there"
