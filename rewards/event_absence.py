"""Did something happen that nobody asked for? absence = 1 − the largest smoothed probability that it is
happening.

One detector an event turns frames into p_t; `spill` sees wine-coloured pixels appear where the anchor had
none.
Source: REWARDS.md, event_absence; a text–frame detector joins as another entry of EVENTS.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Anchor, Frames, Metadata, Scores, anchor_or_first, reward
from rewards.colour_locator import lab_of
from rewards.functional import fit_within, grow, tone

GRID = 64
SMOOTH = 3  # frames: shorter flashes are noise
LEAST_WINE = (
    0.003  # share of the anchor that must be wine-coloured, else there is no wine that could be spilt
)
SPILT = 0.012  # share of the frame from which a spill is certain


@reward("event_absence", family="colour-mask", needs=("anchor",))
def event_absence(
    frames: Frames,
    prompts: Sequence[str],
    *,
    fps: float,
    anchor: Anchor | None = None,
    metadata: Metadata = None,
    event: Literal["spill"] = "spill",
) -> Scores:
    """1 while the event does not happen, falling to 0 once it surely does.

    event: "spill" (red wine outside of its glass). per_frame is 1 − the smoothed probability.
    NaN where the prompt asks for the event, and when the anchor holds nothing that it could happen to.
    Source: REWARDS.md.
    """
    detector = EVENTS[event]
    probability = detector.probability(frames, anchor_or_first(frames, anchor)[:, :1])
    wanted = [re.search(detector.asked, prompt, re.IGNORECASE) is not None for prompt in prompts]
    probability = probability.masked_fill(frames.new_tensor(wanted).bool().unsqueeze(1), torch.nan)
    width = min(SMOOTH, probability.shape[1])
    padded = F.pad(probability, (width - 1 - (width - 1) // 2, (width - 1) // 2), mode="replicate")
    smooth = padded.unfold(1, width, 1).mean(-1)
    return Scores(1 - smooth.amax(1), 1 - smooth)


def spill(frames: Frames, first: Float[Tensor, "b 1 c h w"]) -> Float[Tensor, "b t"]:
    """How surely wine is outside of the glass: new wine-coloured places, as far as there is more wine than
    before.

    A dark red thing that moves makes new places but no more wine, so it does not count. NaN without wine in
    the anchor.
    """
    wine = wine_coloured(fit_within(torch.cat([first, frames], dim=1), GRID))
    share = lambda mask: mask.float().mean((-2, -1))  # noqa: E731
    new = share(wine[:, 1:] & ~grow(wine[:, :1], 1))
    more = (share(wine[:, 1:]) - share(wine[:, :1])).clamp(min=0)
    surely = (torch.minimum(new, 2 * more) / SPILT).clamp(0, 1)
    return surely.masked_fill(share(wine[:, :1]) < LEAST_WINE, torch.nan)


def wine_coloured(frames: Float[Tensor, "b t 3 h w"]) -> Bool[Tensor, "b t h w"]:
    """Pixels of red wine's colour (dark crimson), where at least 4 of the 9 around agree."""
    lab = lab_of(frames)
    a, b = tone(lab).unbind(2)
    like = (a > 36) & (b > -6) & (b < 0.62 * a) & (lab[:, :, 0] < 34)
    around = F.avg_pool2d(like.float(), 3, 1, 1, count_include_pad=False) * 9
    return like & (around > 3.5)


@dataclass(frozen=True)
class Event:
    """How an event is seen: `probability(frames, first)` gives p `[b t]`; `asked` finds it in a prompt that
    wants it.
    """

    probability: Callable[[Tensor, Tensor], Tensor]
    asked: str


EVENTS = {"spill": Event(spill, asked=r"\b(spill|tips?\b|tipping|knock|pour|topple|falls? over)")}
