"""Prompts and a business of which the truth is known: what searching gains, and from which gain on it pays.

Prompts differ: acceptance of plain videos is beta-distributed over them. Searching shifts its log-odds, on each prompt
by as much or by amounts that differ. The money is written here once more, from DECISION.md ("ROI"), so that the truth
does not come from the code that is tested.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, stats
from scipy.special import expit, logit

MEAN = 0.6  # acceptance of plain videos
SETTINGS = 6  # that compete on dev prompts
CAP = 4  # attempts a video
PLAIN, SEARCH = 60.0, 240.0  # yen of computing an attempt: searching takes as much as four plain videos
REVIEW, REJECTION, FALLBACK = 300.0, 200.0, 4_000.0  # yen
POINTS, NODES = 4_000, 21  # of the integration over prompts, and over gains


@dataclass(frozen=True)
class World:
    """An experiment: its prompts, and how they differ.

    correlation: of two attempts at a prompt, 1 / (1 + α + β) of the beta distribution. differs: standard deviation over
    prompts of the shift in log-odds.
    """

    name: str
    confirm: int = 80
    dev: int = 24
    repeats: int = 2
    correlation: float = 0.25
    differs: float = 0.0

    @property
    def beta(self) -> tuple[float, float]:
        """α and β of the acceptance over prompts."""
        worth = 1 / self.correlation - 1
        return MEAN * worth, (1 - MEAN) * worth

    @cached_property
    def _points(self) -> tuple[Float[np.ndarray, "points one"], Float[np.ndarray, "nodes"], Float[np.ndarray, "nodes"]]:
        """(log-odds of equally frequent prompts, deviations of the shift, how frequent each is)."""
        easy = logit(stats.beta.ppf((np.arange(POINTS) + 0.5) / POINTS, *self.beta))
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        return easy[:, None], self.differs * nodes, weights / weights.sum()

    def uplift(self, shift: float) -> float:
        """True gain in acceptance."""
        easy, deviations, weights = self._points
        return float((expit(easy + shift + deviations) @ weights - expit(easy[:, 0])).mean())

    def saving(self, shift: float) -> float:
        """True money saved a video."""
        easy, deviations, weights = self._points
        return float(
            (_cost(expit(easy), PLAIN)[:, 0] - _cost(expit(easy + shift + deviations), SEARCH) @ weights).mean()
        )

    @cached_property
    def break_even(self) -> float:
        """The shift at which searching saves nothing."""
        return float(optimize.brentq(self.saving, -5.0, 10.0))

    def shift_of(self, uplift: float) -> float:
        """The shift that gains so much."""
        return float(optimize.brentq(lambda shift: self.uplift(shift) - uplift, -5.0, 20.0))

    def draw(
        self, prompts: int, shift: float, arms: int, rng: np.random.Generator
    ) -> Int[np.ndarray, "arms prompts repeats"]:
        """Accepted (1) or not, of plain videos and then of so many arms that search, at the same prompts."""
        easy = logit(rng.beta(*self.beta, prompts).clip(1e-12, 1 - 1e-12))
        gains = np.concatenate([np.zeros((1, prompts)), shift + self.differs * rng.normal(size=(arms, prompts))])
        chances = expit(easy + gains)[..., None]
        return (rng.random((arms + 1, prompts, self.repeats)) < chances).astype(int)


def _cost(acceptance: Float[np.ndarray, "*shape"], compute: float) -> Float[np.ndarray, "*shape"]:
    """Money a delivered video: attempts until one is accepted, and the manual production of those that never are."""
    failed = (1 - acceptance) ** CAP
    attempts = (1 - failed) / acceptance
    return attempts * (compute + REVIEW) + (attempts - 1 + failed) * REJECTION + failed * FALLBACK
