"""Draw scenes: analytic 2.5-D sprites with shading and soft shadows, vectorised over clips and frames.

Every sprite is a signed distance turned into coverage (one pixel of anti-aliasing), so silhouettes move by
fractions of a pixel. The same call returns the exact visible mask of each object: the ground truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sn_eval.tabletop import scene as world
from sn_eval.tabletop.scene import LANES, SIZE, Scene

SLOTS = 2  # objects a scene can hold
KINDS = ("none", *world.MOTIONS)
HORIZON = 34.0  # row where the wall meets the table


@dataclass(frozen=True)
class Motion:
    """Where everything is, frame by frame: [b, t] tensors, the objects with a trailing slot axis.

    x: base centre (px); tilt: radians, signed; spill: 0..1 of the puddle; yaw: radians; level: light 0..1.
    """

    x: Float[Tensor, "b t s"]
    yaw: Float[Tensor, "b t s"]
    tilt: Float[Tensor, "b t"]
    spill: Float[Tensor, "b t"]
    level: Float[Tensor, "b t"]


@dataclass(frozen=True)
class Rendered:
    """frames RGB 0..1; masks: share of each pixel that shows the object (its own body, not its shadow or puddle)."""

    frames: Float[Tensor, "b t 3 h w"]
    masks: Float[Tensor, "b t s h w"]
    spilled: Float[Tensor, "b t h w"]
    motion: Motion


def _column(scenes: Sequence[Scene], get) -> Float[Tensor, "b 1"]:
    return torch.tensor([[float(get(scene))] for scene in scenes])


def _thing(scene: Scene, slot: int) -> world.Thing:
    return scene.things[slot] if slot < len(scene.things) else world.Thing("none")


def _ease(u: Tensor) -> Tensor:
    u = u.clamp(0, 1)
    return u * u * (3 - 2 * u)


def _one_way(travel: Tensor, time: Tensor) -> Tensor:
    """Distance covered at SPEED, braking evenly over the last BRAKE frames."""
    full, v, brake = travel.abs(), world.SPEED, world.BRAKE
    cruise = ((full - v * brake / 2) / v).clamp(min=0)
    braking = (time - cruise).clamp(0, brake)
    covered = v * torch.minimum(time.clamp(min=0), cruise) + v * (braking - braking**2 / (2 * brake))
    return torch.sign(travel) * torch.minimum(covered, full)


def motion(scenes: Sequence[Scene], times: Float[Tensor, "b t"]) -> Motion:
    """The scenes' state at the given times (frames since each scene's own start)."""
    xs, yaws = [], []
    for slot in range(SLOTS):
        get = lambda name, slot=slot: _column(scenes, lambda scene: getattr(_thing(scene, slot), name))  # noqa: E731
        turning = _column(scenes, lambda scene, slot=slot: _thing(scene, slot).motion == "turns")
        swing = get("swing") * torch.sin(2 * math.pi * times / world.SWING_PERIOD + get("phase"))
        xs.append(get("x") + _one_way(get("travel"), times) + swing)
        yaws.append(math.radians(25) + turning * torch.deg2rad(world.TURN_RATE * times))
    never = 1e6
    tips_at = _column(scenes, lambda scene: never if scene.tips_at is None else scene.tips_at)
    tips_to = _column(scenes, lambda scene: scene.tips_to)
    dims_at = _column(scenes, lambda scene: never if scene.dims_at is None else scene.dims_at)
    fallen = (times - tips_at) / world.TIP_FRAMES
    return Motion(
        x=torch.stack(xs, -1),
        yaw=torch.stack(yaws, -1),
        tilt=tips_to * math.radians(86) * fallen.clamp(0, 1) ** 2,
        spill=_ease((times - tips_at - world.TIP_FRAMES / 2) / world.SPILL_FRAMES),
        level=1 - (1 - world.DIM_LEVEL) * _ease((times - dims_at) / world.DIM_FRAMES),
    )


def _grid(device=None) -> tuple[Tensor, Tensor]:
    line = torch.arange(SIZE, device=device) + 0.5
    return line.view(1, 1, SIZE), line.view(1, SIZE, 1)


def _cover(distance: Tensor) -> Tensor:
    return (0.5 - distance).clamp(0, 1)


def _box(dx: Tensor, dy: Tensor, half_w, half_h) -> Tensor:
    qx, qy = dx.abs() - half_w, dy.abs() - half_h
    return torch.hypot(qx.clamp(min=0), qy.clamp(min=0)) + torch.maximum(qx, qy).clamp(max=0)


def _paint(canvas: Tensor, colour: Tensor, cover: Tensor) -> Tensor:
    return canvas + cover.unsqueeze(1) * (colour - canvas)


def _ball(x, base, colour, side, yaw, tilt):
    gx, gy = _grid()
    r = 6.0
    dx, dy = (gx - x) / r, (gy - (base - r)) / r
    d2 = dx**2 + dy**2
    dz = (1 - d2).clamp(min=0).sqrt()
    light = 0.55 * side * dx - 0.6 * dy + 0.58 * dz
    shade = (0.42 + 0.68 * light.clamp(min=0)).unsqueeze(1)
    gleam = 0.7 * light.clamp(0, 1).pow(14).unsqueeze(1)
    return [((colour * shade + gleam).clamp(0, 1), _cover((d2.sqrt() - 1) * r))]


def _cube(x, base, colour, side, yaw, tilt):
    gx, gy = _grid()
    edge, height = 10.4, 10.5
    yaw = yaw % (math.pi / 2)
    half = edge * (yaw.cos() + yaw.sin()) / 2
    split = x - half + edge * yaw.sin()
    left_light, right_light = -side * yaw.cos() * 0.25, side * yaw.sin() * 0.25
    shade = torch.where(gx < split, 0.72 + left_light, 0.72 + right_light).unsqueeze(1)
    body = _box(gx - x, gy - (base - height / 2), half, height / 2)
    lid = _box(gx - x, gy - (base - height - 0.9), half - 1.0, 1.1)
    return [(colour * 1.12, _cover(lid)), (colour * shade, _cover(body))]


def _bottle(x, base, colour, side, yaw, tilt):
    gx, gy = _grid()
    body = _box(gx - x, gy - (base - 7.5), 3.0, 6.5) - 1.0
    neck = _box(gx - x, gy - (base - 18.0), 1.5, 4.0) - 0.2
    u = ((gx - x) / 4).clamp(-1, 1)
    shade = (0.55 + 0.4 * (1 - (u - 0.35 * side) ** 2)).unsqueeze(1).expand(-1, -1, SIZE, -1)
    gleam = 0.35 * torch.exp(-(((u - 0.5 * side) / 0.2) ** 2)).unsqueeze(1)
    label = _cover(_box(gx - x, gy - (base - 7.0), 4.0, 2.2))
    glass = (colour * shade + gleam).clamp(0, 1)
    cover = torch.maximum(_cover(body), _cover(neck))
    return [(glass, cover), (0.93 * torch.ones_like(glass), label)]


def _glass(x, base, colour, side, yaw, tilt, spill):
    """A wine glass, turned by `tilt` about the edge of its foot; the wine leaves it as `spill` grows."""
    gx, gy = _grid()
    pivot = x + torch.sign(tilt) * 4.0
    rx, ry = gx - pivot, gy - base
    # lying, the foot's edge stays on the table: lift the body by the bowl's radius as it comes down
    ry = ry + 4.6 * tilt.abs().sin()
    u = rx * tilt.cos() + ry * tilt.sin() + (pivot - x)
    v = -(-rx * tilt.sin() + ry * tilt.cos())  # height along the glass's own axis
    foot = _box(u, v - 0.8, 4.2, 0.6)
    stem = _box(u, v - 4.0, 0.7, 3.2)
    bowl = torch.maximum((torch.hypot(u / 5.4, (v - 13.0) / 6.2) - 1) * 5.4, v - 18.0)
    wine = torch.maximum(bowl + 0.8, v - (14.5 - 7.5 * spill))
    body = torch.maximum(_cover(bowl), torch.maximum(_cover(foot), _cover(stem)))
    rim = _cover(bowl.abs() - 0.3)
    pale = torch.tensor([0.66, 0.75, 0.82]).view(1, 3, 1, 1)  # seen on white and on black
    red = torch.tensor(world.WINE).view(1, 3, 1, 1) * (
        0.9 + 0.35 * torch.exp(-(((u - 1.8 * side) / 1.2) ** 2))
    ).unsqueeze(1)
    clear = torch.maximum(0.38 * body, 0.75 * torch.maximum(rim, torch.maximum(_cover(foot), 0.9 * _cover(stem))))
    return [(pale, clear), (red, 0.97 * _cover(wine) * (spill < 0.97))], body


SPRITES = {"ball": _ball, "cube": _cube, "bottle": _bottle}


def backdrop(scenes: Sequence[Scene]) -> Float[Tensor, "b 3 h w"]:
    """Wall with the light's fall-off, table with its texture: fixed patterns, so that a model can learn them."""
    gx, gy = _grid()
    wall = torch.tensor([world.WALLS[scene.wall] for scene in scenes]).view(-1, 3, 1, 1)
    side = torch.tensor([1.0 if scene.light_from == "right" else -1.0 for scene in scenes]).view(-1, 1, 1, 1)
    fall = (
        1 + 0.16 * side * ((gx - SIZE / 2) / (SIZE / 2)).unsqueeze(1) - 0.10 * ((HORIZON - gy) / HORIZON).unsqueeze(1)
    )
    tables = torch.stack([_table(scene.table) for scene in scenes])
    picture = torch.where(gy.unsqueeze(1) < HORIZON, wall * fall, tables * (1 + 0.5 * (fall - 1)))
    edge = torch.exp(-(((gy - HORIZON) / 0.8) ** 2)).unsqueeze(1)
    return picture * (1 - 0.35 * edge)


