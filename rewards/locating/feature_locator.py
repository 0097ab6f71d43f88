"""Find again the thing that an anchor picture shows, by dense features of an image encoder.

Each place of each frame is matched with the anchor's places: it belongs to the thing when its best match lies on the
thing rather than off it, and is a match at all. Works for things without a colour of their own; one thing a video: the
one in metadata {"mask": …}, else the one that stands out from the picture's border.
Source: REWARDS.md, locator `feature`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Metadata
from rewards.encoders import create_encoder
from rewards.functional import component_areas, component_labels, unit
from rewards.locating.regions import Located, Regions, told_mask

SHARPNESS = 0.05  # cosine by which one match must be better than the other to be quite sure
MATCH = 0.55  # a best match below this cosine is none
SAME, OTHER = 0.85, 0.55  # look similarity from which a thing is itself, and below which it is another
STANDS_OUT = 0.5  # places at least this share as far from the border's features as the farthest one are the thing


class FeatureLocator:
    """One thing a video, by patch features of the encoder `encoder`."""

    def __init__(self, encoder: str) -> None:
        self.encoder = create_encoder(encoder)
        self.families: tuple[str, ...] = (f"encoder:{self.encoder.kind}",)

    def __call__(self, video: Float[Tensor, "b t 3 h w"], prompts: list[str], metadata: Metadata) -> Located:
        """Encode all frames in one batch, then match every place with the anchor's."""
        features = unit(self.encoder.patches(video).movedim(2, -1)).contiguous()
        b, t, gh, gw, d = features.shape
        mask = _masks(metadata, features)
        flat = features.view(b, t * gh * gw, d)
        anchor = features[:, 0].reshape(b, gh * gw, d)
        alike = flat @ anchor.transpose(1, 2)
        inside = (mask > 0.5).view(b, 1, -1)
        best_in = alike.masked_fill(~inside, -1.0).amax(-1)
        best_out = alike.masked_fill((mask > 0.05).view(b, 1, -1), -1.0).amax(-1)
        surely = torch.sigmoid((best_in - torch.maximum(best_out, best_in.new_tensor(MATCH))) / SHARPNESS)
        found = Regions.of(surely.view(b, t, 1, gh, gw))
        look = _look(found, features, mask)
        return Located(found, look, inside.any(-1) & (found.areas[:, 0, :, 0] > 0), SAME, OTHER)


def _look(
    found: Regions, features: Float[Tensor, "b t gh gw d"], mask: Float[Tensor, "b gh gw"]
) -> Float[Tensor, "b t 1 d"]:
    """The mean feature of the thing, as it differs from the mean of the anchor around it."""
    body = found.largest[:, :, 0]
    mean = torch.einsum("btyx,btyxd->btd", body, features) / body.sum((-2, -1)).clamp(min=1e-6).unsqueeze(-1)
    around = (mask < 0.05).float()
    ground = torch.einsum("byx,byxd->bd", around, features[:, 0]) / around.sum((-2, -1)).clamp(min=1).unsqueeze(-1)
    return (mean - ground.unsqueeze(1)).unsqueeze(2)


def _masks(metadata: Metadata, features: Float[Tensor, "b t gh gw d"]) -> Float[Tensor, "b gh gw"]:
    """Where the thing is in the anchor, 0..1 a place: as told, else what stands out."""
    b, _, gh, gw, _ = features.shape
    told = [told_mask(row) for row in (metadata or [{}] * b)]
    found = stands_out(features[:, 0]) if any(mask is None for mask in told) else features.new_zeros(b, gh, gw)
    masks = []
    for i, mask in enumerate(told):
        if mask is None:
            masks.append(found[i])
            continue
        masks.append(F.interpolate(mask.to(features)[None, None], (gh, gw), mode="area")[0, 0])
    return torch.stack(masks)


def stands_out(anchor: Float[Tensor, "b gh gw d"]) -> Float[Tensor, "b gh gw"]:
    """1 on the largest region whose features are far from every feature on the picture's border."""
    b, gh, gw, d = anchor.shape
    edge = torch.ones(gh, gw, dtype=torch.bool, device=anchor.device)
    edge[1:-1, 1:-1] = False
    border = anchor[:, edge]
    far = 1 - (anchor.view(b, -1, d) @ border.transpose(1, 2)).amax(-1).view(b, gh, gw)
    odd: Bool[Tensor, "b gh gw"] = far > STANDS_OUT * far.amax((1, 2), keepdim=True).clamp(min=0.1)
    labels = component_labels(odd)
    _, order = component_areas(labels, far * odd, 1)
    return ((labels == order[:, :1, None]) & odd).float()
