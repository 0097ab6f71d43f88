"""Where searching pays when two inputs change at once: a grid of the monthly saving, its break-even line, and today.

The same formulas as in `roi`, with every other input at its most likely value; nothing is drawn.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from sn_eval.decision.acceptance import smooth
from sn_eval.decision.analysis import Material, look_at
from sn_eval.decision.arms import Arm, arms_of
from sn_eval.decision.economics import unit_cost
from sn_eval.decision.findings import Findings
from sn_eval.decision.population import expected_population
from sn_eval.decision.retries import Retries, Spread, spread
from sn_eval.results.files import ResultsError

PRICE, UPLIFT = "hour_price", "acceptance_uplift"
INPUTS = ("review", "rejection", "fallback", "videos_per_month", "minutes_per_video", "compute_per_attempt")
KEYS = (PRICE, UPLIFT, *INPUTS)
LINE_POINTS = 41
ROOM = 0.25  # of a range, beyond what it must show
FARTHEST = 6.0  # times today's value: a break-even beyond it is not looked for

Grid = Float[np.ndarray, "rows columns"]


@dataclass(frozen=True)
class Today:
    """What a map is drawn from: likely inputs by key, money to compute an attempt, acceptance of (baseline, method).

    values: of INPUTS that are known. price: of an hour, None where computing was not metered.
    """

    values: Mapping[str, float]
    price: float | None
    compute: tuple[float, float]
    spreads: tuple[Spread, Spread]
    cap: int

    @cached_property
    def baseline(self) -> Retries:
        """Attempts of the baseline, which no input of a map changes."""
        return self.spreads[0].retries(self.cap)

    @property
    def keys(self) -> tuple[str, ...]:
        """Inputs that a map can show."""
        known = [key for key in INPUTS if self.values.get(key) is not None]
        return (*((PRICE,) if self.price else ()), UPLIFT, *known)

    def now(self, key: str) -> float:
        """An input as it stands."""
        if key == PRICE:
            return self.price or 0.0
        return self.spreads[1].mean - self.spreads[0].mean if key == UPLIFT else self.values[key]

    def saving(self, changed: Mapping[str, float]) -> float:
        """Money saved in a month of full volume, with some inputs changed.

        Computing grows with the price of an hour and the minutes of a video, where it was metered.
        """
        values = {**self.values, **changed}
        before, after = self._costs(values, self._compute(values), self._method(changed))
        return float(values["videos_per_month"] * (before - after))

    def _compute(self, values: Mapping[str, float]) -> float:
        """What computing costs, as a multiple of now."""
        if self.price is None:
            now = self.values.get("compute_per_attempt")
            return values["compute_per_attempt"] / now if now else 1.0
        longer = values["minutes_per_video"] / self.values["minutes_per_video"]
        return longer * (values[PRICE] / self.price if PRICE in values and self.price else 1.0)

    def _method(self, changed: Mapping[str, float]) -> Retries:
        if UPLIFT not in changed:
            return self.spreads[1].retries(self.cap)
        mean = self.spreads[0].mean + changed[UPLIFT]
        return self.spreads[1].with_mean(min(max(mean, 1e-6), 1 - 1e-6)).retries(self.cap)

    def _costs(self, values: Mapping[str, float], scale: float, method: Retries) -> tuple[float, float]:
        first, second = (
            float(unit_cost(arm, money * scale, values["review"], values["rejection"], values["fallback"])[0])
            for arm, money in zip((self.baseline, method), self.compute, strict=True)
        )
        return first, second


@dataclass(frozen=True)
class Side:
    """One axis. key: of KEYS. centers: of the cells; edges: around them, one more. now: where the business stands."""

    key: str
    centers: tuple[float, ...]
    edges: tuple[float, ...]
    now: float


@dataclass(frozen=True)
class HeatMap:
    """saving: money a month by (row of y, column of x). line: (x, y) where nothing is saved, from left to right.

    now: the saving as the business stands. pays: whether "all" of the map saves, "none" of it, or a part.
    """

    x: Side
    y: Side
    saving: Grid
    line: tuple[tuple[float, float], ...]
    now: float

    @property
    def pays(self) -> Literal["all", "none", "part"]:
        """How much of the map saves money."""
        gains = self.saving > 0
        return "all" if gains.all() else "part" if gains.any() else "none"


def today(material: Material, findings: Findings) -> Today:
    """The business case of findings of this material. ResultsError where they have no ROI."""
    found, choice = findings.roi, findings.choice
    if found is None or choice is None:
        raise ResultsError(f"no map without an ROI: {findings.roi_words or 'give prices and business inputs'}")
    seen = set(look_at(material)[0])
    arms = arms_of([each for each in material.attempts if each.prompt in seen], findings.baseline, "confirm")
    values = {each.key: each.value for each in found.inputs if each.value is not None}
    return Today(
        {key: values[key] for key in INPUTS if key in values}, values.get(PRICE), found.compute_an_attempt,
        _spreads(arms[findings.baseline], arms[choice.arm]), int(values["attempts_cap"]),
    )  # fmt: skip


def _spreads(baseline: Arm, method: Arm) -> tuple[Spread, Spread]:
    """Acceptance of both arms on the prompts that both have."""
    (names, *_), (others, *_) = baseline.counts(), method.counts()
    common = [name for name in names if name in set(others)]

    def one(arm: Arm) -> Spread:
        prompts, accepted, tried = arm.counts()
        places = [prompts.index(name) for name in common]
        return spread(expected_population(smooth(accepted[places], tried[places])))

    return one(baseline), one(method)


def heat_map(business: Today, x: str, y: str, *, columns: int = 8, rows: int = 7) -> HeatMap:
    """The map of two different inputs of `business.keys`. ResultsError for others."""
    for key in (x, y):
        if key not in business.keys or x == y:
            raise ResultsError(f"no map of {x!r} and {y!r}: choose two of {', '.join(business.keys)}")
    across, up = side(business, x, columns), side(business, y, rows)
    saving = np.array([[business.saving({x: a, y: b}) for a in across.centers] for b in up.centers])
    line = tuple(_zeros(business, across, up))
    return HeatMap(across, up, saving, line, business.saving({}))


def side(business: Today, key: str, count: int) -> Side:
    """The range of an input: from zero, or its natural end, to well beyond today and, if near, the break-even."""
    now = business.now(key)
    low, high = _range(business, key, now)
    edges = np.linspace(low, high, count + 1)
    return Side(key, tuple((edges[:-1] + edges[1:]) / 2), tuple(edges), now)


def _range(business: Today, key: str, now: float) -> tuple[float, float]:
    if key == UPLIFT:
        mean = business.spreads[0].mean
        far = max(0.1, abs(now))
        low, high = max(-far / 2, -mean), min(max(now, 0.0) + far / 2, 1 - mean)
        needed = _zero(lambda value: business.saving({key: value}), -mean, 1 - mean)
        near = [low, high] if needed is None else [low, high, needed - 0.02, needed + 0.02]
        return max(min(near), -mean), min(max(near), 1 - mean)
    start = 0.25 * now if key in ("minutes_per_video", "compute_per_attempt") else 0.0
    needed = _zero(lambda value: business.saving({key: value}), start, FARTHEST * now)
    return start, max(2.0 * now, (1 + ROOM) * (needed or 0.0)) or 1.0


def _zeros(business: Today, x: Side, y: Side) -> Iterable[tuple[float, float]]:
    """Where the saving is nothing, seen along y; along x, too, where the line is steep."""
    found = []
    for a in np.linspace(x.edges[0], x.edges[-1], LINE_POINTS):
        b = _zero(partial(_saving_at, business, (x.key, y.key), float(a)), y.edges[0], y.edges[-1])
        found += [] if b is None else [(float(a), b)]
    for b in np.linspace(y.edges[0], y.edges[-1], LINE_POINTS):
        a = _zero(partial(_saving_at, business, (y.key, x.key), float(b)), x.edges[0], x.edges[-1])
        found += [] if a is None else [(a, float(b))]
    return sorted(found)


def _saving_at(business: Today, keys: tuple[str, str], fixed: float, other: float) -> float:
    return business.saving(dict(zip(keys, (fixed, other), strict=True)))


def _zero(function: Callable[[float], float], low: float, high: float) -> float | None:
    """Where a monotone function changes its sign; None where it does not."""
    if not low < high or function(low) * function(high) >= 0:
        return None
    return float(brentq(function, low, high, xtol=1e-9 * (high - low) + 1e-15))
