"""Measurements that judge videos: `names()`, `create(use, **params)`. Any reward can judge too, by its name."""

from typing import Any

import rewards
from rewards.base import Reward
from rewards.registry import Registry

registry = Registry("metric", "sn_eval.metrics", "sn_eval.metrics", makes=Reward)
describe, resolve = registry.describe, registry.resolve


def names() -> list[str]:
    """Metrics, then rewards that can judge."""
    return sorted({*registry.names(), *rewards.names()})


def create(use: str, **params: Any) -> Any:
    """The metric of that name; where there is none, the reward."""
    home = registry if use in registry.names() else rewards.registry
    return home.create(use, **params)
