"""Known methods as settings of the one loop: a preset is a few lines, and a user's own file may hold one."""

from collections.abc import Sequence
from typing import Literal

from rewards.registry import component
from sn_eval.interfaces import NoiseProposal, Predictor, Preview
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
    rollover: bool = False,
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
        rollover=rollover,
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


@component("evolutionary")
def evolutionary(
    beams: int = 1,
    candidates: int | Sequence[int] = 8,
    look: int = 3,
    generations: int = 2,
    mutation: float = 0.7,
    lag: int = 8,
) -> NoiseSearch:
    """EvoSearch (arXiv:2505.17618) on initial noise: later candidates are mutations of a beam's best so far."""
    return NoiseSearch(
        candidates, ((look, beams),), generations=generations, mutation=mutation, lag=lag, name="evolutionary"
    )


@component("dlbs")
def dlbs(
    beams: int = 2,
    candidates: int | Sequence[int] = 4,
    looks: Sequence[int] = (2, 4),
    branch: int = 2,
    ahead: int = 2,
    eta: float = 0.5,
    lag: int = 8,
) -> NoiseSearch:
    """Diffusion latent beam search (arXiv:2501.19252): survivors branch between looks, which jump ahead to clean."""
    return NoiseSearch(
        candidates,
        tuple((look, beams) for look in looks),
        preview="ahead",
        ahead=ahead,
        eta=eta,
        branch=branch,
        lag=lag,
        name="dlbs",
    )


@component("cached_drafts")
def cached_drafts(
    beams: int = 1, candidates: int | Sequence[int] = 4, look: int = 4, fixed: int = 2, sliding: int = 2, lag: int = 8
) -> NoiseSearch:
    """Candidates are looked at in drafts that leave out blocks of the network; only the chosen are made in full."""
    return NoiseSearch(
        candidates, ((look, beams),), preview="draft", fixed=fixed, sliding=sliding, lag=lag, name="cached_drafts"
    )


@component("predicted")
def predicted(
    predictor: Predictor,
    beams: int = 1,
    candidates: int | Sequence[int] = 16,
    look: int = 3,
    preview: Preview | None = None,
    proposals: Sequence[NoiseProposal] = (),
    lag: int = 8,
) -> NoiseSearch:
    """A predictor guesses every candidate's score; only the share that it keeps is looked at."""
    return NoiseSearch(
        candidates, ((look, beams),), preview=preview, proposals=proposals, predictor=predictor, lag=lag,
        name="predicted",
    )  # fmt: skip


@component("search_on_anomaly")
def search_on_anomaly(
    beams: int = 1,
    candidates: int = 4,
    look: int = 4,
    drop: float = 0.05,
    proposals: Sequence[NoiseProposal] = (),
    lag: int = 8,
    by: Literal["score", "latents"] = "score",
    rollover: bool = False,
) -> NoiseSearch:
    """Search only where the plain candidate's preview falls `drop` below what the beam is used to (after MIGA)."""
    return NoiseSearch(
        candidates,
        ((look, beams),),
        trigger="latents" if by == "latents" else "anomaly",
        drop=drop,
        proposals=proposals,
        lag=lag,
        rollover=rollover,
        name="search_on_anomaly",
    )


@component("smc")
def smc(
    particles: int = 4, look: int = 4, strength: float = 10.0, lag: int = 8, eta: float | None = None
) -> NoiseSearch:
    """Sequential Monte Carlo (Feynman–Kac steering, arXiv:2501.06848): particles resampled by reward; eta >
    0.
    """
    return NoiseSearch(
        (particles, 1), ((look, particles),), "resample", strength=strength, lag=lag, eta=eta, name="smc"
    )


@component("one_of")
def one_of(video: int = 0, look: int = 3) -> NoiseSearch:
    """One of the videos that best_of_n chooses among, by its number: looked at and scored, but not
    chosen.
    """
    return NoiseSearch(1, ((look, 1),), video=video, name="one_of")
