"""The ROI page: its figures against sums over the raw records, edits, links, files, and what is missing or nonsense."""

import json
import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import yaml
from findings import NFE, folder
from hypothesis import given
from hypothesis import strategies as some
from scipy.special import betaln
from streamlit.testing.v1 import AppTest

from dashboard import scenario_link
from dashboard.drafts import Draft, change_of, draft_of, number, number_text
from dashboard.settings import VARIABLE, Settings
from sn_eval.present.words import say
from sn_eval.results.assumption import Amount
from sn_eval.results.experiment import Sourced
from sn_eval.results.files import ResultsError
from sn_eval.results.scenario import Scenario, dump, load

PAGE = Path(__file__).parents[2] / "dashboard" / "app_pages" / "roi.py"
PLAIN, SEARCH = "plain", "scaling_noise@96"


@pytest.fixture(autouse=True, scope="module")
def afresh():
    """What other modules kept is none of this one's; the runs here stay as they are, so tests share what is kept."""
    st.cache_resource.clear()
    st.cache_data.clear()


def opened(monkeypatch, variant, lang="en", **query):
    """The page of a run, as a visitor opens its link."""
    monkeypatch.setenv(VARIABLE, json.dumps({"runs": str(folder(variant))}))
    at = AppTest.from_file(str(PAGE), default_timeout=100)
    for name, value in {"lang": lang, "run": variant, **query}.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def url(at) -> str:
    """The scenario in the page's URL."""
    return "".join(at.query_params.get("s", ""))


def words(at) -> str:
    """Everything that stands on the page as text."""
    kinds = ("error", "warning", "info", "caption", "markdown", "title", "subheader")
    told = [element.value for kind in kinds for element in getattr(at, kind)]
    return "\n".join([*told, *(element.proto.body for element in at.get("html"))])


def table(at, *columns):
    """The first table that has these columns, as rows of cells."""
    for frame in at.dataframe:
        config = json.loads(frame.proto.columns)
        titles = [config[name].get("label", "") for name in frame.value.columns]
        if all(any(title.startswith(wanted) for title in titles) for wanted in columns):
            return frame.value.to_numpy().tolist()
    raise AssertionError(f"no table with {columns}")


def field(at, key, name="value"):
    """The widget of a field of the editor."""
    kinds = (at.number_input, at.text_input, at.checkbox, at.date_input, at.selectbox)
    return next(each for kind in kinds for each in kind if (each.key or "").endswith(f"-{key}-{name}"))


# --- the figures, from the raw records ------------------------------------------------------------------------


def records(variant):
    """(plan by cell, record by cell), read as plain JSON."""
    run = folder(variant)
    plan = {cell["cell"]: cell for cell in json.loads((run / "plan.json").read_text("utf-8"))["cells"]}
    found = {path.parent.name: json.loads(path.read_text("utf-8")) for path in run.glob("cells/*/record.json")}
    return plan, found


def compute(variant, arm, hour, minutes):
    """Money for one attempt of production's length: device time at its price, per second of video."""
    plan, found = records(variant)
    rates = []
    for cell, record in found.items():
        if plan[cell]["arm"] == arm and plan[cell]["split"] == "confirm":
            phases = record["cost"]["seconds"]["by_phase"]
            seconds = sum(v for phase, v in phases.items() if phase != "load") * record["environment"]["threads"]
            rates.append(seconds / 3600 * hour / (record["frames"] / record["fps"]))
    return np.mean(rates) * 60 * minutes


def accepted(variant, arm):
    """(accepted, tried) by confirm prompt: steadiness at least 0.6 and motion at least 0.1."""
    plan, found = records(variant)
    counts = {}
    for cell, record in found.items():
        if plan[cell]["arm"] == arm and plan[cell]["split"] == "confirm":
            fine = record["scores"]["steadiness[encoder]"] >= 0.6 and record["scores"]["motion"] >= 0.1
            won, tried = counts.get(plan[cell]["prompt"], (0, 0))
            counts[plan[cell]["prompt"]] = (won + fine, tried + 1)
    return np.array(list(counts.values()), float).T


