"""The first page: its headline numbers recomputed from raw records, and what it says of runs of every kind."""

import json
import re
from html import unescape
from pathlib import Path

import findings as runs
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard.settings import VARIABLE
from sn_eval.present.report.build import build
from sn_eval.present.report.model import Figure

FRAME = Path(dashboard.__file__).with_name("app.py")
PAGE = FRAME.parent / "app_pages" / "decision.py"
YEN_AN_HOUR = 1.6 / 0.5 * 151.2  # of tests/findings.py: list price ÷ utilisation × exchange


@pytest.fixture
def opened(monkeypatch):
    """Opens the page on a variant in a language."""

    def open_page(variant, lang="en", file=PAGE):
        monkeypatch.setenv(VARIABLE, json.dumps({"runs": str(runs.folder(variant))}))
        at = AppTest.from_file(file, default_timeout=90)
        at.query_params["lang"] = lang
        at.run()
        assert not at.exception
        return at

    return open_page


def pages(at) -> str:
    """All HTML of a page, as it reads."""
    body = re.sub(r"</?span[^>]*>", "", " ".join(each.proto.body for each in at.get("html")))
    return unescape(re.sub(r"<[^>]+>", " ", body))


def told(at) -> str:
    """All Markdown of a page, escapes removed."""
    elements = (*at.markdown, *at.caption, *at.subheader, *at.header, *at.warning)
    return unescape("\n".join(each.value for each in elements).replace("\\", ""))


def raw(variant):
    """(arm, split, prompt, record) of every finished cell, read as plain files."""
    folder = runs.folder(variant)
    plan = json.loads((folder / "plan.json").read_text("utf-8"))
    for cell in plan["cells"]:
        path = folder / "cells" / cell["cell"] / "record.json"
        if path.is_file():
            yield cell["arm"], cell["split"], cell["prompt"], json.loads(path.read_text("utf-8"))


def accepted(record) -> bool:
    return record["scores"]["steadiness[encoder]"] >= 0.6 and record["scores"]["motion"] >= 0.1


def by_prompt(variant, arm) -> dict[str, float]:
    """Acceptance of each confirm prompt."""
    found: dict[str, list[bool]] = {}
    for name, split, prompt, record in raw(variant):
        if name == arm and split == "confirm":
            found.setdefault(prompt, []).append(accepted(record))
    return {prompt: float(np.mean(values)) for prompt, values in found.items()}


def yen_an_accepted_minute(variant, arm) -> float:
    """Money for generating and decoding every attempt, by the minutes of what was accepted."""
    records = [record for name, split, _, record in raw(variant) if name == arm and split == "confirm"]
    phases = [record["cost"]["seconds"]["by_phase"] for record in records]
    seconds = sum(phase["generate"] + phase["decode"] for phase in phases)  # loading is no part of a video
    minutes = sum(record["frames"] / record["fps"] / 60 for record in records if accepted(record))
    return float(seconds / 3600 * YEN_AN_HOUR / minutes)


@pytest.mark.parametrize("variant", ["complete", "illustrative", "no_better"])
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_the_headline_numbers_are_those_of_the_records(opened, variant, lang):
    at = opened(variant, lang)
    arm = runs.found(variant).verdict.arm
    plain, judged = by_prompt(variant, "plain"), by_prompt(variant, arm)
    uplift = 100 * np.mean([judged[prompt] - plain[prompt] for prompt in plain])
    shown = re.search(r"([+−][\d.]+) ?(?:points|ポイント)", pages(at))
    assert float(shown[1].replace("−", "-")) == pytest.approx(uplift, abs=0.051)
    cost, before = (yen_an_accepted_minute(variant, name) for name in (arm, "plain"))
    for value in (cost, before):
        text = f"{value:#.3g}"
        assert (f"¥{text}" if lang == "en" else f"{text}円") in pages(at)


@pytest.mark.parametrize("variant", list(runs.VARIANTS))
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_runs_of_every_kind_have_a_page(opened, variant, lang):
    at = opened(variant, lang)
    assert "<script" not in " ".join(each.value for each in at.markdown)
    assert "{" not in pages(at)
    if variant != "empty":
        assert len(at.get("download_button")) >= 7


