"""How much a preview says about the finished chunk, by kind and look, and which one to search with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sn_eval.cli.console import Bars
from sn_eval.cli.model_check import kinds_of_preview
from sn_eval.interfaces import Branch, Finished, Image, Rollout, State
from sn_eval.search.correlation import LookReport, preview_correlation

ENOUGH = 0.8  # a preview is good enough when its pick gains this share of the most there is
KINDS = ("early", "ahead", "draft", "coarse")  # at the same cost: what is reused first, then what is cheaper in seconds


@dataclass(frozen=True)
class Worth:
    """What one look of one kind of preview is worth; `nfe` is its cost for one candidate."""

    preview: str
    report: LookReport
    nfe: int


@dataclass(frozen=True)
class Plan:
    """What is compared: candidates of every chunk of every prompt and seed."""

    looks: Sequence[int]
    candidates: int
    prompts: Sequence[str]
    seeds: Sequence[int]

    def measure(
        self, rollout: Rollout, reward: Any, image: Callable[[str], Image | None], bars: Bars
    ) -> list[Worth]:
        """A row for each look of each kind of preview that the model has."""
        rows = []
        for kind in kinds_of_preview(rollout.model):
            bar = bars.add(f"{kind} previews", len(self.prompts) * len(self.seeds) * rollout.pieces)
            looking = rollout.with_preview(kind)
            watched: Any = Watched(looking, image, bar)
            reports = preview_correlation(
                watched, reward, self.prompts, self.looks, candidates=self.candidates, seeds=self.seeds
            )
            rows += [Worth(kind, r, looking.preview_evaluations(0, 1, 0, r.look)) for r in reports]
        return rows


class Watched:
    """A rollout that tells its progress, and starts from each prompt's image; all else is the rollout's own."""

    def __init__(
        self, rollout: Rollout, image: Callable[[str], Image | None], tell: Callable[[int], None]
    ) -> None:
        self._rollout, self._image, self._tell, self._done = rollout, image, tell, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rollout, name)

    def start(self, prompts: Sequence[str], image: Any, seed: int) -> State:
        """The beam before the first piece."""
        return self._rollout.start(prompts, self._image(prompts[0]), seed)

    def commit(self, branches: Sequence[Branch]) -> list[Finished]:
        """Finish the branches, and say so."""
        finished = self._rollout.commit(branches)
        self._done += 1
        self._tell(self._done)
        return finished


def recommended(worth: Sequence[Worth]) -> Worth | None:
    """The cheapest look whose pick gains ENOUGH of the most there is, else the one that gains most.

    None where no look beats picking blindly.
    """
    useful = [row for row in worth if row.report.gain > 0 and row.report.rho > 0]
    good = [row for row in useful if row.report.gain >= ENOUGH * row.report.best_gain]
    if good:
        return min(good, key=lambda row: (row.nfe, KINDS.index(row.preview)))
    return max(useful, key=lambda row: row.report.gain, default=None)
