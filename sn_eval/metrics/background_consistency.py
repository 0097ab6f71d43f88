"""Does the scene stay itself? VBench's background consistency: the subject's formula on features of the whole scene.

Source: VBench (arXiv:2311.17982), with OpenAI's CLIP ViT-B/32.
"""

from rewards.registry import component
from sn_eval.metrics.base import Clip
from sn_eval.metrics.features import Consistency, FeatureMetric
from sn_eval.results.evaluation import Mode


@component("background_consistency")
class BackgroundConsistency(FeatureMetric):
    """Mean over frames of how like the first frame and the one before they are, by features of how it looks; 0..1.

    encoder: "open_clip:ViT-B-32/openai" gives VBench's own; the default sees colour, texture and sharpness rather than
    where things stand. mode "reference" also resizes as VBench does (bicubic, no antialias). A frozen video
    scores 1: read it beside dynamic_degree. NaN for a single frame.
    """

    def __init__(self, encoder: str = "imagenet-lite0-early@96", mode: Mode = "fixed") -> None:
        super().__init__(
            "background_consistency", encoder, mode, published_resize="bicubic", falls_under=("blur", "colour_drift")
        )

    def start(self, clip: Clip) -> Consistency:
        """Keeps the first frame's features and the last one's."""
        return Consistency(self.encoder)
