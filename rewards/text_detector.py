"""Sees events by comparing frames with texts: p = softmax of the event's texts against texts of its alternative.

Per template, a side's logit is log-mean-exp over its texts of scale·cos(frame, text), so that the number of texts on a
side does not count; p is averaged over templates. Source: CLIP's zero-shot classifier and its prompt ensembling
(arXiv:2103.00020, 3.1.4); the baseline is a content-free input, as in contextual calibration (arXiv:2102.09690).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.encoders import Encoder, create_encoder
from rewards.events import Detector, Event
from rewards.functional import unit

TEMPLATES = ("{}", "a photo of {}", "a picture of {}", "a video frame of {}")
NULL = ("a photo", "a picture", "a video frame", "a scene")


class TextDetector(Detector):
    """Events in texts; encoder: "tabletop-clip", or any with a text tower ("open_clip:ViT-B-32/openai")."""

    def __init__(self, encoder: str = "tabletop-clip") -> None:
        self.encoder: Encoder = create_encoder(encoder)
        self.family = f"encoder:{self.encoder.kind}"
        self.scale = self.encoder.scale
        self._sides: dict[tuple[str, ...], Tensor] = {}

    def __call__(
        self, frames: Float[Tensor, "b t c h w"], first: Float[Tensor, "b 1 c h w"], events: Sequence[Event]
    ) -> Float[Tensor, "b e t"]:
        """All frames go through the network in one call, whatever the number of events."""
        images = unit(self.encoder(frames).float())
        return torch.stack([self._probability(images, event) for event in events], dim=1)

    def baseline(self, events: Sequence[Event]) -> Float[Tensor, "e"]:
        """p that texts without content ("a photo") would get in a frame's place, at most ½."""
        null = unit(self.encoder.text(NULL).float())
        return torch.stack([self._probability(null, event).mean().clamp(max=0.5).cpu() for event in events])

    def _probability(self, features: Float[Tensor, "*n d"], event: Event) -> Float[Tensor, "*n"]:
        yes, no = (self._logits(features, texts) for texts in (event.texts, event.against))
        return torch.sigmoid(yes - no).mean(-1)

    def _logits(self, features: Float[Tensor, "*n d"], texts: tuple[str, ...]) -> Float[Tensor, "*n m"]:
        """The side's logit for each of the m templates."""
        if texts not in self._sides:
            asked = [template.format(text) for template in TEMPLATES for text in texts]
            self._sides[texts] = self.encoder.text(asked).float().unflatten(0, (len(TEMPLATES), len(texts)))
        side = F.normalize(self._sides[texts].to(features), dim=-1)
        cosines = torch.einsum("...d,mkd->...mk", features, side)
        return (self.scale * cosines).logsumexp(-1) - math.log(len(texts))
