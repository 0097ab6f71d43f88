"""How the networks that take a noise level for every frame are called: two families, one line of difference each.

SkyReels-V2 diffusion forcing (arXiv:2504.13074) takes a time for each latent frame; Wan 2.2 TI2V takes one for each
token (diffusers: `expand_timesteps`), of which its own call uses two: 0 for a given first frame, another for the rest.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError

Channels = Float[Tensor, "b c t h w"]  # latents as these networks order their axes
Velocity = Callable[[Any, Channels, Float[Tensor, "b t"], Float[Tensor, "b n d"], float], Channels]


def skyreels(
    transformer: Any, x: Channels, times: Float[Tensor, "b t"], text: Float[Tensor, "b n d"], fps: float
) -> Channels:
    """The velocity that SkyReels-V2 gives. It knows two frame rates, 16 and any other."""
    # one entry for the whole batch: with one for each sample diffusers 0.42 cannot add them to a batch's times
    return transformer(
        hidden_states=x,
        timestep=times,
        encoder_hidden_states=text,
        enable_diffusion_forcing=True,
        fps=[0 if fps == 16 else 1],
        return_dict=False,
    )[0]


def wan(
    transformer: Any, x: Channels, times: Float[Tensor, "b t"], text: Float[Tensor, "b n d"], fps: float
) -> Channels:
    """The velocity that Wan 2.2 TI2V gives: all tokens of a frame have its time."""
    _, high, wide = transformer.config.patch_size
    tokens = (x.shape[-2] // high) * (x.shape[-1] // wide)
    expanded = times.repeat_interleave(tokens, 1)
    return transformer(hidden_states=x, timestep=expanded, encoder_hidden_states=text, return_dict=False)[0]


def velocity_of(pipeline: Any) -> Velocity:
    """How this pipeline's network is called; UserError where it takes one level for a whole clip."""
    kind = type(pipeline).__name__
    if kind.startswith("SkyReelsV2DiffusionForcing"):
        return skyreels
    if kind in ("WanPipeline", "WanImageToVideoPipeline") and pipeline.config.expand_timesteps:
        return wan
    takes = inspect.signature(pipeline.__call__).parameters
    other = "use model image_to_video, which takes any pipeline that starts from an image" if "image" in takes else (
        "use a SkyReels-V2 diffusion-forcing or Wan 2.2 TI2V pipeline, or an image-to-video one with image_to_video"
    )  # fmt: skip
    raise UserError(f"a {kind} of this kind has one noise level for a whole clip, not one for every frame: {other}")


def check_size(width: int, height: int, patch: Sequence[int], spatial: int) -> None:
    """UserError unless the sides are whole numbers of the network's patches."""
    for name, value, side in (("width", width, patch[2]), ("height", height, patch[1])):
        unit = spatial * side
        if value < unit or value % unit:
            rule = f"a multiple of {unit} (VAE {spatial} × patch {side})"
            raise UserError(f"{name} is {value}; it must be {rule}: {_fitting(value, unit)}")


def check_chunk(frames: int, temporal: int) -> None:
    """UserError unless a chunk is whole latents."""
    if frames < temporal or frames % temporal:
        raise UserError(
            f"frames_per_chunk is {frames}; it must be a multiple of {temporal}, the frames that one latent shows: "
            f"{_fitting(frames, temporal)}"
        )


def _fitting(value: int, unit: int) -> str:
    """What would fit, below and above.

    >>> _fitting(100, 16), _fitting(3, 16)
    ('use 96 or 112', 'use 16')
    """
    below = value // unit * unit
    return f"use {below} or {below + unit}" if below > 0 else f"use {unit}"
