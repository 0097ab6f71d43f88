"""Experiment files: what is accepted, and that each mistake is one line that names its place."""

import contextlib
import re
from datetime import date

import pytest
import yaml
from experiment_files import FULL, SMALL, line_of
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sn_eval.results.experiment import Experiment
from sn_eval.results.experiment_file import load_experiment, parse_experiment
from sn_eval.results.files import ResultsError


def refused(text: str, name: str = "a.yaml") -> str:
    """The one line that the text is refused with."""
    with pytest.raises(ResultsError) as error:
        parse_experiment(text, name)
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(old: str, new: str) -> str:
    assert FULL.count(old) == 1, old
    return FULL.replace(old, new)


# --- what is accepted -------------------------------------------------------------------------------------


def test_a_full_file_becomes_the_experiment_it_declares():
    found = parse_experiment(FULL, "a.yaml")
    assert [m.label for m in found.methods] == ["plain", "bon", "scaling_noise"]
    assert [e.label for e in found.evaluators] == ["anchor", "motion_floor"]
    assert found.prompts[2].schedule == ("a red ball rolls to the left", "a red ball lies still")
    assert found.prompts[0].split == "confirm"
    assert found.prices is not None
    assert found.prices.exchange is not None
    assert found.prices.exchange.on == date(2026, 3, 2)  # YAML 1.1 reads the key `on` as true
    assert found.model.params == {"on": True}
    assert found.notes == {"asked_by": "somebody", "on": "2026-04-01"}


def test_it_says_the_same_as_the_model_itself_does_of_the_data():
    assert parse_experiment(SMALL, "a.yaml") == Experiment.model_validate(yaml.safe_load(SMALL))


def test_a_file_with_a_byte_order_mark_loads(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + FULL.encode())
    assert load_experiment(path) == parse_experiment(FULL, "a.yaml")


def test_parts_may_be_shared_by_anchors():
    text = changed("  review: {value: 500", "  review: &wages {value: 500").replace(
        "rejection: {value: 200, source: wages}", "rejection: {<<: *wages, value: 200}"
    )
    assert parse_experiment(text, "a.yaml") == parse_experiment(FULL, "a.yaml")


# --- one wrong thing, its line and its rule -----------------------------------------------------------------

WRONG = [
    ("at_most: 1.0", "at_mots: 1.0", "acceptance[0].at_mots: unknown key; did you mean 'at_most'?; known here: eval"),
    ("params: {beams: 1}", "beams: 1", "methods[2].beams: unknown key; known here: use, params, name, budget; what be"),
    ("unit: videos", "unit: video", "budget.unit: 'video' is none of nfe, videos; did you mean 'videos'?"),
    ("unit: GPU-hour", "unit: gpu-hours", "prices.rate.unit: 'gpu-hours' is none of GPU-hour, CPU-hour, machine-hour"),
    ("currency: JPY", "currency: yen", "prices.currency: 'yen' must be a currency of three capital letters"),
    ("confidence: 0.95", "confidence: 95", "rules.confidence: '95' must be below 1: a share, so 95 % is 0.95"),
    ("ramp: [0.5", "ramp: [50", "business.ramp[0]: '50' must be 1 or less: a share, so 50 % is 0.5"),
    ("{value: 500, source", "{value: 500円, source", "business.review.value: '500円' must be a number, without unit"),
    ("attempts_cap: 4", "attempts_cap: 4.5", "business.attempts_cap: '4.5' must be a whole number"),
    ("attempts_cap: 4", "attempts_cap: 0", "business.attempts_cap: '0' must be 1 or more"),
    ("within: 0.05", "within: .nan", "budget.within: .nan is no number; write null where it is unknown"),
    ("within: 0.05", "within: yes", "budget.within: true or false stands where a number should"),
    ("seeds: [0, 1]", "seeds: [0, true]", "seeds[1]: true or false stands where a number should"),
    ("seeds: [0, 1]", "seeds: 0", "seeds: '0' must be a list"),
    ("seeds: [0, 1]", "seeds: [1, 1]", "seeds: seeds [1, 1] name one seed twice"),
    ("allow_same_family: false", "allow_same_family: maybe", "allow_same_family: 'maybe' must be true or false"),
    ("name: full-example", "name: 東京", "name: '東京' must be letters, digits and . _ -"),
    ("about: Does the search pay?", "about: 5", "about: '5' must be text; put it in quotes"),
    ("baseline: plain", "baseline: plane", "baseline: baseline 'plane' is not among the methods"),
    ("method: bon", "method: bom", "primary[0].method: primary.method 'bom' is not among"),
    ("outcome: acceptance", "outcome: ancor", "primary[0].outcome: 'ancor' is no evaluator of this experiment"),
    ("evaluator: anchor", "evaluator: ancor", "acceptance[0].evaluator: 'ancor' is no evaluator"),
    ("evaluator: motion_floor", "evaluator: motion", "rules.no_worse[0].evaluator: 'motion' is no evaluator"),
    ("outcome: acceptance", "outcome: aceptance", "no evaluator of this experiment; known: acceptance, anchor"),
    ("minimum_effect: 0.1", "minimum_effect: 10", "primary[0].minimum_effect: 10 of acceptance: must be below 1; ten"),
    ("discount: {value: 0.05", "discount: {value: 5", "business.discount.value: discount 5: a share from 0 to below 1"),
    ("groups: [turning, story]", "groups: [turnin]", "acceptance[0].groups: acceptance names group 'turnin'"),
    ("at_least: 0.8", "at_least: 1.8", "acceptance[0].at_least: criterion on 'anchor': at_least 1.8 is above 1.0"),
    ("amounts: [2, 4]", "amounts: [two]", "budget.amounts[0]: 'two' must be a number"),
    ("amounts: [2, 4]", "amounts: [2, 2]", "budget.amounts: amounts [2.0, 2.0] name one budget twice"),
    ("amounts: [2, 4]", "amounts: []", "budget.amounts: a list must hold at least 1"),
    ("at: [0.5, 1]", "at: [0.5, 0.9]", "looks.at: looks at [0.5, 0.9]: give rising shares that end with 1"),
    ("low: 30000", "low: 90000", "business.fallback.low: low 90000.0, value 50000.0, high 80000.0: they must rise"),
    ("value: 0.7, low: 0.5, high: 0.9", "value: 70", "prices.utilisation.value: utilisation 70.0: a share above 0"),
    ("{value: 500, source: wages}", "500", "business.review: '500' does not say where it comes from; write {"),
    ("    split: dev", "    split: def", "prompts[1].split: 'def' is none of dev, confirm; did you mean 'dev'?"),
    ("text: two things happen", "text: '  '", "prompts[2].text: '  ' must not be blank"),
    ("on: 2026-03-02", "on: 2026-02-31", "prices.exchange.on: '2026-02-31' is no value that exists"),
    ("on: 2026-03-02", "on: April", "prices.exchange.on: 'April' must be a date, e.g. 2026-04-01"),
    ("rate: 150", "rate: -1", "prices.exchange.rate: '-1' must be above 0"),
    ("about: Does the search pay?", "name: again", "name: stands twice, first on line 2; delete one"),
    ("about: Does the search pay?", "about: !!python/name:os.abort x", "'tag:yaml.org,2002:python/name:os.abort' is"),
    ("within: 0.05", "\twithin: 0.05", "a tab; YAML is indented by spaces: replace it"),
    ("about: Does the search pay?", "? [a]\n: b", "a list or mapping stands where a key should"),
    ("about: Does the search pay?", "about: what: now", "no YAML: mapping values are not allowed here"),
    ("about: Does the search pay?", "about: &a [*a]", "refers to itself: write it out"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), WRONG)
