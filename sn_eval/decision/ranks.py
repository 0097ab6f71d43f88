"""Rank statistics with and without each video, and intervals and p that follow from how far leaving one out moves them.

What ranks know of videos is a table of signs: which of two stands higher. So rank statistics are quadratic forms of
that table (Kendall & Gibbons, "Rank Correlation Methods", 5th ed. 1990, chapters 2 and 3) in weights, which say how
often each video counts; one product of matrices yields them for all weights at once. Memory grows with the square of
the number of videos.

Intervals: the delete-one-cluster jackknife on Fisher's z scale with t quantiles (Miller, "The jackknife: a review",
Biometrika 1974; MacKinnon, Nielsen & Webb, J. Applied Econometrics 2023). For correlations of few clusters it covers
better than the bootstrap does: with 10 prompts of 4 videos 94 % against 87 to 91 %, where 95 % are claimed.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

LEAST = 8  # independent videos (or prompts) below which nothing is said of how sure a figure is

Weights = Float[np.ndarray, "b n"]
Signs = Float[np.ndarray, "n n"]


@dataclass(frozen=True)
class Estimate:
    """A figure, its interval and the two-sided p of "it is chance"; None where it cannot be had, and `why` says why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    why: str = ""


def signs(values: Float[np.ndarray, "n"]) -> Signs:
    """1 where the row's value is higher than the column's, −1 where lower, 0 where equal.

    >>> signs(np.array([1.0, 3.0])).tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """
    return np.sign(values[:, None] - values[None, :])


def spearman(weights: Weights, x: Signs, y: Signs) -> Float[np.ndarray, "b"]:
    """Spearman's rho with mid-ranks for ties; NaN where a side does not vary.

    >>> one = np.ones((1, 3))
    >>> spearman(one, signs(np.array([1.0, 2.0, 3.0])), signs(np.array([1.0, 3.0, 2.0]))).round(6).tolist()
    [0.5]
    """
    first, second = weights @ x.T, weights @ y.T  # twice the ranks, counted from their mean
    covariance = (weights * first * second).sum(1)
    return _ratio(covariance, np.sqrt((weights * first**2).sum(1) * (weights * second**2).sum(1)))


def kendall(weights: Weights, x: Signs, y: Signs) -> Float[np.ndarray, "b"]:
    """Kendall's tau-b; NaN where a side does not vary.

    >>> one = np.ones((1, 3))
    >>> kendall(one, signs(np.array([1.0, 2.0, 3.0])), signs(np.array([1.0, 3.0, 2.0]))).round(6).tolist()
    [0.333333]
    """
    untied = np.sqrt(_pairs(weights, np.abs(x)) * _pairs(weights, np.abs(y)))
    return _ratio(_pairs(weights, x * y), untied)


def pairwise(weights: Weights, x: Signs, y: Signs) -> Float[np.ndarray, "b"]:
    """Share of pairs that `x` orders as `y` does, half a pair where `x` ties; pairs that `y` ties do not count.

    0.5 is chance. With a `y` of two values it is the area under the ROC curve (Hanley & McNeil, Radiology 1982).

    >>> pairwise(np.ones((1, 3)), signs(np.array([1.0, 1.0, 2.0])), signs(np.array([0.0, 1.0, 1.0]))).tolist()
    [0.75]
    """
    return 0.5 + _ratio(_pairs(weights, x * y), _pairs(weights, np.abs(y))) / 2


def jackknife(
    statistic: Callable[[Weights], Float[np.ndarray, "b"]],
    clusters: Sequence[str],
    *,
    step: float,
    raters: float = 2,
    confidence: float = 0.95,
) -> Estimate:
    """A figure of at most 1 over all videos, with its interval and p.

    clusters: for each video what it belongs to; videos of equal names are left out together. step: the least distance
    from 1 that such a figure can have; nearer ones count as half of it away, since z has no end. raters: Fisher's z of
    a correlation is that of 2, agreement among k raters has his intraclass form (Statistical Methods for Research
    Workers, 1925, chapter 7).
    """
    member = membership(clusters)
    count = len(member)
    value = float(statistic(np.ones((1, len(clusters))))[0])
    if math.isnan(value):
        return Estimate(why="no figure: one side does not vary")
    if count < LEAST:
        return Estimate(value, why=f"no interval: {count} independent videos or prompts, {LEAST} are needed")
    without = statistic(1.0 - member)
    if np.isnan(without).any():
        return Estimate(value, why="no interval: without one video or prompt there is no figure")
    left, centre = _z(without, raters, step), float(_z(np.array([value]), raters, step)[0])
    error = math.sqrt((count - 1) / count * float(((left - left.mean()) ** 2).sum()))
    if error < 1e-9:
        return Estimate(value, why="no interval: the figure is the same whatever is left out")
    reach = stats.t.ppf((1 + confidence) / 2, count - 1) * error
    low, high = (_back(centre + way * reach, raters) for way in (-1, 1))
    return Estimate(value, low, high, p=float(2 * stats.t.sf(abs(centre) / error, count - 1)))


def membership(clusters: Sequence[str]) -> Float[np.ndarray, "clusters n"]:
    """1 where the video is of the cluster; clusters in order of appearance.

    >>> membership(["a", "b", "a"]).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    places = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    table = np.zeros((len(places), len(clusters)))
    table[[places[name] for name in clusters], np.arange(len(clusters))] = 1
    return table


def chance_of_order(people: Sequence[float], clusters: Sequence[str]) -> float:
    """Two-sided p of a measurement that orders all videos as people do: one arrangement of clusters, or its reverse.

    Clusters of one size change places as wholes (a permutation test); those with the same ratings are alike.

    >>> round(1 / chance_of_order([1, 2, 3, 4], "abcd")), round(1 / chance_of_order([0, 0, 1, 1], "abcd"))
    (12, 3)
    """
    ratings: dict[str, list[float]] = defaultdict(list)
    for value, name in zip(people, clusters, strict=True):
        ratings[name].append(value)
    alike = Counter(tuple(sorted(values)) for values in ratings.values())
    sizes = Counter(len(values) for values in ratings.values())
    chance = sum(math.lgamma(n + 1) for n in alike.values()) - sum(math.lgamma(n + 1) for n in sizes.values())
    return min(1.0, 2 * math.exp(chance))


def _z(values: Float[np.ndarray, "b"], raters: float, step: float) -> Float[np.ndarray, "b"]:
    """Fisher's z, of values kept half a step from both ends of the scale."""
    kept = np.clip(values, -(1 - step / 2) / (raters - 1), 1 - step / 2)
    return np.log((1 + (raters - 1) * kept) / (1 - kept)) / 2


def _back(z: float, raters: float) -> float:
    """The value of a z.

    >>> round(_back(0.5 * np.log(3), 2), 6)
    0.5
    """
    shrunk = math.exp(-2 * abs(z))
    return (1 - shrunk) / (1 + (raters - 1) * shrunk) if z >= 0 else (shrunk - 1) / (shrunk + raters - 1)


def _pairs(weights: Weights, table: Signs) -> Float[np.ndarray, "b"]:
    """Sum of the table over all ordered pairs of videos, each counted as often as the weights say."""
    return ((weights @ table) * weights).sum(1)


def _ratio(above: Float[np.ndarray, "b"], below: Float[np.ndarray, "b"]) -> Float[np.ndarray, "b"]:
    """Their ratio, NaN where nothing is below."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
