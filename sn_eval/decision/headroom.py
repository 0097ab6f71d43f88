"""Is there anything to gain? What choosing among plain samples would give, by the reward and by an all-knowing oracle.

The rule is declared here: the most that any selector could gain (the oracle's best of N) must reach the minimum effect,
and what the reward itself gains should. Expectations over choices of N candidates are exact (`order_statistics`); a few
prompts make them a guide, not a verdict.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sn_eval.decision.arms import value_of
from sn_eval.decision.findings import Attempt, PreviewValue, SelectorRegret
from sn_eval.decision.order_statistics import CANDIDATE, chances, expected, oracle
from sn_eval.decision.power import needed
from sn_eval.decision.selection import selector_regret
from sn_eval.decision.variance_components import VarianceComponents, variance_components
from sn_eval.results.evaluation import mean_of_known
from sn_eval.results.experiment import ACCEPTANCE, Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Judge

FILE_NAME = "headroom.json"

Advice = Literal["go on", "other reward", "stop", "unknown"]


@dataclass(frozen=True)
class Step:
    """Mean over prompts at one number of candidates: chosen by the reward, and by the outcome itself."""

    videos: int
    chosen: float | None
    oracle: float | None


@dataclass(frozen=True)
class OutcomeHeadroom:
    """One outcome. curve: from one video (a plain one) up. gain, ceiling: of the reward's and the oracle's choice among
    all candidates over one at random, positive is better.

    spread: expected standard deviation of the prompts' differences between best-of-N by reward and plain, with the
    experiment's repetitions. needed: prompts that show `effect` with a chance of 80 %.
    """

    outcome: str
    higher_is_better: bool
    curve: tuple[Step, ...]
    gain: float | None
    ceiling: float | None
    regret: SelectorRegret | None
    variance: VarianceComponents | None
    spread: float | None
    effect: float | None
    needed: int | None


@dataclass(frozen=True)
class Headroom:
    """All outcomes, the primary one first. advice: by the rule of this module; words: the sentence with its figures."""

    name: str
    prompts: int
    samples: int
    failed: int
    reward: str
    outcomes: tuple[OutcomeHeadroom, ...]
    previews: tuple[PreviewValue, ...]
    advice: Advice
    words: str


def headroom(
    experiment: Experiment, judges: Sequence[Judge], samples: Sequence[Attempt], previews: Sequence[PreviewValue] = ()
) -> Headroom:
    """What the samples say. samples: plain attempts, `searched` by the reward. ResultsError where there are no two.

    experiment: whose outcomes, minimum effect and repetitions count.
    """
    usable = [sample for sample in samples if not sample.failed]
    grouped: dict[str, list[Attempt]] = defaultdict(list)
    for sample in usable:
        grouped[sample.prompt].append(sample)
    fewest = min(map(len, grouped.values()), default=0)
    if fewest < 2:
        raise ResultsError("no headroom: it takes two finished samples of every prompt; run sn-eval poc headroom again")
    higher = {judge.label: judge.higher_is_better for judge in judges}
    primary = experiment.primary[0].outcome if experiment.primary else None
    outcomes = ([ACCEPTANCE] if any(sample.accepted is not None for sample in usable) else []) + list(higher)
    outcomes.sort(key=lambda outcome: outcome != primary)
    found = tuple(_outcome(experiment, each, higher.get(each, True), usable, sizes_up_to(fewest)) for each in outcomes)
    advice, words = _advice(found[0], declared=primary is not None)
    return Headroom(
        experiment.name, len(grouped), fewest, len(samples) - len(usable), experiment.reward.use, found,
        tuple(previews), advice, words,
    )  # fmt: skip


def sizes_up_to(most: int) -> list[int]:
    """Numbers of candidates for a curve: doubling, and the most.

    >>> sizes_up_to(12)
    [1, 2, 4, 8, 12]
    """
    return [2**i for i in range(most.bit_length()) if 2**i < most] + [most]


def spreads_of(path: Path) -> dict[str, float]:
    """Spread of the prompts' differences by outcome, from `headroom.json`; ResultsError for another file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {each["outcome"]: each["spread"] for each in data["outcomes"] if each["spread"] is not None}
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}. Name the headroom.json of poc headroom") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} is no headroom.json: name the file that sn-eval poc headroom wrote") from error


# --- one outcome ------------------------------------------------------------------------------------------


