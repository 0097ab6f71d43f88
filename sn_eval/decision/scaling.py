"""How quality grows with compute, and where it stops: a saturating power law for each method, where the data allow one.

quality = ceiling − scale · compute^(−rate), the form of scaling laws (Kaplan et al. 2020, section 3; Henighan et al.
2020, equation 1.1), by least squares over mean quality at each budget. For a given rate the other two follow linearly,
so all rates of a grid are tried and none is missed (variable projection, Golub & Pereyra 1973). Intervals: percentiles
over resampled prompts. A curve that fits is not yet known: where resamples reach an end of the grid, words say so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from sn_eval.decision.findings import ScalingFit
from sn_eval.decision.ranks import LEAST, Estimate
from sn_eval.decision.statistics import interval

BUDGETS = 3  # parameters of the curve
RATES = np.geomspace(0.05, 8.0, 400)  # from next to a logarithm, which has no ceiling, to a step at the first budget
WORTH = 1 / 20  # of the range seen: less to gain than this counts as saturated
REACH = 10  # times the largest budget: what a curve says beyond is no finding
RESAMPLES = 2000

Points = Mapping[float, Mapping[str, float]]
"""compute → prompt → value"""


def fit_scaling(
    method: str,
    outcome: str,
    unit: str,
    points: Points,
    *,
    higher_is_better: bool = True,
    confidence: float = 0.95,
    seed: int = 0,
) -> ScalingFit:
    """The curve over budgets, from the prompts that have every one of them; without a curve, `words` say why.

    A budget at which no prompt has a value is no point. Where lower is better, ceiling is the floor that values fall
    to, and scale is negative.

    >>> curve = {c: {f"p{i}": 0.9 - 0.8 / c + i / 100 for i in range(8)} for c in (1.0, 2.0, 4.0, 8.0)}
    >>> found = fit_scaling("best_of_n", "sharp", "videos", curve)
    >>> round(found.ceiling.value, 2), round(found.rate.value, 1), round(found.saturates_at)
    (0.93, 1.0, 22)
    >>> fit_scaling("best_of_n", "sharp", "videos", {1.0: {"a": 0.5}}).words
    'no curve: 1 budget, and it takes 3'
    """
    sign = 1 if higher_is_better else -1
    budgets = sorted(points)
    shared = sorted(set.intersection(*(set(points[budget]) for budget in budgets))) if budgets else []
    table = sign * np.array([[points[budget][prompt] for budget in budgets] for prompt in shared], dtype=float)
    shown = tuple(
        _point(budget, list(points[budget].values()), confidence, seed) for budget in budgets if points[budget]
    )
    empty = ScalingFit(method, outcome, unit, shown, Estimate(), Estimate(), None, None, "")
    why = _refused(budgets, table, unit, confidence, seed)
    if why:
        nothing = Estimate(why=why)
        return replace(empty, ceiling=nothing, rate=nothing, words=f"no curve: {why}")
    return _described(empty, np.array(budgets), table, sign, confidence, seed)


def _point(
    budget: float, values: Sequence[float], confidence: float, seed: int
) -> tuple[float, float, float | None, float | None]:
    """(compute, mean, low, high) of one budget."""
    low, high, _ = interval(np.array(values, dtype=float), confidence=confidence, seed=seed)
    return budget, float(np.mean(values)), low, high


def _refused(budgets: Sequence[float], table: np.ndarray, unit: str, confidence: float, seed: int) -> str:
    """Why there is no curve to look for; "" where there may be one."""
    if len(budgets) < BUDGETS:
        return f"{len(budgets)} budget{'' if len(budgets) == 1 else 's'}, and it takes {BUDGETS}"
    if len(table) < LEAST:
        return f"{len(table)} prompts have a value at every budget, and it takes {LEAST}"
    gains = table[:, -1] - table[:, 0]
    low, high, how = interval(gains, confidence=confidence, seed=seed)
    if low is None or high is None:
        return how
    change = f"from {budgets[0]:g} to {budgets[-1]:g} {unit} it gains {gains.mean():+.3g} ({low:+.3g} to {high:+.3g})"
    if high < 0:
        return f"more compute makes it worse: {change}"
    return "" if low > 0 else f"no clear rise with compute: {change}"


def _described(
    empty: ScalingFit, budgets: Float[np.ndarray, "budgets"], table: np.ndarray, sign: int, confidence: float, seed: int
) -> ScalingFit:
    """The curve with what is known of it."""
    draws = np.random.default_rng(seed).integers(len(table), size=(RESAMPLES, len(table)))
    ceilings, scales, rates = _fit(budgets, np.vstack([table.mean(0), table[draws].mean(1)]))
    tail = (1 - confidence) / 2
    if (rates[1:] <= RATES[0]).mean() > tail:
        why = "no ceiling in sight: these budgets agree with growth that does not end"
        return replace(empty, ceiling=Estimate(why=why), rate=Estimate(why=why), words=why)
    ceiling = _estimate(sign * ceilings, tail)
    steep = (rates[1:] >= RATES[-1]).mean() > tail
    rate = Estimate(why="the rise ends before the second budget") if steep else _estimate(rates, tail)
    at, words = _saturation(budgets, scales[0], rates[0], empty.unit)
    if len(budgets) == BUDGETS:
        words += f"; {BUDGETS} budgets determine the curve and cannot check its form"
    scale = None if steep else float(sign * scales[0])
    return replace(empty, ceiling=ceiling, rate=rate, scale=scale, saturates_at=at, words=words)


def _fit(
    budgets: Float[np.ndarray, "budgets"], means: Float[np.ndarray, "b budgets"]
) -> tuple[Float[np.ndarray, "b"], Float[np.ndarray, "b"], Float[np.ndarray, "b"]]:
    """(ceiling, scale ≥ 0, rate) that fit each row best.

    >>> ceiling, scale, rate = _fit(np.array([1.0, 2.0, 4.0]), np.array([[0.5, 0.7, 0.8]]))
    >>> ceiling.round(2).tolist(), scale.round(2).tolist(), rate.round(2).tolist()
    ([0.9], [0.4], [1.01])
    """
    decay = (budgets / budgets[0]) ** -RATES[:, None]
    centred = decay - decay.mean(1, keepdims=True)
    spread = (centred**2).sum(1)
    scales = np.maximum(0.0, -(means @ centred.T) / spread)
    best = (scales**2 * spread).argmax(1)  # what it explains
    rows = np.arange(len(means))
    ceilings = means.mean(1) + scales[rows, best] * decay.mean(1)[best]
    return ceilings, scales[rows, best] * budgets[0] ** RATES[best], RATES[best]


def _estimate(values: Float[np.ndarray, "b"], tail: float) -> Estimate:
    """The first value with the interval that the others, from resamples, give it."""
    low, high = np.quantile(values[1:], [tail, 1 - tail])
    return Estimate(float(values[0]), float(low), float(high))


def _saturation(
    budgets: Float[np.ndarray, "budgets"], scale: float, rate: float, unit: str
) -> tuple[float | None, str]:
    """(compute from which on too little is left to gain, the same in words)."""
    first, last = (scale * budgets[place] ** -rate for place in (0, -1))
    at = math.exp((math.log(scale) - math.log(WORTH * (first - last))) / rate)
    if at > REACH * budgets[-1]:
        return None, f"still rising at {budgets[-1]:g} {unit}; where it ends lies too far beyond to say"
    where = "within what was measured" if at <= budgets[-1] else "beyond what was measured: an extrapolation"
    return float(at), f"from about {at:.3g} {unit} on less than {WORTH:.0%} of the gain seen is left ({where})"
