"""A step away from the noise that was accepted last: √(1−β²)·ε + β·ξ, standard normal again.

The autoregressive (pCN) proposal of Cotter et al., "MCMC methods for functions" (arXiv:1202.0709), used for
local search in noise by Ma et al. (arXiv:2501.09732).
"""

from dataclasses import dataclass

from rewards.registry import component
from sn_eval.interfaces import Clip, State
from sn_eval.proposals.base import SimpleProposal, fraction, last_frames


@component("local")
@dataclass(frozen=True)
class Local(SimpleProposal):
    """Correlation √(1−beta²) with the last accepted noise: beta 0 repeats it, 1 is independent."""

    beta: float = 0.7
    name = "local"

    def __post_init__(self) -> None:
        """Refuses a beta that is no share."""
        fraction("beta", self.beta)

    def near(self, state: State, fresh: Clip) -> Clip:
        """√(1−β²)·ε + β·ξ."""
        assert state.noise is not None
        return (1 - self.beta**2) ** 0.5 * last_frames(state.noise, fresh) + self.beta * fresh
