"""What is put to the test: short windows of video whose one subject can be taken out, exchanged, doubled or moved.

A window is a stage: a background and, over it, layers that stand for things. Layers are warped and composed anew, so
the same edits work on rendered scenes (truth known) and on real clips with something pasted in. Without an edit a
tabletop window is the render itself.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.motion_floor import motion
from sn_eval.tabletop import scene as world
from sn_eval.tabletop.course import scene_of
from sn_eval.tabletop.render import render
from sn_eval.tabletop.scene import Description, Scene, Thing

FRAMES = 16  # of a window, behind its anchor frame
STILL = 0.05  # steps of L* a second, mean over pixels, below which nothing moves
VISITOR = 0.16  # radius of a coloured ball that comes in, as share of the height
VISITOR_COLOURS = {"red": (0.85, 0.12, 0.10), "blue": (0.13, 0.28, 0.85), "green": (0.12, 0.62, 0.22)}


@dataclass(frozen=True)
class Layer:
    """A thing as it stands in each frame: its colours, how much of each pixel it covers, how much light it takes.

    rgb: on the rim it may leave 0..1, as the shadow that is seen there beside the thing is part of it.
    centre: (x, y) in pixels. shade: 1 where its shadow leaves the background as it is.
    """

    rgb: Float[Tensor, "t 3 h w"]
    alpha: Float[Tensor, "t h w"]
    shade: Float[Tensor, "t 3 h w"]
    centre: Float[Tensor, "t 2"]

    def over(self, background: Float[Tensor, "t 3 h w"]) -> Float[Tensor, "t 3 h w"]:
        """The background with this thing before it."""
        alpha = self.alpha.unsqueeze(1)
        return (background * self.shade * (1 - alpha) + self.rgb * alpha).clamp(0, 1)

    def warped(self, shift: Float[Tensor, "t 2"], scale: Float[Tensor, "t"]) -> "Layer":
        """Moved by `shift` (pixels) and scaled about its centre."""
        t, h, w = self.alpha.shape
        half = torch.tensor([w / 2, h / 2])
        middle = (self.centre - half) / half  # in the units of grid_sample, -1..1
        to = middle + shift / half
        theta = torch.zeros(t, 2, 3)
        theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
        theta[:, :, 2] = middle - to / scale[:, None]
        grid = F.affine_grid(theta, [t, 1, h, w], align_corners=False)
        alpha = self.alpha.unsqueeze(1)
        picture = torch.cat([self.rgb * alpha, alpha, 1 - self.shade], dim=1)  # outside of the picture is nothing
        moved = F.grid_sample(picture, grid, align_corners=False)
        cover = moved[:, 3]
        rgb = moved[:, :3] / cover.unsqueeze(1).clamp(min=1e-4)
        return Layer(rgb, cover.clamp(0, 1), (1 - moved[:, 4:]).clamp(0, 1), self.centre + shift)

    def held(self) -> "Layer":
        """The same thing, standing where it is in the first frame."""
        return Layer(*(x[:1].expand(len(x), *x.shape[1:]) for x in (self.rgb, self.alpha, self.shade, self.centre)))


@dataclass(frozen=True)
class Edit:
    """How the window is played, frame by frame where that has a meaning (the anchor is frame 0).

    subject: which thing is shown. twin: a second one of it. dx: moved by so many widths. scale: about its centre.
    still: the subject does not move. visitor: another, coloured ball: none, standing, coming in from the side
    or going out there.
    """

    subject: Literal["own", "absent", "other"] = "own"
    twin: bool = False
    dx: Float[Tensor, "t"] | None = None
    scale: Float[Tensor, "t"] | None = None
    still: bool = False
    visitor: Literal["none", "stands", "enters", "leaves"] = "none"


@dataclass(frozen=True)
class Stage:
    """A background, the subject, and what may take the subject's place (on the same path); one length."""

    background: Float[Tensor, "t 3 h w"]
    own: Layer
    other: Layer
    visitor_colour: str

    def play(self, edit: Edit | None = None) -> Float[Tensor, "t 3 h w"]:
        """All frames, the anchor first."""
        edit = edit or Edit()
        picture = self.background
        t, w = len(picture), picture.shape[-1]
        if edit.visitor != "none":
            picture = self._visitor(edit.visitor).over(picture)
        if edit.subject == "absent":
            return picture
        layer = self.own if edit.subject == "own" else self.other
        layer = layer.held() if edit.still else layer
        if edit.dx is not None or edit.scale is not None:
            none, whole = torch.zeros(t), torch.ones(t)
            shift = torch.stack([w * (none if edit.dx is None else edit.dx), none], -1)
            layer = layer.warped(shift, whole if edit.scale is None else edit.scale)
        if edit.twin:
            picture = layer.warped(self._beside(layer, w), torch.ones(t)).over(picture)
        return layer.over(picture)

    def _beside(self, layer: Layer, w: int) -> Float[Tensor, "t 2"]:
        """A place for a twin: 0.4 widths away, on the side with more room."""
        x = layer.centre[:, 0].mean()
        return torch.tensor([-0.4 * w if x > w / 2 else 0.4 * w, 0.0]).expand(len(layer.centre), 2)

    def _visitor(self, does: str) -> Layer:
        """A shaded ball that stands at the far side of the subject, or comes in or goes out there."""
        t, _, h, w = self.background.shape
        left = float(self.own.centre[0, 0]) > w / 2
        radius = VISITOR * h
        place, outside = (0.15 * w, -radius) if left else (0.85 * w, w + radius)
        ends = {"stands": (place, place), "enters": (outside, place), "leaves": (place, outside)}[does]
        x = torch.linspace(*ends, t)
        centre = torch.stack([x, torch.full((t,), 0.8 * h)], -1)
        return ball(centre, radius, (h, w), VISITOR_COLOURS[self.visitor_colour])

    @property
    def path(self) -> Float[Tensor, "t 2"]:
        """The subject's centre in pixels, frame by frame."""
        return self.own.centre


