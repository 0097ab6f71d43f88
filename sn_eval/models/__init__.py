"""Frozen video models behind one protocol: `names()`, `create(use, **params)`, `describe(use)`."""

from rewards.registry import Registry
from sn_eval.interfaces import VideoModel

registry = Registry("video model", "sn_eval.models", "sn_eval.models", makes=VideoModel)
names, create, resolve, describe = registry.names, registry.create, registry.resolve, registry.describe

__all__ = ["create", "describe", "names", "registry", "resolve"]
