"""One number for a long video: VBench-Long's in-clip and clip-to-clip scores, weighted as one asks.

Source: VBench-Long, in VBench++ (arXiv:2411.13503). Its default weights are 1 and 0, so nothing long counts; its
development path uses .7 and .3 (subject), .8 and .2 (background), after a rescaling that is not applied here.
"""

import math

from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder
from rewards.registry import component
from sn_eval.metrics.base import Clip, Measured
from sn_eval.metrics.clips import ClipToClip, InClip, clip_length
from sn_eval.metrics.features import FeatureMetric, Followed
from sn_eval.results.evaluation import Mode


@component("long_consistency")
class LongConsistency(FeatureMetric):
    """in_clip · in-clip consistency + clip_to_clip · clip-to-clip consistency, on one encoder; 0..1.

    in_clip, clip_to_clip: the weights; both must be given, and they sum to 1. The scores themselves are the parts. For
    seconds and mode see in_clip_consistency and clip_to_clip_consistency; mode "reference" resizes bilinearly for both.
    NaN for a video of one clip, unless clip_to_clip is 0.
    """

    def __init__(
        self, in_clip: float, clip_to_clip: float, encoder: str = "imagenet-lite0", seconds: float = 2.0,
        mode: Mode = "fixed",
    ) -> None:  # fmt: skip
        if not (in_clip >= 0 and clip_to_clip >= 0 and abs(in_clip + clip_to_clip - 1) <= 1e-6):
            raise UserError(
                f"long_consistency: in_clip and clip_to_clip must be at least 0 and sum to 1; given {in_clip:g} and "
                f"{clip_to_clip:g}"
            )
        faults = ("swap", "morph")
        super().__init__("long_consistency", encoder, mode, published_resize="bilinear", falls_under=faults)
        self.weights, self.seconds = (in_clip, clip_to_clip), seconds

    def start(self, clip: Clip) -> "Both":
        """Keeps what the two keep."""
        length, borrow = clip_length(self.spec.name, clip, self.seconds), self.spec.mode == "reference"
        return Both(self.encoder, length, self.weights, borrow=borrow)


class Both(Followed):
    """The two scores on one pass of the encoder."""

    def __init__(self, encoder: Encoder, length: int, weights: tuple[float, float], *, borrow: bool) -> None:
        super().__init__(encoder)
        self.inside = InClip(encoder, length, borrow=borrow)
        self.across = ClipToClip(encoder, length, borrow=borrow)
        self.weights = weights

    def follow(self, features: Float[Tensor, "t d"]) -> None:
        """Go on with the features of further frames."""
        self.inside.follow(features)
        self.across.follow(features)

    def result(self) -> Measured:
        """Their weighted sum; a score of weight 0 need not be there. The curve is the one inside of clips."""
        inside, across = self.inside.result(), self.across.result()
        parts = {"in_clip": inside.value, "clip_to_clip": across.value}
        value = math.fsum(w * part for w, part in zip(self.weights, parts.values(), strict=True) if w)
        note = "" if value == value else inside.note or across.note
        return Measured(value, inside.curve, parts, note)
