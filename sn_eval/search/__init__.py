"""Ways to spend a budget on one prompt: `names()`, `create(use, **params)`, `describe(use)`."""

from rewards.registry import Registry
from sn_eval.interfaces import SearchMethod

registry = Registry("search method", "sn_eval.search", "sn_eval.search", makes=SearchMethod)
names, create, resolve, describe = registry.names, registry.create, registry.resolve, registry.describe

__all__ = ["create", "describe", "names", "registry", "resolve"]
