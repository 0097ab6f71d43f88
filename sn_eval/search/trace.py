"""The search as data: one row a step and candidate, streamed, with what was spent when it was known.

Rows of kind "predicted" (one a candidate that a predictor was asked about), "preview" (one a stage and candidate) and
"final" (one a finished branch). Keys are lineages in hexadecimal; a row's `parent` is the key of the row it grew from,
so the whole tree can be drawn from the trace.
"""

import math
from collections.abc import Sequence
from typing import Any

from sn_eval.interfaces import Branch, Rollout, State, TraceSink


class Tracer:
    """Writes rows and counts nominal evaluations; without a sink it only counts."""

    def __init__(self, rollout: Rollout, sink: TraceSink | None, starts: int = 1) -> None:
        self.rollout, self.sink = rollout, sink
        self.spent = starts * rollout.overhead()

    def previewed(self, branches: Sequence[Branch], look: int) -> None:
        """Counts a look."""
        depth = branches[0].candidate.parent.depth
        self.spent += self.rollout.preview_evaluations(depth, len(branches), branches[0].evaluations, look)

    def committed(self, branches: Sequence[Branch]) -> None:
        """Counts the rest of the run of the branches that were kept."""
        self.spent += self.rollout.commit_evaluations(branches)

    def predicted(
        self, look: int, branches: Sequence[Branch], guesses: Sequence[float], kept: Sequence[Branch]
    ) -> None:
        """A row for every candidate whose score was guessed."""
        if self.sink is None:
            return
        going_on = {b.candidate.identity for b in kept}
        for branch, guess in zip(branches, guesses, strict=True):
            told = {"score": guess, "kept": branch.candidate.identity in going_on}
            self.sink({"kind": "predicted", "look": look, **self._who(branch), **told, "nfe": self.spent})

    def stage(self, number: int, look: int, branches: Sequence[Branch], kept: Sequence[Branch]) -> None:
        """A row for every candidate of a stage."""
        if self.sink is None:
            return
        going_on = {b.candidate.identity for b in kept}
        unscored = all(math.isnan(b.score) for b in branches)
        for branch in branches:
            row = {
                "kind": "preview",
                "stage": number,
                "look": look,
                **self._who(branch),
                "score": branch.score,
                "parts": dict(branch.parts),
                "kept": branch.candidate.identity in going_on,
            }
            if unscored:
                row["note"] = "nothing was scored: lower candidate indices were kept, the plain one first"
            self.sink({**row, "nfe": self.spent})

    def final(self, branch: Branch, state: State, score: float, parts: dict[str, float]) -> None:
        """A row for a finished branch: its piece's own score, and the beam's mean so far."""
        if self.sink is None:
            return
        scores = {"score": score, "parts": parts, "mean_score": state.score}
        previews = {str(look): value for look, value in branch.previews}
        row = {"kind": "final", **self._who(branch), **scores, "previews": previews, "kept": True}
        self.sink({**row, "nfe": self.spent})

    @staticmethod
    def _who(branch: Branch) -> dict[str, Any]:
        candidate = branch.candidate
        return {
            "step": candidate.parent.depth,
            "candidate": candidate.index,
            "key": f"{candidate.key:016x}",
            "parent": f"{candidate.parent.key:016x}",
            "seed": candidate.parent.seed,
            "proposal": candidate.proposal,
            "arm": candidate.arm[1] if candidate.arm else None,
        }
