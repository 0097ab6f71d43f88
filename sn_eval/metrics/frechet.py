"""Are the frames of two sets of videos alike as sets? The Fréchet distance of Gaussians fitted to their features.

Source: Heusel et al. (arXiv:1706.08500), with the closed form of Dowson and Landau (1982); as there it is the squared
distance. It sees single frames, no motion, so it is no FVD.
"""

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder, create_encoder
from sn_eval.video import spread

FEW = 200  # videos; published distances use thousands, and hundreds are the least that is called usable

Video = Iterable[Float[Tensor, "t 3 h w"]]  # a stream of frames, RGB 0..1


@dataclass(frozen=True)
class FrechetResult:
    """A distance between two sets, and how far it can be trusted; pairs are (first set, second set).

    value: squared distance, from 0, unbounded; lower is more alike. floor: the larger of the distances between two
    random halves of either set, NaN where a half would be too small. Chance alone gives about half of it (the bias
    falls as 1/n, and halves are smaller: Chong and Forsyth, arXiv:1911.07023), so a value not well above it says
    nothing. warning: why not to rely on it, empty where nothing is amiss.
    """

    value: float
    floor: float
    videos: tuple[int, int]
    frames: tuple[int, int]
    dimensions: int
    encoder: str
    encoder_sha256: str
    families: tuple[str, ...]
    warning: str


class FeatureStatistics:
    """Count, mean and scatter of feature vectors that come bit by bit, in float64.

    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Float[Tensor, "d"] = torch.zeros(0, dtype=torch.float64)
        self.scatter: Float[Tensor, "d d"] = torch.zeros(0, 0, dtype=torch.float64)

    def add(self, features: Float[Tensor, "n d"]) -> None:
        """Further vectors; UserError where their length differs from that of the earlier ones."""
        some = FeatureStatistics()
        each = features.detach().to("cpu", torch.float64)
        some.count, some.mean = len(each), each.mean(0)
        away = each - some.mean
        some.scatter = away.T @ away
        self.merge(some)

    def merge(self, other: "FeatureStatistics") -> None:
        """Take over what other statistics have seen."""
        if not other.count:
            return
        if not self.count:
            self.count, self.mean, self.scatter = other.count, other.mean.clone(), other.scatter.clone()
            return
        if len(self.mean) != len(other.mean):
            raise UserError(f"features of {len(other.mean)} numbers after {len(self.mean)}: use one encoder for all")
        total = self.count + other.count
        apart = other.mean - self.mean
        self.scatter += other.scatter + torch.outer(apart, apart) * (self.count * other.count / total)
        self.mean += apart * (other.count / total)
        self.count = total

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        """Of the vectors so far, divided by n − 1; UserError for fewer than two."""
        if self.count < 2:
            raise UserError(f"a covariance needs at least two feature vectors; given {self.count}: add frames")
        return self.scatter / (self.count - 1)


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Squared Fréchet distance of the Gaussians with these means and covariances; 0 for equal ones, symmetric.

    |μa − μb|² + tr(A) + tr(B) − 2 tr((AB)^½). UserError for fewer than two vectors or unlike dimensions.
    """
    if len(a.mean) != len(b.mean):
        raise UserError(f"features of {len(a.mean)} and of {len(b.mean)} numbers: use one encoder for both sets")
    return gaussian_distance(a.mean, root(a.covariance, a.count - 1), b.mean, root(b.covariance, b.count - 1))


def root(covariance: Float[Tensor, "d d"], rank: int | None = None) -> Float[Tensor, "d r"]:
    """L with L Lᵀ = covariance; `rank`: how many of its eigenvalues can differ from 0 (one less than vectors)."""
    values, vectors = torch.linalg.eigh(covariance)
    count = min(len(values), len(values) if rank is None else rank)
    return vectors[:, -count:] * values[-count:].clamp(min=0).sqrt()


