"""The first page: the decision, the three figures that matter, and why, in one sentence."""

from collections.abc import Iterator, Mapping

from sn_eval.decision.findings import Reason
from sn_eval.decision.numbers import seconds_an_accepted_minute
from sn_eval.present.report.model import Block, Check, Checklist, Fact, Facts, Paragraph, Section, Tone
from sn_eval.present.report.teller import Teller
from sn_eval.results.experiment import ACCEPTANCE

TONES: dict[bool | None, Tone] = {True: "good", False: "bad", None: "open"}


def verdict(t: Teller) -> Section:
    """Decision, figures, why, what next, and every rule with how it came out."""
    found = t.findings
    blocks: list[Block] = [
        Paragraph(why(t), t.keys("uplift/value", "uplift/low", "uplift/high", "roi/chance_of_profit"), "lead"),
        Facts((_uplift(t), _cost(t), _profit(t))),
        Paragraph(next_step(t)),
        *_warnings(t),
        Checklist(
            tuple(Check(t.reason(reason), reason.holds) for reason in found.verdict.reasons),
            t("verdict.rules"),
            rules=True,
        ),
    ]
    return Section("verdict", t("section.verdict"), tuple(blocks))


def why(t: Teller) -> str:
    """The decision and its first reasons, as one sentence or two."""
    decision = t.findings.verdict.decision
    reasons = t.findings.verdict.reasons[: 2 if decision in ("go", "conditional") else 1]
    return t.joined([t(f"verdict.{decision}.why", arm=t.findings.verdict.arm), *map(t.reason, reasons)])


def next_step(t: Teller) -> str:
    """What to do now; where the videos do not tell yet, how many prompts would, and what they would take."""
    decision = t.findings.verdict.decision
    uplift = reason_of(t, "uplift")
    values = uplift.values if uplift is not None else {}
    needed, prompts = values.get("needed"), values.get("prompts")
    if decision == "continue" and isinstance(needed, float) and isinstance(prompts, float) and needed > prompts:
        told = {"needed": t.number(needed), "more": t.number(needed - prompts)}
        if values.get("money") is None and values.get("device_seconds") is None:  # nothing was metered
            return t("verdict.continue.more_prompts", **told)
        return t("verdict.continue.more", **told, cost=_taking(t, values))
    return t(f"verdict.{decision}.next", arm=t.findings.verdict.arm)


def reason_of(t: Teller, code: str) -> Reason | None:
    """How a rule came out; None where it was not held against anything."""
    return next((reason for reason in t.findings.verdict.reasons if reason.code == code), None)


def _taking(t: Teller, values: Mapping[str, float | str | None]) -> str:
    """What further prompts take, in money or in device time."""
    money, seconds = values.get("money"), values.get("device_seconds")
    if isinstance(money, float):
        return t.marked(t.money(money), t.money_mark)
    return t.seconds(seconds if isinstance(seconds, float) else None)


def _uplift(t: Teller) -> Fact:
    """How much better the judged arm is, held against what it must reach."""
    verdict, outcome = t.findings.verdict, t.main_outcome
    rule = reason_of(t, "uplift")
    value = verdict.uplift.value
    if value is None:
        return Fact(t("fact.uplift", outcome=t.outcome(outcome)), t("word.unknown"), note=t("fact.uplift_unknown"))
    if rule is not None and rule.values.get("threshold_kind") == "break_even":
        least = t.amount(outcome, verdict.break_even, signed=True)
        note = t.marked(t("fact.break_even", value=least), t.mark)
    else:
        threshold = rule.values.get("threshold") if rule is not None else None
        least = t.amount(outcome, threshold if isinstance(threshold, float | int) else None, signed=True)
        note = t("fact.minimum", value=least)
    return Fact(
        t("fact.uplift", outcome=t.outcome(outcome)),
        t.amount(outcome, value, signed=True),
        t.interval(verdict.uplift.low, verdict.uplift.high, lambda v: t.amount(outcome, v, signed=True)),
        t.key("uplift/value"),
        TONES[rule.holds] if rule is not None else "plain",
        note,
        value,
    )


def _cost(t: Teller) -> Fact:
    """What a minute of accepted video costs: in money, or in device time where there is no price."""
    chosen, baseline = t.chosen, t.baseline
    label = t("fact.cost")
    if chosen is None:
        return Fact(label, t("word.unknown"), note=t("fact.cost_unknown"))
    cost = chosen.cost.money_an_accepted_minute
    if cost.value is not None:
        before = baseline.cost.money_an_accepted_minute.value if baseline is not None else None
        key = t.key(f"cost/money_an_accepted_minute/{chosen.name}")
        interval, note = t.interval(cost.low, cost.high, t.money), t("fact.against", value=t.money(before))
        return Fact(label, t.money(cost.value), interval, key, "plain", note, cost.value, t.money_mark)
    seconds = seconds_an_accepted_minute(chosen)
    if seconds is not None:
        before = seconds_an_accepted_minute(baseline) if baseline is not None else None
        note = t("fact.against", value=t.seconds(before)) + " " + t("fact.no_price")
        return Fact(
            label,
            t.seconds(seconds),
            key=t.key(f"cost/seconds_an_accepted_minute/{chosen.name}"),
            note=note,
            number=seconds,
        )
    return Fact(label, t("word.unknown"), note=t("fact.cost_unknown"))


def _profit(t: Teller) -> Fact:
    """The chance that it pays, and when."""
    roi = t.findings.roi
    label = t("fact.profit")
    if roi is None:
        return Fact(label, t("word.not_computed"), note=t("fact.no_roi"))
    rule = reason_of(t, "profit")
    return Fact(
        label,
        t.percent(roi.chance_of_profit, 0),
        t("fact.npv", low=t.money(roi.npv.p10, signed=True), high=t.money(roi.npv.p90, signed=True)),
        t.key("roi/chance_of_profit"),
        TONES[rule.holds] if rule is not None else "plain",
        t("fact.payback", value=t.months(roi.payback_months)),
        roi.chance_of_profit,
        t.mark,
    )


def _warnings(t: Teller) -> Iterator[Paragraph]:
    """What a reader must not miss."""
    found = t.findings
    if found.watermark:
        yield Paragraph(t("example.warning", inputs=t.examples), look="warning")
    if not found.run.finished:
        text = t("run.unfinished", done=found.run.done, planned=found.run.planned)
        yield Paragraph(text, t.keys("run/done", "run/planned"), "warning")
    if found.run.kind == "imported":
        yield Paragraph(t("run.imported"), look="note")
    if found.arms and not any(arm.acceptance.value is not None for arm in found.arms):
        outcome = t.outcome(t.main_outcome)
        yield Paragraph(t("run.no_acceptance", acceptance=t.outcome(ACCEPTANCE), outcome=outcome), look="warning")
