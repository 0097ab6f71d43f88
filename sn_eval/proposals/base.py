"""A proposal in one method: what the five non-adaptive lines of every simple proposal are.

@component("mine")
@dataclass(frozen=True)
class Mine(SimpleProposal):
    def near(self, state, fresh): return fresh
"""

from abc import ABC, abstractmethod
from typing import Any, Literal

import torch

from rewards.base import UserError
from sn_eval.interfaces import Clip, Draw, State


class SimpleProposal(ABC):
    """A proposal that does not learn: a function of the beam and the candidate's own fresh noise."""

    name = "simple"
    marginal: Literal["normal", "structured"] = "normal"
    adaptive = False

    @abstractmethod
    def near(self, state: State, fresh: Clip) -> Clip:
        """The proposed noise, of `fresh`'s shape; only called once the beam has accepted something."""

    def draw(self, state: State, memory: Any, fresh: Clip, generator: torch.Generator) -> Draw:
        """`near`, or the fresh noise itself while there is nothing to stay near to."""
        return Draw(fresh if state.noise is None else self.near(state, fresh), self.name)

    def learn(self, memory: Any, arm: str) -> Any:
        """Nothing."""
        return memory


def fraction(name: str, value: float) -> None:
    """Refuses what is no share of a whole.

    >>> fraction("beta", 0.5)
    """
    if not 0 <= value <= 1:
        raise UserError(f"{name} is {value}; it must lie in 0 (keep all) … 1 (keep nothing)")


def last_frames(kept: Clip, fresh: Clip) -> Clip:
    """What was accepted, cut to the last frames that the new noise has (a queue keeps more than it draws)."""
    return kept[-fresh.shape[0] :].to(fresh)
