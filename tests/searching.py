"""What the tests of the search share: rewards with a known law, a counting denoiser, and a run as data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rewards.base import RewardSpec, Scores
from sn_eval.interfaces import Generated
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.chunk import ChunkRollout


@dataclass
class Linear:
    """Weighted mean of the pixels: linear in the latents, so that its law has a closed form."""

    weights: Tensor | None = None  # over frames
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spec(self) -> RewardSpec:
        return RewardSpec("linear", ("pixels",), (-1e3, 1e3))

    def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None) -> Scores:
        self.calls.append({"batch": len(frames), "prompts": list(prompts), "anchor": anchor})
        means = frames.mean((2, 3, 4))
        weights = torch.ones(frames.shape[1]) if self.weights is None else self.weights
        return Scores((means * weights).sum(1), None, {"mean": means.mean(1)})


@dataclass
class Unscored(Linear):
    """Never scores."""

    def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None) -> Scores:
        return Scores(torch.full((len(frames),), float("nan")))


@dataclass
class NearAnchor(Linear):
    """High while the clip looks like its own beam's anchors: depends on the history."""

    def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None) -> Scores:
        anchor = frames[:, :1] if anchor is None else anchor
        return Scores(-(frames.mean(1) - anchor.mean(1)).abs().mean((1, 2, 3)))


def counted(model) -> Callable[[], int]:
    """A count of the samples that the denoiser has evaluated, read from outside of the search."""
    seen = [0]
    model.denoiser.register_forward_pre_hook(lambda _, args: seen.__setitem__(0, seen[0] + len(args[0])))
    return lambda: seen[0]


@dataclass
class Run:
    """A run as data."""

    frames: Tensor
    rows: list[dict[str, Any]]
    generated: Generated


def run(method, rollout, reward=None, prompts: Sequence[str] = ("a red ball",), **options) -> Run:
    frames: list[Tensor] = []
    rows: list[dict[str, Any]] = []
    reward = Linear() if reward is None else reward
    generated = method(rollout, reward, prompts, emit=frames.append, trace=rows.append, **options)
    return Run(torch.cat(frames), rows, generated)


def chunks(model=None, steps=6, chunks=3, **options) -> ChunkRollout:
    return ChunkRollout(model or GaussianModel(size=4, frames_per_chunk=3), steps, chunks, **options)
