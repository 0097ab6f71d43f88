"""A long video from a queue on the diagonal: each step denoises every window once, shows the head, pushes new noise.

FIFO-Diffusion (Kim et al., arXiv:2405.11473); a search chooses the noise that is pushed at the tail (ScalingNoise,
arXiv:2503.16400). The windows of a step are independent, hence one batch of all beams; those that beams have in common
are denoised once (`queue`).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import (
    Branch,
    CachedBlocks,
    Candidate,
    Clip,
    Cond,
    Finished,
    History,
    Image,
    Latents,
    Preview,
    State,
    StatefulDecoder,
    StepwiseModel,
    VideoModel,
)
from sn_eval.rollouts.chunk import ChunkRollout, check_knobs
from sn_eval.rollouts.decoding import decode_on, total_frames
from sn_eval.rollouts.diagonal import Diagonal
from sn_eval.rollouts.finite import finite
from sn_eval.rollouts.queue import Layout, Queue, Tail, Window, pushed_tag, start_tag, window_tag
from sn_eval.sampling import Batches, normal, per_frame


@component("fifo")
@dataclass(frozen=True)
class FifoRollout:
    """A video of `chunks` times the model's chunk, latent by latent, from a queue of `steps` latents.

    `window`: latents that are denoised together (0: the model's chunk); `steps` must be a multiple of it, and it must
    be even with `lookahead`. Looks show the tail window: "early" denoises it `look` virtual steps (the first of them
    is the real one and is kept), "ahead" takes it from there to the clean level in `ahead` jumps, "coarse" and "draft"
    take it to the clean level in `look` evaluations that are thrown away. `eta` 0 deterministic … 1 ancestral;
    `max_batch` windows in one network call. The last latents to be pushed are never shown: nothing is searched there.
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
        self._check_model()
        check_knobs(self)
        if self.window < 0:
            raise UserError(f"window is {self.window}; it must be 0 (the model's chunk) or more")
        self._layout.check()

    def _check_model(self) -> None:
        model = self.model
        if model.capability == "black_box":
            raise UserError(f"model {model.name!r} is a black box, which fifo cannot step; use --rollout chunk")
        if not getattr(model, "per_frame_levels", False):
            raise UserError(
                f"model {model.name!r} has one noise level for all frames, and fifo needs one for each; "
                "use --rollout chunk"
            )
        if self._chunk != model.frames_per_chunk and not isinstance(model, StatefulDecoder):
            raise UserError(
                f"model {model.name!r} compresses time and its decoder cannot go on latent by latent, as fifo needs; "
                "use --rollout chunk"
            )

    @property
    def frames(self) -> int:
        """Frames of the whole video."""
        return total_frames(self.model, self.chunks)

    @property
    def pieces(self) -> int:
        """Steps, each of which shows a latent; the queue's repeated first ones leave it before the first is shown."""
        return self.chunks * self._chunk + self._warmup

    def with_steps(self, steps: int) -> "FifoRollout":
        """The same rollout with other denoising steps."""
        return replace(self, steps=steps)

    def with_eta(self, eta: float) -> "FifoRollout":
        """The same rollout with a more, or less, stochastic sampler."""
        return replace(self, eta=eta)

    def with_preview(self, preview: Preview, ahead: int | None = None) -> "FifoRollout":
        """The same rollout with another kind of look."""
        return replace(self, preview=preview, ahead=self.ahead if ahead is None else ahead)

    def noise_shape(self) -> tuple[int, int, int, int]:
        """(1, c, h, w) of the latent that a step pushes."""
        _, c, h, w = self.model.latent_shape(self.model.frames_per_chunk)
        return (1, c, h, w)

    def matters(self, depth: int) -> bool:
        """Whether the latent that is pushed here leaves the queue before the video ends."""
        return depth + self.steps <= self.pieces

    # --- a step: expand, refine, commit ---

    def start(self, prompts: Sequence[str], image: Image | None, seed: int, noise_seed: int | None = None) -> State:
        """The queue from a base clip: its first latent repeated, then the clip, each noised to its place's level."""
        base = ChunkRollout(self.model, self.steps, 1, eta=self.eta, max_batch=self.max_batch)
        begin = base.start(prompts, image, seed, noise_seed)
        noise = normal(base.noise_shape(), begin.seed, "fifo-base")
        first = base.commit(base.expand([Candidate(begin, 0, 0, noise, "plain")]))[0]
        clip, schedule = first.state.clean, self._diagonal.schedule
        assert clip is not None
        slots = clip[(torch.arange(1, self.steps) - (self.steps - len(clip))).clamp(min=0)]
        signal, noises = per_frame(schedule.signal[1:-1]), per_frame(schedule.noise[1:-1])
        slots = signal * slots + noises * normal(tuple(slots.shape), begin.seed, "fifo-queue").to(slots)
        frames = torch.cat([clip[:1].expand(self._layout.front, -1, -1, -1), slots])
        made = (start_tag(seed, begin.seed, begin.prompts[0], image),) * len(frames)
        fixed = begin.fixed if begin.fixed is not None or first.frames is None else first.frames[:1]
        return replace(begin, inner=Queue(frames, made, begin.inner), fixed=fixed)

    def expand(self, candidates: Sequence[Candidate]) -> list[Branch]:
        """Each candidate's tail window, its own noise at the top level; nothing is denoised yet."""
        tails = [self._pushed(c)[-self._layout.size :] for c in candidates]
        conds = [self._diagonal.condition(self._prompt(c.parent, self._layout.tail)) for c in candidates]
        return [Branch(c, Tail(t, t), cond) for c, t, cond in zip(candidates, tails, conds, strict=True)]

    def refine(self, branches: Sequence[Branch], look: int, decode: bool = True) -> list[Branch]:
        """Branches with a preview of the whole tail window, decoded as a stretch of its own."""
        least = max(1, branches[0].evaluations)
        if not least <= look <= self.steps:
            raise UserError(f"look is {look}; it must lie in {least} … {self.steps} (the denoising steps)")
        branches, clean = self._looked_ahead(branches, look) if self._reusable else self._thrown_away(branches, look)
        check = self._checker(branches)
        seen = [replace(b, clean=c, preview=None) for b, c in zip(branches, check(clean, "latents"), strict=True)]
        if not decode:
            return seen
        frames = check(self._batches(self.model.decode, clean, [History()] * len(clean)), "frames")
        return [replace(b, preview=f) for b, f in zip(seen, frames, strict=True)]

    def commit(self, branches: Sequence[Branch]) -> list[Finished]:
        """One step of every branch's whole queue: each distinct window once, tails that no look has stepped."""
        laid = [self._windows(b) for b in branches]
        done = self._stepped(self._due(branches, laid), branches[0].candidate.parent.depth)
        done |= {b.x.tag: b.x.stepped for b in branches if b.x.stepped is not None}
        moved = [self._moved(b, windows, done) for b, windows in zip(branches, laid, strict=True)]
        if branches[0].candidate.parent.depth < self._warmup:
            return [Finished(b, state, None) for b, state in zip(branches, moved, strict=True)]
        return self._shown(branches, moved, [windows[0].tag for windows in laid])

    # --- what it costs ---

    def preview_evaluations(self, depth: int, branches: int, seen: int, look: int) -> int:
        """Windows: n·(look − seen) early, and n·min(ahead, T − look) more ahead; n·look coarse and draft; × 2 with
        guidance.
        """
        turns = look - seen if self._reusable else look
        if self.preview == "ahead" and look > seen:
            turns += self._jumps(look)
        return branches * turns * self.model.evaluations_per_call

    def finish_evaluations(self, depth: int, branches: int, parents: int, seen: int) -> int:
        """u·(windows − 1) for u surviving parents, and n tails where no look has stepped them; × 2 with guidance.

        At the end of the video windows that have no say in what is still to be shown are left out.
        """
        live = self._layout.live(self.pieces - depth)
        total = min(branches, parents) * min(live, self._layout.tail)
        if live == self._layout.windows and not (seen and self._reusable):
            total += branches
        return total * self.model.evaluations_per_call

    def commit_evaluations(self, branches: Sequence[Branch]) -> int:
        """The distinct windows that `commit` has to denoise; × 2 with guidance."""
        due = self._due(branches, [self._windows(b) for b in branches])
        return len(due) * self.model.evaluations_per_call

    def overhead(self) -> int:
        """The base clip."""
        return self.steps * self.model.evaluations_per_call

    # --- the whole queue ---

    def _windows(self, branch: Branch) -> list[Window]:
        """The windows of a branch's queue that have a say in what is still to be shown, head first."""
        candidate, parent, layout = branch.candidate, branch.candidate.parent, self._layout
        made, windows = (*parent.inner.made, pushed_tag(candidate)), []
        for number in range(layout.live(self.pieces - parent.depth)):
            place, prompt, who = layout.reads(number), self._prompt(parent, number), f"window {number + 1}"
            tag, frames = window_tag(number, prompt, made[place]), parent.inner.frames[place]
            if number == layout.tail:  # a copy of a branch keeps the step that the original has made
                tag = tag if branch.x.stepped is None else branch.x.tag
                frames, who = branch.x.pushed, f"candidate {candidate.index}"
            windows.append(Window(tag, number, frames, prompt, who))
        return windows

    def _due(self, branches: Sequence[Branch], laid: Sequence[Sequence[Window]]) -> list[Window]:
        """The distinct windows that are still to be denoised in this step."""
        stepped = {b.x.tag for b in branches if b.x.stepped is not None}
        return list({w.tag: w for windows in laid for w in windows if w.tag not in stepped}.values())

    def _stepped(self, windows: Sequence[Window], depth: int) -> dict[int, Clip]:
        """What each window becomes, by its tag: all of all beams in one batch."""
        if not windows:
            return {}
        x, tags = torch.stack([w.frames for w in windows]), [w.tag for w in windows]
        now = torch.stack([self._levels[self._layout.reads(w.number)] for w in windows])
        cond = Cond.cat([self._diagonal.condition(w.prompt) for w in windows])
        moved, _ = self._diagonal.step(x, cond, now, (now - 1).clamp(min=0), tags)
        self._check(moved, depth, [w.who for w in windows])
        return dict(zip(tags, moved, strict=True))

    def _moved(self, branch: Branch, windows: Sequence[Window], done: Mapping[int, Clip]) -> State:
        """The beam after the step: every window's frames in their places, the head shown, all moved up by one."""
        candidate, parent, layout = branch.candidate, branch.candidate.parent, self._layout
        frames, made = self._pushed(candidate), [*parent.inner.made, pushed_tag(candidate)]
        for window in windows:
            place = layout.writes(window.number)
            frames[place] = done[window.tag][-layout.written :]
            made[place] = [window.tag] * layout.written
        moved = replace(parent.inner, frames=frames[1:], made=tuple(made[1:]))
        grown = replace(parent, key=candidate.key, depth=parent.depth + 1, inner=moved)
        return replace(grown, noise=candidate.noise, clean=frames[layout.front : layout.front + 1])

    def _shown(self, branches: Sequence[Branch], moved: Sequence[State], heads: Sequence[int]) -> list[Finished]:
        """The head of each beam, decoded after what that beam has shown; the same head comes after the same frames.

        The branches are given back with the prompt of what they show: that of the tail may be a later one.
        """
        rows = {tag: row for row, tag in enumerate(heads)}
        states, check = [moved[row] for row in rows.values()], self._checker([branches[row] for row in rows.values()])
        latents = torch.stack([state.clean for state in states if state.clean is not None])
        histories = [state.inner.history for state in states]
        frames, decoders = decode_on(self.model, self._batches, latents, histories, lambda f: check(f, "frames"))
        shown = dict(zip(rows, zip(frames, decoders, strict=True), strict=True))
        latent = branches[0].candidate.parent.depth - self._warmup
        told = [self._diagonal.condition(self._prompt_of(state, latent)) for state in moved]
        asked = [replace(branch, cond=cond) for branch, cond in zip(branches, told, strict=True)]
        return [_finished(b, s, tag, *shown[tag]) for b, s, tag in zip(asked, moved, heads, strict=True)]

    def _pushed(self, candidate: Candidate) -> Clip:
        """The parent's queue with the candidate's noise at the tail: a copy."""
        frames: Clip = candidate.parent.inner.frames
        return torch.cat([frames, self._diagonal.top * candidate.noise.to(frames)])

    def _prompt(self, state: State, window: int) -> str:
        """The prompt of the chunk in which the last latent of this window will be shown."""
        return self._prompt_of(state, state.depth - self._warmup + (window + 1) * self._layout.written - 1)

    def _prompt_of(self, state: State, latent: int) -> str:
        """The prompt of the chunk in which this latent is shown."""
        return state.prompts[min(max(0, latent) // self._chunk, len(state.prompts) - 1)]

    # --- looks at the tail window ---

    @property
    def _reusable(self) -> bool:
        """Whether the first virtual step is the real one."""
        return self.preview in ("early", "ahead")

    def _jumps(self, look: int) -> int:
        """Evaluations beyond the look itself of the kind `ahead`: no more than there are levels left."""
        return min(self.ahead, self.steps - look)

    def _looked_ahead(self, branches: Sequence[Branch], look: int) -> tuple[Sequence[Branch], Latents]:
        """Branches `look` virtual steps on, and their estimate of x0: of the last step, or of jumps from there."""
        done, levels = branches[0].evaluations, self._levels[-self._layout.size :]
        if done == look:
            return branches, torch.stack([b.clean for b in branches if b.clean is not None])
        x = torch.stack([b.x.ahead for b in branches])
        cond, tags = Cond.cat([b.cond for b in branches]), [self._tail_tag(b.candidate) for b in branches]
        for turn in range(done, look):
            now, then = (levels - turn).clamp(min=0), (levels - turn - 1).clamp(min=0)
            before, (x, x0) = x, self._diagonal.step(x, cond, now, then, tags, turn)
            if turn == 0:
                branches = [_first_step(*each) for each in zip(branches, x, tags, strict=True)]
        if self.preview == "ahead":
            clean = self._diagonal.down(x, cond, (levels - look).clamp(min=0), self._jumps(look))
        else:
            clean = self._diagonal.estimate(before, x0, (levels - look + 1).clamp(min=0))
        return [_looked(b, ahead, look) for b, ahead in zip(branches, x, strict=True)], clean

    def _thrown_away(self, branches: Sequence[Branch], look: int) -> tuple[Sequence[Branch], Latents]:
        """The branches as they are, and their tail windows taken to the clean level in `look` evaluations."""
        x, cond, model = torch.stack([b.x.pushed for b in branches]), Cond.cat([b.cond for b in branches]), self.model
        with model.drafting() if self.preview == "draft" and isinstance(model, CachedBlocks) else nullcontext():
            return branches, self._diagonal.down(x, cond, self._levels[-self._layout.size :], look)

    def _tail_tag(self, candidate: Candidate) -> int:
        """Names the tail window as this candidate pushes it."""
        tail, parent = self._layout.tail, candidate.parent
        made = (*parent.inner.made, pushed_tag(candidate))
        return window_tag(tail, self._prompt(parent, tail), made[self._layout.reads(tail)])

    # --- checks and fixed facts ---

    def _check(self, values: Tensor, depth: int, whose: Sequence[str], what: str = "latents") -> Tensor:
        """Refuses NaN and infinity, naming the step and the window or candidate."""
        return finite(values, self.model.name, what, lambda row: f"step {depth + 1} of {self.pieces}, {whose[row]}")

    def _checker(self, branches: Sequence[Branch]) -> Callable[[Tensor, str], Tensor]:
        """`_check` of something that each of these branches has one of."""
        whose = [f"candidate {b.candidate.index}" for b in branches]
        return lambda values, what: self._check(values, branches[0].candidate.parent.depth, whose, what)

    @cached_property
    def _chunk(self) -> int:
        """Latents of the model's chunk."""
        return self.model.latent_shape(self.model.frames_per_chunk)[0]

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self.steps, self.window or self._chunk, self.lookahead)

    @property
    def _warmup(self) -> int:
        """Steps whose head is the base clip's first latent, repeated: not shown."""
        return max(0, self.steps - 1 - self._chunk)

    @cached_property
    def _levels(self) -> Int[Tensor, "t"]:
        return self._layout.levels().to(self.model.device)

    @cached_property
    def _batches(self) -> Batches:
        return Batches(self.max_batch)

    @cached_property
    def _diagonal(self) -> Diagonal:
        assert isinstance(self.model, StepwiseModel)
        return Diagonal(self.model, self.steps, self.eta, self._batches, kept=2 + self.steps // self._chunk)


def _first_step(branch: Branch, stepped: Clip, tag: int) -> Branch:
    return replace(branch, x=replace(branch.x, stepped=stepped, tag=tag))


def _looked(branch: Branch, ahead: Clip, look: int) -> Branch:
    return replace(branch, x=replace(branch.x, ahead=ahead), evaluations=look)


def _finished(branch: Branch, state: State, head: int, frames: Float[Tensor, "n 3 H W"], decoder: Any) -> Finished:
    """The beam whose decoder remembers what was shown; `head` names the window that made it."""
    history = replace(state.inner.history, decoder=decoder)
    return Finished(branch, replace(state, inner=replace(state.inner, history=history)), frames, head)
