"""What a metric is: a measurement of one video that is fed block by block, so that length costs no memory.

A metric is also a reward (`rewards.base`), so `compare`, the audit and a search can use it; `higher_is_better` says how
to read it. `mode` "reference" is the published formula with its faults, "fixed" has them mended.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Anchor, BaseReward, Frames, Metadata, RewardSpec, Scores, UserError
from rewards.flow import flow, trusted
from rewards.functional import fit_within, linear_to_lab, luminance, srgb_to_linear
from sn_eval.results.evaluation import Measure, Mode

BLOCK = 32  # frames a metric is given at a time …
NUMBERS = 3 * 2**19  # … and numbers, at most: what fits a CPU's cache is measured twice as fast as what does not
LIGHT_SIDE = 64  # light and colour are measured on frames whose longer side is at most this
FLOW_SIDE = 256  # flow is measured on frames whose longer side is at most this

Picture = Float[Tensor, "3 h w"]


@dataclass(frozen=True)
class MetricSpec(RewardSpec):
    """What a metric declares besides: how to read it, and which formula it computes."""

    higher_is_better: bool = True
    mode: Mode = "fixed"


@dataclass(frozen=True)
class Clip:
    """What is known of a video before its first frame is seen.

    frames: how many there will be, None where the container does not say. reference: the picture it was made from.
    metadata: what its author says of it ({"frames_per_chunk": 6, "minimum_motion": 0.0, "seed": 3}). notes: what a
    reader of its figures must know.
    """

    name: str = ""
    prompt: str = ""
    fps: float = 8.0
    frames: int | None = None
    reference: Picture | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """What a metric says of a video: NaN where it does not score it, and `note` says why.

    curve: one number a frame, NaN for frames that have none (the first one of a measure of pairs); empty where the
    measure has no meaning frame by frame. parts: named contributions.
    """

    value: float
    curve: Sequence[float] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Motion:
    """Optical flow between neighbours, in pixels of the pictures that it was measured on (x, y).

    there: for each pixel of the earlier frame, how far to go to find it in the later one. trusted: where going there
    and back ends at the start.
    """

    there: Float[Tensor, "n 2 h w"]
    trusted: Bool[Tensor, "n h w"]


@dataclass(frozen=True)
class Block:
    """New frames of a video, RGB 0..1, and the last one of the block before; what several metrics need is kept here."""

    frames: Float[Tensor, "t 3 h w"]
    before: Float[Tensor, "1 3 h w"] | None = None

    @cached_property
    def seen(self) -> Float[Tensor, "t1 3 h w"]:
        """The frame before and the new ones: neighbours in it are all new pairs."""
        return self.frames if self.before is None else torch.cat([self.before, self.frames])

    @cached_property
    def light(self) -> Float[Tensor, "t1 3 h2 w2"]:
        """`seen`, averaged down to at most LIGHT_SIDE pixels, in linear light (0..1)."""
        return srgb_to_linear(fit_within(self.seen, LIGHT_SIDE))

    @cached_property
    def lab(self) -> Float[Tensor, "t 3 h2 w2"]:
        """The new frames of `light` in CIE L*a*b*: what light and colour are measured on."""
        return linear_to_lab(self.light[-len(self) :])

    @cached_property
    def small(self) -> Float[Tensor, "t1 3 h2 w2"]:
        """`seen`, averaged down to at most FLOW_SIDE pixels: what flow is measured on."""
        return fit_within(self.seen, FLOW_SIDE)

    @cached_property
    def grey(self) -> Float[Tensor, "t1 h2 w2"]:
        """`small` in grey."""
        return luminance(self.small)

    @cached_property
    def motion(self) -> Motion:
        """Flow of every new pair, measured once for all metrics."""
        earlier, later = self.grey[:-1], self.grey[1:]
        there, back = flow(earlier, later), flow(later, earlier)
        return Motion(there, trusted(there, back))

    def __len__(self) -> int:
        return len(self.frames)


def block_length(height: int, width: int) -> int:
    """How many frames of this size a block has.

    >>> block_length(64, 64), block_length(256, 256), block_length(1080, 1920)
    (32, 8, 2)
    """
    return max(2, min(BLOCK, NUMBERS // (3 * height * width)))


def blocks(frames: Iterable[Float[Tensor, "_t 3 h w"]]) -> Iterator[Block]:
    """Blocks of a stream of frames, each with the last frame of the one before."""
    before = None
    for some in frames:
        yield Block(some, before)
        before = some[-1:].clone()


@runtime_checkable
class Tally(Protocol):
    """A metric at work on one video."""

    def add(self, block: Block) -> None:
        """Further frames; at least one."""
        ...

    def result(self) -> Measured:
        """What was measured so far."""
        ...


class Metric(BaseReward):
    """A measurement of videos: subclasses set `self.spec` and write `start`."""

    spec: MetricSpec

    @abstractmethod
    def start(self, clip: Clip) -> Tally:
        """A tally for one video; UserError where this video cannot be measured."""

    @property
    def key(self) -> str:
        """Name and encoder: "subject_consistency[imagenet-lite0]"."""
        return key_of(self.spec)

    def measure(self, frames: Iterable[Float[Tensor, "_t 3 h w"]], clip: Clip | None = None) -> Measured:
        """Measure one video, given as a stream of frames (RGB 0..1)."""
        tally = self.start(clip or Clip())
        with torch.no_grad():
            for block in blocks(frames):
                tally.add(block)
        return tally.result()

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """As a reward: every video from its anchor on, one by one; per_frame covers the frames behind the anchor."""
        whole = frames if anchor is None else torch.cat([anchor, frames], dim=1)
        rows = metadata if metadata is not None else [{}] * len(whole)
        found = []
        for video, prompt, told in zip(whole, prompts, rows, strict=True):
            reference = None if anchor is None else video[0]
            clip = Clip(prompt=prompt, fps=fps, frames=len(video), reference=reference, metadata=told)
            found.append(self.measure(iter(video.split(block_length(*video.shape[-2:]))), clip))
        parts = {key: torch.tensor([f.parts.get(key, math.nan) for f in found]) for f in found for key in f.parts}
        curve = None
        if all(len(f.curve) == whole.shape[1] for f in found):
            curve = torch.tensor([list(f.curve) for f in found])[:, whole.shape[1] - frames.shape[1] :]
        return Scores(torch.tensor([f.value for f in found]), curve, parts)


def key_of(spec: RewardSpec) -> str:
    """What a measure is called in tables: its name, with the encoder (or other instrument) where it has one."""
    return f"{spec.name}[{spec.encoder}]" if spec.encoder else spec.name


def described(spec: RewardSpec, about: str = "") -> Measure:
    """A spec, of a metric or a reward, as a column of an evaluation."""
    return Measure(
        key=key_of(spec), name=spec.name, mode=getattr(spec, "mode", "fixed"),
        higher_is_better=getattr(spec, "higher_is_better", True), low=spec.range[0], high=spec.range[1],
        families=spec.families, encoder=spec.encoder, encoder_sha256=spec.encoder_sha256, version=spec.version,
        about=about,
    )  # fmt: skip


# --- tallies that several metrics share -------------------------------------------------------------------


class PerFrame:
    """One number for every new frame; the value is their mean.

    measure: a block to one number for each new pair (`pairs`: the first frame then has none), or each new frame.
    nothing: what to say where no number came.
    """

    def __init__(
        self, measure: Callable[[Block], Float[Tensor, "n"]], *, pairs: bool = True, nothing: str = "needs two frames"
    ) -> None:
        self.measure, self.pairs, self.nothing = measure, pairs, nothing
        self.curve: list[float] = []

    def add(self, block: Block) -> None:
        """Measure the new frames."""
        if self.pairs and block.before is None:
            self.curve.append(math.nan)
        if len(block.seen) > 1 or not self.pairs:
            self.curve += self.measure(block).tolist()

    def result(self) -> Measured:
        """The mean of the numbers."""
        value = mean_of(self.curve)
        return Measured(value, self.curve, note="" if value == value else self.nothing)


def mean_of(values: Sequence[float]) -> float:
    """Mean of what is not NaN; NaN where nothing is.

    >>> mean_of([1.0, math.nan, 3.0])
    2.0
    """
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def check_mode(name: str, mode: str) -> None:
    """UserError unless the mode is one of the two."""
    if mode not in ("fixed", "reference"):
        raise UserError(f"{name}: mode must be fixed or reference; given {mode!r}")
