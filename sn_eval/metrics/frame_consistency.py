"""How like its neighbour is each frame? The mean cosine of consecutive frames' features ("frame consistency").

Source: as reported, with CLIP's image features, beside FVD in papers on video editing and image-to-video, among them
ConsistI2V (arXiv:2402.04324); the measure comes from Gen-1 (arXiv:2302.03011).
"""

from rewards.registry import component
from sn_eval.metrics.base import Clip
from sn_eval.metrics.features import FeatureMetric, Steps
from sn_eval.results.evaluation import Mode


@component("frame_consistency")
class FrameConsistency(FeatureMetric):
    """Mean cosine of the features of neighbouring frames; −1..1, in practice near 1.

    encoder: "open_clip:ViT-B-32/openai" makes it CLIP frame consistency. Both modes compute the published formula. It
    looks no further than one frame back: slow drift does not lower it (see in_clip_ and clip_to_clip_consistency), and
    a frozen video scores 1: read it beside dynamic_degree. NaN for a single frame.
    """

    def __init__(self, encoder: str = "imagenet-lite0", mode: Mode = "fixed") -> None:
        super().__init__("frame_consistency", encoder, mode, range=(-1.0, 1.0), falls_under=("flicker",))

    def start(self, clip: Clip) -> Steps:
        """Keeps the last frame's features."""
        return Steps(self.encoder)
