"""Where does a curve over time fall? Against the median of what came just before, clear of the curve's own noise.

What is usual is the median of those falls, so a slope is no drop; the noise is their median absolute deviation times
1.4826 (a normal standard deviation is so much larger: Rousseeuw and Croux, JASA 1993), so drops do not hide each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

CLEAR = 5.0  # noises that a drop is deep at least: few curves of mere noise, or that wander, have one (1 of 100)
FEWEST = 12  # scored frames below which the noise is not known well (of 12 frames of noise, 2 to 4 of 100 have one)
LEAST = 3  # frames that a median of "just before" needs

Curve = Float[np.ndarray, "n"]


@dataclass(frozen=True)
class Drop:
    """A fall of a curve, in its own unit.

    before: the last frame that was as usual. at: the frame where the fall ends. level: the median of the frames up to
    `before`. value: the curve at `at`. clear: how many times as deep as a drop must be.
    """

    before: int
    at: int
    level: float
    value: float
    clear: float

    @property
    def change(self) -> float:
        """value − level: negative where the curve fell, positive where one that should be low rose."""
        return self.value - self.level


def drops(
    curve: Sequence[float | None],
    *,
    higher_is_better: bool = True,
    window: int = 8,
    most: int = 3,
    least: float = 0.0,
) -> list[Drop]:
    """The deepest falls of a curve (rises, where lower is better), the deepest first; none for under 12 scored frames.

    curve: one number a frame; None and NaN are frames without one, and the frames around them count as neighbours.
    window: frames of "just before"; two drops stand further apart than that. least: depths below it are none.

    >>> [(drop.before, drop.at, drop.level, drop.value) for drop in drops([1.0] * 9 + [0.4] + [1.0] * 9)]
    [(8, 9, 1.0, 0.4)]
    """
    known = [i for i, value in enumerate(curve) if value is not None and math.isfinite(value)]
    if len(known) < FEWEST:
        return []
    sign = 1.0 if higher_is_better else -1.0
    values = sign * np.array([float(curve[i] or 0.0) for i in known])
    levels = _levels(values, window)
    falls = levels - values
    usual = float(np.nanmedian(falls))
    noise = 1.4826 * float(np.nanmedian(np.abs(falls - usual)))
    needed = max(0.0, usual) + max(CLEAR * noise, least, 1e-9 * float(np.abs(values).max()))
    found: list[Drop] = []
    ends: list[int] = []
    for place in np.argsort(-np.nan_to_num(falls, nan=-math.inf), kind="stable"):
        if len(found) == most or not falls[place] > needed:
            break
        start, end = _edges(values, int(place), levels[place])
        if all(abs(other - end) > window for other in ends):
            level = float(np.median(values[max(0, start + 1 - window) : start + 1]))
            clear = float(level - values[end]) / needed
            found.append(Drop(known[start], known[end], sign * level, sign * float(values[end]), clear))
            ends.append(end)
    return found


def _levels(values: Curve, window: int) -> Curve:
    """The median of up to `window` values before each one; NaN where fewer than LEAST stand before it."""
    levels = np.full(len(values), np.nan)
    for i in range(LEAST, min(window, len(values))):
        levels[i] = np.median(values[:i])
    if len(values) > window:
        levels[window:] = np.median(np.lib.stride_tricks.sliding_window_view(values[:-1], window), axis=1)
    return levels


def _edges(values: Curve, place: int, level: float) -> tuple[int, int]:
    """(last frame above a quarter of the fall, first one from there on that has nearly all of it)."""
    fall = level - values[place]
    start = place - 1
    while start > 0 and values[start] < level - fall / 4:
        start -= 1
    end = start + 1
    while end < place and values[end] > level - 0.9 * fall:
        end += 1
    return start, end
