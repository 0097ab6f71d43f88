"""Where the candidates of a noise search come from: `names()`, `create(use, **params)`, `describe(use)`."""

from rewards.registry import Registry
from sn_eval.interfaces import NoiseProposal

registry = Registry("noise proposal", "sn_eval.proposals", "sn_eval.proposals", makes=NoiseProposal)
names, create, resolve, describe = registry.names, registry.create, registry.resolve, registry.describe

__all__ = ["create", "describe", "names", "registry", "resolve"]
