"""How often a prompt's attempts are accepted, when each was tried a few times only: beta-binomial smoothing.

A prompt's chance of acceptance comes from a beta distribution over prompts, of mean μ and intraclass correlation ρ
(ρ = 0: all prompts are alike; ρ = 1: a prompt succeeds always or never); its attempts are tosses with that chance
(Williams, Biometrics 1975). Given μ and ρ a prompt's chance is again beta, drawn toward μ as far as few attempts ask.

μ is the mean over prompts with half a prompt that always succeeds and half one that never does beside them (Jeffreys'
prior). ρ is averaged over its likelihood, each value being equally likely beforehand: its maximum lies at an end, or
nowhere, just where attempts are few. Where every prompt was tried once they say nothing about ρ, and `words` say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.special import betaln

from sn_eval.results.experiment import Criterion
from sn_eval.results.files import ResultsError

CORRELATIONS = (np.arange(200) + 0.5) / 200
"""Values of ρ that are weighed against each other."""


@dataclass(frozen=True)
class Smoothed:
    """Acceptance by prompt. mean: μ, over prompts. correlation: ρ, its mean over `likely`, the weights of CORRELATIONS.

    accepted, tried: attempts by prompt, as given. words: what the attempts could not tell, or nothing.
    """

    accepted: Float[np.ndarray, "prompts"] = field(repr=False)
    tried: Float[np.ndarray, "prompts"] = field(repr=False)
    mean: float
    correlation: float
    likely: Float[np.ndarray, "correlations"] = field(repr=False)
    words: str = ""

    @property
    def alpha(self) -> Float[np.ndarray, "prompts"]:
        """First parameter of each prompt's beta distribution."""
        return self.mean * strength(self.correlation) + self.accepted

    @property
    def beta(self) -> Float[np.ndarray, "prompts"]:
        """Second parameter of each prompt's beta distribution."""
        return (1 - self.mean) * strength(self.correlation) + self.tried - self.accepted

    @property
    def shares(self) -> Float[np.ndarray, "prompts"]:
        """Expected acceptance by prompt, strictly between 0 and 1."""
        return self.alpha / (self.alpha + self.beta)


def smooth(accepted: Float[np.ndarray, "prompts"], tried: Float[np.ndarray, "prompts"]) -> Smoothed:
    """Acceptance by prompt from counts; fractions are fine (expected attempts, weights). Prompts weigh alike.

    Raises ResultsError without prompts, for a prompt that was not tried, and for more accepted than tried.

    >>> result = smooth(np.array([4.0, 4.0, 0.0, 1.0]), np.array([4.0, 4.0, 4.0, 4.0]))
    >>> round(result.mean, 2), result.shares.round(2).tolist()
    (0.55, [0.94, 0.94, 0.07, 0.29])
    """
    _check(accepted, tried)
    mean = (float((accepted / tried).sum()) + 0.5) / (len(tried) + 1)
    log = _log_likelihood(accepted, tried, mean)
    likely = np.exp(log - log.max())
    likely /= likely.sum()
    once = "every prompt was tried once at most: how far prompts differ is assumed, not measured"
    words = once if (tried <= 1).all() else ""
    return Smoothed(accepted, tried, mean, float(likely @ CORRELATIONS), likely, words)


def strength(correlation: float | Float[np.ndarray, "..."]) -> float | Float[np.ndarray, "..."]:
    """How many attempts the other prompts are worth to a prompt: α + β of the beta distribution over prompts.

    >>> strength(0.5), strength(0.2)
    (1.0, 4.0)
    """
    return 1 / correlation - 1


def judge_acceptance(scores: Mapping[str, float | None], criteria: Sequence[Criterion]) -> float | None:
    """1 where a video meets every criterion, 0 where it fails one, None where that cannot be told.

    scores: by evaluator label; None or absent: not measured. A criterion that fails decides, whatever was not measured.

    >>> steady, lit = Criterion(evaluator="steady", at_least=0.8), Criterion(evaluator="lit", at_most=0.1)
    >>> [judge_acceptance({"steady": 0.9, "lit": value}, [steady, lit]) for value in (0.05, 0.2, None)]
    [1.0, 0.0, None]
    >>> judge_acceptance({"steady": 0.5, "lit": None}, [steady, lit])
    0.0
    """
    verdicts = [criterion.holds(scores.get(criterion.evaluator)) for criterion in criteria]
    if False in verdicts:
        return 0.0
    return 1.0 if verdicts and None not in verdicts else None


def _log_likelihood(
    accepted: Float[np.ndarray, "prompts"], tried: Float[np.ndarray, "prompts"], mean: float
) -> Float[np.ndarray, "correlations"]:
    """Log-likelihood of each of CORRELATIONS, without the constant that no ρ changes."""
    first, second = mean * strength(CORRELATIONS), (1 - mean) * strength(CORRELATIONS)
    seen = betaln(accepted[:, None] + first, (tried - accepted)[:, None] + second)
    return (seen - betaln(first, second)).sum(0)


def _check(accepted: Float[np.ndarray, "prompts"], tried: Float[np.ndarray, "prompts"]) -> None:
    if not len(tried):
        raise ResultsError("no prompt has an attempt whose acceptance is known; finish the run or measure its videos")
    if not (tried > 0).all():
        raise ResultsError("a prompt without attempts has no acceptance; leave it out")
    wrong = ~((accepted >= 0) & (accepted <= tried + 1e-9))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ResultsError(
            f"{accepted[first]:g} of {tried[first]:g} attempts accepted: must lie between none and all of them"
        )
