"""Are a tabletop scene's things still there, of their shape, in the asked light?

Truth comes from the scene that the prompt and seed determine; measured with the classical meters of
`sn_eval.tabletop.truth` (colour masks), which are no part of any encoder. `sn_eval.tabletop.meter_error` says how far
the meters themselves err.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import Anchor, Frames, Metadata, Scores, UserError
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Measured, Metric, MetricSpec, mean_of
from sn_eval.tabletop import truth
from sn_eval.tabletop.course import ALIKE, PARTS, Course, at_world_size, scene_of


@component("tabletop_truth")
class TabletopTruth(Metric):
    """Share of frames in which every coloured object of the scene is there in its own shape and size; 0..1.

    For videos of the tabletop world alone, 64x64 or enlarged by a whole number, whose prompt and metadata `seed` are
    known: other videos are refused. An object counts in a frame when its mask, moved onto the first frame's, overlaps
    it by at least `shape` (IoU) and has between half and twice its pixels. NaN without a coloured object. Frames behind
    the first one (behind the anchor, where one is given) are measured. Parts, the first three held against the first
    frame, the others against the scene as the renderer lets it go on:

    - present (0..1, higher is better): share of frames in which every coloured object has half to twice its pixels
    - shape (0..1, higher is better): overlap (IoU) in shape, mean over objects and frames
    - light (0..1, higher is better): share of frames whose light has the name of the scene's (warm, white, cool)
    - visible (0..1, higher is better): share of frames that show everything the scene shows then, the glass's wine too
    - colour (0 and up, lower is better): ΔE (CIE76) of the objects' median colour, the light divided out
    - position (0..1, lower is better): x error of coloured objects that are seen, in shares of the width
    - level (0 and up, lower is better): error of the brightness of the light, in shares of full light, dimming included
    - tint (0..90, lower is better): degrees between the light's colour and the scene's
    - spill (0..4096, lower is better): error of the pixels of wine on the table
    - spilled (0..1, higher is better): share of frames in which wine is spilled, or is not, as in the scene

    Where things come to rest and when something tips or dims is drawn with the seed and told to no model: position,
    level and spill are distances from one true course, not faults. Those seven are NaN behind an anchor that is not the
    scene's first frame (a picture of one's own, text-to-video).
    """

    def __init__(self, shape: float = 0.6) -> None:
        self.shape = shape
        self.spec = MetricSpec(
            "tabletop_truth", ("colour-mask",), needs=("prompt", "anchor", "seed"),
            falls_under=("vanish", "swap", "morph", "duplicate"),
            holds_under=("exposure", "translation", "scale", "coloured_entry", "others_move", "object_motion"),
        )  # fmt: skip

    def start(self, clip: Clip) -> "_Follow":
        """Draws the scene; UserError where prompt and seed determine none."""
        return _Follow(_course(clip.prompt, clip.fps, clip.metadata), self.shape, 1, checked=True)

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """One video at a time; an anchor is taken as the scene's start, whatever it shows."""
        whole, behind = (frames, 1) if anchor is None else (torch.cat([anchor, frames], 1), anchor.shape[1])
        rows = metadata if metadata is not None else [{}] * len(frames)
        courses: dict[tuple[str, Any], Course] = {}
        found = []
        for video, prompt, told in zip(whole, prompts, rows, strict=True):
            key = (prompt, told.get("seed"))
            if key not in courses:
                courses = {key: _course(prompt, fps, told)}
            follow = _Follow(courses[key], self.shape, behind, checked=anchor is None)
            follow.add(Block(video))
            found.append(follow.result())
        per_frame = torch.tensor([list(each.curve) for each in found])[:, whole.shape[1] - frames.shape[1] :]
        parts = {name: torch.tensor([each.parts[name] for each in found]) for name in found[0].parts}
        return Scores(per_frame.nanmean(1), per_frame, parts)


