"""Frames in memory: RGB, as floats 0..1 or as bytes."""

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as nnf
from jaxtyping import Float, UInt8
from torch import Tensor

from rewards.base import UserError
from sn_eval.interfaces import NoVideo

Frames: TypeAlias = UInt8[Tensor, "t c h w"] | Float[Tensor, "t c h w"]
Resample: TypeAlias = Literal["nearest", "bicubic"]


def to_uint8(frames: Frames) -> UInt8[Tensor, "t c h w"]:
    """RGB frames as bytes: float 0..1 is rounded (values outside are clipped), bytes stay as they are.

    Raises NoVideo (a UserError) for frames that hold NaN or infinity.

    >>> to_uint8(torch.tensor([0.0, 0.5, 2.0]).view(1, 3, 1, 1)).flatten().tolist()
    [0, 128, 255]
    """
    if frames.dtype == torch.uint8:
        return frames
    if not bool(torch.isfinite(frames).all()):
        bad = (~torch.isfinite(frames)).flatten(1).any(1).nonzero()[0].item()
        raise NoVideo(f"frame {bad} of {len(frames)} holds NaN or infinity: check the model and its dtype")
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8)


def upscale(frames: UInt8[Tensor, "t c h w"], factor: int, how: Resample = "nearest") -> Tensor:
    """Frames `factor` times as wide and high, uint8: small pixels become visible.

    >>> upscale(torch.zeros(2, 3, 4, 5, dtype=torch.uint8), 3).shape
    torch.Size([2, 3, 12, 15])
    """
    if factor < 1:
        raise UserError(f"upscale {factor}: must be a whole number of at least 1")
    if factor == 1:
        return frames
    if how == "nearest":
        return frames.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    larger = nnf.interpolate(frames.float(), scale_factor=factor, mode="bicubic", align_corners=False)
    return larger.round().clamp(0, 255).to(torch.uint8)
