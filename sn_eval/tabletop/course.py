"""How far a video is from what its scene itself would show at the same time, in each thing that pixels can tell.

The scene's own frames are drawn and measured with the same meters (`sn_eval.tabletop.truth`) as the video, so a meter's
own lean cancels; how far the meters are from the renderer's exact truth is said by `sn_eval.tabletop.meter_error`.
"""

import random
from dataclasses import fields

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import UserError
from rewards.functional import angle, linear_to_lab, masked_median, srgb_to_linear, unit
from sn_eval.tabletop import scene as world
from sn_eval.tabletop.render import backdrop, render
from sn_eval.tabletop.scene import FPS, SIZE, Scene
from sn_eval.tabletop.truth import DARK, LEAST_PIXELS, Measured, measure

Video = Float[Tensor, "t 3 h w"]

PARTS = ("visible", "colour", "position", "level", "tint", "spill", "spilled")
SPILLED = 20.0  # pixels of wine on the table, more than at the start, that are a spill: as in `truth.spilled`
WHOLE_PUDDLE = 106.0  # pixels of the renderer's puddle when all of the wine is out
STRANGE = 0.1  # chromaticity that far from the backdrop's is no backdrop: yellow and wood are 0.16 apart

# First frames of 60 to 200 scenes, largest difference of 4x4 means from the render: through the codec at most 0.04,
# through our H.264 0.02 (at crf 28 0.03, at crf 28 without enlarging 0.11); other scenes from 0.28, text-to-video from
# 0.46. Of the same captions with another seed 92 % lie above; the others start within about a pixel of the scene.
ALIKE = 0.12


def scene_of(prompt: str, seed: int) -> Scene:
    """The scene that a prompt and a seed stand for, as `models` renders it; UserError for a prompt without any."""
    return world.complete(world.parse(prompt), random.Random(f"{seed}:{prompt}"))


