"""Do events come in the order they should? The share of pairs that do.

Source: REWARDS.md, event_order; detectors and events: `rewards.events`.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import Anchor, BaseReward, Frames, Metadata, RewardSpec, Scores, UserError, anchor_or_first
from rewards.events import SMOOTH, check_levels, hysteresis, identity, make_detector, make_events, smoothed
from rewards.registry import component


@component("event_order")
class EventOrder(BaseReward):
    """Share of the pairs of events that begin in the listed order, 0..1; a pair that begins in one frame counts half.

    events: in the wanted order, each a name ("stand", "spill", "dim", "bright") or a mapping with `event` (texts) and
    `against`. An event begins where the smoothed p reaches `high`; one that never does is in no right order.
    detector, encoder, smooth: as in event_presence. NaN when an event cannot happen here. Source: REWARDS.md.
    """

    def __init__(
        self,
        events: Sequence[str | Mapping[str, Any]] = ("stand", "spill"),
        high: float = 0.6,
        detector: str = "text",
        encoder: str = "tabletop-clip",
        smooth: int = SMOOTH,
    ) -> None:
        check_levels("event_order", smooth, high, high)
        self.events, self.high, self.smooth = make_events(events), high, smooth
        if len(self.events) < 2:
            raise UserError(f"event_order needs two events or more; given {len(self.events)}")
        self.detector = make_detector(detector, encoder)
        self.spec = RewardSpec(
            name="event_order",
            falls_under=("swapped_order",),
            holds_under=("style", "crop"),
            **identity(self.detector),
        )

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """One detector call for the batch and all events."""
        p = smoothed(self.detector(frames, anchor_or_first(frames, anchor)[:, :1], self.events), self.smooth)
        begins = first_on(p, self.high)
        parts = {f"begins_{i}_{e.name}": begins[:, i].where(begins[:, i].isfinite(), torch.nan) / fps
                 for i, e in enumerate(self.events)}  # fmt: skip
        return Scores(ordered(begins).masked_fill(p.isnan().any(-1).any(-1), torch.nan), parts=parts)


def first_on(p: Float[Tensor, "b e t"], high: float) -> Float[Tensor, "b e"]:
    """The frame in which each event begins; infinity where it never does.

    >>> first_on(torch.tensor([[[0.1, 0.7, 0.7], [0.1, 0.1, 0.1]]]), 0.6).tolist()
    [[1.0, inf]]
    """
    on = hysteresis(p, high, high)
    return torch.where(on.any(-1), on.float().argmax(-1).float(), torch.inf)


def ordered(begins: Float[Tensor, "b e"]) -> Float[Tensor, "b"]:
    """Share of pairs in order; a tie counts half, a pair with an event that never begins nothing.

    >>> ordered(torch.tensor([[0.0, 2.0, 1.0], [1.0, 1.0, torch.inf]])).tolist()
    [0.6666666865348816, 0.1666666716337204]
    """
    pairs = []
    for i, j in combinations(range(begins.shape[1]), 2):
        first, second = begins[:, i], begins[:, j]
        right = (first < second).float() + 0.5 * (first == second)
        pairs.append(right * (first.isfinite() & second.isfinite()))
    return torch.stack(pairs).mean(0)