@dataclass(frozen=True)
class Window:
    """A window of video with what a reward is told of it.

    source: the clip it was cut from, or "tabletop". subject: what the thing is, in a word. stage: how to play it
    otherwise. events: plays the same window with its event at another strength and time; None where it has none.
    seed: what determines the scene together with the prompt; None where it is drawn otherwise, or filmed.
    """

    name: str
    source: str
    prompt: str
    fps: float
    subject: str
    stage: Stage
    events: Callable[["EventEdit"], Float[Tensor, "t 3 h w"]] | None = None
    seed: int | None = None

    @cached_property
    def video(self) -> Float[Tensor, "t 3 h w"]:
        """Anchor and frames as they are."""
        return self.stage.play() if self.events is None else self.events(EventEdit())

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What a prompt's author would say of it: where the subject is and goes, how much should move, where seams are.

        The declared path and motion are the window's own (motion 0 where nothing moves). It counts as two chunks, the
        second from `seam` on.
        """
        moves = float(motion(self.video[None], self.fps).mean())
        h, w = self.video.shape[-2:]
        path = self.stage.path / torch.tensor([w, h])
        return {
            "mask": self.stage.own.alpha[0] > 0.5,
            "path": path.tolist(),
            "minimum_motion": moves if moves > STILL else 0.0,
            "frames_per_chunk": seam(len(self.video)),
            **({} if self.seed is None else {"seed": self.seed}),
        }


def seam(frames: int) -> int:
    """The first frame behind the middle: where faults of a second half begin.

    >>> seam(17)
    9
    """
    return frames // 2 + 1


# --- things -----------------------------------------------------------------------------------------------


def ball(
    centre: Float[Tensor, "t 2"], radius: float, size: tuple[int, int], colour: tuple[float, float, float]
) -> Layer:
    """A shaded ball at these places (x, y) in pixels."""
    h, w = size
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    dx, dy = (x - centre[:, 0, None, None]) / radius, (y - centre[:, 1, None, None]) / radius
    far = dx**2 + dy**2
    light = 0.45 + 0.65 * (-0.5 * dx - 0.6 * dy + 0.6 * (1 - far).clamp(min=0).sqrt()).clamp(min=0)
    rgb = (torch.tensor(colour).view(1, 3, 1, 1) * light.unsqueeze(1)).clamp(0, 1)
    alpha = ((1 - far.sqrt()) * radius + 0.5).clamp(0, 1)
    return Layer(rgb, alpha, torch.ones_like(rgb), centre)


def sticker(
    texture: Float[Tensor, "3 n n"], centre: Float[Tensor, "t 2"], radius: float, size: tuple[int, int], round_: bool
) -> Layer:
    """A picture cut out as a disc or a box, at these places (x, y) in pixels."""
    h, w = size
    t = len(centre)
    theta = torch.zeros(t, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = w / (2 * radius), h / (2 * radius)
    theta[:, 0, 2] = (w / 2 - centre[:, 0]) / radius
    theta[:, 1, 2] = (h / 2 - centre[:, 1]) / radius
    grid = F.affine_grid(theta, [t, 3, h, w], align_corners=False)
    rgb = F.grid_sample(texture.expand(t, -1, -1, -1), grid, align_corners=False, padding_mode="border")
    far = grid.norm(dim=-1) if round_ else grid.abs().amax(-1)
    alpha = ((1 - far) * radius + 0.5).clamp(0, 1)
    return Layer(rgb.clamp(0, 1), alpha, torch.ones_like(rgb), centre)


# --- rendered windows -------------------------------------------------------------------------------------


def tabletop_windows(count: int) -> list[Window]:
    """Windows of rendered scenes with one coloured thing that moves or stands; the same ones in every run."""
    return [_tabletop(index) for index in range(count)]


def seeded_windows(count: int) -> list[Window]:
    """Windows from the beginning of scenes that prompt and `seed` determine; the same ones in every run."""
    return [_seeded(index) for index in range(count)]


def _tabletop(index: int) -> Window:
    rng = random.Random(f"audit:{index}")
    said, colours = _one_thing(rng)
    scene = world.complete(said, rng)
    return _rendered(f"tabletop {index}", said.caption(), scene, float(rng.randint(0, 8)), colours, rng)


def _seeded(index: int) -> Window:
    rng = random.Random(f"audit seeded:{index}")
    said, colours = _one_thing(rng)
    prompt = said.caption()
    window = _rendered(f"seeded {index}", prompt, scene_of(prompt, index), 0.0, colours, rng)
    return replace(window, seed=index)


def _one_thing(rng: random.Random) -> tuple[Description, list[str]]:
    """A description with one coloured thing, and two colours: its own and another."""
    kind = rng.choice(("ball", "cube", "bottle"))
    motion = rng.choice(world.MOTIONS[kind])
    colours = rng.sample(list(world.OBJECT_COLOURS), 2)
    return replace(world.random_description(rng), things=(Thing(kind, colours[0], motion),), dims=False), colours


def _rendered(
    name: str, prompt: str, scene: Scene, start: float, colours: list[str], rng: random.Random
) -> Window:
    """A scene's window from frame `start` on; in its one thing's place another kind of the other colour may stand."""
    times = start + torch.arange(FRAMES + 1.0)
    background = render([replace(scene, things=())], times[None]).frames[0]
    own, kind = _layer(scene, times, background), scene.things[0].kind
    other_kind = rng.choice([k for k in ("ball", "cube", "bottle") if k != kind])
    instead = replace(scene, things=(replace(scene.things[0], kind=other_kind, colour=colours[1]),))
    visitor = rng.choice([name for name in VISITOR_COLOURS if name not in colours])
    stage = Stage(background, own, _layer(instead, times, background), visitor)
    return Window(name, "tabletop", prompt, float(world.FPS), f"{colours[0]} {kind}", stage)


def _layer(scene: Scene, times: Float[Tensor, "t"], background: Float[Tensor, "t 3 h w"]) -> Layer:
    """The scene's one thing, taken off its background: body and shadow."""
    shown = render([scene], times[None])
    alpha = shown.masks[0, :, 0]
    y, x = torch.meshgrid(torch.arange(world.SIZE) + 0.5, torch.arange(world.SIZE) + 0.5, indexing="ij")
    area = alpha.sum((-1, -2))
    centre = torch.stack([(alpha * x).sum((-1, -2)), (alpha * y).sum((-1, -2))], -1) / area[:, None]
    cover = alpha.unsqueeze(1)
    shade = (shown.frames[0] / background.clamp(min=1e-3)).clamp(0, 1).where(cover == 0, torch.ones(()))
    rgb = (shown.frames[0] - background * (1 - cover)) / cover
    return Layer(rgb.where(cover > 0, torch.zeros(())), alpha, shade, centre)


