"""A run makes what is missing, whatever happened before, and says what it could not make."""

import errno
import json
import os
from collections import Counter

import pytest
from running import NoWorkers, written

from sn_eval.poc import run as running
from sn_eval.poc import worker
from sn_eval.poc.run import Caps, Watched, run
from sn_eval.poc.status import status
from sn_eval.results import store as stores
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan
from sn_eval.results.store import RunStore

PRICES = {
    "rate": {"value": 3600.0, "currency": "JPY", "unit": "machine-hour", "as_of": "2026-01-01", "source": "a test"},
    "utilisation": {"value": 1.0, "source": "a test"},
    "currency": "JPY",
    "tax_included": True,
}  # one yen a second


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(running, "PAUSE", 0.0)


def failing(monkeypatch, error, when):
    """run_cell, but for the calls (from 1) and cells that `when` picks. Returns the ids that were tried."""
    tried, whole = [], worker.run_cell

    def maybe(cell, *args, **more):
        tried.append(cell.id)
        if when(len(tried), cell):
            raise error
        return whole(cell, *args, **more)

    monkeypatch.setattr(worker, "run_cell", maybe)
    return tried


def test_a_run_leaves_everything_that_a_report_needs(tmp_path):
    outcome = run(written(tmp_path), tmp_path / "run", text="name: as it was written\n")
    assert (outcome.done, outcome.made, outcome.failed, outcome.left, outcome.finished) == (4, 4, {}, 0, True)
    assert (tmp_path / "run" / "spec.yaml").read_text() == "name: as it was written\n"
    assert "source" in (tmp_path / "run" / "prices.yaml").read_text()
    plan = Plan.load(tmp_path / "run")
    assert plan.arms == ("plain", "best_of_n@2videos")
    assert [cell.prompt for cell in plan.cells] == ["a hill"] * 2 + ["a lake"] * 2
    assert [judge.key for judge in plan.judges] == ["red"]
    record = RunStore(tmp_path / "run").record(plan.cells[1].cell)
    assert {"red", plan.searched} <= record.scores.keys()
    assert record.cost.nfe.value == plan.cells[1].budget_nfe == 12


def test_a_finished_run_needs_no_model(tmp_path):
    run(written(tmp_path), tmp_path / "run")
    priced = written(tmp_path, prices=PRICES, rules={"max_failures": 0.1}, about="other words")
    for same in (written(tmp_path), priced):
        outcome = run(same, tmp_path / "run", executor=NoWorkers())
        assert (outcome.done, outcome.made, outcome.finished) == (4, 0, True)
    assert "other words" in (tmp_path / "run" / "spec.yaml").read_text()


def test_a_changed_file_makes_new_cells_and_a_touched_one_none(tmp_path):
    experiment = written(tmp_path)
    first = run(experiment, tmp_path / "run").plan
    os.utime(tmp_path / "mine.py", ns=(1, 1))
    touched = run(experiment, tmp_path / "run")
    assert (touched.made, touched.plan.cells) == (0, first.cells)
    with open(tmp_path / "mine.py", "a") as file:
        file.write("# another gain\n")
    changed = run(experiment, tmp_path / "run")
    assert changed.made == 4
    assert len(RunStore(tmp_path / "run").ids()) == 8  # the old ones stay


def test_more_prompts_and_other_names_keep_the_cells(tmp_path):
    run(written(tmp_path), tmp_path / "run")
    prompts = [{"text": "a road", "split": "dev"}, {"text": "a lake", "group": "water"}, "a hill"]
    methods = ["plain", {"use": "best_of_n", "name": "bon"}]
    outcome = run(written(tmp_path, prompts=prompts, methods=methods), tmp_path / "run")
    assert (outcome.done, outcome.made) == (6, 2)


def test_rules_that_change_after_the_first_cell_are_seen(tmp_path):
    first = run(written(tmp_path), tmp_path / "run", caps=Caps(hours=0)).plan
    looser = written(tmp_path, rules={"max_failures": 0.5})
    before = run(looser, tmp_path / "run").plan  # nothing had run yet
    after = run(written(tmp_path, seeds=[0, 1]), tmp_path / "run").plan
    assert first.declared != before.declared == after.declared
    assert before.declared_on == after.declared_on