def tries(won, tried, cap):
    """(E[N], fail) over prompts, of DECISION.md: beta-binomial smoothing, kept by prompt, at most `cap` attempts."""
    mean, rhos = ((won / tried).sum() + 0.5) / (len(tried) + 1), (np.arange(200) + 0.5) / 200
    worth = 1 / rhos - 1
    log = betaln(won[:, None] + mean * worth, (tried - won)[:, None] + (1 - mean) * worth) - betaln(
        mean * worth, (1 - mean) * worth
    )
    likely = np.exp(log.sum(0) - log.sum(0).max())
    strength = 1 / (likely @ rhos / likely.sum()) - 1
    usual = tried.mean()  # half a prompt that always succeeds and half one that never does
    won, tried = np.append(won, [usual, 0]), np.append(tried, [usual, usual])
    weights = np.append(np.ones(len(tried) - 2), [0.5, 0.5]) / (len(tried) - 1)
    first, second = mean * strength + won, (1 - mean) * strength + tried - won
    still = [np.ones(len(tried))]  # chance that none of so many attempts was accepted
    for j in range(cap):
        still.append(still[-1] * (second + j) / (first + second + j))
    return weights @ np.sum(still[:-1], axis=0), weights @ still[-1]


def saving(variant, *, videos, minutes, cap, review, rejection, fallback, hour):
    """V(C₀ − C₁) of DECISION.md."""
    costs = []
    for arm in (PLAIN, SEARCH):
        count, fail = tries(*accepted(variant, arm), cap)
        g = compute(variant, arm, hour, minutes)
        costs.append(count * (g + review) + (count - 1 + fail) * rejection + fail * fallback)
    return videos * (costs[0] - costs[1])


HOUR = 1.6 / 0.5 * 151.2
OWN = {"videos": 400, "minutes": 0.5, "cap": 4, "review": 300, "rejection": 200, "fallback": 30_000, "hour": HOUR}


def npv(month):
    """−I + Σ(ramp·saving − F)/(1+r)^t over 24 months."""
    share = np.array([0.3, 0.6] + [1.0] * 22)
    return -1_500_000 + ((share * month - 80_000) / 1.05 ** (np.arange(1, 25) / 12)).sum()


def test_the_standard_case_is_that_of_the_raw_records(monkeypatch):
    at = opened(monkeypatch, "illustrative")
    standard = table(at, "Scenario")[1]
    month = saving("illustrative", **OWN)
    assert standard[1] == pytest.approx(month)
    assert standard[2] == pytest.approx(npv(month))


def test_the_standard_case_follows_edited_assumptions(monkeypatch):
    edits = (
        "business.review:500,business.videos_per_month:700,business.fallback:20000,business.attempts_cap:3,"
        "prices.rate:3.2~~~2026-11-25"
    )
    at = opened(monkeypatch, "illustrative", s=edits)
    month = saving(
        "illustrative", **{**OWN, "review": 500, "videos": 700, "fallback": 20_000, "cap": 3, "hour": 2 * HOUR}
    )
    standard = table(at, "Scenario")[1]
    assert standard[1] == pytest.approx(month)
    assert standard[2] == pytest.approx(npv(month))


def test_without_any_doubt_the_headline_is_one_sum_and_all_percentiles_are_it(monkeypatch):
    """One attempt, and nothing that a rejection costs: only computing differs, whatever the prompts are."""
    edits = {
        "business.attempts_cap": 1, "business.rejection": Amount(value=0.0), "business.fallback": Amount(value=0.0),
        "business.videos_per_month": Amount(value=1e6), "business.one_off": Amount(value=0.0),
        "business.review": Amount(value=300.0),
    }  # fmt: skip
    at = opened(monkeypatch, "illustrative", s=scenario_link.encode(Scenario("", edits)))
    g = [compute("illustrative", arm, HOUR, 0.5) for arm in (PLAIN, SEARCH)]
    month = 1e6 * (g[0] - g[1])
    standard = table(at, "Scenario")[1]
    assert standard[1] == pytest.approx(month)
    assert standard[2] == pytest.approx(npv(month) + 1_500_000)
    facts = next(body for body in (each.proto.body for each in at.get("html")) if "sn-facts" in body)
    _, first, second, *_ = facts.split("sn-fact ")
    for shown, amount in ((first, month), (second, npv(month) + 1_500_000)):
        text = f"−¥{float(f'{-amount:.2e}'):,.0f}"  # three digits
        assert shown.count(text) == 3  # P50, and P10 to P90 below it


# --- edits ----------------------------------------------------------------------------------------------------


