"""What it is worth: savings, payback, what matters most, and every input with who said so."""

from collections.abc import Iterator

from sn_eval.decision.break_even import AT_ANY_PRICE, AT_NO_PRICE, ONLY_ABOVE
from sn_eval.decision.findings import Input, Roi
from sn_eval.decision.inputs import SHARES
from sn_eval.decision.roi import UPLIFT
from sn_eval.present.report.model import (
    Axis,
    Block,
    Bullets,
    Column,
    Fact,
    Facts,
    Figure,
    Grid,
    Paragraph,
    Point,
    Reference,
    Row,
    Section,
    Series,
)
from sn_eval.present.report.teller import Teller

PATHS = ("attempts", "fallback_share", "compute_an_attempt", "unit_cost")
SWINGS = 8  # bars of the tornado, the largest
PRICES = {AT_ANY_PRICE: "roi.at_any_price", AT_NO_PRICE: "roi.at_no_price", ONLY_ABOVE: "roi.only_above"}


def roi(t: Teller) -> Section:
    """Figures, cumulative cash, tornado, scenarios, break-even, inputs; or why there is none."""
    found = t.findings.roi
    if found is None:
        words = t("roi.none", why=t.why(t.findings.roi_words)) if t.findings.roi_words else t("roi.none_plain")
        return Section("roi", t("section.roi"), (Paragraph(words), Paragraph(t("roi.how"), look="note")))
    blocks: list[Block] = [Paragraph(t("example.beside"), look="warning")] if t.mark else []
    blocks += [_facts(t, found), _fan(t, found), scenarios(t, found), *_tornado(t, found), _unit(t, found)]
    blocks += [Bullets(tuple(_break_even(t, found)), t("roi.break_even_title")), inputs(t, found)]
    return Section("roi", t("section.roi"), tuple(blocks))


def _facts(t: Teller, found: Roi) -> Facts:
    saving = found.monthly_saving
    early, likely, late = (t.months(month) for month in found.payback)

    def bounds(low: float, high: float) -> str:
        return t("unit.band", low=t.money(low, signed=True), high=t.money(high, signed=True))

    return Facts(
        (
            Fact(
                t("fact.saving"), t.money(saving.p50, signed=True), bounds(saving.p10, saving.p90),
                t.key("roi/monthly_saving/p50"), number=saving.p50, mark=t.mark,
            ),
            Fact(
                t("fact.npv_label"), t.money(found.npv.p50, signed=True), bounds(found.npv.p10, found.npv.p90),
                t.key("roi/npv/p50"), number=found.npv.p50, mark=t.mark,
            ),
            Fact(
                t("fact.payback_label"), t.months(found.payback_months),
                t("unit.band", low=early, high=late) if likely else "", t.key("roi/payback_months"),
                number=found.payback_months, mark=t.mark,
            ),
        )
    )  # fmt: skip


def _fan(t: Teller, found: Roi) -> Figure:
    """Discounted money from the start on."""
    points = tuple(Point(month, band.p50, band.p10, band.p90) for month, band in enumerate(found.cumulative))
    return Figure(
        "cumulative", "fan", t("roi.fan"), t("roi.fan_about", draws=f"{found.draws:,}"),
        Axis(t("axis.months"), "integer", low=0), Axis(t("axis.cumulative", currency=found.currency), "money"),
        (Series(t("roi.median"), points, "line", "chosen"),), (Reference(t("roi.zero"), 0.0),), t.mark,
        t.keys("roi/npv/p10", "roi/npv/p50", "roi/npv/p90"),
    )  # fmt: skip


def _tornado(t: Teller, found: Roi) -> Iterator[Figure]:
    """Inputs by how far the net present value swings with each alone."""
    swings = sorted(found.tornado, key=lambda swing: -abs(swing.at_high - swing.at_low))[:SWINGS]
    if not swings:
        return
    likely = next((case.npv for case in found.scenarios if case.kind == "standard"), found.npv.p50)
    points = tuple(
        Point(
            t.input(swing.key), likely, swing.at_low, swing.at_high,
            f"{_end(t, swing.key, swing.low_input)} … {_end(t, swing.key, swing.high_input)}",
        )
        for swing in swings
    )  # fmt: skip
    yield Figure(
        "tornado", "tornado", t("roi.tornado"), t("roi.tornado_about", first=t.input(swings[0].key)),
        Axis(t("column.input"), "text"), Axis(t("axis.npv", currency=found.currency), "money"),
        (Series(t("fact.npv_label"), points, "bars"),), (Reference(t("scenario.standard"), likely, "x"),), t.mark,
        t.keys("roi/scenario/standard/npv"),
    )  # fmt: skip