def test_one_wrong_thing_is_told_at_its_line(old, new, said):
    line = line_of(FULL, old)
    message = refused(changed(old, new))
    assert message.startswith(f"a.yaml, line {line}")
    assert said in message
    assert " more: " not in message


@pytest.mark.parametrize(
    ("gone", "place", "said"),
    [
        ("name: full-example\n", "", "name: is missing; add name: …"),
        ("  tax_included: false\n", "prices:", "prices.tax_included: is missing; add tax_included: true or false"),
        ("  attempts_cap: 4\n", "business:", "business.attempts_cap: is missing"),
        ("  monthly: {value: 20000, source: plan}\n", "business:", 'add monthly: {value: …, source: "who says so"}'),
        (", source: last month", "utilisation: ", "prices.utilisation.source: is missing"),
        ("    at_least: 0.8\n    at_most: 1.0\n", "- evaluator: anchor", "acceptance[0]: criterion on 'anchor' has no"),
        ("    split: dev\n", "prompts:", "prompts: 4 settings compete and no prompt has split: dev"),
    ],
)
def test_what_is_missing_is_told_at_the_part_that_lacks_it(gone, place, said):
    text = changed(gone, "").replace("    method: bon\n", "")
    line = 2 if said.startswith("name") else line_of(text, place)  # the first line is a comment
    message = refused(text)
    assert message.startswith(f"a.yaml, line {line}, ")
    assert said in message


def test_two_of_one_name_are_told_at_the_second():
    message = refused(changed("    name: bon", "    name: plain"))
    assert message == f"a.yaml, line {line_of(FULL, 'use: best_of_n')}, methods[1]: methods: 'plain' stands twice; " + (
        "give one a name of its own"
    )


def test_prices_say_which_of_three_sources_they_need():
    start = FULL.index("  rate:\n    value")
    none = FULL[:start] + FULL[FULL.index("  utilisation:") :]
    assert "line 61, prices: prices need one of use, rate, owned; given: none" in refused(none)
    both = changed("prices:\n", "prices:\n  use: some_id\n")
    assert "line 63, prices.rate: prices need one of use, rate, owned; given: use, rate" in refused(both)


def test_the_first_problem_is_told_and_the_others_by_their_lines():
    text = changed("within: 0.05", "within: 5").replace("spending: pocock", "spending: rarely").replace("about", "abot")
    message = refused(text)
    assert message.startswith("a.yaml, line 3, abot: unknown key; did you mean 'about'?")
    assert message.endswith("; and 2 more: line 24, budget.within, line 52, looks.spending")
    many = "".join(f"x{i}: 1\n" for i in range(9)) + SMALL
    assert refused(many).endswith("line 6, x5, …")


