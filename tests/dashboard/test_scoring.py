"""Scoring in a process of its own: result, failures, its end; and what a server without --allow-code refuses."""

import json
import os
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import pytest

from dashboard import scoring
from dashboard.scoring import Clip, Job, Request, read_result
from dashboard.settings import VARIABLE, Settings
from sn_eval.results.files import ResultsError

OWN = """
import subprocess, sys, time
from rewards.base import reward

@reward(family="x")
def broken(frames, prompts, *, fps, anchor=None, metadata=None):
    raise RuntimeError("my own\\nmistake")

@reward(family="x")
def slow(frames, prompts, *, fps, anchor=None, metadata=None, pid=""):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(pid, "w").write(str(child.pid))
    time.sleep(600)
"""


@pytest.fixture
def allow(monkeypatch):
    """A server that was started with --allow-code."""
    monkeypatch.setenv(VARIABLE, json.dumps(vars(Settings(allow_code=True))))


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return str(tmp_path / "own.py")


@pytest.fixture
def refuse(monkeypatch):
    """A server that was not, which knows two rewards."""
    monkeypatch.setenv(VARIABLE, json.dumps(vars(Settings())))
    known = tuple(scoring.BuiltIn(name, "…", "pixels", 0.0, 1.0) for name in ("motion_floor", "tabletop_quality"))
    monkeypatch.setattr(scoring, "built_in", lambda: known)


@pytest.fixture(autouse=True)
def no_leftovers(monkeypatch, tmp_path):
    """Jobs' folders lie where the test can see that they are gone."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield tmp_path / "temporary"
    job = scoring.current()
    if job is not None:
        job.cancel()
    assert not list((tmp_path / "temporary").glob("sn-eval-scoring-*"))


def film(path, moves=True):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for step in range(6):
            frame = np.full((64, 64, 3), 220, np.uint8)
            frame[20:40, (6 * step if moves else 0) :][:, :20] = (150, 40, 30)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def ended(job, seconds=120.0):
    job.wait(seconds)
    assert job.state != "running"
    return job


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()


def test_clips_are_scored_frame_by_frame_under_their_own_names(tmp_path, refuse):
    moving, still = film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4", moves=False).read_bytes()
    named = "../../<b>; rm -rf ~ [x](y).mp4"
    broken = Clip("no film", "", b"not a video at all")
    clips = (Clip("arm A", "a cup", moving), Clip(named, "", still), broken)
    job = ended(scoring.start(Request("motion_floor", clips)))
    assert job.state == "done", job.problem
    first, second = job.result.scores
    assert (first.name, second.name, job.result.reward) == ("arm A", named, "motion_floor")
    assert first.value > 0.9
    assert second.value < 0.1
    assert len(first.per_frame) == 6
    assert first.fps == 8.0
    assert list(job.result.failed) == ["no film"]
    assert "no film" in job.result.failed["no film"]
    assert str(tmp_path) not in job.result.failed["no film"]
    assert scoring.current() is None
    assert job.share == 1.0


def test_a_reward_that_fails_is_one_line(tmp_path, allow, own):
    job = ended(scoring.start(Request(f"{own}:broken", (Clip("mine", "", film(tmp_path / "a.mp4")),))))
    assert job.state == "failed"
    assert job.result is None
    assert "RuntimeError: my own mistake" in job.problem
    assert "own.py, line 7" in job.problem
    assert "\n" not in job.problem
    assert "Traceback" not in job.problem


@pytest.mark.parametrize("how", ["cancel", "time"])
def test_a_job_that_ends_early_leaves_no_process(tmp_path, allow, own, how):
    note = tmp_path / "pid"
    clips = (Clip("mine", "", film(tmp_path / "a.mp4")),)
    job = scoring.start(Request(f"{own}:slow", clips, (f"pid={note}",)), 600.0 if how == "cancel" else 20.0)
    with pytest.raises(ResultsError, match="another scoring is running"):
        scoring.start(Request(f"{own}:slow", clips))
    until = time.monotonic() + 60
    while not (note.is_file() and note.read_text()) and time.monotonic() < until and job.state == "running":
        time.sleep(0.05)
    child = int(note.read_text())
    assert alive(child)
    assert alive(job._process.pid)
    if how == "cancel":
        job.cancel()
    assert ended(job).state == ("cancelled" if how == "cancel" else "timed_out")
    assert job.result is None
    until = time.monotonic() + 5
    while alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(child)


@pytest.mark.parametrize(
    "request_", [Request("own.py:broken", ()), Request("os:system", ()), Request("--help", ()), Request("", ()),
                 Request("motion_floor", (), ("minimum=0.1",)), Request("composite", (), ("parts=[{use: own.py:x}]",))],
)  # fmt: skip
def test_code_and_parameters_are_refused_without_leave(tmp_path, refuse, request_):
    clips = (Clip("mine", "", film(tmp_path / "a.mp4")),)
    with pytest.raises(ResultsError, match="--allow-code"):
        scoring.start(Request(request_.use, clips, request_.params))


def test_a_name_is_no_option(tmp_path, allow):
    job = ended(scoring.start(Request("--help", (Clip("--out=x", "", film(tmp_path / "a.mp4")),))))
    assert job.state == "failed"
    assert "--help" in job.problem


@pytest.mark.parametrize(
    ("clips", "why"),
    [((), "0 clips"), ((Clip("a", "", b"x"),) * 9, "9 clips"), ((Clip("a", "", b""),), "0 bytes"),
     ((Clip("a", "", b"x" * (scoring.LARGEST + 1)),), "at most"), ((Clip("a", "", Path("gone.mp4")),), "no video")],
)  # fmt: skip
def test_too_many_too_large_and_missing_clips_are_refused(refuse, clips, why):
    with pytest.raises(ResultsError, match=why):
        scoring.start(Request("motion_floor", clips))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b'{"clips": [], "failed": {}, "reward": {"name": "x"}}',
             b'{"clips": [{"clip": "p"}], "failed": {}, "reward": {"name": "x"}}',
             b'{"clips": [{"clip": "p", "value": 1, "parts": 3}], "failed": {}, "reward": {"name": "x"}}'],
)  # fmt: skip
def test_what_is_no_result_is_said_in_one_line(text):
    with pytest.raises(ResultsError, match="came back"):
        read_result(text, {"p": "clip"})


def test_of_a_result_only_numbers_of_known_clips_are_taken():
    text = {"reward": {"name": "x"}, "failed": {"other": "!"}, "clips": [
        {"clip": "p", "value": "1", "parts": {"a": None, "b": 0.5}, "per_frame": [1, None, "x"], "fps": True},
        {"clip": "other", "value": 1.0, "parts": {}}]}  # fmt: skip
    [score] = read_result(json.dumps(text).encode(), {"p": "clip"}).scores
    assert (score.name, score.value, score.parts, score.fps) == ("clip", None, {"a": None, "b": 0.5}, None)
    assert score.per_frame == [1.0, None, None]


def test_the_list_of_rewards_is_the_command_lines():
    import rewards

    found = {each.name for each in scoring.built_in()}
    assert {"object_persistence", "motion_floor", "tabletop_quality"} <= found <= set(rewards.names())
    assert "composite" not in found
    assert "learned" not in found


def test_a_job_that_cannot_start_leaves_no_folder(monkeypatch, tmp_path, allow):
    monkeypatch.setattr(scoring, "COMMAND", (str(tmp_path / "no_python"),))
    with pytest.raises(ResultsError, match="cannot start"):
        Job(Request("x", (Clip("a", "", b"x"),))).run()
