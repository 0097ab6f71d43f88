"""How often a 95 % interval holds the truth, for differences of acceptance and of evaluators' scores.

The interval is `sn_eval.decision.statistics.interval`, as every comparison uses it, with 2,000 resamples of the
bootstrap in place of 10,000: five times the experiments in the same time, and the same coverage but for what 2,000
resamples leave to chance in a bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.decision.world import World
from sn_eval.decision.statistics import interval

RESAMPLES = 2_000


@dataclass(frozen=True)
class Kind:
    """Differences of one kind: a value a prompt, and the truth of their mean."""

    name: str
    draw: Callable[[int, np.random.Generator], np.ndarray]
    truth: float
    sizes: tuple[int, ...] = (20, 40, 80)


def _acceptance(repeats: int, world: World, shift: float) -> Kind:
    """Share accepted of so many attempts, searching minus plain."""
    several = World(world.name, repeats=repeats, correlation=world.correlation, differs=world.differs)

    def draw(prompts: int, rng: np.random.Generator) -> np.ndarray:
        plain, search = several.draw(prompts, shift, 1, rng).mean(2)
        return search - plain

    name = f"acceptance, {repeats} attempt{'' if repeats == 1 else 's'} a prompt"
    return Kind(name, draw, several.uplift(shift), (12, 20, 40, 80))


@cache
def kinds() -> tuple[Kind, ...]:
    """Acceptance with few and more attempts, and scores that are normal, skewed, and heavy-tailed."""
    world = World("covered", differs=0.5)
    shift = world.shift_of(0.15)
    return (
        *(_acceptance(repeats, world, shift) for repeats in (1, 2, 4)),
        Kind("scores, normal", lambda n, rng: rng.normal(0.3, 1.0, n), 0.3, (12, 20, 40, 80)),
        Kind("scores, skewed (gamma, skewness 1.4)", lambda n, rng: rng.gamma(2.0, 1.0, n), 2.0),
        Kind("scores, very skewed (exponential, skewness 2)", lambda n, rng: rng.exponential(1.0, n), 1.0),
        Kind("scores, heavy tails (t of 3)", lambda n, rng: rng.standard_t(3, n), 0.0),
    )


def covered(kind: Kind, prompts: int, seed: int) -> bool:
    """Whether the interval of one experiment holds the truth."""
    values = kind.draw(prompts, np.random.default_rng([seed, prompts]))
    low, high, _ = interval(values, resamples=RESAMPLES, seed=seed)
    return low is not None and high is not None and low <= kind.truth <= high
