"""When a beam needs a search at all: the plain candidate's look falls behind what the beam is used to (after MIGA).

By score: below the beam's mean so far. By latents: the look is less like the beam's first piece than its pieces have
been (mean cosine of the look's frames with that piece's mean frame); the reward has no say in it. What cannot be
compared, as the first piece, is searched.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sn_eval.interfaces import Branch, Clip, Finished, State


@dataclass(frozen=True)
class Watch:
    """What a beam remembers: its first piece's mean frame, and how like it the looks were that it accepted."""

    reference: Float[Tensor, "c h w"]
    total: float = 0.0
    pieces: int = 0

    @property
    def usual(self) -> float:
        """Their mean; NaN before the first."""
        return self.total / self.pieces if self.pieces else float("nan")


def likeness(clean: Clip, reference: Float[Tensor, "c h w"]) -> float:
    """Mean over frames of the cosine with the reference, −1 … 1."""
    return float(torch.cosine_similarity(clean.flatten(1).float(), reference.flatten()[None].float()).mean())


def by_score(branch: Branch, drop: float) -> bool:
    """Whether the look scores more than `drop` below the beam's mean."""
    return not branch.score >= branch.candidate.parent.score - drop


def by_latents(branch: Branch, drop: float) -> bool:
    """Whether the look is by more than `drop` less like the beam's first piece than is usual."""
    watch = branch.candidate.parent.watch
    if not isinstance(watch, Watch) or branch.clean is None:
        return True
    return not likeness(branch.clean, watch.reference) >= watch.usual - drop


def watched(beam: State, done: Finished) -> State:
    """The beam, once it has looked at the piece that it accepted."""
    clean, accepted = done.branch.clean, done.state.clean
    if clean is None or accepted is None or done.frames is None:  # nothing is shown yet, or nothing was looked at
        return beam
    watch = beam.watch or Watch(accepted.mean(0))
    seen = replace(watch, total=watch.total + likeness(clean, watch.reference), pieces=watch.pieces + 1)
    return replace(beam, watch=seen)
