"""A reward as a metric of long videos: scored piece by piece against the video's own first frame and the one before."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import Reward
from sn_eval.metrics.base import Block, Clip, Measured, Metric, Tally, mean_of

PIECE = 16  # frames, where the video does not say how many a chunk has


class ByPiece(Metric):
    """Any reward; the value is the mean over frames of the pieces' scores, as a search sees them.

    A piece has metadata's frames_per_chunk frames, else PIECE; a rest of one frame joins the piece before. The first
    frame is the anchor and is not scored itself. Memory holds one piece.
    """

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.spec = reward.spec  # type: ignore[assignment]  # a reward's own: higher is better, no modes

    def start(self, clip: Clip) -> Tally:
        """Collects a piece at a time."""
        return _Pieces(self.reward, clip)


class _Pieces:
    """Frames of the piece that is being collected, and what the earlier ones scored."""

    def __init__(self, reward: Reward, clip: Clip) -> None:
        self.reward, self.clip = reward, clip
        self.length = max(2, int(clip.metadata.get("frames_per_chunk") or PIECE))
        self.waiting: Float[Tensor, "t 3 h w"] | None = None
        self.first: Float[Tensor, "1 3 h w"] | None = None
        self.last: Float[Tensor, "1 3 h w"] | None = None
        self.scores: list[tuple[int, float, Mapping[str, float]]] = []  # frames, value, parts
        self.curve: list[float] = []

    def add(self, block: Block) -> None:
        """Score every piece that is full, but keep enough for the last one to have two frames."""
        frames = block.frames
        if self.first is None:
            self.first = self.last = frames[:1].clone()
            frames = frames[1:]
            self.curve.append(math.nan)
        self.waiting = frames if self.waiting is None else torch.cat([self.waiting, frames])
        while len(self.waiting) >= self.length + 2:
            self._score(self.waiting[: self.length])
            self.waiting = self.waiting[self.length :].clone()

    def _score(self, piece: Float[Tensor, "t 3 h w"]) -> None:
        assert self.first is not None
        assert self.last is not None
        anchor = torch.cat([self.first, self.last])[None]
        found = self.reward(
            piece[None], [self.clip.prompt], fps=self.clip.fps, anchor=anchor, metadata=[self.clip.metadata]
        )
        parts = {name: float(part[0]) for name, part in found.parts.items()}
        self.scores.append((len(piece), float(found.values[0]), parts))
        self.curve += [math.nan] * len(piece) if found.per_frame is None else found.per_frame[0].tolist()
        self.last = piece[-1:].clone()

    def result(self) -> Measured:
        """The mean over pieces, by their frames."""
        if self.waiting is not None and len(self.waiting):
            self._score(self.waiting)
            self.waiting = None
        value = _weighted([(count, score) for count, score, _ in self.scores])
        names = dict.fromkeys(name for _, _, parts in self.scores for name in parts)
        parts = {
            name: _weighted([(count, told.get(name, math.nan)) for count, _, told in self.scores]) for name in names
        }
        curve = self.curve if any(not math.isnan(each) for each in self.curve) else ()
        return Measured(value, curve, parts, "" if value == value else "no piece of it was scored")


def _weighted(scores: list[tuple[int, float]]) -> float:
    """Mean over frames of what is not NaN.

    >>> _weighted([(3, 1.0), (1, 0.0), (9, math.nan)])
    0.75
    """
    return mean_of([score for count, score in scores for _ in range(count)])
