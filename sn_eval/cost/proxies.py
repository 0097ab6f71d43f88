"""Wrappers that keep the protocol of what they wrap and report to a meter on the way through.

A wrapper writes only what is metered; all else that the wrapped object offers passes through untouched.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from rewards.base import Reward
from sn_eval.interfaces import (
    BlackBoxModel,
    Branch,
    CachedBlocks,
    Clip,
    Cond,
    History,
    Image,
    Latents,
    Preview,
    Rollout,
    StatefulDecoder,
    StepwiseModel,
    Video,
    VideoModel,
)

if TYPE_CHECKING:
    from sn_eval.cost.meter import Meter

P = TypeVar("P", bound="Proxy")


def denoisers(model: Any) -> list[torch.nn.Module]:
    """The networks whose evaluations count: `denoiser`, one or several; none where it is no module."""
    found = getattr(model, "denoiser", None)
    several = found if isinstance(found, list | tuple | torch.nn.ModuleList) else (found,)
    return [module for module in several if isinstance(module, torch.nn.Module)]


class Proxy:
    """Passes everything through to the wrapped object, `inner`."""

    def __init__(self, inner: Any, meter: "Meter") -> None:
        self.inner = inner
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        if name in ("inner", "_meter"):  # not set yet: a copy being made
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __repr__(self) -> str:
        return f"metered {self.inner!r}"


def keeps(protocol: type) -> Callable[[type[P]], type[P]]:
    """Give a proxy class the members of a protocol that it does not meter, so that `isinstance` holds.

    `__getattr__` alone is not enough: since Python 3.12 such checks look at the class, not at the object.
    """
    names = {n for base in protocol.__mro__ for n in (*vars(base).get("__annotations__", ()), *vars(base))}

    def decorate(proxy: type[P]) -> type[P]:
        for name in names:
            if not name.startswith("_") and not hasattr(proxy, name):
                setattr(proxy, name, property(attrgetter(f"inner.{name}")))
        return proxy

    return decorate


@keeps(VideoModel)
class MeteredModel(Proxy):
    """What stepwise and black-box models share."""

    def start(self, prompt: str, image: Image | None, seed: int) -> History:
        """As the model's; phase "encode"."""
        return self._meter.call("encode", self.inner.start, prompt, image, seed)

    def condition(self, prompts: Sequence[str], histories: Sequence[History]) -> Cond:
        """As the model's; phase "encode"."""
        return self._meter.call("encode", self.inner.condition, prompts, histories)

    def decode(self, latents: Latents, histories: Sequence[History]) -> Video:
        """As the model's; phase "decode", frames counted."""
        frames = self._meter.call("decode", self.inner.decode, latents, histories)
        self._meter.counts["decoded_frames"] += frames.shape[0] * frames.shape[1]
        return frames

    def extend(self, history: History, latents: Clip, frames: torch.Tensor) -> History:
        """As the model's; phase "encode"."""
        return self._meter.call("encode", self.inner.extend, history, latents, frames)

    def _evaluate(self, function: Any, *args: Any, evaluations: int) -> Any:
        hooked = bool(denoisers(self.inner))
        return self._meter.evaluate(function, *args, evaluations=evaluations, hooked=hooked)


class MeteredDecoder(Proxy):
    """What a metered model has besides, where its decoder remembers."""

    def decode_on(self, latents: Latents, histories: Sequence[History]) -> tuple[Video, list[Any]]:
        """As the model's; phase "decode", frames counted."""
        frames, states = self._meter.call("decode", self.inner.decode_on, latents, histories)
        self._meter.counts["decoded_frames"] += frames.shape[0] * frames.shape[1]
        return frames, states


class MeteredBlocks(Proxy):
    """What a metered model has besides, where its blocks can be cached."""

    def drafting(self) -> AbstractContextManager[None]:
        """As the model's."""
        return self.inner.drafting()


@keeps(StepwiseModel)
class MeteredStepwise(MeteredModel):
    """A metered stepwise model."""

    def denoise(self, x: Latents, times: torch.Tensor, cond: Cond) -> Latents:
        """As the model's; phase "generate", or "preview" inside one."""
        evaluations = len(cond) * self.evaluations_per_call
        return self._evaluate(self.inner.denoise, x, times, cond, evaluations=evaluations)


@keeps(BlackBoxModel)
class MeteredBlackBox(MeteredModel):
    """A metered black box."""

    def sample(self, cond: Cond, noise: Latents, steps: int) -> Latents:
        """As the model's; phase "generate", or "preview" inside one."""
        evaluations = len(cond) * self.evaluations_per_call * steps
        return self._evaluate(self.inner.sample, cond, noise, steps, evaluations=evaluations)


@keeps(Rollout)
class MeteredRollout(Proxy):
    """A rollout whose `refine` is what a preview is."""

    def refine(self, branches: Sequence[Branch], look: int, decode: bool = True) -> list[Branch]:
        """As the rollout's; evaluations inside are previews."""
        with self._meter.preview():
            return self.inner.refine(branches, look, decode)

    def with_steps(self, steps: int) -> Rollout:
        """The metered rollout with other denoising steps."""
        return MeteredRollout(self.inner.with_steps(steps), self._meter)

    def with_eta(self, eta: float) -> Rollout:
        """The metered rollout with a more, or less, stochastic sampler."""
        return MeteredRollout(self.inner.with_eta(eta), self._meter)

    def with_preview(self, preview: Preview, ahead: int | None = None) -> Rollout:
        """The metered rollout with another kind of look."""
        return MeteredRollout(self.inner.with_preview(preview, ahead), self._meter)


@keeps(Reward)
class MeteredReward(Proxy):
    """A metered reward."""

    def __call__(self, frames: torch.Tensor, prompts: Sequence[str], **kwargs: Any) -> Any:
        """As the reward's; phase "reward", frames counted."""
        scores = self._meter.call("reward", self.inner, frames, prompts, **kwargs)
        self._meter.counts["reward_frames"] += frames.shape[0] * frames.shape[1]
        return scores


def metered(model: VideoModel, meter: "Meter") -> Any:
    """The model behind a proxy that has every capability of the model, and no other."""
    kind: type[Proxy] = MeteredStepwise if model.capability == "stepwise" else MeteredBlackBox
    more = [(StatefulDecoder, MeteredDecoder), (CachedBlocks, MeteredBlocks)]
    extra = tuple(proxy for protocol, proxy in more if isinstance(model, protocol))
    return type(kind.__name__, (*extra, kind), {})(model, meter)
