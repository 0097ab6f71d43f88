"""How good is a head on prompts that it has not seen? Every figure is out of fold, beside what guessing reaches.

Prompts are divided into folds (GroupKFold); each fold is judged by a head that saw nothing of it, its calibration
included, which comes from an inner cross-validation. Intervals come from a bootstrap over prompts.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from rewards.base import UserError
from rewards.labelling.fitting import FOLDS, MEMBERS, Task, fit_head, split_by_prompt
from rewards.labelling.heads import LEVELS
from rewards.labelling.labels import Kind

RESAMPLES = 200

RANKING = {"pass": ("AUC", 0.5), "grade": ("Spearman", 0.0), "pair": ("decided pairs in order", 0.5)}
"""What tells whether a head ranks rightly, and what guessing reaches."""


@dataclass(frozen=True)
class HeldOut:
    """What heads said of judgements that they had not seen.

    chances, base `[n k]`: of lying above each step, by the head and by the training labels' frequencies alone.
    mean, spread `[n]`: the score of the clip judged, over the members. fold `[n]`: which head judged it.
    training_groups: prompts that a head was fitted on, on average.
    """

    chances: Float[np.ndarray, "n k"]
    base: Float[np.ndarray, "n k"]
    mean: Float[np.ndarray, "n"]
    spread: Float[np.ndarray, "n"]
    fold: Int[np.ndarray, "n"]
    training_groups: float


@dataclass(frozen=True)
class Figure:
    """An out-of-fold figure, its 95 % interval over prompts (NaN for ECE), and what the commonest label reaches."""

    name: str
    value: float
    low: float
    high: float
    baseline: float


def cross_validate(
    task: Task, folds: int = FOLDS, members: int = MEMBERS, seed: int = 0, share: float = 1.0
) -> HeldOut:
    """Every judgement by a head that was fitted, calibration included, without its prompt.

    share: of each fold's training prompts that are used. Raises UserError when a fold has nothing to tell apart.
    """
    steps = len(LEVELS[task.kind])
    chances, base = np.full((len(task.values), steps), np.nan), np.full((len(task.values), steps), np.nan)
    mean, spread = np.full(len(task.values), np.nan), np.full(len(task.values), np.nan)
    fold, counts = np.zeros(len(task.values), dtype=np.int64), []
    rng = np.random.default_rng(seed)
    for number, (train, test) in enumerate(split_by_prompt(task, folds)):
        groups = rng.permutation(np.unique(task.groups[train]))
        groups = groups[: max(round(share * len(groups)), 2)]  # one alone could not be calibrated
        fitted, judged = task.rows(train[np.isin(task.groups[train], groups)]), task.rows(test)
        if not fitted.varied:
            raise UserError(
                "with one part of the prompts held out, all remaining labels are the same: "
                "label clips so that each label occurs with several prompts"
            )
        head = fit_head(fitted, members, seed)
        others = None if judged.second is None else task.features[judged.second]
        chances[test] = head.chances(task.features[judged.first], others).mean(0)
        base[test] = _frequencies(fitted)
        scores = head.scores(task.features[judged.first])
        mean[test], spread[test] = scores.mean(0), scores.std(0)
        fold[test] = number
        counts.append(len(groups))
    return HeldOut(chances, base, mean, spread, fold, float(np.mean(counts)))


def _frequencies(task: Task) -> Float[np.ndarray, "k"]:
    """How often labels lie above each step; of pairs, taken both ways round."""
    share = task.above.mean(0)
    return (share + 1 - share[::-1]) / 2 if task.kind == "pair" else share


def measure(task: Task, held: HeldOut, seed: int = 0) -> list[Figure]:
    """The figures of held-out judgements, with intervals from resampled prompts, beside their baselines."""
    value, base = (figures(task.kind, task.values, chances, held.fold) for chances in (held.chances, held.base))
    drawn = [
        figures(task.kind, task.values[rows], held.chances[rows], held.fold[rows])
        for rows in resamples(task.groups, RESAMPLES, seed)
    ]
    ranking, guess = RANKING[task.kind]
    found = []
    for name in value:
        # resampling rows only moves ECE upwards (fewer distinct rows a bin): its interval would mislead
        low, high = (math.nan, math.nan) if name == "ECE" else interval([one[name] for one in drawn])
        found.append(Figure(name, value[name], low, high, guess if name == ranking else base[name]))
    return found


def figures(
    kind: Kind,
    values: Float[np.ndarray, "n"],
    chances: Float[np.ndarray, "n k"],
    fold: Int[np.ndarray, "n"] | None = None,
) -> dict[str, float]:
    """How good are chances of lying above each step? Pairs count both ways round, so order does not matter.

    accuracy: the likeliest label is right (of pairs: a, tie or b, so a tie must be called a tie). Brier: mean squared
    error over steps (of several steps: the ranked probability score over their number). ECE: mean distance of
    stated from true frequency, in ten bins weighted by size. And how well it ranks within each fold (see RANKING;
    across folds it would compare different heads), NaN where it cannot.

    >>> figures("pass", np.array([1.0, 0.0, 1.0, 0.0]), np.array([[0.9], [0.1], [0.6], [0.6]]))["accuracy"]
    0.75
    """
    fold = np.zeros(len(values), dtype=np.int64) if fold is None else fold
    if kind == "pair":
        values, chances = np.concatenate([values, 1 - values]), np.concatenate([chances, 1 - chances[:, ::-1]])
        fold = np.tile(fold, 2)
    above = values[:, None] > np.array(LEVELS[kind])
    ends = np.ones((len(values), 1)), np.zeros((len(values), 1))
    likeliest = -np.diff(np.hstack([ends[0], chances, ends[1]]), axis=1)
    return {
        "accuracy": float((likeliest.argmax(1) == above.sum(1)).mean()),
        RANKING[kind][0]: _ranking(kind, values, chances.mean(1), fold),
        "Brier": float(((chances - above) ** 2).mean()),
        "ECE": calibration_error(chances.ravel(), above.ravel()),
    }


def _ranking(
    kind: Kind, values: Float[np.ndarray, "n"], score: Float[np.ndarray, "n"], fold: Int[np.ndarray, "n"]
) -> float:
    """The folds' figures, weighted by what they rest on.

    Pooling folds would understate them: a fold's heads lean the other way than its labels, having been trained on
    the rest. Source: Forman and Scholz, "Apples-to-apples in cross-validation studies" (SIGKDD Explorations 2010).
    """
    parts = [_rank(kind, values[fold == one], score[fold == one]) for one in np.unique(fold)]
    total = sum(weight for _, weight in parts)
    return sum(figure * weight for figure, weight in parts) / total if total else math.nan


def _rank(kind: Kind, values: Float[np.ndarray, "n"], score: Float[np.ndarray, "n"]) -> tuple[float, float]:
    """How well a score ranks values, and how many comparisons (of grades: judgements) that rests on."""
    from scipy.stats import rankdata, spearmanr

    if kind == "pair":
        decided = values != 0.5
        right = np.where(score == 0.5, 0.5, (score > 0.5) == (values > 0.5))[decided]
        return (float(right.mean()), float(len(right))) if len(right) else (0.0, 0.0)
    if kind == "grade":
        flat = np.ptp(values) == 0 or np.ptp(score) == 0
        return (0.0 if flat else float(spearmanr(score, values).statistic)), float(len(values))
    passed = values > 0.5
    yes, no = float(passed.sum()), float((~passed).sum())
    if not yes or not no:
        return 0.0, 0.0
    above = rankdata(score)[passed].sum() - yes * (yes + 1) / 2  # Mann and Whitney's U
    return float(above / (yes * no)), yes * no


def calibration_error(chances: Float[np.ndarray, "n"], truth: Bool[np.ndarray, "n"]) -> float:
    """Expected calibration error: |stated − true frequency|, mean over the bins of `reliability` weighted by size.

    Source: Naeini et al., AAAI 2015.

    >>> calibration_error(np.array([0.25, 0.25, 0.25, 0.25]), np.array([True, False, False, False]))
    0.0
    """
    bins = reliability(chances, truth)
    return float(sum(row["count"] * abs(row["stated"] - row["true"]) for row in bins) / len(chances))


def reliability(chances: Float[np.ndarray, "n"], truth: Bool[np.ndarray, "n"]) -> list[dict[str, float]]:
    """Ten bins of stated chance: the mean stated, how often it was true, and how many; empty ones left out.

    >>> reliability(np.array([0.25, 0.25]), np.array([True, False]))
    [{'stated': 0.25, 'true': 0.5, 'count': 2}]
    """
    place = np.minimum((chances * 10).astype(int), 9)
    held = [place == i for i in np.unique(place)]
    return [
        {"stated": float(chances[one].mean()), "true": float(truth[one].mean()), "count": int(one.sum())}
        for one in held
    ]


def resamples(groups: Int[np.ndarray, "n"], count: int, seed: int) -> Iterator[Int[np.ndarray, "m"]]:
    """Rows of prompts drawn with replacement, `count` times."""
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The middle 95 % of what is there."""
    there = [value for value in values if not math.isnan(value)]
    low, high = np.quantile(there, [0.025, 0.975]) if there else (math.nan, math.nan)
    return float(low), float(high)
