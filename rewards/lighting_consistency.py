"""Has the light changed, whatever moved?

In linear light, each frame is compared with the anchor and with the frame before, laid over each other by optical flow,
on pixels that show one surface in both and are not clipped: (i) robust log gain, (ii) angle between shades-of-grey
illuminants, (iii) Wasserstein-1 of L*, a*, b*, (iv) low-frequency shading. score = exp(−Σ w_k d_k/τ_k).
Source: REWARDS.md.
"""

import re
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Anchor, Frames, Metadata, Scores, anchor_or_first, flags, reward
from rewards.flow import aligned, warp
from rewards.functional import (
    angle,
    fit_within,
    grow,
    linear_to_lab,
    log_gain,
    luminance,
    masked_median,
    safe_log,
    shades_of_grey,
    srgb_to_linear,
    wasserstein1,
)

GRID = 32  # light is low-frequency: frames are averaged down to this longer side, in linear light
CLIPPED = 0.97  # linear light from which a channel may be saturated
RECOLOURED = 0.12  # a pixel whose channels' logs depart this far from the common change of hue shows something else
EDGE = 0.25  # a pixel whose log light departs this far from its surroundings' change lies on the edge of something
SPARSE = 0.25  # share of a cell's pixels at which its mean counts half as much as it would over a whole cell
FLAT = 0.015  # mean texture (a quarter of log light) below which a surface has none
FLOW_GRID = 128  # longer side on which motion is looked for
MIN_PIXELS = 0.10  # less than this share of comparable pixels: not scored
UNSEEN = 0.5  # share of frames that are not scored from which the video is not: what was not seen may be the fault
TAU = {
    "gain": 0.40,
    "tint": 4.0,
    "colour": 10.0,
    "shading": 0.10,
}  # distance that costs a factor e at weight 1
NOTICED = {
    "gain": 0.03,
    "tint": 0.7,
    "colour": 1.0,
    "shading": 0.05,
}  # about the smallest difference one sees; below it a distance counts with its square
ASKED = r"\b(dims?|dimming|darkens?|brightens?|sunsets?|sunrise|lights? (go|goes|turns?|fades?|changes?))\b"
WEIGHT = {"gain": 0.3, "tint": 0.25, "colour": 0.25, "shading": 0.2}


@reward(
    "lighting_consistency",
    family="photometric",
    needs=("anchor",),
    falls_under=("gain_ramp", "colour_cast", "flicker", "shadow_jump"),
    holds_under=("object_motion", "camera_pan", "coloured_entry"),
)
def lighting_consistency(
    frames: Frames,
    prompts: Sequence[str],
    *,
    fps: float,
    anchor: Anchor | None = None,
    metadata: Metadata = None,
    allow_change: Literal["never", "when asked", "always"] = "when asked",
    neighbour_weight: float = 0.5,
    align: Literal["flow", "none"] = "flow",
) -> Scores:
    """Has the light changed against the anchor and against the frame before, whatever moved? 1 unchanged, to
    0.

    allow_change: where change is allowed, only sudden change (frame to frame) counts. "when asked" reads the
    prompt ("the light dims") and metadata {"allow_change": True}.
    neighbour_weight: share of the comparison with the frame before, 0..1. align: "flow" follows surfaces that move with
    the camera; "none" compares places, ten times as fast, for a camera that stands still.
    A frame is NaN where fewer than 10 % of its pixels can be compared, the video when at least half of its
    frames are.
    Source: REWARDS.md.
    """
    reference = anchor_or_first(frames, anchor)
    video = torch.cat([reference[:, :1], reference[:, -1:], frames], dim=1)
    linear = srgb_to_linear(video)
    now, first, before = linear[:, 2:], linear[:, :1].expand_as(linear[:, 2:]), linear[:, 1:-1]
    far, far_share = distances(*surfaces(now, first, align == "flow"))
    near, near_share = distances(*surfaces(now, before, align == "flow"))
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
    mostly = per_frame.isnan().float().mean(1) < UNSEEN
    return Scores(
        per_frame.nanmean(1).masked_fill(~mostly, torch.nan), per_frame, {**parts, "compared": share.mean(1)}
    )


def surfaces(
    now: Float[Tensor, "b t 3 h w"], then: Float[Tensor, "b t 3 h w"], follow: bool
) -> tuple[Float[Tensor, "b t 3 h2 w2"], Float[Tensor, "b t 3 h2 w2"], Bool[Tensor, "b t h2 w2"]]:
    """Both pictures on the small grid, the earlier one laid over the later, and where both show one surface.

    follow: pixels are looked for where optical flow says that they were.
    """
    b, t = now.shape[:2]
    mask = now.new_ones(b, t, 1, *now.shape[-2:])
    if follow:
        now, then = (fit_to(x, FLOW_GRID) for x in (now, then))
        one, two = (x.flatten(0, 1) for x in (now, then))
        drawn, drawn0 = texture(one), texture(two)
        motion, trusted = aligned(drawn, drawn0)
        there = warp(torch.cat([two, _roughness(drawn0)], dim=1), motion)
        plain = torch.maximum(_roughness(drawn), there[:, 3:])[:, 0] < FLAT  # nothing to follow, nothing to misplace
        then = there[:, :3].view(now.shape)
        mask = (trusted | plain).float().view(b, t, 1, *now.shape[-2:])
    now, then, mask = (fit_within(x, GRID) for x in (now, then, mask))
    return now, then, comparable(now, then) & (mask[:, :, 0] > 0.99)


