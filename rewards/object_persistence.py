"""Is what the anchor shows still there, still itself, and only once?

Score of a thing = mean_t v_t·cos+(g_t, g_anchor) · (1 − λ₁·i) · (1 − λ₂·d): v visibility, g its look, i the
share of frames whose identity differs from the anchor's, d the share of frames with a second one. Identity is
compared with the anchor, never with the frame before, since comparing neighbours follows a morph. Source:
REWARDS.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Anchor, Frames, Metadata, Scores, anchor_or_first, flags, reward
from rewards.colour_locator import Regions, colour_chart, is_thing, lab_of, regions
from rewards.functional import cos_plus, fit_within

GRID = 64  # frames are measured on a grid with this longer side
PATCH = 12  # a thing's look is a patch of PATCH × PATCH, at its own place and size
SAME, OTHER = 0.88, 0.72  # look similarity from which a thing is itself, and below which it is another
BORDER = 2  # pixels: nearer than this, a thing touches the border


@dataclass(frozen=True)
class Traces:
    """What is measured of each thing in each frame, all 0..1."""

    visible: Float[Tensor, "b t k"]
    alike: Float[Tensor, "b t k"]
    differs: Float[Tensor, "b t k"]
    copies: Float[Tensor, "b t k"]
    counts: Bool[Tensor, "b t k"]


@reward("object_persistence", family="colour-mask", needs=("anchor",))
def object_persistence(
    frames: Frames,
    prompts: Sequence[str],
    *,
    fps: float,
    anchor: Anchor | None = None,
    metadata: Metadata = None,
    things: int = 3,
    identity_weight: float = 0.5,
    duplicate_weight: float = 0.5,
) -> Scores:
    """Is every coloured thing of the anchor's first frame still there, still itself, and only once? 0..1.

    things: how many colours are followed. identity_weight, duplicate_weight: λ₁ and λ₂, 0..1.
    metadata {"exit_allowed": True}: a thing that left through the border is not missed.
    NaN when the anchor shows nothing coloured. Source: REWARDS.md.
    """
    first = anchor_or_first(frames, anchor)[:, :1]
    lab = lab_of(fit_within(torch.cat([first, frames], dim=1), GRID))
    chart = colour_chart(lab[:, 0], things)
    found = regions(chart, lab)
    traces = _traces(found, lab, flags(metadata, "exit_allowed", len(frames)))
    shown = is_thing(found)[:, 0]
    return _score(traces, shown, identity_weight, duplicate_weight)


def _traces(found: Regions, lab: Float[Tensor, "b t1 3 h w"], exit_allowed: list[bool]) -> Traces:
    """Compare frames 1.. with frame 0, the anchor."""
    own = found.areas[:, :1]
    instances = (own > 0.3 * own[..., :1]).sum(-1).clamp(1, own.shape[-1] - 1)
    kept = torch.arange(own.shape[-1], device=lab.device) < instances.unsqueeze(-1)
    share = (found.areas * kept).sum(-1) / (own * kept).sum(-1).clamp(min=1e-6)
    enough = (
        1 - 0.5 / instances
    )  # of one thing half its area counts as whole (room for scale 0.8), of two 3/4
    visible = (share[:, 1:] / enough).clamp(0, 1)
    extra = found.areas.gather(-1, instances.expand(-1, found.areas.shape[1], -1).unsqueeze(-1)).squeeze(-1)
    extra = extra / own[..., 0].clamp(min=1e-6)
    total = found.areas.sum(-1) / own.sum(-1).clamp(min=1e-6)
    copies = (((extra - 0.25) / 0.25).clamp(0, 1) * ((total - 1.2) / 0.2).clamp(0, 1))[:, 1:]
    look = _look(found, lab)
    alike = cos_plus(look[:, 1:], look[:, :1])
    differs = ((SAME - alike) / (SAME - OTHER)).clamp(0, 1) * (visible > 0.2)
    gone = _left_through_border(found, visible) & visible.new_tensor(exit_allowed).bool()[:, None, None]
    return Traces(visible, alike, differs, copies, ~gone)


def _look(found: Regions, lab: Float[Tensor, "b t 3 h w"]) -> Float[Tensor, "b t k d"]:
    """Silhouette and lightness of each thing's largest region, on a patch that moves and scales with it."""
    body = found.largest
    b, t, k, h, w = body.shape
    mass = body.sum((-2, -1)).clamp(min=1e-6)
    rows, columns = torch.arange(h, device=body.device), torch.arange(w, device=body.device)
    y, x = (body.sum(-1) * rows).sum(-1) / mass, (body.sum(-2) * columns).sum(-1) / mass
    mean = (body * lab[:, :, :1]).sum((-2, -1)) / mass
    light = body * (lab[:, :, :1] - mean[..., None, None]) / 40
    step = torch.linspace(-1, 1, PATCH, device=body.device)
    reach = mass.sqrt().view(-1, 1)
    grid_x = (x.view(-1, 1) + reach * step + 0.5) / w * 2 - 1
    grid_y = (y.view(-1, 1) + reach * step + 0.5) / h * 2 - 1
    grid = torch.stack(
        [grid_x[:, None, :].expand(-1, PATCH, -1), grid_y[:, :, None].expand(-1, -1, PATCH)], dim=-1
    )
    picture = torch.stack([body, light], dim=3).view(-1, 2, h, w)
    return F.grid_sample(picture, grid, align_corners=False).view(b, t, k, -1)


def _left_through_border(found: Regions, visible: Float[Tensor, "b t k"]) -> Bool[Tensor, "b t k"]:
    """Not seen, and it touched the border when it was last seen."""
    body = found.largest[:, :-1] > 0.5
    edge = torch.ones(body.shape[-2:], dtype=torch.bool, device=body.device)
    edge[BORDER:-BORDER, BORDER:-BORDER] = False
    touches = (body & edge).flatten(3).any(-1)  # in the frame before
    seen = visible >= 0.5
    steps = torch.arange(visible.shape[1], device=visible.device).view(1, -1, 1)
    last_seen = torch.where(seen, steps + 1, 0).cummax(1).values  # 0: in the anchor
    at_border = touches.gather(1, last_seen.clamp(max=touches.shape[1] - 1))
    return ~seen & at_border


def _score(
    traces: Traces, valid: Bool[Tensor, "b k"], identity_weight: float, duplicate_weight: float
) -> Scores:
    """The formula of the module's docstring, averaged over the things that exist."""
    counts = traces.counts & valid[:, None]
    per_thing = _mean(traces.visible * traces.alike, counts, 1)
    identity, copies = _mean(traces.differs, counts, 1), _mean(traces.copies, counts, 1)
    score = per_thing * (1 - identity_weight * identity) * (1 - duplicate_weight * copies)
    scored = counts.any(1)
    parts = {"visible": _mean(traces.visible, counts, 1), "identity": 1 - identity, "single": 1 - copies}
    frame = traces.visible * traces.alike
    frame = frame * (1 - identity_weight * traces.differs) * (1 - duplicate_weight * traces.copies)
    return Scores(
        _mean(score, scored, 1),
        _mean(frame, counts, 2),
        {name: _mean(part, scored, 1) for name, part in parts.items()},
    )


def _mean(x: Tensor, counts: Tensor, dim: int) -> Tensor:
    """Mean over what counts along `dim`; NaN where nothing does."""
    return x.masked_fill(~counts, torch.nan).nanmean(dim)
