"""From a run to everything that can be said of it: attempts, arms, comparisons, money, the verdict.

`analyse` reads a run's folder; `conclude` does the same from attempts that are at hand (simulations, tests). Nothing is
run, and nothing but the folder is read: changed prices or rules give other findings of the same cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sn_eval.decision import parts
from sn_eval.decision.arms import Arm, arms_of
from sn_eval.decision.attempts import as_arms, attempts_of, labels_of
from sn_eval.decision.business import business_case
from sn_eval.decision.checks import Case, checks
from sn_eval.decision.comparisons import Question, comparisons, questions
from sn_eval.decision.facts import Cells, facts_of
from sn_eval.decision.findings import (
    ArmCost,
    ArmFindings,
    Attempt,
    Choice,
    Compared,
    Findings,
    Hacking,
    HourPrice,
    Losing,
    Power,
    PreviewValue,
    Reason,
    RunFacts,
    ScalingFit,
    SelectorRegret,
    Verdict,
    known,
)
from sn_eval.decision.label_correction import corrected_acceptance, corrected_difference
from sn_eval.decision.numbers import cell_sets, numbered
from sn_eval.decision.power import needed, power_of
from sn_eval.decision.prices import PriceList, hour_price, prices_of
from sn_eval.decision.ranks import Estimate
from sn_eval.decision.sequential import look_confidence, prompts_at
from sn_eval.decision.statistics import Pair
from sn_eval.decision.verdict import Evidence, decide
from sn_eval.results.experiment import ACCEPTANCE, Experiment, Rules
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Judge, Plan, method_of
from sn_eval.results.record import PREVIEW, Record
from sn_eval.results.run_folder import RunFolder, declared


@dataclass(frozen=True)
class Material:
    """What findings are made of.

    planned: confirm prompts in the order of the plan; settled: those whose every cell has an outcome. dev_settled:
    whether all dev cells have one. rhos: Spearman of preview and final score by (arm, look) and video. candidates: for
    the selector's regret. labels: people's verdict by cell. rules_changed: since the first cell ran.
    """

    experiment: Experiment
    facts: RunFacts
    judges: tuple[Judge, ...]
    baseline: str
    attempts: tuple[Attempt, ...]
    budgets: Mapping[str, int | None]
    planned: tuple[str, ...]
    settled: frozenset[str]
    dev_settled: bool = True
    rhos: Mapping[tuple[str, str], Mapping[Pair, float | None]] = field(default_factory=dict)
    candidates: tuple[Attempt, ...] = ()
    labels: Mapping[str, float] = field(default_factory=dict)
    rules_changed: bool = False
    notes: tuple[str, ...] = ()


def analyse(
    run: RunFolder, *, experiment: Experiment | None = None, prices: PriceList | None = None, draws: int = 10_000
) -> Findings:
    """Everything that a run says. experiment, prices: in place of the run's own; its cells stay what they are."""
    own = replace(run, experiment=experiment) if experiment else run
    return conclude(material_of(own), *price_of(own, prices), draws=draws)


def material_of(run: RunFolder, cells: Cells | None = None) -> Material:
    """What the cells of a run hold. cells: of this run, where they are at hand."""
    experiment, plan, cells = run.experiment, run.plan, cells or Cells.of(run)
    labels = _labels(run)
    candidates = attempts_of(experiment, plan, cells.records, cells.failed, labels)
    settled = cells.settled
    waiting = [cell for cell in plan.cells if cell.cell not in settled]
    planned = tuple(dict.fromkeys(cell.prompt for cell in plan.cells if cell.split == "confirm"))
    return Material(
        experiment, facts_of(run, cells), plan.judges, plan.baseline, as_arms(experiment, plan, candidates),
        {cell.arm: cell.budget_nfe for cell in plan.cells}, planned,
        frozenset(planned) - {cell.prompt for cell in waiting}, not any(cell.split == "dev" for cell in waiting),
        _rhos(plan, cells.records), candidates, labels, plan.declared not in ("", declared(experiment)),
        (*plan.notes, *_notes(run, cells)),
    )  # fmt: skip


@dataclass(frozen=True)
class Quality:
    """What findings say of the videos themselves: other prices or business inputs leave it as it is.

    seen, look: of `look_at`. confirm: arms on confirm prompts. arms: their figures, without money.
    """

    seen: tuple[str, ...]
    look: float | None
    confirm: Mapping[str, Arm]
    asked: tuple[Question, ...]
    arms: tuple[ArmFindings, ...]
    compared: tuple[Compared, ...]
    scaling: tuple[ScalingFit, ...]
    selection: tuple[SelectorRegret, ...]
    previews: tuple[PreviewValue, ...]
    hacking: Hacking | None
    losing: tuple[Losing, ...]
    doubts: tuple[str, ...]

    @property
    def chosen(self) -> Choice | None:
        """The arm that is judged."""
        return self.asked[0].choice if self.asked else None


