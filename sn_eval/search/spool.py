"""Whole videos that wait on disk until one is chosen, so that memory does not grow with length or number."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from jaxtyping import UInt8
from torch import Tensor

from rewards.base import UserError
from sn_eval.interfaces import FrameSink, State


class Spool:
    """Takes the pieces of `count` videos in lockstep; a single video goes straight to `emit`.

    Where the run is cut short, what there is of video 0 is shown on the way out: finished pieces are kept.
    """

    def __init__(self, count: int, emit: FrameSink) -> None:
        self.count, self.emit = count, emit
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._shapes: list[tuple[int, ...]] = []

    def take(self, states: Sequence[State]) -> list[State]:
        """The videos without the pieces that were taken from them."""
        for i, state in enumerate(states):
            for piece in state.pieces:
                if self.count == 1:
                    self.emit(piece.frames)
                else:
                    self._append(i, piece.frames)
        return [replace(state, pieces=()) for state in states]

    def show(self, video: int) -> None:
        """Emits one of the videos, piece by piece."""
        if self._folder is None or not self._shapes:  # cut short before its first piece, there is nothing to show
            return
        with self._file(video).open("rb") as file:
            for shape in self._shapes:
                pixels = bytearray(file.read(torch.Size(shape).numel()))
                if len(pixels) < torch.Size(shape).numel():
                    return
                self.emit(torch.frombuffer(pixels, dtype=torch.uint8).view(shape))

    def __enter__(self) -> Self:
        if self.count > 1:
            self._folder = tempfile.TemporaryDirectory(prefix="sn-eval-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self.show(0)
        finally:
            if self._folder is not None:
                self._folder.cleanup()

    def _append(self, video: int, frames: UInt8[Tensor, "t 3 H W"]) -> None:
        if video == 0:
            self._shapes.append(tuple(frames.shape))
        try:
            with self._file(video).open("ab") as file:
                file.write(frames.contiguous().numpy().tobytes())
        except OSError as error:
            raise UserError(
                f"cannot keep {self.count} videos in {self._file(video).parent}: {error.strerror}; "
                "free space there or set TMPDIR to another folder"
            ) from error

    def _file(self, video: int) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / f"{video}.rgb"
