"""Go, conditional, continue, stop or invalid: the rules that were declared before the run, each with how it came out.

Every rule is a `Reason` that holds, does not hold, or could not be decided; the decision is read off them
(DECISION.md, "Verdict"):

- invalid: the run itself cannot be trusted (machines failed, arms spent or tried unequally, a judge is no better than
  chance).
- provisional: the run is not finished, and no look was declared for where it stands.
- stop: the whole interval of the uplift lies below what it must reach, or a guard is broken: the reward was gamed, a
  critical criterion or a guarded measure fell, it takes too long; or the uplift is shown and there is no profit in it.
- go: the whole interval lies above, and everything else holds.
- conditional: the effect is shown, and only knowledge about the business is missing.
- continue: what is left; the videos made so far do not tell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sn_eval.decision.findings import Decision, Reason, Verdict
from sn_eval.decision.ranks import Estimate

VALIDITY = ("failures", "balance", "pairs", "evaluator_validity")
GUARDS = ("hacking", "critical_criterion", "no_worse", "latency")
BUSINESS = ("business_inputs", "illustrative_inputs", "rules_changed")
CODES = ("uplift", "profit", *GUARDS, *BUSINESS, *VALIDITY, "finished", "declared")
"""Every code of a Reason. `present.words` has three sentences for each: holds, does not hold, could not be decided."""


@dataclass(frozen=True)
class Evidence:
    """What the verdict rests on.

    arm: the one that is judged. uplift: its primary difference from the baseline, good is up, with the interval that
    this look allows (both bounds None: no interval at this look). threshold: what the whole interval must exceed, in
    the same unit; threshold_kind: "break_even" or "minimum_effect". unlikely: chance of profit at or below which it is
    settled that there is none. checks: every other rule.
    """

    arm: str
    outcome: str
    uplift: Estimate
    threshold: float
    threshold_kind: str
    break_even: float | None
    finished: bool
    checks: Sequence[Reason] = ()
    values: Mapping[str, float | str | None] = field(default_factory=dict)
    unlikely: float = 0.2


def decide(evidence: Evidence) -> Verdict:
    """The decision, with the reasons that led to it before the others.

    >>> shown = Evidence("search@96", "acceptance", Estimate(0.2, 0.1, 0.3), 0.05, "break_even", 0.05, finished=True)
    >>> decide(shown).decision
    'go'
    """
    reasons = (_uplift(evidence), *evidence.checks, Reason("finished", evidence.finished, evidence.values))
    decision = _decision(reasons, evidence)
    leading = _leading(decision)
    ordered = sorted(reasons, key=lambda reason: not leading(reason))
    return Verdict(decision, tuple(ordered), evidence.arm, evidence.uplift, evidence.break_even)


def _uplift(evidence: Evidence) -> Reason:
    """Whether the whole interval lies above the threshold (True), below it (False), or around it (None)."""
    low, high, least = evidence.uplift.low, evidence.uplift.high, evidence.threshold
    holds = None
    if low is not None and low > least:
        holds = True
    elif high is not None and high < least:
        holds = False
    return Reason(
        "uplift", holds,
        {
            "arm": evidence.arm, "outcome": evidence.outcome, "uplift": evidence.uplift.value, "low": low, "high": high,
            "threshold": least, "threshold_kind": evidence.threshold_kind, **evidence.values,
        },
    )  # fmt: skip


def _decision(reasons: Sequence[Reason], evidence: Evidence) -> Decision:
    by_code: dict[str, list[Reason]] = {code: [r for r in reasons if r.code == code] for code in CODES}

    def any_is(codes: Sequence[str], holds: bool | None) -> bool:
        return any(reason.holds is holds for code in codes for reason in by_code[code])

    uplift = by_code["uplift"][0].holds
    if any_is(VALIDITY, False):
        return "invalid"
    if not evidence.finished:
        return "provisional"
    if uplift is False or any_is(GUARDS, False):
        return "stop"
    if uplift is True and _hopeless(by_code["profit"], evidence.unlikely):
        return "stop"
    if uplift is None or any_is(("no_worse", "critical_criterion"), None) or any_is(("profit",), False):
        return "continue"
    if any_is(BUSINESS, False) or any_is(("profit", "latency"), None):
        return "conditional"
    return "go"


def _hopeless(profit: Sequence[Reason], unlikely: float) -> bool:
    """Whether the chance of profit is so low that more videos will not change it."""
    return any(
        isinstance(chance := reason.values.get("chance"), float) and reason.holds is False and chance <= unlikely
        for reason in profit
    )


def _leading(decision: Decision) -> Callable[[Reason], bool]:
    """Which reasons explain this decision."""
    if decision == "invalid":
        return lambda reason: reason.code in VALIDITY and reason.holds is False
    if decision == "provisional":
        return lambda reason: reason.code == "finished"
    if decision == "stop":
        return lambda reason: reason.holds is False and reason.code in ("uplift", "profit", *GUARDS)
    if decision == "continue":
        return lambda reason: reason.code in ("uplift", "profit", *GUARDS) and reason.holds is not True
    if decision == "conditional":
        return lambda reason: reason.code in (*BUSINESS, "profit", "latency") and reason.holds is not True
    return lambda reason: reason.code in ("uplift", "profit")