def _table(name: str) -> Float[Tensor, "3 h w"]:
    gx, gy = (g[0] for g in _grid())
    depth = (gy - HORIZON) / (SIZE - HORIZON)
    if name == "wooden":
        grain = torch.sin(1.1 * gy + 0.9 * torch.sin(0.11 * gx + 0.4 * gy))
        return torch.tensor([0.55, 0.36, 0.20]).view(3, 1, 1) * (1 + 0.10 * grain)
    if name == "marble":
        vein = torch.exp(-((torch.sin(0.13 * gx + 0.21 * gy + 1.2 * torch.sin(0.09 * gx - 0.13 * gy)) / 0.16) ** 2))
        return torch.tensor([0.80, 0.80, 0.82]).view(3, 1, 1) - 0.18 * vein
    level = 0.94 if name == "white" else 0.13
    return torch.full((3, SIZE, SIZE), level) * (0.94 + 0.08 * depth)


def _shadow(x: Tensor, base: Tensor, side: Tensor, width: Tensor | float) -> Tensor:
    gx, gy = _grid()
    d = ((gx - (x - 5.0 * side)) / (width + 4.5)) ** 2 + ((gy - (base - 0.2)) / 2.6) ** 2
    return 0.42 * torch.exp(-(d**1.5)) * (gy > HORIZON)