def _end(t: Teller, key: str, value: float) -> str:
    """An end of an input's range."""
    if key == UPLIFT:
        return t.points(value)
    return t.percent(value) if key in SHARES else t.number(value)


def scenarios(t: Teller, found: Roi) -> Grid:
    """Conservative, standard, optimistic."""
    columns = (
        Column(t("column.scenario")),
        Column(t.marked(t("fact.saving"), t.mark), "money", found.currency, digits=0),
        Column(t.marked(t("fact.npv_label"), t.mark), "money", found.currency, digits=0),
        Column(t("fact.payback_label"), "text"),
    )
    rows = tuple(
        Row(
            (t(f"scenario.{case.kind}"), case.monthly_saving, case.npv, t.months(case.payback_months)),
            ("", t.key(f"roi/scenario/{case.kind}/monthly_saving"), t.key(f"roi/scenario/{case.kind}/npv"), ""),
        )
        for case in found.scenarios
    )
    return Grid("scenarios", t("roi.scenarios"), columns, rows, t("roi.scenarios_note"))


def _unit(t: Teller, found: Roi) -> Grid:
    """What a delivered video takes, today and with the search."""
    columns = (
        Column(t("column.arm")),
        Column(t("roi.attempts"), "number", digits=2),
        Column(t("roi.fallback"), "percent"),
        Column(t.marked(t("roi.compute"), t.money_mark), "money", found.currency, digits=t.decimals),
        Column(t.marked(t("roi.unit_cost"), t.mark), "money", found.currency, digits=0),
    )
    rows = tuple(
        Row(
            (
                t(f"word.{name}"), found.attempts[place], found.fallback_share[place], found.compute_an_attempt[place],
                found.unit_cost[place],
            ),
            ("", *(t.key(f"roi/{path}/{who}") for path in PATHS)),
            "chosen" if place else "baseline",
        )
        for place, (name, who) in enumerate((("baseline", "baseline"), ("chosen", "method")))
    )  # fmt: skip
    return Grid("unit_cost", t("roi.unit"), columns, rows, t("roi.unit_note"))


def _break_even(t: Teller, found: Roi) -> Iterator[Paragraph]:
    if found.break_even_uplift is not None:
        yield t.paragraph(
            "roi.break_even", "roi/break_even_acceptance", "roi/break_even_uplift",
            acceptance=t.percent(found.break_even_acceptance), uplift=t.points(found.break_even_uplift), mark=t.mark,
        )  # fmt: skip
    else:
        yield t.paragraph("roi.no_break_even")
    if found.highest_price is not None:
        yield t.paragraph(
            "roi.highest_price", "roi/highest_price", price=t.money(found.highest_price), now=t.price_now, mark=t.mark
        )
    else:
        yield t.paragraph(PRICES.get(found.highest_price_words, "roi.no_highest_price"))
    if found.after_tax_npv is not None:
        yield t.paragraph(
            "roi.after_tax", "roi/after_tax_npv", npv=t.money(found.after_tax_npv, signed=True), mark=t.mark
        )
    if found.exchange_swing is not None:
        low, high = (t.money(value, signed=True) for value in found.exchange_swing)
        yield t.paragraph("roi.exchange", low=low, high=high, mark=t.mark)


def inputs(t: Teller, found: Roi) -> Grid:
    """Every input with its source; examples are marked."""
    columns = (
        Column(t("column.input")),
        Column(t("column.value"), "general"),
        Column(t("column.low_input"), "general"),
        Column(t("column.high_input"), "general"),
        Column(t("column.source"), wide=True),
        Column(t("column.as_of")),
        Column(t("column.kind")),
    )
    return Grid(
        "inputs", t("roi.inputs"), columns, tuple(_input(t, each) for each in found.inputs), t("roi.inputs_note")
    )


def _input(t: Teller, each: Input) -> Row:
    kind = t("example.word") if each.illustrative else t("word.given") if each.value is not None else t("word.open")
    cells = (t.input(each.key), each.value, each.low, each.high, each.source, each.as_of, kind)
    return Row(cells, look="example" if each.illustrative else "plain")
