"""Runs opened while they change, and runs that cannot be opened: the last good state stays, in one line of words."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import streamlit as st
from findings import folder, write_run, writing

from dashboard import runs
from dashboard.settings import Settings
from sn_eval.decision.analysis import analyse
from sn_eval.results.files import ResultsError
from sn_eval.results.run_folder import RunFolder

SMALL = {"confirm": 8, "dev": 0, "arms": ("plain", "scaling_noise@96")}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder of runs; nothing is kept from other tests, and a run is looked at each time."""
    where = tmp_path / "runs"
    where.mkdir()
    monkeypatch.setattr(runs, "settings", lambda: Settings(runs=str(where)))
    monkeypatch.setattr(runs, "FRESH", 0.0)
    monkeypatch.setattr(runs, "GLANCES", 0)
    monkeypatch.setattr(runs, "PATIENCE", 0)
    monkeypatch.setattr(runs, "QUICK", 1e9)
    st.cache_resource.clear()
    st.cache_data.clear()
    return where


@pytest.fixture
def shop(place) -> Path:
    """One run, half done."""
    return write_run(place / "shop", **SMALL, missing=0.5)


def finish_one(source: Path, target: Path) -> str:
    """Copy a cell that the target lacks, its record last, as a writer does."""
    done = {path.name for path in (target / "cells").iterdir()}
    cell = next(path for path in sorted((source / "cells").iterdir()) if path.name not in done)
    shutil.copytree(cell, target / "cells" / cell.name, ignore=shutil.ignore_patterns("record.json"))
    shutil.copy2(cell / "record.json", target / "cells" / cell.name / "record.json")
    return cell.name


def test_a_new_cell_is_seen_and_an_unchanged_run_is_read_once(shop, tmp_path, monkeypatch):
    before = runs.open_run("shop")
    assert runs.open_run("shop") is before
    name = finish_one(write_run(tmp_path / "whole", **SMALL), shop)
    after = runs.open_run("shop")
    assert after.progress.done == before.progress.done + 1
    assert after.version != before.version
    assert name in {cell for attempt in after.material.attempts for cell in attempt.cells}


def test_findings_are_those_of_the_run_whatever_was_read_before(shop, tmp_path):
    runs.open_run("shop")
    finish_one(write_run(tmp_path / "whole", **SMALL), shop)
    assert repr(runs.open_run("shop").findings) == repr(analyse(RunFolder.open(shop)))


def test_opening_writes_nothing(shop):
    before = {path: path.stat().st_mtime_ns for path in shop.rglob("*")}
    runs.open_run("shop")
    assert {path: path.stat().st_mtime_ns for path in shop.rglob("*")} == before


def test_the_version_is_the_same_in_every_process(shop):
    program = f"from pathlib import Path; from dashboard.runs import version_of; print(version_of(Path({str(shop)!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=os.getcwd())
    assert done.stdout.strip() == runs.version_of(shop)


def test_a_run_is_followed_while_another_process_writes_it(shop, tmp_path):
    source = write_run(tmp_path / "whole", **SMALL)
    writer = writing(source, shop, pause=0.05)
    seen = [runs.open_run("shop").progress.done]
    while writer.poll() is None:
        found = runs.open_run("shop")
        assert not found.problem
        assert not found.damaged
        seen.append(found.progress.done)
    assert writer.wait() == 0
    assert runs.open_run("shop").state == "complete"
    assert seen == sorted(seen)


