"""A queue on the diagonal: frame i of the queue is at noise level i+1; each step denoises all once and
shows one.

FIFO-Diffusion (Kim et al., arXiv:2405.11473): a queue of T frames in windows of f, windows independent
within a step, hence one batch. With lookahead denoising windows overlap by half and only the later half is
written. A search chooses the noise that is pushed at the tail (ScalingNoise, arXiv:2503.16400).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import (
    Branch,
    Candidate,
    Clip,
    Cond,
    Finished,
    History,
    Image,
    Latents,
    Preview,
    Schedule,
    State,
    StepwiseModel,
    VideoModel,
)
from sn_eval.rollouts.chunk import ChunkRollout, check_preview
from sn_eval.rollouts.finite import finite
from sn_eval.sampling import Batches, normal, per_frame, step


@dataclass(frozen=True)
class Queue:
    """What a beam carries: slots 0 … T−2 at levels 1 … T−1 (each step pushes slot T−1), and what was shown
    last.
    """

    slots: Float[Tensor, "q c h w"]
    front: Float[Tensor, "a c h w"]  # clean: the lookahead's first window looks back at them
    history: History


@dataclass(frozen=True)
class Tail:
    """A branch's last window: as pushed, after its real step (once a look has made it), and as it is looked
    ahead.
    """

    pushed: Clip
    ahead: Clip
    stepped: Clip | None = None


@component("fifo")
@dataclass(frozen=True)
class FifoRollout:
    """A video of `chunks`·frames_per_chunk frames from a queue of `steps` frames, in windows of `window`
    frames.

    `steps` must be a multiple of the window (0: the model's frames_per_chunk), and the window even with
    `lookahead`. Previews: "early" denoises the tail window `look` virtual steps (the first of them is the
    real one); "coarse" takes it to level 0 in `look` evaluations. The last frames to be pushed are never
    shown: nothing is searched there.
    """

    model: VideoModel
    steps: int = 12
    chunks: int = 6
    preview: Preview = "early"
    eta: float = 0.0
    max_batch: int | None = None
    window: int = 0
    lookahead: bool = True
    ahead: int = 2

    name = "fifo"
    preview_is_piece = False

    def __post_init__(self) -> None:
        """Refuses what cannot run."""
        model = self.model
        if not getattr(model, "per_frame_levels", False):
            raise UserError(f"model {model.name!r} has no noise level per frame, which fifo needs; use chunk")
        for what in ("steps", "chunks", "max_batch", "ahead"):
            if (value := getattr(self, what)) is not None and value < 1:
                raise UserError(f"{what} is {value}; it must be 1 or more")
        check_preview(model, self.preview)
        if self.window < 0 or self.steps % self._size:
            raise UserError(f"steps is {self.steps}; fifo needs a multiple of the window of {self._size} frames")
        if self.lookahead and self._size % 2:
            raise UserError(f"the window has {self._size} frames; lookahead needs an even number")
        if model.latent_shape(self._size)[0] != self._size:
            raise UserError(f"model {model.name!r} compresses time, which fifo cannot yet decode; use chunk")
        if not 0 <= self.eta <= 1:
            raise UserError(f"eta is {self.eta}; it must lie in 0 (deterministic) … 1 (ancestral)")

    @property
    def frames(self) -> int:
        """Frames of the whole video."""
        return self.chunks * self.model.frames_per_chunk

    @property
    def pieces(self) -> int:
        """Steps: the queue's repeated first frames leave it before the first one is shown."""
        return self.frames + self._warmup

    def with_steps(self, steps: int) -> "FifoRollout":
        """The same rollout with other denoising steps."""
        return replace(self, steps=steps)

    def with_eta(self, eta: float) -> "FifoRollout":
        """The same rollout with a more, or less, stochastic sampler."""
        return replace(self, eta=eta)

    def with_preview(self, preview: Preview, ahead: int | None = None) -> "FifoRollout":
        """The same rollout with another kind of look."""
        return replace(self, preview=preview, ahead=ahead or self.ahead)

    def noise_shape(self) -> tuple[int, int, int, int]:
        """(t, c, h, w) of the frame that a step pushes."""
        return self.model.latent_shape(1)

    def matters(self, depth: int) -> bool:
        """Whether the frame that is pushed here leaves the queue before the video ends."""
        return depth + self.steps <= self.pieces

    def start(self, prompts: Sequence[str], image: Image | None, seed: int, noise_seed: int | None = None) -> State:
        """The queue from a base clip: its first frame repeated, then the clip, each noised to its slot's
        level.
        """
        base = ChunkRollout(self.model, self.steps, 1, eta=self.eta, max_batch=self.max_batch)
        begin = base.start(prompts, image, seed, noise_seed)
        noise = normal(base.noise_shape(), begin.seed, "fifo-base")
        first = base.commit(base.expand([Candidate(begin, 0, 0, noise, "plain")]))[0]
        clip = first.state.clean
        assert clip is not None
        slots = clip[(torch.arange(1, self.steps) - (self.steps - len(clip))).clamp(min=0)]
        signal, noises = (per_frame(v[1:-1]) for v in (self._schedule.signal, self._schedule.noise))
        queue = signal * slots + noises * normal(tuple(slots.shape), begin.seed, "fifo-queue").to(slots)
        front = clip[:1].expand(self._size - self._written, -1, -1, -1)
        fixed = begin.fixed if begin.fixed is not None or first.frames is None else first.frames[:1]
        return replace(begin, inner=Queue(queue, front, first.state.inner), fixed=fixed)

    def expand(self, candidates: Sequence[Candidate]) -> list[Branch]:
        """Each candidate's tail window, its own noise at the top level; nothing is denoised yet."""
        prompts = [self._prompt(c.parent, self.steps - 1) for c in candidates]
        conds = self._conditions(prompts)
        tails = [self._full(c)[-self._size :] for c in candidates]
        return [Branch(c, Tail(t, t), conds[p]) for c, t, p in zip(candidates, tails, prompts, strict=True)]

    def refine(self, branches: Sequence[Branch], look: int, decode: bool = True) -> list[Branch]:
        """Branches with a preview of all frames of their tail window."""
        if not 1 <= look <= self.steps:
            raise UserError(f"look is {look}; it must lie in 1 … {self.steps} (the denoising steps)")
        early = self.preview == "early"
        done = branches[0].evaluations if early else 0
        x = torch.stack([b.x.ahead if early else b.x.pushed for b in branches])
        cond, stepped, clean = Cond.cat([b.cond for b in branches]), None, x
        for turn in range(done, look):
            now, then = (self._ahead(t, look) for t in (turn, turn + 1))
            x, clean = self._denoised(x, cond, now, then, self._fresh(branches, turn))
            stepped = x if turn == 0 and early else stepped
        depth = branches[0].candidate.parent.depth
        whose = [f"candidate {b.candidate.index}" for b in branches]
        self._check(clean, depth, whose)
        frames = self._batches(self.model.decode, clean, [b.candidate.parent.inner.history for b in branches])
        self._check(frames, depth, whose, "frames")
        return [self._seen(b, x[i], stepped, i, frames[i], look) for i, b in enumerate(branches)]

    def commit(self, branches: Sequence[Branch]) -> list[Finished]:
        """One step of the whole queue: the windows of each surviving parent once, tails that no look has
        stepped.
        """
        states = {b.candidate.parent.identity: b.candidate.parent for b in branches}
        depth = branches[0].candidate.parent.depth
        live = self._live(depth)
        jobs = [(s, w) for s in states.values() for w in range(min(live, self._windows - 1))]
        tails = [b for b in branches if b.x.stepped is None] if live == self._windows else []
        bodies, stepped = self._step_all(depth, jobs, tails)
        moved = [self._moved(b, bodies, stepped) for b in branches]
        if depth < self._warmup:
            return [Finished(b, state, None) for b, state in zip(branches, moved, strict=True)]
        shown = torch.stack([state.clean for state in moved if state.clean is not None])
        frames = self._batches(self.model.decode, shown, [state.inner.history for state in moved])
        self._check(frames, depth, [f"candidate {b.candidate.index}" for b in branches], "frames")
        return [Finished(b, s, f) for b, s, f in zip(branches, moved, frames, strict=True)]

    def preview_evaluations(self, depth: int, branches: int, seen: int, look: int) -> int:
        """Window evaluations: n·(look − seen) early, n·look coarse; × 2 with guidance."""
        turns = look if self.preview == "coarse" else look - seen
        return branches * turns * self.model.evaluations_per_call

    def finish_evaluations(self, depth: int, branches: int, parents: int, seen: int) -> int:
        """u·(windows − 1) for u surviving parents, and n tails that no early look has stepped; × 2 with
        guidance.

        Windows that hold only frames which are never shown are left out at the end of the video.
        """
        live = self._live(depth)
        total = min(branches, parents) * min(live, self._windows - 1)
        if live == self._windows and (seen == 0 or self.preview == "coarse"):
            total += branches
        return total * self.model.evaluations_per_call

    def commit_evaluations(self, branches: Sequence[Branch]) -> int:
        """What `commit` spends."""
        seen = branches[0].previews[-1][0] if branches[0].previews else 0
        parents = {b.candidate.parent.identity for b in branches}
        return self.finish_evaluations(branches[0].candidate.parent.depth, len(branches), len(parents), seen)

    def overhead(self) -> int:
        """The base clip."""
        return self.steps * self.model.evaluations_per_call

    # --- windows ---

    @property
    def _size(self) -> int:
        return self.window or self.model.frames_per_chunk

    @property
    def _written(self) -> int:
        """Slots that a window writes: its later half with lookahead."""
        return self._size // 2 if self.lookahead else self._size

    @property
    def _windows(self) -> int:
        return self.steps // self._written

    @property
    def _warmup(self) -> int:
        """Steps whose frame is the base clip's first one, repeated: not shown."""
        return max(0, self.steps - 1 - self.model.frames_per_chunk)

    def _live(self, depth: int) -> int:
        """Windows that still reach a frame to be shown, now or when the queue has moved on."""
        slots = min(self.steps, self.pieces - depth + self._written - 1)
        return -(-slots // self._written)

    def _ahead(self, turn: int, look: int) -> Int[Tensor, "t"]:
        """Levels of the tail window after `turn` turns: one down each (early), or all down to 0 in `look`
        (coarse).
        """
        levels = torch.arange(self.steps - self._size + 1, self.steps + 1)
        if self.preview == "early":
            return (levels - turn).clamp(min=0)
        return (levels * (look - turn) / look).round().long()

    def _full(self, candidate: Candidate) -> Clip:
        """The parent's queue with the candidate's noise pushed: slot i at level i+1."""
        slots = candidate.parent.inner.slots
        return torch.cat([slots, self._schedule.noise[-1] * candidate.noise.to(slots)])

    def _body(self, state: State, window: int) -> tuple[Clip, Int[Tensor, "t"]]:
        """Frames and levels of a window that does not reach the pushed frame."""
        queue: Queue = state.inner
        frames, begin = torch.cat([queue.front, queue.slots]), window * self._written
        levels = torch.arange(1 - len(queue.front), self.steps).clamp(min=0)
        return frames[begin : begin + self._size], levels[begin : begin + self._size]

    def _step_all(
        self, depth: int, jobs: Sequence[tuple[State, int]], tails: Sequence[Branch]
    ) -> tuple[dict[tuple[tuple[int, int], int], Clip], dict[tuple[int, int], Clip]]:
        """Every window of one step in one batch: the bodies by (parent, window), the tails by candidate."""
        if not jobs and not tails:
            return {}, {}
        bodies = [self._body(state, window) for state, window in jobs]
        x = torch.stack([*(frames for frames, _ in bodies), *(b.x.pushed for b in tails)])
        now = torch.stack([*(levels for _, levels in bodies), *(self._ahead(0, 1) for _ in tails)])
        prompts = [self._prompt(state, window * self._written) for state, window in jobs]
        conds = self._conditions(prompts)
        cond = Cond.cat([*(conds[p] for p in prompts), *(b.cond for b in tails)])
        names = [(s.seed, s.depth, s.key, "window", w) for s, w in jobs]
        fresh = self._drawn([*names, *(self._turn(b, 0) for b in tails)], x[0])
        moved, clean = self._denoised(x, cond, now, (now - 1).clamp(min=0), fresh)
        whose = [f"window {w + 1}" for _, w in jobs] + [f"candidate {b.candidate.index}" for b in tails]
        self._check(clean, depth, whose)
        done = {(s.identity, w): x for (s, w), x in zip(jobs, moved, strict=False)}
        return done, {b.candidate.identity: x for b, x in zip(tails, moved[len(jobs) :], strict=True)}

    def _denoised(
        self, x: Latents, cond: Cond, now: Tensor, then: Tensor, fresh: Latents | None
    ) -> tuple[Latents, Latents]:
        """One evaluation and step from levels `now` to `then` ([t] or [b t]): (x, the estimate of x0)."""
        times, *here = self._schedule.at(now, x.shape[:2])
        _, *there = self._schedule.at(then, x.shape[:2])
        x0 = self._batches(self._stepwise.denoise, x, times, cond)
        clean = torch.where(per_frame(here[1]) > 0, x0, x)
        return step(x, x0, here, there, self.eta, fresh), clean

    # --- branches and states ---

    def _seen(
        self,
        branch: Branch,
        x: Clip,
        stepped: Latents | None,
        row: int,
        frames: Float[Tensor, "t 3 H W"],
        look: int,
    ) -> Branch:
        if self.preview == "coarse":
            return replace(branch, preview=frames)
        kept = branch.x.stepped if stepped is None else stepped[row]
        return replace(branch, x=replace(branch.x, ahead=x, stepped=kept), evaluations=look, preview=frames)

    def _moved(
        self,
        branch: Branch,
        bodies: dict[tuple[tuple[int, int], int], Clip],
        tails: dict[tuple[int, int], Clip],
    ) -> State:
        """The queue after the step: every window's slots in their places, the first one shown, all moved up
        by one.
        """
        candidate, parent = branch.candidate, branch.candidate.parent
        slots, queue = self._full(candidate), parent.inner
        written = self._written
        for window in range(self._windows - 1):
            if (parent.identity, window) in bodies:
                place = slice(window * written, (window + 1) * written)
                slots[place] = bodies[parent.identity, window][-written:]
        tail = branch.x.stepped if branch.x.stepped is not None else tails.get(candidate.identity)
        if tail is not None:
            slots[-written:] = tail[-written:]
        shown = slots[:1]
        front = torch.cat([queue.front, shown])[1:] if len(queue.front) else queue.front
        moved = replace(queue, slots=slots[1:].clone(), front=front)
        grown = replace(parent, key=candidate.key, depth=parent.depth + 1, inner=moved)
        return replace(grown, noise=candidate.noise, clean=shown.clone())

    def _prompt(self, state: State, slot: int) -> str:
        """The prompt of the chunk in which this slot's frame will be shown."""
        chunk = max(0, state.depth - self._warmup + slot) // self.model.frames_per_chunk
        return state.prompts[min(chunk, len(state.prompts) - 1)]

    def _conditions(self, prompts: Sequence[str]) -> dict[str, Cond]:
        """A condition for each prompt. A window follows frames that are still noisy: no clean history is
        given.
        """
        known = list(dict.fromkeys(prompts))
        if not known:
            return {}
        conds = self.model.condition(known, [History()] * len(known))
        return {prompt: conds[i : i + 1] for i, prompt in enumerate(known)}

    def _fresh(self, branches: Sequence[Branch], turn: int) -> Latents | None:
        return self._drawn([self._turn(b, turn) for b in branches], branches[0].x.pushed)

    @staticmethod
    def _turn(branch: Branch, turn: int) -> tuple[int | str, ...]:
        parent = branch.candidate.parent
        return (parent.seed, parent.depth, branch.candidate.key, "step", turn)

    def _drawn(self, names: Sequence[tuple[int | str, ...]], like: Clip) -> Latents | None:
        """The sampler's own noise, where it is stochastic, named by lineage."""
        if not self.eta:
            return None
        return torch.stack([normal(tuple(like.shape), *name) for name in names]).to(like)

    def _check(self, values: Tensor, depth: int, whose: Sequence[str], what: str = "latents") -> Tensor:
        """Refuses NaN and infinity, naming the step and the window or candidate."""
        return finite(values, self.model.name, what, lambda row: f"step {depth + 1} of {self.pieces}, {whose[row]}")

    @cached_property
    def _stepwise(self) -> StepwiseModel:
        assert isinstance(self.model, StepwiseModel)
        return self.model

    @cached_property
    def _batches(self) -> Batches:
        return Batches(self.max_batch)

    @cached_property
    def _schedule(self) -> Schedule:
        return self._stepwise.schedule(self.steps).to(self.model.device)
