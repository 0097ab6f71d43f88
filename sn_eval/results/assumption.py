"""What an assumption of a business case may become: its key, its rules, and the one line that says which is broken."""

import difflib
import math
import typing
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias

from pydantic import BaseModel

from sn_eval.results.experiment import Business, Declared, Owned, Prices, Sourced
from sn_eval.results.files import ResultsError

LARGEST = 1e15  # of an amount: more is a slip, and sums of it are no numbers any more
MOST_ATTEMPTS = 100  # a video: each takes time in every draw
LONGEST = 300  # letters of a source or name
YEARS = (1900, 2200)  # in which a source may lie
UNITS = ("GPU-hour", "CPU-hour", "machine-hour")


def _amounts_of(part: type[BaseModel], where: str) -> tuple[str, ...]:
    """Keys of the amounts that a part of the experiment declares."""
    kinds = {name: (each.annotation, *typing.get_args(each.annotation)) for name, each in part.model_fields.items()}
    return tuple(f"{where}.{name}" for name, kind in kinds.items() if Sourced in kind)


HOUR, EXCHANGE = "prices.rate", "prices.exchange"
OWNED = _amounts_of(Owned, "prices.owned")
AMOUNTS = (HOUR, EXCHANGE, *_amounts_of(Prices, "prices"), *OWNED, *_amounts_of(Business, "business"))
"""Keys of amounts: money, counts and shares, each with a source."""
PLAIN = (
    "prices.use", "prices.rate.unit", "prices.rate.currency", "prices.exchange.of", "prices.currency",
    "prices.tax_included", "business.attempts_cap", "business.ramp", "business.months", "business.fiscal_year_starts",
)  # fmt: skip
"""Keys of what is declared without a source."""
WHOLE = {
    "business.attempts_cap": (1, MOST_ATTEMPTS), "business.months": (1, 240), "business.fiscal_year_starts": (1, 12),
}  # fmt: skip
POSITIVE = (
    EXCHANGE, "prices.utilisation", "prices.owned.years", "prices.owned.hours_a_year", "business.minutes_per_video",
    "business.compute_per_attempt",
)  # fmt: skip
BELOW_ONE = ("business.discount", "business.tax")
WITHOUT_ENDS = (HOUR, EXCHANGE)  # single amounts: they have no range

RULES: Mapping[str, str] = {
    "unknown": "is no assumption{near}; name one of the experiment's prices.… or business.…",
    "number": "must be a number, without unit, % or separators; correct it",
    "negative": "must be 0 or more; correct it",
    "zero": "must be above 0; correct it",
    "large": "is more than 10^15; correct it",
    "share": "is a share, at most 1; write 5 % as 0.05",
    "below_one": "is a share below 1; write 5 % as 0.05",
    "pue": "must be 1 or more: all power over the machine's own; correct it",
    "ends": "needs low and high together; give both or neither",
    "open_ends": "has a range and no value; give the most likely value, too",
    "order": "must lie between its low and its high; correct one of them",
    "no_range": "has no range; leave low and high out",
    "whole": "must be a whole number from {low} to {high}; correct it",
    "ramp": "must be a list of 1 to 240 shares from 0 to 1; write e.g. [0.25, 0.5, 1]",
    "currency": "must be a currency of three capital letters; write e.g. JPY",
    "unit": f"must be one of {', '.join(UNITS)}; choose one",
    "truth": "must be true or false; choose one",
    "text": f"must be one line of at most {LONGEST} letters; shorten it",
    "date": "must be a date; write e.g. 2026-04-01",
    "dated": "needs the day on which it held; add as_of",
    "not_owned": "belongs to a machine of one's own, and this run prices none; change prices.rate",
    "amount": "must be keys with values; write {{value: …, source: who says so}}",
    "field": "is no part of an amount; known: value, low, high, source, as_of, illustrative",
}
"""What an assumption can break, by code; dashboards have the same in their languages."""


class Unfit(ResultsError):
    """A change that cannot be, in one line. key: of the assumption; code: of RULES; shown: the value, short."""

    def __init__(self, key: str, value: Any, code: str, **values: object) -> None:
        self.key, self.code, self.values = key, code, values
        text = str(value)
        self.shown = text if len(text) <= 40 else text[:40] + "…"
        what = f"{key} {self.shown!r}" if isinstance(value, str) and value else f"{key} {self.shown}".rstrip()
        super().__init__(f"{what} {RULES[code].format(**{'near': '', **values})}")


