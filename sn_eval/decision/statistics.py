"""Is one method better than another? Pair first, then average, then ask how sure.

Prompts, not videos, are the independent draws: seeds are averaged within a prompt, and the bootstrap
resamples prompts. BCa intervals: Efron, "Better Bootstrap Confidence Intervals", JASA 1987, section 3; p by
sign flips of the prompts' differences (Fisher's randomisation test).

BCa alone is too narrow for few prompts: of 20 it covers 92 % where 95 % are claimed (`python -m benchmarks.decision`).
So it is taken at the level at which t would be as wide (Hesterberg, "What Teachers Should Know about the Bootstrap",
2015, on expanded percentile intervals), and no bound is nearer than t's: BCa mends skew, t heavy tails and ties.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
from scipy import stats

MIN_PROMPTS_FOR_BOOTSTRAP = 20
FEW = 8  # values; NumPy adds so many in pairs
AT_ONCE = 200  # resamples that are worked on together

Pair = tuple[str, int]
"""(prompt, seed): what two methods must share to be compared."""


@dataclass(frozen=True)
class PairedDifference:
    """A paired comparison of method minus baseline, in the measurement's own unit.

    `low`, `high` and `p` are None where too few prompts allow none; `losing` lists prompts on which the
    method is worse, the worst first; `dropped` counts pairs left out because a side was missing or not
    scored.
    """

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    n_prompts: int
    n_pairs: int
    dropped: int
    confidence: float
    method: str
    losing: tuple[str, ...]
    per_prompt: Mapping[str, float] = field(repr=False)

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def differences_by_prompt(
    method: Mapping[Pair, float | None], baseline: Mapping[Pair, float | None]
) -> dict[str, list[float]]:
    """method − baseline for every (prompt, seed) that both scored, grouped by prompt.

    >>> ours = {("a", 0): 3, ("a", 1): 5, ("b", 0): 1}
    >>> differences_by_prompt(ours, {("a", 0): 1, ("a", 1): 2, ("b", 0): None})
    {'a': [2.0, 3.0]}
    """
    grouped = defaultdict(list)
    for pair in sorted(method.keys() & baseline.keys()):
        ours, theirs = _number(method[pair]), _number(baseline[pair])
        if ours is not None and theirs is not None:
            grouped[pair[0]].append(ours - theirs)
    return dict(grouped)


def paired_difference(
    method: Mapping[Pair, float | None],
    baseline: Mapping[Pair, float | None],
    *,
    higher_is_better: bool = True,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Mean difference over prompts with an interval and a two-sided p; deterministic for a seed.

    From 20 prompts on: BCa bootstrap over prompts. Below: a t-interval, and `method` says so. p comes from
    sign flips (all 2^n of them where `resamples` allow). Raises ValueError for a confidence outside (0, 1).

    >>> ours = {("a", 0): 3.0, ("a", 1): 5.0, ("b", 0): 1.0, ("c", 0): 4.0}
    >>> plain = {("a", 0): 1.0, ("a", 1): 2.0, ("b", 0): 2.0, ("c", 0): 1.0}
    >>> result = paired_difference(ours, plain)
    >>> result.mean, result.n_prompts, result.losing, result.p
    (1.5, 3, ('b',), 0.5)
    >>> f"{result.low:.3f} {result.high:.3f}", result.method
    ('-3.914 6.914', 't-interval (3 prompts are below the 20 that the bootstrap needs)')
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: must lie between 0 and 1, e.g. 0.95.")
    grouped = differences_by_prompt(method, baseline)
    means = {prompt: mean(values) for prompt, values in grouped.items()}
    n_pairs = sum(map(len, grouped.values()))
    values = np.array(list(means.values()))
    low, high, how = interval(values, confidence=confidence, resamples=resamples, seed=seed)
    sign = 1 if higher_is_better else -1
    gains = {prompt: sign * value for prompt, value in means.items()}
    losing = sorted((prompt for prompt in gains if gains[prompt] < 0), key=gains.__getitem__)
    return PairedDifference(
        mean=float(values.mean()) if len(values) else None,
        low=low, high=high, p=sign_flip_p(values, resamples=resamples, seed=seed),
        n_prompts=len(values), n_pairs=n_pairs, dropped=len(method.keys() | baseline.keys()) - n_pairs,
        confidence=confidence, method=how, losing=tuple(losing), per_prompt=means,
    )  # fmt: skip


def interval(
    values: np.ndarray, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float | None, float | None, str]:
    """(low, high, how) for the mean of independent values, one a prompt; (None, None, why) for too few of them."""
    n = len(values)
    if n < 2:
        return None, None, f"no interval ({n} prompt{'' if n == 1 else 's'}; at least 2 are needed)"
    if np.ptp(values) <= 1e-12 * np.abs(values).max():  # equal but for rounding, of which BCa would make NaN
        return _without_spread(values, confidence)
    low, high = (float(end) for end in stats.t.interval(confidence, n - 1, loc=values.mean(), scale=stats.sem(values)))
    if n < MIN_PROMPTS_FOR_BOOTSTRAP:
        how = f"t-interval ({n} prompts are below the {MIN_PROMPTS_FOR_BOOTSTRAP} that the bootstrap needs)"
        return low, high, how
    lower, upper = _bootstrap(tuple(values.tolist()), _expanded(confidence, n), resamples, seed)
    how = f"BCa bootstrap over {n} prompts, {resamples} resamples, at least as wide as t"
    return min(low, lower), max(high, upper), how


def sign_flip_p(values: np.ndarray, *, resamples: int = 10_000, seed: int = 0) -> float | None:
    """Two-sided p of "the sign of each prompt's difference is a coin toss", exact when 2^n ≤ resamples.

    None below two prompts. It never reaches 0: the observed signs count as one of the flips.

    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]))
    0.25
    """
    if len(values) < 2:
        return None
    return _sign_flips(tuple(values.tolist()), resamples, seed)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number (Holm, Scandinavian J. of Statistics 1979, section 3); None stays None.

    The k-th smallest of n counts n − k + 1 times, and none counts less than a smaller one.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])], holm([None, 0.5])
    ([0.03, 0.06, 0.06], [None, 0.5])
    """
    known = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[place] = largest
    return corrected


