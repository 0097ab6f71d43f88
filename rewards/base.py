"""What a reward is: a pure, batched function from videos to scores, with its inputs and results checked.

Source: the selection reward of ScalingNoise (arXiv:2503.16400), generalised so that any reward can steer any
search.

A user's reward is a decorated function::

    from rewards.base import reward

    @reward(family="brightness", range=(0.0, 1.0))
    def bright(frames, prompts, *, fps, anchor=None, metadata=None, gain: float = 1.0):
        '''Mean brightness of the video.'''
        return (gain * frames.mean(dim=(2, 3, 4))).clamp(0, 1)      # [b t] or [b] or Scores

`rewards.create("my_file.py:bright", gain=0.8)` then makes it: keywords behind the five of the protocol are
parameters.
"""

import inspect
import math
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, no_type_check, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

Frames: TypeAlias = Float[Tensor, "b t c h w"]
"""Videos: RGB, float, 0..1."""

Anchor: TypeAlias = Float[Tensor, "b ta c h w"]
"""The videos' own earlier frames in time order: the first is the fixed anchor, the last the sliding one."""

Metadata: TypeAlias = Sequence[Mapping[str, Any]] | None
"""One mapping per video, for what a prompt allows (`{"allow_change": True}`) and for masks."""

CALL_KEYWORDS = ("fps", "anchor", "metadata")
RANGE_TOLERANCE = 1e-3


class UserError(ValueError):
    """A mistake that the user can mend: one line with the value, the rule and the next step."""


@dataclass(frozen=True)
class Scores:
    """The scores of a batch of videos; higher is better, NaN means not scored.

    values: one score a video, float32.
    per_frame: the same measurement frame by frame, or None where it has no meaning.
    parts: named contributions, one number a video, kept for the trajectory view and for learning.
    """

    values: Float[Tensor, "b"]
    per_frame: Float[Tensor, "b t"] | None = None
    parts: dict[str, Float[Tensor, "b"]] = field(default_factory=dict)


@dataclass(frozen=True)
class RewardSpec:
    """What a reward declares about itself; written into every record.

    range: lowest and highest value it can return.
    families: what it measures with ("colour-mask", "photometric", "encoder:imagenet-lite0"); an experiment
    refuses
        to judge by a family that it searched on. A composite has the families of all its parts.
    needs: any of "prompt" (texts must not be empty), "anchor" (without one, the video's own first frame
    serves),
        "masks" (read from metadata), "seed" (metadata's: with the prompt it determines a tabletop scene).
    batch_tolerance: how far a score may move when the same video is scored in another batch.
    cost: what one call costs, roughly.
    falls_under: corruptions that must lower it, holds_under: harmless changes that must not move it, by the
        names of `sn_eval.audit.corruptions` ("vanish", "exposure", …); `sn-eval rewards audit` puts both to
        the test.
    """

    name: str
    families: tuple[str, ...]
    range: tuple[float, float] = (0.0, 1.0)
    version: int = 1
    needs: tuple[str, ...] = ()
    encoder: str | None = None
    encoder_sha256: str | None = None
    deterministic: bool = True
    batch_tolerance: float = 1e-4
    cost: Literal["pixels", "small network", "large network"] = "pixels"
    falls_under: tuple[str, ...] = ()
    holds_under: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """A plain dict for `record.json`."""
        return asdict(self)


@runtime_checkable
class Reward(Protocol):
    """Anything that scores a batch of videos. Use `BaseReward` or `@reward` to have inputs and results
    checked.
    """

    spec: RewardSpec

    def __call__(
        self,
        frames: Frames,
        prompts: Sequence[str],
        *,
        fps: float,
        anchor: Anchor | None = None,
        metadata: Metadata = None,
    ) -> Scores:
        """Score videos `[b t c h w]` against their prompts and their own earlier frames `[b ta c h w]`."""
        ...


