"""Fresh standard normal noise: independent of everything before (random search; ScalingNoise's first)."""

from dataclasses import dataclass

from rewards.registry import component
from sn_eval.interfaces import Clip, State
from sn_eval.proposals.base import SimpleProposal


@component("gaussian")
@dataclass(frozen=True)
class Gaussian(SimpleProposal):
    """Independent noise."""

    name = "gaussian"

    def near(self, state: State, fresh: Clip) -> Clip:
        """The fresh noise."""
        return fresh