def test_what_the_machine_failed_is_tried_again(tmp_path, monkeypatch):
    said = []
    tried = failing(monkeypatch, ConnectionResetError("the line is dead"), lambda n, cell: n <= 2)
    outcome = run(written(tmp_path), tmp_path / "run", watched=Watched(say=said.append))
    assert (outcome.done, outcome.finished) == (4, True)
    assert Counter(tried)[tried[0]] == 3
    lines = RunStore(tmp_path / "run").errors()
    assert [(line["category"], line["attempt"]) for line in lines] == [("infrastructure", 1), ("infrastructure", 2)]
    assert "the line is dead" in said[0]


def test_a_cell_that_the_machine_fails_for_good_is_left_for_the_next_run(tmp_path, monkeypatch):
    bad = []
    tried = failing(monkeypatch, OSError("no"), lambda n, cell: bool(bad.append(cell.id) or cell.id == bad[0]))
    outcome = run(written(tmp_path), tmp_path / "run", retries=1)
    assert (outcome.done, outcome.failed, outcome.finished) == (3, {"infrastructure": 1}, False)
    assert len(tried) == 5
    monkeypatch.undo()
    assert run(written(tmp_path), tmp_path / "run").made == 1


@pytest.mark.parametrize(("model", "failed"), [("mine:NanLatents", 2), ("mine:NanFrames", 4)])
def test_a_method_without_a_video_is_a_result_and_is_not_repeated(tmp_path, model, failed):
    experiment = written(tmp_path, model=model)
    outcome = run(experiment, tmp_path / "run")
    assert (outcome.done, outcome.failed, outcome.finished) == (4 - failed, {"quality": failed}, True)
    lines = RunStore(tmp_path / "run").errors()
    assert len(lines) == failed
    assert all("NaN or infinite" in line["message"] and line["category"] == "quality" for line in lines)
    assert run(experiment, tmp_path / "run", executor=NoWorkers()).failed == {"quality": failed}


def test_an_evaluator_that_fails_leaves_its_score_empty(tmp_path):
    outcome = run(written(tmp_path, evaluators=["mine:red_on_land", "motion_floor"]), tmp_path / "run")
    assert (outcome.done, outcome.finished) == (4, True)
    store = RunStore(tmp_path / "run")
    scores = {record.prompt: record.scores["red_on_land"] for record in store.records()}
    assert scores["a lake"] is None
    assert scores["a hill"] is not None
    lines = store.errors()
    assert [line["category"] for line in lines] == ["evaluator"] * 2
    assert "no land" in lines[0]["message"]


def test_a_reward_that_fails_for_one_prompt_spares_the_others(tmp_path):
    outcome = run(written(tmp_path, reward="mine:bright_on_land"), tmp_path / "run")
    assert (outcome.done, outcome.failed, outcome.finished) == (3, {"input": 1}, False)  # plain asks no reward
    assert "no land" in RunStore(tmp_path / "run").errors()[0]["message"]


def test_a_full_disk_ends_the_run_and_loses_nothing(tmp_path, monkeypatch):
    whole, synced = stores.sync, []

    def full(path):
        synced.append(path)
        if len(synced) > 9:  # the first cell is on the disk
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(path)

    monkeypatch.setattr(stores, "sync", full)
    outcome = run(written(tmp_path, seeds=[0, 1, 2]), tmp_path / "run", retries=0)
    assert (outcome.done, outcome.failed) == (1, {"infrastructure": 3})
    assert "3 cells in a row that the machine failed" in outcome.stopped_by
    assert "No space left on device" in outcome.stopped_by
    monkeypatch.undo()
    assert run(written(tmp_path, seeds=[0, 1, 2]), tmp_path / "run").made == 11


def test_a_model_that_does_not_fit_is_one_line(tmp_path):
    with pytest.raises(ResultsError, match=r"does not fit in memory \(tried to allocate 90 GiB\)") as caught:
        run(written(tmp_path, model="mine:too_large"), tmp_path / "run")
    assert "\n" not in str(caught.value)
    outcome = run(written(tmp_path, model="mine:TooLargeToRun", seeds=list(range(50))), tmp_path / "run")
    assert outcome.failed == {"infrastructure": 3}
    assert "out of memory with a batch of 1" in outcome.stopped_by


