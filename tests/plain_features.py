"""Videos whose pixels are their features, and the formulas of consistency written out in plain Python."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rewards.encoders import Encoder, Network, Preprocessing
from sn_eval import metrics

SMALL = {"encoder": "imagenet-lite0@32"}
Rows = Sequence[Sequence[float]]


class Plain(Network):
    """A picture's pixels are its features; a text's are looked up. Keeps how many pictures each call had."""

    scale = 1.0

    def __init__(self, texts: dict[str, list[float]] | None = None) -> None:
        super().__init__()
        self.weight, self.texts, self.calls = nn.Parameter(torch.ones(1)), texts or {}, []

    def forward(self, x):
        self.calls.append(len(x))
        return x.flatten(1)

    def text(self, texts):
        return torch.tensor([self.texts[text] for text in texts])


def plain(texts: dict[str, list[float]] | None = None) -> Encoder:
    """An encoder that passes features through."""
    return Encoder("plain", "plain", "0" * 64, Preprocessing(1, (0.0,) * 3, (1.0,) * 3), Plain(texts))


def on_plain_features(name: str, mode: str = "fixed", **params: Any) -> Any:
    """The metric of that name, which takes pixels for features."""
    made = metrics.create(name, mode=mode, **SMALL, **params)
    made.encoder = plain()
    return made


def as_frames(rows: Rows | Tensor) -> Tensor:
    """Features [t d] as pictures [t 3 1 d/3] which `plain` encodes as these features; d must be a multiple of 3."""
    rows = torch.as_tensor(rows)
    return rows.reshape(len(rows), 3, 1, -1)


def wandering(frames: int, seed: int = 0, d: int = 6, step: float = 0.6) -> Tensor:
    """Features of a video that changes as it goes."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, d, generator=generator) + step * torch.randn(frames, d, generator=generator).cumsum(0)


def cosine(x: Sequence[float], y: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))


def positive(x: Sequence[float], y: Sequence[float]) -> float:
    return max(0.0, cosine(x, y))


def consistency(rows: Rows) -> float:
    """VBench's: each frame but the first against the first and the one before."""
    scores = [
        (positive(rows[t - 1], rows[t]) + positive(rows[0], rows[t])) / 2
        for t in range(1, len(rows))
    ]  # fmt: skip
    return sum(scores) / len(scores)
