"""Keep the coarse layout of the last accepted noise, draw the details anew: F⁻¹(G·F ε + H·F ξ), G² + H² = 1.

FreeInit (arXiv:2312.07537) mixes low frequencies of one noise with high ones of another; with G + H = 1 the
mix loses variance where both filters overlap. With G² + H² = 1 it is exactly standard normal again.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import Clip, State
from sn_eval.proposals.base import SimpleProposal, last_frames


def low_pass(h: int, w: int, cutoff: float) -> Float[Tensor, "h w"]:
    """Gaussian low-pass gain over the 2-D frequencies of a frame; `cutoff` in units of the Nyquist frequency.

    >>> low_pass(1, 4, 0.5)[0].round(decimals=2)
    tensor([1.0000, 0.6100, 0.1400, 0.6100])
    """
    fy, fx = torch.fft.fftfreq(h)[:, None] * 2, torch.fft.fftfreq(w)[None] * 2
    return torch.exp(-(fy**2 + fx**2) / (2 * cutoff**2))


@component("frequency")
@dataclass(frozen=True)
class Frequency(SimpleProposal):
    """Low frequencies of each frame from the last accepted noise, the rest fresh."""

    cutoff: float = 0.25
    name = "frequency"

    def __post_init__(self) -> None:
        """Refuses a cutoff outside of the spectrum."""
        if not 0 < self.cutoff <= 4:
            raise UserError(f"cutoff is {self.cutoff}; it must lie in 0 … 4 (1 is the Nyquist frequency)")

    def near(self, state: State, fresh: Clip) -> Clip:
        """G·ε + H·ξ in the Fourier domain of h × w."""
        assert state.noise is not None
        low = low_pass(fresh.shape[-2], fresh.shape[-1], self.cutoff)
        high = (1 - low**2).clamp(min=0).sqrt()
        kept, new = torch.fft.fft2(last_frames(state.noise, fresh)), torch.fft.fft2(fresh)
        return torch.fft.ifft2(low * kept + high * new).real