def test_an_edit_recomputes_without_touching_the_run(monkeypatch):
    run = folder("complete")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    at = opened(monkeypatch, "complete")
    own = table(at, "Scenario")[1][1]
    field(at, "business.fallback").set_value("6万").run()
    field(at, "business.fallback", "low").set_value("").run()
    assert at.error  # one end alone, told at its place: the value before counts
    assert "both" not in url(at)
    field(at, "business.fallback", "high").set_value("").run()
    assert not at.exception
    assert not at.error
    assert url(at) == f"business.fallback:60000~~~{date.today()}"
    assert table(at, "Scenario")[1][1] > 1.5 * own
    assert say("en", "assumption.edited_by") in words(at) + str(table(at, "Input", "Run's own", "Edited"))
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_both_verdicts_and_the_differences_stand_side_by_side(monkeypatch):
    at = opened(monkeypatch, "complete", s="business.one_off:900000000000,business.fallback:3000")
    assert not at.exception
    text = words(at)
    for key in ("verdict_own", "verdict_edited", "rules_stay"):
        assert say("en", f"roi_page.{key}") in text
    assert {row[-4] for row in table(at, "Input", "Run's own", "Edited")} == {
        "One-off cost",
        "Producing a video by hand",
    }


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [("business.review", "<script>", "number"), ("business.discount", "5", "below_one"),
     ("business.videos_per_month", "9", "order"), ("business.attempts_cap", "3.5", "whole"),
     ("business.ramp", "120%", "ramp")],
)  # fmt: skip
def test_a_field_that_breaks_a_rule_says_so_and_the_page_stays(monkeypatch, key, value, code):
    at = opened(monkeypatch, "illustrative", "ja")
    own = table(at, "シナリオ")
    field(at, key).set_value(value).run()
    assert not at.exception
    (error,) = at.error
    assert say("ja", f"assumption_rule.{code}", low=1, high=100).split("（")[0] in error.value.replace("\\", "")
    assert url(at) == ""
    assert table(at, "シナリオ") == own


def test_examples_stay_examples_and_never_become_go(monkeypatch):
    """Amounts that would make anything pay, and the marks taken off without a source."""
    edits = "business.videos_per_month:100000~~~~~n,business.fallback:900000,prices.rate:0.1~~~2026-11-25~~n"
    at = opened(monkeypatch, "illustrative", s=edits)
    assert say("en", "example.mark") in words(at)
    assert say("en", "assumption.needs_source") in words(at)
    assert say("en", "roi_page.example_verdict") in words(at)
    assert f"### {say('en', 'verdict.go.title')}" not in words(at)
    (kind,) = {row[0] for row in table(at, "Input", "Run's own", "Edited") if row[1] == "Videos a month"}
    assert kind == say("en", "example.mark")


def test_an_example_with_a_source_of_ones_own_is_none_any_more(monkeypatch):
    edits = "business.videos_per_month:400~~~2026-11-25~planning~n,prices.rate:1.6~~~2026-11-25~quotation~n"
    at = opened(monkeypatch, "illustrative", s=edits)
    facts = next(body for body in (each.proto.body for each in at.get("html")) if "sn-facts" in body)
    assert "example" not in facts
    assert say("en", "assumption.needs_source") not in words(at)


def test_typing_what_was_declared_takes_the_edit_back(monkeypatch):
    at = opened(monkeypatch, "complete")
    field(at, "business.monthly").set_value("90,000").run()
    assert field(at, "business.monthly", "source").value == ""
    assert field(at, "business.monthly", "as_of").value == date.today().isoformat()
    field(at, "business.monthly").set_value("80000").run()
    assert url(at) == ""
    assert field(at, "business.monthly", "source").value == "planning department, interview"


def test_reset_brings_back_the_runs_own(monkeypatch):
    at = opened(monkeypatch, "complete", s="business.monthly:1", scenario="cheap")
    assert "cheap" in words(at)
    next(each for each in at.button if each.key == "as-reset").click().run()
    assert not at.exception
    assert url(at) == ""
    assert field(at, "business.monthly").value == "80,000"
    assert say("en", "roi_page.verdict_edited") not in words(at)


# --- links and files --------------------------------------------------------------------------------------------