def benjamini_hochberg(ps: Sequence[float | None]) -> list[float | None]:
    """p values that hold the false discovery rate (Benjamini & Hochberg, J. R. Stat. Soc. B 1995); None stays None.

    The k-th smallest of n counts n ÷ k times, and none counts more than a larger one.

    >>> [round(p, 3) for p in benjamini_hochberg([0.01, 0.04, 0.03])], benjamini_hochberg([None, 0.5])
    ([0.03, 0.04, 0.04], [None, 0.5])
    """
    known = [p for p in ps if p is not None]
    corrected = iter(stats.false_discovery_control(known).tolist() if known else ())
    return [None if p is None else next(corrected) for p in ps]


def _without_spread(values: np.ndarray, confidence: float) -> tuple[float | None, float | None, str]:
    """Equal values say nothing of how far others may lie, so as many are needed as sign flips need to tell chance.

    >>> _without_spread(np.ones(5), 0.95)[2]
    'no interval (all 5 prompts differ by the same amount; 6 are needed to tell that from chance)'
    """
    alike, least = f"all {len(values)} prompts differ by the same amount", math.ceil(1 - math.log2(1 - confidence))
    if len(values) < least:
        return None, None, f"no interval ({alike}; {least} are needed to tell that from chance)"
    return float(values[0]), float(values[0]), alike


def _expanded(confidence: float, n: int) -> float:
    """The level at which a percentile interval of n values is as wide as a t interval.

    >>> round(_expanded(0.95, 20), 3), round(_expanded(0.95, 1000), 3)
    (0.968, 0.95)
    """
    reach = stats.t.ppf((1 + confidence) / 2, n - 1) * math.sqrt(n / (n - 1))
    return min(1 - 1e-9, 1 - 2 * float(stats.norm.sf(reach)))


@lru_cache(maxsize=1024)
def _bootstrap(values: tuple[float, ...], confidence: float, resamples: int, seed: int) -> tuple[float, float]:
    """BCa bounds of the mean; kept, since several tables of a report show the same figure."""
    numbers, drawn = np.array(values), _resamples(len(values), resamples, seed)
    means = [numbers.take(drawn[rows]).mean(axis=-1) for rows in _blocks(resamples)]
    drawn_before = SimpleNamespace(bootstrap_distribution=np.concatenate(means))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        bounds = stats.bootstrap(
            (numbers,), np.mean, n_resamples=0, bootstrap_result=drawn_before, confidence_level=confidence,
            method="BCa", batch=1000,
        ).confidence_interval  # fmt: skip
    return float(bounds.low), float(bounds.high)


@lru_cache(maxsize=4)
def _resamples(n: int, resamples: int, seed: int) -> np.ndarray:
    """Places of n values drawn with replacement, a row a resample; kept, since drawing them takes half of the time."""
    rng, small = np.random.default_rng(seed), np.min_scalar_type(n)
    return np.concatenate([rng.integers(0, n, (r.stop - r.start, n)).astype(small) for r in _blocks(resamples)])


def _blocks(count: int) -> list[slice]:
    """Rows in parts that fit into a processor's cache.

    >>> _blocks(450)
    [slice(0, 200, None), slice(200, 400, None), slice(400, 450, None)]
    """
    return [slice(first, min(first + AT_ONCE, count)) for first in range(0, count, AT_ONCE)]


@lru_cache(maxsize=1024)
def _sign_flips(values: tuple[float, ...], resamples: int, seed: int) -> float:
    """p of `sign_flip_p`; kept as `_bootstrap` is."""
    signs, extra = _signs(len(values), resamples, seed)
    numbers = np.array(values)
    observed = abs(numbers.sum())
    slack = 1e-12 * np.abs(numbers).sum()  # equal sums in another order must count as equal
    flipped = [np.abs(signs[rows].astype(float) @ numbers) for rows in _blocks(len(signs))]
    reached = int((np.concatenate(flipped) >= observed - slack).sum())
    return (reached + extra) / (len(signs) + extra)


@lru_cache(maxsize=16)
def _signs(n: int, resamples: int, seed: int) -> tuple[np.ndarray, int]:
    """(a row of ±1 a flip, flips that count besides); kept, in bytes, since drawing takes longer than all the rest."""
    if 2**n <= resamples:
        return (1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)).astype(np.int8), 0
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), size=(resamples, n)), 1


def mean(values: Sequence[float]) -> float:
    """np.mean of a list, to the last bit; of few values, which NumPy adds one by one, too, in a tenth of its time.

    >>> mean([0.1, 0.2, 0.4]) == float(np.mean([0.1, 0.2, 0.4]))
    True
    """
    if not 0 < len(values) < FEW:
        return float(np.mean(values))
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def _number(value: float | None) -> float | None:
    """The value, or None when it is missing or NaN."""
    return None if value is None or math.isnan(value) else float(value)
