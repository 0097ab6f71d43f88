"""The figures of every arm on one split: what it costs, what it gains over the baseline, what else changes with it.

Everything is paired: seeds are averaged in a prompt, and prompts are the draws (DECISION.md, "Statistics"). An arm is
compared on the prompts and seeds that both have, so a run that is under way can be read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.methods.kept import Kept, Values, kept
from sn_eval.decision.arms import Arm, arms_of
from sn_eval.decision.attempts import attempts_of
from sn_eval.decision.comparisons import higher_is_better
from sn_eval.decision.facts import Cells
from sn_eval.decision.findings import Attempt
from sn_eval.decision.statistics import paired_difference
from sn_eval.results.evaluation import mean_of_known
from sn_eval.results.experiment import ACCEPTANCE, Split
from sn_eval.results.files import ResultsError
from sn_eval.results.run_folder import RunFolder

MOTION = "dynamic_degree"
"""Label of the evaluator that a frozen video fails."""


@dataclass(frozen=True)
class Difference:
    """An arm minus another, over prompts; above zero is better where it is a gain.

    low, high: of a 95 % interval, None where there are too few prompts. spread: standard deviation between prompts.
    losing: prompts on which the arm is worse, the worst first, with by how much.
    """

    mean: float | None
    low: float | None
    high: float | None
    spread: float | None
    prompts: int
    pairs: int
    losing: Mapping[str, float]
    how: str


@dataclass(frozen=True)
class ArmFigures:
    """One arm on one split. cells, planned: finished videos of so many; unusable: of which no usable video came out.

    nfe, seconds: of a finished video, device-seconds without loading. cost, time: shares of the reference's, of the
    videos that both have. gain: in the measure, over the baseline. kept: of the reference's gain. motion, searched:
    differences from the baseline, None where nothing measures them.
    """

    arm: str
    cells: int
    planned: int
    unusable: int
    nfe: float | None
    seconds: float | None
    cost: float | None
    time: float | None
    gain: Difference
    kept: Kept
    motion: Difference | None
    searched: Difference | None


@dataclass(frozen=True)
class Material:
    """A run's attempts by split and arm. measure: label of the outcome that arms are chosen by."""

    run: RunFolder
    arms: Mapping[Split, Mapping[str, Arm]]
    baseline: str
    reference: str
    measure: str

    @classmethod
    def of(cls, path: Path, reference: str, measure: str | None = None) -> "Material":
        """Read a run; nothing is written there. ResultsError, in one line, where an arm or the measure is unknown."""
        run = RunFolder.open(path, renew=False)
        plan, experiment, cells = run.plan, run.experiment, Cells.of(run)
        if measure is None and not experiment.primary:
            raise ResultsError(f"{path} declares no primary outcome: name the measure with --measure")
        measure = measure or experiment.primary[0].outcome
        known = [*([ACCEPTANCE] if experiment.acceptance else []), *(judge.label for judge in plan.judges)]
        if measure not in known:
            raise ResultsError(f"no measure {measure!r} in {path}; known: {', '.join(known)}")
        others = [arm for arm in plan.arms if arm != plan.baseline]
        if reference not in others:
            raise ResultsError(f"no arm {reference!r} to hold others against in {path}; known: {', '.join(others)}")
        attempts = attempts_of(experiment, plan, cells.records, cells.failed)
        splits: tuple[Split, Split] = ("dev", "confirm")
        arms = {split: arms_of(attempts, plan.baseline, split) for split in splits}
        filled = {split: {arm: arms[split].get(arm, Arm(arm, ())) for arm in plan.arms} for split in splits}
        return cls(run, filled, plan.baseline, reference, measure)

    @property
    def higher(self) -> bool:
        """Whether a higher value of the measure is better."""
        return higher_is_better(self.measure, self.run.plan.judges)

    def missing(self, split: Split, arm: str) -> int:
        """Planned cells of an arm that nobody has made yet."""
        return self.planned(split, arm) - len(self.arms[split][arm].attempts)

    def planned(self, split: Split, arm: str) -> int:
        """Planned cells of an arm."""
        return sum((cell.split, cell.arm) == (split, arm) for cell in self.run.plan.cells)

    def figures(self, split: Split) -> tuple[ArmFigures, ...]:
        """Of every arm that has a cell there: the baseline, the reference, then by cost, and by gain at one cost."""
        found = [self._arm(split, arm) for arm in self.arms[split].values() if arm.attempts]
        first = {self.baseline: 0, self.reference: 1}

        def place(each: ArmFigures) -> tuple[int, float, float]:
            return first.get(each.arm, 2), each.nfe or 0.0, -(each.gain.mean or 0.0)

        return tuple(sorted(found, key=place))

    def gain(self, split: Split, arm: str, over: str) -> Difference:
        """How much better an arm is in the measure."""
        ours, theirs = (self.arms[split][name].values(self.measure) for name in (arm, over))
        return difference(ours, theirs, higher=self.higher)

    def _arm(self, split: Split, arm: Arm) -> ArmFigures:
        reference, baseline = (self.arms[split][name] for name in (self.reference, self.baseline))
        values = [each.values(self.measure) for each in (arm, reference, baseline)]
        plan = self.run.plan
        moving = any(judge.label == MOTION for judge in plan.judges)
        unusable = sum(attempt.failed for attempt in arm.attempts)
        return ArmFigures(
            arm.name, len(arm.attempts) - unusable, self.planned(split, arm.name), unusable,
            mean_of_known([attempt.compute.nfe for attempt in arm.attempts]),
            mean_of_known([attempt.compute.seconds for attempt in arm.attempts]),
            _share(arm, reference, lambda attempt: attempt.compute.nfe),
            _share(arm, reference, lambda attempt: attempt.compute.seconds),
            self.gain(split, arm.name, self.baseline), kept(*values, higher=self.higher),
            difference(arm.values(MOTION), baseline.values(MOTION)) if moving else None,
            difference(_rewarded(arm), _rewarded(baseline)) if plan.rewarded else None,
        )  # fmt: skip


def difference(ours: Values, theirs: Values, *, higher: bool = True) -> Difference:
    """Ours minus theirs with `sn_eval.decision.statistics`, turned round where a lower value is better."""
    found = paired_difference(ours, theirs, higher_is_better=higher)
    sign = 1 if higher else -1
    low, high = (found.low, found.high) if higher else (_minus(found.high), _minus(found.low))
    losing = {prompt: sign * found.per_prompt[prompt] for prompt in found.losing}
    mean = found.mean if higher else _minus(found.mean)
    values = list(found.per_prompt.values())
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Difference(mean, low, high, spread, found.n_prompts, found.n_pairs, losing, found.method)


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _rewarded(arm: Arm) -> Values:
    """The searched reward's verdict on whole videos."""
    return {(attempt.prompt, attempt.repeat): attempt.rewarded for attempt in arm.attempts}


def _share(arm: Arm, reference: Arm, spent: Callable[[Attempt], float | None]) -> float | None:
    """What the arm spent over what the reference spent, on prompts and seeds for which both are known."""
    ours, theirs = ({(a.prompt, a.repeat): spent(a) for a in side.attempts} for side in (arm, reference))
    pairs = [(x, y) for pair, x in ours.items() if x is not None and (y := theirs.get(pair)) is not None]
    whole = sum(y for _, y in pairs)
    return sum(x for x, _ in pairs) / whole if whole else None
