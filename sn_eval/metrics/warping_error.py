"""Does the next frame, brought back along the motion, look the same? EvalCrafter's warping error.

Sources: EvalCrafter (arXiv:2310.11440), after Lai et al., "Learning Blind Video Temporal Consistency" (ECCV 2018): the
mean squared difference of a frame to the next one warped back by optical flow, where nothing was covered.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.flow import warp
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Measured, Metric, MetricSpec, PerFrame, check_mode, mean_of
from sn_eval.metrics.instruments import FAMILY, Dis, too_small
from sn_eval.results.evaluation import Mode


@component("warping_error")
class WarpingError(Metric):
    """Mean over pairs of the mean squared difference (of 0..1) to the next frame warped back; 0..1, lower is better.

    Only pixels whose flow there and back agrees count; part `trusted` is their share: where it is low, little was
    compared. Both modes compute this formula, on pictures of at most 256 pixels. A frozen video scores 0: read it
    beside dynamic_degree. A pair in which nothing can be trusted is left out. NaN for a single frame, for pictures
    under 12 pixels, and where no pair is left.
    """

    def __init__(self, mode: Mode = "fixed") -> None:
        check_mode("warping_error", mode)
        self.spec = MetricSpec(
            "warping_error", (FAMILY,), encoder="dis", falls_under=("flicker", "boundary_jump"),
            holds_under=("object_motion", "natural_motion"), higher_is_better=False, mode=mode,
        )  # fmt: skip

    def start(self, clip: Clip) -> "Warped":
        """One number a pair of neighbours."""
        return Warped()


class Warped:
    """The error of every pair, at its later frame, and the share of pixels it was measured on."""

    def __init__(self) -> None:
        self.error, self.trusted = PerFrame(_error), PerFrame(_share)
        self.side = 0

    def add(self, block: Block) -> None:
        """Measure the new pairs."""
        self.side = min(block.small.shape[-2:])
        self.error.add(block)
        self.trusted.add(block)

    def result(self) -> Measured:
        """The mean over pairs that could be compared."""
        found, share = self.error.result(), mean_of(self.trusted.curve)
        pairs = len(found.curve) - 1
        left_out = sum(map(math.isnan, found.curve)) - 1
        if pairs < 1:
            note = found.note
        elif self.side < Dis.least_side:
            note = too_small(Dis(), self.side)
        else:
            note = f"{left_out} of {pairs} pairs left out: nothing in them can be trusted" if left_out else ""
        return Measured(found.value, found.curve, {} if math.isnan(share) else {"trusted": share}, note)


def warping_error(
    frame: Float[Tensor, "n 3 h w"],
    following: Float[Tensor, "n 3 h w"],
    there: Float[Tensor, "n 2 h w"],
    trusted: Bool[Tensor, "n h w"],
) -> Float[Tensor, "n"]:
    """Mean squared difference of each frame to the following one read along the flow `there`, over trusted pixels.

    NaN where nothing can be trusted. Source: EvalCrafter (arXiv:2310.11440); the mean is over colours, too.

    >>> frame = torch.zeros(1, 3, 1, 2)
    >>> warping_error(frame, frame + 0.5, torch.zeros(1, 2, 1, 2), torch.tensor([[[True, False]]])).item()
    0.25
    """
    squares = warp(following, there).sub_(frame).square_().mean(1)
    return (squares * trusted).flatten(1).sum(1) / trusted.flatten(1).sum(1)


def _error(block: Block) -> Float[Tensor, "n"]:
    if min(block.small.shape[-2:]) < Dis.least_side:  # no flow can be measured
        return torch.full((len(block.small) - 1,), math.nan)
    return warping_error(block.small[:-1], block.small[1:], block.motion.there, block.motion.trusted)


def _share(block: Block) -> Float[Tensor, "n"]:
    if min(block.small.shape[-2:]) < Dis.least_side:
        return torch.full((len(block.small) - 1,), math.nan)
    return block.motion.trusted.flatten(1).float().mean(1)
