"""Windows through the network: one evaluation where every frame stands at its own noise level, and what follows it.

Diffusion forcing (Chen et al., arXiv:2407.01392), as in FIFO-Diffusion (Kim et al., arXiv:2405.11473, section 4.1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from sn_eval.interfaces import Cond, History, Latents, Schedule, StepwiseModel
from sn_eval.sampling import Batches, normal, per_frame, step


@dataclass(frozen=True)
class Diagonal:
    """A model's network over windows, in batches that fit. `kept`: prompts whose conditions are kept."""

    model: StepwiseModel
    steps: int
    eta: float
    batches: Batches
    kept: int

    def step(
        self,
        x: Latents,
        cond: Cond,
        now: Int[Tensor, "*b t"],
        then: Int[Tensor, "*b t"],
        tags: Sequence[int] | None = None,
        turn: int = 0,
    ) -> tuple[Latents, Latents]:
        """One evaluation, and the step from levels `now` to `then`: (x, what the network gave for x0).

        `tags` name the windows, and thereby the sampler's own noise where it is stochastic: the same window has the
        same noise in whichever beam it stands. Without them the step is deterministic.
        """
        times, *here = self.schedule.at(now, x.shape[:2])
        _, *there = self.schedule.at(then, x.shape[:2])
        x0 = self.batches(self.model.denoise, x, times, cond)
        fresh = None
        if self.eta and tags is not None:
            shape = tuple(x.shape[1:])
            fresh = torch.stack([normal(shape, tag, "step", turn) for tag in tags]).to(x)
        return step(x, x0, here, there, self.eta, fresh), x0

    @staticmethod
    def estimate(x: Latents, x0: Latents, now: Int[Tensor, "t"]) -> Latents:
        """The estimate of x0: of frames that are clean already they themselves."""
        return torch.where(per_frame(now) > 0, x0, x)

    def down(self, x: Latents, cond: Cond, levels: Int[Tensor, "t"], jumps: int) -> Latents:
        """From these levels to the clean one in equal, deterministic jumps: the clean latents."""
        for left in range(jumps, 0, -1):
            now, then = ((levels * share / jumps).round().long() for share in (left, left - 1))
            x, _ = self.step(x, cond, now, then)
        return x

    @cached_property
    def condition(self) -> Callable[[str], Cond]:
        """A prompt's condition. A window follows frames that are still noisy: no clean history is given."""
        return lru_cache(self.kept)(lambda prompt: self.model.condition([prompt], [History()]))

    @cached_property
    def schedule(self) -> Schedule:
        """The noise levels."""
        return self.model.schedule(self.steps).to(self.model.device)

    @cached_property
    def top(self) -> float:
        """How much noise the top level has."""
        return float(self.schedule.noise[-1])
