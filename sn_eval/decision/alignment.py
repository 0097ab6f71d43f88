"""Does the searched reward point where held-out judges point? Rank correlations over a run's videos, judge by judge.

Two questions: over all videos (does it tell good prompts from bad ones?), and within prompts (does it tell better
videos of the same prompt from worse ones, which is what a search uses it for?).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float
from scipy import stats

from sn_eval.decision.ranks import Estimate, jackknife
from sn_eval.results.plan import Judge, Plan
from sn_eval.results.record import Record


@dataclass(frozen=True)
class Dot:
    """One video: what the reward and a judge say of it."""

    cell: str
    arm: str
    prompt: str
    reward: float
    judge: float


@dataclass(frozen=True)
class Alignment:
    """Spearman's rho of reward and one judge; above 0 they agree, also where less is better by the judge.

    n: videos that both scored, of so many prompts. overall: over all of them; within: of ranks within each prompt that
    has several, `n_within` videos. Intervals: delete-one-prompt jackknife, 95 %, ranks kept as they are.
    """

    judge: Judge
    n: int
    prompts: int
    overall: Estimate
    n_within: int
    within: Estimate

    @property
    def sign(self) -> int:
        """1 where the interval lies above 0, −1 where below, 0 where it holds 0 or there is none."""
        low, high = self.overall.low, self.overall.high
        if low is None or high is None:
            return 0
        return 1 if low > 0 else -1 if high < 0 else 0


def reward_key(plan: Plan) -> str | None:
    """Key of the reward in records: of its verdict on whole videos, which every arm has, else of the search's own."""
    return plan.rewarded or plan.searched


def dots(plan: Plan, records: Mapping[str, Record], judge: Judge) -> list[Dot]:
    """The videos that reward and judge both scored, in the order of the plan."""
    key = reward_key(plan)
    found = []
    for cell in plan.cells:
        scores = records[cell.cell].scores if cell.cell in records else {}
        x, y = scores.get(key or ""), scores.get(judge.key)
        if x is not None and y is not None and np.isfinite(x) and np.isfinite(y):
            found.append(Dot(cell.cell, cell.arm, cell.prompt, x, y))
    return found


def aligned(plan: Plan, records: Mapping[str, Record]) -> tuple[Alignment, ...]:
    """Every judge of a run; none where it has no reward."""
    if reward_key(plan) is None:
        return ()
    return tuple(_aligned(judge, dots(plan, records, judge)) for judge in plan.judges)


def _aligned(judge: Judge, found: Sequence[Dot]) -> Alignment:
    x = np.array([dot.reward for dot in found])
    y = np.array([dot.judge for dot in found]) * (1 if judge.higher_is_better else -1)
    groups: dict[str, list[int]] = defaultdict(list)
    for place, dot in enumerate(found):
        groups[dot.prompt].append(place)
    several = {prompt: places for prompt, places in groups.items() if len(places) > 1}
    overall = _correlation(groups, _centred(x), _centred(y))
    first, second = np.zeros(len(x)), np.zeros(len(x))
    for places in several.values():
        first[places], second[places] = _centred(x[places]), _centred(y[places])
    return Alignment(
        judge, len(found), len(groups), overall, sum(map(len, several.values())), _correlation(several, first, second)
    )  # fmt: skip


def _centred(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Mid-ranks less their mean."""
    ranks = stats.rankdata(values)
    return ranks - ranks.mean() if len(ranks) else ranks


def _correlation(
    groups: Mapping[str, Sequence[int]], x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]
) -> Estimate:
    """Pearson's correlation of ranks, which is Spearman's of values, with an interval over prompts."""
    if not groups:
        return Estimate(why="no videos")
    sums = np.array([[p.size, x[p].sum(), y[p].sum(), *_squares(x[p], y[p])] for p in map(np.asarray, groups.values())])
    n = max(2, int(sums[:, 0].sum()))
    return jackknife(partial(_pearson, sums=sums), list(groups), step=12 / (n**3 - n))


def _squares(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> tuple[float, float, float]:
    return float(x @ x), float(y @ y), float(x @ y)


def _pearson(weights: Float[np.ndarray, "b prompts"], sums: Float[np.ndarray, "prompts 6"]) -> Float[np.ndarray, "b"]:
    """Correlations where each prompt counts so often. sums: n, Σx, Σy, Σx², Σy², Σxy of each."""
    n, x, y, xx, yy, xy = (weights @ sums).T
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0))
        return np.where(spread > 1e-9, (n * xy - x * y) / spread, np.nan)
