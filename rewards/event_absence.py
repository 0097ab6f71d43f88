"""Did something happen that nobody asked for? absence = 1 − the largest smoothed probability that it has happened.

Source: REWARDS.md, event_absence; detectors and events: `rewards.events`.
"""

from collections.abc import Sequence

import torch

from rewards.base import Anchor, BaseReward, Frames, Metadata, RewardSpec, Scores, anchor_or_first
from rewards.events import SMOOTH, asked_for, check_levels, identity, make_detector, make_event, smoothed
from rewards.registry import component


@component("event_absence")
class EventAbsence(BaseReward):
    """1 while the event does not happen, falling to 0 once it surely does.

    event: "spill" (red wine outside of its glass), "dim", …, or a list of texts, with `against` for what is seen
    instead. detector: "colour" sees spilled wine in the pixels, "text" any event with an `encoder` that knows texts,
    "file.py:NAME" is your own (`rewards.events.Detector`). smooth: frames that p is averaged over. per_frame is
    1 − smoothed p.
    NaN where the prompt asks for the event, and when the anchor holds nothing that it could happen to.
    Source: REWARDS.md.
    """

    def __init__(
        self,
        event: str | Sequence[str] = "spill",
        against: Sequence[str] | None = None,
        detector: str = "colour",
        encoder: str = "tabletop-clip",
        smooth: int = SMOOTH,
    ) -> None:
        check_levels("event_absence", smooth, 0.5, 0.5)
        self.event, self.smooth = make_event(event, against), smooth
        self.detector = make_detector(detector, encoder)
        self.spec = RewardSpec(
            name="event_absence",
            needs=("anchor",),
            falls_under=("event_added",),
            holds_under=("style", "crop", "other_objects"),
            **identity(self.detector),
        )

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """One detector call for the batch."""
        p = self.detector(frames, anchor_or_first(frames, anchor)[:, :1], [self.event])[:, 0]
        wanted = frames.new_tensor(asked_for(self.event, prompts)).bool()
        p = smoothed(p.masked_fill(wanted.unsqueeze(1), torch.nan), self.smooth)
        return Scores(1 - p.amax(1), 1 - p)
