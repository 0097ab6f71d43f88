"""Does a long video stay itself from one short clip to the next? VBench-Long's score from clip to clip.

Source: VBench-Long, in VBench++ (arXiv:2411.13503): VBench's consistency over the first frames of clips of two seconds,
with DINOv2 ViT-B/14 (subject) or DreamSim (background).
"""

from rewards.registry import component
from sn_eval.metrics.base import Clip
from sn_eval.metrics.clips import ClipToClip, clip_length
from sn_eval.metrics.features import FeatureMetric
from sn_eval.results.evaluation import Mode


@component("clip_to_clip_consistency")
class ClipToClipConsistency(FeatureMetric):
    """½[cos+(k−1, k) + cos+(1, k)] over the first frames of clips of two seconds; 0..1.

    In mode "reference" the first frame of a short last clip is that of the clip filled up with frames before it, as
    published, and frames are resized bicubically without antialias. The published rescaling to the in-clip score's
    range is not applied. seconds: a clip has int(fps)·seconds frames. encoder: "dino:facebook/dinov2-base" is the
    published network; its 224 pixels there come out of the middle of 256. NaN for a video of one clip.
    """

    def __init__(self, encoder: str = "imagenet-lite0", seconds: float = 2.0, mode: Mode = "fixed") -> None:
        faults = ("morph",)  # not swap: whether more or fewer frames between two first frames are swapped is not seen
        super().__init__("clip_to_clip_consistency", encoder, mode, published_resize="bicubic", falls_under=faults)
        self.seconds = seconds

    def start(self, clip: Clip) -> ClipToClip:
        """Keeps the features of the first frames, and in mode "reference" those of one clip."""
        length = clip_length(self.spec.name, clip, self.seconds)
        return ClipToClip(self.encoder, length, borrow=self.spec.mode == "reference")
