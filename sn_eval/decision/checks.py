"""Every rule of the verdict but the uplift itself, held against the arm that is judged."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sn_eval.decision.arms import Arm
from sn_eval.decision.comparisons import higher_is_better
from sn_eval.decision.findings import ArmFindings, Hacking, Reason, Roi, RunFacts
from sn_eval.decision.statistics import PairedDifference, paired_difference
from sn_eval.results.experiment import Criterion, Experiment
from sn_eval.results.plan import Judge


@dataclass(frozen=True)
class Case:
    """What is held against the rules. arms: by name, on confirm prompts.

    validity: balanced accuracy of the automatic acceptance against people, None where nobody labelled.
    """

    experiment: Experiment
    judges: Sequence[Judge]
    facts: RunFacts
    arms: Mapping[str, Arm]
    baseline: str
    arm: str
    found: Mapping[str, ArmFindings]
    hacking: Hacking | None
    roi: Roi | None
    roi_words: str
    rules_changed: bool
    validity: float | None = None

    def paired(self, outcome: str) -> PairedDifference:
        """The judged arm minus the baseline."""
        return paired_difference(
            self.arms[self.arm].values(outcome), self.arms[self.baseline].values(outcome),
            higher_is_better=higher_is_better(outcome, self.judges), confidence=self.experiment.rules.confidence,
        )  # fmt: skip


def checks(case: Case) -> tuple[Reason, ...]:
    """All of them; a rule that the experiment does not declare has no Reason."""
    found = [_profit(case), *_critical(case), *_no_worse(case), *_latency(case), *_hacking(case), *_business(case)]
    return (*found, _failures(case), *_balance(case), *_validity(case))


def _profit(case: Case) -> Reason:
    rule = case.experiment.rules.chance_of_profit
    if case.roi is None:
        return Reason("profit", None, {"rule": rule, "chance": None, "why": case.roi_words})
    chance = case.roi.chance_of_profit
    values = {"rule": rule, "chance": chance, "p10": case.roi.npv.p10, "p50": case.roi.npv.p50, "p90": case.roi.npv.p90}
    return Reason("profit", chance >= rule, {**values, "currency": case.roi.currency})


def _critical(case: Case) -> list[Reason]:
    """A critical criterion is worse where the whole interval of its share lies below zero."""
    found = []
    for criterion in case.experiment.acceptance:
        if criterion.critical:
            difference = paired_difference(
                _holding(case.arms[case.arm], criterion), _holding(case.arms[case.baseline], criterion),
                confidence=case.experiment.rules.confidence,
            )  # fmt: skip
            worse = difference.high is not None and difference.high < 0
            holds = None if difference.mean is None else not worse
            found.append(Reason("critical_criterion", holds, _values(criterion.evaluator, difference)))
    return found


def _holding(arm: Arm, criterion: Criterion) -> dict[tuple[str, int], float | None]:
    """Whether each attempt that it applies to meets a criterion."""
    return {
        (attempt.prompt, attempt.repeat): 0.0 if attempt.failed else _share(criterion, attempt.scores)
        for attempt in arm.attempts
        if not criterion.groups or attempt.group in criterion.groups
    }


def _share(criterion: Criterion, scores: Mapping[str, float | None]) -> float | None:
    holds = criterion.holds(scores.get(criterion.evaluator))
    return None if holds is None else float(holds)


def _no_worse(case: Case) -> list[Reason]:
    """Non-inferiority: shown where the whole interval lies above −margin, broken where it lies below."""
    found = []
    for guard in case.experiment.rules.no_worse:
        difference = case.paired(guard.evaluator)
        sign = 1 if higher_is_better(guard.evaluator, case.judges) else -1
        bounds = sorted(sign * b for b in (difference.low, difference.high) if b is not None)
        holds = None
        if bounds and bounds[0] > -guard.margin:
            holds = True
        elif bounds and bounds[-1] < -guard.margin:
            holds = False
        found.append(Reason("no_worse", holds, {**_values(guard.evaluator, difference), "margin": guard.margin}))
    return found


def _values(outcome: str, difference: PairedDifference) -> dict[str, float | str | None]:
    return {"outcome": outcome, "difference": difference.mean, "low": difference.low, "high": difference.high}


def _latency(case: Case) -> list[Reason]:
    bound, taken = case.experiment.rules.max_latency, case.found[case.arm].cost.latency
    if bound is None:
        return []
    return [Reason("latency", None if taken is None else taken <= bound, {"bound": bound, "latency": taken})]


def _hacking(case: Case) -> list[Reason]:
    if case.hacking is None:
        return []
    gain = case.hacking.searched_gain
    return [Reason("hacking", None if gain is None else not case.hacking.alarm, {"searched_gain": gain})]


def _business(case: Case) -> list[Reason]:
    examples = case.experiment.examples
    return [
        Reason("business_inputs", case.roi is not None, {"why": case.roi_words}),
        Reason("illustrative_inputs", not examples, {"inputs": ", ".join(examples)}),
        Reason("rules_changed", not case.rules_changed),
    ]


def _failures(case: Case) -> Reason:
    """Cells that the machine failed, as a share of those planned."""
    share = (case.facts.infrastructure + case.facts.damaged) / max(case.facts.planned, 1)
    rule = case.experiment.rules.max_failures
    counts = {"failed": float(case.facts.infrastructure + case.facts.damaged), "planned": float(case.facts.planned)}
    return Reason("failures", share <= rule, {"share": share, "rule": rule, **counts})


def _balance(case: Case) -> list[Reason]:
    """Arms that are compared must have spent what was declared, and met the same prompts as often."""
    within = case.experiment.budget.within if case.experiment.budget else 0.0
    spent = case.found[case.arm].cost
    found = []
    shares = [share for share in (spent.share_of_budget, spent.lowest_share, spent.highest_share) if share is not None]
    if shares:
        even = all(abs(share - 1) <= within + 1e-9 for share in shares)
        found.append(Reason("balance", even, {"arm": case.arm, "share": spent.share_of_budget, "within": within}))
    ours, theirs = (set(case.arms[name].values("")) for name in (case.arm, case.baseline))
    missing = len(ours ^ theirs) / max(len(ours | theirs), 1)
    if missing > case.experiment.rules.max_failures:
        found.append(
            Reason("pairs", False, {"arm": case.arm, "share": missing, "rule": case.experiment.rules.max_failures})
        )
    return found


def _validity(case: Case) -> list[Reason]:
    """An acceptance that tells good from bad no better than a coin decides nothing; without labels nobody knows.

    Where people's verdicts are the acceptance, there is no check to be held against them.
    """
    if case.experiment.labels and not case.experiment.acceptance:
        return []
    if case.validity is None or math.isnan(case.validity):
        return [Reason("evaluator_validity", None, {"accuracy": None})]
    return [Reason("evaluator_validity", case.validity > 0.5, {"accuracy": case.validity})]
