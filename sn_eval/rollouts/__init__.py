"""How a long video is made from pieces, apart from how it is searched: `names()`, `create(use, **params)`."""

from rewards.registry import Registry
from sn_eval.interfaces import Rollout

registry = Registry("rollout", "sn_eval.rollouts", "sn_eval.rollouts", makes=Rollout)
names, create, resolve, describe = registry.names, registry.create, registry.resolve, registry.describe

__all__ = ["create", "describe", "names", "registry", "resolve"]
