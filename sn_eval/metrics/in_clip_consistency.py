"""Does a long video stay itself inside of each two seconds? VBench-Long's score inside of short clips.

Source: VBench-Long, in VBench++ (arXiv:2411.13503): the mean, over clips of two seconds, of VBench's consistency. With
its default weights this is all that VBench-Long counts.
"""

from rewards.registry import component
from sn_eval.metrics.base import Clip
from sn_eval.metrics.clips import InClip, clip_length
from sn_eval.metrics.features import FeatureMetric
from sn_eval.results.evaluation import Mode


@component("in_clip_consistency")
class InClipConsistency(FeatureMetric):
    """Mean over clips of two seconds of ½[cos+(t−1, t) + cos+(1, t)], 1 being the clip's first frame; 0..1.

    Drift that takes longer than a clip does not lower it: read it beside clip_to_clip_consistency. A short last clip
    weighs as much as it has pairs, a single frame joins the clip before; in mode "reference" it is filled up with the
    frames before it, as published, and frames are resized as VBench does for the subject (bilinear, no antialias).
    seconds: a clip has int(fps)·seconds frames. encoder: "dino:facebook/dino-vitb16" gives the published one. NaN for a
    single frame.
    """

    def __init__(self, encoder: str = "imagenet-lite0", seconds: float = 2.0, mode: Mode = "fixed") -> None:
        faults = ("swap", "morph")
        super().__init__("in_clip_consistency", encoder, mode, published_resize="bilinear", falls_under=faults)
        self.seconds = seconds

    def start(self, clip: Clip) -> InClip:
        """Keeps the features of one clip."""
        length = clip_length(self.spec.name, clip, self.seconds)
        return InClip(self.encoder, length, borrow=self.spec.mode == "reference")
