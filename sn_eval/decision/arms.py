"""The attempts of each arm, looked up by outcome: what comparisons pair, and the means and costs that tables show.

Prompts weigh alike: attempts are averaged within a prompt first, and intervals are over prompts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sn_eval.decision.acceptance import Smoothed, smooth
from sn_eval.decision.findings import ArmCost, Attempt, HourPrice, known
from sn_eval.decision.prices import money
from sn_eval.decision.ranks import Estimate
from sn_eval.decision.spreadless import reach
from sn_eval.decision.statistics import Pair, interval, mean
from sn_eval.results.evaluation import mean_of_known
from sn_eval.results.experiment import ACCEPTANCE


@dataclass(frozen=True)
class Arm:
    """All attempts of one arm on one split."""

    name: str
    attempts: tuple[Attempt, ...]

    def values(self, outcome: str) -> dict[Pair, float | None]:
        """An outcome by (prompt, repeat): "acceptance" or an evaluator's label."""
        return {(attempt.prompt, attempt.repeat): value_of(attempt, outcome) for attempt in self.attempts}

    def by_prompt(self, outcome: str) -> dict[str, float]:
        """Mean of an outcome by prompt, of prompts where it is known."""
        grouped: defaultdict[str, list[float]] = defaultdict(list)
        for attempt in self.attempts:
            value = value_of(attempt, outcome)
            if value is not None:
                grouped[attempt.prompt].append(value)
        return {prompt: mean(values) for prompt, values in grouped.items()}

    def estimate(self, outcome: str, confidence: float = 0.95, *, group: str | None = None) -> Estimate:
        """Mean over prompts with its interval, of all prompts or of one group."""
        groups = {attempt.prompt: attempt.group for attempt in self.attempts}
        means = [v for prompt, v in self.by_prompt(outcome).items() if group is None or groups[prompt] == group]
        if not means:
            return Estimate(why="nothing was scored")
        low, high, how = interval(np.array(means), confidence=confidence)
        if outcome == ACCEPTANCE:
            low, high = _share_bounds(low, high, means, confidence)
        return Estimate(float(np.mean(means)), low, high, why=how)

    def counts(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """(prompts, accepted, tried): sums of the attempts' weights, of prompts whose acceptance is known."""
        accepted: defaultdict[str, float] = defaultdict(float)
        tried: defaultdict[str, float] = defaultdict(float)
        for attempt in self.attempts:
            if attempt.accepted is not None:
                accepted[attempt.prompt] += attempt.weight * attempt.accepted
                tried[attempt.prompt] += attempt.weight
        prompts = tuple(tried)
        return prompts, np.array([accepted[p] for p in prompts]), np.array([tried[p] for p in prompts])

    def smoothed(self) -> tuple[tuple[str, ...], Smoothed | None]:
        """(prompts, acceptance by prompt as far as few attempts allow); None where nothing is known."""
        prompts, accepted, tried = self.counts()
        return prompts, smooth(accepted, tried) if prompts else None

    def cells(self) -> tuple[str, ...]:
        """Ids of all cells behind the attempts."""
        return tuple(dict.fromkeys(cell for attempt in self.attempts for cell in attempt.cells))

    def cost(self, amounts: Mapping[str, int | None], price: HourPrice | None, minutes: float | None) -> ArmCost:
        """Means over attempts that were metered. amounts: budget by arm; minutes: of a video in production."""
        metered = [attempt for attempt in self.attempts if attempt.compute.source != "none"]
        budget = amounts.get(self.name)
        nfe = known([attempt.compute.nfe for attempt in metered])
        shares = [value / budget for value in nfe] if budget else []
        rates = [a.compute.seconds / a.video_seconds for a in metered if a.compute.seconds and a.video_seconds]
        latencies = [a.compute.wall / a.video_seconds for a in metered if a.compute.wall and a.video_seconds]
        minute = self._money_a_minute(metered, price)
        return ArmCost(
            nfe=mean_of_known(nfe),
            share_of_budget=mean_of_known(shares),
            lowest_share=min(shares, default=None), highest_share=max(shares, default=None),
            device=metered[0].compute.device if metered else "unknown",
            device_seconds=mean_of_known([attempt.compute.seconds for attempt in metered]),
            a_second=mean_of_known(rates), latency=mean_of_known(latencies),
            teraflops=mean_of_known([attempt.compute.teraflops for attempt in metered]),
            joules=mean_of_known([attempt.compute.joules for attempt in metered]),
            money_an_attempt=None if minute is None or minutes is None else minute * minutes,
            money_a_minute=minute,
            money_an_accepted_minute=self._accepted_minute(minute),
            source=metered[0].compute.source if metered else "none",
        )  # fmt: skip

    def _money_a_minute(self, metered: Sequence[Attempt], price: HourPrice | None) -> float | None:
        """Money for computing a minute of attempted video."""
        if price is None or not metered:
            return None
        rates = [
            paid / attempt.video_seconds * 60
            for attempt in metered
            if attempt.video_seconds and (paid := money(price, attempt.compute)) is not None
        ]
        return mean_of_known(rates)

    def _accepted_minute(self, minute: float | None) -> Estimate:
        """Money for computing a minute of accepted video: all attempts are paid, few or many are shown."""
        share = self.estimate(ACCEPTANCE)
        if minute is None or share.value is None:
            return Estimate(why="no price, or no acceptance")
        if share.value <= 0:
            return Estimate(why="not one attempt was accepted")
        dear = minute / share.low if share.low else None
        return Estimate(minute / share.value, minute / share.high if share.high else None, dear)


def _share_bounds(
    low: float | None, high: float | None, means: Sequence[float], confidence: float
) -> tuple[float | None, float | None]:
    """An interval of a share lies within 0 and 1; one of prompts that were all alike is as wide as they allow."""
    if min(means) == max(means):
        return reach(means[0], len(means), 0.0, 1.0, confidence)
    return None if low is None else max(0.0, low), None if high is None else min(1.0, high)


def value_of(attempt: Attempt, outcome: str) -> float | None:
    """An attempt's value of an outcome."""
    return attempt.accepted if outcome == ACCEPTANCE else attempt.scores.get(outcome)


def arms_of(attempts: Iterable[Attempt], first: str, split: str) -> dict[str, Arm]:
    """Arms of one split by name, `first` before the others."""
    grouped: dict[str, list[Attempt]] = {first: []}
    for attempt in attempts:
        if attempt.split == split:
            grouped.setdefault(attempt.arm, []).append(attempt)
    return {name: Arm(name, tuple(found)) for name, found in grouped.items()}
