"""Is a frame still like the one from 2, 5, 10, 20 and 50 frames before?

Consistency as a curve over the distance in time, for long videos: METRICS.md, "Drift".
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.encoders import Encoder
from rewards.functional import lag_cosines
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Measured, mean_of
from sn_eval.metrics.features import FeatureMetric

LAGS = (2, 5, 10, 20, 50)


@component("lag_consistency")
class LagConsistency(FeatureMetric):
    """Mean cosine of the features of frames 2, 5, 10, 20 and 50 apart; −1..1, higher is more alike.

    Parts lag_2 … lag_50: the mean over all pairs so far apart, NaN where the video is too short; the value is the mean
    over the lags that it has, so compare videos of one length. Curve: a frame's mean over those lags, from the first
    frame on which all of them reach back from. A frozen video scores 1. NaN for fewer than three frames.
    """

    def __init__(self, encoder: str = "imagenet-lite0") -> None:
        super().__init__("lag_consistency", encoder, "fixed", falls_under=("swap", "morph"))
        self.spec = replace(self.spec, range=(-1.0, 1.0))

    def start(self, clip: Clip) -> "Lags":
        """Keeps the features of the last 50 frames."""
        return Lags(self.encoder)


class Lags:
    """Cosines with earlier frames, by how much earlier."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.past: Float[Tensor, "k d"] | None = None
        self.frames = 0
        self.cosines: dict[int, list[float]] = {lag: [] for lag in LAGS}

    def add(self, block: Block) -> None:
        """Encode the new frames."""
        self.follow(self.encoder(block.frames))

    def follow(self, features: Float[Tensor, "n d"]) -> None:
        """Go on with the features of further frames."""
        known = features if self.past is None else torch.cat([self.past, features])
        before = len(known) - len(features)
        for lag, cosines in self.cosines.items():
            cosines += lag_cosines(known[max(0, before - lag) :], lag).tolist()  # pairs whose later frame is new
        self.past = known[-max(LAGS) :].clone()
        self.frames += len(features)

    def result(self) -> Measured:
        """The mean over the lags that there are."""
        there = [lag for lag in LAGS if self.cosines[lag]]
        missing = [str(lag) for lag in LAGS if lag not in there]
        parts = {f"lag_{lag}": mean_of(self.cosines[lag]) for lag in LAGS}
        note = f"too short for lag {', '.join(missing)}" if missing else ""
        return Measured(mean_of(list(parts.values())), self._curve(there), parts, note)

    def _curve(self, there: list[int]) -> list[float]:
        """Each frame's mean over the lags, NaN where the longest does not reach back."""
        if not there:
            return [float("nan")] * self.frames
        shared = self.frames - there[-1]
        columns = zip(*(self.cosines[lag][-shared:] for lag in there), strict=True)
        return [float("nan")] * there[-1] + [mean_of(column) for column in columns]
