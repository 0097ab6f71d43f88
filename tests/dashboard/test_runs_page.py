"""The runs page: its numbers are those of the raw files, in both languages, for runs in every state."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from findings import folder, write_run, writing
from streamlit.testing.v1 import AppTest

from dashboard import following, runs
from dashboard.settings import VARIABLE
from sn_eval.present.words import say
from sn_eval.results.run_folder import RunFolder

PAGE = Path(runs.__file__).parent / "app_pages" / "runs.py"
SMALL = {"confirm": 8, "dev": 0, "arms": ("plain", "scaling_noise@96")}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder of runs that pages show; nothing is kept from other tests."""
    where = tmp_path / "runs"
    where.mkdir()
    monkeypatch.setenv(VARIABLE, json.dumps({"runs": str(where), "ratings": "", "allow_code": False}))
    st.cache_resource.clear()
    st.cache_data.clear()
    return where


def copied(place: Path, variant: str, name: str = "") -> Path:
    return shutil.copytree(folder(variant), place / (name or variant))


def opened(run: str, lang: str = "en", **query: str) -> AppTest:
    at = AppTest.from_file(str(PAGE), default_timeout=60)
    for key, value in {"lang": lang, "run": run, **query}.items():
        at.query_params[key] = value
    return at.run()


def written(at: AppTest) -> str:
    """All HTML and text of a page."""
    html = [element.proto.body for element in at.get("html")]
    return "\n".join([*html, *(e.value for kind in ("markdown", "caption", "info", "success", "warning", "error")
                               for e in getattr(at, kind))])  # fmt: skip


def raw(run: Path) -> list[dict]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(run.glob("cells/*/record.json"))]


def total_seconds(run: Path) -> float:
    return float(np.sum([sum(record["cost"]["seconds"]["by_phase"].values()) for record in raw(run)]))


# --- the headline, from raw files -------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["complete", "provisional", "failing", "empty"])
def test_counts_and_seconds_are_those_of_the_files(variant):
    run = folder(variant)
    found = following.follow(RunFolder.open(run, renew=False))
    planned = json.loads((run / "plan.json").read_text("utf-8"))["cells"]
    log = run / "errors.jsonl"
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.is_file() else []
    assert found.status.planned == len(planned)
    assert found.status.done == len(raw(run))
    assert sum(found.status.failed.values()) == len({line["cell"] for line in lines})
    assert found.status.seconds == pytest.approx(total_seconds(run))
    fates = list(found.fates.values())
    assert fates.count("done") == len(raw(run))
    assert fates.count("quality") == sum(line["category"] == "quality" for line in lines)
    assert fates.count("infrastructure") == sum(line["category"] == "infrastructure" for line in lines)
    assert fates.count("waiting") == len(planned) - len(raw(run)) - len(lines)


def test_money_is_seconds_at_the_price_of_an_hour():
    run = folder("complete")
    found = following.follow(RunFolder.open(run, renew=False))
    hours = np.sum(
        [sum(s for phase, s in r["cost"]["seconds"]["by_phase"].items() if phase != "load")
         * r["environment"]["threads"] for r in raw(run)]
    ) / 3600  # fmt: skip
    assert found.status.money == pytest.approx(hours * 1.6 / 0.5 * 151.2)
    assert found.status.currency == "JPY"


def test_money_counts_what_workers_took_where_that_was_kept(place):
    run = copied(place, "complete")
    (run / "spent.json").write_text(json.dumps([{"device": "cpu", "seconds": 7200.0, "wall": 3600.0}]))
    found = following.follow(RunFolder.open(run, renew=False))
    assert found.status.money == pytest.approx(2 * 1.6 / 0.5 * 151.2)


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_the_page_shows_these_numbers(place, lang):
    run = copied(place, "failing")
    at = opened("failing", lang)
    planned = len(json.loads((run / "plan.json").read_text("utf-8"))["cells"])
    shown = written(at)
    assert say(lang, "runs_page.cells_value", done=f"{len(raw(run)):,}", planned=f"{planned:,}") in shown
    assert say(lang, "runs_page.minutes", n=f"{total_seconds(run) / 60:,.1f}") in shown
    assert len(at.dataframe[0].value) == len((run / "errors.jsonl").read_text("utf-8").splitlines())
    assert "out of memory" in at.dataframe[0].value.to_csv()


# --- pace -------------------------------------------------------------------------------------------------


def at_times(seconds: float, gaps: list[float]) -> list:
    record = next(iter(RunFolder.open(folder("complete"), renew=False).records().values()))
    cost = record.cost.model_copy(
        update={"seconds": record.cost.seconds.model_copy(update={"by_phase": {"generate": seconds}})}
    )
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = np.cumsum([0.0, *gaps])
    return [
        record.model_copy(update={"cost": cost, "created": (start + timedelta(seconds=float(t))).isoformat()})
        for t in times
    ]


def test_two_workers_are_seen_in_the_times_of_cells():
    done = at_times(20.0, [10.0] * 30)
    pace = following.pace_of(done, datetime(2026, 1, 1, 0, 5, 10, tzinfo=UTC))
    assert pace.workers == pytest.approx(2.0)
    assert pace.running
    assert pace.silent == pytest.approx(10.0)


