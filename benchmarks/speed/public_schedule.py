"""The public algorithm's own schedule of calls in FIFO mode, as a plain loop: nothing batched, shared or left out.

ScalingNoise (arXiv:2503.16400), from the description of its schedule in our design: every candidate's tail window is
denoised alone, all frames of its preview are decoded, the reward is called once for each of them; every beam's other
windows are denoised one by one; and the search goes on while the queue drains, on frames that nobody sees. Its defects
of quality are not repeated here. Start, noise and arithmetic of a step are ours, so that both schedules make the same
video and differ in cost alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sn_eval.interfaces import Clip, Cond, History
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.sampling import child, normal, per_frame, step
from sn_eval.video import to_uint8


@dataclass(frozen=True)
class Beam:
    """An unfinished video: its queue, behind the clean frames that the first window sees; its lineage; what it showed.
    """

    frames: Clip
    key: int
    fixed: Float[Tensor, "a 3 H W"]
    shown: tuple[Float[Tensor, "1 3 H W"], ...] = ()
    scores: tuple[float, ...] = ()

    @property
    def anchor(self) -> Float[Tensor, "1 a 3 H W"]:
        """What it started from, and the last two frames."""
        return torch.cat([self.fixed, *self.shown[-2:]])[None]


@dataclass(frozen=True)
class Tried:
    """A candidate of a beam: what its tail window writes, and its score."""

    beam: Beam
    index: int
    key: int
    tail: Clip
    score: float


class PublicSchedule:
    """A search of `beams` beams and `candidates` candidates a beam on a queue of this rollout's sizes."""

    def __init__(self, rollout: FifoRollout, reward: Any, prompt: str, beams: int, candidates: int) -> None:
        self.rollout, self.reward, self.prompt = rollout, reward, prompt
        self.model: Any = rollout.model
        self.beams, self.candidates = beams, candidates
        self.size = rollout.window or rollout.model.frames_per_chunk
        self.written = self.size // 2 if rollout.lookahead else self.size
        self.windows = rollout.steps // self.written
        self.schedule = self.model.schedule(rollout.steps).to(self.model.device)

    def run(self, seed: int = 0) -> Iterator[list[Beam]]:
        """The beams after each iteration, best first."""
        begun = self.rollout.start([self.prompt], None, seed)
        assert begun.fixed is not None
        cond = self.model.condition([self.prompt], [History()])
        alive = [Beam(begun.inner.frames, 0, begun.fixed)]
        for depth in range(self.rollout.pieces):
            tried = [self._try(beam, i, cond, depth, seed) for beam in alive for i in range(self.candidates)]
            bodies = {beam.key: self._body(beam, cond) for beam in alive}
            tried.sort(key=lambda each: (-each.score, each.index, each.beam.key))
            alive = [self._moved(each, bodies[each.beam.key], depth) for each in tried[: self.beams]]
            yield alive

    @staticmethod
    def video(beams: list[Beam]) -> Tensor:
        """The frames of the beam with the best scores, as they would be written."""
        return to_uint8(torch.cat(max(beams, key=lambda beam: fmean(beam.scores)).shown))

    def _try(self, beam: Beam, index: int, cond: Cond, depth: int, seed: int) -> Tried:
        key = child(beam.key, index)
        noise = normal(self.rollout.noise_shape(), seed, self.prompt, depth, key).to(beam.frames)
        pushed = torch.cat([beam.frames, self.schedule.noise[-1] * noise])
        tail, clean = self._denoise(pushed, self.windows - 1, cond)
        scores = [self._score(picture, beam) for picture in self.model.decode(clean[None], [History()])[0]]
        return Tried(beam, index, key, tail, fmean(scores))

    def _score(self, picture: Float[Tensor, "3 H W"], beam: Beam) -> float:
        scores = self.reward(picture[None, None], [self.prompt], fps=self.model.fps, anchor=beam.anchor)
        return float(scores.values[0])

    def _body(self, beam: Beam, cond: Cond) -> list[Clip]:
        """All windows but the last one."""
        return [self._denoise(beam.frames, window, cond)[0] for window in range(self.windows - 1)]

    def _denoise(self, frames: Clip, window: int, cond: Cond) -> tuple[Clip, Clip]:
        """(what a window writes after one step, its estimate of clean frames): one evaluation of one sample."""
        begin = window * self.written
        x = frames[None, begin : begin + self.size]
        top = begin + self.written  # the level of its last frame
        now = torch.arange(top - self.size + 1, top + 1, device=x.device).clamp(min=0)
        times, *here = self.schedule.at(now, x.shape[:2])
        _, *there = self.schedule.at((now - 1).clamp(min=0), x.shape[:2])
        x0 = self.model.denoise(x, times, cond)
        moved = step(x, x0, here, there)
        return moved[0, -self.written :], torch.where(per_frame(here[1]) > 0, x0, x)[0]

    def _moved(self, tried: Tried, body: list[Clip], depth: int) -> Beam:
        """The beam of a chosen candidate: body and tail joined, its head shown, all moved up by one."""
        beam, queue = tried.beam, torch.cat([*body, tried.tail])
        frames = torch.cat([beam.frames[: self.size - self.written], queue])[1:]
        grown = replace(beam, frames=frames, key=tried.key, scores=(*beam.scores, tried.score))
        if depth < self.rollout.pieces - self.rollout.frames:  # the queue still holds the repeated first frame
            return grown
        return replace(grown, shown=(*beam.shown, self.model.decode(queue[None, :1], [History()])[0]))
