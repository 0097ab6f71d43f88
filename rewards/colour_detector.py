"""Sees spilled wine in the pixels: places of wine's colour where the anchor had none. No network."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import UserError
from rewards.events import Detector, Event
from rewards.functional import fit_within, grow, tone
from rewards.locating.colour_locator import lab_of

GRID = 64
LEAST_WINE = 0.003  # share of the anchor that must be wine-coloured, else there is no wine that could be spilt
SPILT = 0.012  # share of the frame from which a spill is certain


class ColourDetector(Detector):
    """Spilled red wine by its colour; it knows the event "spill" alone."""

    family = "colour-mask"

    def __call__(
        self, frames: Float[Tensor, "b t c h w"], first: Float[Tensor, "b 1 c h w"], events: Sequence[Event]
    ) -> Float[Tensor, "b e t"]:
        """p of a spill, once for each event asked; UserError for any other event."""
        others = [event.name for event in events if event.name != "spill"]
        if others:
            raise UserError(f"the colour detector sees only 'spill', not {others[0]!r}: use detector 'text'")
        return spill(frames, first)[:, None].expand(-1, len(events), -1)


def spill(frames: Float[Tensor, "b t c h w"], first: Float[Tensor, "b 1 c h w"]) -> Float[Tensor, "b t"]:
    """How surely wine is outside of the glass: new wine-coloured places, as far as there is more wine than before.

    A dark red thing that moves makes new places but no more wine, so it does not count. More wine is counted in all of
    the picture (a flat puddle shows more of it than a glass does) and below the glass's own, where any more is spilt
    however much the glass still holds. NaN without wine in the anchor.
    """
    wine = wine_coloured(fit_within(torch.cat([first, frames], dim=1), GRID))
    share = lambda mask: mask.float().mean((-2, -1))  # noqa: E731
    new = share(wine[:, 1:] & ~grow(wine[:, :1], 1))
    low = wine & _below(wine[:, :1])
    more, more_low = ((share(x[:, 1:]) - share(x[:, :1])).clamp(min=0) for x in (wine, low))
    surely = (torch.minimum(new, torch.maximum(2 * more, more_low)) / SPILT).clamp(0, 1)
    return surely.masked_fill(share(wine[:, :1]) < LEAST_WINE, torch.nan)


def _below(wine: Bool[Tensor, "b 1 h w"]) -> Bool[Tensor, "b 1 h 1"]:
    """Rows under the lowest place of wine."""
    rows = torch.arange(wine.shape[-2], device=wine.device).view(1, 1, -1, 1)
    lowest = (rows * wine.any(-1, keepdim=True)).amax(2, keepdim=True)
    return rows > lowest


def wine_coloured(frames: Float[Tensor, "b t c h w"]) -> Bool[Tensor, "b t h w"]:
    """Pixels of red wine's colour (dark crimson), where at least 4 of the 9 around agree."""
    lab = lab_of(frames)
    a, b = tone(lab).unbind(2)
    like = (a > 36) & (b > -6) & (b < 0.62 * a) & (lab[:, :, 0] < 34)
    around = F.avg_pool2d(like.float(), 3, 1, 1, count_include_pad=False) * 9
    return like & (around > 3.5)
