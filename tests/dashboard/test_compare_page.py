"""Compare: its headline recomputed from raw records, losing prompts first, filters, links, and cells of every kind."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import findings as runs
import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard.settings import VARIABLE

PAGE = Path(dashboard.__file__).parent / "app_pages" / "compare.py"
KEYS = {"steadiness": "steadiness[encoder]", "flicker": "flicker", "likeness": "likeness"}


@pytest.fixture
def opened(monkeypatch):
    """Opens the page on a variant, or a folder, in a language with what its URL says."""
    st.cache_resource.clear()
    st.cache_data.clear()

    def open_page(run, lang="en", **url):
        place = run if isinstance(run, Path) else runs.folder(run)
        monkeypatch.setenv(VARIABLE, json.dumps({"runs": str(place)}))
        at = AppTest.from_file(PAGE, default_timeout=90)
        for name, value in {"lang": lang, **url}.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        return at

    return open_page


def cards(at) -> list[str]:
    """The headline numbers as they read, one after the other."""
    body = "".join(each.proto.body for each in at.get("html"))
    return [unescape(each) for each in re.findall(r'class="sn-value">([^<]*)<', body)]


def told(at) -> str:
    """All text of a page, escapes removed."""
    elements = (*at.markdown, *at.caption, *at.subheader, *at.info, *at.warning, *at.error)
    return unescape("\n".join(each.value for each in elements).replace("\\", ""))


def rows(at):
    """The prompts of the table that is shown, in its order."""
    return next(each.value for each in at.dataframe if list(each.value)[-1] == "c7" and "c6" in each.value)


def raw(run, split="confirm"):
    """(arm, prompt, group, repeat) → record, read as plain files."""
    folder = run if isinstance(run, Path) else runs.folder(run)
    found = {}
    for cell in json.loads((folder / "plan.json").read_text("utf-8"))["cells"]:
        path = folder / "cells" / cell["cell"] / "record.json"
        if cell["split"] == split and path.is_file():
            place = cell["arm"], cell["prompt"], cell["group"], cell["repeat"]
            found[place] = json.loads(path.read_text("utf-8"))
    return found


def value(record, outcome) -> float:
    scores = record["scores"]
    if outcome == "acceptance":
        return float(scores["steadiness[encoder]"] >= 0.6 and scores["motion"] >= 0.1)
    return scores[KEYS[outcome]]


def differences(run, arm, against, outcome, group="", split="confirm") -> dict[str, float]:
    """arm − against by prompt: paired by repeat first, then averaged."""
    records, found = raw(run, split), {}
    for (name, prompt, kind, repeat), record in records.items():
        other = records.get((against, prompt, kind, repeat))
        if name == arm and other is not None and group in ("", kind):
            found.setdefault(prompt, []).append(value(record, outcome) - value(other, outcome))
    return {prompt: float(np.mean(each)) for prompt, each in found.items()}


def figure(text: str) -> float:
    return float(re.search(r"[+−-]?[\d.]+", text)[0].replace("−", "-"))


# --- the headline -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "group"), [("acceptance", ""), ("acceptance", "moving"), ("steadiness", ""), ("flicker", "still")]
)
def test_the_headline_is_that_of_raw_records(opened, outcome, group):
    at = opened("complete", a="plain", b="scaling_noise@144", outcome=outcome, group=group)
    by_prompt = differences("complete", "scaling_noise@144", "plain", outcome, group)
    mean = np.mean(list(by_prompt.values()))
    difference, _, prompts, tally = cards(at)
    assert figure(difference) == pytest.approx(100 * mean if outcome == "acceptance" else mean, abs=0.06, rel=2e-3)
    assert int(prompts) == len(by_prompt) == (12 if group else 24)
    gains = np.array(list(by_prompt.values())) * (-1 if outcome == "flicker" else 1)
    counts = [(gains > 1e-12).sum(), (abs(gains) <= 1e-12).sum(), (gains < -1e-12).sum()]
    assert [int(each) for each in re.findall(r"\d+", tally)] == counts


def test_unfiltered_it_is_the_comparison_that_the_report_makes(opened):
    findings = runs.found("complete")
    at = opened("complete")
    each = next(c for c in findings.comparisons if c.primary)
    difference, p, *_ = cards(at)
    assert figure(difference) == pytest.approx(100 * each.difference.mean, abs=0.06)
    assert figure(p) == pytest.approx(each.p, abs=6e-4)
    page = unescape(" ".join(each.proto.body for each in at.get("html")))
    low, high = each.difference.low, each.difference.high
    assert f"{100 * low:+.1f} points to {100 * high:+.1f} points".replace("-", "−") in page
    assert "exploration" not in told(at)


def test_losing_prompts_come_first(opened):
    at = opened("complete", b="scaling_noise@96", outcome="steadiness")
    by_prompt = differences("complete", "scaling_noise@96", "plain", "steadiness")
    assert list(rows(at)["c7"]) == sorted(by_prompt, key=by_prompt.__getitem__)
    assert rows(at)["c1"].iloc[0].startswith("▼")
    at = opened("complete", b="scaling_noise@96", outcome="flicker")  # lower is better
    by_prompt = differences("complete", "scaling_noise@96", "plain", "flicker")
    assert list(rows(at)["c7"]) == sorted(by_prompt, key=lambda prompt: -by_prompt[prompt])


def test_dev_prompts_are_marked_as_having_chosen(opened):
    at = opened("complete", split="dev", b="scaling_noise@192", outcome="steadiness")
    by_prompt = differences("complete", "scaling_noise@192", "plain", "steadiness", split="dev")
    assert figure(cards(at)[0]) == pytest.approx(np.mean(list(by_prompt.values())), rel=6e-3)
    assert "chose the setting" in told(at)


def test_an_outcome_that_was_searched_on_is_marked(opened):
    at = opened("complete", outcome="likeness")
    assert "flatters the search" in told(at)
    assert any("likeness (searched on" in each for each in at.selectbox(key="pick-outcome-en").options)


# --- filters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_filters_that_leave_nothing_say_so(opened, lang):
    at = opened("complete", lang, text="no such words", left="", right="")
    assert ("No prompt meets these filters" if lang == "en" else "条件に合うプロンプトはありません") in told(at)
    assert not cards(at)


def test_only_what_came_out_so(opened):
    at = opened("complete", b="scaling_noise@96", only="lost")
    records = raw("complete")
    lost = {
        prompt for (arm, prompt, kind, repeat), record in records.items()
        if arm == "scaling_noise@96" and value(record, "acceptance") == 0
        and value(records["plain", prompt, kind, repeat], "acceptance") == 1
    }  # fmt: skip
    assert set(rows(at)["c7"]) == lost
    assert lost
    assert "exploration" in told(at)
    assert "not corrected" in " ".join(each.proto.body for each in at.get("html"))


def test_words_of_a_prompt_are_found_in_any_case(opened):
    at = opened("complete", text="RAIN")
    assert len(rows(at)) == 6
    assert all("rain" in each for each in rows(at)["c7"])


def test_a_comparison_that_nobody_declared_is_said_to_be_none(opened):
    at = opened("complete", a="best_of_n", b="plain")
    assert "no declared comparison" in told(at)


# --- links ------------------------------------------------------------------------------------------------


def test_the_url_says_it_all(opened):
    url = {"a": "best_of_n", "b": "scaling_noise@96", "outcome": "flicker", "group": "still", "text": "tea"}
    first, second = opened("complete", **url), opened("complete", **url)
    assert cards(first) == cards(second)
    assert [each.value for each in first.selectbox][:4] == ["best_of_n", "scaling_noise@96", "flicker", "confirm"]
    assert first.text_input(key="text").value == "tea"


def test_choices_go_into_the_url_and_close_the_pair_that_was_open(opened):
    at = opened("complete", left="plain-03-0", right="best_of_n-03-0")
    at.selectbox(key="pick-outcome-en").select("steadiness").run()
    assert not at.exception
    assert at.query_params["outcome"] == "steadiness"
    assert "left" not in at.query_params


def test_a_link_opens_exactly_that_pair(opened):
    at = opened("complete", left="plain-03-1", right="best_of_n-03-1")
    prompt = next(prompt for cell, prompt in _prompts("complete") if cell == "plain-03-1")
    assert f"Prompt: **{prompt}**" in told(at)
    table = next(each.value for each in at.dataframe if "steadiness" in list(each.value["c0"]))
    record = json.loads((runs.folder("complete") / "cells/plain-03-1/record.json").read_text())
    assert figure(table["c1"][0]) == pytest.approx(record["scores"]["steadiness[encoder]"], rel=2e-3)


def test_another_repeat_of_the_prompt_can_be_opened(opened):
    at = opened("complete", b="best_of_n", left="plain-03-1", right="best_of_n-03-1")
    repeats = at.button_group(key="repeat-plain-03-1-best_of_n-03-1")
    assert len(repeats.options) == 2
    repeats.select(1 - repeats.value).run()
    assert not at.exception
    assert at.query_params["left"] == "plain-03-0"
    assert at.query_params["right"] == "best_of_n-03-0"


@pytest.mark.parametrize(("left", "right"), [("no", "plain-03-1"), ("../../x", "<script>"), ("x" * 999, "y")])
def test_unknown_cells_are_said_at_the_place(opened, left, right):
    at = opened("complete", left=left, right=right)
    assert any("There is no cell" in each.value for each in at.error)
    assert len(cards(at)) == 4  # the rest of the page stays
    assert "<script>" not in "".join(each.value for each in at.error)


def test_half_a_link_is_said_to_be_one(opened):
    assert any("both left and right" in each.value for each in opened("complete", left="plain-03-1").error)


def _prompts(variant):
    plan = json.loads((runs.folder(variant) / "plan.json").read_text("utf-8"))
    return [(cell["cell"], cell["prompt"]) for cell in plan["cells"]]


# --- runs of every kind -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize("variant", runs.VARIANTS)
def test_every_kind_of_run_is_shown(opened, variant, lang):
    at = opened(variant, lang, record="A")
    if variant != "empty":
        assert len(cards(at)) == 4
        assert len(rows(at)) > 0


def test_a_prompt_is_text(opened):
    at = opened("awkward", record="B")
    raw_text = runs.VARIANTS["awkward"]["text"]
    assert any(raw_text == each for each in rows(at)["c7"])
    assert all("<script" not in each.value for each in (*at.markdown, *at.caption))
    assert "<script" not in "".join(each.proto.body for each in at.get("html"))
    assert raw_text in told(at)


def test_a_cell_without_video_says_so(opened, tmp_path):
    run = shutil.copytree(runs.folder("awkward"), tmp_path / "awkward")
    for record in run.glob("cells/*/record.json"):  # as a packed run leaves it: the record no longer names the file
        data = json.loads(record.read_text("utf-8"))
        data["files"].pop("video.mp4")
        record.write_text(json.dumps(data), "utf-8")
        (record.parent / "video.mp4").unlink()
    at = opened(run, record="A")
    assert "contact_sheet.png" in "".join(each.proto.body for each in at.get("html"))
    assert "not in this bundle" not in "".join(each.value for each in at.error)
    assert "video.mp4" not in told(at)


def test_a_failed_cell_shows_its_message(opened):
    folder = runs.folder("failing")
    lines = [json.loads(each) for each in (folder / "errors.jsonl").read_text("utf-8").splitlines()]
    by_kind = {line["category"]: line["cell"] for line in lines}
    whole = next(folder.glob("cells/*/record.json")).parent.name
    at = opened("failing", left=by_kind["quality"], right=whole, record="A")
    assert any("latents are NaN at chunk 3" in each.value for each in at.error)
    at = opened("failing", left=by_kind["infrastructure"], right=whole, record="A")
    assert any("out of memory" in each.value for each in at.error)


def test_a_damaged_cell_shows_what_is_wrong(opened, tmp_path):
    run = shutil.copytree(runs.folder("awkward"), tmp_path / "awkward")
    (run / "cells/plain-01-0/record.json").write_text("{", "utf-8")
    at = opened(run, left="plain-01-0", right="scaling_noise-96-01-0", record="A")
    assert any("damaged" in each.value for each in at.error)


def test_everything_about_a_cell(opened):
    at = opened("complete", left="plain-03-1", right="best_of_n-03-1", record="A")
    cells = {str(each) for frame in at.dataframe for each in frame.value.to_numpy().ravel()}
    assert {"searched:likeness", "generate", "versions.python", "no counter here", "two cores"} <= cells
    assert "/cells/complete/plain-03-1/video.mp4" in told(at)


def test_where_no_curve_could_be_fitted_it_is_said(opened):
    assert "no curve, since it ran at 2 budgets" in told(opened("illustrative"))
    assert "予算の水準" in told(opened("illustrative", "ja"))


def test_blind_hides_who_wins(opened):
    at = opened("complete", blind="true")
    assert not cards(at)
    assert all("steadiness" not in each.value for each in at.markdown)