class Amount(Declared):
    """What an amount becomes, as `Sourced` has it.

    source: "" where nobody said more than the number. illustrative: None leaves it as the run declares it.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    source: str = ""
    as_of: date | None = None
    illustrative: bool | None = None


Change: TypeAlias = Amount | str | int | bool | tuple[float, ...]


def check(key: str, change: Any) -> None:
    """Raises Unfit where an assumption cannot become this."""
    if key in AMOUNTS:
        _check_amount(key, change)
    elif key in WHOLE:
        low, high = WHOLE[key]
        if isinstance(change, bool) or not isinstance(change, int) or not low <= change <= high:
            raise Unfit(key, change, "whole", low=low, high=high)
    elif key == "business.ramp":
        _check_ramp(change)
    elif key == "prices.tax_included":
        if not isinstance(change, bool):
            raise Unfit(key, change, "truth")
    elif key == "prices.rate.unit":
        if change not in UNITS:
            raise Unfit(key, change, "unit")
    elif key == "prices.use":
        check_text(key, change, least=1)
    elif key in PLAIN:
        if not isinstance(change, str) or len(change) != 3 or not (change.isascii() and change.isupper()):
            raise Unfit(key, change, "currency")
    else:
        near = difflib.get_close_matches(key, (*AMOUNTS, *PLAIN), n=1)
        raise Unfit(key, "", "unknown", near=f" (did you mean {near[0]}?)" if near else "")


# --- the rules --------------------------------------------------------------------------------------------


def _check_amount(key: str, change: Any) -> None:
    if not isinstance(change, Amount):
        raise Unfit(key, short(change), "amount")
    ends = [end for end in (change.low, change.high) if end is not None]
    for value in (change.value, *ends):
        if value is not None:
            check_number(key, value)
            _check_size(key, value)
    if ends and key in WITHOUT_ENDS:
        raise Unfit(key, ends[0], "no_range")
    if len(ends) == 1:
        raise Unfit(key, ends[0], "ends")
    if ends and change.value is None:
        raise Unfit(key, ends[0], "open_ends")
    if ends and change.value is not None and not ends[0] <= change.value <= ends[1]:
        raise Unfit(key, f"{change.value:g} ({ends[0]:g} … {ends[1]:g})", "order")
    check_text(f"{key}.source", change.source)
    if change.as_of is not None and not YEARS[0] <= change.as_of.year <= YEARS[1]:
        raise Unfit(f"{key}.as_of", change.as_of.isoformat(), "date")


def check_number(key: str, value: Any) -> None:
    """Raises Unfit for what is neither a finite number nor None."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(key, short(value), "number")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise Unfit(key, "so many digits", "large")
    if not math.isfinite(value):
        raise Unfit(key, short(value), "number")


def _check_size(key: str, value: float) -> None:
    if value < 0:
        raise Unfit(key, f"{value:g}", "negative")
    if value > LARGEST:
        raise Unfit(key, f"{value:g}", "large")
    if value == 0 and key in POSITIVE:
        raise Unfit(key, "0", "zero")
    if value > 1 and key == "prices.utilisation":
        raise Unfit(key, f"{value:g}", "share")
    if value >= 1 and key in BELOW_ONE:
        raise Unfit(key, f"{value:g}", "below_one")
    if value < 1 and key == "prices.owned.pue":
        raise Unfit(key, f"{value:g}", "pue")


def _check_ramp(change: Any) -> None:
    shares = change if isinstance(change, tuple) else ()
    fine = [not isinstance(each, bool) and isinstance(each, int | float) and 0 <= each <= 1 for each in shares]
    if not 1 <= len(shares) <= 240 or not all(fine):
        raise Unfit("business.ramp", short(change), "ramp")


def check_text(key: str, value: Any, least: int = 0) -> str:
    """The text, where it is a line of letters that can be shown, at least so many. Raises Unfit."""
    if not isinstance(value, str) or not least <= len(value) <= LONGEST or not value.isprintable():
        raise Unfit(key, short(value), "text")
    return value


def short(value: Any) -> str:
    """A wrong value on one line."""
    if value is None or isinstance(value, dict | list | tuple):
        return {dict: "keys with values", type(None): "nothing"}.get(type(value), "a list")
    return "".join(letter if letter.isprintable() else "�" for letter in str(value)[:60])
