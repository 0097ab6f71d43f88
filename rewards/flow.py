"""Where did each pixel go? Dense optical flow by OpenCV's DIS, with a mask of what can be trusted.

DIS compares patches after taking off their mean, so a change of the light does not look like motion. Source: Kroeger
et al., "Fast Optical Flow using Dense Inverse Search" (ECCV 2016); the trust test is forward-backward consistency.
"""

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

SMALL = 160  # longer side in pixels up to which a picture is searched finer
SLACK, SHARE = 0.5, 0.05  # pixels, and share of the motion, by which there and back may disagree


def flow(
    source: Float[Tensor, "n h w"], target: Float[Tensor, "n h w"]
) -> Float[Tensor, "n 2 h w"]:
    """For each pixel of `source` (grey, 0..1): how far to go, (x, y) in pixels, to find it in `target`.

    Pictures smaller than 12 pixels have no flow that could be measured: zero.
    """
    if min(source.shape[-2:]) < 12:
        return source.new_zeros(len(source), 2, *source.shape[-2:])
    dis = _dis(_finest(*source.shape[-2:]))
    one, two = ((x * 255).round().clamp(0, 255).byte().cpu().numpy() for x in (source, target))
    found = [torch.from_numpy(dis.calc(a, b, None)) for a, b in zip(one, two, strict=True)]
    return torch.stack(found).permute(0, 3, 1, 2).to(source)


def _finest(h: int, w: int) -> int:
    """The last scale (halvings of the size) of DIS's search: a quarter of the size, as its preset; small ones half.

    A quarter of 128 pixels is too coarse: a thing of 30 pixels then seems half as fast as it is. DIS begins where the
    picture is about 32 pixels long, yet no side under 8. Told to end before it begins, it chooses other scales: for
    long narrow pictures such that it reads beyond them, and for all pictures that come later. Those end at the whole
    size.

    >>> _finest(144, 256), _finest(96, 128), _finest(64, 64), _finest(24, 256)
    (2, 1, 0, 0)
    """
    begins = min(int(math.log2(max(h, w) / 32) + 0.5), int(math.log2(min(h, w) / 8)))
    if begins < 2:
        return 0
    return 2 if max(h, w) > SMALL else 1


@lru_cache(maxsize=3)
def _dis(finest: int) -> Any:
    """A DIS engine for each finest scale: what was measured before does not matter."""
    import cv2

    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    engine.setFinestScale(finest)
    return engine


def warp(pictures: Float[Tensor, "n c h w"], motion: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n c h w"]:
    """The pictures read where `motion` points: out[y, x] = pictures[y + dy, x + dx]; the border repeats.

    >>> warp(torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.ones(1, 2, 1, 3) * torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
    tensor([[[[2., 3., 3.]]]])
    """
    h, w = pictures.shape[-2:]
    x, y = ((2 * torch.arange(side).to(pictures) + 1) / side - 1 for side in (w, h))  # centres, in −1..1
    grid = torch.empty(*motion[:, 0].shape, 2).to(pictures)
    torch.add(x, motion[:, 0], alpha=2 / w, out=grid[..., 0])
    torch.add(y[:, None], motion[:, 1], alpha=2 / h, out=grid[..., 1])
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def aligned(
    source: Float[Tensor, "n h w"], target: Float[Tensor, "n h w"]
) -> tuple[Float[Tensor, "n 2 h w"], Bool[Tensor, "n h w"]]:
    """The flow from `source` to `target`, and where it can be trusted (see `trusted`)."""
    there, back = flow(source, target), flow(target, source)
    return there, trusted(there, back)


def trusted(there: Float[Tensor, "n 2 h w"], back: Float[Tensor, "n 2 h w"]) -> Bool[Tensor, "n h w"]:
    """Where going there and back ends at the start, within SLACK plus SHARE of the way, and inside of the picture."""
    h, w = there.shape[-2:]
    x, y = there[:, 0] + torch.arange(w).to(there), there[:, 1] + torch.arange(h).to(there)[:, None]
    inside = ((x - (w - 1) / 2).abs() <= w / 2) & ((y - (h - 1) / 2).abs() <= h / 2)
    return_ = warp(back, there)
    allowed = length(there).add_(length(return_)).mul_(SHARE).add_(SLACK)
    return inside & (length(return_.add_(there)) <= allowed)


def length(motion: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n h w"]:
    """How far each pixel goes (`norm` over a dimension of two takes ten times as long)."""
    return motion[:, 0].square().addcmul_(motion[:, 1], motion[:, 1]).sqrt_()