def test_a_night_without_cells_is_no_pace():
    done = at_times(20.0, [20.0] * 10 + [30_000.0] + [20.0] * 10)
    assert following.pace_of(done, datetime(2026, 1, 1, 9, tzinfo=UTC)).workers == pytest.approx(1.0)


def test_a_run_that_is_silent_has_stopped_and_two_cells_are_needed():
    done = at_times(20.0, [20.0] * 10)
    assert not following.pace_of(done, datetime(2026, 1, 1, 5, tzinfo=UTC)).running
    assert following.pace_of(done[:1], datetime(2026, 1, 1, tzinfo=UTC)) is None
    odd = [record.model_copy(update={"created": "yesterday"}) for record in done]
    assert following.pace_of(odd, datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_what_is_left_follows_the_pace():
    run = RunFolder.open(folder("provisional"), renew=False)
    found = following.follow(run)
    assert found.left is None or found.left > 0
    assert following.follow(RunFolder.open(folder("complete"), renew=False)).left == 0.0


# --- the matrix -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 1000])
def test_every_cell_is_in_the_matrix_once(most):
    run = RunFolder.open(folder("failing"), renew=False)
    found = following.follow(run)
    rows = following.matrix(run.plan, found.fates, most)
    cells = [cell for row in rows for made in row.cells.values() for cell in made]
    assert sorted(cells) == sorted(found.fates.items())
    assert sum(sum(row.counts(arm).values()) for row in rows for arm in run.plan.arms) == len(found.fates)
    assert len(rows) == (8 if most else 2)


def test_states_are_told_by_a_sign_and_a_word_not_by_colour_alone(place):
    copied(place, "failing")
    shown = written(opened("failing"))
    for sign, fate in (("✓", "done"), ("✗", "quality"), ("!", "infrastructure")):
        assert f">{sign}</span>" in shown
        assert say("en", f"runs_page.fate_{fate}") in shown


# --- states -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize("variant", ["complete", "provisional", "failing", "empty", "imported", "minimal", "unpriced"])
def test_it_is_drawn_in_every_state(place, variant, lang):
    copied(place, variant)
    at = opened(variant, lang, cells="true")
    assert not at.exception
    assert not at.error
    assert at.title[0].value == say(lang, "pages.runs.title")


def test_a_finished_run_says_so_and_is_not_looked_at_again(place):
    copied(place, "complete")
    at = opened("complete")
    assert at.success[0].value == say("en", "runs_page.finished")
    assert not [toggle for toggle in at.toggle if toggle.label == say("en", "runs_page.pause")]
    assert "sn-eval poc report" in at.code[0].value


def test_an_unfinished_run_names_the_command_and_can_be_paused(place):
    copied(place, "provisional")
    at = opened("provisional")
    assert at.code[0].value == "sn-eval poc run provisional/spec.yaml --out provisional"  # no path of the machine
    assert next(toggle for toggle in at.toggle if toggle.label == say("en", "runs_page.pause")).value is False


def test_prompts_and_messages_are_shown_literally(place):
    run = copied(place, "awkward")
    line = {"cell": "plain-00-0", "category": "evaluator", "message": "<script>alert(1)</script> $x$ [a](b)"}
    (run / "errors.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    at = opened("awkward", "ja")
    assert not at.exception
    assert "<script>alert" not in written(at)
    assert "&lt;script&gt;alert" in written(at)
    assert "<script>alert(1)</script> $x$ [a](b)" in at.dataframe[0].value.to_csv()


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_damage_is_listed_with_its_reason(place, lang):
    run = copied(place, "complete")
    (run / "cells" / "plain-00-0" / "record.json").write_text("{", "utf-8")
    at = opened("complete", lang)
    assert not at.exception
    assert any("plain-00-0" in table.value.to_csv() for table in at.dataframe)


def test_rules_that_were_changed_are_told(place):
    run = copied(place, "complete")
    spec = (run / "spec.yaml").read_text("utf-8").replace("minimum_effect: 0.05", "minimum_effect: 0.01")
    (run / "spec.yaml").write_text(spec, "utf-8")
    assert say("en", "runs_page.rules_changed") in written(opened("complete"))


def test_all_runs_of_the_folder_are_listed_with_their_state(place):
    for variant in ("complete", "provisional", "empty"):
        copied(place, variant)
    copied(place, "complete", "odd name")
    broken = copied(place, "minimal", "broken")
    (broken / "plan.json").write_text("{", "utf-8")
    shown = written(opened("complete"))
    for key in ("runs_page.state_complete", "runs_page.state_partial", "runs_page.state_empty"):
        assert say("en", key) in shown
    assert "✗ cannot be read" in shown
    assert "odd name" in shown


def test_it_stays_up_while_a_run_is_written_and_ends_with_all_of_it(place, tmp_path):
    run = write_run(place / "shop", **SMALL, missing=0.7)
    source = write_run(tmp_path / "whole", **SMALL)
    writer = writing(source, run, pause=0.1)
    at = opened("shop")
    while writer.poll() is None:
        assert not at.run().exception
    assert writer.wait() == 0
    found = following.follow(RunFolder.open(run, renew=False))
    assert found.status.done == len(raw(run)) == found.status.planned
