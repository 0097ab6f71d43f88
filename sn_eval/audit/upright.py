"""A metric that falls as videos get better, turned: for those who ask of any score that more of it is better."""

from dataclasses import replace
from typing import no_type_check

from rewards.base import Reward, RewardSpec, Scores
from sn_eval.metrics.base import MetricSpec


class Upright:
    """The metric with the sign of its values turned, and its range with them; parts stay as they are."""

    def __init__(self, metric: Reward) -> None:
        self.metric = metric
        self.spec: RewardSpec = turned(metric.spec)

    @no_type_check  # the metric checks what it is given
    def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None) -> Scores:
        """Score as the metric does."""
        found = self.metric(frames, prompts, fps=fps, anchor=anchor, metadata=metadata)
        return Scores(-found.values, None if found.per_frame is None else -found.per_frame, found.parts)


def upright(reward: Reward) -> Reward:
    """The reward or metric itself where more is better, else turned."""
    return reward if more_is_better(reward.spec) else Upright(reward)


def more_is_better(spec: RewardSpec) -> bool:
    """True of every reward; metrics say it themselves.

    >>> more_is_better(MetricSpec("drift", ("pixels",), higher_is_better=False))
    False
    """
    return not isinstance(spec, MetricSpec) or spec.higher_is_better


def turned(spec: RewardSpec) -> RewardSpec:
    """What a turned metric declares; a spec in which more is better stays as it is.

    >>> turned(MetricSpec("drift", ("pixels",), range=(0.0, 100.0), higher_is_better=False)).range
    (-100.0, -0.0)
    """
    if not isinstance(spec, MetricSpec) or spec.higher_is_better:
        return spec
    low, high = spec.range
    return replace(spec, range=(-high, -low), higher_is_better=True)
