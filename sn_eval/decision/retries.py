"""How many attempts a video takes until one is accepted, K at most, when acceptance differs between prompts.

For a prompt of acceptance a: E[N] = (1 − (1−a)^K)/a = Σ_{j<K} (1−a)^j, and (1−a)^K is the chance that none is accepted.
Their means are taken over what is known of a, never at its mean: with a mean of 0.60 that is 1/0.60 = 1.67 attempts,
and 2.15 where prompts differ as much as a beta distribution of ρ = 0.2 says. For a beta distribution
E[(1−a)^j] = Π_{i<j} (β+i)/(α+β+i). A shift of acceptance has no closed form; Gauss–Jacobi quadrature (Golub & Welsch,
Mathematics of Computation 1969) is exact where nothing is shifted and K < 2 · NODES.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq
from scipy.special import expit, logit

from sn_eval.decision.population import Population

NODES = 48
FARTHEST = 60.0  # a shift in log-odds beyond which every prompt is sure


@dataclass(frozen=True)
class Retries:
    """Means over prompts, a figure a draw. attempts: of one video. failed: share of videos with no accepted attempt.

    accepted: share of attempts that are accepted.
    """

    attempts: Float[np.ndarray, "draws"]
    failed: Float[np.ndarray, "draws"]
    accepted: Float[np.ndarray, "draws"]


def retries(population: Population, cap: int) -> Retries:
    """Attempts and failures of a population with at most `cap` attempts a video.

    >>> alike = Population(*(np.array([[value]]) for value in (1.0, 6e9, 4e9)))
    >>> result = retries(alike, 2)
    >>> result.attempts.round(6).tolist(), result.failed.round(6).tolist()
    ([1.4], [0.16])
    """
    total = population.alpha + population.beta
    still = population.weights.copy()  # weight × chance that no attempt was accepted so far
    attempts = np.zeros(len(still))
    accepted = (population.weights * population.alpha / total).sum(1)
    for tries in range(cap):
        attempts += still.sum(1)
        still *= (population.beta + tries) / (total + tries)
    return Retries(attempts, still.sum(1), accepted)


@dataclass(frozen=True)
class Spread:
    """One population as points: acceptances and how frequent each is. shares lie strictly between 0 and 1."""

    shares: Float[np.ndarray, "points"]
    weights: Float[np.ndarray, "points"]

    @property
    def mean(self) -> float:
        """Mean acceptance."""
        return float(self.weights @ self.shares)

    def shifted(self, by: float) -> "Spread":
        """The same prompts, each easier by so much in log-odds."""
        return Spread(expit(logit(self.shares) + by), self.weights)

    def with_mean(self, mean: float) -> "Spread":
        """Shifted so that the mean acceptance is `mean`, which lies strictly between 0 and 1."""
        return self.shifted(float(brentq(lambda by: self.shifted(by).mean - mean, -FARTHEST, FARTHEST, xtol=1e-12)))

    def retries(self, cap: int) -> Retries:
        """Attempts and failures with at most `cap` attempts a video."""
        none = (1 - self.shares) ** cap
        with np.errstate(divide="ignore"):  # an acceptance of 1 has log1p −∞, which is right
            attempts = -np.expm1(cap * np.log1p(-self.shares)) / self.shares
        return Retries(*(np.array([self.weights @ each]) for each in (attempts, none, self.shares)))


def spread(population: Population) -> Spread:
    """The points of a population of one draw; prompts of equal counts share theirs."""
    kinds, kind = np.unique(np.stack([population.alpha[0], population.beta[0]]), axis=1, return_inverse=True)
    weights = np.bincount(kind, population.weights[0])
    nodes, chances = zip(*(beta_nodes(float(alpha), float(beta)) for alpha, beta in kinds.T), strict=True)
    return Spread(np.concatenate(nodes), (weights[:, None] * np.stack(chances)).ravel())


def beta_nodes(
    alpha: float, beta: float, count: int = NODES
) -> tuple[Float[np.ndarray, "nodes"], Float[np.ndarray, "nodes"]]:
    """Points and weights that integrate polynomials below degree 2 · count exactly over a beta distribution.

    >>> nodes, weights = beta_nodes(2.0, 3.0, 4)
    >>> round(float(weights @ nodes), 6), round(float(weights @ nodes**2), 6)
    (0.4, 0.2)
    """
    a, b = beta - 1, alpha - 1  # Jacobi polynomials on [−1, 1] have (1−x)^a (1+x)^b as their weight
    n = np.arange(1, count)
    middle = np.concatenate([[(b - a) / (a + b + 2)], (b**2 - a**2) / ((2 * n + a + b) * (2 * n + a + b + 2))])
    n = n[1:]
    first = 4 * (1 + a) * (1 + b) / ((2 + a + b) ** 2 * (3 + a + b))
    later = 4 * n * (n + a) * (n + b) * (n + a + b) / ((2 * n + a + b) ** 2 * ((2 * n + a + b) ** 2 - 1))
    x, vectors = eigh_tridiagonal(middle, np.sqrt(np.concatenate([[first], later])))
    tiny = np.finfo(float).eps
    return ((1 + x) / 2).clip(tiny, 1 - tiny), vectors[0] ** 2
