"""Does enough move? 1 from a declared amount of motion on, falling below it: no reward for freezing.

Each frame counts for itself, so one jump does not pay for a freeze. Motion is how much lightness changes a second at
the same place, after the light of the frame before was brought to this frame's (so flicker and dimming are no motion).
Source: REWARDS.md, motion_floor.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import Anchor, Frames, Metadata, Scores, UserError, reward
from rewards.functional import fit_within, lightness, log_gain, luminance, srgb_to_linear

GRID = 64
NOISE = 4.0  # steps of L*: smaller changes are noise of a codec or sampler


@reward(
    "motion_floor",
    family="frame-difference",
    falls_under=("freeze", "slow_motion"),
    holds_under=("frozen_flicker",),
)
def motion_floor(
    frames: Frames,
    prompts: Sequence[str],
    *,
    fps: float,
    anchor: Anchor | None = None,
    metadata: Metadata = None,
    minimum: float = 0.3,
) -> Scores:
    """Mean over frames of motion/minimum, each at most 1: 1 when every frame moves enough, 0 for a frozen video.

    minimum: steps of L* (0..100) a second, mean over pixels; metadata {"minimum_motion": x} says it for one video (0:
    this one may stand still, not scored). Measured on 96 table scenes of 64 px at 8 fps: still ones up to 0.03, those
    with one or two small moving things 0.1 to 4 (median 1.5).
    Brightness flicker does not count as motion. NaN for a single frame without an anchor. Source: REWARDS.md.
    """
    if minimum <= 0:
        raise UserError(
            f"motion_floor: minimum must be above 0; given {minimum}: leave the reward out instead"
        )
    rows = metadata if metadata is not None else [{}] * len(frames)
    asked = frames.new_tensor([float(row.get("minimum_motion", minimum)) for row in rows])
    amount = motion(frames if anchor is None else torch.cat([anchor[:, -1:], frames], dim=1), fps)
    per_frame = (amount / asked[:, None].clamp(min=1e-6)).clamp(max=1)
    per_frame = per_frame.masked_fill(asked[:, None] <= 0, torch.nan)
    values = per_frame.mean(1)
    missing = frames.shape[1] - per_frame.shape[1]
    per_frame = torch.cat([per_frame.new_full((len(frames), missing), torch.nan), per_frame], dim=1)
    return Scores(values, per_frame, {"motion": amount.mean(1)})


def motion(frames: Float[Tensor, "b t c h w"], fps: float) -> Float[Tensor, "b t1"]:
    """Steps of L* changed a second between neighbours, mean over pixels, apart from a change of the light."""
    return changed(luminance(fit_within(srgb_to_linear(frames), GRID)), fps)


def changed(light: Float[Tensor, "b t h w"], fps: float) -> Float[Tensor, "b t1"]:
    """The same of relative luminance (0..1) on a small grid."""
    y = light.flatten(2)
    now, before = y[:, 1:], y[:, :-1]
    gain = log_gain(now, before, torch.ones_like(now, dtype=torch.bool)).exp().unsqueeze(-1)
    change = (lightness(now) - lightness((before * gain).clamp(0, 1))).abs()
    moved: Tensor = (change - NOISE).clamp(min=0)
    return moved.mean(-1) * fps