# --- what is no experiment at all ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yaml, line 1: the file is empty; sn-eval poc new FILE writes one"),
        ("# only a comment\n", "the file is empty"),
        ("\n- a\n", "a.yaml, line 2: a list, and an experiment is keys with values"),
        ("name：x", "each key needs ': ' (half-width) behind it"),
        ("name: x\n\x00", "a.yaml, line 2: a control character"),
        ("name: x\nseeds: [1,\n", "a.yaml, line 3: no YAML"),
        ("name: a\n---\nname: b\n", "a.yaml, line 2: no YAML: but found another document"),
        ("[" * 3000, "a.yaml: nested too deeply"),
        ("a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 8)}]\n" for i in range(8)
        ), "more than 20,000 values"),
    ],
)  # fmt: skip
def test_what_is_no_experiment_is_one_clear_line(text, said):
    assert said in refused(text)


def test_files_that_cannot_be_read_are_one_clear_line(tmp_path):
    with pytest.raises(ResultsError, match="no experiment at .*gone.yaml: name a YAML file; sn-eval poc new"):
        load_experiment(tmp_path / "gone.yaml")
    with pytest.raises(ResultsError, match="cannot read .*Is a directory"):
        load_experiment(tmp_path)
    path = tmp_path / "sjis.yaml"
    path.write_bytes(b"name: a\nabout: " + "実験".encode("cp932"))
    with pytest.raises(ResultsError, match=r"sjis.yaml, line 2: byte 0x8e is no UTF-8; save the file as UTF-8"):
        load_experiment(path)


@pytest.mark.parametrize("kind", ["bytes", "text"])
@settings(max_examples=50)
@given(data=st.data())
def test_whatever_stands_there_is_one_line_or_an_experiment(kind, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "noise.yaml"
    if kind == "bytes":
        path.write_bytes(data.draw(st.binary(max_size=80)))
    else:
        lines = FULL.split("\n")
        place = data.draw(st.integers(0, len(lines) - 1))
        lines[place] = data.draw(st.text(max_size=20))
        path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    with contextlib.suppress(ResultsError):
        load_experiment(path)


# --- any typing error in any key ----------------------------------------------------------------------------

KEY = re.compile(r"(?<=[ {])([a-z_]+)(?=: )|^ *(?:- )?([a-z_]+)(?=:)", re.MULTILINE)


def keys() -> list[tuple[int, int]]:
    """Start and end of every key of FULL that a rule knows."""
    found = []
    for match in KEY.finditer(FULL):
        group = 1 if match.group(1) else 2
        start, end = match.span(group)
        line = FULL[FULL.rfind("\n", 0, start) + 1 : start]
        free = "params: {" in line or start > FULL.index("\nnotes:") + 7 or FULL[start - 1] == "#"
        if not free and not line.startswith("#"):
            found.append((start, end))
    return found


KEYS = keys()


def test_the_example_has_many_keys():
    assert len(KEYS) > 120
    assert {FULL[a:b] for a, b in KEYS} >= {"name", "use", "on", "of", "source", "evaluator", "params", "notes", "at"}


def typos(key: str) -> st.SearchStrategy[str]:
    letters = "abcdefghijklmnopqrstuvwxyz_"
    place = st.integers(0, len(key) - 1)
    return st.one_of(
        place.map(lambda i: key[:i] + key[i + 1 :]),
        st.builds(lambda i, c: key[:i] + c + key[i:], place, st.sampled_from(letters)),
        st.builds(lambda i, c: key[:i] + c + key[i + 1 :], place, st.sampled_from(letters)),
        place.map(lambda i: key[:i] + key[i : i + 2][::-1] + key[i + 2 :]),
    )


@given(data=st.data())
def test_a_typing_error_in_any_key_is_told_at_its_line(data):
    start, end = data.draw(st.sampled_from(KEYS))
    key = FULL[start:end]
    typo = data.draw(typos(key))
    known = {FULL[a:b] for a, b in KEYS}
    assume(typo and typo not in known)
    message = refused(FULL[:start] + typo + FULL[end:])
    line = FULL.count("\n", 0, start) + 1
    assert message.startswith(f"a.yaml, line {line}, ")
    assert f"{typo}: unknown key" in message
    assert "known here: " in message
    if len(key) > 3:
        assert f"did you mean '{key}'?" in message


@example(bad=5)
@given(bad=st.integers(3, 60))
def test_a_wrong_prompt_among_many_is_told_at_its_line(bad):
    lines = [f"  - prompt number {i}" for i in range(61)]
    lines[bad] = "  - 7"
    text = SMALL[: SMALL.index("prompts:")] + "prompts:\n  - {text: dev, split: dev}\n" + "\n".join(lines) + "\n"
    assert refused(text).startswith(f"a.yaml, line {text[: text.index('  - 7')].count(chr(10)) + 1}, ")
