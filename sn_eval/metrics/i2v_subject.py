"""Is the subject that of the picture that the video was made from? VBench-I2V's subject score.

Source: VBench++ (arXiv:2411.13503), image-to-video part, with DINO ViT-B/16: a·max_t cos+(picture, t) and, over
neighbours, b·mean + c·min of cos+(t−1, t). Its public code has carried (.4, .3, .3) and (.5, .5, 0) as (a, b, c).
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder
from rewards.functional import cos_plus
from rewards.registry import component
from sn_eval.metrics.base import Clip, Measured, Picture, mean_of
from sn_eval.metrics.features import TWO_FRAMES, FeatureMetric, Followed, Resize, Steps
from sn_eval.results.evaluation import Mode

WEIGHTS = (0.4, 0.3, 0.3)


class FromPicture(FeatureMetric):
    """A metric of a video and the picture it was made from; subclasses name the encoder.

    weights: of likeness to the picture, of the mean step between neighbours and of the largest one; they sum to 1.
    """

    def __init__(
        self, name: str, encoder: str, weights: Sequence[float], mode: Mode, resize: Resize, falls_under: Sequence[str]
    ) -> None:
        super().__init__(
            name, encoder, mode, published_resize=resize, needs=("anchor",), falls_under=tuple(falls_under)
        )
        if len(weights) != 3 or not all(w >= 0 for w in weights) or abs(sum(weights) - 1) > 1e-6:
            raise UserError(
                f"{name}: weights must be three numbers of at least 0 that sum to 1 (likeness to the picture, mean "
                f"step, largest step); given {list(weights)}"
            )
        self.weights = tuple(weights)

    def start(self, clip: Clip) -> "Faithful":
        """Encodes the picture; keeps its features and the last frame's."""
        if clip.reference is None:
            raise UserError(
                f"{self.spec.name} needs the picture that a video was made from, and this one has none: name it in the "
                "manifest's column anchor, or leave this metric out"
            )
        with torch.no_grad():
            picture = self._picture(clip.reference)
        return Faithful(self.encoder, picture, self.weights, best=self.spec.mode == "reference")

    def _picture(self, reference: Picture) -> Float[Tensor, "1 d"]:
        """Its features. The published tool resizes it with Pillow, which smooths first and counts in 8 bits."""
        encoder = self.encoder
        if self.spec.mode == "reference":
            encoder = replace(encoder, prepare=replace(encoder.prepare, antialias=True, torchvision="8-bit"))
        return encoder(reference[None])


@component("i2v_subject")
class I2VSubject(FromPicture):
    """Likeness to the picture that the video was made from, and of neighbouring frames, by what is shown; 0..1.

    .4·L + .3·mean + .3·min of cos+(t−1, t); L is the mean of cos+(picture, t) over frames. In mode "reference" L is
    their maximum, as published (so one good frame pays for any drift), and frames are resized as VBench does (bilinear,
    no antialias). encoder: "dino:facebook/dino-vitb16" gives VBench's own. weights: of the three terms. The curve is
    cos+(picture, t). Every video needs its picture. NaN for a single frame.
    """

    def __init__(
        self, encoder: str = "imagenet-lite0", weights: tuple[float, ...] = WEIGHTS, mode: Mode = "fixed"
    ) -> None:
        super().__init__("i2v_subject", encoder, weights, mode, "bilinear", ("swap", "morph"))


class Faithful(Followed):
    """Likeness to a picture, and the steps between neighbours. best: whether one frame's likeness is enough."""

    def __init__(
        self, encoder: Encoder, picture: Float[Tensor, "1 d"], weights: Sequence[float], *, best: bool
    ) -> None:
        super().__init__(encoder)
        self.picture, self.weights, self.best = picture, weights, best
        self.steps = Steps(encoder)
        self.curve: list[float] = []

    def follow(self, features: Float[Tensor, "t d"]) -> None:
        """Go on with the features of further frames."""
        self.curve += cos_plus(features, self.picture.to(features.device)).tolist()
        self.steps.follow(features)

    def result(self) -> Measured:
        """The weighted sum; the terms are its parts."""
        steps = [max(0.0, step) for step in self.steps.curve[1:]]
        if not steps:
            return Measured(math.nan, self.curve, note=TWO_FRAMES)
        like = max(self.curve) if self.best else mean_of(self.curve)
        parts = {"to_picture": like, "mean_step": mean_of(steps), "least_step": min(steps)}
        return Measured(sum(w * part for w, part in zip(self.weights, parts.values(), strict=True)), self.curve, parts)
