"""What metrics on features of an image encoder share: the encoder, and how features change along a stream."""

import math
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.encoders import Encoder, create_encoder
from rewards.functional import anchor_consistency
from sn_eval.metrics.base import Block, Measured, Metric, MetricSpec, check_mode, mean_of
from sn_eval.results.evaluation import Mode

Resize = Literal["bilinear", "bicubic"]
TWO_FRAMES = "needs two frames"


class FeatureMetric(Metric):
    """A metric on the pooled features of one image encoder.

    published_resize: how the published tool resizes for its encoder; used in mode "reference". declared: further
    fields of MetricSpec.
    """

    def __init__(
        self, name: str, encoder: str, mode: Mode, *, published_resize: Resize | None = None, **declared: Any
    ) -> None:
        check_mode(name, mode)
        made = create_encoder(encoder)
        if mode == "reference" and published_resize:
            made = as_published(made, published_resize)
        self.encoder = made
        self.spec = MetricSpec(
            name, (f"encoder:{made.kind}",), encoder=made.name, encoder_sha256=made.sha256, cost="small network",
            mode=mode, **declared,
        )  # fmt: skip


def as_published(encoder: Encoder, resize: Resize, numbers: Literal["float", "8-bit"] = "float") -> Encoder:
    """The encoder with pictures resized as VBench's public tool does: by torchvision, without antialias.

    numbers: of the tensors that it resizes. Where it reads a whole video they are floats of 0..255; where it picks
    eight frames of one, 8-bit numbers.
    """
    return replace(encoder, prepare=replace(encoder.prepare, resize=resize, antialias=False, torchvision=numbers))


def read_tensors(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a .safetensors or .pth file, by name; nothing in it is executed. ValueError for another file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, SafetensorError, RuntimeError, OSError) as error:
        raise ValueError("it is no file of tensors alone") from error
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ValueError("it does not hold tensors by name")
    return tensors


class Followed(ABC):
    """A tally on the features of a video's frames, in order."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def add(self, block: Block) -> None:
        """Encode the new frames."""
        self.follow(self.encoder(block.frames))

    @abstractmethod
    def follow(self, features: Float[Tensor, "t d"]) -> None:
        """Go on with the features of further frames."""

    @abstractmethod
    def result(self) -> Measured:
        """What was measured so far."""


class Consistency(Followed):
    """½[cos+(first, t) + cos+(t−1, t)] of each frame but the first; the value is their mean."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        self.first: Float[Tensor, "1 d"] | None = None
        self.last: Float[Tensor, "1 d"] | None = None
        self.curve: list[float] = []

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
        return Measured(value, self.curve, note="" if value == value else TWO_FRAMES)


class Steps(Followed):
    """Cosine of each frame and the one before it, −1..1; the value is their mean."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        self.last: Float[Tensor, "1 d"] | None = None
        self.curve: list[float] = []

    def follow(self, features: Float[Tensor, "t d"]) -> None:
        """Go on with the features of further frames."""
        if self.last is None:
            self.curve.append(math.nan)
            seen = features
        else:
            seen = torch.cat([self.last, features])
        self.curve += F.cosine_similarity(seen[:-1], seen[1:]).clamp(-1, 1).tolist()
        self.last = features[-1:]

    def result(self) -> Measured:
        """The mean over all frames but the first."""
        value = mean_of(self.curve)
        return Measured(value, self.curve, note="" if value == value else TWO_FRAMES)
