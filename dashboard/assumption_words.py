"""Assumptions as people call and write them, and what a field's value breaks."""

from typing import Any

from dashboard.drafts import SHARES
from dashboard.page import Page, plain
from sn_eval.present.report.teller import Teller
from sn_eval.results.assumption import AMOUNTS, EXCHANGE, HOUR, OWNED, Unfit
from sn_eval.results.experiment import Sourced

NO_MONEY = (
    *SHARES, EXCHANGE, "business.videos_per_month", "business.minutes_per_video", "business.deadline_hours",
    "prices.owned.years", "prices.owned.hours_a_year", "prices.owned.watts", "prices.owned.pue",
)  # fmt: skip


def label(t: Teller, key: str, currency: str) -> str:
    """An assumption as people call it, with its unit."""
    name = name_of(t, key)
    if key in SHARES:
        return f"{name} (%)"
    return f"{name} ({currency})" if currency and key in AMOUNTS and key not in (*NO_MONEY, HOUR, *OWNED) else name


def name_of(t: Teller, key: str) -> str:
    """An assumption as people call it."""
    last = key.rsplit(".", 1)[-1]
    own = {HOUR: "hour", "prices.rate.unit": "unit", "prices.rate.currency": "hour_currency", "prices.use": "use",
           EXCHANGE: "exchange", "prices.exchange.of": "exchange_of", "prices.currency": "currency",
           "prices.tax_included": "tax_included", "business.ramp": "ramp"}  # fmt: skip
    if key in own or key in OWNED:
        return t(f"assumption_name.{own.get(key, last)}")
    return t.input(last)


def told(t: Teller, key: str, value: Any) -> str:
    """A value of an assumption in words: with its range, or that there is none."""
    if isinstance(value, Sourced):
        if value.value is None:
            return t("assumption.open")
        show = t.percent if key in SHARES else t.number
        span = f" ({show(value.low)} – {show(value.high)})" if value.low is not None else ""
        return f"{show(value.value)}{span}" + (f" {t('example.mark')}" if value.illustrative else "")
    if isinstance(value, bool):
        return t("assumption.agreed") if value else t("assumption.denied")
    if isinstance(value, tuple):
        return " ".join(t.percent(each, 0) for each in value)
    return t("assumption.open") if value is None else str(value)


def rule(page: Page, problem: Unfit, name: str) -> str:
    """What a field's value breaks, and what to do."""
    said = page(f"assumption_rule.{problem.code}", **{key: str(each) for key, each in problem.values.items()})
    return plain(f"{name} {problem.shown}".rstrip() + f": {said} ") + page("assumption.kept")
