"""One reward call for all candidates of all beams, each against its own beam's anchors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import Reward, UserError
from sn_eval.interfaces import Branch

Verdict = tuple[float, dict[str, float]]


@dataclass(frozen=True)
class Judge:
    """A reward, asked about previews or finished pieces of beams."""

    reward: Reward
    fps: float

    def previews(self, branches: Sequence[Branch], look: int) -> list[Branch]:
        """The branches with their scores."""
        clips = [b.preview for b in branches if b.preview is not None]
        verdicts = self.clips(clips, branches)
        return [
            replace(b, score=value, parts=parts, previews=(*b.previews, (look, value)))
            for b, (value, parts) in zip(branches, verdicts, strict=True)
        ]

    def clips(self, clips: Sequence[Float[Tensor, "t 3 H W"]], branches: Sequence[Branch]) -> list[Verdict]:
        """(score, parts) of each branch's clip, against the anchors that its beam had before; NaN: not
        scored.
        """
        anchors = [b.candidate.parent.anchor for b in branches]
        known = [a for a in anchors if a is not None]
        anchor = torch.stack(known) if len(known) == len(anchors) else None
        prompts = [b.cond.prompts[0] for b in branches]
        frames = torch.stack(list(clips)).float()
        scores = self.reward(frames, prompts, fps=self.fps, anchor=anchor)
        values = scores.values.tolist()
        parts = {name: part.tolist() for name, part in scores.parts.items()}
        if any(math.isinf(v) for v in values):
            raise UserError("the reward gave an infinite score; use NaN for 'not scored'")
        return [(value, {name: part[i] for name, part in parts.items()}) for i, value in enumerate(values)]
