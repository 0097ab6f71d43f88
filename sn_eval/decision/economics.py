"""Money from attempts: what a delivered video costs, and what a saving is worth over the months.

The formulas of DECISION.md, "ROI". Every function takes single numbers or one value a draw, and works along the draws.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sn_eval.decision.retries import Retries

Amount = float | Float[np.ndarray, "draws"]
Months = Float[np.ndarray, "draws moments"]


def unit_cost(
    outcome: Retries, compute: Amount, review: Amount, rejection: Amount, fallback: Amount
) -> Float[np.ndarray, "draws"]:
    """Money for one delivered video: E[N]·(g + ρ) + (E[N] − 1 + fail)·h + fail·M.

    Every attempt is computed (g) and reviewed (ρ), every rejected one is handled (h), and a video that no attempt
    brings is made by hand (M).

    >>> half = Retries(np.array([1.5]), np.array([0.25]), np.array([0.5]))
    >>> unit_cost(half, compute=100.0, review=10.0, rejection=20.0, fallback=1000.0).tolist()
    [430.0]
    """
    rejected = outcome.attempts - 1 + outcome.failed
    return outcome.attempts * (compute + review) + rejected * rejection + outcome.failed * fallback


def volume(ramp: Sequence[float], months: int) -> Float[np.ndarray, "months"]:
    """Share of the full volume in each month; the last of the ramp holds on.

    >>> volume((0.25, 0.5, 1.0), 4).tolist()
    [0.25, 0.5, 1.0, 1.0]
    """
    return np.array([ramp[min(month, len(ramp) - 1)] for month in range(months)])


def monthly_rate(yearly: Amount) -> Amount:
    """The rate a month that compounds to a rate a year.

    >>> round(monthly_rate(0.05), 6)
    0.004074
    """
    return (1 + yearly) ** (1 / 12) - 1


def cumulative(
    saving: Amount, one_off: Amount, monthly: Amount, discount: Amount, share: Float[np.ndarray, "months"]
) -> Months:
    """Discounted money so far, from month 0 (minus the one-off cost) on; the last is the net present value.

    saving: a month at full volume. discount: a year. share: of the volume, by month.

    >>> cumulative(100.0, 150.0, 10.0, 0.0, np.array([0.5, 1.0])).tolist()
    [[-150.0, -110.0, -20.0]]
    """
    saving, one_off, monthly, discount = (
        np.atleast_1d(np.asarray(each, float))[:, None] for each in (saving, one_off, monthly, discount)
    )
    months = np.arange(1, len(share) + 1)
    worth = np.exp(-months * np.log1p(discount) / 12)
    flows = np.cumsum((share * saving - monthly) * worth, axis=1) - one_off
    return np.concatenate([np.broadcast_to(-one_off, (len(flows), 1)), flows], axis=1)


def payback(cash: Months) -> Float[np.ndarray, "draws"]:
    """First month from which the money so far stays at zero or above; infinite where there is none.

    >>> payback(np.array([[-2.0, -1.0, 0.0, 1.0], [-2.0, 1.0, -1.0, -3.0], [0.0, 1.0, 2.0, 3.0]])).tolist()
    [2.0, inf, 0.0]
    """
    below = cash < 0
    since = np.where(below.any(1), cash.shape[1] - np.argmax(below[:, ::-1], axis=1), 0)
    return np.where(since < cash.shape[1], since, np.inf)


def after_tax(
    saving: float, one_off: float, monthly: float, discount: float, share: Float[np.ndarray, "months"], tax: float
) -> float:
    """Net present value after tax: the one-off cost is written off evenly over the months, losses save tax elsewhere.

    >>> after_tax(100.0, 150.0, 0.0, 0.0, np.array([1.0, 1.0]), tax=0.3)
    35.0
    """
    write_off = one_off / len(share)
    flows = (share * saving - monthly) * (1 - tax) + tax * write_off
    return float(flows @ (1 + monthly_rate(discount)) ** -np.arange(1.0, len(share) + 1) - one_off)
