"""Fits a head to labels: inputs, ensemble, calibration, and what counts as familiar.

Members are fitted on prompts drawn with replacement (bootstrap). Calibration is Platt's (in "Advances in Large Margin
Classifiers", 1999, with his smoothed targets) below 1,000 labels, isotonic from there on, on log-odds of prompts that
were held out. scikit-learn is loaded when something is fitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from rewards.base import UserError
from rewards.labelling.clip_features import ENCODED, Recipe
from rewards.labelling.heads import LEVELS, Calibration, Head, feature_table, mahalanobis
from rewards.labelling.labels import Kind, Labels

FOLDS, MEMBERS = 5, 20
ISOTONIC_FROM = 1000  # labels: fewer do not fix a free curve
STRENGTH = 1.0  # C of the logistic regression, on standardised inputs
STEP_SCALE = 10.0  # steps' columns are this large, so that the penalty on weights hardly touches them
COMPONENTS = 16  # of an encoder's features, by PCA
LEAST_SPREAD = 1e-3  # a feature that varies less is taken for constant: scaling it up would only raise noise
FAMILIAR = 0.99  # share of held-out training clips that count as familiar


@dataclass(frozen=True)
class Task:
    """Labels with the features of their clips (see `Labels`): features `[c f]` a clip, the others `[n]` a judgement."""

    kind: Kind
    names: tuple[str, ...]
    features: Float[np.ndarray, "c f"]
    first: Int[np.ndarray, "n"]
    second: Int[np.ndarray, "n"] | None
    values: Float[np.ndarray, "n"]
    groups: Int[np.ndarray, "n"]

    @property
    def above(self) -> Bool[np.ndarray, "n k"]:
        """Does a judgement lie above each step?"""
        return self.values[:, None] > np.array(LEVELS[self.kind])

    @property
    def used(self) -> Int[np.ndarray, "u"]:
        """The clips that are judged."""
        return np.unique(self.first if self.second is None else np.concatenate([self.first, self.second]))

    def rows(self, which: Any) -> "Task":
        """The same task with some of the judgements."""
        second = None if self.second is None else self.second[which]
        return replace(
            self, first=self.first[which], second=second, values=self.values[which], groups=self.groups[which]
        )

    def inputs(self, prepare: Any) -> Float[np.ndarray, "n d"]:
        """Prepared features of the clip judged, less those of the clip that it is compared with."""
        ready: Float[np.ndarray, "c d"] = prepare.transform(self.features)
        return ready[self.first] if self.second is None else ready[self.first] - ready[self.second]

    @property
    def varied(self) -> bool:
        """Is there anything to tell apart? Pairs can be turned round, so any decided one will do."""
        if self.kind == "pair":
            return bool((self.values != 0.5).any())
        return bool((self.values != self.values[:1]).any())


def task_of(labels: Labels, features: Sequence[Mapping[str, float]]) -> Task:
    """Labels and features as arrays."""
    names = tuple(dict.fromkeys(name for row in features for name in row))
    return Task(
        kind=labels.kind,
        names=names,
        features=feature_table(features, names),
        first=np.array(labels.first),
        second=None if labels.second is None else np.array(labels.second),
        values=np.array(labels.values, dtype=np.float64),
        groups=np.array(labels.groups),
    )


def split_by_prompt(task: Task, folds: int) -> Iterator[tuple[Int[np.ndarray, "a"], Int[np.ndarray, "b"]]]:
    """Training and test rows, no prompt in both; no more folds than prompts."""
    from sklearn.model_selection import GroupKFold

    count = min(folds, len(np.unique(task.groups)))
    yield from GroupKFold(count).split(task.values, groups=task.groups)


def fit_head(task: Task, members: int = MEMBERS, seed: int = 0, recipe: Recipe | None = None) -> Head:
    """An ensemble on all of the task: each member on prompts drawn anew, one calibration for all of them."""
    prepare = prepared(task)
    inputs = task.inputs(prepare)
    rng = np.random.default_rng(seed)
    found = [_regression(task, inputs, _resampled(task, rng)) for _ in range(members)]
    centre, precision = _centre(prepare.transform(task.features[task.used]))
    calibration, limit = _held_out(task)
    return Head(
        kind=task.kind,
        names=task.names,
        prepare=prepare,
        weights=np.stack([weights for weights, _ in found]),
        offsets=np.stack([offsets for _, offsets in found]),
        calibration=calibration,
        centre=centre,
        precision=precision,
        limit=limit,
        recipe=dict(recipe or {}),
        card={},
    )


def prepared(task: Task) -> Any:
    """The transformer from features to inputs, fitted on the task's clips.

    Rewards: the median in place of NaN, with a column that says so, then standardised. Encoder: its first principal
    components, standardised. Features that do not vary are left out; UserError when none does.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import PCA
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seen = task.features[task.used]
    kept = np.flatnonzero(_spread(seen) > LEAST_SPREAD).tolist()
    encoded = [i for i in kept if task.names[i].startswith(ENCODED)]
    parts = [i for i in kept if not task.names[i].startswith(ENCODED)]
    count = min(COMPONENTS, len(encoded), len(seen) - 1)
    filled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    reduced = make_pipeline(PCA(count, svd_solver="randomized", random_state=0), StandardScaler()) if count else None
    steps = [("rewards", filled, parts)] * bool(parts) + [("encoder", reduced, encoded)] * bool(count)
    if not steps:
        raise UserError("no feature differs between the labelled clips: nothing can be learned; name other rewards")
    return ColumnTransformer(steps).fit(seen)


