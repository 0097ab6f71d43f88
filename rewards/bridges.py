"""A reward in the call shapes that trainers want: one adapter, two shapes, both survive pickle.

TRL's GRPOTrainer calls `f(prompts=…, completions=…, completion_ids=…, trainer_state=…, **columns)` and wants a
list of numbers, None for "no score", and a `__name__` to log under; flow_grpo (and the older DDPO trainers that
it follows) calls `f(images, prompts, metadata)` and wants `(scores, info)`. Sources: TRL's guide to GRPOTrainer
(custom reward functions); flow_grpo/rewards.py (`multi_score`) and scripts/train_wan2_1.py::

    from rewards.bridges import FlowGRPOReward, TRLReward

    trainer = GRPOTrainer(reward_funcs=[TRLReward("object_persistence", fps=16)], …)
    score_functions["persistence"] = lambda device: FlowGRPOReward("object_persistence", {"things": 2})

>>> calm = TRLReward("lighting_consistency", fps=8)
>>> video = torch.full((4, 3, 16, 16), 0.5)  # [t 3 h w]
>>> calm(prompts=["a cup"] * 2, completions=[video, video], trainer_state=None)
[1.0, 1.0]
>>> images = torch.full((2, 3, 16, 16), 128, dtype=torch.uint8)  # NCHW: videos of one frame
>>> FlowGRPOReward("motion_floor", missing=0.0)(images, ["a cup"] * 2, [{}, {}])
([0.0, 0.0], {'scored': [False, False]})
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import rewards
from rewards.base import Metadata, Reward, UserError

Layout = Literal["auto", "channels first", "channels last"]


@dataclass(frozen=True)
class TrainerReward:
    """What both shapes share: a reward by name, made when it is first called, in the process that calls it.

    use, params: as for `rewards.create`. fps: of the trainer's videos. layout: where the colour channels stand;
    "auto" finds the axis of size 3, and asks when there are two.

    Pictures and videos may be tensors, numpy arrays or PIL pictures, uint8 0..255 or float 0..1 of any
    precision: [3 h w] or [h w 3] (a video of one frame), [t 3 h w] or [t h w 3]. Those of one shape are scored
    in one batch. Raises UserError for everything else, with what was given.
    """

    use: str
    params: Mapping[str, Any] = field(default_factory=dict)
    fps: float = 8.0
    layout: Layout = "auto"

    @cached_property
    def reward(self) -> Reward:
        """The reward itself."""
        made: Reward = rewards.create(self.use, **self.params)
        return made

    @property
    def __name__(self) -> str:
        """What a trainer logs it under."""
        return self.use.rpartition(":")[2]

    def __getstate__(self) -> dict[str, Any]:
        """Without the reward: it is made anew where this is unpickled."""
        return {key: value for key, value in vars(self).items() if key != "reward"}

    def _scores(
        self, videos: Sequence[Tensor], prompts: list[str], anchors: Sequence[Tensor] | None, metadata: Metadata
    ) -> Float[Tensor, "n"]:
        """A score for each video [t 3 h w]; NaN is not scored."""
        values = torch.full((len(videos),), torch.nan)
        for rows in _alike(videos if anchors is None else [*zip(videos, anchors, strict=True)]):
            scores = self.reward(
                torch.stack([videos[i] for i in rows]),
                [prompts[i] for i in rows],
                fps=self.fps,
                anchor=None if anchors is None else torch.stack([anchors[i] for i in rows]),
                metadata=None if metadata is None else [metadata[i] for i in rows],
            )
            values[rows] = scores.values.cpu()
        return values

    @no_type_check  # whatever a trainer hands over is answered in words
    def _videos(self, given, what: str, count: int) -> list[Tensor]:
        """Everything given as [t 3 h w], float 0..1; UserError unless there are `count`."""
        if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != count:
            size = len(given) if hasattr(given, "__len__") and not isinstance(given, str) else repr(given)
            raise UserError(f"{self.use}: {what} must hold one for each of {count} prompts; given {size}")
        return [to_video(each, self.layout, f"{self.use}: {what}[{i}]") for i, each in enumerate(given)]


class TRLReward(TrainerReward):
    """`(prompts, completions, **columns) -> list[float | None]`, for TRL's GRPOTrainer and its kin.

    prompts: texts, or conversations (the last user's text counts). completions: the videos. The dataset's
    columns become the reward's metadata, row by row, and a column `anchor` (a picture or video a row) its
    anchor. None stands for "not scored", which TRL leaves out of its sum.
    """

    @no_type_check
    def __call__(self, prompts, completions, **columns) -> list[float | None]:
        """One score a completion."""
        n = len(prompts)
        videos = self._videos(completions, "completions", n)
        anchor = columns.pop("anchor", None)
        anchors = None if anchor is None else self._videos(anchor, "anchor", n)
        columns.pop("completion_ids", None)
        rows = {key: column for key, column in columns.items() if isinstance(column, list) and len(column) == n}
        metadata = [{key: column[i] for key, column in rows.items()} for i in range(n)] if rows else None
        values = self._scores(videos, [text_of(prompt) for prompt in prompts], anchors, metadata)
        return [None if value != value else value for value in values.tolist()]


@dataclass(frozen=True)
class FlowGRPOReward(TrainerReward):
    """`(images, prompts, metadata) -> (scores, info)`, an entry for flow_grpo's `multi_score`.

    images: [n 3 h w] or [n t 3 h w] tensors 0..1, [n h w 3] or [n t h w 3] uint8 arrays, and the others of
    `TrainerReward`. metadata: a mapping a video, or nothing. ref_images: one a video, taken as its anchor.
    flow_grpo knows no "not scored", and a NaN would reach its loss: `missing` stands in for it, by default
    the lowest value of the reward's range. info["scored"] says where.
    """

    missing: float | None = None

    @no_type_check
    def __call__(
        self, images, prompts, metadata=None, ref_images=None, only_strict: bool = True
    ) -> tuple[list[float], dict[str, list[bool]]]:
        """One score a video; `only_strict` is taken and not needed."""
        n = len(prompts)
        videos = self._videos(images, "images", n)
        anchors = None if ref_images is None else self._videos(ref_images, "ref_images", n)
        rows = None if metadata is None or len(metadata) == 0 else list(metadata)
        if rows is not None and (isinstance(metadata, Mapping) or len(rows) != n):
            raise UserError(f"{self.use}: metadata must be a list of {n} mappings, one a video; given {len(rows)}")
        values = self._scores(videos, list(prompts), anchors, rows)
        stand_in = self.reward.spec.range[0] if self.missing is None else self.missing
        return values.nan_to_num(stand_in).tolist(), {"scored": (~values.isnan()).tolist()}


@no_type_check
def to_video(given, layout: Layout = "auto", what: str = "video") -> Float[Tensor, "t 3 h w"]:
    """A picture or video as float [t 3 h w]; bytes are divided by 255, float is only widened.

    >>> to_video(np.full((5, 8, 6, 3), 255, dtype=np.uint8)).shape
    torch.Size([5, 3, 8, 6])
    """
    video = _tensor(given, what)
    video = video.unsqueeze(0) if video.ndim == 3 else video
    if video.ndim != 4:
        raise UserError(f"{what} must be [3 h w], [h w 3], [t 3 h w] or [t h w 3]; given shape {list(given.shape)}")
    first, last = video.shape[1] == 3, video.shape[3] == 3
    if layout == "auto" and first == last:
        why = "two axes could be the channels" if first else "no axis of size 3 is where channels stand"
        raise UserError(f"{what} has shape {list(video.shape)}: {why}. Give RGB, and say layout='channels first'")
    if layout == "channels last" or (layout == "auto" and last):
        video = video.movedim(-1, 1)
    return video.float() / 255 if video.dtype == torch.uint8 else video.float()


@no_type_check
def _tensor(given, what: str) -> Tensor:
    """Whatever holds pixels, as a tensor of numbers."""
    if isinstance(given, Tensor):
        return given
    try:
        if isinstance(given, list | tuple) and any(isinstance(each, Tensor) for each in given):
            return torch.stack(list(given))
        return torch.as_tensor(np.array(given))
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{what} is no picture or video but {str(given)[:60]!r} ({type(given).__name__}): pass frames, not texts, "
            "tokens or paths"
        ) from error


@no_type_check
def text_of(prompt) -> str:
    """A prompt's text: itself, or what the user said last in a conversation.

    >>> text_of([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "a cup"}]}])
    'a cup'
    """
    if isinstance(prompt, str):
        return prompt
    said = [message["content"] for message in prompt if message.get("role") == "user"]
    content = said[-1] if said else ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part.get("type") == "text")


@no_type_check
def _alike(items) -> list[list[int]]:
    """Places of the items that have one shape, and so fit one batch."""
    groups: dict[Any, list[int]] = {}
    for place, item in enumerate(items):
        shape = tuple(item.shape) if isinstance(item, Tensor) else tuple(tuple(each.shape) for each in item)
        groups.setdefault(shape, []).append(place)
    return list(groups.values())
