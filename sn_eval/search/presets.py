"""Known methods as settings of the one loop: a preset is a few lines, and a user's own file may hold one."""

from collections.abc import Sequence
from typing import Literal

from rewards.registry import component
from sn_eval.interfaces import NoiseProposal, Preview
from sn_eval.search.noise_search import NoiseSearch


@component("scaling_noise")
def scaling_noise(  # noqa: PLR0913  (the knobs of the method, by name)
    beams: int = 2,
    candidates: int | Sequence[int] = 4,
    look: int = 3,
    proposals: Sequence[NoiseProposal] = (),
    epsilon: float = 0.0,
    lag: int = 8,
    preview: Preview | None = None,
    fixed: int = 2,
    sliding: int = 2,
) -> NoiseSearch:
    """ScalingNoise (arXiv:2503.16400): beam search with one look; the paper's is look = 1, ε = 0.2."""
    select: Literal["top", "epsilon"] = "epsilon" if epsilon else "top"
    return NoiseSearch(
        candidates,
        ((look, beams),),
        select,
        epsilon,
        proposals=proposals,
        lag=lag,
        preview=preview,
        fixed=fixed,
        sliding=sliding,
        name="scaling_noise",
    )


@component("halving")
def halving(
    beams: int = 1,
    candidates: int = 8,
    looks: Sequence[int] = (2, 4),
    proposals: Sequence[NoiseProposal] = (),
    lag: int = 8,
) -> NoiseSearch:
    """Successive halving (arXiv:1502.07943): each look keeps half as many, the last one `beams`."""
    last = len(looks) - 1
    stages = tuple((look, beams * 2 ** (last - i)) for i, look in enumerate(looks))
    return NoiseSearch(candidates, stages, proposals=proposals, lag=lag, name="halving")


@component("search_on_anomaly")
def search_on_anomaly(
    beams: int = 1,
    candidates: int = 4,
    look: int = 4,
    drop: float = 0.05,
    proposals: Sequence[NoiseProposal] = (),
    lag: int = 8,
) -> NoiseSearch:
    """Search only where the plain candidate's preview falls `drop` below the beam's mean (after MIGA)."""
    return NoiseSearch(
        candidates,
        ((look, beams),),
        trigger="anomaly",
        drop=drop,
        proposals=proposals,
        lag=lag,
        name="search_on_anomaly",
    )


@component("smc")
def smc(particles: int = 4, look: int = 4, strength: float = 10.0, lag: int = 8) -> NoiseSearch:
    """Sequential Monte Carlo (Feynman–Kac steering, arXiv:2501.06848): particles resampled by reward; eta >
    0.
    """
    return NoiseSearch((particles, 1), ((look, particles),), "resample", strength=strength, lag=lag, name="smc")


@component("one_of")
def one_of(video: int = 0, look: int = 3) -> NoiseSearch:
    """One of the videos that best_of_n chooses among, by its number: looked at and scored, but not
    chosen.
    """
    return NoiseSearch(1, ((look, 1),), video=video, name="one_of")