@pytest.mark.parametrize(("variant", "decision", "sign"), [
    ("complete", "go", "✓"), ("illustrative", "conditional", "△"), ("no_better", "continue", "→"),
    ("failing", "invalid", "!"),
])  # fmt: skip
def test_the_verdict_is_a_sign_and_words(opened, variant, decision, sign):
    found = runs.found(variant)
    assert found.verdict.decision == decision
    words = pages(opened(variant))
    names = {"go": "Go: adopt", "conditional": "Conditional", "continue": "too early", "invalid": "Invalid"}
    assert sign in words
    assert names[decision] in words


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_an_unfinished_run_has_counts_and_no_verdict(opened, lang):
    at, run = opened("provisional", lang), runs.found("provisional").run
    words = pages(at)
    count = {"en": f"{run.done}/{run.planned} cells, provisional", "ja": f"{run.planned}件中{run.done}件"}[lang]
    assert count in words
    assert "sn-tone" not in " ".join(each.proto.body for each in at.get("html"))
    report = build(runs.found("complete"), lang)
    assert report.headline not in words
    assert not any(header.value in ("The setting to adopt", "採用する設定") for header in at.header)


def test_the_range_of_savings_stands_among_the_numbers(opened):
    found = runs.found("complete").roi
    words = pages(opened("complete"))
    assert "Saved a month" in words
    [low, high] = re.search(r"10 to 90 % range: ([+−]¥[\d,]+) to ([+−]¥[\d,]+)", words).groups()
    room = 0.15 * abs(found.monthly_saving.p90)  # the page draws 10,000 times, `found` 400 times
    for text, value in ((low, found.monthly_saving.p10), (high, found.monthly_saving.p90)):
        assert float(re.sub(r"[¥,]", "", text).replace("−", "-")) == pytest.approx(value, abs=room)


def test_without_an_roi_no_saving_is_told(opened):
    assert "Saved a month" not in pages(opened("unpriced"))


@pytest.mark.parametrize(("lang", "name"), [("ja", "最大のリスク"), ("en", "Biggest risk")])
def test_the_biggest_risk_names_where_it_lost_most(opened, lang, name):
    at = opened("complete", lang)
    judged = by_prompt("complete", runs.found("complete").verdict.arm)
    plain = by_prompt("complete", "plain")
    worst = min(judged[prompt] - plain[prompt] for prompt in plain)
    losing = [prompt for prompt in plain if judged[prompt] < plain[prompt]]
    assert name in [each.value for each in at.subheader]
    words = told(at)
    assert any(prompt in words for prompt in losing if judged[prompt] - plain[prompt] == worst)
    assert f"−{-100 * worst:.1f}" in words
    assert re.search(rf"on {len(losing)} of {len(plain)}|{len(plain)}件のうち{len(losing)}件", words)


def test_the_pairs_that_lost_lead_to_the_page_that_plays_them(opened):
    at = opened("complete", file=FRAME)
    first = runs.found("complete").losing[0]
    links = [each.proto for each in at.get("page_link")]
    asked = [link.query_string for link in links if "left=" in link.query_string]
    assert f"left={first.cells[0][0]}" in asked[0]
    assert f"right={first.cells[1][0]}" in asked[0]
    assert "lang=en" in asked[0]


def test_the_chart_is_the_reports(opened):
    at = opened("complete")
    [chart] = at.get("vega_lite_chart")
    figure = next(build(runs.found("complete"), "en").section("pareto").of(Figure))
    assert figure.title in chart.proto.spec
    assert figure.region.label in chart.proto.spec
    assert chart.proto.alt.startswith(figure.about[:60])


def test_the_setting_can_be_copied(opened):
    at = opened("complete")
    assert "The setting to adopt" in [each.value for each in at.header]
    assert "use: scaling_noise" in at.code[0].value
    assert "The setting that was judged" in [each.value for each in opened("no_better").header]


def test_every_rule_stands_with_how_it_came_out(opened):
    found = runs.found("complete")
    listed = next(each.value for each in opened("complete").markdown if each.value.startswith("- **✓"))
    assert len(listed.splitlines()) == len(found.verdict.reasons)


@pytest.mark.parametrize(("lang", "words"), [("ja", "判定なし"), ("en", "No verdict")])
def test_a_finished_run_that_declared_nothing_says_why_there_is_no_verdict(opened, lang, words):
    at = opened("minimal", lang)
    assert words in pages(at)
    assert not any("finish the run" in each.value or "完了させて" in each.value for each in at.markdown)
