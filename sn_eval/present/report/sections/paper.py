"""The frame of a decision paper (ringi): what the run knows is filled in, what only the company knows is left blank."""

from collections.abc import Iterator

from sn_eval.present.report.model import Field, Form, Paragraph, Section
from sn_eval.present.report.sections.verdict import next_step, why
from sn_eval.present.report.teller import Teller
from sn_eval.results.experiment import ACCEPTANCE


def paper(t: Teller) -> Section:
    """Purpose, effect and premises, cost, options, risks, people and dates, when to decide, when to withdraw."""
    parts = {
        "purpose": _purpose, "effect": _effect, "cost": _cost, "options": _options, "risks": _risks,
        "team": _nothing, "timing": _timing, "withdrawal": _withdrawal,
    }  # fmt: skip
    fields = tuple(
        Field(t(f"paper.{name}.title"), tuple(part(t)), t(f"paper.{name}.blank"), name) for name, part in parts.items()
    )
    return Section("paper", t("section.paper"), (Paragraph(t("paper.intro"), look="note"), Form(fields)))


def _purpose(t: Teller) -> Iterator[Paragraph]:
    run = t.findings.run
    yield t.paragraph("paper.purpose.line", arm=t.findings.verdict.arm, model=run.model)
    if run.about:
        yield Paragraph(run.about)


def _effect(t: Teller) -> Iterator[Paragraph]:
    yield Paragraph(why(t), t.keys("uplift/value", "uplift/low", "uplift/high"))
    roi = t.findings.roi
    if roi is None:
        yield t.paragraph("paper.effect.none")
        return
    for case in roi.scenarios:
        yield t.paragraph(
            "paper.effect.scenario", f"roi/scenario/{case.kind}/npv", f"roi/scenario/{case.kind}/monthly_saving",
            scenario=t(f"scenario.{case.kind}"), saving=t.money(case.monthly_saving, signed=True),
            npv=t.money(case.npv, signed=True), payback=t.months(case.payback_months), mark=t.mark,
        )  # fmt: skip
    yield t.paragraph(
        "paper.effect.premises", count=len(roi.inputs), examples=sum(each.illustrative for each in roi.inputs)
    )


def _cost(t: Teller) -> Iterator[Paragraph]:
    """One-off and running cost as they were given; what was not is left to the reader."""
    roi = t.findings.roi
    given = {each.key: each.value for each in roi.inputs} if roi is not None else {}
    for key in ("one_off", "monthly"):
        value = given.get(key, given.get(f"business.{key}"))
        if value is not None:
            yield t.paragraph(f"paper.cost.{key}", value=t.money(value), mark=t.mark)
    if roi is not None:
        yield t.paragraph(
            "paper.cost.unit", "roi/unit_cost/baseline", "roi/unit_cost/method", before=t.money(roi.unit_cost[0]),
            after=t.money(roi.unit_cost[1]), mark=t.mark,
        )  # fmt: skip


def _options(t: Teller) -> Iterator[Paragraph]:
    """Every arm, staying as it is first."""
    outcome = t.main_outcome
    for arm in sorted(t.findings.arms, key=lambda each: (not each.baseline, not each.chosen)):
        role = "baseline" if arm.baseline else "chosen" if arm.chosen else "other"
        yield t.paragraph(
            f"paper.options.{role}", *t.outcome_keys(outcome, arm.name), arm=arm.name, outcome=t.outcome(outcome),
            value=t.amount(outcome, t.value(arm, outcome).value), cost=t.accepted_cost(arm), mark=t.money_mark,
        )  # fmt: skip
    yield t.paragraph("paper.options.retrain")


def _risks(t: Teller) -> Iterator[Paragraph]:
    found = t.findings
    yield t.paragraph("paper.risks.losing", losing=len(found.losing), prompts=found.run.confirm_prompts)
    for reason in found.verdict.reasons:
        if reason.holds is not True and reason.code not in ("uplift", "finished"):
            yield Paragraph(t.reason(reason))
    yield t.paragraph("paper.risks.price")
    yield t.paragraph("paper.risks.rights")


def _nothing(t: Teller) -> Iterator[Paragraph]:
    """Only the company knows."""
    return iter(())


def _timing(t: Teller) -> Iterator[Paragraph]:
    yield Paragraph(next_step(t))
    if t.findings.price is not None:
        yield t.paragraph("paper.timing.prices", date=t.findings.price.as_of)


def _withdrawal(t: Teller) -> Iterator[Paragraph]:
    roi = t.findings.roi
    if roi is not None and roi.break_even_acceptance is not None:
        yield t.paragraph(
            "paper.withdrawal.acceptance", "roi/break_even_acceptance", value=t.percent(roi.break_even_acceptance),
            acceptance=t.outcome(ACCEPTANCE), mark=t.mark,
        )  # fmt: skip
    if roi is not None and roi.highest_price is not None:
        yield t.paragraph("paper.withdrawal.price", "roi/highest_price", price=t.money(roi.highest_price), mark=t.mark)
    yield t.paragraph("paper.withdrawal.always")
