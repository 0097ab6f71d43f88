"""Measurements that judge videos: `names()`, `create(use, **params)`. Any reward can judge too, by its name."""

from collections.abc import Callable
from typing import Any

import rewards
from rewards.base import Reward
from rewards.registry import Description, Registry

registry = Registry("metric", "sn_eval.metrics", "sn_eval.metrics", makes=Reward)


def names() -> list[str]:
    """Metrics, then rewards that can judge."""
    return sorted({*registry.names(), *rewards.names()})


def create(use: str, **params: Any) -> Any:
    """The metric of that name; where there is none, the reward."""
    return _home(use).create(use, **params)


def describe(use: str) -> Description:
    """Name, documentation and parameters of a metric or reward."""
    return _home(use).describe(use)


def resolve(use: str) -> Callable[..., Any]:
    """The class or function behind a metric or reward."""
    return _home(use).resolve(use)


def _home(use: str) -> Registry:
    """Where a name is looked up: one that only rewards know is a reward, anything else a metric (or a misspelt one)."""
    if use not in registry.names() and use in rewards.names():
        return rewards.registry
    return registry