def texture(linear: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n h w"]:
    """Log light without what varies slowly over the picture, around 0.5: what flow follows, whatever the light."""
    level = F.avg_pool2d(safe_log(luminance(linear)).unsqueeze(1), 3, 1, 1, count_include_pad=False)
    width = FLOW_GRID // 8 + 1
    slow = F.avg_pool2d(level, width, 1, width // 2, count_include_pad=False)
    return (0.5 + 0.25 * (level - slow)).clamp(0, 1)[:, 0]


def _roughness(drawn: Float[Tensor, "n h w"]) -> Float[Tensor, "n 1 h w"]:
    """How much texture there is around each pixel."""
    return F.avg_pool2d((drawn - 0.5).abs().unsqueeze(1), 9, 1, 4, count_include_pad=False)


def fit_to(frames: Float[Tensor, "b t c h w"], side: int) -> Float[Tensor, "b t c h2 w2"]:
    """Frames whose longer side is `side`: averaged down, or enlarged smoothly (flow finds little in few pixels)."""
    h, w = frames.shape[-2:]
    if max(h, w) >= side:
        return fit_within(frames, side)
    size = (round(h * side / max(h, w)), round(w * side / max(h, w)))
    larger = F.interpolate(frames.flatten(0, 1), size, mode="bilinear", align_corners=False)
    return larger.view(*frames.shape[:3], *size)


def distances(
    now: Float[Tensor, "b t 3 h w"], then: Float[Tensor, "b t 3 h w"], mask: Bool[Tensor, "b t h w"]
) -> tuple[dict[str, Float[Tensor, "b t"]], Float[Tensor, "b t"]]:
    """The four distances between two pictures in linear light, and the share of pixels they were measured on.

    Each as far as one would notice it: √(d² + NOTICED²) − NOTICED. gain: natural log; tint: degrees; colour: mean W1
    of L*, a*, b*; shading: log units.
    """
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
    return {name: _noticed(name, d.nan_to_num(0.0)) for name, d in found.items()}, p.float().mean(-1)


def _noticed(name: str, distance: Tensor) -> Tensor:
    """What is left of a distance once it is weighed as far as one would see it."""
    least = NOTICED[name]
    return torch.hypot(distance, torch.full_like(distance, least)) - least


def comparable(now: Float[Tensor, "b t 3 h w"], then: Float[Tensor, "b t 3 h w"]) -> Bool[Tensor, "b t h w"]:
    """Pixels that show the same surface in both: not moved or covered, not clipped in both, not black.

    Light that changes in one part of the picture leaves hues alone and has no sharp edge; another thing differs in
    hue from what was there, or has an edge. A pixel that is clipped in one picture only still says that the light
    changed at least so much, so it stays.
    """
    clipped = (now.amax(2) > CLIPPED) & (then.amax(2) > CLIPPED)
    dark = torch.minimum(luminance(now), luminance(then)) < 0.004
    usable = ~clipped & ~dark
    change = safe_log(now) - safe_log(then)
    hue = change - change.mean(2, keepdim=True)
    common = masked_median(hue.flatten(3), usable.flatten(2).unsqueeze(2).expand(-1, -1, 3, -1))
    washed = torch.maximum(now, then).amax(2) > CLIPPED  # a clipped channel changes the hue of what it was
    recoloured = ((hue - common[..., None, None]).abs().amax(2) > RECOLOURED) & ~washed
    level = change.mean(2)
    edge = (level - _smooth(level, usable)).abs() > EDGE
    return usable & ~grow(recoloured | edge, 1)


def _smooth(level: Float[Tensor, "b t h w"], usable: Bool[Tensor, "b t h w"]) -> Float[Tensor, "b t h w"]:
    """The median over the 7 × 7 usable pixels around: what a soft shadow would be there."""
    b, t, h, w = level.shape
    holes = level.masked_fill(~usable, torch.nan).view(b * t, 1, h, w)
    padded = F.pad(holes, (3, 3, 3, 3), value=torch.nan)
    around = F.unfold(padded.nan_to_num(1e6), 7).view(b * t, 49, h * w)
    around = around.masked_fill(around > 1e5, torch.nan)
    return around.nanmedian(dim=1).values.nan_to_num(0.0).view(b, t, h, w)


def _shading(residual: Float[Tensor, "b t h w"], mask: Bool[Tensor, "b t h w"]) -> Float[Tensor, "b t"]:
    """Root mean square of the log residual averaged over a 4 × 4 lattice of cells.

    A cell counts by its share of comparable pixels, and its mean is drawn towards 0 where they are few: a handful of
    pixels, mostly at the edges of things, says little about the light.
    """
    b, t, h, w = mask.shape
    cells = (min(4, h), min(4, w))
    share, total = (
        F.adaptive_avg_pool2d(x.view(b * t, 1, h, w), cells).view(b, t, -1)
        for x in (mask.float(), (residual * mask).nan_to_num(0.0))
    )
    level = (1 + SPARSE) * total / (share + SPARSE)
    return ((level**2 * share).sum(-1) / share.sum(-1).clamp(min=1e-6)).sqrt()
