"""The objects that an experiment names, made once for all of its cells, and what is said of its judges in the plan."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import rewards
from rewards.base import Reward, UserError
from sn_eval import metrics, models
from sn_eval.metrics.base import key_of
from sn_eval.poc.judges import judge_of, same_family
from sn_eval.poc.spec import model_named
from sn_eval.results.experiment import Experiment
from sn_eval.results.plan import Judge


@dataclass(frozen=True)
class Cast:
    """Model, searched reward, and an evaluator for each of the experiment's, in its order."""

    model: Any
    reward: Reward
    evaluators: tuple[Reward, ...]


def make_cast(experiment: Experiment) -> Cast:
    """Make them, the model last since it is the largest.

    UserError for an evaluator of a family that is searched on, unless the experiment allows it, and for two evaluators
    whose scores would have one key.
    """
    reward = rewards.create(experiment.reward.use, **experiment.reward.params)
    evaluators = tuple(metrics.create(each.use, **each.params) for each in experiment.evaluators)
    twice = [key for key, count in Counter(key_of(each.spec) for each in evaluators).items() if count > 1]
    if twice:
        raise UserError(f"two evaluators are called {twice[0]!r} and would share one column: leave one out")
    if not experiment.allow_same_family:
        for named, evaluator in zip(experiment.evaluators, evaluators, strict=True):
            if shared := same_family(reward, evaluator):
                raise UserError(
                    f"evaluator {named.use!r} measures by {', '.join(shared)}, which {experiment.reward.use!r} "
                    "searches on: choose an evaluator of another family, or set allow_same_family: true (every table "
                    "is then marked)"
                )
    model = model_named(experiment.model.use, **experiment.model.params)
    return Cast(models.create(model.use, **model.params), reward, evaluators)


def judges_of(experiment: Experiment, cast: Cast) -> tuple[Judge, ...]:
    """What the plan says of each evaluator."""
    return tuple(
        judge_of(named, made, searched=bool(same_family(cast.reward, made)))
        for named, made in zip(experiment.evaluators, cast.evaluators, strict=True)
    )
