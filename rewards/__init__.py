"""Rewards that steer a search or a trainer: pluggable, checked, usable without `sn_eval`.

`rewards.names()` lists them, `rewards.describe(use)` explains one, `rewards.create(use, **params)` makes one.
"""

from rewards.base import Anchor, BaseReward, Frames, Reward, RewardSpec, Scores, UserError, reward
from rewards.registry import Registry

registry = Registry(
    "reward", "rewards", "sn_eval.rewards", makes=Reward, hint="@reward(family=…) from rewards.base"
)
names, create, resolve, describe = registry.names, registry.create, registry.resolve, registry.describe

__all__ = [
    "Anchor",
    "BaseReward",
    "Frames",
    "Reward",
    "RewardSpec",
    "Scores",
    "UserError",
    "reward",
    "names",
    "create",
    "resolve",
    "describe",
    "registry",
]
