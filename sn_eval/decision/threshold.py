"""Where to draw the line: the cut of a measurement that best tells videos that people pass from those that they fail.

Best is the highest balanced accuracy, the mean of the shares of passed and of failed videos that fall on their side
(Youden, "Index for rating diagnostic tests", Cancer 1950). How good it is on videos that did not choose it: each video
(or all videos of a prompt) is left out once and told by a cut that the others chose.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from sn_eval.decision.ranks import LEAST, membership


@dataclass(frozen=True)
class Threshold:
    """A suggestion: pass where the measure is at least (at most) `cut`; None where there is none, and `words` say why.

    accuracy: balanced accuracy on the videos that chose it, which flatters. held_out: on videos left out.
    """

    cut: float | None
    side: Literal["at least", "at most"]
    accuracy: float | None
    held_out: float | None
    passed: int
    failed: int
    words: str


def threshold(
    values: Float[np.ndarray, "n"], passed: Bool[np.ndarray, "n"], clusters: Sequence[str], *, higher_is_better: bool
) -> Threshold:
    """The cut that these videos suggest; `clusters` names what each video belongs to."""
    sign = 1.0 if higher_is_better else -1.0
    good, bad = int(passed.sum()), int((~passed).sum())
    side: Literal["at least", "at most"] = "at least" if higher_is_better else "at most"
    count = len(set(clusters))
    if count < LEAST or min(good, bad) < 2:
        return Threshold(None, side, None, None, good, bad,
            f"no threshold: {good} passed and {bad} failed videos; {LEAST} independent ones and 2 of each are needed"
        )  # fmt: skip
    cut, accuracy = best_cut(sign * values, passed)
    if cut is None:
        words = "no threshold: no cut tells passed from failed videos better than chance"
        return Threshold(None, side, None, None, good, bad, words)
    held_out = _held_out(sign * values, passed, clusters)
    return Threshold(sign * cut, side, accuracy, held_out, good, bad, _words(sign * cut, side, held_out))


def best_cut(values: Float[np.ndarray, "n"], passed: Bool[np.ndarray, "n"]) -> tuple[float | None, float]:
    """(cut, balanced accuracy) of "passes where the value is at least the cut"; None where no cut beats chance.

    Cuts lie halfway between neighbouring values; of equally good ones the one in the widest gap is taken.

    >>> best_cut(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    (0.5, 1.0)
    """
    steps = np.unique(values)
    if len(steps) < 2 or not passed.any() or passed.all():
        return None, math.nan
    good, bad = np.sort(values[passed]), np.sort(values[~passed])
    right = 1 - np.searchsorted(good, steps[1:]) / len(good) + np.searchsorted(bad, steps[1:]) / len(bad)
    accuracy = right / 2
    gap = np.where(accuracy >= accuracy.max() - 1e-12, np.diff(steps), -1.0)
    place = int(gap.argmax())
    if accuracy[place] <= 0.5 + 1e-12:
        return None, math.nan
    middle = steps[place] + gap[place] / 2
    return float(middle if middle > steps[place] else steps[place + 1]), float(accuracy[place])


def _held_out(values: Float[np.ndarray, "n"], passed: Bool[np.ndarray, "n"], clusters: Sequence[str]) -> float | None:
    """Balanced accuracy on left out clusters; None where without one of them there is nothing to choose a cut by.

    Where the others find no cut that beats chance, the left out videos are half right.
    """
    right = np.empty(len(values))
    for member in membership(clusters) > 0:
        rest = ~member
        if passed[rest].all() or not passed[rest].any():
            return None
        cut, _ = best_cut(values[rest], passed[rest])
        right[member] = 0.5 if cut is None else (values[member] >= cut) == passed[member]
    return float((right[passed].mean() + right[~passed].mean()) / 2)


def _words(cut: float, side: str, held_out: float | None) -> str:
    rule = f"pass where {side} {cut:.4g}"
    if held_out is None:
        return f"{rule}; untested, since all passed or all failed videos are of one prompt"
    told = f"balanced accuracy on videos left out: {held_out:.0%}"
    return f"{rule}; {told}" if held_out > 0.5 else f"do not use: {rule} has {told}, which is no better than chance"
