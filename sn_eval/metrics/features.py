"""What metrics on features of an image encoder share: the encoder, and consistency along a stream."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.encoders import Encoder, create_encoder
from rewards.functional import anchor_consistency
from sn_eval.metrics.base import Block, Measured, Metric, MetricSpec, check_mode, mean_of
from sn_eval.results.evaluation import Mode


class FeatureMetric(Metric):
    """A metric on the pooled features of one image encoder.

    published_resize: how the published tool resizes for its encoder; used in mode "reference".
    """

    def __init__(
        self,
        name: str,
        encoder: str,
        mode: Mode,
        *,
        published_resize: Literal["bilinear", "bicubic"] | None = None,
        higher_is_better: bool = True,
        falls_under: Sequence[str] = (),
        holds_under: Sequence[str] = (),
        needs: Sequence[str] = (),
    ) -> None:
        check_mode(name, mode)
        made = create_encoder(encoder)
        if mode == "reference" and published_resize:
            made = as_published(made, published_resize)
        self.encoder = made
        self.spec = MetricSpec(
            name, (f"encoder:{made.kind}",), encoder=made.name, encoder_sha256=made.sha256, cost="small network",
            falls_under=tuple(falls_under), holds_under=tuple(holds_under), needs=tuple(needs), mode=mode,
            higher_is_better=higher_is_better,
        )  # fmt: skip


def as_published(encoder: Encoder, resize: Literal["bilinear", "bicubic"]) -> Encoder:
    """The encoder with pictures resized as VBench's tool does: on 8-bit pictures, without antialias."""
    return replace(encoder, prepare=replace(encoder.prepare, resize=resize, antialias=False, eight_bit=True))


class Consistency:
    """½[cos+(first, t) + cos+(t−1, t)] of each frame but the first; the value is their mean."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.first: Float[Tensor, "1 d"] | None = None
        self.last: Float[Tensor, "1 d"] | None = None
        self.curve: list[float] = []

    def add(self, block: Block) -> None:
        """Encode the new frames."""
        self.follow(self.encoder(block.frames))

    def follow(self, features: Float[Tensor, "t d"]) -> None:
        """Go on with the features of further frames."""
        if self.first is None or self.last is None:
            self.first, self.last, features = features[:1], features[:1], features[1:]
            self.curve.append(math.nan)
        anchor = torch.cat([self.first, self.last])
        if len(features):
            self.curve += anchor_consistency(features[None], anchor[None])[0].tolist()
            self.last = features[-1:]

    def result(self) -> Measured:
        """The mean over all frames but the first."""
        value = mean_of(self.curve)
        return Measured(value, self.curve, note="" if value == value else "needs two frames")
