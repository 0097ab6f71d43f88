"""Acceptance by an automatic check, corrected with people's labels of some attempts: prediction-powered inference.

A search can learn to please the check, so the check's error rate may differ between arms; labels of both arms correct
each by its own errors: mean of all (λ·check) + mean of the labelled (label − λ·check), with the λ that makes it most
precise (Angelopoulos et al., Science 2023; PPI++, Angelopoulos, Duchi & Zrnic 2023, section 6). Prompts are the
independent draws, as in `statistics`: attempts are averaged within a prompt, and intervals come from leaving out one
prompt at a time, in both arms at once. Labelled prompts must be a random sample of all.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from sn_eval.decision.ranks import LEAST, Estimate
from sn_eval.decision.statistics import Pair

Values = Mapping[Pair, float | None]


@dataclass(frozen=True)
class CorrectedArm:
    """Acceptance of one arm. automatic: mean by the check alone; correction: what the labels add to it.

    labelled, labelled_prompts: attempts that people judged, and prompts that these are of. weight: λ, 0 (the check is
    worthless) to 1.
    """

    acceptance: Estimate
    automatic: float | None
    correction: float | None
    labelled: int
    labelled_prompts: int
    weight: float | None


@dataclass(frozen=True)
class CorrectedDifference:
    """Acceptance of a method minus that of its baseline, over prompts that both have, and each arm's own."""

    difference: Estimate
    method: CorrectedArm
    baseline: CorrectedArm


@dataclass(frozen=True)
class _Arm:
    """One arm by prompt. check: mean of all attempts; checked, label: means of the labelled ones, NaN where none is."""

    check: Float[np.ndarray, "prompts"]
    checked: Float[np.ndarray, "prompts"]
    label: Float[np.ndarray, "prompts"]
    labelled: int

    @property
    def seen(self) -> np.ndarray:
        """Which prompts have a label."""
        return ~np.isnan(self.label)


def corrected_acceptance(automatic: Values, labels: Values, *, confidence: float = 0.95) -> CorrectedArm:
    """Acceptance of one arm; without an interval, and saying why, below eight labelled prompts.

    automatic: the check's verdict by (prompt, repeat), 0 to 1. labels: people's, of some of these attempts.

    >>> check = {(f"p{i}", 0): float(i % 2) for i in range(40)}
    >>> found = corrected_acceptance(check, {(f"p{i}", 0): float(i % 4 == 1) for i in range(20)})
    >>> found.automatic, round(found.acceptance.value, 2), round(found.correction, 2), found.labelled_prompts
    (0.5, 0.25, -0.25, 20)
    """
    check = _known(automatic)
    return _corrected(_by_prompt(check, labels, sorted({prompt for prompt, _ in check})), confidence)


def corrected_difference(
    method: Values, baseline: Values, method_labels: Values, baseline_labels: Values, *, confidence: float = 0.95
) -> CorrectedDifference:
    """Method minus baseline, paired by prompt and repeat as in `statistics.paired_difference`.

    >>> plain, ours = ({(f"p{i}", 0): float(i % of == 0) for i in range(40)} for of in (4, 2))
    >>> found = corrected_difference(ours, plain, {pair: 0.0 for pair in ours}, {})
    >>> found.difference.why
    'no correction: people judged 0 prompts of the baseline, 8 are needed'
    """
    checks = _known(method), _known(baseline)
    pairs = checks[0].keys() & checks[1].keys()
    prompts = sorted({prompt for prompt, _ in pairs})
    ours, theirs = (
        _by_prompt({pair: check[pair] for pair in pairs}, labels, prompts)
        for check, labels in zip(checks, (method_labels, baseline_labels), strict=True)
    )
    difference = _difference(ours, theirs, confidence)
    return CorrectedDifference(difference, _corrected(ours, confidence), _corrected(theirs, confidence))


def _known(values: Values) -> dict[Pair, float]:
    """Those that are there."""
    return {pair: value for pair, value in values.items() if value is not None and not math.isnan(value)}