@given(
    some.dictionaries(
        some.sampled_from(("business.review", "business.tax", "prices.utilisation")),
        some.builds(Amount, value=some.floats(1e-6, 0.99), source=some.text(max_size=20).filter(str.isprintable),
                    as_of=some.none() | some.dates(date(1900, 1, 1), date(2200, 1, 1)),
                    illustrative=some.none() | some.booleans()),
    ),
    some.lists(some.floats(0, 1), min_size=1, max_size=5).map(tuple),
)  # fmt: skip
def test_a_link_reproduces_a_scenario(amounts, ramp):
    made = Scenario("", {**amounts, "business.ramp": ramp, "business.months": 12, "prices.tax_included": True})
    assert scenario_link.decode(scenario_link.encode(made)) == made


@given(some.text(max_size=60))
def test_whatever_stands_in_a_link_is_a_scenario_or_refused(text):
    for asked in (text, f"business.review:{text}", f"business.ramp:{text}", f"business.months:{text}"):
        try:
            found = scenario_link.decode(asked)
        except ResultsError as error:
            found = str(error)
        assert "\n" not in str(found)


BAD_LINKS = (
    "nonsense", "business.review:x", "business.review:-1", "rules.confidence:0.6", "a" * 9000, "business.review:1e999",
    "../../etc/passwd", "business.attempts_cap:100000000", "business.review:1,business.review:2",
    "business.review:1~2~3~4~5~6~7", "business.ramp:2", "prices.rate.unit:week", "business.review:1~~~2026-13-01",
)  # fmt: skip


@pytest.mark.parametrize("asked", BAD_LINKS)
def test_a_bad_link_is_one_line(asked):
    with pytest.raises(ResultsError) as error:
        scenario_link.decode(asked)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("asked", ["business.review:<script>alert(1)</script>", "prices.owned.kwh:30"])
def test_a_bad_link_is_told_and_the_runs_own_inputs_are_shown(monkeypatch, asked):
    at = opened(monkeypatch, "illustrative", s=asked)
    (error,) = at.error
    assert "<script>" not in error.value
    assert table(at, "Scenario")[1][1] == pytest.approx(saving("illustrative", **OWN))
    field(at, "business.monthly").set_value("1").run()  # and the page can be used
    assert not at.exception
    assert not at.error
    assert url(at).startswith("business.monthly:1")


def test_a_saved_scenario_is_loaded(monkeypatch):
    at = opened(monkeypatch, "illustrative")
    made = Scenario("twice the fallback", {"business.fallback": Amount(value=60_000.0, source="agency")})
    at.file_uploader[0].set_value(("a.yaml", dump(made).encode(), "application/yaml")).run()
    assert not at.exception
    assert "twice the fallback" in words(at)
    assert table(at, "Scenario")[1][1] == pytest.approx(saving("illustrative", **{**OWN, "fallback": 60_000}))
    assert field(at, "business.fallback").value == "60,000"


@pytest.mark.parametrize("text", ["a: &a [1]\nchanges: *a", "\x00", "changes: {prices.owned.kwh: {value: 3}}"])
def test_a_file_of_nonsense_is_told_at_its_place_and_the_page_stays(monkeypatch, text):
    at = opened(monkeypatch, "illustrative", s="business.monthly:1")
    at.file_uploader[0].set_value(("a.yaml", text.encode(), "application/yaml")).run()
    assert not at.exception
    (error,) = at.error
    assert error.value.startswith("This file cannot be used")
    assert url(at) == "business.monthly:1"


def test_names_are_shown_literally(monkeypatch):
    at = opened(monkeypatch, "illustrative", s="business.monthly:1~~~~<script>", scenario="<script>[a](b)")
    assert "<script>" not in "\n".join(each.value for each in at.info)


def test_another_run_has_its_own_edits(monkeypatch, tmp_path):
    for name in ("complete", "illustrative"):
        os.symlink(folder(name), tmp_path / name)
    Settings(runs=str(tmp_path)).export()
    monkeypatch.setenv(VARIABLE, json.dumps({"runs": str(tmp_path)}))
    at = AppTest.from_file(str(PAGE), default_timeout=100)
    at.query_params["run"] = "complete"
    at.query_params["lang"] = "en"
    at.query_params["s"] = "business.monthly:1"
    at.run()
    at.query_params["run"] = "illustrative"
    at.run()
    assert url(at) == ""
    assert field(at, "business.monthly").value == "80,000"
    at.query_params["run"] = "complete"
    at.run()
    assert url(at) == "business.monthly:1"
    assert field(at, "business.monthly").value == "1"


# --- runs of every kind -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize("variant", ["no_acceptance", "imported", "imported_unpriced", "awkward", "no_better"])
def test_every_kind_of_run_opens(monkeypatch, variant, lang):
    at = opened(monkeypatch, variant, lang)
    assert not at.error
    assert at.title[0].value == say(lang, "pages.roi.title")


