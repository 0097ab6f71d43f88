"""Cheap tricks that raise a score without making a better video: does a reward fall for them?

Each takes a clip [t 3 h w], its anchor and another clip, all RGB 0..1, and gives frames of the clip's own shape. They
are what a search drifts to when it is rewarded for it, and stay in the suite for good.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from rewards.base import Reward, UserError
from sn_eval.audit.corruptions import lit
from sn_eval.audit.sample import Sample
from sn_eval.decision.statistics import interval

Clip = Float[Tensor, "t 3 h w"]
Anchor = Float[Tensor, "ta 3 h w"]
Other = Float[Tensor, "n 3 h2 w2"]
Trick = Callable[[Clip, Anchor, Other], Clip]

BLUR = 0.015  # sigma as share of the height
ZOOM = 1.25  # at the last frame
STOPS = 0.75  # EV at the last frame
FOOLED = 0.5  # a reward is called fooled when the copy wins in at least this share of clips
SAME = 0.5 / 255  # mean change of a pixel below which a copy is the clip itself
STILL = ("frozen_frame", "anchor_copy")


@dataclass(frozen=True)
class Adversary:
    """A trick: `make(frames, anchor, other)` and, in a sentence, what it exploits."""

    name: str
    exploits: str
    make: Trick


ADVERSARIES: dict[str, Adversary] = {}
"""All of them by name."""


def adversary(function: Trick) -> Trick:
    """Enter a function as the adversary of its name; its docstring says what it exploits."""
    name = getattr(function, "__name__", "")
    ADVERSARIES[name] = Adversary(name, " ".join((function.__doc__ or "").split()), function)
    return function


# --- the tricks -------------------------------------------------------------------------------------------


@adversary
def frozen_frame(frames: Clip, anchor: Anchor, other: Other) -> Clip:
    """The first frame, held: every measure of consistency is highest when nothing happens."""
    return frames[:1].expand_as(frames).clone()


@adversary
def anchor_copy(frames: Clip, anchor: Anchor, other: Other) -> Clip:
    """The anchor's last frame, held: the nearest video to what a consistency reward compares with."""
    return anchor[-1:].expand_as(frames).clone()


@adversary
def crossfade(frames: Clip, anchor: Anchor, other: Other) -> Clip:
    """Fades into another video: neighbouring frames stay alike while the subject is exchanged."""
    target = other[torch.linspace(0, len(other) - 1, len(frames)).round().long()]
    if target.shape[-2:] != frames.shape[-2:]:
        size = tuple(frames.shape[-2:])
        target = F.interpolate(target, size, mode="bilinear", antialias=True, align_corners=False)
    share = torch.linspace(0, 1, len(frames)).view(-1, 1, 1, 1).to(frames)
    return ((1 - share) * frames + share * target.to(frames)).clamp(0, 1)


@adversary
def blur(frames: Clip, anchor: Anchor, other: Other) -> Clip:
    """Everything out of focus: with the detail goes what could be found wrong."""
    sigma = max(BLUR * frames.shape[-2], 0.5)
    reach = max(1, min(round(3 * sigma), min(frames.shape[-2:]) - 1))
    x = torch.arange(-reach, reach + 1).to(frames)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    rows = F.conv2d(F.pad(frames, (reach, reach, 0, 0), "reflect"), kernel[:, :, None], groups=3)
    both = F.conv2d(F.pad(rows, (0, 0, reach, reach), "reflect"), kernel[..., None], groups=3)
    return both.clamp(0, 1)


@adversary
def slow_zoom(frames: Clip, anchor: Anchor, other: Other) -> Clip:
    """The first frame, slowly magnified: motion for a motion reward, in which nothing moves."""
    scale = torch.linspace(1, ZOOM, len(frames)).to(frames)
    theta = torch.zeros(len(frames), 2, 3).to(frames)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    grid = F.affine_grid(theta, list(frames.shape), align_corners=False)
    zoomed = F.grid_sample(frames[:1].expand_as(frames), grid, padding_mode="border", align_corners=False)
    return zoomed.clamp(0, 1)


@adversary
def brightness_ramp(frames: Clip, anchor: Anchor, other: Other) -> Clip:
    """The first frame, getting brighter: pixels change, which a crude measure takes for motion."""
    gain = 2 ** torch.linspace(0, STOPS, len(frames)).to(frames)
    return lit(frames[:1].expand_as(frames), gain[:, None].expand(-1, 3))