class BaseReward(ABC):
    """A reward with checked inputs and results: subclasses set `self.spec` and write `score`."""

    spec: RewardSpec

    @no_type_check  # the checks below answer wrong input with one clear line; a type checker would be first
    def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None) -> Scores:
        """Check, score without gradients, check the result.

        frames `[b t c h w]`, RGB float in 0..1; prompts: b texts; fps: frames per second; anchor: the videos'
        own earlier frames in time order, `[b ta c h w]` (or `[1 ta c h w]` for all); metadata: one mapping a
        video.
        Raises UserError on wrong input, and when a reward breaks its own promise.
        """
        frames, anchor = check_inputs(self.spec, frames, prompts, fps, anchor, metadata)
        with torch.no_grad():
            try:
                result = self.score(frames, list(prompts), fps=float(fps), anchor=anchor, metadata=metadata)
            except (UserError, MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:  # a user's own reward may raise anything
                raise _failed(self, error) from error
        return check_result(self.spec, result, frames.shape[0], frames.shape[1])

    @abstractmethod
    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores | Tensor:
        """The measurement itself, on checked input: Scores, or a tensor `[b]` or `[b t]` (mean over scored
        frames).
        """


class FunctionReward(BaseReward):
    """A decorated function; its extra keywords are the constructor's parameters."""

    function: ClassVar[Callable[..., Any]]
    declared: ClassVar[RewardSpec]

    def __init__(self, **params: Any) -> None:
        self.params = params
        self.spec = replace(self.declared)

    @no_type_check  # what a user's function returns is checked by `check_result`, in words
    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores | Tensor:
        """Call the function with the protocol's arguments and this reward's parameters."""
        function = type(self).function
        result: Scores | Tensor = function(
            frames, prompts, fps=fps, anchor=anchor, metadata=metadata, **self.params
        )
        return result


def reward(
    name: str | None = None,
    *,
    family: str,
    range: tuple[float, float] = (0.0, 1.0),
    version: int = 1,
    needs: Sequence[str] = (),
    cost: Literal["pixels", "small network", "large network"] = "pixels",
    falls_under: Sequence[str] = (),
    holds_under: Sequence[str] = (),
) -> Callable[[Callable[..., Any]], type[FunctionReward]]:
    """Make a reward class of a function `(frames, prompts, *, fps, anchor=None, metadata=None, **own
    parameters)`.

    name: the function's own name when left out. The others: see RewardSpec; family is what it measures with.
    Raises UserError when the function cannot take the protocol's arguments.
    """

    def decorate(function: Callable[..., Any]) -> type[FunctionReward]:
        own_name = name or function.__name__
        body = {
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__signature__": _parameters(own_name, function),
            "function": staticmethod(function),
            "declared": RewardSpec(
                name=own_name,
                families=(family,),
                range=range,
                version=version,
                needs=tuple(needs),
                cost=cost,
                falls_under=tuple(falls_under),
                holds_under=tuple(holds_under),
            ),
            "component_name": own_name,
        }
        return type(function.__name__, (FunctionReward,), body)

    return decorate


def _parameters(name: str, function: Callable[..., Any]) -> inspect.Signature:
    """The function's own parameters: what stands behind the protocol's five arguments."""
    parameters = list(inspect.signature(function).parameters.values())
    missing = [key for key in CALL_KEYWORDS if key not in {p.name for p in parameters}]
    if len(parameters) < 2 or missing:
        raise UserError(
            f"reward {name!r} cannot be called: it lacks {', '.join(missing) or 'frames or prompts'}. "
            "Write it as def f(frames, prompts, *, fps, anchor=None, metadata=None, …)"
        )
    own = [p for p in parameters[2:] if p.name not in CALL_KEYWORDS]
    return inspect.Signature([p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own])


@no_type_check
def check_inputs(spec, frames, prompts, fps, anchor, metadata):
    """The frames and the anchor (expanded to b), once they keep the protocol's rules; else UserError."""
    check_frames(frames, "frames", spec.name)
    b, _, c, h, w = frames.shape
    if isinstance(prompts, str) or not isinstance(prompts, Sequence) or len(prompts) != b:
        given = (
            repr(prompts) if isinstance(prompts, str) or not isinstance(prompts, Sequence) else len(prompts)
        )
        raise UserError(
            f"reward {spec.name!r}: prompts must be a list of {b} texts, one a video; given: {given}"
        )
    if "prompt" in spec.needs and not all(text.strip() for text in prompts):
        raise UserError(f"reward {spec.name!r} needs a prompt for every video; given an empty one")
    if not isinstance(fps, int | float) or not math.isfinite(fps) or fps <= 0:
        raise UserError(f"reward {spec.name!r}: fps must be a number above 0; given {fps!r}")
    if metadata is not None and (isinstance(metadata, Mapping) or len(metadata) != b):
        raise UserError(f"reward {spec.name!r}: metadata must be a list of {b} mappings, one a video")
    if anchor is not None:
        check_frames(anchor, "anchor", spec.name)
        if anchor.shape[0] not in (1, b) or tuple(anchor.shape[2:]) != (c, h, w):
            raise UserError(
                f"reward {spec.name!r}: anchor has shape {list(anchor.shape)}, but frames "
                f"[{b}, t, {c}, {h}, {w}] need [{b} or 1, ta, {c}, {h}, {w}]: resize it"
            )
        anchor = anchor.to(frames).expand(b, -1, -1, -1, -1)
    return frames, anchor


@no_type_check
def check_frames(frames, what: str, reward_name: str) -> None:
    """Raise UserError unless `frames` is a float tensor [b t 3 h w] in 0..1 without NaN."""
    wanted = f"reward {reward_name!r}: {what} must be a float tensor [b t 3 h w], RGB in 0..1"
    if not isinstance(frames, Tensor):
        raise UserError(f"{wanted}; given {type(frames).__name__}: convert it with torch.as_tensor")
    if not frames.is_floating_point():
        raise UserError(f"{wanted}; given dtype {frames.dtype}: use frames.float() / 255")
    if frames.ndim != 5 or frames.shape[2] != 3 or 0 in frames.shape:
        raise UserError(f"{wanted}; given shape {list(frames.shape)}")
    low, high = (x.item() for x in torch.aminmax(frames.detach()))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{wanted}; given NaN or infinite pixels: check the model that made them")
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        mend = "divide by 255" if high > 2 else "clamp to 0..1, or (x + 1) / 2 when they lie in -1..1"
        raise UserError(f"{wanted}; given values {low:.3g}..{high:.3g}: {mend}")


@no_type_check
def check_result(spec: RewardSpec, result, b: int, t: int) -> Scores:
    """Scores in float32 once the reward kept its promise on shape and range; else UserError."""
    if isinstance(result, Tensor):
        result = _scores_of(spec, result, b, t)
    if not isinstance(result, Scores):
        raise UserError(
            f"reward {spec.name!r} returned {type(result).__name__}; "
            "it must return a tensor [b] or [b t], or Scores"
        )
    values = _checked(spec, "values", result.values, (b,))
    per_frame = None if result.per_frame is None else _checked(spec, "per_frame", result.per_frame, (b, t))
    parts = {key: _checked(spec, f"parts[{key!r}]", part, (b,)) for key, part in result.parts.items()}
    low, high = spec.range
    outside = (values < low - RANGE_TOLERANCE) | (values > high + RANGE_TOLERANCE)
    if bool(outside.any()):
        raise UserError(
            f"reward {spec.name!r} returned {values[outside][0].item():.4g}, outside of its declared range "
            f"{low:g}..{high:g}: clamp the value or declare the true range"
        )
    return Scores(values, per_frame, parts)


def _scores_of(spec: RewardSpec, result: Tensor, b: int, t: int) -> Scores:
    """A plain tensor as Scores: [b] as it is, [b t] averaged over the frames that were scored."""
    if tuple(result.shape) == (b, t):
        return Scores(result.nanmean(dim=1), result)
    if tuple(result.shape) == (b,):
        return Scores(result)
    raise UserError(
        f"reward {spec.name!r} returned shape {list(result.shape)}; it must be [{b}] or [{b}, {t}]"
    )


@no_type_check
def _checked(spec: RewardSpec, what: str, value, shape: tuple[int, ...]) -> Tensor:
    """The tensor in float32, once its type and shape are right."""
    if not isinstance(value, Tensor) or tuple(value.shape) != shape:
        given = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise UserError(
            f"reward {spec.name!r}: {what} must be a tensor of shape {list(shape)}; given {given}"
        )
    if value.is_complex() or bool(value.isinf().any()):
        raise UserError(
            f"reward {spec.name!r}: {what} holds infinite or complex values; use NaN for 'not scored'"
        )
    return value.detach().float()


def _failed(made: BaseReward, error: Exception) -> UserError:
    """What a reward raised, as one line with its name and the line of its own file."""
    file = getattr(sys.modules.get(type(made).__module__), "__file__", None)
    places = traceback.extract_tb(error.__traceback__)
    place = [each for each in places if each.filename == file][-1:] or places[-1:]
    where = ", ".join(f"{each.filename}, line {each.lineno}" for each in place)
    text = " ".join(str(error).split())
    return UserError(f"reward {made.spec.name!r} failed ({where}): {type(error).__name__}: {text}. Correct that line")


def anchor_or_first(frames: Frames, anchor: Anchor | None) -> Anchor:
    """The anchor, or the video's own first frame where none is given: `[b ta c h w]`."""
    return frames[:, :1] if anchor is None else anchor


def flags(metadata: Metadata, key: str, b: int) -> list[bool]:
    """Per video: does its metadata set `key`? (e.g. "allow_change")

    >>> flags([{"allow_change": True}, {}], "allow_change", 2)
    [True, False]
    """
    return [bool(row.get(key, False)) for row in metadata] if metadata is not None else [False] * b
