"""The sampler as pure functions: keyed noise, noise schedules, one step of DDIM or flow Euler, and batches
that fit.

DDIM (Song et al., arXiv:2010.02502, eq. 12) and the Euler step of flow matching (Lipman et al.,
arXiv:2210.02747) are one formula in x0 form: x' = signal'·x0 + noise'·eps, with eps read off the current x.
Every level may differ per frame (diffusion forcing, Chen et al., arXiv:2407.01392).
"""

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from sn_eval.interfaces import Schedule

log = logging.getLogger(__name__)

# --- randomness: every draw is named, nothing reads a global generator ------------------------------------


def key(*parts: int | str) -> int:
    """A 63-bit name of the parts, the same on every machine.

    >>> key(1, "a") == key(1, "a"), key(1, "a") == key("1a")
    (True, False)
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def child(parent: int, candidate: int) -> int:
    """The lineage key of a beam's candidate. Candidate 0 of candidate 0 of … is 0: the plain sampler's own
    path.

    >>> child(0, 0), child(0, 1) == child(0, 2), child(child(0, 1), 0) == child(0, 1)
    (0, False, False)
    """
    return 0 if parent == 0 and candidate == 0 else key("lineage", parent, candidate)


def generator(*parts: int | str) -> torch.Generator:
    """A generator on the CPU named by the parts (drawing there gives the same noise on every device)."""
    return torch.Generator().manual_seed(key(*parts))


def normal(shape: tuple[int, ...], *parts: int | str) -> Tensor:
    """Standard normal noise named by the parts: float32, on the CPU."""
    return torch.randn(shape, generator=generator(*parts))


def sub_seed(seed: int, video: int) -> int:
    """The seed of the i-th whole video of a seed; the 0-th is the seed itself."""
    return seed if video == 0 else key("video", seed, video)


# --- schedules --------------------------------------------------------------------------------------------


def flow_schedule(steps: int, shift: float = 1.0, time_scale: float = 1.0) -> Schedule:
    """Flow matching (rectified flow): signal 1−σ, noise σ, σ shifted toward noise; ends in pure noise.

    σ = shift·u / (1 + (shift−1)·u), u = 0 … 1 (Esser et al., arXiv:2403.03206, eq. 23); times = σ·time_scale.
    """
    u = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    sigma = (shift * u / (1 + (shift - 1) * u)).float()
    return Schedule(sigma * time_scale, 1 - sigma, sigma)


def angular_schedule(steps: int, end: float = 1.0) -> Schedule:
    """Variance preserving: signal cos(u·π/2), noise sin(u·π/2), u = 0 … end; `end` < 1 leaves signal at the
    top.
    """
    u = torch.linspace(0, end, steps + 1, dtype=torch.float64) * (math.pi / 2)
    signal = torch.cos(u).float().clamp(min=0.0)
    if end == 1.0:
        signal[-1] = 0.0
    return Schedule((u / (math.pi / 2)).float(), signal, torch.sin(u).float())


# --- one step ---------------------------------------------------------------------------------------------


def per_frame(levels: Tensor) -> Tensor:
    """[b t] levels, broadcast over [b t c h w]."""
    return levels[..., None, None, None]


def step(
    x: Float[Tensor, "b t c h w"],
    x0: Float[Tensor, "b t c h w"],
    now: Sequence[Float[Tensor, "b t"]],
    then: Sequence[Float[Tensor, "b t"]],
    eta: float = 0.0,
    fresh: Float[Tensor, "b t c h w"] | None = None,
) -> Float[Tensor, "b t c h w"]:
    """From (signal, noise) `now` to (signal, noise) `then`, per frame, given the estimate of x0.

    `eta` = 0 is the deterministic step; 1 draws from the posterior of the forward process with `fresh`
    standard normal noise (variance n'²·(1 − (s/s')²·n'²/n²)). Frames without noise, or whose level stays,
    are untouched.
    """
    (s, n), (s2, n2) = (map(per_frame, level) for level in (now, then))
    noisy = n > 0
    eps = (x - s * x0) / torch.where(noisy, n, 1.0)
    if eta == 0.0 or fresh is None:
        moved = s2 * x0 + n2 * eps
    else:
        ratio = s * n2 / torch.where(noisy, n * s2.clamp(min=1e-12), 1.0)
        variance = eta**2 * n2**2 * (1 - ratio**2).clamp(min=0.0)
        moved = s2 * x0 + (n2**2 - variance).clamp(min=0.0).sqrt() * eps + variance.sqrt() * fresh
    return torch.where(noisy & (n2 != n), moved, x)


def x0_from_flow(x: Tensor, velocity: Tensor, noise: Float[Tensor, "b t"]) -> Tensor:
    """x0 where the network gives the flow velocity eps − x0 (signal 1−σ, noise σ)."""
    return x - per_frame(noise) * velocity


def x0_from_v(x: Tensor, v: Tensor, signal: Float[Tensor, "b t"], noise: Float[Tensor, "b t"]) -> Tensor:
    """x0 where the network gives v = signal·eps − noise·x0 (variance preserving; Salimans & Ho,
    arXiv:2202.00512).
    """
    return per_frame(signal) * x - per_frame(noise) * v


def x0_from_eps(x: Tensor, eps: Tensor, signal: Float[Tensor, "b t"], noise: Float[Tensor, "b t"]) -> Tensor:
    """x0 where the network gives eps; needs signal > 0."""
    return (x - per_frame(noise) * eps) / per_frame(signal)


# --- batches that fit -------------------------------------------------------------------------------------


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: a GPU's, or the computer's (torch has no type of its own for that)."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


@dataclass
class Batches:
    """Calls a function on at most `limit` samples at a time; out of memory halves the limit, said once each
    time.
    """

    limit: int | None = None

    def __call__(self, function: Callable[..., Tensor], *batched: Any) -> Tensor:
        """`function(*batched)` in slices of its arguments (tensors, sequences, Cond), joined in order."""
        parts: list[Tensor] = []
        done, total = 0, len(batched[0])
        while done < total:
            size = min(self.limit or total, total - done)
            rows = slice(done, done + size)
            try:
                parts.append(function(*(batched if size == total else (each[rows] for each in batched))))
                done += size
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self._back_off(size, error)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _back_off(self, size: int, error: Exception) -> None:
        if size == 1:
            raise UserError(
                "out of memory with a batch of 1: use dtype=bfloat16, smaller frames, a smaller model, on a GPU "
                "offload=model, or a device with more memory"
            ) from error
        self.limit = size // 2
        log.warning("out of memory at a batch of %d: going on with --max-batch %d", size, self.limit)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
