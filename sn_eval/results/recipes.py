"""How a composite reward made one score of its parts: as it was declared, or found again from the scores themselves.

A composite's score is the weighted mean of its parts that were scored (rewards.composite); a trace keeps score and
parts of every candidate. Where the weights were not written down (a ready-made reward keeps its own), the scores of a
whole run still determine them, and where they reproduce every score, nothing was guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy import optimize, special

Z_LIMIT = 3.0  # of a composite's normalised parts
EXACT = 2e-5  # a found recipe reproduces every score to within the rounding of 32-bit numbers
GUESSES = 4  # parts with gaps whose meaning (skipped, or the worst) is tried out in every combination
ROWS = 5000  # that weights are looked for in; all are held against what was found

Parts = Float[np.ndarray, "n parts"]
Scores = Float[np.ndarray, "n"]


@dataclass(frozen=True)
class Scale:
    """How one part enters the mean. missing: what "not scored" means; the worst is 0, as of every built-in reward.

    mean, std: the part enters as clip((value − mean) / std, ±3). reference: as the normal score of its rank among these
    values, or as the rank itself where `ranked`.
    """

    missing: Literal["skip", "worst"] = "skip"
    mean: float | None = None
    std: float | None = None
    reference: tuple[float, ...] = ()
    ranked: bool = False

    def __call__(self, values: Scores) -> Scores:
        """Values as they enter the mean; NaN is left out of it."""
        filled = np.nan_to_num(values, nan=0.0) if self.missing == "worst" else values
        if self.reference:
            rank = rank_among(filled, self.reference)
            return rank if self.ranked else np.clip(special.ndtri(rank), -Z_LIMIT, Z_LIMIT)
        if self.mean is None or self.std is None:
            return filled
        return np.clip((filled - self.mean) / self.std, -Z_LIMIT, Z_LIMIT)

    @property
    def plain(self) -> bool:
        """Whether the part enters as it is."""
        return not self.reference and self.mean is None


@dataclass(frozen=True)
class Recipe:
    """Parts by name with the weights (they sum to 1) and scales that made the score.

    how: "declared" in the record, "found" again from the scores, or "unknown": then the weights are equal ones, and the
    stored scores are what the search went by. never: parts that no candidate has a value of; they have no weight here.
    """

    parts: tuple[str, ...]
    weights: tuple[float, ...]
    scales: tuple[Scale, ...]
    how: Literal["declared", "found", "unknown"]
    never: tuple[str, ...] = field(default=())

    def mean(self, values: Parts, weights: Sequence[float]) -> Scores:
        """The weighted mean of the parts that were scored; NaN where none that has a weight was."""
        return weighted_mean(_scaled(self.scales, values), np.asarray(weights, float))


def _scaled(scales: Sequence[Scale], values: Parts) -> Parts:
    """Parts as they enter the mean."""
    scaled = [scale(column) for scale, column in zip(scales, values.T, strict=True)]
    return np.stack(scaled, axis=1) if scaled else values


def weighted_mean(values: Parts, weights: Float[np.ndarray, "parts"]) -> Scores:
    """Σ w·value / Σ w over what is not NaN.

    >>> weighted_mean(np.array([[1.0, 0.0], [1.0, np.nan]]), np.array([1.0, 3.0])).tolist()
    [0.25, 1.0]
    """
    there = ~np.isnan(values)
    total = there @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, (np.where(there, values, 0.0) @ weights) / total, np.nan)


def rank_among(values: Scores, reference: Sequence[float]) -> Scores:
    """The share of reference values below each, ties counted half, linear in between; NaN stays NaN.

    >>> rank_among(np.array([-1.0, 0.0, 0.5, 2.0, 9.0]), [0.0, 1.0, 2.0, 2.0]).tolist()
    [0.125, 0.125, 0.25, 0.75, 0.75]
    """
    levels, counts = np.unique(np.asarray(reference, float), return_counts=True)
    ranks = (counts.cumsum() - counts / 2) / len(reference)
    return np.where(np.isnan(values), np.nan, np.interp(values, levels, ranks))


def recipe_of(reward: Mapping[str, Any] | None, names: Sequence[str], values: Parts, scores: Scores) -> Recipe:
    """The recipe behind scores. reward: {"use": …, "params": …} of the record; names: of the parts, in its order."""
    scored = ~np.isnan(values).all(axis=0) if len(values) else np.zeros(len(names), bool)
    declared = _declared(reward, names)
    if declared is not None:
        return _without(declared, scored)
    kept = [name for name, there in zip(names, scored, strict=True) if there]
    never = tuple(name for name, there in zip(names, scored, strict=True) if not there)
    return replace(_found(tuple(kept), values[:, scored], scores), never=never)


def _without(recipe: Recipe, scored: np.ndarray) -> Recipe:
    """The recipe of the parts that were ever scored."""
    places = [place for place, there in enumerate(scored) if there]
    total = sum(recipe.weights[place] for place in places) or 1.0
    return Recipe(
        tuple(recipe.parts[place] for place in places), tuple(recipe.weights[place] / total for place in places),
        tuple(recipe.scales[place] for place in places), "declared",
        tuple(name for name, there in zip(recipe.parts, scored, strict=True) if not there),
    )  # fmt: skip


def _declared(reward: Mapping[str, Any] | None, names: Sequence[str]) -> Recipe | None:
    """Of a composite whose parts stand in the record; None for any other reward."""
    params = (reward or {}).get("params") or {}
    rows = params.get("parts")
    if (reward or {}).get("use") != "composite" or not isinstance(rows, list | tuple) or len(rows) != len(names):
        return None
    try:
        weights = [float(row.get("weight", 1.0)) for row in rows]
        scales = tuple(_scale(row, params.get("combine") == "mean_rank") for row in rows)
    except (AttributeError, TypeError, ValueError):
        return None  # a record that somebody wrote by hand
    return Recipe(tuple(names), tuple(weight / sum(weights) for weight in weights), scales, "declared")


def _scale(row: Mapping[str, Any], ranked: bool) -> Scale:
    mean, std = row.get("mean"), row.get("std")
    return Scale(
        "worst" if row.get("missing") == "worst" else "skip", None if mean is None else float(mean),
        None if std is None else float(std), tuple(map(float, row.get("reference_values") or ())), ranked,
    )  # fmt: skip


def _found(names: tuple[str, ...], values: Parts, scores: Scores) -> Recipe:
    """Weights that reproduce every score, whatever gaps mean; else "unknown", with equal weights."""
    there = ~np.isnan(scores)
    values, scores = values[there], scores[there]
    gaps = [place for place in range(len(names)) if np.isnan(values[:, place]).any()][:GUESSES]
    step = max(1, len(scores) // ROWS)
    for guess in product(("skip", "worst"), repeat=len(gaps)):
        missing = dict(zip(gaps, guess, strict=True))
        scales = tuple(Scale(missing.get(place, "skip")) for place in range(len(names)))  # type: ignore[arg-type]
        filled = _scaled(scales, values)
        weights = _fit(filled[::step], scores[::step]) if len(scores) and names else None
        if weights is not None and _error(filled, scores, weights) <= EXACT:
            return Recipe(names, tuple(_round(filled, scores, weights).tolist()), scales, "found")
    equal = 1 / len(names) if names else 0.0
    return Recipe(names, (equal,) * len(names), (Scale(),) * len(names), "unknown")


def _fit(values: Parts, scores: Scores) -> Float[np.ndarray, "parts"]:
    """Weights of at least 0 that sum to 1, by least squares on Σ w·(value − score) = 0 over what was scored."""
    gaps = np.nan_to_num(values - scores[:, None], nan=0.0)
    heavy = 1e3 * (1 + np.abs(gaps).sum())
    table = np.vstack([gaps, np.full(values.shape[1], heavy)])
    weights: Float[np.ndarray, "parts"] = optimize.nnls(table, np.append(np.zeros(len(scores)), heavy))[0]
    return weights / (weights.sum() or 1.0)


def _error(values: Parts, scores: Scores, weights: Float[np.ndarray, "parts"]) -> float:
    """The largest distance from a stored score; infinite where one is not reproduced at all."""
    distance = np.abs(weighted_mean(values, weights) - scores)
    return float("inf") if np.isnan(distance).any() else float(distance.max(initial=0.0))


def _round(values: Parts, scores: Scores, weights: Float[np.ndarray, "parts"]) -> Float[np.ndarray, "parts"]:
    """The weights to three digits where these reproduce the scores as well."""
    short = weights.round(3)
    return short if _error(values, scores, short) <= EXACT else weights
