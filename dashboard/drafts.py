"""An amount as the fields of the editor have it, and the change of the scenario that follows from them."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sn_eval.results.assumption import BELOW_ONE, WHOLE, Amount, Change, Unfit
from sn_eval.results.experiment import Sourced

SHARES = (*BELOW_ONE, "prices.utilisation")
DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"  # commas between thousands only
NUMBER = re.compile(rf"([-+−]?(?:{DIGITS})(?:e[-+]?\d{{1,3}})?)\s*([%万億]?)", re.IGNORECASE)
SCALES = {"": 1.0, "%": 0.01, "万": 1e4, "億": 1e8}


@dataclass(frozen=True)
class Draft:
    """An amount as its fields stand."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    source: str = ""
    as_of: date | None = None
    illustrative: bool = False


def draft_of(was: Sourced | None, change: Amount | None) -> Draft:
    """The fields of an amount as it is declared, or as it was changed."""
    example = was is not None and was.illustrative
    if change is None:
        return Draft() if was is None else Draft(
            was.value, was.low, was.high, was.source if was.known else "", was.as_of, example
        )  # fmt: skip
    flag = example if change.illustrative is None else change.illustrative
    return Draft(change.value, change.low, change.high, change.source, change.as_of, flag)


def change_of(draft: Draft, was: Sourced | None, today: date) -> Amount | None:
    """The change that fields ask for; None where they say what is declared.

    New numbers carry the day and no source of the old ones: "" stands for "edited here" until the visitor names one.

    >>> declared = Sourced(value=30.0, source="HR", illustrative=True)
    >>> change_of(Draft(40.0, source="HR", illustrative=True), declared, date(2026, 11, 25))
    Amount(value=40.0, low=None, high=None, source='', as_of=datetime.date(2026, 11, 25), illustrative=None)
    >>> change_of(Draft(30.0, source="HR", illustrative=True), declared, date(2026, 11, 25)) is None
    True
    """
    before = draft_of(was, None)
    own = "" if draft.source.strip() == before.source else draft.source.strip()
    same = (draft.value, draft.low, draft.high) == (before.value, before.low, before.high)
    flag = None if draft.illustrative == before.illustrative else draft.illustrative
    if same and not own and flag is None and draft.as_of in (before.as_of, today):
        return None
    stale = draft.as_of == before.as_of and (not same or own)
    return Amount(
        value=draft.value, low=draft.low, high=draft.high, source=own, as_of=today if stale else draft.as_of,
        illustrative=flag,
    )  # fmt: skip


# --- as text --------------------------------------------------------------------------------------------------


def number(key: str, text: str) -> float | None:
    """A number as people type it: separators, 万, 億 and, of shares, % are understood; None for an empty field.

    Raises Unfit.

    >>> number("a", "1,500,000"), number("a", "１５０万"), number("business.discount", " 5 % "), number("a", "")
    (1500000.0, 1500000.0, 0.05, None)
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain:
        return None
    found = NUMBER.fullmatch(plain)
    if found is None or (found[2] == "%" and key not in (*SHARES, "business.ramp")):
        raise Unfit(key, text[:40], "number")
    digits, unit = found.groups()
    value = float(digits.replace(",", "").replace("−", "-"))
    return value / 100 if unit == "%" else value * SCALES[unit]


def number_text(key: str, value: float | None) -> str:
    """A number as its field shows it; it reads back as exactly this number.

    >>> number_text("business.one_off", 1500000.0), number_text("business.tax", 0.3), number_text("business.tax", None)
    ('1,500,000', '30%', '')
    """
    if value is None:
        return ""
    text = f"{100 * value:.12g}%" if key in SHARES else f"{value:,.12g}"
    return text if number(key, text) == value else repr(value)


def written(key: str, draft: Draft) -> dict[str, str | bool]:
    """Every field of a draft as its widget holds it."""
    numbers = {name: number_text(key, getattr(draft, name)) for name in ("value", "low", "high")}
    day = draft.as_of.isoformat() if draft.as_of else ""
    return {**numbers, "source": draft.source, "as_of": day, "illustrative": draft.illustrative}


def typed(key: str, fields: Mapping[str, Any]) -> Draft:
    """The draft of what stands in the widgets. Raises Unfit."""
    numbers = {name: number(key, fields.get(name, "")) for name in ("value", "low", "high")}
    source = fields.get("source", "")
    if not source.isprintable():
        raise Unfit(f"{key}.source", "", "text")
    return Draft(**numbers, source=source, as_of=_day(key, fields.get("as_of", "")),
                 illustrative=fields.get("illustrative", False))  # fmt: skip


def _day(key: str, text: str) -> date | None:
    plain = unicodedata.normalize("NFKC", text).strip().replace("/", "-")
    try:
        return date.fromisoformat(plain) if plain else None
    except ValueError as error:
        raise Unfit(f"{key}.as_of", text[:40], "date") from error


# --- what has no source -----------------------------------------------------------------------------------------


def written_plain(value: Any) -> str:
    """A plain value as its field shows it.

    >>> written_plain((0.25, 1.0)), written_plain(36), written_plain(None)
    ('25% 100%', '36', '')
    """
    if isinstance(value, tuple):
        return " ".join(number_text("business.tax", each) for each in value)
    return "" if value is None else str(value)


def plain_change(key: str, asked: Any, was: Any) -> Change | None:
    """The change that a plain field asks for; None where it is empty or as declared. Raises Unfit."""
    found: Any = unicodedata.normalize("NFKC", asked).strip() if isinstance(asked, str) else asked
    if found in ("", None):
        return None
    if key == "business.ramp":
        found = tuple(number(key, each) for each in found.replace("、", " ").split())
    elif key in WHOLE:
        found = int(found) if re.fullmatch(r"\d{1,9}", found) else found
    elif key.endswith("currency"):
        found = found.upper()
    return None if found == was and isinstance(found, bool) == isinstance(was, bool) else found