def test_a_cap_in_hours_stops_before_the_next_cell(tmp_path):
    outcome = run(written(tmp_path), tmp_path / "run", caps=Caps(hours=0))
    assert (outcome.done, outcome.left, outcome.stopped_by) == (0, 4, "the cap of 0 hours")


def test_a_cap_in_money_counts_what_earlier_calls_spent(tmp_path):
    experiment = written(tmp_path, prices=PRICES)
    first = run(experiment, tmp_path / "run", caps=Caps(money=1e-9))
    assert (first.done, first.left) == (1, 3)
    assert "the cap in money" in first.stopped_by
    spent = status(tmp_path / "run").money
    said = []
    assert (
        run(experiment, tmp_path / "run", caps=Caps(money=spent), watched=Watched(cells=lambda *c: said.append(c))).made
        == 0
    )
    assert said[0][2].startswith(f"{spent:,.4g} of")  # the next call begins where the last one ended
    assert run(experiment, tmp_path / "run", caps=Caps(money=1e9)).finished


@pytest.mark.parametrize(
    ("prices", "told"),
    [(None, "a cap in money needs a price"),
     ({**PRICES, "rate": {**PRICES["rate"], "unit": "GPU-hour"}}, "measured in CPU-seconds")],
)  # fmt: skip
def test_a_cap_in_money_needs_a_price_for_this_machine(tmp_path, prices, told):
    with pytest.raises(ResultsError, match=told):
        run(written(tmp_path, prices=prices), tmp_path / "run", caps=Caps(money=1))


def test_two_runs_do_not_share_a_folder(tmp_path):
    with RunStore(tmp_path / "run").locked(), pytest.raises(ResultsError, match="is in use by process"):
        run(written(tmp_path), tmp_path / "run")


def test_a_damaged_cell_is_set_aside_and_made_again(tmp_path):
    said = []
    run(written(tmp_path), tmp_path / "run")
    cell = Plan.load(tmp_path / "run").cells[0].cell
    video = tmp_path / "run" / "cells" / cell / "video.mp4"
    video.write_bytes(video.read_bytes()[:-9])
    assert list(status(tmp_path / "run").damaged) == [cell]
    outcome = run(written(tmp_path), tmp_path / "run", watched=Watched(say=said.append))
    assert (outcome.done, outcome.made) == (4, 1)
    assert (tmp_path / "run" / "damaged" / f"{cell}-1").is_dir()
    assert "damaged cell set aside" in said[0]


def test_ctrl_c_keeps_what_is_finished(tmp_path, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt(), lambda n, cell: n == 3)
    outcome = run(written(tmp_path), tmp_path / "run")
    assert (outcome.done, outcome.left, outcome.stopped_by) == (2, 2, "Ctrl-C")
    monkeypatch.undo()
    assert run(written(tmp_path), tmp_path / "run").made == 2


def test_status_tells_arms_failures_money_and_what_is_left(tmp_path):
    priced = written(tmp_path, model="mine:NanLatents", prices=PRICES, seeds=[0, 1])
    run(priced, tmp_path / "run", caps=Caps(money=1e-9))
    found = status(tmp_path / "run")
    assert (found.planned, found.done, found.waiting, found.seconds_left) == (8, 1, 7, None)
    (worked,) = json.loads((tmp_path / "run" / "spent.json").read_text())
    assert found.money == pytest.approx(worked["wall"])  # one yen a second, of evaluators, too
    assert found.money > found.seconds
    run(priced, tmp_path / "run")
    found = status(tmp_path / "run")
    assert (found.done, found.failed, found.waiting, found.seconds_left) == (4, {"quality": 4}, 0, 0)
    assert [(arm.arm, arm.planned, arm.done, arm.failed) for arm in found.arms] == [
        ("plain", 4, 2, 2), ("best_of_n@2videos", 4, 2, 2)
    ]  # fmt: skip


def test_status_tells_what_gave_no_number(tmp_path):
    run(written(tmp_path, evaluators=["mine:red_on_land", "motion_floor"]), tmp_path / "run")
    assert status(tmp_path / "run").unmeasured == {"red_on_land": 2}  # both methods' videos of a lake
    blind = written(tmp_path, reward="mine:never_a_number")
    run(blind, tmp_path / "blind")
    assert status(tmp_path / "blind").unmeasured == {f"the reward {blind.reward.use}": 4}
