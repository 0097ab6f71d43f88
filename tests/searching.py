"""What the tests of the search share: rewards with a known law, a counting denoiser, and a run as data."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rewards.base import RewardSpec, Scores
from sn_eval import search
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


class Drafting(GaussianModel):
    """The Gaussian model with blocks to leave out: its drafts are rounded, and counted."""

    drafts = 0
    rough = False

    @contextmanager
    def drafting(self):
        self.rough = True
        try:
            yield
        finally:
            self.rough = False

    def denoise(self, x, times, cond):
        clean = super().denoise(x, times, cond)
        self.drafts += self.rough * len(x)
        return (clean * 8).round() / 8 if self.rough else clean


@dataclass(frozen=True)
class Foresight:
    """A predictor that goes by the mean of what it is shown: the noise, or the latents of its look."""

    look: int = 0
    keep: float = 0.5

    def scores(self, branches):
        return [float((b.candidate.noise if b.clean is None else b.clean).mean()) for b in branches]


NEEDED = {"predicted": {"predictor": Foresight()}}  # what methods have no default for


def made(name, **params):
    """The method of that name, ready to run."""
    return search.create(name, **NEEDED.get(name, {}), **params)


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
    return ChunkRollout(model or Drafting(size=4, frames_per_chunk=3), steps, chunks, **options)
