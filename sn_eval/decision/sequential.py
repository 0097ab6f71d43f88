"""When may results be looked at early, and how sure must a look be? Group-sequential bounds by alpha spending.

Each declared look spends a part of the error (Lan & DeMets, Biometrika 1983): obrien_fleming little at first, pocock
about evenly. The bound of a look follows exactly from the joint normal law of the looks so far, integrated look by
look (Armitage, McPherson & Rowe, J. R. Stat. Soc. A 1969; Jennison & Turnbull, "Group Sequential Methods", 1999,
chapters 7 and 19). Information is the number of prompts done.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from sn_eval.results.experiment import Looks

Spending = Literal["obrien_fleming", "pocock"]

FARTHEST = 8.0  # standard errors: beyond it a normal value has a chance of 1e-15
NODES = 128  # of the integration; with 2,000 no bound moves by 1e-12, looks 0.1 % apart included


def prompts_at(looks: Looks, planned: int) -> tuple[int, ...]:
    """After how many confirm prompts each look is due, shares rounded up; looks that fall together are one.

    >>> prompts_at(Looks(at=(0.5, 1.0)), 75)
    (38, 75)
    """
    return tuple(dict.fromkeys(max(1, math.ceil(share * planned - 1e-9)) for share in looks.at))


def look_confidence(
    looks: Looks, prompts_done: int, prompts_planned: int, confidence: float = 0.95
) -> tuple[float, int] | None:
    """(confidence of this look's two-sided interval, number of the look from 1 on); None where no look is due.

    To look when more prompts are done than a look is due at, hand in the first so many, in the order of the plan, and
    their number: a look at whatever happens to be done is one that was not declared. A prompt that can never be done is
    not planned any more.

    >>> look_confidence(Looks(), 40, 40), look_confidence(Looks(), 39, 40)
    ((0.95, 1), None)
    >>> level, number = look_confidence(Looks(at=(0.5, 1.0)), 20, 40)
    >>> round(level, 4), number
    (0.9969, 1)
    """
    due = prompts_at(looks, prompts_planned)
    if prompts_done not in due:
        return None
    number = due.index(prompts_done) + 1
    if len(due) == 1:
        return confidence, number
    z = boundaries([prompts / prompts_planned for prompts in due[:number]], looks.spending, 1 - confidence)[-1]
    return float(1 - 2 * stats.norm.sf(z)), number


def spent(share: float, spending: Spending, alpha: float) -> float:
    """The two-sided error that may be spent up to a share of the information (Lan & DeMets 1983, section 3).

    >>> round(spent(0.5, "obrien_fleming", 0.05), 4), round(spent(0.5, "pocock", 0.05), 4), spent(1.0, "pocock", 0.05)
    (0.0031, 0.031, 0.05)
    """
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * share)
    return 4 * float(stats.norm.sf(stats.norm.isf(alpha / 4) / math.sqrt(share)))


def boundaries(shares: Sequence[float], spending: Spending, alpha: float = 0.05) -> tuple[float, ...]:
    """|z| that each look must exceed, for rising shares of the information, two-sided and symmetric.

    >>> [round(z, 3) for z in boundaries([0.5, 1.0], "obrien_fleming")]
    [2.963, 1.969]
    >>> [round(z, 3) for z in boundaries([0.5, 1.0], "pocock")]
    [2.157, 2.201]
    """
    roots, weights = np.polynomial.legendre.leggauss(NODES)
    found: list[float] = []
    states, masses, before, last = np.zeros(1), np.ones(1), 0.0, 0.0  # law of z·√share where no look has crossed
    for share in shares:
        total, deviation, step = spent(share, spending, alpha), math.sqrt(share), math.sqrt(share - last)
        law = (total - before, states, masses, deviation, step)
        z = FARTHEST if _excess(FARTHEST, *law) >= 0 else float(optimize.brentq(_excess, 0.0, FARTHEST, law))
        found.append(z)
        points = roots * z * deviation
        density = stats.norm.pdf((points[:, None] - states) / step) @ masses / step
        states, masses, before, last = points, density * weights * z * deviation, total, share
    return tuple(found)


def _excess(
    z: float,
    allowed: float,
    states: Float[np.ndarray, "nodes"],
    masses: Float[np.ndarray, "nodes"],
    deviation: float,
    step: float,
) -> float:
    """What crossing ±z spends beyond what is allowed, from states of given masses, one step of information later."""
    up, down = (stats.norm.sf((z * deviation - way * states) / step) for way in (1, -1))
    return float(masses @ (up + down)) - allowed