def gaussian_distance(
    mean_a: Float[Tensor, "d"], root_a: Float[Tensor, "d r"], mean_b: Float[Tensor, "d"], root_b: Float[Tensor, "d s"]
) -> float:
    """The squared distance by means and roots of covariances (see `root`).

    tr((AB)^½) is the sum of the singular values of LaᵀLb: no square root of a nearly singular product is taken.
    """
    shared = torch.linalg.svdvals(root_a.T @ root_b).sum()
    apart = (mean_a - mean_b).square().sum()
    return max(0.0, float(apart + root_a.square().sum() + root_b.square().sum() - 2 * shared))


def frechet(
    videos_a: Iterable[Video], videos_b: Iterable[Video], encoder: str = "imagenet-lite0", frames_per_video: int = 16
) -> FrechetResult:
    """The distance between two sets of videos by the features of evenly spread frames of each.

    Videos are streams of frames, RGB 0..1, read once; memory depends neither on their number nor on their length.
    frames_per_video: at most so many of each video. UserError for a set with fewer than two frames.
    """
    if frames_per_video < 1:
        raise UserError(f"frames_per_video must be at least 1; given {frames_per_video}")
    made = create_encoder(encoder)
    a, b = (Halves.of(videos, made, frames_per_video) for videos in (videos_a, videos_b))
    for name, found in (("first", a), ("second", b)):
        if found.all.count < 2:
            raise UserError(
                f"the {name} set has {found.videos} videos and {found.all.count} frames; a distance needs two frames "
                "of each set, and hundreds of videos to mean something"
            )
    value, floor = frechet_distance(a.all, b.all), max(a.floor, b.floor, key=lambda x: (not math.isnan(x), x))
    return FrechetResult(
        value, floor, (a.videos, b.videos), (a.all.count, b.all.count), len(a.all.mean), made.name, made.sha256,
        (f"encoder:{made.kind}",), warning(value, floor, min(a.videos, b.videos), min(a.all.count, b.all.count),
                                           len(a.all.mean)),
    )  # fmt: skip


def warning(value: float, floor: float, videos: int, frames: int, dimensions: int) -> str:
    """What speaks against relying on a distance, in words; empty where nothing does. Counts are the smaller set's."""
    against = []
    if videos < FEW:
        against.append(f"{videos} videos where hundreds are needed: not for a PoC's primary metric")
    if frames <= dimensions:
        against.append(f"{frames} frames for {dimensions} features, so the covariance is singular")
    if value <= floor:
        against.append(f"no larger than between two random halves of one set ({floor:.3g})")
    return "; ".join(against)


class Halves:
    """Features of a set of videos, in two random halves: the two of each pair of videos go to different ones."""

    def __init__(self) -> None:
        self.videos = 0
        self.halves = (FeatureStatistics(), FeatureStatistics())

    @classmethod
    def of(cls, videos: Iterable[Video], encoder: Encoder, frames_per_video: int) -> "Halves":
        """Encode a set."""
        found, coin = cls(), random.Random("halves")
        for video in videos:
            if found.videos % 2 == 0:
                half = coin.randrange(2)
            found.halves[(half + found.videos) % 2].add(evenly(video, encoder, frames_per_video))
            found.videos += 1
        return found

    @property
    def all(self) -> FeatureStatistics:
        """Of both halves."""
        whole = FeatureStatistics()
        for half in self.halves:
            whole.merge(half)
        return whole

    @property
    def floor(self) -> float:
        """The distance between the halves; NaN where one has fewer than two vectors."""
        return math.nan if min(half.count for half in self.halves) < 2 else frechet_distance(*self.halves)


def evenly(video: Video, encoder: Encoder, count: int) -> Float[Tensor, "n d"]:
    """Features of at most `count` frames, evenly spread over a video whose length is not known before.

    Frames at a stride are encoded; when twice as many as needed are there, every second one goes and the stride
    doubles, so a long video costs little more than a short one. UserError for a video without frames.
    """
    kept: list[Tensor] = []
    stride, seen = 1, 0
    with torch.no_grad():
        for frames in video:
            if len(chosen := frames[-seen % stride :: stride]):
                kept += encoder(chosen)
            while len(kept) >= 2 * count:
                kept, stride = kept[::2], 2 * stride
            seen += len(frames)
    if not kept:
        raise UserError("a video without frames: leave it out of the set")
    return torch.stack([kept[i] for i in spread(len(kept), count)])