def render(scenes: Sequence[Scene], times: Float[Tensor, "b t"]) -> Rendered:
    """Draw scenes at the given times.

    Returns frames [b, t, 3, 64, 64] RGB in 0..1 and, for every frame, the visible mask of each object.
    """
    state = motion(scenes, times)
    b, t = times.shape
    flat = lambda v: v.reshape(b * t, 1, 1)  # noqa: E731
    each = lambda values: values.repeat_interleave(t, 0)  # noqa: E731  one row a frame
    canvas = each(backdrop(scenes))
    side = each(torch.tensor([1.0 if scene.light_from == "right" else -1.0 for scene in scenes])).view(-1, 1, 1)
    masks = torch.zeros(b * t, SLOTS, SIZE, SIZE)
    spilled = torch.zeros(b * t, SIZE, SIZE)
    for slot in range(SLOTS):
        things = [_thing(scene, slot) for scene in scenes]
        for kind in KINDS[1:]:
            rows = each(torch.tensor([thing.kind == kind for thing in things])).nonzero().flatten()
            if not len(rows):
                continue
            base = each(torch.tensor([LANES[thing.lane] for thing in things]))[rows].view(-1, 1, 1)
            rgb = [world.OBJECT_COLOURS.get(thing.colour or "", (1.0, 1.0, 1.0)) for thing in things]
            colour = each(torch.tensor(rgb))[rows].view(-1, 3, 1, 1)
            x, yaw = flat(state.x[..., slot])[rows], flat(state.yaw[..., slot])[rows]
            tilt, spill = flat(state.tilt)[rows], flat(state.spill)[rows]
            part, lit = canvas[rows], side[rows]
            tilted = kind == "glass"
            lean = torch.sign(tilt) * 9.0 * tilt.abs().sin() if tilted else 0.0
            width = world.HALF_WIDTH[kind] + (5.0 * tilt.abs().sin() if tilted else 0.0)
            part = part * (1 - _shadow(x + lean, base, lit, width).unsqueeze(1))
            if tilted:
                puddle = _puddle(x, base, tilt, spill)
                part = _paint(part, 0.95 * torch.tensor(world.WINE).view(1, 3, 1, 1), puddle)
                layers, body = _glass(x, base, colour, lit, yaw, tilt, spill)
                spilled[rows] = puddle * (1 - body)
            else:
                layers = SPRITES[kind](x, base, colour, lit, yaw, tilt)
                body = torch.stack([cover for _, cover in layers]).amax(0)
            for paint, cover in layers:
                part = _paint(part, paint, cover)
            canvas[rows] = part
            masks[rows] = masks[rows] * (1 - body.unsqueeze(1))  # what stands in front hides what is behind
            masks[rows, slot] = body
            if not tilted:
                spilled[rows] = spilled[rows] * (1 - body)
    tint = each(torch.tensor([world.TINTS[scene.tint] for scene in scenes])).view(-1, 3, 1, 1)
    frames = (canvas * tint * state.level.reshape(-1, 1, 1, 1)).clamp(0, 1)
    return Rendered(
        frames=frames.view(b, t, 3, SIZE, SIZE),
        masks=masks.view(b, t, SLOTS, SIZE, SIZE),
        spilled=spilled.view(b, t, SIZE, SIZE),
        motion=state,
    )


def _puddle(x: Tensor, base: Tensor, tilt: Tensor, spill: Tensor) -> Tensor:
    gx, gy = _grid()
    centre = x + torch.sign(tilt) * 15.0
    rx, ry = 2 + 8.5 * spill, 0.6 + 2.6 * spill
    d = torch.hypot((gx - centre) / rx, (gy - (base + 1.0)) / ry) - 1
    return _cover(d * ry) * (spill > 0.02)


def clip(scene: Scene, frames: int, start: float = 0.0) -> Rendered:
    """Render one scene for `frames` frames from time `start`; batch axis of length 1."""
    return render([scene], start + torch.arange(frames, dtype=torch.float32)[None])
