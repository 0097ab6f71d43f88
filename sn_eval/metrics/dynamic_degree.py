"""Does the video move? VBench's dynamic degree, by optical flow.

Source: VBench (arXiv:2311.17982): frames about 1/8 s apart; a pair moves where the mean of its 5 % longest flow vectors
exceeds 6 pixels (pictures with a shorter side of 256); a video moves where about a quarter of its pairs do.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.functional import fastest, grow, moves, moving_speed, pairs_needed, unlike
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Measured, Metric, MetricSpec, check_mode, mean_of
from sn_eval.metrics.instruments import FAMILY, FlowInstrument, create_flow, too_small
from sn_eval.results.evaluation import Mode

RATE = 8  # pictures a second that VBench looks at
REACH = 2  # pixels around a change in which motion counts: flow says where edges go, change is seen beside them


@component("dynamic_degree")
class DynamicDegree(Metric):
    """How much moves: mean over pairs of min(1, speed/VBench's threshold); 0..1, 0 for a frozen video.

    Pairs are about 1/8 s apart. Speed is the mean of the 5 % longest flow vectors; the threshold is 18.75 % of the
    shorter side a second, whatever the frame rate. A vector counts only where the picture changed by more than its
    light did, so flicker of a frozen video is no motion. Parts: `moves` (1 where VBench's rule says so, with one
    moving pair at least), `speed` (mean, in % of the shorter side a second).
    mode "reference": 1 or 0 by the published rule, every vector counted. It asks for 6 pixels of 256 a pair, however
    long that takes below 8 frames a second, and calls any video of two pictures moving.
    flow: "dis", or "raft:FILE" with weights of torchvision's raft_large: with its C_T_V1 this is VBench's own
    instrument. NaN for fewer than two pictures, and for those too small for the instrument.
    """

    def __init__(self, flow: str = "dis", mode: Mode = "fixed") -> None:
        check_mode("dynamic_degree", mode)
        self.instrument = create_flow(flow)
        graded = mode == "fixed"  # one bit a video does not follow a fault's severity
        self.spec = MetricSpec(
            "dynamic_degree", (FAMILY,), encoder=self.instrument.name, encoder_sha256=self.instrument.sha256,
            cost=self.instrument.cost, falls_under=("freeze",) if graded else (),
            holds_under=("frozen_flicker",) if graded else (), mode=mode,
        )  # fmt: skip

    def start(self, clip: Clip) -> "Speeds":
        """One number a pair of kept pictures."""
        if not clip.fps > 0:
            raise UserError(f"dynamic_degree: frames per second must be above 0; given {clip.fps}")
        return Speeds(self.instrument, clip.fps, self.spec.mode)


class Speeds:
    """The speed of every pair of kept pictures, in pixels from one to the next."""

    def __init__(self, instrument: FlowInstrument, fps: float, mode: Mode) -> None:
        self.instrument, self.fps, self.mode = instrument, fps, mode
        self.stride = max(1, round(fps / RATE))
        self.seen = self.kept = self.side = 0
        self.last: Float[Tensor, "1 3 h w"] | None = None
        self.speeds: dict[int, float] = {}  # by the number of the later frame

    def add(self, block: Block) -> None:
        """Keep every so many frames and measure the new pairs."""
        pictures = self.instrument.pictures(block)[-len(block) :]
        first = -self.seen % self.stride
        numbers = range(self.seen + first, self.seen + len(block), self.stride)
        self.seen, self.kept, self.side = self.seen + len(block), self.kept + len(numbers), min(pictures.shape[-2:])
        if not numbers or self.side < self.instrument.least_side:
            return
        run = pictures[first :: self.stride]
        run = run if self.last is None else torch.cat([self.last, run])
        self.last = run[-1:].clone()
        if len(run) < 2:
            return
        found = self._measure(block, run)
        self.speeds.update(zip(numbers[len(numbers) - len(found) :], found.tolist(), strict=True))

    def _measure(self, block: Block, run: Float[Tensor, "t 3 h w"]) -> Float[Tensor, "t-1"]:
        """The speed from each picture to the next."""
        all_pairs = self.stride == 1
        motion = self.instrument.neighbours(block) if all_pairs else self.instrument.between(run[:-1], run[1:])
        if self.mode == "fixed":
            motion = motion * grow(unlike(run[:-1], run[1:]), REACH)[:, None]
        return fastest(motion)

    def result(self) -> Measured:
        """Graded, or by the published rule."""
        curve = [math.nan] * self.seen
        if self.kept < 2:
            every = f": one frame in {self.stride} is looked at" if self.stride > 1 else ""
            return Measured(math.nan, curve, note=f"needs two pictures{every}")
        if self.side < self.instrument.least_side:
            return Measured(math.nan, curve, note=too_small(self.instrument, self.side))
        threshold, found = moving_speed(self.side), list(self.speeds.values())
        needed, seconds = pairs_needed(self.kept), self.stride / self.fps
        parts = {"speed": 100 * mean_of(found) / self.side / seconds}
        if self.mode == "fixed":
            threshold, needed = threshold * RATE * seconds, max(1, needed)
            parts["moves"] = float(moves(found, threshold, needed))
        for number, speed in self.speeds.items():
            curve[number] = min(1.0, speed / threshold) if self.mode == "fixed" else float(speed > threshold)
        value = mean_of(curve) if self.mode == "fixed" else float(moves(found, threshold, needed))
        return Measured(value, curve, parts)
