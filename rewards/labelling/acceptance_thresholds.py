"""From which value on should a clip be accepted? Thresholds learned from labels, with their uncertainty."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from rewards.labelling.clip_features import ENCODED
from rewards.labelling.fitting import Task
from rewards.labelling.held_out import RESAMPLES, HeldOut, interval, resamples

GOOD_GRADE = 4  # from this grade on a clip counts as passed
SPREAD_WEIGHT = 0.5  # λ of the score μ − λσ


@dataclass(frozen=True)
class Threshold:
    """A part's value from which a clip is to be accepted, with its 95 % interval over prompts.

    balanced_accuracy: mean share of passes and fails told rightly, on prompts left out of the resample that chose
    the threshold. labels: how many judgements had this part.
    """

    part: str
    threshold: float
    low: float
    high: float
    balanced_accuracy: float
    labels: int


def thresholds(task: Task, held: HeldOut, seed: int = 0) -> list[Threshold]:
    """For the head's score and every reward's value and part: from which value on should a clip be accepted?

    Passed means the label "pass", or a grade of 4 and more. Pairs say nothing of accepting: there are none.
    """
    if task.kind == "pair":
        return []
    passed = task.values >= (GOOD_GRADE if task.kind == "grade" else 1)
    columns = {"score": held.mean - SPREAD_WEIGHT * held.spread}
    for place, name in enumerate(task.names):
        if not name.startswith(ENCODED):
            columns[name] = task.features[task.first, place]
    found = [_threshold(name, column, passed, task.groups, seed) for name, column in columns.items()]
    return [one for one in found if one is not None]


def _threshold(
    name: str, values: Float[np.ndarray, "n"], passed: Bool[np.ndarray, "n"], groups: Int[np.ndarray, "n"], seed: int
) -> Threshold | None:
    there = ~np.isnan(values)
    values, passed, groups = values[there], passed[there], groups[there]
    if len(values) == 0 or np.ptp(values) == 0 or passed.all() or not passed.any():
        return None
    drawn, right = [], []
    for rows in resamples(groups, RESAMPLES, seed):
        cut = best_threshold(values[rows], passed[rows])
        left_out = ~np.isin(groups, groups[rows])
        drawn.append(cut)
        right.append(_balanced_accuracy(values[left_out] >= cut, passed[left_out]))
    known = [one for one in right if not math.isnan(one)]
    accuracy = float(np.mean(known)) if known else math.nan
    return Threshold(name, best_threshold(values, passed), *interval(drawn), accuracy, len(values))


def best_threshold(values: Float[np.ndarray, "n"], passed: Bool[np.ndarray, "n"]) -> float:
    """The cut with the largest balanced accuracy (Youden's J), halfway between neighbours; NaN for one class only.

    >>> best_threshold(np.array([0.1, 0.2, 0.6, 0.8]), np.array([False, False, True, True]))
    0.4
    """
    if passed.all() or not passed.any():
        return math.nan
    order = np.argsort(values, kind="stable")
    v, p = values[order], passed[order]
    fails, passes = np.cumsum(~p)[:-1] / (~p).sum(), np.cumsum(p)[:-1] / p.sum()
    gain = np.where(v[1:] > v[:-1], fails - passes, -np.inf)  # no cut between equal values
    if not len(gain) or gain.max() == -np.inf:
        return float(v[0])
    best = int(gain.argmax())
    return float((v[best] + v[best + 1]) / 2)


def _balanced_accuracy(accepted: Bool[np.ndarray, "n"], passed: Bool[np.ndarray, "n"]) -> float:
    if not passed.any() or passed.all():
        return math.nan
    return float((accepted[passed].mean() + (~accepted[~passed]).mean()) / 2)
