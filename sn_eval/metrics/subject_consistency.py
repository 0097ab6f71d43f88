"""Does the subject stay itself? VBench's subject consistency on features of an image encoder.

Source: VBench (arXiv:2311.17982): 1/(T−1) Σ_{t≥2} ½[cos+(t−1, t) + cos+(1, t)] with DINO ViT-B/16.
"""

from rewards.registry import component
from sn_eval.metrics.base import Clip
from sn_eval.metrics.features import Consistency, FeatureMetric
from sn_eval.results.evaluation import Mode


@component("subject_consistency")
class SubjectConsistency(FeatureMetric):
    """Mean over frames of how like the first frame and the one before they are, by features of what is shown; 0..1.

    encoder: "dino:facebook/dino-vitb16" gives VBench's own. mode "reference" also resizes as VBench does (bilinear,
    no antialias). A frozen video scores 1: read it beside dynamic_degree. NaN for a single frame.
    """

    def __init__(self, encoder: str = "imagenet-lite0", mode: Mode = "fixed") -> None:
        faults = ("swap", "morph")
        super().__init__("subject_consistency", encoder, mode, published_resize="bilinear", falls_under=faults)

    def start(self, clip: Clip) -> Consistency:
        """Keeps the first frame's features and the last one's."""
        return Consistency(self.encoder)
