"""The figures of the benchmark, each a share of simulated experiments with the standard error of the simulation."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.decision.coverage import covered, kinds
from benchmarks.decision.machine import Machine
from benchmarks.decision.verdicts import outcome
from benchmarks.decision.world import World
from sn_eval.decision.power import power
from sn_eval.decision.statistics import MIN_PROMPTS_FOR_BOOTSTRAP

WORLDS = (
    World("the same gain on every prompt"),
    World("gains that differ between prompts", differs=0.5),
    World("half as many prompts", confirm=40, dev=12),
)
COVERS = (0.93, 0.97)
WRONG = 0.05


@dataclass(frozen=True)
class Covered:
    """How often a 95 % interval holds the truth."""

    kind: str
    prompts: int
    share: float
    error: float
    experiments: int

    @property
    def interval(self) -> str:
        """Which interval it is."""
        return "t" if self.prompts < MIN_PROMPTS_FOR_BOOTSTRAP else "BCa and t"


@dataclass(frozen=True)
class Decided:
    """What is decided where the true uplift is so many times the break-even. early: share of all, a Go at half.

    planned: what `sn_eval.decision.power` promises for the true spread, one look, and a break-even that is known.
    """

    world: World
    times: int
    uplift: float
    go: float
    error: float
    early: float
    stop: float
    experiments: int
    planned: float


def coverage(machine: Machine, count: int) -> list[Covered]:
    """One for each kind of difference and number of prompts."""
    found = []
    for place, kind in enumerate(kinds()):
        for prompts in kind.sizes:
            held = machine.run(f"{kind.name}, {prompts} prompts", partial(_covered, place, prompts), count)
            share = float(np.mean(held))
            found.append(Covered(kind.name, prompts, share, _error(share, count), count))
    return found


def decisions(machine: Machine, worlds: tuple[World, ...], times: int, count: int) -> list[Decided]:
    """One for each world."""
    found = []
    for world in worlds:
        least = world.uplift(world.break_even)
        shift = world.shift_of(times * least)
        each = machine.run(f"{world.name}, {times} × break-even", partial(outcome, world, shift), count)
        go = sum(decision == "go" for decision, _ in each) / count
        found.append(Decided(
            world, times, times * least, go, _error(go, count), each.count(("go", 1)) / count,
            sum(decision == "stop" for decision, _ in each) / count, count, _planned(world, shift, least),
        ))  # fmt: skip
    return found


def broken(coverages: list[Covered], decided: list[Decided]) -> list[str]:
    """Limits that are not kept, in words."""
    low, high = COVERS
    narrow = [each for each in coverages if not low <= each.share <= high]
    wrong = [each for each in decided if each.times == 1 and each.go > WRONG]
    return [
        *(f"{each.kind}, {each.prompts} prompts: covers {each.share:.1%}" for each in narrow),
        *(f"{each.world.name}: a wrong Go in {each.go:.1%}" for each in wrong),
    ]


def _error(share: float, count: int) -> float:
    return math.sqrt(share * (1 - share) / count)


def _covered(place: int, prompts: int, seed: int) -> bool:
    """A kind by its place: its functions do not travel between processes."""
    return covered(kinds()[place], prompts, seed)


def _planned(world: World, shift: float, least: float) -> float:
    plain, search = world.draw(200_000, shift, 1, np.random.default_rng(0)).mean(2)
    return power(world.uplift(shift) - least, float(np.std(search - plain)), world.confirm)