def test_a_run_without_money_names_what_is_missing_and_invents_nothing(monkeypatch):
    at = opened(monkeypatch, "minimal")
    told = next(each.value for each in at.warning if each.value.startswith("Fill these in"))
    for name in ("Reviewing an attempt", "Price of a device-hour", "Attempts a video, at most"):
        assert name in told
    assert all(each.value == "" for each in at.text_input if "-business." in each.key and "months" not in each.key
               and "fiscal" not in each.key)  # fmt: skip
    assert not any("sn-facts" in each.proto.body for each in at.get("html"))


def test_a_run_without_money_is_priced_field_by_field(monkeypatch):
    values = {
        "videos_per_month": 400.0, "minutes_per_video": 0.5, "attempts_cap": 4, "review": 300.0, "rejection": 200.0,
        "fallback": 30_000.0, "one_off": 1_500_000.0, "monthly": 80_000.0, "discount": 0.05,
    }  # fmt: skip
    at = opened(monkeypatch, "unpriced")
    for key, value in values.items():
        field(at, f"business.{key}").set_value(str(value)).run()
    field(at, "prices.currency").set_value("jpy").run()
    field(at, "prices.tax_included").set_value(False).run()
    field(at, "prices.utilisation").set_value("50%").run()
    field(at, "prices.rate").set_value("241.92").run()  # 1.6 dollars
    field(at, "prices.rate.unit").set_value("CPU-hour").run()
    assert not at.exception
    assert not at.error
    own = {**OWN, "videos": 400}
    assert table(at, "Scenario")[1][1] == pytest.approx(saving("unpriced", **own))
    again = opened(monkeypatch, "unpriced", s=url(at))
    assert table(again, "Scenario")[1][1] == pytest.approx(saving("unpriced", **own))


def test_the_map_shows_other_inputs(monkeypatch):
    at = opened(monkeypatch, "complete", x="review", y="fallback")
    chosen = {each.label: each.value for each in at.selectbox}
    assert (chosen["Across"], chosen["Upwards"]) == ("review", "fallback")
    at = opened(monkeypatch, "complete", x="<script>", y="hour_price")
    assert not at.exception


# --- fields ----------------------------------------------------------------------------------------------------

DECLARED = Sourced(value=30.0, low=20.0, high=60.0, source="HR", as_of=date(2026, 1, 1), illustrative=True)
TODAY = date(2026, 11, 25)


def test_untouched_fields_are_no_change():
    assert change_of(draft_of(DECLARED, None), DECLARED, TODAY) is None
    assert change_of(draft_of(None, None), None, TODAY) is None


def test_fields_of_a_change_are_that_change():
    change = Amount(value=40.0, low=20.0, high=60.0, source="agency", as_of=date(2026, 2, 2), illustrative=False)
    assert change_of(draft_of(DECLARED, change), DECLARED, TODAY) == change


def test_new_numbers_do_not_borrow_the_old_source_or_day():
    draft = Draft(40.0, 20.0, 60.0, "HR", date(2026, 1, 1), True)
    assert change_of(draft, DECLARED, TODAY) == Amount(value=40.0, low=20.0, high=60.0, as_of=TODAY)


def test_a_saved_file_is_plain_yaml():
    made = Scenario("a", {"business.review": Amount(value=1.0, as_of=TODAY), "business.ramp": (0.5, 1.0)})
    data = yaml.safe_load(dump(made))
    assert data["changes"]["business.ramp"] == [0.5, 1.0]
    assert load(dump(made)) == made
    assert set(NFE) >= {PLAIN, SEARCH}


@given(some.floats(0, 1e15) | some.floats(0, 1), some.sampled_from(("business.review", "business.tax")))
def test_a_field_shows_exactly_the_number_that_counts(value, key):
    assert number(key, number_text(key, value)) == value


@given(some.text(max_size=12))
def test_whatever_is_typed_is_a_number_or_refused(text):
    try:
        found = number("business.review", text)
    except ResultsError as error:
        found = str(error)
    assert found is None or isinstance(found, float) or "number" in found


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("1,234.5", 1234.5), ("150万", 1.5e6), ("１．５億", 1.5e8), ("1e3", 1000), (".5", 0.5), ("−3", -3)],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, value):
    assert number("business.review", text) == pytest.approx(value)
