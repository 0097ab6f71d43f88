"""A part of an experiment that is run now: one split, some arms. The plan stays whole; the rest stays missing.

Settings are chosen on dev prompts first, and the confirm prompts are then run for the few arms that matter
(DECISION.md, "Statistics").
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from sn_eval.results.experiment import Experiment, Prompt, Split
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan, Planned, method_of


@dataclass(frozen=True)
class Part:
    """Cells of one split [both], of some arms [all]. arms: by name; a method's name stands for all of its budgets."""

    split: Split | None = None
    arms: tuple[str, ...] = ()

    @property
    def options(self) -> str:
        """What asks for it on the command line, with a blank before each; empty for the whole."""
        split = [] if self.split is None else ["--split", self.split]
        words = [*split, *(word for arm in self.arms for word in ("--arm", arm))]
        return "".join(f" {shlex.quote(word)}" for word in words)

    @property
    def words(self) -> str:
        """What it is, e.g. "the dev prompts with plain, halving"; empty for the whole."""
        split = f"the {self.split} prompts" if self.split else ""
        return " with ".join(filter(None, (split, ", ".join(self.arms))))

    def check(self, experiment: Experiment) -> None:
        """ResultsError, in one line, for what no plan of the experiment holds; the model is not needed for it."""
        if not self.prompts(experiment):
            others = len(experiment.prompts)
            raise ResultsError(f"no prompt of {experiment.name} has split: {self.split}; all {others} are of the other")
        known = [method.label for method in experiment.methods]
        self._known(known, [method_of(arm) for arm in self.arms])

    def prompts(self, experiment: Experiment) -> list[Prompt]:
        """Prompts of the split."""
        return [prompt for prompt in experiment.prompts if self.split in (None, prompt.split)]

    def names(self, arms: Iterable[tuple[str, str]]) -> set[str]:
        """Those of (arm, its method) that are asked for; ResultsError for one that is not among them."""
        pairs = list(dict.fromkeys(arms))
        known = list(dict.fromkeys(arm for arm, _ in pairs))
        self._known(known, [arm for arm in self.arms if arm not in {method for _, method in pairs}])
        return {arm for arm, method in pairs if not self.arms or {arm, method} & set(self.arms)}

    def cells(self, plan: Plan) -> tuple[str, ...]:
        """Ids in the order of the plan, each once; ResultsError where there are none."""
        asked = self.names((planned.arm, planned.method) for planned in plan.cells)

        def wanted(planned: Planned) -> bool:
            return planned.arm in asked and self.split in (None, planned.split)

        return tuple(dict.fromkeys(planned.cell for planned in plan.cells if wanted(planned)))

    def _known(self, known: list[str], asked: list[str]) -> None:
        for name in asked:
            if name not in known:
                raise ResultsError(f"no arm {name!r} in this experiment; known: {', '.join(known)}")


WHOLE = Part()
