"""What a locator finds: where each thing of the anchor is, frame by frame, in connected regions, and how it looks.

A locator is anything that answers `locator(video, prompts, metadata)` with a `Located`; frame 0 of the video is the
anchor. It measures on a grid of its own, coarser than the frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from rewards.base import Metadata, UserError
from rewards.encoders import Encoder
from rewards.functional import component_areas, component_labels, grow

COUNT = 4  # regions of one thing that are looked at: a copy, and room for pieces
LEAST_AREA = 0.008  # share of the frame that a thing must cover in one piece
LEAST_BODY = 0.25  # share of a thing's area that is not its rim: the blended edge of another thing is all rim


@dataclass(frozen=True)
class Regions:
    """The regions of each thing in each frame.

    membership: how surely a place belongs to the thing, 0..1. labels: region of each place, 0 for none.
    areas: share of the frame, largest region first. order: their labels.
    """

    membership: Float[Tensor, "b t k h w"]
    labels: Int64[Tensor, "b t k h w"]
    areas: Float[Tensor, "b t k r"]
    order: Int64[Tensor, "b t k r"]

    @classmethod
    def of(cls, membership: Float[Tensor, "b t k h w"]) -> "Regions":
        """Connected places that belong to a thing rather than not."""
        b, t, k, h, w = membership.shape
        labels = component_labels((membership > 0.5).view(-1, h, w))
        areas, order = component_areas(labels, membership.view(-1, h, w), COUNT)
        return cls(membership, labels.view(b, t, k, h, w), areas.view(b, t, k, -1) / (h * w), order.view(b, t, k, -1))

    @property
    def largest(self) -> Float[Tensor, "b t k h w"]:
        """Membership inside the largest region only."""
        return self.membership * (self.labels == self.order[..., 0, None, None]) * (self.labels > 0)

    @property
    def compact(self) -> Bool[Tensor, "b t k"]:
        """Whether each thing is really one: large enough in one piece, and with a body within its rim."""
        body = self.largest > 0.5
        inner = ~grow(~body, 1)
        share = inner.sum((-2, -1)) / body.sum((-2, -1)).clamp(min=1)
        return (self.areas[..., 0] > LEAST_AREA) & (share > LEAST_BODY)

    def centre(self) -> Float[Tensor, "b t k 2"]:
        """(x, y) of each thing's largest region, 0..1 over the picture; NaN where there is none."""
        body = self.largest
        h, w = body.shape[-2:]
        mass = body.sum((-2, -1))
        x = (body.sum(-2) * _middles(w, body)).sum(-1) / mass
        y = (body.sum(-1) * _middles(h, body)).sum(-1) / mass
        return torch.stack([x, y], dim=-1)


def _middles(n: int, like: Tensor) -> Tensor:
    """The middles of n cells, 0..1."""
    return (torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) / n


@dataclass(frozen=True)
class Located:
    """Where the things are and how they look.

    look: features whose cosine says how alike a thing is to itself in the anchor. shown: which things the anchor shows.
    same, other: look similarity from which a thing is itself, and below which it is another.
    """

    found: Regions
    look: Float[Tensor, "b t k d"]
    shown: Bool[Tensor, "b k"]
    same: float
    other: float


def told_mask(row: Mapping[str, Any]) -> Tensor | None:
    """A video's metadata {"mask": [h w]}: where the thing is in the anchor; UserError for another form."""
    if row.get("mask") is None:
        return None
    mask = torch.as_tensor(row["mask"])
    if mask.ndim != 2:
        raise UserError(
            f"metadata 'mask' must be [h w], where the thing is in the anchor; given shape {list(mask.shape)}"
        )
    return mask


@runtime_checkable
class Locator(Protocol):
    """Finds the anchor's things again."""

    @property
    def families(self) -> tuple[str, ...]:
        """What it measures with, for the reward's spec."""
        ...

    @property
    def encoder(self) -> Encoder | None:
        """Whose features it compares, if any."""
        ...

    def __call__(self, video: Float[Tensor, "b t 3 h w"], prompts: list[str], metadata: Metadata) -> Located:
        """Frame 0 is the anchor."""
        ...
