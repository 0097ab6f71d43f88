"""Does a thing that should stay, stay, or follow the path that was asked for?

Score of a frame = exp(−distance / tolerance): the distance of a thing's centre from where it should be, in picture
widths. Where that is: its place in the anchor, moved along the asked path. Source: REWARDS.md.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.base import Anchor, BaseReward, Frames, Metadata, Scores, UserError, anchor_or_first
from rewards.locating.by_name import LocatorName, located_spec, locator_named
from rewards.locating.regions import Located, Locator, told_mask
from rewards.registry import component


@component("object_position")
class ObjectPosition(BaseReward):
    """Mean over things and frames of exp(−distance from its place / tolerance); 1 in place, to 0.

    tolerance: in picture widths. locator and what belongs to it: as in object_persistence.
    metadata {"path": [[x, y], …]}: where the thing's centre should go, 0..1 over width and height, spread evenly over
    anchor and frames; only this thing is scored (that in metadata {"mask": [h w]}, else the largest), and only how it
    moves counts, not where it began. Without a path everything that the anchor shows should stay where it is.
    A frame in which a thing is not found is left out (object_persistence counts those); NaN where none is found.
    """

    def __init__(
        self,
        tolerance: float = 0.1,
        things: int = 3,
        locator: LocatorName = "colour",
        encoder: str = "imagenet-lite0@128",
        weights: str | None = None,
        segmenter: str | None = None,
        objects: list[str] | None = None,
    ) -> None:
        if tolerance <= 0:
            raise UserError(f"object_position: tolerance must be above 0 (picture widths); given {tolerance}")
        self.tolerance = tolerance
        self.locator: Locator = locator_named(locator, things, encoder, weights, segmenter, objects)
        self.spec = located_spec("object_position", self.locator, ("shift",), ("others_move", "exposure"))

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """Locate in the anchor and in all frames at once, then measure."""
        video = torch.cat([anchor_or_first(frames, anchor)[:, :1], frames], dim=1)
        located = self.locator(video, prompts, metadata)
        b, t = frames.shape[:2]
        rows = metadata if metadata is not None else [{}] * b
        ways = [_way(row, t + 1) for row in rows]
        counts = torch.stack([
            located.shown[i] if way is None else located.shown[i] & _subject(located, i, rows[i])
            for i, way in enumerate(ways)
        ])  # fmt: skip
        asked = torch.stack([torch.zeros(t + 1, 2) if way is None else way for way in ways]).to(frames)
        centre = located.found.centre()
        gap = centre - centre[:, :1] - (asked - asked[:, :1]).unsqueeze(2)
        height = frames.shape[-2] / frames.shape[-1]
        distance = torch.hypot(gap[..., 0], gap[..., 1] * height)[:, 1:]
        by_thing = torch.exp(-distance / self.tolerance).masked_fill(~counts.unsqueeze(1), torch.nan)
        per_frame = by_thing.nanmean(2)
        return Scores(per_frame.nanmean(1), per_frame, {"distance": distance.masked_fill(~counts[:, None], torch.nan)
                                                        .nanmean((1, 2))})  # fmt: skip


def _way(row: Any, frames: int) -> Float[Tensor, "frames 2"] | None:
    """The asked path at each frame, the anchor first; None where none is asked."""
    if row.get("path") is None:
        return None
    points = torch.as_tensor(row["path"], dtype=torch.float32)
    if points.ndim != 2 or points.shape[-1] != 2 or len(points) < 2:
        raise UserError(
            f"object_position: metadata 'path' must be two or more points [x, y] in 0..1; given {row['path']!r}"
        )
    return F.interpolate(points.T[None], frames, mode="linear", align_corners=True)[0].T


def _subject(located: Located, index: int, row: Any) -> Tensor:
    """Which of the things the path is meant for, as a mask [k]; none where the told place shows none of them."""
    found = located.found
    membership, mask = found.membership[index, 0], told_mask(row)
    if mask is None:
        weight = found.areas[index, 0, :, 0]
    else:
        told = mask.to(membership)[None, None]
        weight = (membership * F.interpolate(told, membership.shape[-2:], mode="area")[0]).sum((-2, -1))
    weight = weight * located.shown[index]
    return (torch.arange(len(weight), device=weight.device) == weight.argmax()) & (weight > 0)
