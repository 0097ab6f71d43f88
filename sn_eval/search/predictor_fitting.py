"""Fits a light predictor and says how good it is on prompts that it has not seen.

The target is a candidate's score less the mean of its beam and step: what a search has to choose between. A ridge
regression on features centred the same way (the within estimator of panel data; Mundlak, Econometrica 1978) and
stochastic gradient boosting (Friedman, CSDA 2002) on the features as they are; the one that ranks better out of fold
is kept. Folds hold out whole prompts. The hit rate is how often the step's best candidate is among the share that is
kept. It is not what the kind is chosen by: of a few steps it is a coarse number, and the higher of two flatters.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from rewards.base import UserError
from sn_eval.search.correlation import spearman
from sn_eval.search.prediction import going_on
from sn_eval.search.predictor import Linear, Trees

FOLDS = 5
FEWEST_PROMPTS, FEWEST_STEPS = 3, 10
ROWS_OF_A_TREE = 2000  # at most: more would only take longer
ALPHAS = tuple(10.0**power for power in range(7))  # of the ridge, in units of standardised features

Guess = Callable[[Float[np.ndarray, "n f"]], Float[np.ndarray, "n"]]


@dataclass(frozen=True)
class Table:
    """Candidates as rows. step: which candidates stood against each other; prompt: of that step; score: the reward's.

    groups: how many features each group has, in order.
    """

    rows: Float[np.ndarray, "n f"]
    score: Float[np.ndarray, "n"]
    step: Int[np.ndarray, "n"]
    prompt: Int[np.ndarray, "n"]
    groups: Mapping[str, int]

    @property
    def target(self) -> Float[np.ndarray, "n"]:
        """The score less the mean of its step."""
        return centred(self.score[:, None], self.step)[:, 0]

    def only(self, names: Sequence[str]) -> "Table":
        """With these groups of features."""
        ends = np.cumsum(list(self.groups.values()))
        spans = dict(zip(self.groups, zip([0, *ends[:-1]], ends, strict=True), strict=True))
        columns = np.concatenate([np.arange(*spans[name]) for name in names])
        return replace(self, rows=self.rows[:, columns], groups={name: self.groups[name] for name in names})

    def at(self, rows: Int[np.ndarray, "m"]) -> "Table":
        """Some of its rows."""
        return Table(self.rows[rows], self.score[rows], self.step[rows], self.prompt[rows], self.groups)


@dataclass(frozen=True)
class Figures:
    """How guesses rank, over steps that can be told apart, with an interval over prompts.

    It is Student's, of prompts' own hit rates, and as wide as 95 % for the better of two kinds of model asks for.
    hit: share of steps whose best candidate is kept; chance: of a blind choice of as many. gain: what the best kept
    candidate has above the mean of all, as a share of what the best of all has; gain_chance: of a blind choice.
    """

    steps: int
    prompts: int
    spearman: float
    hit: float
    low: float
    high: float
    chance: float
    gain: float
    gain_chance: float

    @property
    def useful(self) -> bool:
        """Whether the interval lies above chance."""
        return self.low > self.chance


def centred(values: Float[np.ndarray, "n f"], step: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n f"]:
    """Less the mean of the step.

    >>> centred(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1])).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    _, place = np.unique(step, return_inverse=True)
    counts = np.bincount(place)[:, None]
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, place, values)
    return values - (sums / counts)[place]


# --- models -----------------------------------------------------------------------------------------------


def fit_linear(table: Table, seed: int = 0) -> Linear:
    """Ridge on standardised features, less the mean of their step; its strength by leave-one-out."""
    from sklearn.linear_model import RidgeCV

    inside = centred(table.rows.astype(np.float64), table.step)
    scale = inside.std(0)
    varied = scale > 1e-6
    weights = np.zeros(table.rows.shape[1])
    if varied.any():
        found = RidgeCV(ALPHAS, fit_intercept=False).fit(inside[:, varied] / scale[varied], table.target)
        weights[varied] = found.coef_ / scale[varied]
    return Linear(weights)


def fit_trees(table: Table, seed: int = 0) -> Trees:
    """Boosted small trees on the features as they are."""
    from sklearn.ensemble import GradientBoostingRegressor

    found = GradientBoostingRegressor(
        n_estimators=80, learning_rate=0.05, max_depth=3, min_samples_leaf=10, max_features=0.2,
        subsample=min(0.5, ROWS_OF_A_TREE / len(table.score)), random_state=seed,
    ).fit(table.rows, table.target)  # fmt: skip
    return _as_arrays([stage[0].tree_ for stage in found.estimators_], found.learning_rate)


FITS: Mapping[str, Callable[[Table, int], Linear | Trees]] = {"ridge": fit_linear, "boosting": fit_trees}


def _as_arrays(trees: Sequence[Any], rate: float) -> Trees:
    """scikit-learn's trees, each filled up to the largest one's nodes; leaves, its −1, become their own children."""
    most = max(tree.node_count for tree in trees)

    def filled(values: Any) -> Any:
        return np.pad(values, (0, most - len(values)))

    def child(tree: Any, side: str) -> Any:
        own = getattr(tree, f"children_{side}").astype(np.int64)
        return filled(np.where(own < 0, np.arange(len(own)), own))

    return Trees(
        np.stack([filled(tree.feature.clip(min=0).astype(np.int64)) for tree in trees]),
        np.stack([filled(tree.threshold) for tree in trees]),
        np.stack([child(tree, "left") for tree in trees]),
        np.stack([child(tree, "right") for tree in trees]),
        rate * np.stack([filled(tree.value[:, 0, 0]) for tree in trees]),
        int(max(tree.max_depth for tree in trees)),
    )


# --- how good it is ---------------------------------------------------------------------------------------


