"""Does motion go on evenly? VBench's motion smoothness: frames against what their neighbours make one expect between.

Source: VBench (arXiv:2311.17982): (255 − mean absolute difference to an interpolated frame, on 0..255)/255, where AMT-S
(arXiv:2304.09790) interpolates. Here the instrument is another: the midpoint by optical flow, named dis-midpoint.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.flow import flow, warp
from rewards.functional import luminance
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Measured, Metric, MetricSpec, check_mode, mean_of
from sn_eval.metrics.instruments import FAMILY, Dis, too_small
from sn_eval.results.evaluation import Mode


@component("motion_smoothness")
class MotionSmoothness(Metric):
    """Mean over frames of 1 − mean absolute difference (of 0..1) to the midpoint of both neighbours; 0..1.

    Every frame between two others counts. mode "reference": only frames 2, 4, 6, …, so of an even number the last one
    is passed over. Measured on pictures of at most 256 pixels. A frozen video scores 1: read it beside dynamic_degree.
    Stutter, which stands still before it jumps, lowers it less surely than jitter. NaN for fewer than three frames, and
    for pictures under 12 pixels.
    """

    def __init__(self, mode: Mode = "fixed") -> None:
        check_mode("motion_smoothness", mode)
        self.spec = MetricSpec(
            "motion_smoothness", (FAMILY,), encoder="dis-midpoint",
            falls_under=("stutter", "jitter", "flicker", "boundary_jump"),
            holds_under=("object_motion", "natural_motion"), mode=mode,
        )  # fmt: skip

    def start(self, clip: Clip) -> "Midpoints":
        """One number a frame between two others."""
        return Midpoints(self.spec.mode)


class Midpoints:
    """How like the midpoint of its neighbours each frame is; the last two frames are kept for the next block."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.last: Float[Tensor, "k 3 h w"] | None = None
        self.seen = self.side = 0
        self.found: list[float] = []  # for each frame between two others

    def add(self, block: Block) -> None:
        """Judge every frame whose second neighbour has come."""
        new = block.small[-len(block) :]
        run = new if self.last is None else torch.cat([self.last, new])
        first = len(self.found) + 1  # the number of the first frame that is judged now
        self.seen, self.last, self.side = self.seen + len(block), run[-2:].clone(), min(run.shape[-2:])
        fresh = torch.full((max(0, len(run) - 2),), math.nan)
        chosen = slice((first + 1) % 2, None, 2) if self.mode == "reference" else slice(None)
        before, middle, after = (part[chosen] for part in (run[:-2], run[1:-1], run[2:]))
        if len(middle) and self.side >= Dis.least_side:
            fresh[chosen] = closeness(middle, midpoint(before, after)).cpu()
        self.found += fresh.tolist()

    def result(self) -> Measured:
        """The mean over judged frames."""
        value = mean_of(self.found)
        curve = [math.nan, *self.found, math.nan][: self.seen] if self.seen else []
        if self.seen < 3:
            return Measured(value, curve, note="needs three frames")
        return Measured(value, curve, note="" if value == value else too_small(Dis(), self.side))


def midpoint(before: Float[Tensor, "n 3 h w"], after: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """The picture halfway: both pictures brought there along half of the flow between them, and averaged."""
    one, two = luminance(before), luminance(after)
    there, back = flow(one, two), flow(two, one)
    return warp(before, 0.5 * back).add_(warp(after, 0.5 * there)).mul_(0.5)


def closeness(picture: Float[Tensor, "n 3 h w"], expected: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
    """1 − mean absolute difference, over pixels and colours.

    >>> closeness(torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), 0.25)).item()
    0.75
    """
    return 1 - (picture - expected).abs_().flatten(1).mean(1)
