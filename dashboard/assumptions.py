"""The editor of assumptions: each with its value, range, source and day; what is edited lies in the URL.

The URL holds the scenario that counts. The fields on the page are drafts: one that breaks a rule is told so below it,
and what counted before still does.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import streamlit as st

from dashboard import scenario_link
from dashboard.assumption_words import label, rule, told
from dashboard.drafts import change_of, draft_of, plain_change, typed, written, written_plain
from dashboard.page import Page, plain
from dashboard.scenario_state import Kept, kept_of, take, widget
from sn_eval.present.report.teller import Teller
from sn_eval.present.words import UNKNOWN
from sn_eval.results.assumption import (
    AMOUNTS,
    EXCHANGE,
    HOUR,
    LONGEST,
    OWNED,
    UNITS,
    WITHOUT_ENDS,
    Amount,
    Change,
    Unfit,
    check,
)
from sn_eval.results.experiment import Experiment, Sourced
from sn_eval.results.files import ResultsError
from sn_eval.results.scenario import Scenario, standing

PRICES = (HOUR, "prices.rate.unit", "prices.rate.currency", "prices.utilisation", EXCHANGE, *OWNED,
          "prices.currency", "prices.tax_included")  # fmt: skip
BUSINESS = (
    "business.videos_per_month", "business.minutes_per_video", "business.attempts_cap", "business.review",
    "business.rejection", "business.fallback", "business.compute_per_attempt", "business.one_off", "business.monthly",
    "business.ramp", "business.months", "business.discount", "business.tax", "business.fiscal_year_starts",
    "business.deadline_hours",
)  # fmt: skip
FIELDS = ("value", "low", "high", "source", "as_of", "illustrative")
WIDTHS = (2.3, 1.35, 1.2, 1.2, 2.0, 1.45, 0.85)
PLAIN_WIDTHS = (2.3, 3.75, 4.3)


# --- the editor ---------------------------------------------------------------------------------------------


def editor(page: Page, scenario: Scenario, t: Teller) -> None:
    """All fields, in two groups. t: tells the findings under the scenario."""
    st.caption(page("assumption.how"))
    tabs = st.tabs([page("assumption.business"), page("assumption.prices")])
    for tab, keys in zip(tabs, (BUSINESS, PRICES), strict=True):
        with tab:
            if keys is PRICES:
                _listed(page)
            _heads(page)
            for key in keys:
                if offered(page.open.experiment, scenario, key, imported=page.open.findings.run.kind == "imported"):
                    with st.container():  # a message below one row moves no other
                        _row(page, scenario, key, t)


def offered(experiment: Experiment, scenario: Scenario, key: str, *, imported: bool = False) -> bool:
    """Whether an assumption can be edited: not what the run has no use for, nor what would relabel its money."""
    prices = experiment.prices
    if key in OWNED:
        return prices is not None and prices.owned is not None and HOUR not in scenario.changes
    if key in ("prices.currency", "prices.tax_included"):
        return prices is None
    if key in ("prices.rate.unit", "prices.rate.currency"):
        return prices is None or (prices.rate is None and HOUR in scenario.changes) or key in scenario.changes
    if key == EXCHANGE:
        foreign = scenario.changes.get("prices.rate.currency", standing(experiment, "prices.rate.currency"))
        return standing(experiment, key) is not None or foreign not in (None, _currency(experiment, scenario))
    if key == "business.deadline_hours":  # of the capacity; here it matters only where it is an example
        return standing(experiment, key) is not None
    return key != "business.compute_per_attempt" or imported or standing(experiment, key) is not None


def _currency(experiment: Experiment, scenario: Scenario) -> str:
    found = scenario.changes.get("prices.currency", standing(experiment, "prices.currency"))
    return found if isinstance(found, str) else ""


def _listed(page: Page) -> None:
    """Where the price of an hour comes from, where it is no amount of this experiment."""
    prices = page.open.experiment.prices
    if prices is not None and prices.rate is None:
        name = plain(prices.use) if prices.use else ""
        st.caption(page("assumption.listed", name=name) if name else page("assumption.owned"))


def _heads(page: Page) -> None:
    heads = ("column.input", "column.value", "column.low_input", "column.high_input", "column.source", "column.as_of",
             "example.word")  # fmt: skip
    for place, key in zip(st.columns(WIDTHS, gap="small"), heads, strict=True):
        place.caption(f"**{page(key)}**")


def _row(page: Page, scenario: Scenario, key: str, t: Teller) -> None:
    """One assumption: its fields, what the run itself says, and the rule that it breaks."""
    places = st.columns(WIDTHS if key in AMOUNTS else PLAIN_WIDTHS, gap="small", vertical_alignment="center")
    changed = key in scenario.changes
    name = label(t, key, _currency(page.open.experiment, scenario))
    places[0].markdown(f"**✎ {plain(name)}**" if changed else plain(name))
    if key in AMOUNTS:
        _amount(page, scenario, key, places, name)
    else:
        _plain_value(page, scenario, key, places, name)
    problem = (kept_of(page.open.id).problems or {}).get(key)
    if problem is not None:
        st.error(rule(page, problem, name), icon=":material/error:")
    elif changed and _unsourced(page, scenario, key):
        st.warning(page("assumption.needs_source"), icon=":material/science:")
    if changed:
        st.caption(page("assumption.declared", was=plain(told(t, key, standing(page.open.experiment, key)))))


def _unsourced(page: Page, scenario: Scenario, key: str) -> bool:
    """Whether it was denied to be an example without saying who knows."""
    change, was = scenario.changes[key], standing(page.open.experiment, key)
    example = isinstance(was, Sourced) and was.illustrative
    return isinstance(change, Amount) and change.illustrative is False and example and not change.source


def _amount(page: Page, scenario: Scenario, key: str, places: list[Any], name: str) -> None:
    was, change = standing(page.open.experiment, key), scenario.changes.get(key)
    start = draft_of(was if isinstance(was, Sourced) else None, change if isinstance(change, Amount) else None)
    day = f", {start.as_of}" if start.as_of else ""
    hints = {
        "value": page("assumption.open"), "low": UNKNOWN, "high": UNKNOWN, "as_of": UNKNOWN,
        "source": page("assumption.edited_by") + day if change else page("assumption.who"),
    }  # fmt: skip
    for place, (field, value) in zip(places[1:], written(key, start).items(), strict=True):
        if field in ("low", "high") and key in WITHOUT_ENDS:
            continue
        spoken = f"{name}: {page(WORDS[field])}"
        if field == "illustrative":
            _field(page, key, field, value, place.checkbox, spoken, {})
        else:
            more = {"placeholder": hints[field], "max_chars": LONGEST}
            _field(page, key, field, value, place.text_input, spoken, more)


WORDS = {
    "value": "column.value", "low": "column.low_input", "high": "column.high_input", "source": "column.source",
    "as_of": "column.as_of", "illustrative": "example.word",
}  # fmt: skip


def _plain_value(page: Page, scenario: Scenario, key: str, places: list[Any], name: str) -> None:
    """What stands without source or range."""
    value: Any = scenario.changes.get(key, standing(page.open.experiment, key))
    place, more = places[1], dict[str, Any]()
    if key in ("prices.rate.unit", "prices.tax_included"):
        options = list(UNITS) if key == "prices.rate.unit" else [True, False]
        words: dict[Any, str] = {unit: page(f"unit.{unit}") for unit in UNITS}
        words |= {True: page("assumption.agreed"), False: page("assumption.denied")}
        draw = place.selectbox
        more = {"options": options, "index": None, "format_func": words.get, "placeholder": page("assumption.open")}
    else:
        hint = "JPY" if key.endswith("currency") else page("assumption.open")
        draw, more = place.text_input, {"placeholder": hint, "max_chars": LONGEST}
        value = written_plain(value)
    _field(page, key, "value", value, draw, name, more)


def _field(
    page: Page, key: str, field: str, value: Any, draw: Callable[..., Any], name: str, more: Mapping[str, Any]
) -> None:
    """One field; it begins with what counts, and is the visitor's from then on."""
    at = widget(page.open.id, kept_of(page.open.id).epoch, key, field)
    if at not in st.session_state:
        st.session_state[at] = value
    draw(name, key=at, label_visibility="collapsed", on_change=_edited, args=(page, key), **more)


