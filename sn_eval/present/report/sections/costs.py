"""What it took: devices that production needs, and what each arm spent, measured or estimated."""

from collections.abc import Iterator

from sn_eval.decision.findings import ArmFindings
from sn_eval.present.report.model import Block, Bullets, Column, Grid, Paragraph, Row, Section
from sn_eval.present.report.teller import Teller


def capacity(t: Teller) -> Section:
    """Devices for a month's videos within the deadline."""
    need = t.findings.capacity
    if need is None:
        return Section("capacity", t("section.capacity"), (Paragraph(t("capacity.none")),))
    intro = t.paragraph(
        "capacity.need", "capacity/devices/baseline", "capacity/devices/method", videos=t.number(need.videos),
        hours=t.number(need.hours), before=need.devices[0], after=need.devices[1], mark=t.mark,
    )  # fmt: skip
    columns = (
        Column(t("column.arm")),
        Column(t("capacity.seconds"), "number", "s", digits=1),
        Column(t.marked(t("capacity.devices"), t.mark), "integer"),
    )
    rows = tuple(
        Row(
            (t(f"word.{name}"), need.device_seconds_a_video[place], need.devices[place]),
            ("", t.key(f"capacity/device_seconds_a_video/{who}"), t.key(f"capacity/devices/{who}")),
            "chosen" if place else "baseline",
        )
        for place, (name, who) in enumerate((("baseline", "baseline"), ("chosen", "method")))
    )
    table = Grid("capacity", t("capacity.table"), columns, rows, t("capacity.formula"))
    return Section("capacity", t("section.capacity"), (intro, table))


def costs(t: Teller) -> Section:
    """The price, and what every arm took."""
    blocks: list[Block] = [*_price(t), *_spent(t)]
    if not any(_metered(arm) for arm in t.findings.arms):
        blocks.append(Paragraph(t("costs.unknown"), look="warning"))
    return Section("costs", t("section.costs"), tuple(blocks), "engineer")


def _metered(arm: ArmFindings) -> bool:
    cost = arm.cost
    return any(value is not None for value in (cost.nfe, cost.device_seconds, cost.latency))


def _price(t: Teller) -> Iterator[Block]:
    price = t.findings.price
    if price is None:
        yield Paragraph(t("costs.no_price", why=t.why(t.findings.price_words)))
        return
    tax = t("costs.tax_in" if price.tax_included else "costs.tax_out")
    items = [
        t.paragraph(
            "costs.price", "price/hour", price=t.money(price.value), unit=t(f"unit.{price.unit}"), words=price.words,
            mark=t.money_mark,
        ),
        t.paragraph("costs.as_of", date=price.as_of, tax=tax),
        *(t.paragraph("costs.source", source=source) for source in price.sources),
    ]  # fmt: skip
    if price.exchange:
        items.append(t.paragraph("costs.exchange", exchange=price.exchange))
    yield Bullets(tuple(items), t("costs.price_title"))


def _spent(t: Teller) -> Iterator[Grid]:
    """Two tables, so that each fits a page: what was spent, and what it costs."""
    spent = (
        Column(t("column.arm")),
        Column(t("column.nfe"), "number", digits=0),
        Column(t("column.share"), "percent"),
        Column(t("column.lowest"), "percent"),
        Column(t("column.highest"), "percent"),
        Column(t("column.device")),
        Column(t("column.device_seconds"), "number", "s", digits=2),
        Column(t("column.a_second"), "number", "s", digits=2),
        Column(t("column.latency"), "number", "s", digits=2),
        Column(t("column.teraflops"), "number", "TFLOP", digits=2),
        Column(t("column.joules"), "number", "J", digits=0),
        Column(t("column.meter")),
    )
    yield Grid("spent", t("costs.spent"), spent, tuple(_spent_row(t, arm) for arm in t.findings.arms), t("costs.note"))
    if t.findings.price is None:
        return
    mark, unit = t.money_mark, t.currency
    paid = (
        Column(t("column.arm")),
        Column(t.marked(t("column.money_attempt"), mark), "money", unit, digits=t.decimals),
        Column(t.marked(t("column.money_minute"), mark), "money", unit, digits=t.decimals),
        Column(t.marked(t("column.accepted_money"), mark), "money", unit, digits=t.decimals),
        Column(t("column.low"), "money", unit, digits=t.decimals),
        Column(t("column.high"), "money", unit, digits=t.decimals),
    )
    yield Grid("paid", t("costs.paid"), paid, tuple(_paid_row(t, arm) for arm in t.findings.arms))


def _spent_row(t: Teller, arm: ArmFindings) -> Row:
    cost = arm.cost
    names = ("nfe", "share_of_budget", "", "", "", "device_seconds", "a_second", "latency", "teraflops", "joules", "")
    keys = ("", *(t.key(f"cost/{name}/{arm.name}") if name else "" for name in names))
    cells = (
        arm.name, cost.nfe, cost.share_of_budget, cost.lowest_share, cost.highest_share, t(f"device.{cost.device}"),
        cost.device_seconds, cost.a_second, cost.latency, cost.teraflops, cost.joules, t.source(cost.source),
    )  # fmt: skip
    return Row(cells, keys, "chosen" if arm.chosen else "baseline" if arm.baseline else "plain")


def _paid_row(t: Teller, arm: ArmFindings) -> Row:
    cost, accepted = arm.cost, arm.cost.money_an_accepted_minute
    names = ("money_an_attempt", "money_a_minute", "money_an_accepted_minute")
    keys = ("", *(t.key(f"cost/{name}/{arm.name}") for name in names), "", "")
    cells = (arm.name, cost.money_an_attempt, cost.money_a_minute, accepted.value, accepted.low, accepted.high)
    return Row(cells, keys, "chosen" if arm.chosen else "baseline" if arm.baseline else "plain")