def _by_prompt(check: Mapping[Pair, float], labels: Values, prompts: Sequence[str]) -> _Arm:
    """Means by prompt; labels of attempts that have no automatic verdict are left out."""
    label = {pair: value for pair, value in _known(labels).items() if pair in check}
    checked = {pair: check[pair] for pair in label}
    return _Arm(_means(check, prompts), _means(checked, prompts), _means(label, prompts), len(label))


def _means(values: Mapping[Pair, float], prompts: Sequence[str]) -> Float[np.ndarray, "prompts"]:
    """Mean by prompt, NaN where it has none."""
    grouped = defaultdict(list)
    for (prompt, _), value in values.items():
        grouped[prompt].append(value)
    return np.array([np.mean(grouped[prompt]) if prompt in grouped else np.nan for prompt in prompts], dtype=float)


def _too_few(arm: _Arm, name: str) -> str:
    """Why an arm cannot be corrected; "" where it can."""
    count = int(arm.seen.sum())
    return f"no correction: people judged {count} prompts of {name}, {LEAST} are needed" if count < LEAST else ""


def _corrected(arm: _Arm, confidence: float) -> CorrectedArm:
    """One arm's acceptance, within 0 and 1."""
    automatic = float(arm.check.mean()) if len(arm.check) else None
    count = int(arm.seen.sum())
    why = _too_few(arm, "this arm")
    if why or automatic is None:
        return CorrectedArm(Estimate(why=why), automatic, None, arm.labelled, count, None)
    weight = _weight(arm)
    value = _acceptance(arm, weight)
    found = _estimate(value, _left_out(arm, weight), count, confidence, 0.0)
    return CorrectedArm(found, automatic, value - automatic, arm.labelled, count, weight)


def _difference(ours: _Arm, theirs: _Arm, confidence: float) -> Estimate:
    """Method minus baseline, within −1 and 1."""
    why = _too_few(ours, "the method") or _too_few(theirs, "the baseline")
    if why:
        return Estimate(why=why)
    weights = _weight(ours), _weight(theirs)
    value = _acceptance(ours, weights[0]) - _acceptance(theirs, weights[1])
    left = _left_out(ours, weights[0]) - _left_out(theirs, weights[1])
    return _estimate(value, left, int(min(ours.seen.sum(), theirs.seen.sum())), confidence, -1.0)


def _weight(arm: _Arm) -> float:
    """The λ of least variance, within 0 and 1: the variance is that of a + λ·b over prompts."""
    total, seen = len(arm.check), arm.seen
    constant, slope = np.zeros(total), (arm.check - arm.check.mean()) / total
    constant[seen] = (arm.label[seen] - arm.label[seen].mean()) / seen.sum()
    slope[seen] -= (arm.checked[seen] - arm.checked[seen].mean()) / seen.sum()
    size = float(slope @ slope)
    return float(np.clip(-(constant @ slope) / size, 0.0, 1.0)) if size > 0 else 1.0


def _acceptance(arm: _Arm, weight: float) -> float:
    """Corrected mean."""
    return float(weight * arm.check.mean() + np.nanmean(arm.label - weight * arm.checked))


def _left_out(arm: _Arm, weight: float) -> Float[np.ndarray, "prompts"]:
    """Corrected mean without each prompt."""
    total, count = len(arm.check), int(arm.seen.sum())
    errors = arm.label - weight * arm.checked
    without = np.where(arm.seen, (np.nansum(errors) - errors) / (count - 1), np.nanmean(errors))
    return weight * (arm.check.sum() - arm.check) / (total - 1) + without


def _estimate(
    value: float, left: Float[np.ndarray, "prompts"], labelled: int, confidence: float, least: float
) -> Estimate:
    """Jackknife interval with t quantiles of the labelled prompts, cut to what shares and differences can be."""
    total = len(left)
    error = math.sqrt((total - 1) / total * float(((left - left.mean()) ** 2).sum()))
    if error < 1e-12:
        return Estimate(value, why="no interval: all prompts are alike")
    reach = stats.t.ppf((1 + confidence) / 2, labelled - 1) * error
    value, low, high = (float(np.clip(bound, least, 1.0)) for bound in (value, value - reach, value + reach))
    return Estimate(value, low, high, p=float(2 * stats.t.sf(abs(value) / error, labelled - 1)))
