"""Which prompts production will bring, as far as those of the experiment tell: the Bayesian bootstrap over prompts.

A draw gives the prompts random weights instead of drawing some twice (Rubin, Annals of Statistics 1981). Both arms
share them: what makes a prompt hard for one makes it hard for the other. Four quarter prompts are weighed with them,
in which each arm is always or never accepted. So ten accepted prompts of ten leave a doubt, and for one attempt a
prompt an arm's mean is exactly Jeffreys' posterior, a beta distribution.

How far prompts differ (ρ of `acceptance`) is drawn, too, each arm's own since each is estimated from its own attempts,
and the smoothing is repeated in every draw.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sn_eval.decision.acceptance import CORRELATIONS, Smoothed, strength

AT_ONCE = 500  # draws; more of them fall out of the processor's cache


@dataclass(frozen=True)
class Population:
    """Kinds of prompts: how frequent each is (each draw sums to 1), and the beta distribution of its acceptance."""

    weights: Float[np.ndarray, "draws kinds"]
    alpha: Float[np.ndarray, "draws kinds"]
    beta: Float[np.ndarray, "draws kinds"]


def expected_population(arm: Smoothed) -> Population:
    """The one in the middle: prompts weigh alike, μ and ρ are as estimated."""
    usual = float(arm.tried.mean())
    accepted, tried = np.append(arm.accepted, [usual, 0.0]), np.append(arm.tried, [usual, usual])
    weights = np.append(np.ones(len(arm.tried)), [0.5, 0.5])[None] / (len(arm.tried) + 1)
    return _population(accepted, tried, weights, np.array([arm.correlation]))


def drawn_populations(
    baseline: Smoothed, method: Smoothed, draws: int, seed: int
) -> Iterator[tuple[Population, Population]]:
    """Populations of two arms with the same prompts, some hundred draws at a time; deterministic for a seed."""
    rng = np.random.default_rng(seed)
    kinds, counts = _kinds(baseline, method)
    for start in range(0, draws, AT_ONCE):
        size = min(AT_ONCE, draws - start)
        weights = rng.gamma(counts, size=(size, len(counts)))
        weights /= weights.sum(1, keepdims=True)
        first, second = (CORRELATIONS[_places(arm.likely, rng.random(size))] for arm in (baseline, method))
        yield (
            _population(kinds[:, 0], kinds[:, 1], weights, first),
            _population(kinds[:, 2], kinds[:, 3], weights, second),
        )


def _kinds(baseline: Smoothed, method: Smoothed) -> tuple[Float[np.ndarray, "kinds 4"], Float[np.ndarray, "kinds"]]:
    """(accepted and tried of both arms, how many prompts are so): equal prompts weigh as one with their sum.

    The last four are the quarter prompts; they have as many attempts as a prompt has on average.
    """
    rows = np.stack([baseline.accepted, baseline.tried, method.accepted, method.tried], axis=1)
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    first, second = rows[:, 1].mean(), rows[:, 3].mean()
    quarters = [[a * first, first, b * second, second] for a in (0, 1) for b in (0, 1)]
    return np.concatenate([kinds, quarters]), np.append(counts.astype(float), [0.25] * 4)


def _places(chances: Float[np.ndarray, "values"], uniform: Float[np.ndarray, "draws"]) -> Int[np.ndarray, "draws"]:
    """Places drawn with these chances."""
    return np.searchsorted(np.cumsum(chances), uniform).clip(max=len(chances) - 1)


def _population(
    accepted: Float[np.ndarray, "kinds"],
    tried: Float[np.ndarray, "kinds"],
    weights: Float[np.ndarray, "draws kinds"],
    correlation: Float[np.ndarray, "draws"],
) -> Population:
    mean, worth = weights @ (accepted / tried), strength(correlation)
    return Population(weights, (mean * worth)[:, None] + accepted, ((1 - mean) * worth)[:, None] + tried - accepted)
