"""The codec: 4x4 pixel patches projected on their 16 principal components. Linear, so exact to explain and instant.

A frame [3, 64, 64] becomes a latent [16, 16, 16]: component c of the patch in row y, column x. Components are
divided by their standard deviation to the power 0.7: toward unit variance, without blowing up the faint ones.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

PATCH, CHANNELS, SHRINK = 4, 16, 0.7


class PatchCodec(nn.Module):
    """Principal components of image patches, as two linear maps.

    `basis` [16, 48] has orthonormal rows, `mean` [48] the mean patch, `scale` [16] what a component is divided by.
    """

    basis: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int = CHANNELS, patch: int = PATCH) -> None:
        super().__init__()
        self.config, self.patch = {"channels": channels, "patch": patch}, patch
        self.register_buffer("basis", torch.zeros(channels, 3 * patch * patch))
        self.register_buffer("mean", torch.zeros(3 * patch * patch))
        self.register_buffer("scale", torch.ones(channels))

    @torch.no_grad()
    def fit(self, frames: Float[Tensor, "n 3 h w"]) -> "PatchCodec":
        """Learn the components from frames (RGB 0..1)."""
        patches = F.pixel_unshuffle(frames, self.patch).flatten(2).transpose(1, 2).reshape(-1, self.basis.shape[1])
        mean = patches.double().mean(0)
        values, vectors = torch.linalg.eigh((patches.double() - mean).T.cov())
        keep = values.argsort(descending=True)[: self.basis.shape[0]]
        scale = values[keep].clamp(min=1e-12).sqrt() ** SHRINK
        scale = scale * (values[keep] / scale**2).mean().sqrt()  # mean variance of the latents: 1
        self.mean.copy_(mean)
        self.basis.copy_(vectors[:, keep].T)
        self.scale.copy_(scale)
        return self

    def encode(self, frames: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n c y x"]:
        """Frames RGB 0..1 to latents; height and width must be multiples of the patch."""
        patches = F.pixel_unshuffle(frames.flatten(0, -4), self.patch) - self.mean.view(1, -1, 1, 1)
        latents = torch.einsum("cp,npyx->ncyx", self.basis, patches) / self.scale.view(1, -1, 1, 1)
        return latents.unflatten(0, frames.shape[:-3])

    def decode(self, latents: Float[Tensor, "*n c y x"]) -> Float[Tensor, "*n 3 h w"]:
        """Latents to frames, clipped to 0..1."""
        flat = latents.flatten(0, -4) * self.scale.view(1, -1, 1, 1)
        patches = torch.einsum("cp,ncyx->npyx", self.basis, flat) + self.mean.view(1, -1, 1, 1)
        return F.pixel_shuffle(patches, self.patch).clamp(0, 1).unflatten(0, latents.shape[:-3])