def test_many_visitors_judge_a_run_once(shop, monkeypatch):
    read, judged = runs._read, []

    def slow(*args):
        judged.append(1)
        time.sleep(0.2)
        return read(*args)

    monkeypatch.setattr(runs, "_read", slow)
    found: list[runs.OpenRun] = []
    visitors = [threading.Thread(target=lambda: found.append(runs.open_run("shop"))) for _ in range(6)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert len(judged) == 1
    assert len({id(run) for run in found}) == 1


def test_what_takes_long_is_read_behind_the_visitors_back(shop, tmp_path, monkeypatch):
    before = runs.open_run("shop")
    monkeypatch.setattr(runs, "QUICK", 0.0)
    finish_one(write_run(tmp_path / "whole", **SMALL), shop)
    at_once = runs.open_run("shop")
    assert at_once.progress == before.progress
    assert at_once.stale is not None
    end = time.monotonic() + 20
    while runs.open_run("shop").progress == before.progress and time.monotonic() < end:
        time.sleep(0.05)
    assert runs.open_run("shop").progress.done == before.progress.done + 1


# --- what cannot be read ----------------------------------------------------------------------------------


def break_plan(run: Path) -> None:
    (run / "plan.json").write_text("{", "utf-8")


def break_spec(run: Path) -> None:
    (run / "spec.yaml").write_text("name: [", "utf-8")


def break_store(run: Path) -> None:
    (run / "store.json").write_text('{"schema": 99}', "utf-8")


def break_marker(run: Path) -> None:
    (run / "store.json").write_text("?", "utf-8")


def newer_plan(run: Path) -> None:
    plan = json.loads((run / "plan.json").read_text("utf-8"))
    (run / "plan.json").write_text(json.dumps(plan | {"schema_version": 2}), "utf-8")


def newer_spec(run: Path) -> None:
    with (run / "spec.yaml").open("a", encoding="utf-8") as file:
        file.write("a_key_of_the_future: 1\n")


def remove_spec(run: Path) -> None:
    (run / "spec.yaml").unlink()


BREAKS = [break_plan, break_spec, break_store, break_marker, newer_plan, newer_spec, remove_spec, shutil.rmtree]


@pytest.mark.parametrize("damage", BREAKS, ids=lambda damage: damage.__name__)
def test_the_last_good_state_stays_and_is_left_when_it_is_mended(shop, place, damage):
    before = runs.open_run("shop")
    shutil.copytree(shop, place.parent / "copy", copy_function=shutil.copy2)
    damage(shop)
    found = runs.open_run("shop")
    assert found.progress == before.progress
    assert found.problem
    assert "\n" not in found.problem
    assert found.stale is None or found.stale >= 0
    shutil.rmtree(shop, ignore_errors=True)
    shutil.copytree(place.parent / "copy", shop, copy_function=shutil.copy2)
    assert not runs.open_run("shop").problem


@pytest.mark.parametrize("damage", BREAKS[:-1], ids=lambda damage: damage.__name__)
def test_one_that_never_was_readable_is_an_error_in_one_line(shop, damage):
    damage(shop)
    with pytest.raises(ResultsError) as raised:
        runs.open_run("shop")
    assert "\n" not in str(raised.value)


def test_the_folder_of_runs_may_vanish(shop, place):
    before = runs.open_run("shop")
    shutil.rmtree(place)
    assert runs.open_run("shop").progress == before.progress
    assert runs.open_run("shop").problem


def test_a_folder_of_runs_that_never_was_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "settings", lambda: Settings(runs=str(tmp_path / "nowhere")))
    with pytest.raises(ResultsError, match="nowhere"):
        runs.run_ids()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema_version": 2}', "\x00\x01", '{"prompt": NaN}', "null", "[" * 100_000]
)
def test_damaged_records_are_left_out_and_named(shop, text):
    cell = sorted((shop / "cells").iterdir())[0]
    (cell / "record.json").write_text(text, "utf-8")
    found = runs.open_run("shop")
    assert set(found.damaged) == {cell.name}
    assert all(cell.name not in attempt.cells for attempt in found.material.attempts)


@pytest.mark.parametrize("line", ['{"cell": "plain-00-0"}', '{"cell": 3}', "{", '{"cell": "plain-07-1", "message": 4}'])
def test_odd_lines_about_failures_are_no_crash(shop, line):
    (shop / "errors.jsonl").write_text(line + "\n", "utf-8")
    assert runs.open_run("shop").progress.planned == 32


def test_a_plan_that_is_replaced_is_read_anew(shop):
    before = runs.open_run("shop")
    plan = json.loads((shop / "plan.json").read_text("utf-8"))
    plan["cells"] = plan["cells"][:-4]
    (shop / "plan.json").write_text(json.dumps(plan), "utf-8")
    after = runs.open_run("shop")
    assert after.progress.planned == before.progress.planned - 4
    assert set(after.planned) < set(before.planned)