def quality_of(material: Material) -> Quality:
    """Everything of the findings that takes long, and no price changes."""
    experiment, judges, baseline = material.experiment, material.judges, material.baseline
    seen, look = look_at(material)
    shown = set(seen)
    attempts = [attempt for attempt in material.attempts if attempt.split == "dev" or attempt.prompt in shown]
    confirm, dev = (arms_of(attempts, baseline, split) for split in ("confirm", "dev"))
    methods = {arm: method_of(arm) for arm in (*confirm, *dev)}
    asked = questions(experiment, methods, baseline, dev, judges)
    chosen = asked[0].choice if asked else None
    compared = comparisons(confirm, baseline, asked, judges, experiment.rules.confidence, look)
    corrected = _corrected(material, confirm)
    arms = tuple(
        parts.describe(arm, material.budgets, baseline, chosen, corrected.get(name), experiment, judges)
        for name, arm in confirm.items()
        if arm.attempts
    )
    return Quality(
        seen, look, confirm, asked, arms, compared,
        scaling=parts.scaling(experiment, confirm, baseline, asked, judges),
        selection=parts.selection(material.candidates, baseline, judges, shown),
        previews=parts.previews(material.rhos, shown),
        hacking=parts.gamed(confirm, baseline, chosen, judges, compared),
        losing=parts.losing(confirm, baseline, asked, compared), doubts=tuple(_doubts(confirm, baseline, chosen)),
    )  # fmt: skip


def same_quality(one: Experiment, other: Experiment) -> bool:
    """Whether the same cells yield the same `Quality` under both: they differ in money, and in limits, at most."""

    def judged(experiment: Experiment) -> Experiment:
        rules = Rules(confidence=experiment.rules.confidence)
        return experiment.model_copy(update={"prices": None, "business": None, "rules": rules, "notes": {}})

    return judged(one) == judged(other)


def conclude(
    material: Material,
    price: HourPrice | None = None,
    price_words: str = "",
    *,
    draws: int = 10_000,
    quality: Quality | None = None,
) -> Findings:
    """The findings of attempts that are at hand. price_words: why there is no price, where there is none.

    quality: of this material, or of one whose experiment is the `same_quality`, where it is at hand.
    """
    quality = quality or quality_of(material)
    experiment, baseline, chosen = material.experiment, material.baseline, quality.chosen
    minutes = experiment.business.minutes_per_video.value if experiment.business else None
    business = business_case(experiment, quality.confirm, baseline, chosen, price, price_words, draws)
    findings = Findings(
        run=material.facts, baseline=baseline, judges=material.judges, criteria=experiment.acceptance,
        arms=tuple(
            replace(arm, cost=quality.confirm[arm.name].cost(material.budgets, price, minutes)) for arm in quality.arms
        ),
        choice=chosen, comparisons=quality.compared, scaling=quality.scaling, selection=quality.selection,
        previews=quality.previews, hacking=quality.hacking, power=None,
        price=price, price_words=price_words, roi=business.roi, roi_words=business.words, capacity=business.capacity,
        verdict=Verdict("provisional", ()), losing=quality.losing,
        attempts=material.attempts, cells=cell_sets(material.attempts), numbers={}, watermark=experiment.examples,
        notes=(*material.notes, *quality.doubts, *_lengths(experiment, quality.confirm)),
    )  # fmt: skip
    decided = _decided(findings, material, quality.asked, quality.confirm, quality.look)
    return replace(decided, numbers=numbered(decided))


def _doubts(arms: Mapping[str, Arm], baseline: str, chosen: Choice | None) -> list[str]:
    """What the attempts of the two arms that the ROI rests on could not tell."""
    names = (baseline, chosen.arm) if chosen else (baseline,)
    found = [(name, arms[name].smoothed()[1]) for name in names if name in arms]
    return [f"{name}: {smoothed.words}" for name, smoothed in found if smoothed is not None and smoothed.words]


