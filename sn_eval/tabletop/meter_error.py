"""How far the classical meters are from the renderer's exact truth: on frames as drawn, through the codec, as a video.

Held-out scenes in which something moves, tips, spills or dims are drawn; where each thing is, how the light stands and
how much wine lies on the table is then known exactly, and every meter is asked the same of the damaged frames.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.functional import angle, masked_median, unit
from sn_eval.tabletop import scene as world
from sn_eval.tabletop import truth
from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.course import SPILLED, Course, Video, at_world_size, delta_e
from sn_eval.tabletop.render import Rendered, clip
from sn_eval.tabletop.scene import FPS, SIZE, Description, Scene
from sn_eval.video import VideoWriter, read_video

SCENES, FRAMES = 64, 48
LEAST_SEEN = 35.0  # true pixels of a thing below which it is mostly hidden: where it is has little meaning

Through: TypeAlias = Callable[[Video], Video]
"""What frames go through before they are measured."""


@dataclass(frozen=True)
class Error:
    """One meter under one condition, against the renderer.

    mean, p95: mean and 95th percentile of the absolute error, in `unit`; of a verdict (unit "frames wrong") the share
    of frames in which it is wrong, and no percentile. n: measurements, a frame (and object) each. unread: of these,
    those where the meter found nothing to read; they are in no mean, which is NaN where there are no others.
    """

    meter: str
    condition: str
    unit: str
    mean: float
    p95: float | None
    n: int
    unread: int = 0


def meter_errors(
    conditions: Mapping[str, Through] | None = None,
    scenes: int = SCENES,
    frames: int = FRAMES,
    draw: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Error, ...]:
    """Every meter's error under every condition: by default the frames as drawn, and as our own video file.

    `conditions_with(codec)` adds the embedded model's codec. draw: which held-out scenes. on_progress: (scenes done, in
    all). Deterministic; takes about a second a scene. UserError for fewer than 4 scenes (one of each sort) or fewer
    than 30 frames (no event is over by then).
    """
    if scenes < 4 or frames < 30:
        raise UserError(f"{scenes} scenes of {frames} frames: the meters' error needs at least 4 of 30")
    chosen = {"as drawn": _as_drawn, VIDEO: through_video} if conditions is None else dict(conditions)
    found: dict[tuple[str, str, str], list[Tensor]] = {}
    for done, scene in enumerate(held_out(scenes, draw), 1):
        drawn = clip(scene, frames)
        for condition, through in chosen.items():
            for (meter, what), error in errors(through(drawn.frames[0]), drawn, scene).items():
                found.setdefault((meter, condition, what), []).append(error.flatten())
        if on_progress:
            on_progress(done, scenes)
    table = [_summed(*key, torch.cat(each)) for key, each in found.items()]
    order = list(dict.fromkeys(error.meter for error in table))
    return tuple(sorted(table, key=lambda error: order.index(error.meter)))


VERDICT = "frames wrong"
VIDEO, CODEC = "H.264 at 4x", "codec"


def _summed(meter: str, condition: str, what: str, errors: Float[Tensor, "n"]) -> Error:
    known = errors[~errors.isnan()].double()
    p95 = None if what == VERDICT or not len(known) else float(known.quantile(0.95))
    return Error(meter, condition, what, float(known.mean()), p95, len(errors), len(errors) - len(known))


def errors(frames: Video, drawn: Rendered, scene: Scene) -> dict[tuple[str, str], Float[Tensor, "..."]]:
    """(meter, unit) → its absolute errors on one scene's frames; NaN where the meter reads nothing.

    Places and colours count where at least LEAST_SEEN pixels of a coloured object are truly to be seen.
    """
    seen, course = truth.measure(frames, scene), Course(scene)
    shown, own = course.at(0, len(frames))
    solid = [i for i, thing in enumerate(scene.things) if thing.kind != "glass"]
    masks, puddle = drawn.masks[0, :, solid], drawn.spilled[0].sum((-1, -2))
    area = masks.sum((-1, -2))
    look = area >= LEAST_SEEN
    tint = torch.tensor(world.TINTS[scene.tint])
    colours = course.colours(frames, seen, own)[:, solid]
    level = seen.level / tint.mean()  # the wall is less bright under warm and cool light; the light is not dimmer
    found = {
        ("visible", VERDICT): 1 - course.visible(seen, own),
        ("area", "share of the object's pixels"): (seen.area[:, solid] / area - 1).abs()[look],
        ("colour", "ΔE (CIE76)"): delta_e(colours, _true_colours(shown, drawn, tint)[:, solid])[look],
        ("position", "share of width"): ((seen.centre[:, solid] - _middle(masks)).abs() / SIZE)[look],
        ("level", "share of full light"): (level - drawn.motion.level[0]).abs(),
        ("light", VERDICT): torch.tensor([float(n != scene.tint) for n in truth.nearest_tint(seen.tint)]),
        ("tint", "degrees"): angle(unit(seen.tint), unit(tint).expand(len(frames), -1)),
    }
    if len(solid) < len(scene.things):
        said = seen.spill - seen.spill[0] >= SPILLED
        found["spill", "pixels of 64x64"] = (seen.spill - puddle).abs()
        found["spilled", VERDICT] = (said != (puddle >= SPILLED)).float()
    return found


def _middle(masks: Float[Tensor, "t s h w"]) -> Float[Tensor, "t s"]:
    """x of the middle of what is truly to be seen of each thing."""
    return masks.sum(-2) @ (torch.arange(SIZE) + 0.5) / masks.sum((-1, -2))


def _true_colours(frames: Video, drawn: Rendered, tint: Float[Tensor, "3"]) -> Float[Tensor, "t s 3"]:
    """Median over the pixels that are truly each thing's, the true light divided out."""
    bare = frames / (drawn.motion.level[0, :, None] * tint)[:, :, None, None]
    masks = (drawn.masks[0] > 0.5).unsqueeze(2).expand(-1, -1, 3, -1, -1)
    return masked_median(bare.unsqueeze(1).expand_as(masks).flatten(3), masks.flatten(3))


