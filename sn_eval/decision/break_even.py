"""Where searching stops paying: the acceptance that it must reach, and the price of an hour that it can bear.

Acceptance: the baseline's prompts are made easier by one shift in log-odds, the same for each, until a video of the
method costs what one of the baseline does; the break-even is the mean acceptance there. Without a cap on attempts that
is the ratio of harmonic means ã₁/ã₀ = (g₁+ρ+h)/(g₀+ρ+h) of DECISION.md, "ROI". Price: the cost of a video is linear in
it, with and without a cap, so the price is a ratio.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from sn_eval.decision.retries import FARTHEST, Retries, Spread

AT_ANY_PRICE = "it pays at any price of an hour"
AT_NO_PRICE = "it pays at no price of an hour, even if computing were free"
ONLY_ABOVE = "it pays only above a price: it computes less than the baseline, and is accepted less"
NO_PRICE = "the price of an hour is not known, or computing costs nothing"
BELOW = "it pays below this price of an hour"


def break_even_acceptance(
    baseline: Spread, cap: int, method_cost: Callable[[Retries], float], baseline_cost: float
) -> float | None:
    """Mean acceptance at which the method's video costs `baseline_cost`.

    None where it costs more even when every first attempt is accepted, 0 where it costs less even when none ever is.
    """
    if method_cost(_sure(1.0, cap)) > baseline_cost:
        return None
    if method_cost(_sure(0.0, cap)) <= baseline_cost:
        return 0.0

    def excess(shift: float) -> float:
        return method_cost(baseline.shifted(shift).retries(cap)) - baseline_cost

    # at the ends rounding may hide the little that is left to gain
    if excess(FARTHEST) >= 0:
        return 1.0
    if excess(-FARTHEST) <= 0:
        return 0.0
    return baseline.shifted(float(brentq(excess, -FARTHEST, FARTHEST, xtol=1e-12))).mean


def highest_price(
    price: float | None, compute: tuple[float, float], attempts: tuple[float, float], saving: float
) -> tuple[float | None, str]:
    """(price of an hour at which the method saves nothing a video, what that means); pairs are (baseline, method).

    price: of an hour now. compute: money an attempt at that price. saving: money a video at that price.

    >>> highest_price(10.0, (10.0, 30.0), (2.0, 1.0), 5.0)
    (15.0, 'it pays below this price of an hour')
    """
    before, after = (money * count for money, count in zip(compute, attempts, strict=True))
    if price is None or price == 0 or before == after == 0:
        return None, NO_PRICE
    more = after - before  # money for computing a video that searching adds
    apart = saving + more  # what it saves apart from computing
    if more <= 0:
        return None, AT_ANY_PRICE if apart >= 0 else ONLY_ABOVE
    if apart <= 1e-9 * (before + after):  # nothing but rounding
        return None, AT_NO_PRICE
    return price * apart / more, BELOW


def _sure(accepted: float, cap: int) -> Retries:
    """Where every attempt is accepted (1), or none is (0)."""
    attempts, failed = (1.0, 0.0) if accepted else (float(cap), 1.0)
    return Retries(*(np.array([each]) for each in (attempts, failed, accepted)))
