"""What a step leaves of a budget buys more candidates later, spread evenly over what is left.

Every step is planned within the budget by upper bounds (the rollout's formulas). Where less was spent (a quiet video on
the anomaly trigger, beams that share windows), each step takes as many more candidates as all later ones could take,
too: so the budget is never passed, and the last steps spend what the others could not.
"""

from collections.abc import Callable

Step = Callable[[int, int, int], tuple[int, int]]
"""(depth, beams before, candidates a beam) → (NFE at most, beams after at most); neither falls as another rises."""

MOST = 4  # times the plan's candidates: those of one step live in memory side by side


class Rollover:
    """How many candidates a beam each step takes, given what was spent before it.

    planned: by depth; the plan itself must fit the budget. Memory: a few integers a step.
    """

    def __init__(self, step: Step, planned: Callable[[int], int], pieces: int, budget: int) -> None:
        self.step, self.planned, self.pieces, self.budget = step, planned, pieces, budget
        self._extra = 0
        self._known: dict[int, dict[tuple[int, int], int]] = {}  # by extra candidates: NFE from (depth, beams) on

    def count(self, depth: int, beams: int, spent: int) -> int:
        """The plan's candidates, and the most that they can be raised by now and for good."""
        planned = self.planned(depth)
        while self._extra and not self._fits(self._extra, depth, beams, spent):
            self._extra -= 1
        while self._extra < (MOST - 1) * planned and self._fits(self._extra + 1, depth, beams, spent):
            self._extra += 1
        return planned + min(self._extra, (MOST - 1) * planned)

    def _fits(self, extra: int, depth: int, beams: int, spent: int) -> bool:
        return spent + self._rest(extra, depth, beams) <= self.budget

    def _rest(self, extra: int, depth: int, beams: int) -> int:
        """NFE from here to the end; each (depth, beams) is worked out once, so that a step costs O(1) on average."""
        known, ahead = self._known.setdefault(extra, {}), []
        while depth < self.pieces and (depth, beams) not in known:
            cost, after = self.step(depth, beams, self.planned(depth) + extra)
            ahead.append((depth, beams, cost))
            depth, beams = depth + 1, after
        rest = known.get((depth, beams), 0)
        for depth, beams, cost in reversed(ahead):
            rest += cost
            known[depth, beams] = rest
        return rest
