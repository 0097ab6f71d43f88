"""What a score depends on though it should not: brightness, saturation, resolution, length, motion, sort of prompt.

Partial rank correlation of the score with each of them, the others held constant: variables become ranks, and what
the other properties explain linearly is taken from both sides before they are correlated. A dependence is not yet a
fault (a measure of persistence may well fall with motion), but it must be known before scores of unlike videos are
compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from rewards.base import UserError
from rewards.functional import linear_to_lab, srgb_to_linear
from rewards.motion_floor import motion
from sn_eval.audit.sample import Sample
from sn_eval.decision.statistics import interval

NOTABLE = 0.3  # a correlation of this size, sure not to be 0, is named in the words
COLLINEAR = 1e-6  # unexplained share of a variable below which the others say all that it says
RESAMPLES = 1000

COVARIATES = {
    "brightness": "mean L*, 0 black … 100 white",
    "saturation": "mean chroma C*ab, 0 grey … about 130",
    "resolution": "√(height·width) in pixels",
    "length": "seconds",
    "motion": "steps of L* changed a second, mean over pixels, apart from the light",
}


def covariates(frames: Float[Tensor, "t 3 h w"], fps: float) -> dict[str, float]:
    """The properties of a clip (RGB 0..1) that a score is held against, by the names and units of COVARIATES.

    Motion is NaN for a single frame.
    """
    t, _, h, w = frames.shape
    lightness, a, b = linear_to_lab(srgb_to_linear(frames)).unbind(1)
    return {
        "brightness": float(lightness.mean()),
        "saturation": float((a**2 + b**2).sqrt().mean()),
        "resolution": (h * w) ** 0.5,
        "length": t / fps,
        "motion": float(motion(frames[None], fps).mean()),
    }


def varied(samples: Sequence[Sample]) -> list[Sample]:
    """Every sample as it is, at half the resolution, cut to its first half, and both; always the same.

    Without such copies clips of one source have one size and length, and a score's dependence on them stays hidden.
    """
    return [_changed(sample, half, cut) for sample in samples for half in (False, True) for cut in (False, True)]


def _changed(sample: Sample, half: bool, cut: bool) -> Sample:
    frames, anchor = sample.frames, sample.anchor
    if cut:
        frames = frames[: max(2, (len(frames) + 1) // 2)]
    if half:
        frames, anchor = (F.interpolate(x, scale_factor=0.5, mode="area") for x in (frames, anchor))
    told = _smaller(sample.metadata) if half else sample.metadata
    return replace(sample, frames=frames, anchor=anchor, metadata=told)


def _smaller(metadata: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Metadata with its mask, where it has one, at half the size too."""
    mask = metadata.get("mask") if metadata else None
    if metadata is None or not isinstance(mask, Tensor):
        return metadata
    small = F.interpolate(mask[None, None].float(), scale_factor=0.5, mode="area")[0, 0]
    return {**metadata, "mask": small > 0.5}


# --- partial correlations ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dependence:
    """Partial Spearman correlation of a score with one property, −1..1, and its 95 % interval.

    rho is None where it is not defined, and `why` says so. n: clips that count.
    """

    name: str
    rho: float | None
    low: float | None
    high: float | None
    n: int
    why: str = ""

    @property
    def notable(self) -> bool:
        """At least NOTABLE, with an interval that leaves out 0."""
        sure = self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)
        return self.rho is not None and abs(self.rho) >= NOTABLE and sure


def partial_spearman(
    scores: Sequence[float] | np.ndarray,
    properties: Mapping[str, Sequence[float] | np.ndarray],
    clusters: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Dependence]:
    """A row for each property, the others held constant; clips with a NaN anywhere are left out.

    clusters: what belongs together (copies of one clip, windows of one source); whole clusters are resampled for the
    percentile bootstrap interval, as members of one are no independent draws. A property that does not vary, or that
    the others determine, has no rho; an interval needs three clusters. Raises UserError where lengths differ.
    """
    lengths = {len(scores), *map(len, properties.values()), len(scores if clusters is None else clusters)}
    if len(lengths) > 1:
        raise UserError(f"scores, properties, clusters of lengths {sorted(lengths)}: give one of each for every clip")
    table = np.stack([np.asarray(scores, float), *(np.asarray(v, float) for v in properties.values())], axis=1)
    known = ~np.isnan(table).any(axis=1)
    table, n = table[known], int(known.sum())
    names = np.arange(n) if clusters is None else np.asarray(clusters)[known]
    if reason := _unusable(table):
        return [Dependence(name, None, None, None, n, reason) for name in properties]
    low, high = _bootstrap(table, names, resamples, seed)
    return [
        Dependence(name, _number(rho), _number(low[i]), _number(high[i]), n, _why(table[:, i + 1], rho))
        for i, (name, rho) in enumerate(zip(properties, _partial(table), strict=True))
    ]