# --- windows with an event --------------------------------------------------------------------------------


@dataclass(frozen=True)
class EventEdit:
    """How the event of a window goes.

    spilt: how much of the wine leaves the glass, 0 (it stays upright) … 1; None is the window's own. late: so many
    frames later. visitor: a ball of another colour stands there too.
    """

    spilt: float | None = None
    late: float = 0.0
    visitor: bool = False


EVENT_BEGINS = 3.0  # frame of the window in which a glass begins to tip


def event_windows(count: int) -> list[Window]:
    """Rendered glasses of wine: in even windows one tips and spills, in odd ones it stands."""
    return [_event_window(index) for index in range(count)]


def _frames_to_spill(share: float) -> float:
    """Frames from the tip's beginning until this share of the wine is on the table: the renderer's own law, inverted.

    >>> _frames_to_spill(1.0) == world.TIP_FRAMES / 2 + world.SPILL_FRAMES
    True
    """
    eased = 0.5 - math.sin(math.asin(1 - 2 * share) / 3)  # the inverse of 3u² − 2u³
    return world.TIP_FRAMES / 2 + world.SPILL_FRAMES * eased


def _event_window(index: int) -> Window:
    rng = random.Random(f"audit event:{index}")
    happens = index % 2 == 0
    said = replace(
        world.random_description(rng), things=(Thing("glass", None, "tips" if happens else "still"),), dims=False
    )
    scene = world.complete(said, rng)
    spot = scene.things[0].x
    scene = replace(scene, tips_at=EVENT_BEGINS, tips_to=1 if spot < 32 else -1)
    times = torch.arange(FRAMES + 1.0)

    def play(edit: EventEdit) -> Float[Tensor, "t 3 h w"]:
        spilt = (1.0 if happens else 0.0) if edit.spilt is None else edit.spilt
        at = EVENT_BEGINS + edit.late
        shown = render(
            [replace(scene, tips_at=at if spilt > 0 else None)], times.clamp(max=at + _frames_to_spill(spilt))[None]
        ).frames[0]
        if not edit.visitor:
            return shown
        side = 8.0 if spot > 32 else 56.0
        return ball(torch.tensor([[side, 50.0]]).expand(len(times), 2), 6.0, (64, 64), VISITOR_COLOURS["blue"]).over(
            shown
        )

    background = render([replace(scene, things=())], times[None]).frames[0]
    upright = _layer(replace(scene, tips_at=None), times, background)
    stage = Stage(background, upright, upright, "blue")
    return Window(f"glass {index}", "tabletop", said.caption(), float(world.FPS), "glass", stage, play)
