"""Videos whose motion is known exactly: a pattern of waves, computed at any shift."""

import math

import torch
from torch import Tensor


def waves(shift_x: Tensor, shift_y: Tensor, size: tuple[int, int]) -> Tensor:
    """[t 3 h w]: waves 8 to 48 pixels long, the longer the stronger, that went (shift_x, shift_y) pixels."""
    draw = torch.Generator().manual_seed(5)
    h, w = size
    y = torch.arange(h).view(1, h, 1) - shift_y.view(-1, 1, 1)
    x = torch.arange(w).view(1, 1, w) - shift_x.view(-1, 1, 1)
    frames = torch.full((len(shift_x), 3, h, w), 0.5)
    for _ in range(12):
        length, way = 8 * 6 ** torch.rand(1, generator=draw), 2 * math.pi * torch.rand(1, generator=draw)
        phase, weight = 6 * torch.rand(3, generator=draw), 0.004 * length * torch.rand(3, generator=draw)
        angle = 2 * math.pi / length * (x * way.cos() + y * way.sin())
        frames += weight.view(1, 3, 1, 1) * torch.cos(angle[:, None] + phase.view(1, 3, 1, 1))
    return frames.clamp(0, 1)


def gliding(count: int, dx: float, dy: float = 0.0, size: tuple[int, int] = (80, 112)) -> Tensor:
    """`count` frames that go (dx, dy) pixels a frame."""
    time = torch.arange(float(count))
    return waves(dx * time, dy * time, size)


def spoilt(video: Tensor, at: int) -> Tensor:
    """The video with one frame turned to its negative."""
    changed = video.clone()
    changed[at] = 1 - changed[at]
    return changed


def still(count: int, size: tuple[int, int] = (80, 112)) -> Tensor:
    """A frozen video."""
    return gliding(1, 0, size=size).expand(count, -1, -1, -1).contiguous()