def _edited(page: Page, key: str) -> None:
    """A field was changed: let the change count, or keep what is wrong with it."""
    mine = kept_of(page.open.id)
    problems = mine.problems = mine.problems or {}
    problems.pop(key, None)
    values = {
        field: st.session_state[at]
        for field in FIELDS
        if (at := widget(page.open.id, mine.epoch, key, field)) in st.session_state
    }
    was = standing(page.open.experiment, key)
    try:
        before = was if isinstance(was, Sourced) else None
        change: Change | None = (
            change_of(typed(key, values), before, date.today()) if key in AMOUNTS
            else plain_change(key, values["value"], was)
        )  # fmt: skip
        changes = {name: each for name, each in _counting(page, mine).items() if name != key}
        if change is not None:
            check(key, change)
            changes[key] = change
        take(page, Scenario(mine.name, changes))
    except Unfit as problem:
        problems[key] = problem
        return
    except ResultsError as error:
        mine.upload = str(error)
        return
    if key in AMOUNTS:  # what follows from the change stands in its fields, too
        fields = written(key, draft_of(before, change if isinstance(change, Amount) else None))
        for field, value in fields.items():
            st.session_state[widget(page.open.id, mine.epoch, key, field)] = value


def _counting(page: Page, mine: Kept) -> Mapping[str, Change]:
    """The changes that count; none where the URL cannot be read, or asks what this run cannot take."""
    try:
        found = scenario_link.decode(mine.url)
        found.apply(page.open.experiment)
    except ResultsError:
        return {}
    return found.changes
