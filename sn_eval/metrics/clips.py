"""A long video as clips of two seconds: inside each clip, and from clip to clip.

Source: VBench-Long, the long-video part of VBench++ (arXiv:2411.13503). A clip has int(fps)·seconds frames. What is
left over at the end is filled up with the frames before it (`borrow`, as published), or counts as it is; a single frame
then joins the clip before. A video shorter than one clip is one clip. Frames count here as the file has them: the
published tool writes clips to files first, and may cut the video into scenes.
"""

import math
from collections import deque

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder
from sn_eval.metrics.base import Block, Clip, Measured, mean_of
from sn_eval.metrics.features import TWO_FRAMES, Consistency, Followed

ONE_CLIP = "the video is one clip: there is nothing to compare it with"


def clip_length(name: str, clip: Clip, seconds: float) -> int:
    """Frames of a clip; UserError where it would have fewer than two.

    >>> clip_length("in_clip_consistency", Clip(fps=23.976), 2.0)
    46
    """
    frames = int(int(clip.fps) * seconds) if math.isfinite(seconds) else 0
    if frames < 2:
        raise UserError(
            f"{name}: seconds must give clips of at least two frames; given {seconds:g} s at {clip.fps:g} frames a "
            f"second: raise seconds to {math.ceil(2 / max(int(clip.fps), 1))}"
        )
    return frames


class InClip(Followed):
    """Consistency of each clip (first frame and neighbours); the value is the mean of the clips."""

    def __init__(self, encoder: Encoder, length: int, *, borrow: bool) -> None:
        super().__init__(encoder)
        self.length, self.borrow = length, borrow
        self.now = self.before = Consistency(encoder)
        self.whole: list[float] = []  # the values of finished clips
        self.curve: list[float] = []  # of their frames
        self.recent: deque[Tensor] = deque(maxlen=length)

    def follow(self, features: Float[Tensor, "t d"]) -> None:
        """Go on with the features of further frames."""
        if self.borrow:
            self.recent.extend(features)
        while len(features):
            room = self.length - len(self.now.curve)
            self.now.follow(features[:room])
            features = features[room:]
            if len(self.now.curve) == self.length:
                self._finish()

    def _finish(self) -> None:
        done = self.now.result()
        self.whole.append(done.value)
        self.curve += done.curve
        self.before, self.now = self.now, Consistency(self.encoder)

    def result(self) -> Measured:
        """The mean of the clips; the last one, where it is short, is filled up or weighs as much as it has pairs."""
        left = len(self.now.curve)
        if left and self.whole and self.borrow:
            filled = Consistency(self.encoder)
            filled.follow(torch.stack(list(self.recent)))
            return Measured(mean_of([*self.whole, filled.result().value]), [*self.curve, *filled.curve[-left:]])
        curve = [*self.curve, *(self._joined() if left == 1 and self.whole else self.now.curve)]
        value = mean_of(curve)  # all whole clips have equally many pairs
        return Measured(value, curve, note="" if value == value else TWO_FRAMES)

    def _joined(self) -> list[float]:
        """The number of a single frame that is left over, as one more of the clip before: no frame goes unseen."""
        assert self.now.first is not None
        longer = Consistency(self.encoder)
        longer.first, longer.last = self.before.first, self.before.last
        longer.follow(self.now.first)
        return longer.curve


class ClipToClip(Followed):
    """The same formula over the first frames of the clips."""

    def __init__(self, encoder: Encoder, length: int, *, borrow: bool) -> None:
        super().__init__(encoder)
        self.length, self.borrow = length, borrow
        self.seen = 0
        self.firsts: list[Float[Tensor, "1 d"]] = []
        self.recent: deque[Tensor] = deque(maxlen=length)

    def add(self, block: Block) -> None:
        """Encode the first frames; all, where a last clip may have to borrow one of them."""
        if self.borrow:
            super().add(block)
        else:
            picks = self._next(len(block))
            self.firsts += self.encoder(block.frames[picks]).split(1) if picks else ()

    def follow(self, features: Float[Tensor, "t d"]) -> None:
        """Go on with the features of further frames."""
        if self.borrow:
            self.recent.extend(features)
        self.firsts += [features[i : i + 1].clone() for i in self._next(len(features))]

    def _next(self, frames: int) -> list[int]:
        """Where clips begin among so many new frames, which are counted as seen."""
        picks = list(range(-self.seen % self.length, frames, self.length))
        self.seen += frames
        return picks

    def result(self) -> Measured:
        """Consistency of the first frames; NaN for a single clip."""
        firsts, places = list(self.firsts), [i * self.length for i in range(len(self.firsts))]
        if self.borrow and len(firsts) > 1 and self.seen % self.length:
            firsts[-1], places[-1] = self.recent[0][None], self.seen - self.length
        tally = Consistency(self.encoder)
        if firsts:
            tally.follow(torch.cat(firsts))
        curve = [math.nan] * self.seen
        for place, value in zip(places, tally.curve, strict=True):
            curve[place] = value
        value = mean_of(curve)
        return Measured(value, curve, note="" if value == value else ONE_CLIP)
