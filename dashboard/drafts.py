"""An amount as the fields of the editor have it, and the change of the scenario that follows from them."""

from dataclasses import dataclass
from datetime import date

from sn_eval.results.assumption import Amount
from sn_eval.results.experiment import Sourced


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