# --- which there are --------------------------------------------------------------------------------------


def test_a_folder_that_is_itself_a_run_is_that_run(shop, monkeypatch):
    monkeypatch.setattr(runs, "settings", lambda: Settings(runs=str(shop)))
    assert runs.run_ids() == {"shop": shop}
    odd = shop.rename(shop.parent / "お茶 店")
    monkeypatch.setattr(runs, "settings", lambda: Settings(runs=str(odd)))
    assert list(runs.run_ids()) == ["run"]
    assert runs.open_run("run").progress.planned == 32


def test_names_that_no_url_should_hold_are_left_out_and_told(shop, place):
    for name in ("a b", "<script>", ".hidden", "日本"):
        shutil.copytree(shop, place / name)
    (place / "no-run").mkdir()
    found = runs.listing()
    assert list(found.runs) == ["shop"]
    assert set(found.left_out) == {"a b", "<script>", ".hidden", "日本"}


def test_a_link_is_a_run_wherever_it_leads_and_a_dead_one_is_none(shop, place, tmp_path):
    elsewhere = write_run(tmp_path / "elsewhere", **SMALL)
    (place / "linked").symlink_to(elsewhere)
    (place / "dead").symlink_to(tmp_path / "nowhere")
    assert set(runs.run_ids()) == {"shop", "linked"}
    assert runs.open_run("linked").state == "complete"


def test_what_may_not_be_looked_into_is_left_out_and_told(shop, place, monkeypatch):
    shutil.copytree(shop, place / "locked")
    allowed = runs._is_run

    def refused(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return allowed(path)

    monkeypatch.setattr(runs, "_is_run", refused)
    assert list(runs.run_ids()) == ["shop"]
    assert runs.listing().left_out == ("locked",)


def test_cells_that_may_not_be_listed_are_an_error_in_one_line(shop, monkeypatch):
    def refused(*args):
        raise PermissionError(13, "Permission denied", str(shop / "cells"))

    monkeypatch.setattr("sn_eval.results.store.os.listdir", refused)
    with pytest.raises(ResultsError, match="Permission denied"):
        runs.open_run("shop")


@pytest.mark.parametrize("name", ["..", "../shop", "/etc", "shop\0", "", "nobody", "<script>"])
def test_unknown_ids_are_refused_in_one_line(shop, name):
    with pytest.raises(ResultsError, match="choose one of shop"):
        runs.open_run(name)


# --- under another experiment -----------------------------------------------------------------------------


def changed(experiment, part):
    data = experiment.model_dump(mode="json")
    if part == "business":
        data["business"]["videos_per_month"]["value"] *= 1.2
    elif part == "prices":
        data["prices"]["rate"]["value"] *= 3
    elif part == "limits":
        data["rules"]["chance_of_profit"] = 0.99
    elif part == "confidence":
        data["rules"]["confidence"] = 0.8
    elif part == "acceptance":
        data["acceptance"][0]["at_least"] = 0.75
    elif part == "none":
        data["business"] = data["prices"] = None
    return type(experiment).model_validate(data)


@pytest.mark.parametrize("part", ["business", "prices", "limits", "confidence", "acceptance", "none"])
def test_what_another_experiment_says_is_what_analyse_says(place, part):
    shutil.copytree(folder("illustrative"), place / "tea")
    run = runs.open_run("tea")
    other = changed(run.experiment, part)
    found = runs.judged(run, run.id, run.version, other)
    assert repr(found) == repr(analyse(RunFolder.open(place / "tea"), experiment=other))
    assert repr(found) != repr(run.findings)


def test_changed_money_computes_no_statistics_again(place, monkeypatch):
    shutil.copytree(folder("illustrative"), place / "tea")
    run = runs.open_run("tea")
    monkeypatch.setattr("sn_eval.decision.analysis.quality_of", None)
    assert runs.judged(run, run.id, run.version, changed(run.experiment, "business")).roi is not None