def _lengths(experiment: Experiment, arms: Mapping[str, Arm]) -> list[str]:
    """Whether production's videos are as long as those that were judged."""
    tried = [attempt.video_seconds for arm in arms.values() for attempt in arm.attempts if attempt.video_seconds]
    minutes = experiment.business.minutes_per_video.value if experiment.business else None
    if minutes is None or not tried or 0.9 <= minutes * 60 * len(tried) / sum(tried) <= 1.1:
        return []
    return [
        f"videos of {sum(tried) / len(tried):.3g} s were judged and production's take {minutes * 60:.3g} s: money for "
        "an attempt is scaled to that length, and acceptance is taken as it was measured"
    ]


def look_at(material: Material) -> tuple[tuple[str, ...], float | None]:
    """(confirm prompts that are looked at, confidence of the primary interval at this look, None where none is due).

    The last declared look whose prompts all have an outcome counts, with these prompts only, in the order of the plan:
    what happens to be done besides is no look that was declared. Where none is due, everything done is shown, and
    nothing is decided.
    """
    looks, planned = material.experiment.looks, material.planned
    due = prompts_at(looks, len(planned)) if planned and material.dev_settled else ()
    for count in reversed(due):
        if set(planned[:count]) <= material.settled:
            found = look_confidence(looks, count, len(planned), material.experiment.rules.confidence)
            return planned[:count], None if found is None else found[0]
    return tuple(prompt for prompt in planned if prompt in material.settled), None


# --- the verdict ------------------------------------------------------------------------------------------


def _decided(
    findings: Findings,
    material: Material,
    asked: Sequence[Question],
    arms: Mapping[str, Arm],
    look: float | None,
) -> Findings:
    """The findings with their verdict, and with how much they could see."""
    primary = next((each for each in findings.comparisons if each.primary), None)
    if primary is None:
        return replace(findings, verdict=_open(findings, not material.experiment.primary))
    question = asked[0]
    threshold, kind = _threshold(findings, question)
    case = Case(
        material.experiment, material.judges, material.facts, arms, findings.baseline, question.choice.arm,
        {arm.name: arm for arm in findings.arms}, findings.hacking, findings.roi, findings.roi_words,
        material.rules_changed, _validity(material),
    )  # fmt: skip
    power = _power(primary, threshold, material.experiment)
    corrected = _judged_by_people(material, primary, arms, look)
    evidence = Evidence(
        question.choice.arm, question.primary.outcome, corrected or _uplift(primary), threshold, kind,
        findings.roi.break_even_uplift if findings.roi else None, look is not None, checks(case),
        {
            "planned": float(len(material.planned)), "by": "people" if corrected else "check",
            **_further(findings, question, power, primary, threshold),
        },
    )  # fmt: skip
    return replace(findings, verdict=decide(evidence), power=power)


def _open(findings: Findings, undeclared: bool) -> Verdict:
    """No verdict: there is no primary outcome, or nothing to compare yet."""
    reason = Reason("declared", False) if undeclared else Reason("finished", False, {"prompts": 0.0})
    return Verdict("provisional", (reason,), findings.choice.arm if findings.choice else "")


def _threshold(findings: Findings, question: Question) -> tuple[float, str]:
    """What the whole interval must exceed: where it pays, known for acceptance only, else the minimum effect."""
    roi = findings.roi
    if question.primary.outcome == ACCEPTANCE and roi is not None and roi.break_even_uplift is not None:
        return max(0.0, roi.break_even_uplift), "break_even"
    return question.primary.minimum_effect, "minimum_effect"


def _uplift(primary: Compared) -> Estimate:
    """The primary difference, better is up, with the bounds that this look allows."""
    value, (low, high) = primary.difference.mean, primary.adjusted
    if primary.higher_is_better or value is None:
        return Estimate(value, low, high, primary.p)
    return Estimate(-value, None if high is None else -high, None if low is None else -low, primary.p)


def _judged_by_people(
    material: Material, primary: Compared, arms: Mapping[str, Arm], look: float | None
) -> Estimate | None:
    """The uplift of acceptance, corrected by labels of both arms; None where there are too few of them.

    A search may please the check more than people: where labels can tell, the verdict rests on them.
    """
    if primary.outcome != ACCEPTANCE or look is None:
        return None
    pair = [arms[name] for name in (primary.arm, primary.against)]
    labels = [_labelled(material, arm) for arm in pair]
    values = [arm.values(ACCEPTANCE) for arm in pair]
    found = corrected_difference(*values, *labels, confidence=look).difference
    return found if found.value is not None else None


def _power(primary: Compared, threshold: float, experiment: Experiment) -> Power:
    """How much the comparison could see of the effect that it must show."""
    values = list(primary.difference.per_prompt.values())
    return power_of(primary.outcome, values, max(threshold, primary.minimum_effect or 0.0), experiment.rules.confidence)


