"""Which arm is judged, and how every arm differs from the baseline on every outcome.

Settings compete on dev prompts only; what is reported comes from confirm prompts. p values of primary comparisons are
corrected together (Holm 1979), those of all others together (Benjamini & Hochberg 1995).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sn_eval.decision.arms import Arm
from sn_eval.decision.findings import Choice, Compared
from sn_eval.decision.spreadless import reach
from sn_eval.decision.statistics import PairedDifference, benjamini_hochberg, holm, paired_difference
from sn_eval.results.evaluation import mean_of_known
from sn_eval.results.experiment import ACCEPTANCE, Experiment, Primary
from sn_eval.results.plan import Judge


@dataclass(frozen=True)
class Question:
    """What the primaries ask, once it is settled which arm each is about."""

    primary: Primary
    choice: Choice


def questions(
    experiment: Experiment, methods: Mapping[str, str], baseline: str, dev: Mapping[str, Arm], judges: Sequence[Judge]
) -> tuple[Question, ...]:
    """Each primary with the arm that it judges. methods: of each arm; a primary may be about one method's settings."""
    found = []
    for primary in experiment.primary:
        competing = [
            arm for arm, method in methods.items() if arm != baseline and primary.method in (None, method)
        ]  # fmt: skip
        if competing:
            found.append(Question(primary, _choose(primary.outcome, competing, dev, judges)))
    return tuple(found)


def _choose(outcome: str, competing: Sequence[str], dev: Mapping[str, Arm], judges: Sequence[Judge]) -> Choice:
    """The arm with the best mean over dev prompts; of equal ones the first. Without dev prompts there is but one."""
    means = {arm: dev[arm].by_prompt(outcome) if arm in dev else {} for arm in competing}
    values = {arm: mean_of_known(list(by_prompt.values())) for arm, by_prompt in means.items()}
    sign = 1 if higher_is_better(outcome, judges) else -1
    scored = [(sign * value, -place, arm) for place, (arm, value) in enumerate(values.items()) if value is not None]
    chosen = max(scored)[2] if scored else competing[0]
    prompts = {prompt for by_prompt in means.values() for prompt in by_prompt}
    return Choice(chosen, outcome, values, len(prompts))


def higher_is_better(outcome: str, judges: Sequence[Judge]) -> bool:
    """How to read an outcome."""
    return next((judge.higher_is_better for judge in judges if judge.label == outcome), True)


def comparisons(
    arms: Mapping[str, Arm],
    baseline: str,
    asked: Sequence[Question],
    judges: Sequence[Judge],
    confidence: float = 0.95,
    look: float | None = None,
) -> tuple[Compared, ...]:
    """Every arm against the baseline, and each judged arm against the others, on acceptance and every evaluator.

    look: confidence of the intervals that this look allows, None where it allows none.
    """
    judged = list(dict.fromkeys(question.choice.arm for question in asked))
    pairs = [(arm, baseline) for arm in arms if arm != baseline]
    pairs += [(arm, other) for arm in judged for other in arms if other not in (arm, baseline)]
    known = [judge.label for judge in judges]
    if any(attempt.accepted is not None for arm in arms.values() for attempt in arm.attempts):
        known = [ACCEPTANCE, *known]
    found = [
        compare_arms(arms[arm], arms[other], outcome, judges, confidence)
        for outcome in known
        for arm, other in pairs
        if arm in arms
    ]
    return _corrected([_asked(each, baseline, asked, arms, look, confidence) for each in found])


def compare_arms(arm: Arm, other: Arm, outcome: str, judges: Sequence[Judge], confidence: float = 0.95) -> Compared:
    """One outcome of two arms, paired by prompt and repeat; p as it is, not corrected."""
    higher = higher_is_better(outcome, judges)
    difference = paired_difference(
        arm.values(outcome), other.values(outcome), higher_is_better=higher, confidence=confidence
    )
    if outcome == ACCEPTANCE:
        difference = _with_reach(difference, confidence)
    searched = any(judge.searched for judge in judges if judge.label == outcome)
    return Compared(outcome, arm.name, other.name, difference, difference.p, higher, searched=searched)


def _with_reach(difference: PairedDifference, confidence: float) -> PairedDifference:
    """A difference of shares that was the same on every prompt is not certain for that."""
    if difference.mean is None or difference.low != difference.high or difference.n_prompts < 2:
        return difference
    low, high = reach(difference.mean, difference.n_prompts, -1.0, 1.0, confidence)
    how = f"all {difference.n_prompts} prompts differ by the same amount: what others may do, by the rule of three"
    return replace(difference, low=low, high=high, method=how)


def _asked(
    each: Compared,
    baseline: str,
    asked: Sequence[Question],
    arms: Mapping[str, Arm],
    look: float | None,
    confidence: float,
) -> Compared:
    """The comparison, marked as primary where one asks it, with the interval that this look allows."""
    primary = next(
        (q.primary for q in asked if (q.primary.outcome, q.choice.arm, baseline) == _key(each)), None
    )  # fmt: skip
    bounds: tuple[float | None, float | None] = (None, None)
    if look == confidence:
        bounds = (each.difference.low, each.difference.high)
    elif look is not None and primary is not None:
        again = paired_difference(
            arms[each.arm].values(each.outcome), arms[each.against].values(each.outcome), confidence=look
        )
        again = _with_reach(again, look) if each.outcome == ACCEPTANCE else again
        bounds = (again.low, again.high)
    return replace(
        each,
        primary=primary is not None,
        minimum_effect=primary.minimum_effect if primary else None,
        adjusted=bounds,
    )


def _key(each: Compared) -> tuple[str, str, str]:
    return each.outcome, each.arm, each.against


def _corrected(found: Sequence[Compared]) -> tuple[Compared, ...]:
    """The same with corrected p values."""
    by_family: Iterator[tuple[bool, list[Compared]]] = (
        (first, [each for each in found if each.primary is first]) for first in (True, False)
    )
    corrected: dict[tuple[str, str, str], float | None] = {}
    for first, family in by_family:
        ps = (holm if first else benjamini_hochberg)([each.difference.p for each in family])
        corrected |= {_key(each): p for each, p in zip(family, ps, strict=True)}
    return tuple(replace(each, p=corrected[_key(each)]) for each in found)
