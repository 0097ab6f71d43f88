"""Does each frame show what the prompt says? The mean cosine of the frames' features and the prompt's.

Source: CLIPScore (arXiv:2104.08718), without its factor and floor, averaged over frames as papers on video do.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, PerFrame
from sn_eval.metrics.features import FeatureMetric
from sn_eval.results.evaluation import Mode


@component("text_alignment")
class TextAlignment(FeatureMetric):
    """Mean over frames of the cosine of frame and prompt; −1..1, what is high depends on the encoder.

    encoder: must have a text tower. The default, tabletop-clip, knows the tabletop world only: on other videos its
    numbers mean nothing; name "open_clip:MODEL/TAG" for those. Both modes compute the same. Order in time does not
    matter to it. Every video needs a prompt.
    """

    def __init__(self, encoder: str = "tabletop-clip", mode: Mode = "fixed") -> None:
        super().__init__(
            "text_alignment", encoder, mode, range=(-1.0, 1.0), needs=("prompt",), falls_under=("vanish", "swap")
        )
        _ = self.encoder.scale  # a UserError now, not at the first video, where it cannot read

    def start(self, clip: Clip) -> PerFrame:
        """Keeps the prompt's features."""
        return PerFrame(likeness(self.encoder, prompt_features(self.spec.name, self.encoder, clip)), pairs=False)


def likeness(encoder: Encoder, text: Float[Tensor, "1 d"]) -> Callable[[Block], Float[Tensor, "n"]]:
    """A function from a block to the cosine of each new frame and the text."""
    return lambda block: F.cosine_similarity(encoder(block.frames), text.to(block.frames.device)).clamp(-1, 1)


def prompt_features(name: str, encoder: Encoder, clip: Clip) -> Float[Tensor, "1 d"]:
    """The features of a video's prompt; UserError where it has none."""
    if not clip.prompt.strip():
        raise UserError(
            f"{name} needs a prompt, and this video has none: name it in the manifest's column prompt, or leave this "
            "metric out"
        )
    with torch.no_grad():
        return encoder.text([clip.prompt])
