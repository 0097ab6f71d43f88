"""Quality against cost, arm against arm, and quality against budget."""

import math
from collections.abc import Iterable, Iterator, Sequence

from sn_eval.decision.break_even import AT_ANY_PRICE
from sn_eval.decision.findings import ArmFindings, Compared, ScalingFit
from sn_eval.decision.numbers import seconds_an_accepted_minute
from sn_eval.present.report.model import (
    Axis,
    Block,
    Column,
    Figure,
    Format,
    Grid,
    Paragraph,
    Point,
    Reference,
    Region,
    Row,
    Section,
    Series,
)
from sn_eval.present.report.teller import Teller
from sn_eval.present.scaling_words import scaling_words
from sn_eval.results.experiment import ACCEPTANCE

STEPS = 40  # points of a fitted curve


# --- cost and quality -------------------------------------------------------------------------------------


def pareto(t: Teller) -> Section:
    """Which arms give most for their cost, and all arms in numbers."""
    outcome = ACCEPTANCE if any(arm.acceptance.value is not None for arm in t.findings.arms) else t.main_outcome
    axis, costs = _costs(t)
    placed = [(arm, cost) for arm, cost in costs if cost is not None and t.value(arm, outcome).value is not None]
    blocks: list[Block] = []
    if placed:
        blocks.append(_pareto(t, placed, outcome, axis))
    else:
        blocks.append(Paragraph(t("pareto.none"), look="warning"))
    blocks.append(arms_grid(t))
    if t.findings.criteria:
        blocks.append(_criteria(t))
    return Section("pareto", t("section.pareto"), tuple(blocks))


def _criteria(t: Teller) -> Grid:
    """What "accepted" means: every criterion of a prompt's group must hold."""
    columns = (
        Column(t("column.evaluator")),
        Column(t("column.at_least"), "number", digits=3),
        Column(t("column.at_most"), "number", digits=3),
        Column(t("column.groups")),
        Column(t("column.remark")),
        Column(t("column.because"), wide=True),
    )
    rows = tuple(
        Row(
            (
                each.evaluator, each.at_least, each.at_most, ", ".join(each.groups) or t("criteria.all"),
                t("criteria.critical") if each.critical else "", each.because,
            )
        )
        for each in t.findings.criteria
    )  # fmt: skip
    return Grid("criteria", t("criteria.title"), columns, rows, t("criteria.note"))


def _costs(t: Teller) -> tuple[Axis, list[tuple[ArmFindings, float | None]]]:
    """What stands on the x axis: money, device time, or evaluations of the denoiser; the first that is known."""
    arms = t.findings.arms
    measures = (
        (t("axis.money", currency=t.currency), "money", [arm.cost.money_an_accepted_minute.value for arm in arms]),
        (t("axis.seconds"), "number", [seconds_an_accepted_minute(arm) for arm in arms]),
        (t("axis.nfe"), "number", [arm.cost.nfe for arm in arms]),
    )
    form: Format
    for title, form, values in measures:  # type: ignore[assignment]
        if any(value is not None for value in values):
            return Axis(title, form, low=0.0), list(zip(arms, values, strict=True))
    return Axis(t("axis.seconds"), "number", low=0.0), []


