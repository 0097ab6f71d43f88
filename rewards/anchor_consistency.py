"""Does every frame still look like the anchor? ScalingNoise's long-horizon reward on features of an image
encoder.

Mean over frames of ½[cos+(anchor, t) + cos+(t−1, t)], with a fixed and a sliding anchor: anchoring to recent
frames only entrenches drift. Source: ScalingNoise (arXiv:2503.16400); the functional is VBench's subject
consistency.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from rewards import functional
from rewards.base import Anchor, BaseReward, Frames, Metadata, RewardSpec, Scores, UserError
from rewards.encoders import create_encoder
from rewards.registry import component


@component("anchor_consistency")
class AnchorConsistency(BaseReward):
    """Mean over frames of ½[cos+(anchor, t) + cos+(t−1, t)] on encoder features; 0..1.

    encoder: a name for `create_encoder`; the default sees how the picture looks and cares little where things stand
    (`sn-eval rewards audit anchor_consistency` against `--param encoder=imagenet-lite0@64`). fixed: weight of the
    anchor's first frame against its last (sliding), 0..1. variant "public_code" gives what the authors' published code
    computes instead (see `public_code`). Without an anchor the video's first frame is the anchor and is not scored
    itself. NaN when nothing is left to score.
    """

    def __init__(
        self,
        encoder: str = "imagenet-lite0-early@96",
        fixed: float = 0.7,
        variant: Literal["formula", "public_code"] = "formula",
    ) -> None:
        if not 0 <= fixed <= 1:
            raise UserError(f"anchor_consistency: fixed must lie in 0..1; given {fixed}")
        self.encoder, self.fixed, self.variant = create_encoder(encoder), fixed, variant
        self.spec = RewardSpec(
            name="anchor_consistency",
            families=(f"encoder:{self.encoder.kind}",),
            range=(0.0, 1.0) if variant == "formula" else (0.5, 2.0),
            needs=("anchor",),
            encoder=self.encoder.name,
            encoder_sha256=self.encoder.sha256,
            cost="small network",
            falls_under=("blur", "colour_drift", "swap"),
            holds_under=("natural_motion",),
        )

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """Encode all frames and the two anchor frames in one batch, then apply the formula."""
        if anchor is None:
            features = self.encoder(frames)
            first, rest = features[:, :1], features[:, 1:]
        else:
            features = self.encoder(torch.cat([anchor[:, :1], anchor[:, -1:], frames], dim=1))
            first, rest = features[:, :2], features[:, 2:]
        if rest.shape[1] == 0:
            nothing = frames.new_full((len(frames), frames.shape[1]), torch.nan)
            return Scores(nothing[:, 0], nothing)
        if self.variant == "public_code":
            return Scores(public_code(functional.cos_plus(first[:, 0], rest[:, -1]), frames.shape[1]))
        per_frame = functional.anchor_consistency(rest, first, self.fixed)
        to_anchor = functional.cos_plus(rest, first[:, :1]).mean(1)
        unscored = per_frame.new_full((len(frames), frames.shape[1] - per_frame.shape[1]), torch.nan)
        return Scores(per_frame.mean(1), torch.cat([unscored, per_frame], dim=1), {"to_anchor": to_anchor})


def public_code(last: Float[Tensor, "b"], images: int) -> Float[Tensor, "b"]:
    """What the published code's loop amounts to: it always reads the last frame, and divides n terms by n −
    1.

    last: cos+(anchor, last frame). 0.5 + 0.5625·last for 17 images (ALGORITHM.md); may exceed 1.

    >>> public_code(torch.tensor([1.0, 0.0]), 17).tolist()
    [1.0625, 0.5]
    """
    n: int = max(images, 2)
    value: Tensor = 0.5 + (n + 1) / (2 * (n - 1)) * last
    return value
