"""What using a search method is worth against the baseline: saving, net present value, payback, and how sure each is.

DECISION.md, "ROI", has the formulas; `economics`, `retries` and `break_even` are their parts. Doubt comes from three
sides at once: which prompts production brings (`population`), how often each is accepted (`acceptance`), and business
inputs with a range, drawn from triangles.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from sn_eval.decision.acceptance import Smoothed, smooth
from sn_eval.decision.break_even import break_even_acceptance, highest_price
from sn_eval.decision.economics import Amount, after_tax, cumulative, payback, unit_cost, volume
from sn_eval.decision.findings import Band, HourPrice, Roi, Scenario, Swing
from sn_eval.decision.inputs import Inputs, illustrative, listed, read_inputs
from sn_eval.decision.population import drawn_populations, expected_population
from sn_eval.decision.retries import Retries, Spread, retries, spread
from sn_eval.results.experiment import Business, Prices
from sn_eval.results.files import ResultsError

DRAWS = 10_000
UPLIFT = "acceptance_uplift"
"""Key of what the prompts leave uncertain, among the bars of the tornado."""
EXCHANGE_SWING = 0.1

Pair = tuple[Retries, Retries]
Costs = Float[np.ndarray, "draws"]


@dataclass(frozen=True)
class ArmEconomics:
    """What an arm achieved and costs. accepted, tried: attempts by prompt (weights and expectations may be fractions).

    compute: money for one attempt of a video as long as production's (`ArmCost.money_an_attempt`).
    """

    prompts: tuple[str, ...]
    accepted: Float[np.ndarray, "prompts"]
    tried: Float[np.ndarray, "prompts"]
    compute: float


def roi(
    business: Business,
    baseline: ArmEconomics,
    method: ArmEconomics,
    *,
    prices: Prices,
    price: HourPrice | None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Roi:
    """The worth of the method on the prompts that both arms have; deterministic for a seed.

    price: of an hour, that `compute` was metered with; None where `business.compute_per_attempt` says what an attempt
    costs. Raises ResultsError where inputs are missing or cannot be, and where the arms share no prompt.
    """
    inputs = read_inputs(business, prices, metered=price is not None)
    arms = _on_common_prompts(baseline, method)
    case = _Case(business, inputs, (baseline.compute, method.compute))
    expected = _expected(arms, business.attempts_cap)
    drawn = _drawn(arms, business.attempts_cap, draws, seed)
    values = inputs.drawn(draws, np.random.default_rng([seed, 1]))
    costs = case.unit_costs(values, drawn)
    savings = values["videos_per_month"] * (costs[0] - costs[1])
    cash, likely_cash = case.cash(values, savings), case.likely_cash(expected)
    ends = _Ends(case, expected, spread(expected_population(arms[1])), drawn)
    unit = _pair(float(cost[0]) for cost in case.unit_costs(inputs.likely, expected))
    needed = _needed(case, spread(expected_population(arms[0])))
    present = float(expected[0].accepted[0])
    top, words = highest_price(
        price.value if price else None, case.compute, _pair(float(arm.attempts[0]) for arm in expected),
        unit[0] - unit[1],
    )  # fmt: skip
    return Roi(
        currency=prices.currency,
        attempts=_pair(float(arm.attempts[0]) for arm in expected),
        unit_cost=unit, unit_cost_bands=(_band(costs[0]), _band(costs[1])),
        fallback_share=_pair(float(arm.failed[0]) for arm in expected),
        compute_an_attempt=case.compute,
        monthly_saving=_band(savings), npv=_band(cash[:, -1]), chance_of_profit=float((cash[:, -1] > 0).mean()),
        payback_months=_months(payback(likely_cash)[0]), payback=_payback(cash),
        cumulative=tuple(_band(month) for month in cash.T),
        tornado=ends.tornado(), scenarios=ends.scenarios(),
        break_even_acceptance=needed, break_even_uplift=None if needed is None else needed - present,
        highest_price=top, highest_price_words=words, draws=draws,
        after_tax_npv=case.after_tax(expected),
        exchange_swing=case.exchange_swing(expected) if price is not None and price.exchange else None,
        illustrative=illustrative(inputs, business, prices), inputs=listed(inputs, business, price),
    )  # fmt: skip


@dataclass(frozen=True)
class _Case:
    """The business, and what an attempt of (baseline, method) costs to compute with the likely inputs."""

    business: Business
    inputs: Inputs
    compute: tuple[float, float]

    def unit_costs(self, values: Mapping[str, Amount], arms: Pair, dearer: float = 1.0) -> tuple[Costs, Costs]:
        """Money a delivered video of each arm. dearer: factor on computing."""
        scale = dearer * self.inputs.compute_scale(values)
        costs = [
            unit_cost(arm, compute * scale, values["review"], values["rejection"], values["fallback"])
            for arm, compute in zip(arms, self.compute, strict=True)
        ]
        return costs[0], costs[1]

    def cash(self, values: Mapping[str, Amount], saving: Amount) -> Float[np.ndarray, "draws moments"]:
        """Discounted money so far, by month."""
        share = volume(self.business.ramp, self.business.months)
        return cumulative(saving, values["one_off"], values["monthly"], values["discount"], share)

    def saving(self, values: Mapping[str, Amount], arms: Pair, dearer: float = 1.0) -> float:
        """Money saved in a month of full volume, where nothing is drawn."""
        before, after = self.unit_costs(values, arms, dearer)
        return float(np.squeeze(values["videos_per_month"] * (before - after)))

    def npv(self, values: Mapping[str, Amount], arms: Pair, dearer: float = 1.0) -> float:
        """Net present value, where nothing is drawn."""
        return float(self.cash(values, self.saving(values, arms, dearer))[0, -1])

    def likely_cash(self, arms: Pair) -> Float[np.ndarray, "one months"]:
        """Discounted money so far with the likely inputs."""
        return self.cash(self.inputs.likely, self.saving(self.inputs.likely, arms))

    def after_tax(self, arms: Pair) -> float | None:
        """Net present value after tax with the likely inputs; None where no rate is given."""
        tax = self.business.tax.value if self.business.tax is not None else None
        if tax is None:
            return None
        likely, share = self.inputs.likely, volume(self.business.ramp, self.business.months)
        saving = self.saving(likely, arms)
        return after_tax(saving, likely["one_off"], likely["monthly"], likely["discount"], share, tax)

    def exchange_swing(self, arms: Pair) -> tuple[float, float]:
        """Net present value when the foreign currency gets 10 % cheaper, and when it gets 10 % dearer."""
        likely = self.inputs.likely
        return self.npv(likely, arms, 1 - EXCHANGE_SWING), self.npv(likely, arms, 1 + EXCHANGE_SWING)


@dataclass(frozen=True)
class _Ends:
    """The result when uncertain inputs stand at the ends of their ranges: one at a time, and all at once.

    The method's acceptance is one of them: its uplift at the tenth and ninetieth percentile of the draws.
    """

    case: _Case
    expected: Pair
    method: Spread
    drawn: Pair

    def tornado(self) -> tuple[Swing, ...]:
        """What each uncertain input does alone, the largest effect first."""
        swings = []
        for key, (low, high) in self._ranges().items():
            at_low, at_high = (self._npv({key: end}) for end in (low, high))
            swings.append(Swing(key, low, high, at_low, at_high))
        return tuple(sorted(swings, key=lambda swing: -abs(swing.at_high - swing.at_low)))

    def scenarios(self) -> tuple[Scenario, ...]:
        """All uncertain inputs at their bad, likely and good end; bad is what lowers the net present value alone."""
        swings = self.tornado()
        rising = {swing.key: swing.at_low <= swing.at_high for swing in swings}
        bad = {swing.key: swing.low_input if rising[swing.key] else swing.high_input for swing in swings}
        good = {swing.key: swing.high_input if rising[swing.key] else swing.low_input for swing in swings}
        return (
            self._scenario("conservative", bad), self._scenario("standard", {}), self._scenario("optimistic", good),
        )  # fmt: skip

    def _ranges(self) -> dict[str, tuple[float, float]]:
        low, high = np.percentile(self.drawn[1].accepted - self.drawn[0].accepted, [10, 90])
        return {**self.case.inputs.ranges, UPLIFT: (float(low), float(high))}

    def _at(self, changed: Mapping[str, float]) -> tuple[dict[str, Amount], Pair]:
        """Values and arms with some inputs changed."""
        values: dict[str, Amount] = {**self.case.inputs.likely, **changed}
        if UPLIFT not in changed:
            return values, self.expected
        mean = float(self.expected[0].accepted[0]) + changed[UPLIFT]
        shifted = self.method.with_mean(min(max(mean, 1e-6), 1 - 1e-6))
        return values, (self.expected[0], shifted.retries(self.case.business.attempts_cap))

    def _npv(self, changed: Mapping[str, float]) -> float:
        return self.case.npv(*self._at(changed))

    def _scenario(
        self, kind: Literal["conservative", "standard", "optimistic"], changed: Mapping[str, float]
    ) -> Scenario:
        values, arms = self._at(changed)
        saving = self.case.saving(values, arms)
        cash = self.case.cash(values, saving)
        return Scenario(kind, saving, float(cash[0, -1]), _months(payback(cash)[0]))


def _on_common_prompts(baseline: ArmEconomics, method: ArmEconomics) -> tuple[Smoothed, Smoothed]:
    """Both arms smoothed, on the prompts that both have, in the baseline's order."""
    common = [prompt for prompt in baseline.prompts if prompt in set(method.prompts)]
    if not common:
        raise ResultsError("no ROI: no prompt has attempts of both arms whose acceptance is known")
    smoothed = []
    for arm in (baseline, method):
        places = [arm.prompts.index(prompt) for prompt in common]
        smoothed.append(smooth(arm.accepted[places], arm.tried[places]))
    return smoothed[0], smoothed[1]


