"""Has the light changed, whatever moved?

In linear light, each frame is compared with the anchor and with the frame before, on pixels that neither
moved nor
clipped: (i) robust log gain, (ii) angle between shades-of-grey illuminants, (iii) Wasserstein-1 of L*, a*,
b*, (iv) low-frequency shading. score = exp(−Σ w_k d_k/τ_k). Source: REWARDS.md. The camera is taken to stand
still.
"""

import re
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Anchor, Frames, Metadata, Scores, anchor_or_first, flags, reward
from rewards.functional import (
    angle,
    fit_within,
    grow,
    linear_to_lab,
    log_gain,
    luminance,
    masked_mean,
    masked_median,
    safe_log,
    shades_of_grey,
    srgb_to_linear,
    wasserstein1,
)

GRID = 32  # light is low-frequency: frames are averaged down to this longer side, in linear light
CLIPPED = 0.97  # linear light from which a channel may be saturated
MOVED = 0.30  # a pixel whose log light departs this far from the global change has something else on it
MIN_PIXELS = 0.10  # less than this share of comparable pixels: not scored
TAU = {
    "gain": 0.40,
    "tint": 4.0,
    "colour": 10.0,
    "shading": 0.10,
}  # distance that costs a factor e at weight 1
ASKED = r"\b(dims?|dimming|darkens?|brightens?|sunsets?|sunrise|lights? (go|goes|turns?|fades?|changes?))\b"
WEIGHT = {"gain": 0.3, "tint": 0.25, "colour": 0.25, "shading": 0.2}


@reward("lighting_consistency", family="photometric", needs=("anchor",))
def lighting_consistency(
    frames: Frames,
    prompts: Sequence[str],
    *,
    fps: float,
    anchor: Anchor | None = None,
    metadata: Metadata = None,
    allow_change: Literal["never", "when asked", "always"] = "when asked",
    neighbour_weight: float = 0.5,
) -> Scores:
    """Has the light changed against the anchor and against the frame before, whatever moved? 1 unchanged, to
    0.

    allow_change: where change is allowed, only sudden change (frame to frame) counts. "when asked" reads the
    prompt ("the light dims") and metadata {"allow_change": True}.
    neighbour_weight: share of the comparison with the frame before, 0..1.
    A frame is NaN where fewer than 10 % of its pixels can be compared, the video when most of its frames are.
    Source: REWARDS.md.
    """
    reference = anchor_or_first(frames, anchor)
    linear = fit_within(srgb_to_linear(torch.cat([reference[:, :1], reference[:, -1:], frames], dim=1)), GRID)
    now, first, before = linear[:, 2:], linear[:, :1].expand_as(linear[:, 2:]), linear[:, 1:-1]
    far, far_share = distances(now, first)
    near, near_share = distances(now, before)
    asked = [
        flag or re.search(ASKED, prompt, re.IGNORECASE) is not None
        for flag, prompt in zip(flags(metadata, "allow_change", len(frames)), prompts, strict=True)
    ]
    allowed = {"never": [False] * len(frames), "when asked": asked, "always": [True] * len(frames)}[
        allow_change
    ]
    weight = torch.where(frames.new_tensor(allowed).bool(), 1.0, neighbour_weight).view(-1, 1)
    badness = {k: (1 - weight) * far[k] + weight * near[k] for k in TAU}
    share = torch.where(weight < 1, torch.minimum(far_share, near_share), near_share)
    per_frame = torch.exp(-torch.stack([WEIGHT[k] * badness[k] / TAU[k] for k in TAU]).sum(0))
    per_frame = per_frame.masked_fill(share < MIN_PIXELS, torch.nan)
    parts = {
        k: torch.exp(-d / TAU[k]).masked_fill(share < MIN_PIXELS, torch.nan).nanmean(1)
        for k, d in badness.items()
    }
    mostly = per_frame.isnan().float().mean(1) <= 0.5
    return Scores(
        per_frame.nanmean(1).masked_fill(~mostly, torch.nan), per_frame, {**parts, "compared": share.mean(1)}
    )


def distances(
    now: Float[Tensor, "b t 3 h w"], then: Float[Tensor, "b t 3 h w"]
) -> tuple[dict[str, Float[Tensor, "b t"]], Float[Tensor, "b t"]]:
    """The four distances between two pictures in linear light, and the share of pixels they were measured on.

    gain: natural log; tint: degrees; colour: mean W1 of L*, a*, b*; shading: log units.
    """
    mask = comparable(now, then)
    p, flat = mask.flatten(2), lambda x: x.flatten(-2)
    y, y0 = flat(luminance(now)), flat(luminance(then))
    gain = log_gain(y, y0, p)
    residual = (safe_log(y) - safe_log(y0) - gain.unsqueeze(-1)).view(mask.shape)
    lab, lab0 = flat(linear_to_lab(now)), flat(linear_to_lab(then))
    found = {
        "gain": gain.abs(),
        "tint": angle(shades_of_grey(flat(now), p), shades_of_grey(flat(then), p)),
        "colour": wasserstein1(lab, lab0, p.unsqueeze(2).expand_as(lab)).mean(-1),
        "shading": _shading(residual, mask),
    }
    return {name: d.nan_to_num(0.0) for name, d in found.items()}, p.float().mean(-1)


def comparable(now: Float[Tensor, "b t 3 h w"], then: Float[Tensor, "b t 3 h w"]) -> Bool[Tensor, "b t h w"]:
    """Pixels that show the same surface in both: not moved or covered, not clipped in both, not black.

    A pixel that is clipped in one picture only still says that the light changed at least so much, so it
    stays.
    """
    clipped = (now.amax(2) > CLIPPED) & (then.amax(2) > CLIPPED)
    dark = torch.minimum(luminance(now), luminance(then)) < 0.004
    usable = ~clipped & ~dark
    change = safe_log(now) - safe_log(then)
    common = masked_median(change.flatten(3), usable.flatten(2).unsqueeze(2).expand(-1, -1, 3, -1))
    moved = (change - common[..., None, None]).abs().amax(2) > MOVED
    return usable & ~grow(moved, 1)


def _shading(residual: Float[Tensor, "b t h w"], mask: Bool[Tensor, "b t h w"]) -> Float[Tensor, "b t"]:
    """Root mean square of the log residual averaged over a 4 × 4 lattice of cells, where a cell has enough
    pixels.
    """
    b, t, h, w = mask.shape
    cells = (min(4, h), min(4, w))
    weight = F.adaptive_avg_pool2d(mask.float().view(b * t, 1, h, w), cells).view(b, t, -1)
    total = F.adaptive_avg_pool2d((residual * mask).nan_to_num(0.0).view(b * t, 1, h, w), cells).view(
        b, t, -1
    )
    return masked_mean((total / weight.clamp(min=1e-6)) ** 2, weight > 0.25).sqrt()