def _spread(features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "f"]:
    """Standard deviation of what is there, column by column; 0 where nothing is."""
    held = np.ma.masked_invalid(features)
    spread: Float[np.ndarray, "f"] = held.std(0).filled(0.0)
    return spread


def _regression(
    task: Task, inputs: Float[np.ndarray, "n d"], weight: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "d"], Float[np.ndarray, "k"]]:
    """Weights and steps' offsets of the ordinal logistic regression (see `rewards.labelling.heads`)."""
    from sklearn.linear_model import LogisticRegression

    above, d = task.above, inputs.shape[1]
    steps = _step_columns(task.kind)
    x = np.hstack([np.repeat(inputs, len(steps), axis=0), np.tile(steps, (len(above), 1))])
    y, weight = above.ravel(), np.repeat(weight, len(steps))
    if task.kind == "pair":  # every pair also the other way round: which clip came first must not matter
        x, y, weight = np.vstack([x, -x]), np.concatenate([y, ~y]), np.tile(weight / 2, 2)
    model = LogisticRegression(C=STRENGTH, fit_intercept=False, max_iter=2000, tol=1e-6)
    found = model.fit(x, y, sample_weight=weight).coef_[0]
    return found[:d], steps @ found[d:]


def _step_columns(kind: Kind) -> Float[np.ndarray, "k s"]:
    """How steps depend on the free offsets: each on its own, but those of pairs are −η and +η."""
    columns = np.array([[1.0], [-1.0]]) if kind == "pair" else np.eye(len(LEVELS[kind]))
    return STEP_SCALE * columns


def _resampled(task: Task, rng: np.random.Generator) -> Float[np.ndarray, "n"]:
    """How often each judgement counts when prompts are drawn with replacement; never so that nothing varies."""
    _, group = np.unique(task.groups, return_inverse=True)
    count = group.max() + 1
    while True:
        weight = np.bincount(rng.integers(count, size=count), minlength=count)[group].astype(np.float64)
        if task.rows(weight > 0).varied:
            return weight


def _held_out(task: Task) -> tuple[Calibration, float]:
    """What needs prompts that were held out: the calibration, and the distance within which clips are familiar.

    Log-odds stay as they are where no part of the prompts can be held out with something left to tell apart.
    """
    margins, truth, distances = [np.empty(0)], [np.empty(0, dtype=bool)], []
    for train, test in split_by_prompt(task, FOLDS):
        fitted, judged = task.rows(train), task.rows(test)
        prepare = prepared(fitted)
        centre, precision = _centre(prepare.transform(task.features[fitted.used]))
        distances.append(mahalanobis(prepare.transform(task.features[judged.used]), centre, precision))
        if fitted.varied:
            weights, offsets = _regression(fitted, fitted.inputs(prepare), np.ones(len(train)))
            margins.append(((judged.inputs(prepare) @ weights)[:, None] + offsets).ravel())
            truth.append(judged.above.ravel())
    m, y = np.concatenate(margins), np.concatenate(truth)
    if task.kind == "pair":  # both ways round, as in the regression
        m, y = np.concatenate([m, -m]), np.concatenate([y, ~y])
    return _calibration(m, y, len(task.values)), float(np.quantile(np.concatenate(distances), FAMILIAR))


def _calibration(margins: Float[np.ndarray, "n"], truth: Bool[np.ndarray, "n"], labels: int) -> Calibration:
    """From log-odds to probabilities, by what is usual for so many labels."""
    if truth.all() or not truth.any():
        return Calibration("none")
    return _isotonic(margins, truth) if labels >= ISOTONIC_FROM else platt(margins, truth)


def platt(margins: Float[np.ndarray, "n"], truth: Bool[np.ndarray, "n"]) -> Calibration:
    """Platt's sigmoid with his smoothed targets; flat where a larger margin does not mean a likelier yes."""
    from sklearn.linear_model import LogisticRegression

    yes, no = truth.sum(), (~truth).sum()
    target = np.where(truth, (yes + 1) / (yes + 2), 1 / (no + 2))
    x, y = np.tile(margins, 2)[:, None], np.repeat([True, False], len(margins))
    model = LogisticRegression(C=1e6, tol=1e-8, max_iter=2000)
    model.fit(x, y, sample_weight=np.concatenate([target, 1 - target]))
    if model.coef_[0, 0] <= 0:
        return Calibration("platt", 0.0, float(np.log(target.mean() / (1 - target.mean()))))
    return Calibration("platt", float(model.coef_[0, 0]), float(model.intercept_[0]))


def _isotonic(margins: Float[np.ndarray, "n"], truth: Bool[np.ndarray, "n"]) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(out_of_bounds="clip").fit(margins, truth.astype(np.float64))
    x, y = model.X_thresholds_.tolist(), model.y_thresholds_.tolist()
    return Calibration("isotonic", x=tuple(x), y=tuple(y))


def _centre(inputs: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "d"], Float[np.ndarray, "d d"]]:
    """Centre and precision matrix, the covariance shrunk as Ledoit and Wolf do (J. Multivariate Analysis 2004)."""
    from sklearn.covariance import LedoitWolf

    found = LedoitWolf().fit(inputs)
    return found.location_, found.precision_
