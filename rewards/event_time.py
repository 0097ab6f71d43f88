"""Does the event happen when it should? Overlap in time of when it is on with when it is wanted.

Source: REWARDS.md, event_time; detectors and events: `rewards.events`.
"""

from collections.abc import Sequence
from typing import Literal

import torch

from rewards.base import Anchor, BaseReward, Frames, Metadata, RewardSpec, Scores, UserError, anchor_or_first
from rewards.events import SMOOTH, check_levels, hysteresis, identity, make_detector, make_event, smoothed
from rewards.registry import component


@component("event_time")
class EventTime(BaseReward):
    """Temporal IoU of the frames in which the event is on with those in which it is wanted, 0..1.

    It is on from where the smoothed p reaches `high` until it falls below `low`. It is wanted from `start` to `end`:
    in seconds, or with unit "fraction" (the default) in shares of the clip; a frame counts by its middle. The default
    wants it throughout, so that a state that lasts, such as spilled wine, scores higher the earlier it comes. event,
    against, detector, encoder, smooth: as in event_presence. per_frame: the smoothed p.
    0 when it never happens; NaN when it cannot, or when the clip has no frame in the wanted time. Source: REWARDS.md.
    """

    def __init__(  # noqa: PLR0913 - plain data from YAML, all with defaults
        self,
        event: str | Sequence[str] = "spill",
        against: Sequence[str] | None = None,
        start: float = 0.0,
        end: float = 1.0,
        unit: Literal["fraction", "seconds"] = "fraction",
        high: float = 0.6,
        low: float = 0.4,
        detector: str = "text",
        encoder: str = "tabletop-clip",
        smooth: int = SMOOTH,
    ) -> None:
        check_levels("event_time", smooth, high, low)
        if not 0 <= start < end or (unit == "fraction" and end > 1):
            rule = "0 <= start < end" + (" <= 1" if unit == "fraction" else "")
            raise UserError(f"event_time: start and end must keep {rule} in {unit}; given {start} and {end}")
        self.event, self.smooth, self.levels = make_event(event, against), smooth, (high, low)
        self.start, self.end, self.unit = start, end, unit
        self.detector = make_detector(detector, encoder)
        self.spec = RewardSpec(
            name="event_time", falls_under=("late",), holds_under=("style", "crop"), **identity(self.detector)
        )

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """One detector call for the batch."""
        p = self.detector(frames, anchor_or_first(frames, anchor)[:, :1], [self.event])[:, 0]
        p = smoothed(p, self.smooth)
        on = hysteresis(p, *self.levels)
        middle = torch.arange(p.shape[1], device=p.device) + 0.5
        time = middle / (fps if self.unit == "seconds" else p.shape[1])
        wanted = (time >= self.start) & (time < self.end)
        both, either = (on & wanted).sum(1).float(), (on | wanted).sum(1).float()
        unscored = p.isnan().any(1) | ~wanted.any()
        begins = torch.where(on.any(1), on.float().argmax(1) / fps, torch.nan)  # argmax: the first of the largest
        return Scores((both / either).masked_fill(unscored, torch.nan), p, {"begins_seconds": begins})
