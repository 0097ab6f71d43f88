"""Judge a tabletop video by what its scene says: are the things still there, of their shape, in the asked light?

Truth comes from the scene that the prompt and seed determine; measured with the classical meters of
`sn_eval.tabletop.truth` (colour masks), which are no part of any encoder.
"""

import random
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import BaseReward, Frames, Metadata, RewardSpec, Scores, UserError
from rewards.registry import component
from sn_eval.tabletop import scene as world
from sn_eval.tabletop import truth


@component("tabletop_truth")
class TabletopTruth(BaseReward):
    """Share of frames in which every coloured object of the scene is there in its own shape and size; 0..1.

    An object counts in a frame when its mask, moved onto the start frame's, overlaps it by at least `shape` (IoU) and
    has between half and twice its pixels. Parts: `present` (half to twice the pixels), `shape` (mean IoU), `light`
    (share of frames whose light has the scene's colour). metadata must hold each video's `seed`. NaN without a
    coloured object. Meant for videos that start from the prompt's own rendered scene.
    """

    def __init__(self, shape: float = 0.6) -> None:
        self.shape = shape
        self.spec = RewardSpec("tabletop_truth", ("colour-mask",), needs=("prompt", "anchor"))

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Frames | None, metadata: Metadata
    ) -> Scores:
        """One video at a time: scenes differ."""
        if anchor is None or metadata is None or not all("seed" in row for row in metadata):
            raise UserError("tabletop_truth needs the start frames as anchor and each video's seed in metadata")
        rows = [self._one(frames[i], anchor[i], prompt, int(metadata[i]["seed"])) for i, prompt in enumerate(prompts)]
        stack: Any = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
        per_frame = stack.pop("ok")
        return Scores(per_frame.mean(1), per_frame, {key: value.mean(1) for key, value in stack.items()})

    def _one(
        self, frames: Float[Tensor, "t 3 h w"], anchor: Float[Tensor, "a 3 h w"], prompt: str, seed: int
    ) -> dict[str, Float[Tensor, "t"]]:
        scene = world.complete(world.parse(prompt), random.Random(f"{seed}:{prompt}"))
        first, now = truth.measure(anchor[:1], scene), truth.measure(frames, scene)
        lit = torch.tensor([float(name == scene.tint) for name in truth.nearest_tint(now.tint)])
        slots = [i for i, thing in enumerate(scene.things) if thing.kind != "glass"]
        slots = [i for i in slots if first.area[0, i] >= truth.LEAST_PIXELS]
        if not slots:
            missing = torch.full((len(frames),), torch.nan)
            return {"ok": missing, "present": missing, "shape": missing, "light": lit}
        ratio = torch.stack([now.area[:, i] / first.area[0, i] for i in slots])
        shape = torch.stack([truth.keeps_shape(now.masks[:, i], first.masks[0, i]) for i in slots])
        present = (ratio > 0.5) & (ratio < 2.0)
        ok = (present & (shape >= self.shape)).all(0).float()
        return {"ok": ok, "present": present.all(0).float(), "shape": shape.mean(0), "light": lit}
