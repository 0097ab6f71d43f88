"""The editor of assumptions: each with its value, range, source and day; what is edited lies in the URL.

The URL holds the scenario that counts. The fields on the page are drafts: one that breaks a rule is told so below it,
and what counted before still does.
"""

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import streamlit as st

from dashboard import scenario_link
from dashboard.drafts import Draft, change_of, draft_of
from dashboard.page import Page, plain
from dashboard.scenario_state import Kept, kept_of, take, to_url
from sn_eval.present.report.teller import Teller
from sn_eval.results import scenario as scenarios
from sn_eval.results.assumption import (
    AMOUNTS,
    BELOW_ONE,
    EXCHANGE,
    HOUR,
    LONGEST,
    OWNED,
    UNITS,
    WHOLE,
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
)  # fmt: skip
SHARES = (*BELOW_ONE, "prices.utilisation")
NO_MONEY = (*SHARES, EXCHANGE, "business.videos_per_month", "business.minutes_per_video", "prices.owned.years",
            "prices.owned.hours_a_year", "prices.owned.watts", "prices.owned.pue")  # fmt: skip
FIELDS = ("value", "low", "high", "source", "as_of", "illustrative")
WIDTHS = (2.1, 1.25, 1.1, 1.1, 2.1, 1.75, 0.6)


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
    places = st.columns(WIDTHS, gap="small", vertical_alignment="center")
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
    today = change.as_of if isinstance(change, Amount) else None
    edited = page("assumption.edited_by") + (f", {today}" if today else "")
    for place, field in zip(places[1:], FIELDS, strict=True):
        if field in ("low", "high") and key in WITHOUT_ENDS:
            continue
        draw: Mapping[str, tuple[Callable[..., Any], Mapping[str, Any]]] = {
            "source": (place.text_input, {"placeholder": edited if change else page("assumption.who"),
                                          "max_chars": LONGEST}),
            "as_of": (place.date_input, {"value": None, "format": "YYYY-MM-DD", "min_value": date(1000, 1, 1),
                                         "max_value": date(9999, 12, 31)}),
            "illustrative": (place.checkbox, {}),
        }  # fmt: skip
        number = {"value": None, "step": _step(start.value), "format": "%g", "placeholder": page("assumption.open")}
        box, more = draw.get(field, (place.number_input, number))
        _field(page, key, field, getattr(start, field), box, f"{name}: {page(WORDS[field])}", more)


def _step(value: float | None) -> float:
    """What a click adds: a tenth of the amount's size.

    >>> _step(1500.0), _step(0.05), _step(None)
    (100.0, 0.001, 1.0)
    """
    return 10.0 ** (math.floor(math.log10(value)) - 1) if value else 1.0


WORDS = {
    "value": "column.value", "low": "column.low_input", "high": "column.high_input", "source": "column.source",
    "as_of": "column.as_of", "illustrative": "example.word",
}  # fmt: skip


def _plain_value(page: Page, scenario: Scenario, key: str, places: list[Any], name: str) -> None:
    """What stands without source or range."""
    value: Any = scenario.changes.get(key, standing(page.open.experiment, key))
    place, more = places[1], dict[str, Any]()
    if key in WHOLE:
        draw = place.number_input
        more = {"value": None, "format": "%d", "step": 1, "placeholder": page("assumption.open")}
    elif key in ("prices.rate.unit", "prices.tax_included"):
        options = list(UNITS) if key == "prices.rate.unit" else [True, False]
        words: dict[Any, str] = {unit: page(f"unit.{unit}") for unit in UNITS}
        words |= {True: page("assumption.agreed"), False: page("assumption.denied")}
        draw = place.selectbox
        more = {"options": options, "index": None, "format_func": words.get, "placeholder": page("assumption.open")}
    else:
        draw, more = place.text_input, {"placeholder": "JPY"}
        value = " ".join(f"{each:g}" for each in value) if isinstance(value, tuple) else value or ""
    _field(page, key, "value", value, draw, name, more)


def _field(
    page: Page, key: str, field: str, value: Any, draw: Callable[..., Any], name: str, more: Mapping[str, Any]
) -> None:
    """One field; it begins with what counts, and is the visitor's from then on."""
    at = widget(page.open.id, kept_of(page.open.id).epoch, key, field)
    if at not in st.session_state:
        st.session_state[at] = value
    draw(name, key=at, label_visibility="collapsed", on_change=_edited, args=(page, key), **more)


def widget(run: str, epoch: int, key: str, field: str) -> str:
    """The key of a field's widget."""
    return f"as-{run}-{epoch}-{key}-{field}"


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
        change = _amount_asked(key, values, was) if key in AMOUNTS else _plain_asked(key, values["value"], was)
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
        start = draft_of(was if isinstance(was, Sourced) else None, change if isinstance(change, Amount) else None)
        for field in ("source", "as_of"):
            st.session_state[widget(page.open.id, mine.epoch, key, field)] = getattr(start, field)


