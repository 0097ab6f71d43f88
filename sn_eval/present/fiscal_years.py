"""Cash by fiscal year, and what tax and exchange do to the net present value."""

from collections.abc import Sequence

from sn_eval.decision.findings import Roi
from sn_eval.decision.fiscal_years import FiscalYear
from sn_eval.present.report.model import Axis, Column, Figure, Grid, Point, Row, Series
from sn_eval.present.report.teller import Teller
from sn_eval.results.experiment import Business


def bars(years: Sequence[FiscalYear], business: Business, t: Teller) -> Figure:
    """Cash of each year, after tax beside it where a rate is known."""
    names = [t("fiscal.year", number=year.number) for year in years]
    before = [Point(name, year.cash) for name, year in zip(names, years, strict=True)]
    after = [Point(name, year.after_tax) for name, year in zip(names, years, strict=True) if year.after_tax is not None]
    series = [Series(t("fiscal.cash"), tuple(before), "bars", "chosen")]
    series += [Series(t("fiscal.after_tax"), tuple(after), "bars", "muted")] if after else []
    return Figure(
        "fiscal", "bar", t("fiscal.title"), about(business, t), Axis(t("fiscal.column"), "text"),
        Axis(t("heat_map.axis_money", name=t("fiscal.axis"), currency=t.currency), "money"), tuple(series), (), t.mark,
    )  # fmt: skip


def about(business: Business, t: Teller) -> str:
    """How the years are counted."""
    taxed = business.tax is not None and business.tax.known
    told = t("fiscal.about", month=business.fiscal_year_starts)
    return told if taxed else t.joined([told, t("fiscal.no_tax")])


def table(years: Sequence[FiscalYear], business: Business, t: Teller) -> Grid:
    """Cash and totals of each year."""
    taxed = any(year.after_tax is not None for year in years)
    columns = (
        Column(t("fiscal.column")),
        Column(t("fiscal.months")),
        Column(t.marked(t("fiscal.cash"), t.mark), "money", t.currency, digits=0),
        *([Column(t.marked(t("fiscal.after_tax"), t.mark), "money", t.currency, digits=0)] if taxed else []),
        Column(t.marked(t("fiscal.total"), t.mark), "money", t.currency, digits=0),
    )
    rows = tuple(
        Row(
            (
                t("fiscal.year", number=year.number),
                t("fiscal.span", first=year.months[0], last=year.months[1]),
                year.cash, *([year.after_tax] if taxed else []), year.total,
            )
        )
        for year in years
    )  # fmt: skip
    return Grid("fiscal_years", t("fiscal.title"), columns, rows, about(business, t))


def sensitivity(found: Roi, business: Business, t: Teller) -> Grid:
    """The net present value before and after tax, and as the foreign currency moves, where these are known."""
    standard = next(case.npv for case in found.scenarios if case.kind == "standard")
    cases: list[tuple[str, float]] = [(t("fiscal.standard"), standard)]
    if found.after_tax_npv is not None and business.tax is not None:
        cases.append((t("fiscal.taxed", rate=t.percent(business.tax.value)), found.after_tax_npv))
    if found.exchange_swing is not None:
        cases += zip((t("fiscal.cheaper"), t("fiscal.dearer")), found.exchange_swing, strict=True)
    columns = (
        Column(t("fiscal.case")),
        Column(t.marked(t("fact.npv_label"), t.mark), "money", t.currency, digits=0),
        Column(t("fiscal.difference"), "money", t.currency, digits=0),
    )
    rows = tuple(Row((name, npv, npv - standard if place else None)) for place, (name, npv) in enumerate(cases))
    return Grid("sensitivity", t("fiscal.sensitivity"), columns, rows, t("fiscal.not_known"))
