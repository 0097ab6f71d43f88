"""What a plan says of its judges, and which measure by what was searched on. Loads no generative model."""

import math

from rewards.base import Reward
from sn_eval.metrics.base import key_of
from sn_eval.results.experiment import Evaluator
from sn_eval.results.plan import Judge


def same_family(reward: Reward, judge: Reward) -> list[str]:
    """Measurement families that both use."""
    return sorted(set(reward.spec.families) & set(judge.spec.families))


def judge_of(named: Evaluator, made: Reward, *, searched: bool) -> Judge:
    """What the plan says of one evaluator; an end of its range that is infinite is none."""
    spec = made.spec
    low, high = (value if math.isfinite(value) else None for value in spec.range)
    return Judge(
        label=named.label, key=key_of(spec), families=spec.families, encoder=spec.encoder,
        higher_is_better=getattr(spec, "higher_is_better", True), low=low, high=high, searched=searched,
    )  # fmt: skip
