"""Do neighbouring frames differ little? VBench's temporal flickering, on pixels.

Source: VBench (arXiv:2311.17982): (255 − mean absolute difference of neighbours, on 0..255)/255.
"""

from jaxtyping import Float
from torch import Tensor

from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Metric, MetricSpec, PerFrame, check_mode
from sn_eval.results.evaluation import Mode


@component("temporal_flickering")
class TemporalFlickering(Metric):
    """1 − mean absolute difference of neighbouring frames (of 0..1); 0..1, higher flickers less.

    Motion lowers it as well as flicker does, and a frozen video scores 1: read it beside dynamic_degree. Both modes
    compute the published formula. NaN for a single frame.
    """

    def __init__(self, mode: Mode = "fixed") -> None:
        check_mode("temporal_flickering", mode)
        self.spec = MetricSpec("temporal_flickering", ("frame-difference",), falls_under=("flicker",), mode=mode)

    def start(self, clip: Clip) -> PerFrame:
        """One number a pair of neighbours."""
        return PerFrame(steadiness)


def steadiness(block: Block) -> Float[Tensor, "n"]:
    """1 − mean absolute difference, of every new pair."""
    return 1 - (block.seen[1:] - block.seen[:-1]).abs_().flatten(1).mean(1)