def _further(
    findings: Findings, question: Question, power: Power, primary: Compared, threshold: float
) -> dict[str, float | str | None]:
    """How many prompts would settle a difference like the one seen, and what the missing ones would take."""
    seen = _uplift(primary).value
    enough = None
    if seen is not None and power.spread:
        enough = needed(seen - threshold, power.spread, confidence=primary.difference.confidence)
    costs = [arm.cost for arm in findings.arms if arm.name in (question.choice.arm, findings.baseline)]
    seconds, paid = [cost.device_seconds for cost in costs], [_paid(findings, cost) for cost in costs]
    more = None if enough is None else max(0, enough - power.prompts) * findings.run.repeats
    return {
        "prompts": float(power.prompts), "needed": None if enough is None else float(enough),
        "device_seconds": None if more is None or None in seconds else more * sum(known(seconds)),
        "money": None if more is None or None in paid else more * sum(known(paid)),
        "currency": findings.price.currency if findings.price else None,
    }  # fmt: skip


def _paid(findings: Findings, cost: ArmCost) -> float | None:
    """Money for one attempt as it was made here."""
    if cost.money_a_minute is None or not cost.a_second or cost.device_seconds is None:
        return None
    return cost.money_a_minute / 60 * cost.device_seconds / cost.a_second


def _validity(material: Material) -> float | None:
    """Balanced accuracy of the automatic acceptance against people; None where they did not judge both kinds."""
    right: dict[float, list[bool]] = {0.0: [], 1.0: []}
    for attempt in material.candidates:
        label = material.labels.get(attempt.cells[0])
        if label is not None and attempt.accepted is not None and material.experiment.acceptance:
            right[label].append(attempt.accepted == label)
    if not all(right.values()):
        return None
    return sum(sum(each) / len(each) for each in right.values()) / 2


def _corrected(material: Material, arms: Mapping[str, Arm]) -> dict[str, Estimate]:
    """Acceptance by arm, corrected with people's labels, where each attempt is one video."""
    confidence = material.experiment.rules.confidence
    return {
        name: corrected_acceptance(arm.values(ACCEPTANCE), labels, confidence=confidence).acceptance
        for name, arm in arms.items()
        if (labels := _labelled(material, arm))
    }


def _labelled(material: Material, arm: Arm) -> dict[Pair, float | None]:
    """People's verdict on the attempts of an arm; none where they are the acceptance themselves."""
    if not material.experiment.acceptance or any(len(attempt.cells) > 1 for attempt in arm.attempts):
        return {}
    return {
        (attempt.prompt, attempt.repeat): material.labels[attempt.cells[0]]
        for attempt in arm.attempts
        if attempt.cells[0] in material.labels
    }


# --- what lies in the folder ------------------------------------------------------------------------------


def _labels(run: RunFolder) -> dict[str, float]:
    """People's verdict by cell; the file is looked for beside the run's spec, too."""
    if run.experiment.labels is None:
        return {}
    path = Path(run.experiment.labels)
    beside = run.folder / path
    return labels_of(beside if beside.is_file() else path, [cell.cell for cell in run.plan.cells])


def _rhos(plan: Plan, records: Mapping[str, Record]) -> dict[tuple[str, str], dict[Pair, float | None]]:
    """Rank correlations of previews by (arm, look) and (prompt, repeat), confirm prompts only."""
    found: dict[tuple[str, str], dict[Pair, float | None]] = {}
    for cell in plan.cells:
        if cell.split == "confirm" and cell.cell in records:
            for name, value in records[cell.cell].scores.items():
                if name.startswith(PREVIEW):
                    look = name.removeprefix(PREVIEW)
                    found.setdefault((cell.arm, look), {})[cell.prompt, cell.repeat] = value
    return found


def price_of(run: RunFolder, prices: PriceList | None = None) -> tuple[HourPrice | None, str]:
    """(price of a device-hour, why there is none). The list is the given one, else the run's copy."""
    if run.experiment.prices is None:
        return None, "the experiment declares no prices"
    try:
        return hour_price(run.experiment.prices, prices or prices_of(run.folder)), ""
    except ResultsError as error:
        return None, str(error)


def _notes(run: RunFolder, cells: Cells) -> list[str]:
    """What a reader must know of cells that are not there."""
    found = [f"cell {cell} is damaged and left out: {why}" for cell, why in cells.damaged.items()]
    found += [f"cell {cell} is missing, a file or reward of yours failed: {why}" for cell, why in cells.refused.items()]
    return found + [f"cell {cell} is missing, the machine failed: {why}" for cell, why in cells.lost.items()]
