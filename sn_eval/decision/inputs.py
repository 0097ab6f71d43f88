"""The business inputs of an ROI as numbers: as most likely, at an end of their range, or drawn from their triangles."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sn_eval.decision.economics import Amount
from sn_eval.decision.findings import HourPrice, Input
from sn_eval.results.experiment import Business, Exchange, Prices, Rate, Sourced
from sn_eval.results.files import ResultsError

NEEDED = ("videos_per_month", "minutes_per_video", "review", "rejection", "fallback", "one_off", "monthly", "discount")
SHARES = ("discount", "tax", "utilisation")  # amounts that tables show as percentages
POSITIVE = ("minutes_per_video", "compute_per_attempt", "utilisation")


def unresolved(business: Business, *, metered: bool = True) -> tuple[str, ...]:
    """Keys of the amounts that an ROI needs and nobody knows yet.

    metered: computing was measured and has a price; without that compute_per_attempt is needed, too.
    """
    keys = NEEDED if metered else (*NEEDED, "compute_per_attempt")
    amounts = business.amounts()
    return tuple(key for key in keys if key not in amounts or not amounts[key].known)


@dataclass(frozen=True)
class Inputs:
    """Amounts that the result depends on, by key. likely: their values. ranges: (low, high) of the uncertain ones."""

    amounts: Mapping[str, Sourced]
    likely: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]

    def drawn(self, draws: int, rng: np.random.Generator) -> dict[str, Amount]:
        """Every amount, the uncertain ones drawn from the triangle low, value, high."""
        values: dict[str, Amount] = dict(self.likely)
        for key, (low, high) in self.ranges.items():
            values[key] = rng.triangular(low, self.likely[key], high, draws)
        return values

    def compute_scale(self, values: Mapping[str, Amount]) -> Amount:
        """What computing costs with these values, as a multiple of what it costs with the likely ones.

        Metered computing grows with the minutes of a video and falls with utilisation.
        """
        if "compute_per_attempt" in self.likely:
            return values["compute_per_attempt"] / self.likely["compute_per_attempt"]
        longer = values["minutes_per_video"] / self.likely["minutes_per_video"]
        return longer * self.likely["utilisation"] / values["utilisation"]


def read_inputs(business: Business, prices: Prices, *, metered: bool) -> Inputs:
    """The inputs of an ROI. ResultsError names those that are missing, and the first that cannot be."""
    missing = unresolved(business, metered=metered)
    if missing:
        keys = ", ".join(f"business.{key}" for key in missing)
        raise ResultsError(f"no ROI: {keys} has no value. Ask who knows it, and enter value and source in the spec")
    amounts = {key: business.amounts()[key] for key in NEEDED}
    if metered:
        amounts["utilisation"] = prices.utilisation
    elif business.compute_per_attempt is not None:
        amounts["compute_per_attempt"] = business.compute_per_attempt
    for key, amount in (amounts | ({"tax": business.tax} if business.tax else {})).items():
        _check(key, amount)
    likely = {key: amount.value for key, amount in amounts.items() if amount.value is not None}
    ranges = {
        key: (amount.low, amount.high)
        for key, amount in amounts.items()
        if amount.low is not None and amount.high is not None and amount.low < amount.high
    }
    return Inputs(amounts, likely, ranges)


def listed(inputs: Inputs, business: Business, price: HourPrice | None) -> tuple[Input, ...]:
    """Every input as it was used, with who said so: amounts, then the price of an hour, then what the spec declares."""
    amounts = dict(inputs.amounts)
    if business.tax is not None:
        amounts["tax"] = business.tax
    rows = [
        Input(key, each.value, each.low, each.high, each.source, each.as_of.isoformat() if each.as_of else "",
              each.illustrative)
        for key, each in amounts.items()
    ]  # fmt: skip
    if price is not None:
        words = f"{price.words} ({'; '.join(price.sources)})"
        rows.append(Input("hour_price", price.value, None, None, words, price.as_of, price.illustrative))
    declared = {
        "attempts_cap": business.attempts_cap, "months": business.months,
        "fiscal_year_starts": business.fiscal_year_starts,
        **{f"ramp[{month}]": share for month, share in enumerate(business.ramp, 1)},
    }  # fmt: skip
    rows += [Input(key, float(value), None, None, "declared in the spec", "", False) for key, value in declared.items()]
    return tuple(rows)


def illustrative(inputs: Inputs, business: Business, prices: Prices) -> tuple[str, ...]:
    """Keys, as they stand in the spec, of inputs that were used and are examples."""
    parts: dict[str, Sourced | Rate | Exchange | None] = {
        f"business.{key}": amount for key, amount in inputs.amounts.items() if key != "utilisation"
    }
    parts["business.tax"] = business.tax
    if "utilisation" in inputs.amounts:  # computing was metered, so the price of an hour is used
        owned = prices.owned or ()
        parts |= {f"prices.owned.{key}": amount for key, amount in owned if isinstance(amount, Sourced)}
        parts |= {f"prices.{key}": getattr(prices, key) for key in ("rate", "exchange", "utilisation")}
    return tuple(sorted(key for key, part in parts.items() if part is not None and part.illustrative))


def _check(key: str, amount: Sourced) -> None:
    """ResultsError for an amount that cannot be: not finite, negative, utilisation above 1."""
    name = "prices.utilisation" if key == "utilisation" else f"business.{key}"
    for value in (amount.low, amount.value, amount.high):
        if value is None:
            continue
        if not math.isfinite(value) or value < 0:
            raise ResultsError(f"{name} {value:g}: an amount of 0 or more; correct it in the spec")
        if value == 0 and key in POSITIVE:
            raise ResultsError(f"{name} 0: must be above 0; correct it in the spec")
        if key == "utilisation" and value > 1:
            raise ResultsError(f"{name} {value:g}: a share of at most 1")
