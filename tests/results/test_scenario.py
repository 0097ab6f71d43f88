"""Scenarios: what is kept of a run, what may change, and that nonsense is one clear line."""

from collections.abc import Callable
from datetime import date

import pytest
import yaml
from findings import folder
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.results import scenario as scenarios
from sn_eval.results.assumption import AMOUNTS, PLAIN, UNITS, WITHOUT_ENDS, Amount, Unfit
from sn_eval.results.experiment import Experiment, Sourced
from sn_eval.results.files import ResultsError
from sn_eval.results.run_folder import RunFolder
from sn_eval.results.scenario import EDITED, Scenario, dump, load, standing

DAY = date(2026, 11, 25)
WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=40).filter(str.isprintable)


def experiment(variant: str = "illustrative") -> Experiment:
    return RunFolder.open(folder(variant)).experiment


def refusal(act: Callable[[], object]) -> str:
    """The line that an act is refused with, "" where it is not."""
    try:
        act()
    except ResultsError as error:
        return str(error)
    return ""


# --- files ------------------------------------------------------------------------------------------------


@st.composite
def amounts(draw, key):
    if key == "prices.owned.pue":
        low, value, high = sorted(draw(st.tuples(*[st.floats(1, 3)] * 3)))
    else:
        low, value, high = sorted(draw(st.tuples(*[st.floats(1e-9, 0.99)] * 3)))
    ends = draw(st.booleans()) and key not in WITHOUT_ENDS
    told = {"low": low, "high": high} if ends else {}
    days, flags = st.none() | st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.none() | st.booleans()
    return Amount(value=value, source=draw(WORDS), as_of=draw(days), illustrative=draw(flags), **told)


SOME = {
    "prices.use": WORDS.filter(bool), "prices.rate.unit": st.sampled_from(UNITS), "prices.tax_included": st.booleans(),
    "business.attempts_cap": st.integers(1, 100), "business.months": st.integers(1, 240),
    "business.fiscal_year_starts": st.integers(1, 12),
    "business.ramp": st.lists(st.floats(0, 1), min_size=1, max_size=9).map(tuple),
}  # fmt: skip


@st.composite
def some_scenarios(draw):
    keys = draw(st.lists(st.sampled_from((*AMOUNTS, *PLAIN)), unique=True, max_size=8))
    currency = st.sampled_from(("JPY", "USD"))
    return draw(WORDS), {key: draw(amounts(key) if key in AMOUNTS else SOME.get(key, currency)) for key in keys}


@given(some_scenarios())
def test_what_is_saved_loads_as_it_was(parts):
    made = Scenario(*parts)
    assert load(dump(made)) == made
    assert load(dump(made).encode()) == made