def _outcome(
    experiment: Experiment, outcome: str, higher: bool, samples: Sequence[Attempt], sizes: Sequence[int]
) -> OutcomeHeadroom:
    candidates = [_as_candidate(sample, number) for number, sample in enumerate(samples)]
    chosen = _means(expected(candidates, sizes), outcome)
    best = _means(oracle(candidates, sizes, outcome, higher_is_better=higher), outcome)
    curve = tuple(Step(k, chosen.get(f"best_of_n@{k}videos"), best.get(f"oracle@{k}videos")) for k in sizes)
    sign = 1 if higher else -1
    plain, last = curve[0].oracle, curve[-1]
    gain = None if plain is None or last.chosen is None else sign * (last.chosen - plain)
    ceiling = None if plain is None or last.oracle is None else sign * (last.oracle - plain)
    by_prompt = _values(candidates, outcome)
    variance = variance_components({prompt: [value for _, value in rows] for prompt, rows in by_prompt.items()})
    effect = next((p.minimum_effect for p in experiment.primary if p.outcome == outcome), None)
    size = _compared(experiment, sizes[-1])
    spread = difference_spread(list(by_prompt.values()), size, len(experiment.seeds))
    count = None if effect is None or spread is None else needed(effect, spread, 0.8, experiment.rules.confidence)
    regret = selector_regret(outcome, candidates, higher_is_better=higher)
    return OutcomeHeadroom(outcome, higher, curve, gain, ceiling, regret, variance, spread, effect, count)


def _as_candidate(sample: Attempt, number: int) -> Attempt:
    return replace(sample, arm=CANDIDATE, repeat=number)


def _means(attempts: Sequence[Attempt], outcome: str) -> dict[str, float]:
    """Mean over prompts by arm."""
    grouped: dict[str, list[float | None]] = defaultdict(list)
    for attempt in attempts:
        grouped[attempt.arm].append(value_of(attempt, outcome))
    return {arm: mean for arm, values in grouped.items() if (mean := mean_of_known(values)) is not None}


def _values(candidates: Sequence[Attempt], outcome: str) -> dict[str, list[tuple[float | None, float]]]:
    """(searched, outcome) of every candidate that has the outcome, by prompt."""
    grouped: dict[str, list[tuple[float | None, float]]] = defaultdict(list)
    for each in candidates:
        if (value := value_of(each, outcome)) is not None:
            grouped[each.prompt].append((each.searched, value))
    return dict(grouped)


def _compared(experiment: Experiment, most: int) -> int:
    """Videos that the experiment's first budget pays for, as far as there are samples; else all samples."""
    budget = experiment.budget
    if budget is None or budget.unit != "videos":
        return most
    return max(2, min(most, int(budget.amounts[0])))


def difference_spread(prompts: Sequence[Sequence[tuple[float | None, float]]], size: int, repeats: int) -> float | None:
    """Standard deviation of a prompt's mean difference, best of `size` by the first value less a random one.

    prompts: (what chooses, outcome) of every candidate. Prompts differ in their expected difference; the mean of
    `repeats` differences adds the chance of the attempts on both sides. None for fewer than two prompts.

    >>> difference_spread([[(0.0, 0.0), (1.0, 1.0)], [(0.0, 0.0), (1.0, 1.0)]], 2, 1)
    0.5
    """
    expectations, chance = [], []
    for rows in prompts:
        if len(rows) < max(2, size):
            continue
        outcome = np.array([value for _, value in rows])
        weight = chances([by for by, _ in rows], size)
        best = float(weight @ outcome)
        expectations.append(best - float(outcome.mean()))
        chance.append(float(outcome.var() + weight @ (outcome - best) ** 2))
    if len(expectations) < 2:
        return None
    return float(np.sqrt(np.var(expectations, ddof=1) + np.mean(chance) / repeats))


# --- the rule ---------------------------------------------------------------------------------------------


def _advice(first: OutcomeHeadroom, *, declared: bool) -> tuple[Advice, str]:
    """What the rule says of the primary outcome, with its figures."""
    n = first.curve[-1].videos
    if first.gain is None or first.ceiling is None:
        return "unknown", f"cannot be told: {first.outcome} could not be measured on the samples"
    seen = (
        f"choosing among {n} plain videos gains {first.gain:+.3g} in {first.outcome} by the reward and "
        f"{first.ceiling:+.3g} at most (oracle)"
    )
    if not declared or first.effect is None:
        return "unknown", f"{seen}; declare a minimum effect under primary to know whether that is worth it"
    if first.ceiling < first.effect:
        return "stop", f"not worth going on: {seen}, and the minimum effect is {first.effect:g}"
    if first.gain < first.effect:
        return "other reward", (
            f"worth going on with another reward: {seen}; the minimum effect of {first.effect:g} is within reach, and "
            "this reward does not reach it by whole videos"
        )
    return "go on", f"worth going on: {seen}, and the minimum effect is {first.effect:g}"


def as_dict(found: Headroom) -> dict[str, Any]:
    """Plain data for `headroom.json`."""
    return asdict(found)