class _Follow:
    """One video against its scene; of the frames only numbers are kept.

    behind: frames that are given and not measured. checked: the first frame must be the scene's.
    """

    def __init__(self, course: Course, shape: float, behind: int, *, checked: bool) -> None:
        self.course, self.shape, self.behind, self.checked = course, shape, behind, checked
        self.seen = 0
        self.begin: truth.Measured | None = None
        self.begins_alike = False
        self.curve: list[float] = []
        self.means = {name: _Mean() for name in ("present", "shape", "light", *PARTS)}

    def add(self, block: Block) -> None:
        """Measure the new frames."""
        frames = _sized(block.frames)
        if self.begin is None:
            self.begin = self._begin(frames)
        given = min(max(self.behind - self.seen, 0), len(frames))
        self.curve += [math.nan] * given
        if given < len(frames):
            self._measure(frames[given:], self.seen + given, self.begin)
        self.seen += len(frames)

    def _begin(self, frames: Float[Tensor, "t 3 h w"]) -> truth.Measured:
        apart = self.course.begins_like(frames[0])
        self.begins_alike = apart <= ALIKE
        if self.checked and not self.begins_alike:
            raise _not_ours(
                f"the first frame is not that of this prompt and seed (it differs by {apart:.2f}, "
                f"at most {ALIKE:g} is a codec's doing)"
            )
        return truth.measure(frames[:1], self.course.scene)

    def _measure(self, frames: Float[Tensor, "t 3 h w"], first: int, begin: truth.Measured) -> None:
        seen = truth.measure(frames, self.course.scene)
        rows = lasting(seen, begin, self.course.scene, self.shape)
        if self.begins_alike:
            rows |= self.course.departures(frames, seen, first, begin)
        self.curve += rows.pop("ok").tolist()
        for name, values in rows.items():
            self.means[name].add(values)

    def result(self) -> Measured:
        """Means over the measured frames."""
        note, value = "", mean_of(self.curve)
        if self.seen <= self.behind:
            note = "needs two frames"
        elif math.isnan(value):
            note = "the scene has no coloured object: only its parts are measured"
        return Measured(value, self.curve, {name: mean.value for name, mean in self.means.items()}, note)


class _Mean:
    """A running mean of what is not NaN."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, values: Float[Tensor, "n"]) -> None:
        known = values[~values.isnan()].double()
        self.total, self.count = self.total + float(known.sum()), self.count + len(known)

    @property
    def value(self) -> float:
        return self.total / self.count if self.count else math.nan


def lasting(
    seen: truth.Measured, begin: truth.Measured, scene: truth.Scene, shape: float
) -> dict[str, Float[Tensor, "t"]]:
    """Of each frame, against the video's first (`begin`): ok, present, shape, and whether the light has its name."""
    lit = torch.tensor([float(name == scene.tint) for name in truth.nearest_tint(seen.tint)])
    slots = [i for i, thing in enumerate(scene.things) if thing.kind != "glass"]
    slots = [i for i in slots if begin.area[0, i] >= truth.LEAST_PIXELS]
    if not slots:
        missing = torch.full((len(lit),), torch.nan)
        return {"ok": missing, "present": missing, "shape": missing, "light": lit}
    ratio = torch.stack([seen.area[:, i] / begin.area[0, i] for i in slots])
    overlap = torch.stack([truth.keeps_shape(seen.masks[:, i], begin.masks[0, i]) for i in slots])
    present = (ratio > 0.5) & (ratio < 2.0)
    ok = (present & (overlap >= shape)).all(0).float()
    return {"ok": ok, "present": present.all(0).float(), "shape": overlap.mean(0), "light": lit}


# --- is it one of ours? -----------------------------------------------------------------------------------


def _course(prompt: str, fps: float, metadata: Mapping[str, Any]) -> Course:
    """The scene's course; UserError where there is none."""
    seed = _seed(metadata.get("seed"))
    try:
        return Course(scene_of(prompt, seed), fps)
    except UserError as error:
        raise _not_ours(str(error).rstrip(".")) from error


def _sized(frames: Float[Tensor, "t 3 H W"]) -> Float[Tensor, "t 3 h w"]:
    try:
        return at_world_size(frames)
    except UserError as error:
        raise _not_ours(str(error)) from error


def _seed(told: Any) -> int:
    """A whole number, also as a table's text or float: 3, "3", 3.0."""
    try:
        if isinstance(told, bool) or int(float(told)) != float(told):
            raise ValueError
        return int(told) if isinstance(told, int | str) and "." not in str(told) else int(float(told))
    except (TypeError, ValueError, OverflowError):
        given = "the video has no seed" if told is None else f"seed {told!r} is no whole number"
        raise _not_ours(f"{given}, and only prompt and seed determine a scene (manifest column seed)") from None


def _not_ours(why: str) -> UserError:
    return UserError(f"tabletop_truth measures the tabletop world only: {why}; leave it out (--suite bundled)")