NONSENSE = {
    "empty": ("", "scenario"),
    "a list": ("[1, 2]", "a list"),
    "no changes": ("scenario: a", "changes"),
    "another key": ("changes: {}\nrules: {chance_of_profit: 0.1}", "changes"),
    "rules": ("changes: {rules.chance_of_profit: {value: 0}}", "no assumption"),
    "a slip": ("changes: {business.revew: {value: 3}}", "business.review"),
    "a bare number": ("changes: {business.review: 3}", "value"),
    "text": ("changes: {business.review: {value: plenty}}", "number"),
    "script": ("changes: {business.review: {value: \"<script>alert('x')</script>\"}}", "number"),
    "true": ("changes: {business.review: {value: true}}", "number"),
    "not finite": ("changes: {business.review: {value: .inf}}", "number"),
    "no number": ("changes: {business.review: {value: .nan}}", "number"),
    "many digits": ("changes: {business.review: {value: " + "9" * 400 + "}}", "10^15"),
    "negative": ("changes: {business.review: {value: -1}}", "0 or more"),
    "a percentage": ("changes: {business.discount: {value: 5}}", "0.05"),
    "order": ("changes: {business.review: {value: 5, low: 6, high: 7}}", "between"),
    "one end": ("changes: {business.review: {value: 5, low: 4}}", "both"),
    "range alone": ("changes: {business.review: {low: 4, high: 5}}", "value"),
    "another field": ("changes: {business.review: {value: 5, max: 9}}", "known"),
    "no day": ("changes: {business.review: {value: 5, as_of: soon}}", "date"),
    "long ago": ("changes: {business.review: {value: 5, as_of: 0001-01-01}}", "date"),
    "a 13th month": ("changes: {business.review: {value: 5, as_of: 2026-13-01}}", "month"),
    "lines": ('changes: {business.review: {value: 5, source: "a\\nb"}}', "line"),
    "endless tries": ("changes: {business.attempts_cap: 1000000000}", "100"),
    "ramp": ("changes: {business.ramp: [0.5, 2]}", "shares"),
    "unit": ("changes: {prices.rate.unit: fortnight}", "GPU-hour"),
    "currency": ("changes: {prices.currency: yen}", "JPY"),
    "alias": ("a: &a {value: 1}\nchanges: {business.review: *a}", "alias"),
    "bomb": ("a: &a [1]\nb: &b [*a, *a]\nchanges: {}", "alias"),
    "tag": ("!!python/object/apply:os.system ['true']", "tag"),
    "twice": ("changes: {business.review: {value: 1}, business.review: {value: 2}}", "twice"),
    "key a list": ("changes: {? [a] : 1}", "no text"),
    "deep": ("[" * 3000, "nested"),
    "no yaml": ("changes: {", "no YAML"),
    "two documents": ("--- 1\n--- 2", "no YAML"),
    "control character": ("\x00", "no YAML"),
    "no text": (b"\xff\xfe\x00\x01", "UTF-8"),
    "large": ("x" * 70_000, "64,000"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_one_line_that_says_what_to_do(case):
    text, word = NONSENSE[case]
    with pytest.raises(ResultsError) as error:
        load(text)
    assert word in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_whatever_is_uploaded_is_a_scenario_or_refused(text):
    assert "\n" not in refusal(lambda: load(text))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9), lambda inner:
                    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*AMOUNTS, *PLAIN, "value", "low")),
                                                                  inner, max_size=3)))  # fmt: skip
def test_whatever_values_stand_in_it_they_fit_or_are_refused(changes):
    text = yaml.safe_dump({"changes": changes})
    assert "\n" not in refusal(lambda: load(text).apply(experiment()))


# --- what becomes of an experiment --------------------------------------------------------------------------


def test_nothing_changed_is_the_experiment_itself():
    for variant in ("illustrative", "minimal", "imported"):
        assert Scenario().apply(experiment(variant)) == experiment(variant)
        assert Scenario().differences(experiment(variant)) == []


@given(some_scenarios())
def test_rules_prompts_and_criteria_never_change(parts):
    before = experiment()
    try:
        after = Scenario(*parts).apply(before)
    except ResultsError:
        return
    for name in Experiment.model_fields:
        if name not in ("prices", "business"):
            assert getattr(after, name) == getattr(before, name)


def test_an_edited_amount_says_who_edited_it_and_when():
    after = Scenario("", {"business.review": Amount(value=400.0, as_of=DAY)}).apply(experiment())
    assert after.business.review == Sourced(value=400.0, source=f"{EDITED}, 2026-11-25", as_of=DAY)


@pytest.mark.parametrize(
    ("flag", "source", "still"),
    [(None, "", True), (None, "HR", True), (False, "", True), (False, "made up for this page", True),
     (False, "HR", False), (True, "HR", True)],
)  # fmt: skip
def test_an_example_stays_one_unless_that_is_denied_and_a_source_given(flag, source, still):
    change = Amount(value=500.0, source=source, illustrative=flag, as_of=DAY)
    after = Scenario("", {"business.videos_per_month": change}).apply(experiment())
    assert after.business.videos_per_month.illustrative is still
    assert ("business.videos_per_month" in after.examples) is still


