"""Does the video as a whole show what the prompt says? Eight frames spread over it, taken together, and the prompt.

Source: VBench's overall consistency (arXiv:2311.17982): the cosine of ViCLIP's features of the middle frames of eight
equal bins and of the prompt.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder
from rewards.functional import unit
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Measured
from sn_eval.metrics.features import FeatureMetric, as_published
from sn_eval.metrics.text_alignment import prompt_features
from sn_eval.results.evaluation import Mode

BINS = 8


@component("overall_consistency")
class OverallConsistency(FeatureMetric):
    """Cosine of the prompt and of the mean (unit) features of the middle frames of eight equal bins; −1..1.

    Not VBench's own number: that one's ViCLIP is a video–text encoder, which sees order and motion; here an image–text
    encoder sees eight pictures. Both modes compute the same; mode "reference" also resizes as VBench does (bicubic, no
    antialias, 8 bits). The default encoder knows the tabletop world only. Every video needs a prompt, and its number
    of frames must be known beforehand.
    """

    def __init__(self, encoder: str = "tabletop-clip", mode: Mode = "fixed") -> None:
        super().__init__(
            "overall_consistency", encoder, mode, range=(-1.0, 1.0), needs=("prompt",), falls_under=("vanish", "swap")
        )
        if mode == "reference":
            self.encoder = as_published(self.encoder, "bicubic", "8-bit")
        _ = self.encoder.scale  # a UserError now, not at the first video, where it cannot read

    def start(self, clip: Clip) -> "Sampled":
        """Keeps the features of eight frames."""
        if not clip.frames:
            raise UserError(
                f"overall_consistency must know the number of frames beforehand, and the file of video "
                f"{clip.name or '(no name)'} does not say it: write it anew as MP4, or measure text_alignment"
            )
        return Sampled(self.encoder, prompt_features(self.spec.name, self.encoder, clip), clip.frames)


def middles(frames: int) -> list[int]:
    """The middle frame of each of eight equal bins; of a shorter video each frame, the last one repeated.

    >>> middles(16), middles(20)
    ([0, 2, 4, 6, 8, 10, 12, 14], [0, 3, 5, 8, 10, 13, 15, 18])
    >>> middles(3)
    [0, 1, 2, 2, 2, 2, 2, 2]
    """
    bins = min(BINS, frames)
    edges = [frames * i // bins for i in range(bins + 1)]
    found = [(start + end - 1) // 2 for start, end in pairwise(edges)]
    return found + found[-1:] * (BINS - bins)


class Sampled:
    """Features of the sampled frames, as they come by."""

    def __init__(self, encoder: Encoder, text: Float[Tensor, "1 d"], frames: int) -> None:
        self.encoder, self.text, self.frames = encoder, text, frames
        self.wanted = middles(frames)
        self.seen = 0
        self.found: dict[int, Float[Tensor, "d"]] = {}

    def add(self, block: Block) -> None:
        """Encode those of the new frames that are sampled."""
        here = sorted({i for i in self.wanted if self.seen <= i < self.seen + len(block)})
        if here:
            features = self.encoder(block.frames[[i - self.seen for i in here]])
            self.found |= zip(here, unit(features), strict=True)
        self.seen += len(block)

    def result(self) -> Measured:
        """The cosine; NaN where the file told a wrong number of frames, as other ones were sampled then."""
        if self.seen != self.frames:
            return Measured(torch.nan, note=f"{self.frames} frames were announced, {self.seen} came")
        mean = torch.stack([self.found[i] for i in self.wanted]).mean(0, keepdim=True)
        return Measured(F.cosine_similarity(mean, self.text.to(mean.device)).clamp(-1, 1).item())
