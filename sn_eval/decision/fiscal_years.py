"""What each fiscal year brings and costs: money as it flows, undiscounted, with likely inputs; before and after tax.

A year that the horizon touches counts as far as it does. Tax is as in `economics.after_tax`: the one-off cost is
written off evenly over the months, and losses save tax elsewhere.
"""

from dataclasses import dataclass

import numpy as np

from sn_eval.decision.economics import volume
from sn_eval.results.experiment import Business


@dataclass(frozen=True)
class FiscalYear:
    """A year's part of the horizon. months: the first and the last of it, counted from the start.

    cash: money of the year, the first with the one-off cost; total: of all so far; after_tax: None without a rate.
    """

    number: int
    months: tuple[int, int]
    cash: float
    total: float
    after_tax: float | None


def fiscal_years(business: Business, saving: float, starts: int) -> tuple[FiscalYear, ...]:
    """Years in order. saving: money a month at full volume. starts: calendar month (1 to 12) of the first month.

    The business needs its one-off and monthly cost; without them there are no years.
    """
    one_off, monthly = business.one_off.value, business.monthly.value
    if one_off is None or monthly is None:
        return ()
    flows = volume(business.ramp, business.months) * saving - monthly
    rate = business.tax.value if business.tax is not None else None
    kept = None if rate is None else flows * (1 - rate) + rate * one_off / len(flows)
    found: list[FiscalYear] = []
    for number, months in enumerate(_years(business.months, starts, business.fiscal_year_starts)):
        paid = 0.0 if number else one_off
        cash = float(flows[months].sum() - paid)
        after = None if kept is None else float(kept[months].sum() - paid)
        total = cash + (found[-1].total if found else 0.0)
        found.append(FiscalYear(number + 1, (int(months[0]) + 1, int(months[-1]) + 1), cash, total, after))
    return tuple(found)


def _years(months: int, starts: int, first: int) -> list[np.ndarray]:
    """Months (from 0) by fiscal year.

    >>> [each.tolist() for each in _years(5, starts=2, first=4)]
    [[0, 1], [2, 3, 4]]
    """
    year = (np.arange(months) + starts - first + 12) // 12
    return [np.flatnonzero(year == each) for each in np.unique(year)]
