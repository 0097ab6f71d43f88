"""Chunk by chunk: each chunk is denoised from its own noise, given the clean end of the video so far.

ScalingNoise (arXiv:2503.16400), image-to-video and diffusion-forcing models. What a look is: `interfaces.Preview`.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import (
    BlackBoxModel,
    Branch,
    CachedBlocks,
    Candidate,
    Clip,
    Cond,
    Finished,
    Image,
    Latents,
    Preview,
    Schedule,
    State,
    StepwiseModel,
    Video,
    VideoModel,
)
from sn_eval.rollouts.decoding import decode_on, total_frames
from sn_eval.rollouts.finite import finite
from sn_eval.sampling import Batches, normal, step


@component("chunk")
@dataclass(frozen=True)
class ChunkRollout:
    """A video of `chunks` chunks, each from its own noise in `steps` denoising steps.

    `preview`: what a look is (early, coarse, ahead, draft); `ahead`: jumps to the clean level of that kind; `eta` 0
    deterministic … 1 ancestral; `max_batch` samples in one network call.
    """

    model: VideoModel
    steps: int = 8
    chunks: int = 6
    preview: Preview = "early"
    eta: float = 0.0
    max_batch: int | None = None
    ahead: int = 2

    name = "chunk"
    preview_is_piece = True

    def __post_init__(self) -> None:
        """Refuses what cannot run."""
        check_knobs(self)
        if self._black_box and self.eta:
            raise UserError(f"model {self.model.name!r} is a black box: its sampler sets eta; leave it 0")

    @property
    def pieces(self) -> int:
        """A piece is a chunk."""
        return self.chunks

    @property
    def frames(self) -> int:
        """Frames of the whole video."""
        return total_frames(self.model, self.chunks)

    def start(self, prompts: Sequence[str], image: Image | None, seed: int, noise_seed: int | None = None) -> State:
        """The beam before the first chunk; what the model starts from is its fixed anchor."""
        if not prompts or not all(prompt.strip() for prompt in prompts):
            raise UserError("the prompt is empty; say in words what the video is to show")
        history = self.model.start(prompts[0], image, seed)
        own = seed if noise_seed is None else noise_seed
        return State(own, tuple(prompts), history, fixed=history.frames)

    def noise_shape(self) -> tuple[int, int, int, int]:
        """(t, c, h, w) of a chunk's latents."""
        return self.model.latent_shape(self.model.frames_per_chunk)

    def matters(self, depth: int) -> bool:
        """Every chunk is shown."""
        return True

    def expand(self, candidates: Sequence[Candidate]) -> list[Branch]:
        """Each candidate at the top level; a parent is conditioned once, however many candidates it has."""
        parents = {c.parent.identity: c.parent for c in candidates}
        states = list(parents.values())
        conds = self.model.condition([s.prompt for s in states], [s.inner for s in states])
        row = {name: conds[i : i + 1] for i, name in enumerate(parents)}
        device = self.model.device
        return [Branch(c, self._top * c.noise.to(device), row[c.parent.identity]) for c in candidates]

    def refine(self, branches: Sequence[Branch], look: int, decode: bool = True) -> list[Branch]:
        """Branches with the preview of `look` evaluations, all in one batch."""
        least = max(1, branches[0].evaluations)
        if not least <= look <= self.steps:
            raise UserError(f"look is {look}; it must lie in {least} … {self.steps} (the denoising steps)")
        if not self._reusable:
            clean = self._whole_run(branches, look, draft=self.preview == "draft")
        elif branches[0].evaluations == look:  # looked at already, and now to be decoded
            clean = torch.stack([b.clean for b in branches if b.clean is not None])
        else:
            x, clean = self._steps(branches, self._schedule, branches[0].evaluations, look, self.eta)
            branches = [replace(b, x=moved, evaluations=look) for b, moved in zip(branches, x, strict=True)]
            if self.preview == "ahead":
                clean = self._jumped(branches)
        seen = [replace(b, clean=c, preview=None) for b, c in zip(branches, clean, strict=True)]
        if not decode:
            return seen
        return [replace(b, preview=f) for b, f in zip(seen, self._decode(clean, branches), strict=True)]

    def commit(self, branches: Sequence[Branch]) -> list[Finished]:
        """The remaining steps for these branches only, decoded, each appended to its own beam."""
        done = branches[0].evaluations
        if self._black_box:
            clean = self._whole_run(branches, self.steps)
        elif done < self.steps:
            clean, _ = self._steps(branches, self._schedule, done, self.steps, self.eta)
        else:
            clean = torch.stack([b.x for b in branches])
        frames, decoders = self._decode_on(clean, branches)
        return [self._finished(*each) for each in zip(branches, clean, frames, decoders, strict=True)]

    def preview_evaluations(self, depth: int, branches: int, seen: int, look: int) -> int:
        """n·(look − seen) early (the run goes on), and n·min(ahead, T − look) more ahead; n·look coarse and draft (runs
        of their own); × 2 with guidance.
        """
        steps = look - seen if self._reusable else look
        if self.preview == "ahead" and steps:
            steps += self._jumps(look)
        return branches * steps * self.model.evaluations_per_call

    def finish_evaluations(self, depth: int, branches: int, parents: int, seen: int) -> int:
        """n·(T − seen) early and ahead, n·T coarse and draft; × 2 with guidance."""
        steps = self.steps - seen if self._reusable else self.steps
        return branches * steps * self.model.evaluations_per_call

    def commit_evaluations(self, branches: Sequence[Branch]) -> int:
        """Chunks share nothing: `finish_evaluations`."""
        parents = {b.candidate.parent.identity for b in branches}
        depth, seen = branches[0].candidate.parent.depth, branches[0].evaluations
        return self.finish_evaluations(depth, len(branches), len(parents), seen)

    def overhead(self) -> int:
        """Nothing is denoised before the first chunk."""
        return 0

    def with_steps(self, steps: int) -> "ChunkRollout":
        """The same rollout with other denoising steps."""
        return replace(self, steps=steps)

    def with_eta(self, eta: float) -> "ChunkRollout":
        """The same rollout with a more, or less, stochastic sampler."""
        return replace(self, eta=eta)

    def with_preview(self, preview: Preview, ahead: int | None = None) -> "ChunkRollout":
        """The same rollout with another kind of look."""
        return replace(self, preview=preview, ahead=self.ahead if ahead is None else ahead)

    # --- the parts ---

    @property
    def _reusable(self) -> bool:
        """Whether the run goes on from what a look has made."""
        return self.preview in ("early", "ahead")

    def _jumps(self, look: int) -> int:
        """Evaluations beyond the look itself of the kind `ahead`: no more than there are levels left."""
        return min(self.ahead, self.steps - look)

    @property
    def _black_box(self) -> bool:
        return self.model.capability == "black_box"

    @cached_property
    def _batches(self) -> Batches:
        return Batches(self.max_batch)

    @cached_property
    def _schedule(self) -> Schedule:
        assert isinstance(self.model, StepwiseModel)
        return self.model.schedule(self.steps).to(self.model.device)

    @cached_property
    def _top(self) -> float:
        return 1.0 if self._black_box else float(self._schedule.noise[-1])

    def _whole_run(self, branches: Sequence[Branch], steps: int, draft: bool = False) -> Latents:
        """Clean latents of a run of `steps` steps from each branch's own noise."""
        model, noise = self.model, self._noise(branches)
        with model.drafting() if draft and isinstance(model, CachedBlocks) else nullcontext():
            if isinstance(model, StepwiseModel):
                schedule = model.schedule(steps).to(model.device)
                tops = [replace(b, x=schedule.noise[-1] * n) for b, n in zip(branches, noise, strict=True)]
                return self._steps(tops, schedule, 0, steps, self.eta)[0]
            assert isinstance(model, BlackBoxModel)
            cond = Cond.cat([b.cond for b in branches])
            clean = self._batches(lambda c, n: model.sample(c, n, steps), cond, noise)
        return self._checked(clean, branches)

    def _jumped(self, branches: Sequence[Branch]) -> Latents:
        """Clean latents of a few deterministic jumps from where each branch is; the branches stay there."""
        now = self.steps - branches[0].evaluations
        jumps = self._jumps(branches[0].evaluations)
        if not jumps:
            return torch.stack([b.x for b in branches])
        levels = [round(now * left / jumps) for left in range(jumps, -1, -1)]
        picked = torch.tensor(levels[::-1], device=self.model.device)
        schedule = Schedule(*(values[picked] for values in vars(self._schedule).values()))
        return self._steps(branches, schedule, 0, jumps, eta=0.0)[0]

    def _steps(
        self, branches: Sequence[Branch], schedule: Schedule, first: int, last: int, eta: float
    ) -> tuple[Latents, Latents]:
        """Evaluations first+1 … last of the schedule, all branches in one batch: (x, the last estimate of x0)."""
        model = self.model
        assert isinstance(model, StepwiseModel)
        x, cond = torch.stack([b.x for b in branches]), Cond.cat([b.cond for b in branches])
        x0 = x
        for done in range(first, last):
            level = schedule.steps - done
            times, *now = schedule.at(level, x.shape[:2])
            _, *then = schedule.at(level - 1, x.shape[:2])
            x0 = self._batches(model.denoise, x, times, cond)
            x = step(x, x0, now, then, eta, self._fresh(branches, done) if eta else None)
        return x, self._checked(x0, branches)

    def _fresh(self, branches: Sequence[Branch], done: int) -> Latents:
        """The stochastic sampler's own noise of one step; named by lineage as all noise is."""
        names = [(b.candidate.parent.seed, b.candidate.parent.depth, b.candidate.key) for b in branches]
        shape = tuple(branches[0].x.shape)
        return torch.stack([normal(shape, *name, "step", done) for name in names]).to(self.model.device)

    def _noise(self, branches: Sequence[Branch]) -> Latents:
        return torch.stack([b.candidate.noise for b in branches]).to(self.model.device)

    def _decode(self, clean: Latents, branches: Sequence[Branch]) -> Video:
        histories = [b.candidate.parent.inner for b in branches]
        return self._checked(self._batches(self.model.decode, clean, histories), branches, "frames")

    def _decode_on(self, clean: Latents, branches: Sequence[Branch]) -> tuple[Video, list[Any]]:
        """Frames of accepted latents, and what each decoder remembers of them."""
        histories = [b.candidate.parent.inner for b in branches]
        return decode_on(
            self.model, self._batches, clean, histories, lambda frames: self._checked(frames, branches, "frames")
        )

    def _finished(self, branch: Branch, clean: Clip, frames: Float[Tensor, "n 3 H W"], decoder: Any) -> Finished:
        candidate, parent = branch.candidate, branch.candidate.parent
        history = self.model.extend(replace(parent.inner, decoder=decoder), clean, frames)
        grown = replace(parent, key=candidate.key, depth=parent.depth + 1, inner=history)
        return Finished(branch, replace(grown, noise=candidate.noise, clean=clean), frames)

    def _checked(self, values: Tensor, branches: Sequence[Branch], what: str = "latents") -> Tensor:
        """The batch, once it is finite; else the chunk and candidate that it belongs to."""

        def where(row: int) -> str:
            bad = branches[row].candidate
            return f"chunk {bad.parent.depth + 1} of {self.chunks}, candidate {bad.index}"

        return finite(values, self.model.name, what, where)


def check_knobs(rollout: Any) -> None:
    """UserError for what no rollout can run with: its counts, its sampler, and looks that its model cannot give."""
    for what in ("steps", "chunks", "max_batch", "ahead"):
        if (value := getattr(rollout, what)) is not None and value < 1:
            raise UserError(f"{what} is {value}; it must be 1 or more")
    if not 0 <= rollout.eta <= 1:
        raise UserError(f"eta is {rollout.eta}; it must lie in 0 (deterministic) … 1 (ancestral)")
    _check_preview(rollout.model, rollout.preview)


def _check_preview(model: VideoModel, preview: Preview) -> None:
    """UserError where this model has no such look."""
    if preview not in get_args(Preview):
        raise UserError(f"preview is {preview!r}; it must be one of {', '.join(get_args(Preview))}")
    if model.capability == "black_box" and preview in ("early", "ahead"):
        raise UserError(f"model {model.name!r} is a black box: it has no {preview} preview; use --preview coarse")
    if preview == "draft" and not isinstance(model, CachedBlocks):
        raise UserError(f"model {model.name!r} has no blocks to cache, which a draft needs; use --preview coarse")
