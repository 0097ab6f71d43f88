"""Counts and times the calls of a model and a reward from outside, by what they are and how large they were."""

import copy
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch


@dataclass
class Calls:
    """Calls of one kind and size. units: evaluations of the denoiser, frames of the decoder and of the reward."""

    calls: int = 0
    units: int = 0
    seconds: float = 0.0

    def add(self, units: int, seconds: float) -> None:
        """One more call."""
        self.calls, self.units, self.seconds = self.calls + 1, self.units + units, self.seconds + seconds


class Watch:
    """A model and a reward, watched in a `with` block: use `watch.model` and `watch.reward` in their place.

    `denoise`, `decode`, `scoring`: calls by the units of one call; `network` the seconds of `denoise` that are the
    network's own, `evaluated` the samples that it was given (with guidance two for one); both read at the network
    itself. On CUDA every call waits for the device, so seconds are its own.
    """

    def __init__(self, model: Any, reward: Any) -> None:
        self.denoise: defaultdict[int, Calls] = defaultdict(Calls)
        self.decode: defaultdict[int, Calls] = defaultdict(Calls)
        self.scoring: defaultdict[int, Calls] = defaultdict(Calls)
        self.started, self.network, self.evaluated = 0.0, 0.0, 0
        self.model, self._network, self._began = copy.copy(model), model.denoiser, 0.0
        doubled = model.evaluations_per_call
        self.model.denoise = self._timed(model.denoise, self.denoise, lambda x0: doubled * len(x0))
        self.model.decode = self._timed(model.decode, self.decode, lambda frames: frames.shape[0] * frames.shape[1])
        self.model.start = self._start
        self.reward = Watched(self, reward)
        self._model_start, self._cuda = model.start, model.device.type == "cuda"

    def now(self) -> float:
        """Seconds, once the device has done what it was asked for."""
        if self._cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    @property
    def kinds(self) -> tuple[dict[int, Calls], ...]:
        """Calls of denoiser, decoder and reward."""
        return self.denoise, self.decode, self.scoring

    @property
    def inside(self) -> float:
        """Seconds in them."""
        return sum(total(kind).seconds for kind in self.kinds)

    def _start(self, *args: Any) -> Any:
        began = self.now()
        history = self._model_start(*args)
        self.started += self.now() - began
        return history

    def _timed(
        self, function: Callable[..., Any], kind: defaultdict[int, Calls], units: Callable[[Any], int]
    ) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            began = self.now()
            result = function(*args)
            kind[units(result)].add(units(result), self.now() - began)
            return result

        return call

    def __enter__(self) -> Self:
        def before(module: Any, inputs: Any) -> None:
            self._began = self.now()

        def after(module: Any, inputs: Any, output: Any) -> None:
            self.network += self.now() - self._began
            self.evaluated += len(inputs[0])

        self._hooks = [
            self._network.register_forward_pre_hook(before),
            self._network.register_forward_hook(after),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()


class Watched:
    """A reward whose calls a watch sees."""

    def __init__(self, watch: Watch, inner: Any) -> None:
        self._watch, self._inner, self.spec = watch, inner, inner.spec

    def __call__(self, frames: Any, prompts: Any, **options: Any) -> Any:
        """As the reward's."""
        began = self._watch.now()
        scores = self._inner(frames, prompts, **options)
        units = frames.shape[0] * frames.shape[1]
        self._watch.scoring[units].add(units, self._watch.now() - began)
        return scores


def total(kind: dict[int, Calls]) -> Calls:
    """All calls of a kind."""
    rows = kind.values()
    return Calls(sum(c.calls for c in rows), sum(c.units for c in rows), sum(c.seconds for c in rows))