def check_enough(table: Table) -> None:
    """UserError, in one line, where there is too little to tell anything from."""
    prompts, steps = len(np.unique(table.prompt)), len(np.unique(table.step))
    if prompts < FEWEST_PROMPTS:
        raise UserError(
            f"{prompts} prompts have features and scores, and {FEWEST_PROMPTS} are needed, since whole prompts are "
            "left out to test: run more prompts with keep_features: true, or take another --split"
        )
    if steps < FEWEST_STEPS:
        raise UserError(
            f"{steps} steps have several scored candidates, and {FEWEST_STEPS} are needed: run more prompts, seeds or "
            "chunks with keep_features: true"
        )


def split_by_prompt(table: Table) -> Iterator[tuple[Int[np.ndarray, "a"], Int[np.ndarray, "b"]]]:
    """(training rows, test rows) of each fold: no prompt stands on both sides."""
    from sklearn.model_selection import GroupKFold

    folds = GroupKFold(min(FOLDS, len(np.unique(table.prompt))))
    yield from folds.split(table.rows, groups=table.prompt)


def held_out(table: Table, kind: str, seed: int = 0) -> Float[np.ndarray, "n"]:
    """Every row's guess by a model that saw nothing of its prompt."""
    guesses = np.full(len(table.score), math.nan)
    for train, test in split_by_prompt(table):
        guesses[test] = FITS[kind](table.at(train), seed)(table.rows[test].astype(np.float64))
    return guesses


def figures(table: Table, guesses: Float[np.ndarray, "n"], keep: float) -> Figures:
    """How these guesses rank the table's candidates; steps whose candidates all score alike say nothing."""
    parts = _steps(table, guesses)
    found = np.array([each for each in map(_step_figures, *parts, [keep] * len(parts[0])) if each])
    if not len(found):
        raise UserError("all candidates of every step have the same score: there is nothing to predict")
    prompt, rho, hit, chance, top, top_chance, most = found.T
    low, high = _interval(prompt, hit)
    return Figures(
        len(found), len(np.unique(prompt)), float(rho.mean()), float(hit.mean()), low, high, float(chance.mean()),
        float(top.sum() / most.sum()), float(top_chance.sum() / most.sum()),
    )  # fmt: skip


def _steps(table: Table, guesses: Float[np.ndarray, "n"]) -> tuple[list[int], list[Any], list[Any]]:
    """(prompt, scores, guesses) of every step."""
    order = np.argsort(table.step, kind="stable")
    cuts = np.flatnonzero(np.diff(table.step[order])) + 1
    parts = np.split(order, cuts)
    return [int(table.prompt[p[0]]) for p in parts], [table.score[p] for p in parts], [guesses[p] for p in parts]


def _step_figures(
    prompt: int, score: Float[np.ndarray, "k"], guess: Float[np.ndarray, "k"], keep: float
) -> tuple[float, ...] | None:
    """(prompt, rank correlation, hit, chance, gains of the best kept, of a blind choice, of the best) of one step."""
    count, kept = len(score), going_on(len(score), keep)
    if kept == count or np.ptp(score) == 0:
        return None
    chosen = np.argsort(-guess, kind="stable")[:kept]
    best = score == score.max()
    rising = np.sort(score)
    blind = sum(rising[i] * math.comb(i, kept - 1) for i in range(kept - 1, count)) / math.comb(count, kept)
    mean = score.mean()
    return (
        float(prompt), spearman(score.tolist(), guess.tolist()) or 0.0, float(best[chosen].sum() / best.sum()),
        kept / count, float(score[chosen].max() - mean), float(blind - mean), float(score.max() - mean),
    )  # fmt: skip


def _interval(prompt: Float[np.ndarray, "s"], values: Float[np.ndarray, "s"]) -> tuple[float, float]:
    """Of the mean over prompts; a bootstrap of a handful of prompts would be too narrow. (0, 1) of a single one."""
    from scipy import stats

    names, place = np.unique(prompt, return_inverse=True)
    if len(names) < 2:
        return 0.0, 1.0
    means = np.bincount(place, values) / np.bincount(place)
    width = stats.t.ppf(1 - 0.05 / len(FITS) / 2, len(names) - 1) * means.std(ddof=1) / math.sqrt(len(names))
    middle = values.mean()
    return float(max(middle - width, 0.0)), float(min(middle + width, 1.0))


# --- all of it --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted:
    """The chosen model, its figures out of fold, those of every kind, and those with fewer groups of features."""

    kind: str
    how: Linear | Trees
    figures: Figures
    kinds: Mapping[str, Figures]
    ablation: Mapping[str, Figures]


def fit(table: Table, keep: float, seed: int = 0, on_progress: Callable[[int, int], None] | None = None) -> Fitted:
    """Cross-validate both kinds, leave groups of features out, and fit the better kind on everything."""
    check_enough(table)
    partly = [names for names in _fewer(list(table.groups)) if names != list(table.groups)]
    done, in_all = 0, len(FITS) + len(partly) + 1

    def tell() -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done, in_all)

    kinds = {}
    for kind in FITS:
        kinds[kind] = figures(table, held_out(table, kind, seed), keep)
        tell()
    best = max(kinds, key=lambda kind: (kinds[kind].spearman, kinds[kind].hit))
    ablation = {}
    for names in partly:
        fewer = table.only(names)
        ablation[" + ".join(names)] = figures(fewer, held_out(fewer, best, seed), keep)
        tell()
    how = FITS[best](table, seed)
    tell()
    return Fitted(best, how, kinds[best], kinds, ablation)


def _fewer(groups: list[str]) -> list[list[str]]:
    """Groups of features, one more each time, and the last one alone."""
    return [groups[:count] for count in range(1, len(groups) + 1)] + [groups[-1:]]
