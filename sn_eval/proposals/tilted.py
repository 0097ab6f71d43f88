"""A mixture of proposals whose weights move toward the arms that won (ScalingNoise's tilted distribution).

w ← (1 − rate)·w + rate·1[winning arm], with a floor under every weight so that diversity stays (exponential
weights with exploration, Auer et al. 2002, section 3). The weights live in the beam's state, so beams
cannot leak.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import Clip, Draw, NoiseProposal, State
from sn_eval.proposals.base import fraction
from sn_eval.proposals.frequency import Frequency
from sn_eval.proposals.gaussian import Gaussian
from sn_eval.proposals.local import Local
from sn_eval.proposals.renoise import Renoise

Weights = tuple[float, ...]


def tilt(weights: Weights, won: int, rate: float, floor: float) -> Weights:
    """Weights after arm `won` won: they sum to 1 and none falls below `floor`.

    >>> [round(w, 2) for w in tilt((0.5, 0.5), 0, rate=0.2, floor=0.1)]
    [0.58, 0.42]
    """
    moved = [(1 - rate) * w + rate * (i == won) for i, w in enumerate(weights)]
    free = 1 - floor * len(weights)
    return tuple(floor + free * w for w in moved)


def _all_kinds() -> tuple[Any, ...]:
    return (Gaussian(), Local(), Frequency(), Renoise())


@component("tilted")
@dataclass(frozen=True)
class Tilted:
    """Draws an arm by the beam's own weights; the arm of a kept candidate gains `rate`."""

    arms: Sequence[NoiseProposal] = field(default_factory=_all_kinds)
    rate: float = 0.2
    floor: float = 0.05

    name = "tilted"
    marginal = "structured"
    adaptive = True

    def __post_init__(self) -> None:
        """Refuses weights that cannot sum to 1."""
        fraction("rate", self.rate)
        count = len(self.arms)
        if not 0 <= self.floor * count <= 1:
            raise UserError(f"floor is {self.floor}; with {count} arms it must lie in 0 … {1 / count:g}")

    def draw(self, state: State, memory: Any, fresh: Clip, generator: torch.Generator) -> Draw:
        """One arm's draw."""
        weights = torch.tensor(self._weights(memory), dtype=torch.float64)
        arm = self.arms[int(torch.multinomial(weights, 1, generator=generator))]
        return Draw(arm.draw(state, None, fresh, generator).noise, arm.name)

    def learn(self, memory: Any, arm: str) -> Weights:
        """The weights after a candidate of this arm was kept."""
        won = [a.name for a in self.arms].index(arm)
        return tilt(self._weights(memory), won, self.rate, self.floor)

    def _weights(self, memory: Any) -> Weights:
        return memory or (1 / len(self.arms),) * len(self.arms)
