"""Executors make the same videos, and lose a worker without losing the run; a killed run goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import yaml
from running import written

from sn_eval.poc import executors
from sn_eval.poc.run import run
from sn_eval.results.files import ResultsError
from sn_eval.results.store import RunStore

TABLETOP = {
    "model": "tabletop",
    "rollout": {"use": "chunk", "params": {"steps": 3, "chunks": 2, "max_batch": 4}},
    "reward": "tabletop_quality",
    "evaluators": ["motion_floor"],
    "allow_same_family": True,
    "prompts": ["a red ball rolls to the left, on a wooden table", "a blue cube turns, on a white table"],
}


def hashes(folder: Path) -> dict[str, str]:
    return {record.id: record.frames_sha256 for record in RunStore(folder).records()}


def in_progress(folder: Path) -> list[str]:
    """Cells whose video has begun."""
    return [path.parent.name for path in folder.glob("cells/*/video.partial.mp4")]


def kill_in_the_middle(folder: Path, victims, killed: list[int]) -> threading.Thread:
    """A thread that kills one worker once a cell has begun; `victims()` are its candidates."""

    def work():
        while not killed:
            time.sleep(0.005)
            for process in victims() if in_progress(folder) else ():
                process.kill()
                killed.append(process.pid)
                break

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def spawned() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def actors() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "_Actor" in " ".join(child.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "victims"), [("process", spawned), pytest.param("ray", actors, marks=pytest.mark.timeout(280))]
)
def test_a_worker_killed_in_the_middle_of_a_cell_costs_nothing_but_time(tmp_path, name, victims):
    if name == "ray":
        pytest.importorskip("ray")
    experiment = written(tmp_path, **TABLETOP | {"seeds": [0, 1]})
    run(experiment, tmp_path / "serial", executor=executors.create("serial", threads=1))
    killed: list[int] = []
    kill_in_the_middle(tmp_path / name, victims, killed)
    outcome = run(experiment, tmp_path / name, executor=executors.create(name, workers=2, threads=1))
    assert killed
    assert (outcome.done, outcome.finished) == (8, True)
    lines = RunStore(tmp_path / name).errors()
    assert [(line["kind"], line["category"]) for line in lines] == [("WorkerLost", "infrastructure")]
    assert hashes(tmp_path / name) == hashes(tmp_path / "serial")


@pytest.mark.slow
def test_a_run_killed_three_times_completes_with_nothing_lost(tmp_path):
    experiment = written(tmp_path, **TABLETOP | {"seeds": [0, 1]})
    spec, out = tmp_path / "spec.yaml", tmp_path / "run"
    spec.write_text(yaml.safe_dump(experiment.model_dump(mode="json")))
    command = [sys.executable, "-m", "sn_eval", "poc", "run", str(spec), "--out", str(out), "--threads", "1", "-q"]
    kept: dict[str, str] = {}
    for number in range(1, 4):
        process = subprocess.Popen(command)
        while process.poll() is None and not (len(RunStore(out).ids()) >= 2 * number and in_progress(out)):
            time.sleep(0.005)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        now = hashes(out)
        assert kept.items() <= now.items()
        kept = now
    assert subprocess.run(command, check=False).returncode == 0
    run(experiment, tmp_path / "serial", executor=executors.create("serial", threads=1))
    assert kept.items() <= hashes(out).items()
    assert hashes(out) == hashes(tmp_path / "serial")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["serial", "process"])
def test_ctrl_c_says_how_to_go_on(tmp_path, executor):
    experiment = written(tmp_path, **TABLETOP | {"seeds": list(range(20))})
    spec, out = tmp_path / "spec.yaml", tmp_path / "run"
    spec.write_text(yaml.safe_dump(experiment.model_dump(mode="json")))
    command = [sys.executable, "-m", "sn_eval", "poc", "run", str(spec), "--out", str(out), "--executor", executor]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not RunStore(out).ids() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers get it, too
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by Ctrl-C; what was finished is kept" in told
    assert f"go on with: sn-eval poc run {spec} --out {out}" in told
    assert "Traceback" not in errors
    store = RunStore(out)
    assert store.ids()
    assert not any(store.problems(cell) for cell in store.ids())
    with store.locked():  # nobody holds it
        pass


def test_unknown_executors_and_options_are_told():
    with pytest.raises(ResultsError, match="unknown executor 'slurm': choose one of process, ray, serial"):
        executors.create("slurm")
    with pytest.raises(ResultsError, match="executor 'serial' takes no --workers"):
        executors.create("serial", workers=2)


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ResultsError, match=r"pip install 'sn-eval\[ray\]'"):
        run(written(tmp_path), tmp_path / "run", executor=executors.create("ray"))
