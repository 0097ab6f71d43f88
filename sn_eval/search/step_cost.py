"""What the steps of a search cost, by the formulas of its rollout: all candidates first, then what each look keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sn_eval.interfaces import Predictor, Rollout, Stage
from sn_eval.search.prediction import going_on
from sn_eval.search.rounds import Round


@dataclass(frozen=True)
class StepCost:
    """Denoiser evaluations (NFE) of each step, at most; exact for chunks where every candidate is tried.

    branch: copies of every survivor between two stages. refilled: the last stage gives as many as it keeps, whatever
    came before (particles). rounds: in which so many candidates are tried.
    """

    rollout: Rollout
    stages: Sequence[Stage]
    branch: int
    refilled: bool
    predictor: Predictor | None
    rounds: Callable[[int], Sequence[Round]]

    def __call__(self, depth: int, beams: int, count: int) -> tuple[int, int]:
        """(NFE, beams afterwards) of the step at `depth` with `count` candidates a beam."""
        rollout, alive, spent, seen = self.rollout, beams, 0, 0
        if rollout.matters(depth):
            alive = beams * count
            if self.predictor:
                seen = self.predictor.look
                spent += rollout.preview_evaluations(depth, alive, 0, seen) if seen else 0
                alive = beams * sum(going_on(len(each.indices), self.predictor.keep) for each in self.rounds(count))
            for number, (look, keep) in enumerate(self.stages):
                alive *= self.branch if number else 1
                spent += rollout.preview_evaluations(depth, alive, seen, look)
                alive, seen = keep if self.refilled else min(keep, alive), look
        return spent + rollout.finish_evaluations(depth, alive, beams, seen), alive

    def video(self, count: Callable[[int], int]) -> int:
        """NFE of a whole video with so many candidates at each depth."""
        total, beams = self.rollout.overhead(), 1
        for depth in range(self.rollout.pieces):
            spent, beams = self(depth, beams, count(depth))
            total += spent
        return total
