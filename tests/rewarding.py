"""Drawn scenes for the tests of rewards: a disc or box on a table before a wall, and what can go wrong."""

from collections.abc import Sequence

import torch
from torch import Tensor

RED, BLUE, WINE = (0.85, 0.12, 0.10), (0.13, 0.28, 0.85), (0.42, 0.02, 0.10)


class Params(dict):
    """Parameters by reward; the head of a learned one is fitted when it is first asked for."""

    def get(self, name, default=None):
        if name == "learned":
            from labelled import drawn_head  # which draws with this module

            return {"head": str(drawn_head())}
        return super().get(name, default)


PARAMS = Params(composite={"parts": [{"use": "object_persistence"}, {"use": "lighting_consistency", "weight": 0.5}]})


def picture(
    things: Sequence[tuple[str, tuple[float, float, float], float, float, float]],
    table: tuple[float, float, float] = (0.80, 0.80, 0.82),
    wall: tuple[float, float, float] = (0.64, 0.83, 0.68),
) -> Tensor:
    """[3 64 64]: things are (kind, colour, x, y, radius); a disc is shaded as a ball is."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    ground = torch.where((rows < 34)[None], _rgb(wall) * (1 + 0.002 * (columns - 32)), _rgb(table))
    for kind, colour, x, y, radius in things:
        dx, dy = (columns - x) / radius, (rows - y) / radius
        far = torch.hypot(dx, dy) if kind == "disc" else torch.maximum(dx.abs(), dy.abs())
        cover = ((1 - far) * radius + 0.5).clamp(0, 1)
        shade = 0.95 - 0.3 * dx.clamp(-1, 1) if kind == "disc" else torch.where(dx < 0.2, 1.0, 0.65)
        ground = ground + cover * ((_rgb(colour) * shade).clamp(0, 1) - ground)
    return ground


def _rgb(colour: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colour).view(3, 1, 1)


def video(
    frames: int = 6,
    *,
    start: float = 18,
    speed: float = 2,
    colour=RED,
    kind="disc",
    radius=6.0,
    others=(),
    seed=0,
    noise: float = 0.01,
    **ground,
) -> Tensor:
    """[1 t 3 64 64]: one thing rolls to the right; `others` stand still."""
    clip = [
        picture([*others, (kind, colour, start + speed * t, 46, radius)], **ground) for t in range(frames)
    ]
    return noisy(torch.stack(clip)[None], seed, noise)


def still(frames: int, things=(), **ground) -> Tensor:
    """[1 t 3 64 64]: nothing moves."""
    return noisy(picture(things, **ground).expand(1, frames, -1, -1, -1))


def noisy(frames: Tensor, seed: int = 0, sigma: float = 0.01) -> Tensor:
    """What a codec of 40 dB leaves."""
    generator = torch.Generator().manual_seed(seed)
    return (frames + sigma * torch.randn(frames.shape, generator=generator)).clamp(0, 1)


def exposed(frames: Tensor, stops: Tensor | float) -> Tensor:
    """More or less light by stops (EV), near enough to sRGB."""
    return (frames**2.2 * 2.0**stops).clamp(0, 1) ** (1 / 2.2)


def ramp(frames: Tensor, to: float) -> Tensor:
    """0 at the first frame, `to` at the last; shaped to multiply frames."""
    return torch.linspace(0, to, frames.shape[1]).view(1, -1, 1, 1, 1)


def score(reward, frames: Tensor, anchor: Tensor | None = None, prompt: str = "a ball", **more) -> float:
    """One video's value."""
    return reward(frames, [prompt] * len(frames), fps=8.0, anchor=anchor, **more).values[0].item()