def bias_words(name: str, rows: Sequence[Dependence]) -> str:
    """What the score depends on, in one or two sentences."""
    notable = sorted((row for row in rows if row.notable), key=lambda row: -abs(row.rho or 0))
    open_ = [row.name for row in rows if row.rho is None]
    tail = f" Not evaluable here: {', '.join(open_)}." if open_ else ""
    if not notable:
        return f"{name} depends on none of these clearly (|ρ| below {NOTABLE:g}, or not sure to differ from 0).{tail}"
    ways = [("rises" if (row.rho or 0) > 0 else "falls", row) for row in notable]
    said = ", ".join(f"{way} with {row.name} (ρ {row.rho:+.2f})" for way, row in ways)
    return f"{name} {said}, all else equal: compare its scores only between videos that are alike in this.{tail}"


def _unusable(table: np.ndarray) -> str:
    """Why nothing can be said at all; "" where it can."""
    n, least = len(table), table.shape[1] + 3
    if n < least:
        return f"{n} scored clips; at least {least} are needed"
    return "all clips score the same" if np.ptp(table[:, 0]) == 0 else ""


def _why(values: np.ndarray, rho: float) -> str:
    """Why a property has no rho; "" where it has one."""
    if not np.isnan(rho):
        return ""
    return "the other properties determine it" if np.ptp(values) else "does not vary"


def _partial(table: np.ndarray) -> np.ndarray:
    """Partial rank correlation [k] of column 0 with each other one of [n, 1 + k].

    NaN where the other properties leave nothing of that one; 0 where they leave nothing of the score.
    """
    ranks = stats.rankdata(table, axis=0)
    ranks = ranks - ranks.mean(axis=0)
    whole = (ranks**2).sum(axis=0)
    rho = np.full(table.shape[1] - 1, np.nan)
    for i in range(1, table.shape[1]):
        others, both = np.delete(ranks, [0, i], axis=1), ranks[:, [0, i]]
        left = both - others @ np.linalg.lstsq(others, both, rcond=None)[0]
        size = (left**2).sum(axis=0)
        if size[1] > COLLINEAR * whole[i]:
            rho[i - 1] = left[:, 0] @ left[:, 1] / np.sqrt(size.prod()) if size[0] > COLLINEAR * whole[0] else 0.0
    return rho


def _bootstrap(table: np.ndarray, clusters: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """2.5 % and 97.5 % [2, k] of the partial correlations over resampled clusters; NaN below three clusters."""
    members = [np.flatnonzero(clusters == name) for name in np.unique(clusters)]
    bounds = np.full((2, table.shape[1] - 1), np.nan)
    if len(members) < 3:
        return bounds
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(members), size=(resamples, len(members)))
    drawn = np.array([_partial(table[np.concatenate([members[i] for i in picked])]) for picked in picks])
    if (defined := ~np.isnan(drawn).all(axis=0)).any():
        bounds[:, defined] = np.nanquantile(drawn[:, defined], [0.025, 0.975], axis=0)
    return bounds


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


# --- sorts of prompt --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Mean score of one sort of clip, with its 95 % interval where at least two were scored."""

    name: str
    mean: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Groups:
    """A row for each group; spread: largest less smallest mean; p: of "all groups score alike" (Kruskal–Wallis)."""

    rows: tuple[Group, ...]
    spread: float | None
    p: float | None
    words: str


def by_group(scores: Sequence[float] | np.ndarray, groups: Sequence[str], name: str = "the score") -> Groups:
    """Mean score by group (in the order of their names), NaN left out; name: for the words."""
    values, labels = np.asarray(scores, float), np.asarray(groups)
    if len(values) != len(labels):
        raise UserError(f"{len(values)} scores for {len(labels)} groups: give a group for every clip")
    scored = {str(each): values[(labels == each) & ~np.isnan(values)] for each in np.unique(labels)}
    rows = tuple(_group(each, found) for each, found in scored.items())
    means = [row.mean for row in rows if row.mean is not None]
    spread = max(means) - min(means) if len(means) > 1 else None
    filled = [found for found in scored.values() if len(found)]
    varies = len(filled) > 1 and np.ptp(np.concatenate(filled)) > 0
    p = float(stats.kruskal(*filled).pvalue) if varies else None
    return Groups(rows, spread, p, _group_words(name, rows, spread, p))


def _group(name: str, values: np.ndarray) -> Group:
    if not len(values):
        return Group(name, None, None, None, 0)
    low, high, _ = interval(values, resamples=2000)
    return Group(name, float(values.mean()), low, high, len(values))


def _group_words(name: str, rows: Sequence[Group], spread: float | None, p: float | None) -> str:
    means = {row.name: row.mean for row in rows if row.mean is not None}
    if spread is None or p is None:
        return f"{name}: nothing to compare between groups ({len(means)} with scores)."
    top, bottom = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    sure = "more than chance explains" if p < 0.05 else "which chance explains"
    return f"{name} is highest for {top} and lowest for {bottom}, {spread:.3g} apart, {sure} (p = {p:.2g})."