def test_a_price_of_ones_own_for_an_example_machine_stays_an_example():
    kwh = {"value": 30, "source": "made up", "illustrative": True}
    owned = {"currency": "JPY", **dict.fromkeys(("purchase", "residual", "hours_a_year", "years", "watts", "pue"), kwh)}
    data = experiment().model_dump()
    data["prices"] = {**data["prices"], "rate": None, "owned": {**owned, "kwh": kwh}}
    before = Experiment.model_validate(data)
    rate = {"prices.rate": Amount(value=9.0, as_of=DAY), "prices.rate.unit": "CPU-hour"}
    after = Scenario("", rate).apply(before)
    assert after.prices.owned is None
    assert after.prices.rate.illustrative
    assert Scenario("", {"prices.owned.kwh": Amount(value=40.0)}).apply(before).prices.owned.kwh.value == 40
    with pytest.raises(Unfit, match=r"machine of one's own"):
        Scenario("", {"prices.owned.kwh": Amount(value=40.0)}).apply(experiment())


def test_without_inputs_all_that_is_missing_is_named_and_nothing_invented():
    before = experiment("minimal")
    gaps = Scenario().gaps(before)
    assert {"prices.rate", "prices.utilisation", "business.review", "business.attempts_cap"} <= set(gaps)
    half = Scenario("", {"business.attempts_cap": 3, "business.review": Amount(value=300.0)})
    after = half.apply(before)
    assert after.prices is None
    assert after.business.review.value == 300
    assert after.business.fallback.value is None
    assert set(half.gaps(before)) == set(gaps) - {"business.attempts_cap", "business.review"}


def test_everything_that_is_missing_can_be_entered():
    before = experiment("minimal")
    whole = {
        "prices.rate": Amount(value=8.0, as_of=DAY), "prices.rate.unit": "CPU-hour", "prices.currency": "JPY",
        "prices.tax_included": False, "prices.utilisation": Amount(value=0.5), "business.attempts_cap": 3,
        **{f"business.{name}": Amount(value=0.5) for name in (
            "videos_per_month", "minutes_per_video", "review", "rejection", "fallback", "one_off", "monthly", "discount"
        )},
    }  # fmt: skip
    made = Scenario("", whole)
    assert made.gaps(before) == ()
    after = made.apply(before)
    assert after.prices.rate.currency == "JPY"
    assert after.business.months == 36
    assert {each.key for each in made.differences(before)} == set(whole)
    assert all(each.was is None for each in made.differences(before))


def test_foreign_prices_need_a_dated_exchange():
    rate = experiment().prices.exchange
    after = Scenario("", {"prices.exchange": Amount(value=140.0, as_of=DAY, source="bank")}).apply(experiment())
    assert (after.prices.exchange.of, after.prices.exchange.rate) == (rate.of, 140.0)
    with pytest.raises(Unfit, match="as_of"):
        Scenario("", {"prices.exchange": Amount(value=140.0)}).apply(experiment())


def test_differences_name_what_was_and_what_becomes():
    made = Scenario("", {"business.review": Amount(value=400.0, source="HR"), "business.attempts_cap": 4})
    (found,) = made.differences(experiment())  # the cap is 4 already
    assert (found.key, found.was, found.source) == ("business.review", standing(experiment(), "business.review"), "HR")
    assert found.becomes.value == 400
    assert not found.illustrative


def test_module_has_a_name_for_every_amount_of_the_experiment():
    assert set(scenarios.AMOUNTS) >= {f"business.{name}" for name in experiment().business.amounts()}


def test_a_price_of_ones_own_instead_of_a_listed_one_needs_its_unit():
    data = experiment().model_dump()
    data["prices"] = {**data["prices"], "rate": None, "use": "some-listed-gpu"}
    before = Experiment.model_validate(data)
    rate = Amount(value=9.0, as_of=DAY, source="quotation")
    half = Scenario("", {"prices.rate": rate})
    assert half.gaps(before) == ("prices.rate.unit",)
    assert half.apply(before).prices.use == "some-listed-gpu"
    whole = Scenario("", {"prices.rate": rate, "prices.rate.unit": "CPU-hour"})
    assert whole.gaps(before) == ()
    assert (whole.apply(before).prices.use, whole.apply(before).prices.rate.value) == (None, 9.0)