def frontier(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points that no other is both cheaper and better than, by rising cost.

    >>> frontier([(1, 0.5), (2, 0.4), (3, 0.7)])
    [(1, 0.5), (3, 0.7)]
    """
    best, kept = -math.inf, []
    for cost, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if value > best:
            best = value
            kept.append((cost, value))
    return kept


def _pareto(t: Teller, placed: Sequence[tuple[ArmFindings, float]], outcome: str, x: Axis) -> Figure:
    share = outcome == ACCEPTANCE
    y = Axis(t.outcome(outcome), "percent" if share else "number", *((0.0, 1.0) if share else (None, None)))
    values = {arm.name: t.value(arm, outcome) for arm, _ in placed}
    edge = frontier([(cost, values[arm.name].value or 0.0) for arm, cost in placed])

    def series(name: str, role: str, arms: Sequence[tuple[ArmFindings, float]]) -> list[Series]:
        found = tuple(
            Point(cost, v.value, v.low, v.high, t("pareto.recommended", arm=arm.name) if arm.chosen else arm.name)
            for arm, cost in arms
            for v in [values[arm.name]]
        )
        return [Series(name, found, "marks", role)] if found else []  # type: ignore[arg-type]

    chosen = [(arm, cost) for arm, cost in placed if arm.chosen]
    baseline = [(arm, cost) for arm, cost in placed if arm.baseline and not arm.chosen]
    others = [(arm, cost) for arm, cost in placed if not arm.chosen and not arm.baseline]
    on_edge = [(arm, cost) for arm, cost in others if (cost, values[arm.name].value) in edge]
    drawn = [
        Series(t("pareto.frontier"), tuple(Point(*point) for point in edge), "step", "model"),
        *series(t("pareto.dominated"), "muted", [each for each in others if each not in on_edge]),
        *series(t("pareto.others"), "plain", on_edge),
        *series(t("word.baseline"), "baseline", baseline),
        *series(t("word.chosen"), "chosen", chosen),
    ]
    names = [f"acceptance/{arm.name}" for arm, _ in placed] if share else []
    target = _target(t) if share else None
    limit = _limit(t) if x.format == "money" else None
    region = None
    if target is not None and limit is not None:
        region = Region(t("pareto.both"), 0.0, limit if math.isfinite(limit) else None, target, 1.0)
    lines = (Reference(t("pareto.least"), target),) if target is not None and region is None else ()
    return Figure(
        "pareto", "scatter", t("pareto.title"), t.joined([*_about(t, target, limit)]), x, y, tuple(drawn), lines,
        t.money_mark if x.format == "money" else "", t.keys(*names), region,
    )  # fmt: skip


def _about(t: Teller, target: float | None, limit: float | None) -> Iterator[str]:
    """How to read the field, and what the targets in it are."""
    yield t("pareto.about", level=t.percent(t.confidence, 0))
    if target is not None:
        rule = next(reason for reason in t.findings.verdict.reasons if reason.code == "uplift")
        yield t("pareto.target", target=t.percent(target), kind=t(f"threshold.{rule.values['threshold_kind']}"))
    if target is not None and limit is not None:
        yield t("pareto.limit", limit=t.money(limit)) if math.isfinite(limit) else t("pareto.no_limit")


def _target(t: Teller) -> float | None:
    """The acceptance that the verdict asks for: the baseline's, and the least gain beyond it."""
    rule = next((reason for reason in t.findings.verdict.reasons if reason.code == "uplift"), None)
    before = t.value(t.baseline, ACCEPTANCE).value if t.baseline is not None else None
    least = rule.values.get("threshold") if rule is not None and rule.values.get("outcome") == ACCEPTANCE else None
    return before + least if before is not None and isinstance(least, float | int) else None


def _limit(t: Teller) -> float | None:
    """What a minute of the judged arm may cost: at the highest price of an hour that it can bear.

    Infinite where it saves at any price; None where it saves at none, or nobody knows.
    """
    roi, price = t.findings.roi, t.findings.price
    now = t.chosen.cost.money_an_accepted_minute.value if t.chosen is not None else None
    if roi is None or now is None:
        return None
    if roi.highest_price is None or price is None or not price.value:
        return math.inf if roi.highest_price_words == AT_ANY_PRICE else None
    return now * roi.highest_price / price.value


def arms_grid(t: Teller) -> Grid:
    """All arms in numbers, on confirm prompts."""
    columns = [
        Column(t("column.arm")),
        Column(t("column.role")),
        Column(t("column.prompts"), "integer"),
        Column(t("column.attempts"), "integer"),
        Column(t("column.failed"), "integer"),
        Column(t("word.acceptance"), "percent"),
        Column(t("column.low"), "percent"),
        Column(t("column.high"), "percent"),
        Column(t("column.accepted_seconds"), "number", "s"),
        Column(t.marked(t("column.accepted_money"), t.money_mark), "money", t.currency, digits=t.decimals),
    ]
    return Grid("arms", t("arms.title"), tuple(columns), tuple(_arm_row(t, arm) for arm in t.findings.arms))


def _arm_row(t: Teller, arm: ArmFindings) -> Row:
    role = t("word.chosen") if arm.chosen else t("word.baseline") if arm.baseline else ""
    acceptance = t.value(arm, ACCEPTANCE)
    key = "acceptance_corrected" if arm.corrected is not None else "acceptance"
    cells = (
        arm.name, role, arm.prompts, arm.attempts, arm.failed, acceptance.value, acceptance.low, acceptance.high,
        seconds_an_accepted_minute(arm), arm.cost.money_an_accepted_minute.value,
    )  # fmt: skip
    costs = [t.key(f"cost/{what}_an_accepted_minute/{arm.name}") for what in ("seconds", "money")]
    keys = ("", "", "", "", "", t.key(f"{key}/{arm.name}"), "", "", *costs)
    return Row(cells, keys, "chosen" if arm.chosen else "baseline" if arm.baseline else "plain")


# --- comparisons ------------------------------------------------------------------------------------------


def comparisons(t: Teller) -> Section:
    """Every difference from the baseline with its interval, outcomes of a searched family marked."""
    found = t.findings.comparisons
    if not found:
        return Section("comparisons", t("section.comparisons"), (Paragraph(t("comparisons.none")),))
    blocks: list[Block] = [Paragraph(t("comparisons.intro", level=t.percent(t.confidence, 0)))]
    shares = [each for each in found if each.outcome == ACCEPTANCE]
    known = [each for each in shares if each.difference.mean is not None]
    if against := [each for each in known if each.against == t.findings.baseline]:
        blocks.append(_acceptance(t, against))
    if shares:
        blocks.append(differences(t, shares, "acceptance"))
    judged = t.findings.verdict.arm
    others = [each for each in found if each.outcome != ACCEPTANCE and each.against == t.findings.baseline]
    if main := [each for each in others if each.arm == judged or not judged]:
        blocks.append(differences(t, main, "evaluators"))
    return Section("comparisons", t("section.comparisons"), tuple(blocks))


def _acceptance(t: Teller, found: Sequence[Compared]) -> Figure:
    points = tuple(Point(each.arm, d.mean, d.low, d.high) for each in found for d in [each.difference])
    chosen = tuple(point for point in points if point.x == t.findings.verdict.arm)
    drawn = [Series(t("word.arms"), tuple(point for point in points if point not in chosen))]
    drawn += [Series(t("word.chosen"), chosen, role="chosen")] if chosen else []
    references = [Reference(t("word.no_difference"), 0.0)]
    if t.findings.verdict.break_even is not None and t.main_outcome == ACCEPTANCE:
        references.append(Reference(t.marked(t("word.break_even"), t.mark), t.findings.verdict.break_even))
    keys = t.keys(*(f"difference/{ACCEPTANCE}/{each.arm}" for each in found))
    about = t("comparisons.about", level=t.percent(t.confidence, 0), baseline=t.findings.baseline)
    return Figure(
        "uplifts", "interval", t("comparisons.figure", baseline=t.findings.baseline), about,
        Axis(t("column.arm"), "text"), Axis(t("column.difference_points"), "points"),
        tuple(series for series in drawn if series.points), tuple(references), keys=keys,
    )  # fmt: skip


def differences(t: Teller, found: Sequence[Compared], key: str) -> Grid:
    """Differences with their intervals; key: "acceptance" (in points), or one of evaluators (in their own units)."""
    form, digits = ("points", 1) if key == "acceptance" else ("number", 3)
    columns = (
        Column(t("column.outcome")),
        Column(t("column.arm")),
        Column(t("column.against")),
        Column(t("column.difference"), form, digits=digits),  # type: ignore[arg-type]
        Column(t("column.low"), form, digits=digits),  # type: ignore[arg-type]
        Column(t("column.high"), form, digits=digits),  # type: ignore[arg-type]
        Column(t("column.result")),
        Column(t("column.p"), "p"),
        Column(t("column.prompts"), "integer"),
        Column(t("column.remark"), wide=True),
    )
    rows = tuple(_difference(t, each) for each in found)
    note = t("comparisons.searched") if any(each.searched for each in found) else ""
    return Grid(f"differences_{key}", t(f"comparisons.{key}"), columns, rows, note)


def _difference(t: Teller, each: Compared) -> Row:
    d = each.difference
    against = "" if each.against == t.findings.baseline else f"-{each.against}"
    remarks = [t("word.primary")] * each.primary + [t("word.searched")] * each.searched
    remarks += [] if each.higher_is_better else [t("word.lower_is_better")]
    cells = (
        t.outcome(each.outcome), each.arm, each.against, d.mean, d.low, d.high, t(f"word.{result(each)}"), each.p,
        d.n_prompts, " · ".join(remarks),
    )  # fmt: skip
    keys = ("", "", "", t.key(f"difference/{each.outcome}/{each.arm}{against}"), *[""] * 6)
    return Row(cells, keys, "searched" if each.searched else "chosen" if each.primary else "plain")


def result(each: Compared) -> str:
    """ "better", "worse" or "unresolved": whether the whole interval lies on one side of no difference."""
    d = each.difference
    if not d.excludes_zero or d.mean is None:
        return "unresolved"
    return "better" if (d.mean > 0) == each.higher_is_better else "worse"


# --- budgets ----------------------------------------------------------------------------------------------


def scaling(t: Teller) -> Section:
    """Quality against compute, method by method, with the fitted curve and where it saturates."""
    fits = [fit for fit in t.findings.scaling if fit.points]
    if not fits:
        return Section("scaling", t("section.scaling"), (Paragraph(t("scaling.none")),), "engineer")
    groups = dict.fromkeys((fit.outcome, fit.unit) for fit in fits)
    blocks: list[Block] = [
        _curves(t, outcome, unit, [fit for fit in fits if (fit.outcome, fit.unit) == (outcome, unit)])
        for outcome, unit in groups
    ]
    return Section("scaling", t("section.scaling"), (*blocks, _fits(t, fits)), "engineer")


def _curves(t: Teller, outcome: str, unit: str, fits: Sequence[ScalingFit]) -> Figure:
    drawn, references = [], []
    for fit in fits:
        drawn.append(Series(fit.method, tuple(Point(*point) for point in fit.points), "marks"))
        if curve := _curve(fit):
            drawn.append(Series(t("scaling.curve", method=fit.method), curve, "line", "model"))
        if fit.saturates_at is not None:
            words = t("scaling.saturates", method=fit.method)
            references.append(Reference(words, fit.saturates_at, "x"))
    share = outcome == ACCEPTANCE
    y = Axis(t.outcome(outcome), "percent" if share else "number", *((0.0, 1.0) if share else (None, None)))
    return Figure(
        f"scaling_{outcome}", "line", t("scaling.title", outcome=t.outcome(outcome)), t("scaling.about"),
        Axis(t("axis.budget", unit=t.unit(unit)), "number", low=0.0), y, tuple(drawn), tuple(references),
    )  # fmt: skip


def _curve(fit: ScalingFit) -> tuple[Point, ...]:
    """The fitted power law between its least and its greatest compute."""
    ceiling, rate, scale = fit.ceiling.value, fit.rate.value, fit.scale
    if ceiling is None or rate is None or scale is None or len(fit.points) < 2:
        return ()
    low, high = min(p[0] for p in fit.points), max(p[0] for p in fit.points)
    if low <= 0:
        return ()
    places = [low + (high - low) * step / (STEPS - 1) for step in range(STEPS)]
    return tuple(Point(x, ceiling - scale * x**-rate) for x in places)


def _fits(t: Teller, fits: Sequence[ScalingFit]) -> Grid:
    columns = (
        Column(t("column.method")),
        Column(t("column.outcome")),
        Column(t("column.ceiling"), "number", digits=3),
        Column(t("column.low"), "number", digits=3),
        Column(t("column.high"), "number", digits=3),
        Column(t("column.rate"), "number", digits=2),
        Column(t("column.saturates"), "number", digits=0),
        Column(t("column.unit")),
        Column(t("column.remark"), wide=True),
    )
    rows = tuple(
        Row(
            (fit.method, t.outcome(fit.outcome), fit.ceiling.value, fit.ceiling.low, fit.ceiling.high, fit.rate.value,
             fit.saturates_at, t.unit(fit.unit), scaling_words(t, fit)),
            ("", "", t.key(f"scaling/{fit.method}/{fit.outcome}/ceiling"), "", "",
             t.key(f"scaling/{fit.method}/{fit.outcome}/rate"),
             t.key(f"scaling/{fit.method}/{fit.outcome}/saturates"), "", ""),
        )
        for fit in fits
    )  # fmt: skip
    return Grid("scaling", t("scaling.fits"), columns, rows, t("scaling.law"))