def _expected(arms: tuple[Smoothed, Smoothed], cap: int) -> Pair:
    return retries(expected_population(arms[0]), cap), retries(expected_population(arms[1]), cap)


def _drawn(arms: tuple[Smoothed, Smoothed], cap: int, draws: int, seed: int) -> Pair:
    """Attempts and failures of both arms in every draw."""
    parts = [(retries(first, cap), retries(second, cap)) for first, second in drawn_populations(*arms, draws, seed)]
    joined = [
        Retries(*(np.concatenate([getattr(part[arm], name) for part in parts])
                  for name in ("attempts", "failed", "accepted")))
        for arm in (0, 1)
    ]  # fmt: skip
    return joined[0], joined[1]


def _needed(case: _Case, baseline: Spread) -> float | None:
    """The acceptance at which the method's video costs what the baseline's does, with the likely inputs."""
    likely, cap = case.inputs.likely, case.business.attempts_cap
    today = baseline.retries(cap)
    before = float(case.unit_costs(likely, (today, today))[0][0])
    return break_even_acceptance(
        baseline, cap, lambda outcome: float(case.unit_costs(likely, (today, outcome))[1][0]), before
    )


def _payback(cash: Float[np.ndarray, "draws moments"]) -> tuple[int | None, int | None, int | None]:
    early, middle, late = np.quantile(payback(cash), [0.1, 0.5, 0.9], method="inverted_cdf")
    return _months(early), _months(middle), _months(late)


def _months(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None


def _band(values: Amount) -> Band:
    return Band(*(float(each) for each in np.percentile(values, [10, 50, 90])))


def _pair(values: Iterable[float]) -> tuple[float, float]:
    first, second = values
    return first, second