# --- scenes that no model was trained on ------------------------------------------------------------------


def held_out(count: int, draw: int = 0) -> Iterator[Scene]:
    """Scenes in turn: something moves, a glass tips, a ball rolls up to one, the light dims; all else by chance.

    Training draws from other generators.
    """
    rng = random.Random(f"meter error:{draw}")
    sorts: Sequence[Callable[[Description], bool]] = (
        lambda said: any(thing.motion not in ("still", "tips", "toward") for thing in said.things),
        lambda said: any(thing.motion == "tips" for thing in said.things),
        lambda said: any(thing.motion == "toward" for thing in said.things),
        lambda said: said.dims,
    )
    for number in range(count):
        wanted = sorts[number % len(sorts)]
        said = world.random_description(rng)
        while not (wanted(said) and _told_apart(said)):
            said = world.random_description(rng)
        yield world.complete(said, rng)


def _told_apart(said: Description) -> bool:
    """Two things of one colour are one to meters that go by colour."""
    colours = [thing.colour for thing in said.things if thing.kind != "glass"]
    return len(set(colours)) == len(colours)


# --- what frames go through -------------------------------------------------------------------------------


def conditions_with(codec: PatchCodec) -> dict[str, Through]:
    """As drawn, through a model's codec (encoded and decoded), and through our own video writer."""
    return {"as drawn": _as_drawn, CODEC: lambda frames: codec.decode(codec.encode(frames)), VIDEO: through_video}


def _as_drawn(frames: Video) -> Video:
    return frames


def through_video(frames: Video, scale: int = 4) -> Video:
    """Written as `sn-eval generate` does (H.264, enlarged `scale` times), read back, averaged to 64x64."""
    with tempfile.TemporaryDirectory(prefix="meter_error_") as folder:
        path = Path(folder) / "clip.mp4"
        with VideoWriter(path, fps=FPS, scale=scale) as video:
            video.write(frames)
        return at_world_size(read_video(path).float() / 255)
