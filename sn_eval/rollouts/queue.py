"""A queue on the diagonal: which frames a window reads and writes, and the name of what made each frame.

FIFO-Diffusion (Kim et al., arXiv:2405.11473): partitions of the queue (section 4.2), lookahead denoising (4.3).
Frames that went through the same windows from the same noise are the same frames, so beams with a common ancestor share
windows by these names; no pixels are compared. What parts two beams begins at the tail and comes one window nearer to
the head with each step: a window reads only itself and, with lookahead, the one before it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from rewards.base import UserError
from sn_eval.interfaces import Candidate, Clip, History, Image
from sn_eval.sampling import key


@dataclass(frozen=True)
class Layout:
    """Windows of `size` frames over a queue of `steps`. With lookahead they overlap by half and write the later half.

    The queue's frame i is at level i+1. In front of it stand as many clean frames as its first window looks back at.
    """

    steps: int
    size: int
    lookahead: bool

    def check(self) -> None:
        """UserError where the windows do not fit."""
        steps, size = self.steps, self.size
        if self.lookahead and size % 2:
            raise UserError(f"the window has {size} frames; lookahead needs an even number: set window or no lookahead")
        if steps % size:
            below = max(size, steps // size * size)
            near = f"{below} or {below + size}"
            raise UserError(f"steps is {steps}; fifo needs a multiple of the window of {size} frames: {near}")

    @property
    def written(self) -> int:
        """Frames that a window writes."""
        return self.size // 2 if self.lookahead else self.size

    @property
    def windows(self) -> int:
        """How many windows write the whole queue."""
        return self.steps // self.written

    @property
    def tail(self) -> int:
        """The last window, which holds what a step pushes."""
        return self.windows - 1

    @property
    def front(self) -> int:
        """Clean frames before the queue."""
        return self.size - self.written

    def reads(self, window: int) -> slice:
        """Places that a window reads, counted from the first clean frame."""
        begin = window * self.written
        return slice(begin, begin + self.size)

    def writes(self, window: int) -> slice:
        """Places that a window writes."""
        place = self.reads(window)
        return slice(place.start + self.front, place.stop)

    def levels(self) -> Int[Tensor, "t"]:
        """The noise level of every place.

        >>> Layout(4, 4, True).levels().tolist()
        [0, 0, 1, 2, 3, 4]
        """
        return torch.arange(1 - self.front, self.steps + 1).clamp(min=0)

    def live(self, left: int) -> int:
        """Windows that have a say in the `left` frames still to be shown: the w-th has one for w more steps at most.

        >>> [Layout(8, 4, True).live(left) for left in (100, 4, 3, 1)]
        [4, 4, 3, 1]
        """
        return min(self.windows, left)


@dataclass(frozen=True)
class Queue:
    """What a beam carries: clean frames, then the queue without its last frame, which each step pushes.

    `made` names what made each frame; `history` is what the decoder goes on from.
    """

    frames: Clip
    made: tuple[int, ...]
    history: History


@dataclass(frozen=True)
class Tail:
    """A branch's last window: as pushed, as its looks have taken it on, and after its real step, once one has made it.

    `tag` names the window that made `stepped`.
    """

    pushed: Clip
    ahead: Clip
    stepped: Clip | None = None
    tag: int = 0


@dataclass(frozen=True)
class Window:
    """One window of one step, as it is read. `who` names it in errors."""

    tag: int
    number: int
    frames: Clip
    prompt: str
    who: str


def start_tag(seed: int, noise_seed: int, prompt: str, image: Image | None) -> int:
    """Names a queue's first frames: all that they depend on."""
    seen = "" if image is None else hashlib.blake2b(image.cpu().numpy().tobytes()).hexdigest()
    return key("queue", seed, noise_seed, prompt, seen)


def pushed_tag(candidate: Candidate) -> int:
    """Names a candidate's noise: all that its draw depends on."""
    parent = candidate.parent
    return key("pushed", parent.seed, parent.prompts[0], parent.depth, candidate.key)


def window_tag(number: int, prompt: str, made: Sequence[int]) -> int:
    """Names what a window writes: its place and prompt, and what made the frames that it reads."""
    return key("window", number, prompt, *made)
