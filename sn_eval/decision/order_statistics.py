"""What best-of-N would have given at every N, from candidates that are there already: expectations in closed form.

With all candidates of a prompt at hand, "the best of k" need not be run: it is the mean over all ways to draw k of the
N candidates, each subset being equally likely. The one of rank r (1: best) wins in C(N−r, k−1) of the C(N, k) subsets
(order statistics without replacement: David & Nagaraja, "Order Statistics", 3rd ed. 2003, §3.7). Equal scores share
their chances, as a coin between them would. So no subset is drawn, and no chance of a draw is in the result.

What is None: a candidate without the score that ranks it comes after all that have one, so it is shown only where
nothing else was drawn. An outcome (score, acceptance) that is None for some is the mean over the others, weighted by
their chances: the expectation given that the shown video could be judged. It is None where no shown video could be.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from jaxtyping import Float

from sn_eval.decision.arms import value_of
from sn_eval.decision.findings import Attempt, Compute
from sn_eval.results.evaluation import mean_of_known
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import arm_name

CANDIDATE = "candidate"
PLAIN = "plain"
BEST = "best_of_n"
ORACLE = "oracle"

Chances = Float[np.ndarray, "candidates"]


def best_of(size: int) -> str:
    """The arm of "the best of so many".

    >>> best_of(4)
    'best_of_n@4videos'
    """
    return arm_name(BEST, size, "videos")


def expected(candidates: Sequence[Attempt], sizes: Sequence[int]) -> tuple[Attempt, ...]:
    """For each prompt the arm `plain`, a candidate at random, and `best_of_n@kvideos` for every size k that it allows.

    candidates: attempts of any number of prompts; `searched` ranks those of one prompt. sizes: each at least 1; a
    prompt of N candidates has no arm of a size above N. Each result is one attempt with repeat 0 and the ids of all N
    candidates, the likeliest to be shown first: scores, acceptance, `searched` and seconds of video are those expected
    of the one that is shown; compute is k times the mean of those known, since k are made to show one. weight: ⌊N/k⌋,
    the number of disjoint draws, which is how many independent attempts of that kind N candidates could be. An attempt
    is `failed` where every candidate is. Prompts in the order of their first candidate. ResultsError for a size
    below 1.
    """
    return tuple(
        _expectation(some, _chances([each.searched for each in some], k), k, arm)
        for some in _by_prompt(candidates)
        for k, arm in ((1, PLAIN), *((k, best_of(k)) for k in _checked(sizes)))
        if k <= len(some)
    )


def oracle(
    candidates: Sequence[Attempt], sizes: Sequence[int], outcome: str, *, higher_is_better: bool = True
) -> tuple[Attempt, ...]:
    """The arms `oracle@kvideos`: what choosing by the outcome itself would give, an upper bound for any selector.

    outcome: "acceptance" or an evaluator's label. Else as `expected`.
    """
    sign = 1.0 if higher_is_better else -1.0

    def ranked_by(attempt: Attempt) -> float | None:
        value = value_of(attempt, outcome)
        return None if value is None else sign * value

    return tuple(
        _expectation(some, _chances([ranked_by(each) for each in some], k), k, arm_name(ORACLE, k, "videos"))
        for some in _by_prompt(candidates)
        for k in _checked(sizes)
        if k <= len(some)
    )


def chances(values: Sequence[float | None], size: int) -> Chances:
    """How probable each candidate is to be the highest of `size` drawn without replacement; they sum to 1.

    values: what ranks them; equal ones share, None comes last. ResultsError unless 1 ≤ size ≤ their number.

    >>> chances([0.1, 0.9, 0.5], 2).round(4).tolist()
    [0.0, 0.6667, 0.3333]
    >>> chances([0.5, 0.5, None], 2).round(4).tolist(), chances([0.3, None], 1).tolist()
    ([0.5, 0.5, 0.0], [0.5, 0.5])
    """
    if not 1 <= size <= len(values):
        raise ResultsError(f"best of {size} from {len(values)} candidates: choose a size from 1 to {len(values)}")
    return _chances(values, size)


def _chances(values: Sequence[float | None], size: int) -> Chances:
    count = len(values)
    height = np.array([-np.inf if value is None else value for value in values], dtype=np.float64)
    by_rank = np.array([comb(count - rank, size - 1) / comb(count, size) for rank in range(1, count + 1)])
    order = np.argsort(-height, kind="stable")
    _, level = np.unique(-height[order], return_inverse=True)  # candidates of one height are one level
    shared = np.bincount(level, by_rank) / np.bincount(level)
    found = np.empty(count)
    found[order] = shared[level]
    return found


def _by_prompt(candidates: Sequence[Attempt]) -> list[list[Attempt]]:
    """Candidates of each prompt, in the order of the first."""
    found: dict[str, list[Attempt]] = defaultdict(list)
    for candidate in candidates:
        found[candidate.prompt].append(candidate)
    return list(found.values())


def _checked(sizes: Sequence[int]) -> Sequence[int]:
    if wrong := [size for size in sizes if size < 1]:
        raise ResultsError(f"best of {wrong[0]}: a size is a number of candidates, at least 1")
    return sizes


@dataclass(frozen=True)
class _Shown:
    """Candidates of one prompt, and how probable each is to be the one that is shown."""

    some: Sequence[Attempt]
    chance: Chances

    def mean(self, of: Callable[[Attempt], float | None]) -> float | None:
        """Expected value of what is known of the shown one; None where nothing is."""
        pairs = [(float(p), of(each)) for p, each in zip(self.chance, self.some, strict=True)]
        there = [(p, value) for p, value in pairs if p > 0 and value is not None]
        total = sum(p for p, _ in there)
        return sum(p * value for p, value in there) / total if there else None

    def scores(self) -> Mapping[str, float | None]:
        """Every judge's expected score."""
        labels = dict.fromkeys(label for each in self.some for label in each.scores)
        return {label: self.mean(lambda each, label=label: each.scores.get(label)) for label in labels}  # type: ignore[misc]


def _expectation(some: Sequence[Attempt], chance: Chances, size: int, arm: str) -> Attempt:
    shown = _Shown(some, chance)
    failed = all(each.failed for each in some)
    return replace(
        some[0],
        cells=tuple(cell for place in np.argsort(-chance, kind="stable") for cell in some[place].cells),
        arm=arm, repeat=0, scores=shown.scores(), searched=shown.mean(lambda each: each.searched),
        rewarded=shown.mean(lambda each: each.rewarded),
        accepted=shown.mean(lambda each: each.accepted), weight=float(len(some) // size),
        video_seconds=shown.mean(lambda each: each.video_seconds) or 0.0,
        compute=_compute([each.compute for each in some], size), failed=failed, why=some[0].why if failed else "",
    )  # fmt: skip


def _compute(each: Sequence[Compute], size: int) -> Compute:
    """So many times the mean of what is known; a mean of some stands for all, so it is then an estimate."""
    devices = {compute.device for compute in each if compute.seconds is not None}
    sources = {compute.source for compute in each}
    return Compute(
        device=devices.pop() if len(devices) == 1 else "unknown",
        seconds=_times(size, [compute.seconds for compute in each]),
        wall=_times(size, [compute.wall for compute in each]),
        nfe=_times(size, [compute.nfe for compute in each]),
        teraflops=_times(size, [compute.teraflops for compute in each]),
        joules=_times(size, [compute.joules for compute in each]),
        source=sources.pop() if len(sources) == 1 else "estimated",
    )


def _times(size: int, values: Sequence[float | None]) -> float | None:
    mean = mean_of_known(values)
    return None if mean is None else size * mean
