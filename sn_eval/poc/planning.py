"""From an experiment to its cells: every prompt with every arm and seed, each arm as near below its budget as declared.

Ids hold nothing but what decides a video and its scores (`poc.cell.Cell`), so a spec with other prices, rules, labels,
splits or more prompts keeps the cells that it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rewards.base import UserError
from sn_eval import rollouts
from sn_eval.interfaces import Rollout
from sn_eval.poc.cast import Cast, judges_of
from sn_eval.poc.cell import Cell, check_method, check_prompts, make_method, reward_key, search_key
from sn_eval.poc.fingerprint import Fingerprints
from sn_eval.poc.sources import sources_key
from sn_eval.results.experiment import Budget, Experiment, Method, Prompt
from sn_eval.results.plan import Plan, Planned, arm_name
from sn_eval.results.record import Component
from sn_eval.results.run_folder import declared
from sn_eval.search.whole_video import one_video

FARTHEST = 50  # plain videos, up and down, among which an amount that fits all methods is looked for


@dataclass(frozen=True)
class Arm:
    """A method at a budget. amount: in the budget's unit; budget_nfe: in denoiser evaluations; both None for its own.

    nominal: denoiser evaluations of a video, by the rollout's formula.
    """

    name: str
    method: Method
    amount: float | None
    budget_nfe: int | None
    nominal: int


def make_plan(experiment: Experiment, cast: Cast, earlier: Plan | None = None) -> tuple[Plan, tuple[Cell, ...]]:
    """The plan, and its cells in the same order: prompts outermost, so that an interrupted run has whole comparisons.

    earlier: the plan under which a first cell has run, if one has: it keeps what was declared then. UserError, in one
    line, for wrong knobs, a missing image, and a method that does not come near enough to its budget.
    """
    found, fingerprints = arms(experiment, cast), Fingerprints(cast.model)
    planned, cells = [], []
    for prompt in experiment.prompts:
        prompts = check_prompts(prompt.schedule or (prompt.text,))
        if prompt.image is not None and not Path(prompt.image).is_file():
            raise UserError(
                f"prompt {prompt.text!r}: there is no image {prompt.image}; the path counts from {Path.cwd()}"
            )
        for seed in experiment.seeds:
            for arm in found:
                cell = fingerprints.of(_cell(experiment, prompt, prompts, arm, seed))
                cells.append(cell)
                planned.append(
                    Planned(
                        cell=cell.id, prompt=prompt.text, group=prompt.group, split=prompt.split, arm=arm.name,
                        method=arm.method.label, budget_nfe=arm.budget_nfe, repeat=seed,
                    )
                )  # fmt: skip
    plan = Plan(
        baseline=next(arm.name for arm in found if arm.method.label == experiment.baseline),
        searched=search_key(cast.reward), rewarded=reward_key(cast.reward), judges=judges_of(experiment, cast),
        cells=tuple(planned),
        declared=earlier.declared if earlier else declared(experiment),
        declared_on=earlier.declared_on if earlier else datetime.now(UTC).isoformat(timespec="seconds"),
        sources=sources_key(experiment), notes=_notes(experiment),
    )  # fmt: skip
    return plan, tuple(cells)


def _cell(experiment: Experiment, prompt: Prompt, prompts: tuple[str, ...], arm: Arm, seed: int) -> Cell:
    """What is made; names of methods and evaluators decide nothing, so they are left out."""
    return Cell(
        prompts, experiment.model, experiment.rollout, _bare(arm.method), experiment.reward,
        tuple(_bare(each) for each in experiment.evaluators), seed, arm.budget_nfe, prompt.image,
        title="" if prompts == (prompt.text,) else prompt.text,
    )  # fmt: skip


def _bare(part: Component) -> Component:
    return Component(use=part.use, params=part.params)


def _notes(experiment: Experiment) -> tuple[str, ...]:
    """What a reader of the results must know."""
    baseline = next(method for method in experiment.methods if method.label == experiment.baseline)
    if experiment.budget is None or baseline.budget == "own" or len(experiment.budget.amounts) == 1:
        return ()
    return (f"the baseline {experiment.baseline} has several budgets: every arm is compared with its first one",)


# --- budgets ----------------------------------------------------------------------------------------------


def arms(experiment: Experiment, cast: Cast) -> tuple[Arm, ...]:
    """Every method at every amount; once where a budget is not asked for ("own", or none) or changes nothing (plain).

    UserError names the method that stays farther below an amount than declared, and the nearest amounts that fit all.
    """
    rollout = rollouts.create(experiment.rollout.use, model=cast.model, **experiment.rollout.params)
    return tuple(arm for method in experiment.methods for arm in _arms(experiment, method, rollout))


def _arms(experiment: Experiment, method: Method, rollout: Rollout) -> Iterator[Arm]:
    made: Any = make_method(_bare(method))
    check_method(made, rollout, experiment.reward)
    budget = experiment.budget
    if budget is None or method.budget == "own":
        yield Arm(arm_name(method.label, None), method, None, None, made.evaluations(rollout))
        return
    for amount in budget.amounts:
        nfe = in_nfe(amount, budget, rollout)
        sized = made.sized(nfe, rollout)
        nominal = sized.evaluations(rollout)
        if not near(nominal, nfe, budget):
            if sized is made:  # a budget changes nothing: plain sampling is one video at every amount
                yield Arm(arm_name(method.label, None), method, None, None, nominal)
                return
            near_by = " and ".join(f"{fit:g}" for fit in fitting(experiment, amount, rollout)) or "none near by"
            raise UserError(
                f"method {method.label!r} spends {nominal} of {nfe} denoiser evaluations at a budget of {amount:g} "
                f"{budget.unit}, {nominal / nfe:.1%}, and at least {1 - budget.within:.1%} is declared "
                f"(budget.within); amounts that fit all methods: {near_by}"
            )
        yield Arm(arm_name(method.label, amount, budget.unit), method, amount, nfe, nominal)


def in_nfe(amount: float, budget: Budget, rollout: Rollout) -> int:
    """Denoiser evaluations of an amount: what so many plain videos take, where the unit is videos."""
    return int(amount * one_video(rollout)) if budget.unit == "videos" else int(amount)


def near(nominal: int, nfe: int, budget: Budget) -> bool:
    """Whether a method that spends `nominal` is comparable at a budget of `nfe`."""
    return (1 - budget.within) * nfe <= nominal <= nfe


def fitting(experiment: Experiment, amount: float, rollout: Rollout) -> list[float]:
    """The nearest amounts below and above, among whole plain videos, that suit every sized method."""
    budget, one = experiment.budget, one_video(rollout)
    assert budget is not None
    methods: list[Any] = [make_method(_bare(method)) for method in experiment.methods if method.budget == "solve"]

    def fits(videos: int) -> bool:
        nfe = videos * one
        try:
            sized = [(method, method.sized(nfe, rollout)) for method in methods]
        except UserError:  # too small for one of them
            return False
        return all(fit is method or near(fit.evaluations(rollout), nfe, budget) for method, fit in sized)

    here = in_nfe(amount, budget, rollout) / one
    below = next((n for n in range(int(-(-here // 1)) - 1, max(0, int(here) - FARTHEST), -1) if fits(n)), None)
    above = next((n for n in range(int(here) + 1, int(here) + 1 + FARTHEST) if fits(n)), None)
    scale = 1 if budget.unit == "videos" else one
    return [float(n * scale) for n in (below, above) if n is not None]
