"""Does the picture jump where one chunk ends and the next begins?

Steps across chunk boundaries are compared with steps inside of chunks, so motion does not count: METRICS.md, "Drift".
"""

import math
import statistics
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Measured, Metric, MetricSpec, PerFrame, mean_of


@component("boundary_jump")
class BoundaryJump(Metric):
    """Mean step at the chunk boundaries less the median step inside of chunks; −1..1, 0 no seams, lower is better.

    A step is the mean absolute pixel difference of neighbours (of 0..1). frames_per_chunk: of videos whose metadata
    does not say. first_boundary: the first frame (from 0) that lies behind a boundary; left out, the metadata's, else
    the frames of start context that it names as start_frames, else frames_per_chunk. Steps inside of the start context
    are no model's and do not count. Curve: the step to each frame. Parts: `boundary` and `inside` (the two sizes) and
    `ratio` of the first to the second (NaN where nothing moves inside). NaN where the video has no boundary.
    """

    def __init__(self, frames_per_chunk: int | None = None, first_boundary: int | None = None) -> None:
        self.frames_per_chunk, self.first_boundary = frames_per_chunk, first_boundary
        self.spec = MetricSpec(
            "boundary_jump", ("frame-difference",), range=(-1.0, 1.0), falls_under=("boundary_jump",),
            holds_under=("object_motion",), higher_is_better=False,
        )  # fmt: skip

    def start(self, clip: Clip) -> "Seams":
        """One number a frame; UserError where it is not known how long a chunk is."""
        told = clip.metadata
        chunk = told.get("frames_per_chunk", self.frames_per_chunk)
        if chunk is None:
            raise UserError(
                "boundary_jump needs frames_per_chunk: name it in the video's metadata (a column of the manifest), "
                "or as a parameter of the metric"
            )
        chunk = _whole("frames_per_chunk", chunk, 2)
        context = _whole("start_frames", told.get("start_frames", 0), 0)
        first = told.get("first_boundary", self.first_boundary)
        if first is None:
            first = context if "start_frames" in told else chunk
        return Seams(chunk, _whole("first_boundary", first, 0), context)


def _whole(name: str, value: Any, least: int) -> int:
    """The value as a whole number; UserError where it is none, or too small."""
    whole = str(value).removesuffix(".0")  # tables write 6.0 where a row is empty
    if not whole.isdecimal() or int(whole) < least:
        raise UserError(f"boundary_jump: {name} must be a whole number from {least} on; given {value!r}")
    return int(whole)


def step(block: Block) -> Float[Tensor, "n"]:
    """Mean absolute pixel difference, 0..1, of every new pair."""
    return (block.seen[1:] - block.seen[:-1]).abs().flatten(1).mean(1)


class Seams(PerFrame):
    """The steps of a video, told apart."""

    def __init__(self, chunk: int, first: int, context: int) -> None:
        super().__init__(step)
        self.chunk, self.first, self.context = chunk, first, context

    def result(self) -> Measured:
        """Steps at boundaries against those inside."""
        across, within = [], []
        for frame, size in enumerate(self.curve[1:], 1):
            if frame >= self.first and (frame - self.first) % self.chunk == 0:
                across.append(size)
            elif frame >= self.context:
                within.append(size)
        if not across or not within:
            lacking = "step inside of a chunk" if across else "chunk boundary"
            return Measured(math.nan, self.curve, note=f"no {lacking} in {len(self.curve)} frames")
        boundary, inside = mean_of(across), statistics.median(within)
        ratio = boundary / inside if inside else math.nan
        return Measured(boundary - inside, self.curve, {"boundary": boundary, "inside": inside, "ratio": ratio})