# --- who falls for them -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What one trick does to a reward.

    beats: share of clips in which the copy scores at least as high as the clip, with its Wilson interval; higher: share
    in which it scores higher (both by the reward's own tolerance). change: mean of copy − clip, in the reward's unit,
    over `scored` clips that both are scored in. n: clips that count, those whose copy differs from the clip and that
    are scored themselves; a copy that is not scored does not win. All None where n is 0.
    """

    name: str
    exploits: str
    beats: float | None
    low: float | None
    high: float | None
    higher: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    n: int
    scored: int

    @property
    def fools(self) -> bool:
        """The copy scores at least as high in at least half of the clips."""
        return self.beats is not None and self.beats >= FOOLED

    @property
    def attracts(self) -> bool:
        """The copy scores higher in at least half of the clips: a search drifts there."""
        return self.higher is not None and self.higher >= FOOLED


@dataclass(frozen=True)
class AdversaryTable:
    """A row for each trick, and in words which of them the reward falls for and what to do."""

    rows: tuple[Row, ...]
    words: str


def adversary_table(
    reward: Reward, samples: Sequence[Sample], names: Sequence[str] = tuple(ADVERSARIES)
) -> AdversaryTable:
    """Adversaries, all or these, on every sample; the other clip is the next one with another prompt, else the next.

    A sample and its copies are one batch. Raises UserError for fewer than two samples.
    """
    tricks = [ADVERSARIES[name] for name in names]
    if len(samples) < 2:
        raise UserError(f"{len(samples)} clips: adversaries need at least 2, one to fade into the other")
    scores, differs = [], []
    for i, sample in enumerate(samples):
        rest = [*samples[i + 1 :], *samples[:i]]
        other = next((each for each in rest if each.prompt != sample.prompt), rest[0])
        copies = [each.make(sample.frames, sample.anchor, other.frames) for each in tricks]
        scores.append(_scores(reward, sample, copies))
        differs.append([float((copy - sample.frames).abs().mean()) > SAME for copy in copies])
    table, counts = np.array(scores), np.array(differs)
    rows = tuple(
        _row(trick, table[counts[:, i], 0], table[counts[:, i], i + 1], reward.spec.batch_tolerance)
        for i, trick in enumerate(tricks)
    )
    return AdversaryTable(rows, in_words(reward.spec.name, rows))


def _scores(reward: Reward, sample: Sample, copies: Sequence[Tensor]) -> list[float]:
    """Scores of the sample and its copies, in this order."""
    clips = torch.stack([sample.frames, *copies])
    told = None if sample.metadata is None else [sample.metadata] * len(clips)
    prompts = [sample.prompt] * len(clips)
    scored = reward(clips, prompts, fps=sample.fps, anchor=sample.anchor[None], metadata=told)
    return [float(value) for value in scored.values]


def _row(trick: Adversary, clean: np.ndarray, copy: np.ndarray, tolerance: float) -> Row:
    """Counts and means over clips."""
    clean, copy = clean[~np.isnan(clean)], copy[~np.isnan(clean)]
    if not len(clean):
        return Row(trick.name, trick.exploits, None, None, None, None, None, None, None, 0, 0)
    wins = int((copy >= clean - tolerance).sum())  # comparisons with NaN are False
    higher = float((copy > clean + tolerance).mean())
    around = stats.binomtest(wins, len(clean)).proportion_ci(method="wilson")
    changes = (copy - clean)[~np.isnan(copy)]
    low, high, _ = interval(changes, resamples=2000)
    mean = float(changes.mean()) if len(changes) else None
    return Row(
        trick.name, trick.exploits, wins / len(clean), float(around.low), float(around.high), higher,
        mean, low, high, len(clean), len(changes),
    )  # fmt: skip


def in_words(name: str, rows: Sequence[Row]) -> str:
    """What a search on this reward would drift to, what the reward does not notice, and what to hold against it."""
    if not any(row.n for row in rows):
        return f"{name} scored none of these clips: nothing is known."
    still = [row for row in rows if row.fools and row.name in STILL]
    drawn = [row for row in rows if row.attracts and row.name not in STILL]
    blind = [row for row in rows if row.fools and not row.attracts and row.name not in STILL]
    said = []
    if any(row.name == "anchor_copy" for row in still):
        said.append(
            f"{name} scores a still video at least as high as the real one ({_listed(still)}). Measures of consistency "
            "do so by nature, and alone they reward freezing: hold a motion floor beside it (a composite with "
            "motion_floor and its `floor`)."
        )
    elif still:
        said.append(
            f"{name} scores a video that holds its first frame at least as high as the real one ({_listed(still)}): "
            "hold a reward beside it that wants motion throughout."
        )
    if drawn:
        said.append(f"{name} is raised by {_listed(drawn)}: hold a reward against each, or do not search on it.")
    if blind:
        said.append(f"{name} does not notice {_listed(blind)}: hold a reward beside it that does.")
    return " ".join(said) or f"{name} falls for none of these tricks."


def _listed(rows: Sequence[Row]) -> str:
    return ", ".join(f"{row.name} in {row.beats:.0%} of {row.n} clips" for row in rows)
