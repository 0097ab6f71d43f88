"""How many prompts show an effect, and how small an effect these prompts show: the power of the paired t test.

An effect is shown where the interval of the mean difference lies wholly on its side of zero. Power follows from the
noncentral t distribution (Cohen, "Statistical Power Analysis", 2nd ed. 1988, section 2.2), by statsmodels. Spread is
the standard deviation of the prompts' differences, each already a mean over repeats.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from scipy import optimize
from statsmodels.stats.power import TTestPower

from sn_eval.decision.findings import Power
from sn_eval.results.files import ResultsError

MOST = 10_000_000  # prompts; more is as good as never
USUAL = 0.8
HIGH = 0.9


def power(effect: float, spread: float, n: int, confidence: float = 0.95) -> float:
    """Chance that n prompts show a true effect, at the confidence of the two-sided interval; 1 where nothing spreads.

    >>> round(power(0.5, 1.0, 34), 2), round(power(0.0, 1.0, 34), 3), power(0.1, 0.0, 5), power(0.5, 1.0, 1)
    (0.81, 0.025, 1.0, 0.0)
    """
    if n < 2:
        return 0.0
    if spread == 0:
        return float(effect != 0)
    chance = float(TTestPower().power(abs(effect) / spread, n, (1 - confidence) / 2, alternative="larger"))
    return 1.0 if math.isnan(chance) else chance  # scipy's noncentral t has gaps, all of them far out, where it is 1


_power = power  # below, an argument has its name


def needed(effect: float, spread: float, power: float = USUAL, confidence: float = 0.95) -> int | None:
    """The fewest prompts that show a true effect with this power; None for no effect, or for more than ten million.

    >>> needed(0.5, 1.0), needed(0.0, 1.0), needed(0.1, 0.0)
    (34, None, 2)
    """
    place = bisect_left(range(MOST + 1), power, key=lambda n: _power(effect, spread, n, confidence))
    return place if effect and place <= MOST else None


def detectable(spread: float, n: int, power: float = USUAL, confidence: float = 0.95) -> float | None:
    """The smallest effect that n prompts show with this power, in the unit of spread; None below two prompts.

    >>> round(detectable(1.0, 34), 2), detectable(0.0, 5), detectable(1.0, 1)
    (0.5, 0.0, None)
    """
    if n < 2:
        return None
    if spread == 0:
        return 0.0
    largest = 1.0
    while _power(largest, 1.0, n, confidence) < power:
        largest *= 2
    ratio = optimize.brentq(lambda ratio: _power(ratio, 1.0, n, confidence) - power, 0, largest)
    return float(ratio * spread)


def acceptance_spread(p0: float, p1: float, correlation: float, attempts: int = 1) -> float:
    """Standard deviation of the prompts' differences of accepted shares that is to be expected before there are data.

    p0, p1: acceptance of baseline and method. attempts: of each arm at a prompt. correlation: of two attempts at one
    prompt, whichever arms made them; hard prompts are hard for both. A gain that differs between prompts adds to it.
    ResultsError for shares or a correlation that cannot be.

    >>> round(acceptance_spread(0.6, 0.75, 0.4), 3), round(acceptance_spread(0.6, 0.75, 0.4, attempts=4), 3)
    (0.508, 0.256)
    """
    if not (0 <= p0 <= 1 and 0 <= p1 <= 1):
        raise ResultsError(f"acceptance {p0:g} and {p1:g}: shares lie between 0 and 1")
    low, high = sorted((p0, p1))
    both = math.sqrt(p0 * (1 - p0) * p1 * (1 - p1))
    most = low * (1 - high) / both if both else 0.0  # then no attempt of the worse arm is accepted alone
    if not 0 <= correlation <= most or attempts < 1:
        raise ResultsError(
            f"correlation {correlation:g} with {attempts} attempts: acceptance {p0:g} and {p1:g} allow a correlation "
            f"from 0 to {most:.2f}, with at least 1 attempt"
        )
    own = (p0 * (1 - p0) + p1 * (1 - p1)) * (1 + (attempts - 1) * correlation) / attempts
    return math.sqrt(max(0.0, own - 2 * correlation * both))


def needed_for_acceptance(
    p0: float,
    p1: float,
    correlation: float,
    attempts: int = 1,
    *,
    power: float = USUAL,
    confidence: float = 0.95,
) -> int | None:
    """The fewest paired prompts that show acceptance p1 against p0; arguments as in `acceptance_spread`.

    >>> needed_for_acceptance(0.6, 0.75, 0.3), needed_for_acceptance(0.6, 0.75, 0.5)
    (107, 78)
    """
    return needed(p1 - p0, acceptance_spread(p0, p1, correlation, attempts), power, confidence)


def power_of(outcome: str, differences: Sequence[float], effect: float | None, confidence: float = 0.95) -> Power:
    """What a run could see, from its prompts' differences and the threshold that decides (None where there is none).

    >>> found = power_of("acceptance", [0.0, 0.2, 0.4, 0.2], 0.15)
    >>> found.prompts, found.needed_80, round(found.power, 2), round(found.detectable, 2)
    (4, 12, 0.25, 0.35)
    """
    n = len(differences)
    if n < 2:
        words = f"power unknown: {n} prompt{'' if n == 1 else 's'} with both arms; the spread takes at least 2"
        return Power(outcome, n, effect, None, None, None, None, None, words)
    spread = float(np.std(differences, ddof=1))
    if spread <= 1e-12 * max(map(abs, differences)):
        words = f"power unknown: all {n} prompts differ by the same amount, so their spread is not known"
        return Power(outcome, n, effect, None, None, None, None, None, words)
    least = detectable(spread, n, USUAL, confidence)
    seen = f"{n} prompts would show a difference of {least:.3g} with a chance of {USUAL:.0%}"
    if not effect:
        return Power(outcome, n, effect, spread, None, least, None, None, f"{seen}; no threshold is declared")
    usual, high = (needed(effect, spread, chance, confidence) for chance in (USUAL, HIGH))
    chance = power(effect, spread, n, confidence)
    words = f"a true difference of {effect:.3g} is shown with a chance of {chance:.0%}; {seen}"
    if usual is not None and usual > n:
        words += f"; {USUAL:.0%} for {effect:.3g} would take {usual} prompts"
    return Power(outcome, n, effect, spread, chance, least, usual, high, words)
