"""A run's folder opens whole, or says in one line what it is not; it counts the cells of its plan, and no others."""

import hashlib

import pytest
import storing
import yaml

from sn_eval.results import snapshot
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan, Planned
from sn_eval.results.run_folder import Progress, RunFolder, declared
from sn_eval.results.store import RunStore

SPEC = {
    "name": "trial", "reward": "steady", "evaluators": ["sharp"], "prompts": ["a red ball"], "seeds": list(range(8)),
    "methods": ["plain"], "acceptance": [{"evaluator": "sharp", "at_least": 0.5}], "primary": [{"minimum_effect": 0.1}],
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """Eight planned cells, of which five are done; one other cell, of an earlier spec."""
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    cells = [
        Planned(cell=cell, prompt="a red ball", arm="plain", method="plain", repeat=number)
        for number, cell in enumerate(reversed(storing.names(0, 8)))
    ]
    Plan(baseline="plain", judges=(), cells=tuple(cells)).save(tmp_path)
    for cell in (*storing.names(0, 5), "earlier"):
        storing.write_cell(RunStore(tmp_path), cell)
    return tmp_path


def test_it_opens_with_all_its_parts(run):
    folder = RunFolder.open(str(run))
    assert folder.folder == run
    assert folder.experiment == Experiment.model_validate(SPEC)
    assert folder.plan == Plan.load(run)
    assert folder.store == RunStore(run)
    assert folder.spec_sha256 == hashlib.sha256((run / "spec.yaml").read_bytes()).hexdigest()


def test_records_are_those_of_the_plan_in_its_order(run):
    records = RunFolder.open(run).records()
    assert list(records) == list(reversed(storing.names(0, 5)))
    assert records["c00002"] == RunStore(run).record("c00002")


def test_progress_tells_done_damaged_failed_and_waiting_apart(run):
    folder = RunFolder.open(run)
    assert folder.progress() == Progress(planned=8, done=5, damaged=0, failed={})
    assert folder.progress().waiting == 3
    store = folder.store
    store.fail("c00006", OSError("lost"))
    store.fail("c00006", ValueError("no video"), category="quality")
    store.fail("c00007", OSError("lost"))
    store.fail("c00001", ValueError("not judged"), category="evaluator")  # complete all the same
    store.fail("earlier still", OSError("lost"))
    (store.folder("c00000") / "video.mp4").unlink()
    (store.folder("c00003") / "record.json").write_text("{")
    (store.folder("earlier") / "record.json").write_text("{")
    assert list(folder.damaged()) == ["c00003", "c00000"]
    assert "video.mp4 cannot be found" in folder.damaged()["c00000"]
    progress = folder.progress()
    assert progress == Progress(planned=8, done=3, damaged=2, failed={"quality": 1, "infrastructure": 1})
    assert progress.waiting == 1
    assert "c00003" not in folder.records()
    assert "c00000" in folder.records(), "its record can be read"


def test_records_are_read_once_until_a_cell_changes(run, monkeypatch):
    readings = []
    reads = snapshot.recorded
    monkeypatch.setattr(snapshot, "recorded", lambda store, **how: readings.append(store) or reads(store, **how))
    folder = RunFolder.open(run)
    folder.records(), folder.damaged(), folder.progress()
    assert len(readings) == 1
    storing.write_cell(folder.store, "c00006")
    assert "c00006" in folder.records()
    assert folder.progress().done == 6
    assert len(readings) == 2
    (folder.store.folder("c00006") / "video.mp4").unlink()
    assert list(folder.damaged()) == ["c00006"], "files are looked at each time"
    folder.store.set_aside("c00006")
    assert folder.progress().done == 5


def refused(path) -> str:
    with pytest.raises(ResultsError) as caught:
        RunFolder.open(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_run_is_told_in_one_line(run, tmp_path):
    assert "there is no such folder" in refused(tmp_path / "nowhere")
    assert "is a file: name the folder of a run" in refused(run / "spec.yaml")
    (tmp_path / "empty").mkdir()
    assert "is no run: it holds no plan.json and no spec.yaml" in refused(tmp_path / "empty")


def test_half_a_run_is_told_in_one_line(run):
    spec = (run / "spec.yaml").read_text()
    (run / "spec.yaml").unlink()
    assert "no spec.yaml in" in refused(run)
    (run / "spec.yaml").write_text(spec)
    plan = (run / "plan.json").read_text()
    (run / "plan.json").write_text(plan[:100])
    assert "plan.json is no plan of schema 1" in refused(run)
    (run / "plan.json").unlink()
    assert "there is no plan.json" in refused(run)


def test_what_a_newer_one_wrote_is_told_in_one_line(run):
    spec, plan = (run / "spec.yaml").read_text(), (run / "plan.json").read_text()
    (run / "spec.yaml").write_text(spec + "of_tomorrow: 1\n")
    line = refused(run)
    assert "of_tomorrow" in line
    assert "if a newer sn-eval wrote it, upgrade" in line
    (run / "spec.yaml").write_text(spec)
    (run / "plan.json").write_text(plan.replace('"schema_version": 1', '"schema_version": 2'))
    assert "schema_version" in refused(run)
    (run / "plan.json").write_text(plan)
    (run / "store.json").write_text('{"schema": 2}')
    assert "upgrade sn-eval" in refused(run)


def test_declared_is_of_the_rules_and_of_nothing_else():
    before = declared(Experiment.model_validate(SPEC))
    assert before == "de409d05b30dcce2ecab8e2d4ccd78fc1b3458343e7926a4721ed0597059d533", (
        "every old run would say that its rules changed"
    )
    for same in ({"about": "words"}, {"seeds": [1]}, {"notes": {"a": 1}}, {"rules": {"confidence": 0.95}}):
        assert declared(Experiment.model_validate(SPEC | same)) == before, same
    for change in (
        {"acceptance": [{"evaluator": "sharp", "at_least": 0.4}]},
        {"primary": [{"minimum_effect": 0.05}]},
        {"looks": {"at": [0.5, 1.0]}},
        {"rules": {"confidence": 0.9}},
        {"labels": "labels.csv"},
        {"methods": ["plain", "best_of_n"], "baseline": "best_of_n"},
    ):
        assert declared(Experiment.model_validate(SPEC | change)) != before, change
