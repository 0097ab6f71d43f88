"""For the meeting: phrases with this run's figures, questions that will be asked, and what is left until production."""

from collections.abc import Iterator

from sn_eval.present.report.model import QA, Bullets, Check, Checklist, Paragraph, Question, Section
from sn_eval.present.report.sections.verdict import next_step, reason_of
from sn_eval.present.report.teller import Teller

QUESTIONS = ("sure", "fails", "reward", "judge", "other", "retrain", "data", "rights", "scale", "people")
"""Asked in every meeting; the one about the cost has its own answer."""


def phrases(t: Teller) -> Section:
    """Sentences to say, each with its figures."""
    return Section("phrases", t("section.phrases"), (Bullets(tuple(_phrases(t))),))


def _phrases(t: Teller) -> Iterator[Paragraph]:
    found, roi, chosen, baseline = t.findings, t.findings.roi, t.chosen, t.baseline
    yield Paragraph(t(f"phrase.{found.verdict.decision}", arm=found.verdict.arm))
    if chosen is not None and baseline is not None:
        after, before = t.value(chosen, t.main_outcome), t.value(baseline, t.main_outcome)
        if after.value is not None and before.value is not None:
            yield t.paragraph(
                "phrase.quality", *t.outcome_keys(t.main_outcome, baseline.name, chosen.name), "uplift/value",
                outcome=t.outcome(t.main_outcome), before=t.amount(t.main_outcome, before.value),
                after=t.amount(t.main_outcome, after.value), prompts=found.run.confirm_prompts,
            )  # fmt: skip
        cost, was = chosen.cost.money_an_accepted_minute.value, baseline.cost.money_an_accepted_minute.value
        if cost is not None and was is not None:
            yield t.paragraph(
                "phrase.cost", f"cost/money_an_accepted_minute/{baseline.name}",
                f"cost/money_an_accepted_minute/{chosen.name}", before=t.money(was), after=t.money(cost),
                mark=t.money_mark,
            )  # fmt: skip
    if roi is not None:
        yield t.paragraph(
            "phrase.profit", "roi/chance_of_profit", "roi/npv/p50", chance=t.percent(roi.chance_of_profit, 0),
            payback=t.months(roi.payback_months), npv=t.money(roi.npv.p50, signed=True), mark=t.mark,
        )  # fmt: skip
        if roi.tornado:
            first = max(roi.tornado, key=lambda swing: abs(swing.at_high - swing.at_low))
            yield t.paragraph("phrase.driver", input=t.input(first.key))
    if found.losing:
        yield t.paragraph("phrase.losing", losing=len(found.losing), prompts=found.run.confirm_prompts)
    yield t.paragraph("phrase.ask", next=next_step(t))


def questions(t: Teller) -> Section:
    """Expected questions with this run's answers."""
    asked = [Question(t("question.cost"), _cost(t)), *(_question(t, name) for name in QUESTIONS)]
    return Section("questions", t("section.questions"), (QA(tuple(asked)),))


def _cost(t: Teller) -> Paragraph:
    roi = t.findings.roi
    if roi is not None:
        return t.paragraph(
            "answer.cost", "roi/unit_cost/baseline", "roi/unit_cost/method", before=t.money(roi.unit_cost[0]),
            after=t.money(roi.unit_cost[1]), mark=t.mark,
        )  # fmt: skip
    if t.chosen is not None and t.chosen.cost.money_an_attempt is not None:
        key = f"cost/money_an_attempt/{t.chosen.name}"
        return t.paragraph("answer.cost_attempt", key, cost=t.money(t.chosen.cost.money_an_attempt), mark=t.money_mark)
    return t.paragraph("answer.cost_unknown")


def _question(t: Teller, name: str) -> Question:
    """A question whose answer may depend on the run: "answer.<name>" or one of its variants."""
    return Question(t(f"question.{name}"), _ANSWERS[name](t) if name in _ANSWERS else t.paragraph(f"answer.{name}"))


def _sure(t: Teller) -> Paragraph:
    found = t.findings
    if found.verdict.uplift.value is None:
        return t.paragraph("answer.sure_open")
    return t.paragraph(
        "answer.sure", "uplift/value", "uplift/low", "uplift/high", prompts=found.run.confirm_prompts,
        repeats=found.run.repeats, interval=t.interval(
            found.verdict.uplift.low, found.verdict.uplift.high, lambda v: t.amount(t.main_outcome, v, signed=True)
        ) or t("word.no_interval"),
    )  # fmt: skip


def _fails(t: Teller) -> Paragraph:
    roi, losing = t.findings.roi, len(t.findings.losing)
    if roi is None:
        return t.paragraph("answer.fails", losing=losing, prompts=t.findings.run.confirm_prompts)
    return t.paragraph(
        "answer.fails_roi", "roi/fallback_share/method", losing=losing, prompts=t.findings.run.confirm_prompts,
        share=t.percent(roi.fallback_share[1]), npv=t.money(roi.npv.p10, signed=True), mark=t.mark,
    )  # fmt: skip


def _reward(t: Teller) -> Paragraph:
    hacking = t.findings.hacking
    if hacking is None or hacking.searched_gain is None:
        return t.paragraph("answer.reward_unknown")
    return t.paragraph("answer.reward_alarm" if hacking.alarm else "answer.reward")


def _judge(t: Teller) -> Paragraph:
    rule = reason_of(t, "evaluator_validity")
    if rule is None or rule.holds is None:
        return t.paragraph("answer.judge_unknown")
    return t.paragraph("answer.judge", reason=t.reason(rule))


def _data(t: Teller) -> Paragraph:
    return t.paragraph("answer.data_imported" if t.findings.run.kind == "imported" else "answer.data")


def _scale(t: Teller) -> Paragraph:
    need = t.findings.capacity
    if need is None:
        return t.paragraph("answer.scale_unknown")
    return t.paragraph(
        "answer.scale", "capacity/devices/method", videos=t.number(need.videos), hours=t.number(need.hours),
        devices=need.devices[1], mark=t.mark,
    )  # fmt: skip


_ANSWERS = {
    "sure": _sure, "fails": _fails, "reward": _reward, "judge": _judge, "data": _data, "scale": _scale,
}  # fmt: skip


def checklist(t: Teller) -> Section:
    """What stands between a PoC and production: what the run knows is ticked, the rest is for people."""
    found = t.findings
    by_code = {reason.code: reason.holds for reason in found.verdict.reasons}
    known = [
        Check(t("check.complete"), found.run.finished),
        Check(t("check.primary"), t.primary is not None),
        Check(t("check.labels"), any(arm.corrected is not None for arm in found.arms)),
        Check(t("check.sourced"), not found.watermark and found.price is not None and found.roi is not None),
        Check(t("check.hacking"), by_code.get("hacking")),
        Check(t("check.losing"), None, t("check.losing_note", losing=len(found.losing))),
    ]
    people = [
        Check(t(f"check.{name}"))
        for name in ("rights", "security", "review", "monitoring", "capacity", "fallback", "owner", "rerun", "stop")
    ]
    blocks = (Checklist(tuple(known), t("check.from_run")), Checklist(tuple(people), t("check.from_people")))
    return Section("checklist", t("section.checklist"), blocks)