def at_world_size(frames: Float[Tensor, "t 3 H W"]) -> Video:
    """Frames at 64x64: an enlargement by a whole number is averaged back, anything else is a UserError.

    >>> at_world_size(torch.zeros(2, 3, 256, 256)).shape
    torch.Size([2, 3, 64, 64])
    """
    height, width = frames.shape[-2:]
    if height != width or height % SIZE:
        raise UserError(
            f"frames of {width}x{height}: a tabletop video is {SIZE}x{SIZE}, or that enlarged by a whole number"
        )
    return frames if height == SIZE else F.avg_pool2d(frames, height // SIZE)


def unlike(frame: Float[Tensor, "3 h w"], own: Float[Tensor, "3 h w"]) -> float:
    """How far a frame is from the scene's own: the largest difference of any channel's mean over 4x4 pixels, 0..1.

    A codec hardly moves such means, a thing that stands elsewhere does; the mean over the picture would miss it.
    """
    return float(F.avg_pool2d((frame - own.to(frame))[None], 4).abs().max())


class Course:
    """A scene as it should go on, drawn and measured a stretch at a time; frame i of a video is at time i · 8 / fps.

    The last stretch is kept, for many videos of one scene are asked about one after the other.
    """

    def __init__(self, scene: Scene, fps: float = float(FPS)) -> None:
        self.scene, self.fps = scene, fps
        self._asked: tuple[int, int] | None = None
        self._answer: tuple[Tensor, Measured] | None = None
        self.first, self.begin = self.at(0, 1)

    def at(self, first: int, count: int) -> tuple[Video, Measured]:
        """Frames `first` … `first + count - 1`, and what the meters say of them."""
        if self._answer is None or self._asked != (first, count):
            times = (first + torch.arange(count, dtype=torch.float32)) * (FPS / self.fps)
            frames = render([self.scene], times[None]).frames[0]
            self._asked, self._answer = (first, count), (frames, measure(frames, self.scene))
        return self._answer

    def begins_like(self, frame: Float[Tensor, "3 h w"]) -> float:
        """`unlike` of a video's first frame; up to ALIKE it is this scene's."""
        return unlike(frame, self.first[0])

    def departures(self, frames: Video, seen: Measured, first: int, begin: Measured) -> dict[str, Float[Tensor, "t"]]:
        """One number a frame for each of PARTS; NaN where there is nothing to measure.

        frames: those from number `first` on, and `seen` what the meters say of them; begin: of the video's first frame.
        visible, spilled: 1 where every thing is there, and where wine is spilled or not as in the scene, else 0.
        colour: CIE76 ΔE; position: share of the width; level: share of full light; tint: degrees; spill: pixels.
        """
        shown, own = self.at(first, len(frames))
        own = Measured(*(getattr(own, each.name).to(frames.device) for each in fields(own)))
        solid = [i for i, thing in enumerate(self.scene.things) if thing.kind != "glass"]
        wine = len(solid) < len(self.scene.things)
        full = sum(world.TINTS[self.scene.tint]) / 3  # warm and cool light are not as bright as white
        apart = (seen.centre - own.centre).abs() / SIZE
        delta = delta_e(self.colours(frames, seen, own), self.colours(shown.to(frames), own, own))
        gone = torch.full_like(seen.level, torch.nan)
        more, own_more = (m.spill - start.spill.to(m.spill) for m, start in ((seen, begin), (own, self.begin)))
        return {
            "visible": self.visible(seen, own),
            "colour": delta[:, solid].nanmean(1),
            "position": apart[:, solid].nanmean(1),
            "level": (seen.level - own.level).abs() / full,
            "tint": angle(unit(seen.tint), unit(own.tint)),
            "spill": (seen.spill - own.spill).abs() if wine else gone,
            "spilled": ((more >= SPILLED) == (own_more >= SPILLED)).float() if wine else gone,
        }

    def visible(self, seen: Measured, own: Measured) -> Float[Tensor, "t"]:
        """1 where every thing that the scene shows has half to twice the pixels that it has there; else 0.

        Wine may stand in its glass or lie on the table: from half of the one to twice a whole puddle.
        """
        there, counts = [], []
        for slot, thing in enumerate(self.scene.things):
            least = most = own.area[:, slot]
            if thing.kind == "glass":
                least, most = least.clamp(max=float(self.begin.area[0, slot])), most.clamp(min=WHOLE_PUDDLE)
            there.append((seen.area[:, slot] > least / 2) & (seen.area[:, slot] < most * 2))
            counts.append(own.area[:, slot] >= LEAST_PIXELS)
        shown = torch.stack(counts)
        every = (torch.stack(there) | ~shown).all(0).float()
        return torch.where(shown.any(0), every, torch.nan)

    def colours(self, frames: Video, seen: Measured, own: Measured) -> Float[Tensor, "t s 3"]:
        """Median colour of each thing with the light divided out, RGB about 0..1; NaN where nothing is to be seen.

        Taken from its own pixels; where less than half of them are left, from what stands in its place instead.
        """
        bare = frames / (seen.tint * seen.level[:, None])[:, :, None, None].clamp(min=1e-3)
        place = own.masks & (frames.amax(1) > DARK).unsqueeze(1)
        masks = self._looked_at(bare, seen, place).unsqueeze(2).expand(-1, -1, 3, -1, -1)
        colour = masked_median(bare.unsqueeze(1).expand_as(masks).flatten(3), masks.flatten(3))
        enough = masks[:, :, 0].sum((-1, -2)) >= LEAST_PIXELS
        return torch.where(enough.unsqueeze(-1), colour, torch.nan)

    def _looked_at(
        self, bare: Video, seen: Measured, place: Bool[Tensor, "t s h w"]
    ) -> Bool[Tensor, "t s h w"]:
        """The pixels that a thing's colour is taken from; place: where it should be, as far as there is light."""
        ground = backdrop([self.scene]).to(bare)
        strange = (_chromaticity(bare) - _chromaticity(ground)).norm(dim=1) > STRANGE
        instead = place & (strange & ~seen.masks.any(1)).unsqueeze(1)
        half = place.sum((-1, -2)) / 2
        replaced = (seen.area < half) & (instead.sum((-1, -2)) >= half)
        return torch.where(replaced[:, :, None, None], instead, seen.masks)


def delta_e(one: Float[Tensor, "*n 3"], other: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
    """CIE76 colour difference of two sRGB colours 0..1: about 2 is just seen, 100 is black against white.

    >>> round(delta_e(torch.zeros(3), torch.ones(3)).item(), 2)
    100.0
    """
    lab = [linear_to_lab(srgb_to_linear(rgb.clamp(min=0)).unflatten(-1, (3, 1, 1))) for rgb in (one, other)]
    return (lab[0] - lab[1]).flatten(-3).norm(dim=-1)


def _chromaticity(rgb: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n 3 h w"]:
    return rgb / rgb.sum(-3, keepdim=True).clamp(min=1e-6)
