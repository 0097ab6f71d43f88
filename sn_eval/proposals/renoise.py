"""Start from a trace of the last clean latents: √(1−κ²)·ξ + κ·ẑ, ẑ scaled to unit mean square.

ScalingNoise's re-noised latents. Where a schedule ends in pure noise, noising to the top level leaves
nothing of the latents; κ says how much is to be left. The result has unit variance but the latents'
structure (no white noise).
"""

from dataclasses import dataclass

from rewards.registry import component
from sn_eval.interfaces import Clip, State
from sn_eval.proposals.base import SimpleProposal, fraction, last_frames


@component("renoise")
@dataclass(frozen=True)
class Renoise(SimpleProposal):
    """Fresh noise with a share `keep` (in standard deviations) of the last clean latents."""

    keep: float = 0.2
    name = "renoise"
    marginal = "structured"

    def __post_init__(self) -> None:
        """Refuses a share outside of 0 … 1."""
        fraction("keep", self.keep)

    def near(self, state: State, fresh: Clip) -> Clip:
        """√(1−κ²)·ξ + κ·ẑ."""
        assert state.clean is not None
        clean = last_frames(state.clean, fresh)
        unit = clean / clean.square().mean().sqrt().clamp(min=1e-6)
        return (1 - self.keep**2) ** 0.5 * fresh + self.keep * unit
