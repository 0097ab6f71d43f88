"""The meter of one cell: everything that costs goes through it, so no search method can under-report.

Models, rollouts and rewards are wrapped at their boundary and keep their protocol; a search cannot tell.
Network evaluations are counted at the network (a forward hook), so a call around the wrapper counts too.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from sn_eval.cost.devices import PeakMemory, energy_counter
from sn_eval.cost.flops import HOW as FLOPS_HOW
from sn_eval.cost.flops import FlopCount
from sn_eval.cost.proxies import MeteredReward, MeteredRollout, denoisers, metered
from sn_eval.interfaces import FrameSink, Rollout, VideoModel
from sn_eval.results.record import Cost, Quantity, Seconds

REST = "search"  # the phase of everything that is in no other


class Meter:
    """Counts one cell; use it in a `with` block, then read `cost()`.

    ::

        with Meter(device) as meter:
            with meter.phase("load"):
                model = models.create("tabletop")
            rollout = meter.rollout(rollouts.create("chunk", model=meter.model(model)))
            method(rollout, meter.reward(reward), [prompt], emit=meter.sink(writer.write))
        record = Record(..., cost=meter.cost())

    device: where the model runs; CUDA is synchronised at every change of phase, so seconds are its own.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.counts: Counter[str] = Counter()
        self.flops = FlopCount()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._phase, self._since = REST, 0.0
        self._previewing = False
        self._rollouts = 0
        self._hooks: list[Any] = []
        self._nfe_how: set[str] = set()
        self._memory, self._energy = PeakMemory(self.device), energy_counter(self.device)
        self._peak = self._joules = Quantity.none("the meter has not run")

    # --- the cell ---

    def __enter__(self) -> Self:
        self._memory.start()
        self._energy.start()
        self._synchronise()
        self._since = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enter(REST)
        self._peak, self._joules = self._memory.stop(), self._energy.stop()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Seconds inside go to this phase (and not to the one around it)."""
        outer = self._enter(name)
        try:
            yield
        finally:
            self._enter(outer)

    @contextmanager
    def preview(self) -> Iterator[None]:
        """Evaluations inside are previews; denoising inside is the phase "preview"."""
        outer, self._previewing = self._previewing, True
        try:
            yield
        finally:
            self._previewing = outer

    # --- what it wraps ---

    def model(self, model: VideoModel) -> Any:
        """The same model, metered: denoising, decoding, conditioning."""
        for module in denoisers(model):
            self._hooks.append(module.register_forward_hook(self._count_batch, with_kwargs=True))
        return metered(model, self)

    def rollout(self, rollout: Rollout) -> Any:
        """The same rollout, whose `refine` is the preview; build it on the metered model."""
        self._rollouts += 1
        return MeteredRollout(rollout, self)

    def reward(self, reward: Any) -> Any:
        """The same reward, with its frames and seconds counted."""
        return MeteredReward(reward, self)

    def sink(self, emit: FrameSink) -> FrameSink:
        """The same frame sink; its seconds are the phase "write"."""

        def metered(frames: Tensor) -> None:
            with self.phase("write"):
                emit(frames)

        return metered

    # --- what it found ---

    @property
    def nfe(self) -> int:
        """Denoiser evaluations × batch so far, previews and guidance included."""
        return self.counts["nfe"] + self.counts["nfe_preview"]

    @property
    def nfe_preview(self) -> int:
        """Those of them that were made for previews."""
        return self.counts["nfe_preview"]

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by phase so far; they add up to the time since the meter was entered."""
        return dict(self._seconds)

    def cost(self) -> Cost:
        """Everything the cell spent, each with its source; read it after the `with` block."""
        count, evaluations = Quantity.measured, " and ".join(sorted(self._nfe_how)) or "no model was metered"
        synchronised = "device-synchronised wall clock" if self.device.type == "cuda" else "wall clock"
        return Cost(
            nfe=count(self.nfe, evaluations),
            nfe_preview=(
                count(self.nfe_preview, f"{evaluations}, inside previews") if self._rollouts
                else Quantity.none("no rollout was metered, so previews were not told apart")
            ),
            decoded_frames=count(self.counts["decoded_frames"], "frames that the decoder returned"),
            reward_frames=count(self.counts["reward_frames"], "frames that rewards were given"),
            seconds=Seconds(by_phase=self.seconds, source="measured", how=synchronised),
            flops=Quantity.estimated(self.flops.total, FLOPS_HOW),
            peak_memory_bytes=self._peak,
            energy_joules=self._joules,
        )  # fmt: skip

    # --- what the wrappers report ---

    def call(self, phase: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The function's result; its seconds and operations go to this phase."""
        with self.phase(phase):
            return self.flops.call(phase, function, *args, **kwargs)

    def evaluate(self, function: Callable[..., Any], *args: Any, evaluations: int, hooked: bool) -> Any:
        """A call that denoises; `evaluations` counts where no network is there to be hooked."""
        result = self.call("preview" if self._previewing else "generate", function, *args)
        if not hooked:
            self._count(evaluations, "batch × evaluations per call at the model's boundary")
        return result

    def _count_batch(self, module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self._count(_batch_size(args, kwargs), "batch × calls by a forward hook on the denoiser")

    def _count(self, evaluations: int, how: str) -> None:
        self.counts["nfe_preview" if self._previewing else "nfe"] += evaluations
        self._nfe_how.add(how)

    def _enter(self, phase: str) -> str:
        """Close the running phase, start this one; returns the one closed."""
        self._synchronise()
        now = time.perf_counter()
        self._seconds[self._phase] += now - self._since
        before, self._phase, self._since = self._phase, phase, now
        return before

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _batch_size(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """First dimension of the input with the most dimensions: latents have more than times or texts."""
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.ndim > 1]
    return max(tensors, key=lambda tensor: tensor.ndim).shape[0] if tensors else 1
