"""Classical measurements on the pixels of a tabletop video: where things are, how the light stands, what is spilled.

The scene's colours are known, so no learning is needed: the wall tells the light, and every pixel, relieved of that
light, belongs to the material whose chromaticity is nearest. Works on rendered, decoded and generated frames alike;
`sn_eval.tabletop.meter_error` reports the meters' own error against the renderer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sn_eval.tabletop import scene as world
from sn_eval.tabletop.render import HORIZON, SLOTS, backdrop
from sn_eval.tabletop.scene import LANES, SIZE, Scene

# chromaticity farther than this from every material is nothing known (mixtures at edges, artefacts)
REACH = 0.22
DARK = 0.04  # a pixel no brighter than this has no colour to go by
LEAST_PIXELS = 8  # fewer pixels of a material are noise
WOOD, NEUTRAL = (0.55, 0.36, 0.20), (1.0, 1.0, 1.0)
PUDDLE_ABOVE, PUDDLE_BELOW = 3.0, 6.0  # rows around the glass's base line where wine is spilled wine


@dataclass(frozen=True)
class Measured:
    """What the pixels of one video [t frames] say; s object slots (the wine stands for the glass).

    masks: pixels of each object. centre: x of the mask (px, NaN where gone). area: pixels. level: brightness of the
    wall against the scene's own wall at full light. tint: estimated light colour, mean 1. spill: pixels of wine on
    the table.
    """

    masks: Bool[Tensor, "t s h w"]
    centre: Float[Tensor, "t s"]
    area: Float[Tensor, "t s"]
    level: Float[Tensor, "t"]
    tint: Float[Tensor, "t 3"]
    spill: Float[Tensor, "t"]


def _chromaticity(rgb: Tensor, dim: int) -> Tensor:
    return rgb / rgb.sum(dim, keepdim=True).clamp(min=1e-6)


def light(frames: Float[Tensor, "t 3 h w"], scene: Scene) -> tuple[Float[Tensor, "t"], Float[Tensor, "t 3"]]:
    """Level and colour of the light, from the upper wall, whose own colour is known.

    The colour is normalised to mean 1 over RGB; 0..about 1 for the level.
    """
    rows = slice(2, int(HORIZON) - 22)  # above the tallest object
    wall = frames[:, :, rows].flatten(2).median(-1).values
    ratio = wall / backdrop([scene])[:, :, rows].flatten(2).median(-1).values.to(wall)
    level = ratio.mean(-1)
    return level, ratio / level[:, None].clamp(min=1e-6)


def nearest_tint(tint: Float[Tensor, "t 3"]) -> list[str]:
    """The name of the nearest light colour of the world, frame by frame."""
    known = torch.tensor(list(world.TINTS.values())).to(tint)
    apart = torch.cdist((tint / tint.mean(-1, keepdim=True)), known / known.mean(-1, keepdim=True))
    return [list(world.TINTS)[i] for i in apart.argmin(-1).tolist()]


def measure(frames: Float[Tensor, "t 3 h w"], scene: Scene) -> Measured:
    """Measure one video of a scene; frames RGB 0..1, 64x64. Slots follow `scene.things`."""
    level, tint = light(frames, scene)
    things = scene.things
    colours = [world.WINE if thing.kind == "glass" else world.OBJECT_COLOURS[str(thing.colour)] for thing in things]
    table = WOOD if scene.table == "wooden" else NEUTRAL
    materials = torch.tensor([*colours, world.WALLS[scene.wall], table, NEUTRAL]).to(frames)
    relieved = frames / tint[:, :, None, None].clamp(min=1e-3)
    apart = (_chromaticity(relieved, 1).unsqueeze(1) - _chromaticity(materials, 1)[None, :, :, None, None]).norm(dim=2)
    bright = frames.amax(1) > DARK
    owner = apart.argmin(1)
    masks = torch.zeros(len(frames), SLOTS, SIZE, SIZE, dtype=torch.bool, device=frames.device)
    for slot in range(len(things)):
        masks[:, slot] = (owner == slot) & (apart[:, slot] < REACH) & bright
    area = masks.sum((-1, -2)).float()
    columns = torch.arange(SIZE, device=frames.device) + 0.5
    centre = (masks.float() * columns).sum((-1, -2)) / area
    centre = torch.where(area >= LEAST_PIXELS, centre, torch.nan)
    return Measured(masks, centre, area, level, tint, _spill(masks, scene))


def _spill(masks: Bool[Tensor, "t s h w"], scene: Scene) -> Float[Tensor, "t"]:
    rows = torch.arange(SIZE, device=masks.device) + 0.5
    for slot, thing in enumerate(scene.things):
        if thing.kind == "glass":
            base = LANES[thing.lane]
            low = (rows > base - PUDDLE_ABOVE) & (rows < base + PUDDLE_BELOW)
            return (masks[:, slot] & low[:, None]).sum((-1, -2)).float()
    return torch.zeros(len(masks), device=masks.device)


def overlap(a: Bool[Tensor, "*n h w"], b: Bool[Tensor, "*n h w"]) -> Float[Tensor, "*n"]:
    """Intersection over union of two masks; NaN where both are empty."""
    return (a & b).sum((-1, -2)).float() / (a | b).sum((-1, -2)).float()


def recentred(masks: Bool[Tensor, "t h w"]) -> Bool[Tensor, "t h w"]:
    """Each mask moved so that its centre of mass is the picture's centre: two of them compare in shape alone."""
    out = torch.zeros_like(masks)
    for i, mask in enumerate(masks):
        places = mask.nonzero()
        if len(places):
            shift = (SIZE // 2 - (places.float().mean(0) + 0.5).floor()).long().tolist()  # halves always round up
            out[i] = torch.roll(mask, shift, dims=(0, 1))
    return out


def keeps_shape(now: Bool[Tensor, "t h w"], anchor: Bool[Tensor, "h w"]) -> Float[Tensor, "t"]:
    """Overlap in shape of each frame's object with the anchor's, wherever either stands; 0 where it is gone."""
    return overlap(recentred(now), recentred(anchor[None]).expand_as(now)).nan_to_num(0.0)


def spilled(measured: Measured, before: int = 3) -> bool:
    """Whether wine reached the table: a puddle of at least 20 pixels more than at the start, at the video's end."""
    return bool(measured.spill[-3:].median() - measured.spill[:before].median() >= 20)


def psnr(a: Float[Tensor, "*n 3 h w"], b: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n"]:
    """Peak signal-to-noise ratio of each frame in dB, for values in 0..1."""
    return -10 * (a - b).square().mean((-1, -2, -3)).clamp(min=1e-12).log10()


def still_things(scene: Scene) -> Sequence[int]:
    """Slots of coloured objects that do not move."""
    return [i for i, thing in enumerate(scene.things) if thing.kind != "glass" and thing.motion == "still"]


def moving_things(scene: Scene) -> Sequence[int]:
    """Slots of coloured objects that roll, slide or turn."""
    return [i for i, thing in enumerate(scene.things) if thing.kind != "glass" and thing.motion != "still"]
