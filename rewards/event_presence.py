"""Does the event happen at all? presence = mean of the highest smoothed p_t, above what a picture without content gets.

Source: REWARDS.md, event_presence; detectors and events: `rewards.events`.
"""

from collections.abc import Sequence

from rewards.base import Anchor, BaseReward, Frames, Metadata, RewardSpec, Scores, UserError, anchor_or_first
from rewards.events import SMOOTH, check_levels, identity, make_detector, make_event, smoothed
from rewards.registry import component


@component("event_presence")
class EventPresence(BaseReward):
    """1 when the event surely happens, 0 when it does not.

    With p̄ the smoothed probability and p₀ that of a picture without content (null prompts, at most ½), frame t scores
    q_t = max(0, (p̄_t − p₀)/(1 − p₀)), and the video the mean of its highest q; per_frame is q.
    event: "spill", "dim", …, or a list of texts, with `against` for what is seen instead. detector, encoder: who sees
    it ("text", "colour", "file.py:NAME"). top: share of the frames that is averaged, at least one. smooth: frames.
    NaN when the detector says that it cannot happen here. Source: REWARDS.md.
    """

    def __init__(
        self,
        event: str | Sequence[str] = "spill",
        against: Sequence[str] | None = None,
        detector: str = "text",
        encoder: str = "tabletop-clip",
        top: float = 0.25,
        smooth: int = SMOOTH,
    ) -> None:
        check_levels("event_presence", smooth, 0.5, 0.5)
        if not 0 < top <= 1:
            raise UserError(f"event_presence: top is a share of the frames, above 0 and at most 1; given {top}")
        self.event, self.top, self.smooth = make_event(event, against), top, smooth
        self.detector = make_detector(detector, encoder)
        self.baseline = float(self.detector.baseline([self.event])[0])
        self.spec = RewardSpec(
            name="event_presence",
            falls_under=("event_removed",),
            holds_under=("style", "crop", "other_objects"),
            **identity(self.detector),
        )

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """One detector call for the batch."""
        p = self.detector(frames, anchor_or_first(frames, anchor)[:, :1], [self.event])[:, 0]
        above = ((smoothed(p, self.smooth) - self.baseline) / (1 - self.baseline)).clamp(min=0)
        highest = above.topk(max(1, round(self.top * above.shape[1])), dim=1).values
        return Scores(highest.mean(1), above)