def _counting(page: Page, mine: Kept) -> Mapping[str, Change]:
    """The changes that count; none where the URL cannot be read, or asks what this run cannot take."""
    try:
        found = scenario_link.decode(mine.url)
        found.apply(page.open.experiment)
    except ResultsError:
        return {}
    return found.changes


def _amount_asked(key: str, values: Mapping[str, Any], was: Any) -> Amount | None:
    draft = Draft(**{**values, "source": values.get("source") or ""})
    if not draft.source.isprintable():
        raise Unfit(f"{key}.source", "", "text")
    return change_of(draft, was if isinstance(was, Sourced) else None, date.today())


def _plain_asked(key: str, value: Any, was: Any) -> Change | None:
    """A plain value as it was typed; None where it is empty or as declared."""
    asked: Any = value.strip() if isinstance(value, str) else value
    if key == "business.ramp" and asked:
        try:
            asked = tuple(float(each) for each in asked.replace(",", " ").split())
        except ValueError as error:
            raise Unfit(key, asked, "ramp") from error
    elif key.endswith("currency") and asked:
        asked = asked.upper()
    return None if asked in (None, "") or (asked == was and isinstance(asked, bool) == isinstance(was, bool)) else asked


# --- in words -----------------------------------------------------------------------------------------------


def label(t: Teller, key: str, currency: str) -> str:
    """An assumption as people call it, with its unit."""
    name = name_of(t, key)
    if key in SHARES:
        return f"{name} ({t('assumption.share')})"
    return f"{name} ({currency})" if currency and key in AMOUNTS and key not in (*NO_MONEY, HOUR, *OWNED) else name


def name_of(t: Teller, key: str) -> str:
    """An assumption as people call it."""
    last = key.rsplit(".", 1)[-1]
    own = {HOUR: "hour", "prices.rate.unit": "unit", "prices.rate.currency": "hour_currency", "prices.use": "use",
           EXCHANGE: "exchange", "prices.exchange.of": "exchange_of", "prices.currency": "currency",
           "prices.tax_included": "tax_included", "business.ramp": "ramp"}  # fmt: skip
    if key in own or key in OWNED:
        return t(f"assumption_name.{own.get(key, last)}")
    return t.input(last)


def told(t: Teller, key: str, value: Any) -> str:
    """A value of an assumption in words: with its range, or that there is none."""
    if isinstance(value, Sourced):
        if value.value is None:
            return t("assumption.open")
        show = t.percent if key in SHARES else t.number
        span = f" ({show(value.low)} – {show(value.high)})" if value.low is not None else ""
        return f"{show(value.value)}{span}" + (f" {t('example.mark')}" if value.illustrative else "")
    if isinstance(value, bool):
        return t("assumption.agreed") if value else t("assumption.denied")
    if isinstance(value, tuple):
        return " ".join(t.percent(each, 0) for each in value)
    return t("assumption.open") if value is None else str(value)


def rule(page: Page, problem: Unfit, name: str) -> str:
    """What a field's value breaks, and what to do."""
    said = page(f"assumption_rule.{problem.code}", **{key: str(each) for key, each in problem.values.items()})
    return plain(f"{name} {problem.shown}".rstrip() + f": {said} ") + page("assumption.kept")


# --- files --------------------------------------------------------------------------------------------------


def files(page: Page, scenario: Scenario) -> None:
    """Name, download, upload and reset."""
    mine = kept_of(page.open.id)
    left, middle, right = st.columns(3, gap="medium", vertical_alignment="bottom")
    at = widget(page.open.id, mine.epoch, "scenario", "name")
    st.session_state.setdefault(at, mine.name)
    left.text_input(page("assumption.name"), key=at, max_chars=60, on_change=_renamed, args=(page, at))
    middle.download_button(
        page("assumption.download"), scenarios.dump(scenario), f"{page.open.id}-scenario.yaml", "application/yaml",
        key="as-download", on_click="ignore", icon=":material/download:", width="stretch",
    )  # fmt: skip
    right.button(page("assumption.reset"), key="as-reset", on_click=take, args=(page, Scenario()),
                 kwargs={"afresh": True}, disabled=not mine.url and not mine.problems,
                 icon=":material/restart_alt:", width="stretch")  # fmt: skip
    at = widget(page.open.id, mine.epoch, "scenario", "file")
    st.file_uploader(
        page("assumption.upload"), ["yaml", "yml"], key=at, on_change=_uploaded, args=(page, at), max_upload_size=1
    )
    if mine.upload:
        st.error(page("assumption.bad_file", why=plain(mine.upload)), icon=":material/error:")


def _renamed(page: Page, at: str) -> None:
    mine = kept_of(page.open.id)
    mine.name = "".join(letter for letter in st.session_state[at] if letter.isprintable())
    to_url(mine)


def _uploaded(page: Page, at: str) -> None:
    """Take an uploaded scenario; one that cannot be is told, and what counted still does."""
    file = st.session_state[at]
    mine = kept_of(page.open.id)
    mine.upload = ""
    if file is None:
        return
    try:
        take(page, scenarios.load(file.read(scenarios.MOST_BYTES + 1)), afresh=True)
    except ResultsError as error:
        mine.upload = str(error)
