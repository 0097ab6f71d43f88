"""Parts of the findings, each from the arms: figures, scaling, selection, previews, hacking, losing prompts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sn_eval.decision.arms import Arm, value_of
from sn_eval.decision.comparisons import Question, higher_is_better
from sn_eval.decision.findings import (
    ArmFindings,
    Attempt,
    Choice,
    Compared,
    Hacking,
    Losing,
    PreviewValue,
    ScalingFit,
    SelectorRegret,
)
from sn_eval.decision.order_statistics import CANDIDATE
from sn_eval.decision.ranks import Estimate
from sn_eval.decision.scaling import fit_scaling
from sn_eval.decision.selection import hacking, preview_value, selector_regret
from sn_eval.decision.statistics import Pair, paired_difference
from sn_eval.results.evaluation import mean_of_known
from sn_eval.results.experiment import ACCEPTANCE, Experiment
from sn_eval.results.plan import Judge, method_of, videos_of


def describe(
    arm: Arm, budgets: Mapping[str, int | None], baseline: str, chosen: Choice | None, corrected: Estimate | None,
    experiment: Experiment, judges: Sequence[Judge],
) -> ArmFindings:  # fmt: skip
    """One arm in figures; its cost without money."""
    confidence = experiment.rules.confidence
    prompts, smoothed = arm.smoothed()
    groups = dict.fromkeys(attempt.group for attempt in arm.attempts if attempt.group)
    return ArmFindings(
        name=arm.name, method=method_of(arm.name), budget_nfe=budgets.get(arm.name), baseline=arm.name == baseline,
        chosen=chosen is not None and chosen.arm == arm.name, prompts=len({a.prompt for a in arm.attempts}),
        attempts=len(arm.attempts), failed=sum(attempt.failed for attempt in arm.attempts),
        acceptance=arm.estimate(ACCEPTANCE, confidence), corrected=corrected,
        smoothed={} if smoothed is None else dict(zip(prompts, smoothed.shares.tolist(), strict=True)),
        scores={judge.label: arm.estimate(judge.label, confidence) for judge in judges},
        by_group={group: arm.estimate(ACCEPTANCE, confidence, group=group) for group in groups},
        cost=arm.cost(budgets, None, None),
    )  # fmt: skip


def scaling(
    experiment: Experiment, arms: Mapping[str, Arm], baseline: str, asked: Sequence[Question], judges: Sequence[Judge]
) -> tuple[ScalingFit, ...]:
    """Primary outcomes against compute, a curve a method; the baseline is the point that all curves begin at."""
    outcomes = dict.fromkeys(q.primary.outcome for q in asked)
    unit = experiment.budget.unit if experiment.budget else "nfe"
    start = arms.get(baseline)
    found = []
    for method in dict.fromkeys(method_of(arm) for arm in arms if "@" in arm):
        for outcome in outcomes:
            curve = [
                arm for name, arm in arms.items() if name == baseline or ("@" in name and method_of(name) == method)
            ]
            points = {
                spent: arm.by_prompt(outcome) for arm in curve if (spent := _spent(arm, unit, arm is start)) is not None
            }  # fmt: skip
            better = higher_is_better(outcome, judges)
            found.append(fit_scaling(method, outcome, unit, points, higher_is_better=better))
    return tuple(found)


def _spent(arm: Arm, unit: str, start: bool) -> float | None:
    """Mean compute of an arm's attempts, in the unit of the budgets."""
    if unit == "videos":
        return 1.0 if start else videos_of(arm.name)
    return mean_of_known([attempt.compute.nfe for attempt in arm.attempts])


def selection(
    candidates: Sequence[Attempt], baseline: str, judges: Sequence[Judge], seen: Collection[str]
) -> tuple[SelectorRegret, ...]:
    """What choosing by the searched reward among candidates, or repeats of the baseline, is worth to each judge."""
    shown = [
        a if a.searched is not None else replace(a, searched=a.rewarded)  # plain videos were scored afterwards only
        for a in candidates
        if a.prompt in seen and a.arm in (baseline, CANDIDATE)
    ]
    outcomes = {ACCEPTANCE: True} | {judge.label: judge.higher_is_better for judge in judges}
    found = [selector_regret(outcome, shown, higher_is_better=better) for outcome, better in outcomes.items()]
    return tuple(regret for regret in found if regret is not None)


def previews(
    rhos: Mapping[tuple[str, str], Mapping[Pair, float | None]], seen: Collection[str]
) -> tuple[PreviewValue, ...]:
    """Spearman of preview and final score by arm and look, on the prompts that are looked at."""
    return tuple(
        preview_value(arm, look, {pair: rho for pair, rho in found.items() if pair[0] in seen})
        for (arm, look), found in rhos.items()
    )


def gamed(
    arms: Mapping[str, Arm], baseline: str, chosen: Choice | None, judges: Sequence[Judge], compared: Sequence[Compared]
) -> Hacking | None:
    """Whether the chosen arm pleased its reward at the cost of a judge of another family."""
    if chosen is None or chosen.arm not in arms or baseline not in arms:
        return None
    ours, theirs = (
        {(a.prompt, a.repeat): a.rewarded for a in arms[name].attempts} for name in (chosen.arm, baseline)
    )  # fmt: skip
    held_out = {
        each.outcome: each.difference
        for each in compared
        if (each.arm, each.against) == (chosen.arm, baseline) and not each.searched and each.outcome != ACCEPTANCE
    }
    lower = [judge.label for judge in judges if not judge.higher_is_better]
    return hacking(paired_difference(ours, theirs), held_out, lower_is_better=lower)


def losing(
    arms: Mapping[str, Arm], baseline: str, asked: Sequence[Question], compared: Sequence[Compared]
) -> tuple[Losing, ...]:
    """Confirm prompts on which a judged arm is worse by a primary outcome, the worst first."""
    found = []
    for question in asked:
        outcome, arm = question.primary.outcome, question.choice.arm
        pairs = [c for c in compared if (c.outcome, c.arm, c.against) == (outcome, arm, baseline)]
        for each in pairs:
            for prompt in each.difference.losing:
                cells = _worst_first(arms[baseline], arms[arm], prompt, each)
                group = next(a.group for a in arms[arm].attempts if a.prompt == prompt)
                found.append(Losing(prompt, group, each.difference.per_prompt[prompt], outcome, cells))
    return tuple(found)


def _worst_first(baseline: Arm, arm: Arm, prompt: str, compared: Compared) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Cells of both arms at a prompt, side by side, the repeat with the greatest loss first: the one to look at."""
    sides = [
        {a.repeat: (value, a.cells) for a in each.attempts if a.prompt == prompt
         and (value := value_of(a, compared.outcome)) is not None}
        for each in (baseline, arm)
    ]  # fmt: skip
    sign = 1 if compared.higher_is_better else -1
    shared = sorted(sides[0].keys() & sides[1].keys(), key=lambda r: sign * (sides[1][r][0] - sides[0][r][0]))
    first, second = (tuple(cell for repeat in shared for cell in side[repeat][1]) for side in sides)
    return first, second
