"""Decodes latents that were accepted, and keeps what a decoder with a memory needs for the next ones."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from sn_eval.interfaces import History, Latents, StatefulDecoder, Video, VideoModel
from sn_eval.sampling import Batches


def total_frames(model: VideoModel, chunks: int) -> int:
    """Frames of so many chunks; the first is shorter where a decoder that compresses time starts from nothing."""
    first: int = getattr(model, "first_frames", model.frames_per_chunk)
    return first + (chunks - 1) * model.frames_per_chunk


def decode_on(
    model: VideoModel,
    batches: Batches,
    latents: Latents,
    histories: Sequence[History],
    checked: Callable[[Video], Video],
) -> tuple[Video, list[Any]]:
    """(frames, what the decoder of each history remembers now), in batches that fit.

    checked: refuses frames that hold NaN. What the decoder of a model without a memory "remembers" is left as it was.
    """
    if not isinstance(model, StatefulDecoder):
        return checked(batches(model.decode, latents, histories)), [each.decoder for each in histories]
    remembered: list[Any] = []

    def decode(some: Latents, whose: Sequence[History]) -> Video:
        frames, states = model.decode_on(some, whose)
        remembered.extend(states)
        return frames

    frames = batches(decode, latents, list(histories))
    return checked(torch.as_tensor(frames)), remembered
