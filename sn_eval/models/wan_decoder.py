"""The VAE of Wan and SkyReels-V2, whose decoder goes on from where it stopped.

It is causal in time (Wan, arXiv:2503.20314, section 4.1): each convolution looks back at the last two features before
it. Whoever keeps these features decodes a long video latent by latent, with the same result as all of it at once. The
first latent of a video shows one frame, each later one `temporal` frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from sn_eval.interfaces import Clip, Latents, Video

Features = tuple[Tensor | str | None, ...]


@dataclass(frozen=True)
class Memory:
    """What the decoder remembers of one video: for every causal convolution the last features before it.

    An entry is None before anything was decoded, and a word of the VAE's own where one latent is too few to look back.
    A beam's memory is large: 0.94 billion numbers for the VAE of Wan 2.1 at 832×480, 1.6 for that of Wan 2.2 at
    1280×704 (1.9 and 3.2 GB in bfloat16).
    """

    features: Features

    @property
    def kind(self) -> tuple[Any, ...]:
        """Memories of one kind can be decoded in one batch."""
        return tuple(tuple(each.shape) if isinstance(each, Tensor) else each for each in self.features)


class WanCodec:
    """Pixels to latents and back, in the units in which the transformer takes them (the VAE's mean and deviation)."""

    def __init__(self, vae: Any, device: torch.device) -> None:
        from diffusers import AutoencoderKLWan
        from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d

        if not isinstance(vae, AutoencoderKLWan):
            raise UserError(f"the VAE is a {type(vae).__name__}; chunk by chunk only AutoencoderKLWan can decode")
        config = vae.config
        self.vae, self.device, self.channels = vae, device, config.z_dim
        self.temporal = 2 ** sum(config.temperal_downsample)
        self.spatial = 2 ** len(config.temperal_downsample) * (config.patch_size or 1)
        stated = (config.latents_mean, config.latents_std)
        self._mean, self._std = (torch.tensor(values, device=device).view(-1, 1, 1, 1) for values in stated)
        convolutions = sum(isinstance(module, WanCausalConv3d) for module in vae.decoder.modules())
        self._blank = Memory((None,) * convolutions)

    def frames(self, latents: int, from_nothing: bool = False) -> int:
        """How many frames so many latents show."""
        return latents * self.temporal - (self.temporal - 1 if from_nothing else 0)

    @torch.no_grad()
    def encode(self, frame: Float[Tensor, "3 H W"]) -> Clip:
        """The latent of a picture in 0..1: the first of a video."""
        pixels = (2 * frame - 1)[None, :, None].to(self.device, self.vae.dtype)
        latents = self.vae.encode(pixels).latent_dist.mode()[0].float().to(self.device)
        return ((latents - self._mean) / self._std).transpose(0, 1)

    @torch.no_grad()
    def decode(self, latents: Latents, before: Sequence[Memory | None]) -> tuple[Video, list[Any]]:
        """Frames in 0..1, and the features afterwards; the memories before (None: of nothing) stay as they are."""
        from diffusers.utils.accelerate_utils import apply_forward_hook

        features = _together([memory or self._blank for memory in before])
        scaled = latents.to(self.device).transpose(1, 2) * self._std + self._mean
        # as the VAE's own `decode`, it is brought to its device first where it is offloaded
        video = apply_forward_hook(_decoded)(self.vae, scaled.to(self.vae.dtype), features)
        return (video.float().clamp(-1, 1) / 2 + 0.5).transpose(1, 2).contiguous(), features


def _decoded(vae: Any, latents: Float[Tensor, "b c t h w"], features: list[Any]) -> Float[Tensor, "b 3 n H W"]:
    """Pixels in -1..1, latent by latent; `features` is moved on."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

    given, parts = vae.post_quant_conv(latents), []
    for at in range(latents.shape[2]):
        first = all(each is None for each in features)
        parts.append(vae.decoder(given[:, :, at : at + 1], feat_cache=features, feat_idx=[0], first_chunk=first))
    pixels = torch.cat(parts, 2)
    return unpatchify(pixels, vae.config.patch_size) if vae.config.patch_size else pixels


def _together(before: Sequence[Memory]) -> list[Any]:
    """The features of a batch."""
    if len({memory.kind for memory in before}) > 1:
        raise UserError("decoders that have seen more and less of their videos in one batch: start all alike")
    joined = zip(*(memory.features for memory in before), strict=True)
    return [torch.stack(each) if isinstance(each[0], Tensor) else each[0] for each in joined]


def memories(features: Sequence[Any], batch: int) -> list[Memory]:
    """The memory of each sample, of the features of a batch. Copies: a beam that is dropped frees its own."""
    rows = [[each[i].clone() if isinstance(each, Tensor) else each for each in features] for i in range(batch)]
    return [Memory(tuple(row)) for row in rows]
