"""Which prompts production will bring, as far as those of the experiment tell: the Bayesian bootstrap over prompts.

A draw gives the prompts random weights instead of drawing some twice (Rubin, Annals of Statistics 1981). Two half
prompts, one always accepted and one never, are weighed with them, each arm's own. So ten accepted prompts of ten leave
a doubt, and for one attempt a prompt the mean is exactly Jeffreys' posterior, a beta distribution. Both arms share the
weights of their prompts: what makes a prompt hard for one makes it hard for the other.

How far prompts differ (ρ of `acceptance`) is drawn, too, each arm's own since each is estimated from its own attempts,
and the smoothing is repeated in every draw.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

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
    weights = np.concatenate([np.ones(len(arm.tried)), [0.5, 0.5]])[None] / (len(arm.tried) + 1)
    return _population(*_with_halves(arm.accepted, arm.tried), weights, np.array([arm.correlation]))


def drawn_populations(
    baseline: Smoothed, method: Smoothed, draws: int, seed: int
) -> Iterator[tuple[Population, Population]]:
    """Populations of two arms with the same prompts, some hundred draws at a time; deterministic for a seed."""
    rng = np.random.default_rng(seed)
    rows = np.stack([baseline.accepted, baseline.tried, method.accepted, method.tried], axis=1)
    kinds, counts = np.unique(rows, axis=0, return_counts=True)  # equal prompts weigh as one with their sum
    for start in range(0, draws, AT_ONCE):
        size = min(AT_ONCE, draws - start)
        shared = rng.gamma(counts, size=(size, len(counts)))
        pair = []
        for arm, accepted, tried in ((baseline, kinds[:, 0], kinds[:, 1]), (method, kinds[:, 2], kinds[:, 3])):
            weights = np.concatenate([shared, rng.gamma(0.5, size=(size, 2))], axis=1)
            weights /= weights.sum(1, keepdims=True)
            place = np.searchsorted(np.cumsum(arm.likely), rng.random(size)).clip(max=len(CORRELATIONS) - 1)
            pair.append(_population(*_with_halves(accepted, tried), weights, CORRELATIONS[place]))
        yield pair[0], pair[1]


def _with_halves(
    accepted: Float[np.ndarray, "kinds"], tried: Float[np.ndarray, "kinds"]
) -> tuple[Float[np.ndarray, "more"], Float[np.ndarray, "more"]]:
    """With two prompts of as many attempts as the others had, all of them accepted and none."""
    usual = float(tried.mean())
    return np.concatenate([accepted, [usual, 0.0]]), np.concatenate([tried, [usual, usual]])


def _population(
    accepted: Float[np.ndarray, "kinds"],
    tried: Float[np.ndarray, "kinds"],
    weights: Float[np.ndarray, "draws kinds"],
    correlation: Float[np.ndarray, "draws"],
) -> Population:
    mean, worth = weights @ (accepted / tried), strength(correlation)
    return Population(weights, (mean * worth)[:, None] + accepted, ((1 - mean) * worth)[:, None] + tried - accepted)
