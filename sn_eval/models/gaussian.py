"""A video model whose truth is known in closed form: every latent place is an AR(1) process in time.

Frame j of a chunk is N(mean + ρ^j·(last − mean), C), C_ij = (1 − ρ^2·min(i,j))·ρ^|i−j|, so that a chunk
depends on its history and a long video drifts. The posterior mean E[x0 | x] is linear (Bishop, PRML, eq.
2.116) and exact for any noise level per frame; so are the solution of the sampler's ODE, what a preview
shows, and the gain of a search.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.registry import component
from sn_eval.interfaces import Clip, Cond, History, Image, Latents, Schedule, Video
from sn_eval.sampling import angular_schedule, flow_schedule, normal

GAIN = 0.08  # frames = 0.5 + GAIN·latents: six standard deviations stay inside 0..1


def covariance(frames: int, rho: float) -> Float[Tensor, "t t"]:
    """Covariance of a chunk's frames given the frame before it; stationary variance 1.

    >>> covariance(2, 0.5)
    tensor([[0.7500, 0.3750],
            [0.3750, 0.9375]])
    """
    j = torch.arange(1, frames + 1, dtype=torch.float32)
    return (1 - rho ** (2 * torch.minimum(j[:, None], j))) * rho ** (j[:, None] - j).abs()


def posterior_mean(
    x: Float[Tensor, "b t d"],
    signal: Float[Tensor, "b t"],
    noise: Float[Tensor, "b t"],
    mean: Float[Tensor, "b t d"],
    cov: Float[Tensor, "t t"],
) -> Float[Tensor, "b t d"]:
    """E[x0 | x] for x = signal·x0 + noise·eps, x0 ~ N(mean, cov) over frames, independent over places d."""
    weighted = cov * signal[:, None, :]  # C·S
    seen = signal[:, :, None] * weighted + torch.diag_embed(noise**2)  # S·C·S + N²
    return mean + weighted @ torch.linalg.solve(seen, x - signal[..., None] * mean)


class GaussianDenoiser(torch.nn.Module):
    """The exact denoiser as a module, so that a meter hooks it as it hooks a network."""

    def __init__(self, rho: float, kind: Literal["flow", "vp"]) -> None:
        super().__init__()
        self.rho, self.kind = rho, kind

    def levels(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """(signal, noise) of the model's times in 0..1."""
        if self.kind == "flow":
            return 1 - times, times
        angle = times * (torch.pi / 2)
        return torch.where(times < 1, torch.cos(angle), 0.0), torch.sin(angle)

    def forward(
        self,
        x: Latents,
        times: Float[Tensor, "b t"],
        last: Float[Tensor, "b c h w"],
        mean: Float[Tensor, "b c"],
    ) -> Latents:
        """The exact E[x0 | x, last frame, prompt mean]."""
        b, t = times.shape
        decay = self.rho ** torch.arange(1, t + 1, device=x.device, dtype=x.dtype)
        goal = mean[:, None, :, None, None]
        expected = goal + decay[:, None, None, None] * (last[:, None] - goal)
        cov = covariance(t, self.rho).to(x)
        signal, noise = self.levels(times)
        flat = posterior_mean(x.reshape(b, t, -1), signal, noise, expected.reshape(b, t, -1), cov)
        return flat.reshape(x.shape)


@component("gaussian")
class GaussianModel:
    """Analytic video model of `size`×`size` RGB frames.

    `kind` "flow" ends in pure noise; "vp" (variance preserving) does so for `end` = 1 and leaves some
    signal at the top for `end` < 1. `prompt_strength` spreads the means of different prompts (in standard
    deviations).
    """

    name = "gaussian"
    capability = "stepwise"
    per_frame_levels = True
    context_frames = 1
    channels = 3

    def __init__(
        self,
        size: int = 8,
        frames_per_chunk: int = 4,
        rho: float = 0.95,
        kind: Literal["flow", "vp"] = "flow",
        end: float = 1.0,
        shift: float = 1.0,
        prompt_strength: float = 0.5,
        guidance: float = 1.0,
    ) -> None:
        self.size, self.frames_per_chunk = size, frames_per_chunk
        self.kind, self.end, self.shift = kind, end, shift
        self.rho, self.prompt_strength, self.guidance = rho, prompt_strength, guidance
        self.fps = 8.0
        self.device = torch.device("cpu")
        self.denoiser = GaussianDenoiser(rho, kind)
        self._means: dict[str, Tensor] = {}

    @property
    def evaluations_per_call(self) -> int:
        """2 with guidance, else 1."""
        return 1 if self.guidance == 1.0 else 2

    def schedule(self, steps: int) -> Schedule:
        """Levels of a run of this many steps."""
        return flow_schedule(steps, self.shift) if self.kind == "flow" else angular_schedule(steps, self.end)

    def start(self, prompt: str, image: Image | None, seed: int) -> History:
        """From the image (resized), else from a frame drawn from the prompt's stationary distribution."""
        if image is None:
            mean = self._mean(prompt)[:, None, None]
            latents = mean + normal((self.channels, self.size, self.size), "gaussian-start", seed, prompt)
        else:
            resized = F.interpolate(image[None], (self.size, self.size), mode="area")[0]
            latents = (resized - 0.5) / GAIN
        return History(latents=latents[None], frames=self._pixels(latents[None]))

    def condition(self, prompts: Sequence[str], histories: Sequence[History]) -> Cond:
        """The last clean frame (the prompt's mean where there is none) and the prompt's mean."""
        means = torch.stack([self._mean(p) for p in prompts])
        wide = means[:, :, None, None].expand(-1, -1, self.size, self.size)
        last = [w if h.latents is None else h.latents[-1] for w, h in zip(wide, histories, strict=True)]
        return Cond(tuple(prompts), {"last": torch.stack(last), "mean": means})

    def latent_shape(self, frames: int) -> tuple[int, int, int, int]:
        """One latent a frame."""
        return (frames, self.channels, self.size, self.size)

    def denoise(self, x: Latents, times: Float[Tensor, "b t"], cond: Cond) -> Latents:
        """The exact posterior mean, guided away from the mean-0 (no prompt) one."""
        last, mean = cond.tensors["last"], cond.tensors["mean"]
        if self.guidance == 1.0:
            return self.denoiser(x, times, last, mean)
        both = self.denoiser(
            torch.cat([x, x]),
            torch.cat([times, times]),
            torch.cat([last, last]),
            torch.cat([mean, torch.zeros_like(mean)]),
        )
        asked, free = both.chunk(2)
        return free + self.guidance * (asked - free)

    def decode(self, latents: Latents, histories: Sequence[History]) -> Video:
        """An affine map; clamped, which matters only beyond six standard deviations."""
        return self._pixels(latents)

    def extend(self, history: History, latents: Clip, frames: Float[Tensor, "n 3 H W"]) -> History:
        """Remembers the last frame only."""
        return History(latents=latents[-1:].clone(), frames=frames[-1:].clone(), chunks=history.chunks + 1)

    def _mean(self, prompt: str) -> Float[Tensor, "c"]:
        if prompt not in self._means:
            self._means[prompt] = self.prompt_strength * normal((self.channels,), "gaussian-prompt", prompt)
        return self._means[prompt]

    @staticmethod
    def _pixels(latents: Tensor) -> Tensor:
        return (0.5 + GAIN * latents).clamp(0, 1)
