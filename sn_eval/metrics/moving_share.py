"""In how many frames does anything move at all? A frozen video is consistent for nothing.

Consistency rewards standing still (a published model has subject consistency 97.9 at a dynamic degree of
3.7), so a suite's total is multiplied by this share.
"""

from jaxtyping import Float
from torch import Tensor

from rewards.functional import luminance
from rewards.motion_floor import changed
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Measured, Metric, MetricSpec, PerFrame, Tally

LEAST = 0.05  # steps of L* a second, mean over pixels: still scenes of the table reach 0.03, moving ones begin at 0.1


@component("moving_share")
class MovingShare(Metric):
    """Share of frames in which something moves, apart from changes of the light; 0 for a frozen video, 0..1.

    A frame counts wholly from `least` steps of lightness (L*, 0..100) a second on, and in part below. Metadata
    {"minimum_motion": 0} says that this video may stand still: 1. NaN for a single frame.
    """

    def __init__(self, least: float = LEAST) -> None:
        self.least = least
        self.spec = MetricSpec(
            "moving_share", ("frame-difference",), falls_under=("freeze", "stutter"), holds_under=("frozen_flicker",)
        )

    def start(self, clip: Clip) -> Tally:
        """One number a pair of neighbours."""
        if clip.metadata.get("minimum_motion") == 0:
            return _MayStandStill()
        return PerFrame(lambda block: self._share(block, clip.fps))

    def _share(self, block: Block, fps: float) -> Float[Tensor, "n"]:
        return (changed(luminance(block.light)[None], fps)[0] / self.least).clamp(max=1)


class _MayStandStill:
    """Nothing is asked."""

    def add(self, block: Block) -> None:
        """Nothing to look at."""

    def result(self) -> Measured:
        """All is well."""
        return Measured(1.0, note="this video may stand still")
