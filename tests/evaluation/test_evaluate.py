"""The one pass over each video: shared by all, kept at once, and never lost for another's fault."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from rewards.base import UserError
from rewards.encoders import create_encoder
from sn_eval.evaluation.evaluate import Watched, evaluate, evaluate_one, measure_frames
from sn_eval.evaluation.sources import Source, find_sources
from sn_eval.evaluation.suite import Member, make_suite
from sn_eval.results.evaluation import Evaluation
from sn_eval.video import VideoWriter

PIXELS = (Member(use="temporal_flickering"), Member(use="moving_share"))


def write(path, frames=9, side=32, fps=8):
    with VideoWriter(path, fps=fps) as video:
        video.write(torch.rand(frames, 3, side, side, generator=torch.Generator().manual_seed(frames)))
    return path


@pytest.fixture
def pixels():
    return make_suite("pixels", "", "fixed", PIXELS)


def test_each_frame_goes_through_each_encoder_once_however_many_ask():
    members = (
        Member(use="subject_consistency", params={"encoder": "imagenet-lite0@32"}),
        Member(use="frame_consistency", params={"encoder": "imagenet-lite0@32"}),
        Member(use="lag_consistency", params={"encoder": "imagenet-lite0@32"}),
        Member(use="anchor_consistency", params={"encoder": "imagenet-lite0@32"}),
    )
    suite, seen = make_suite("many", "", "fixed", members), []
    network = create_encoder("imagenet-lite0@32").network
    hook = network.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    video = torch.rand(70, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    try:
        found = measure_frames(video, suite)
        assert sum(seen) == 70
    finally:
        hook.remove()
    assert found["subject_consistency[imagenet-lite0@32]"].value == pytest.approx(
        suite.judges[0].metric.measure([video]).value, abs=1e-5
    )


def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_measured(tmp_path, pixels):
    write(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no video")
    write(tmp_path / "c.mp4")
    found = evaluate(find_sources([str(tmp_path)]).sources, pixels)
    assert [video.video for video in found.videos] == ["a", "c"]
    assert list(found.failed) == [str(tmp_path / "b.mp4")]
    assert "\n" not in found.failed[str(tmp_path / "b.mp4")]


def test_a_metric_that_cannot_be_had_says_why_and_the_others_go_on(tmp_path):
    suite = make_suite("s", "", "fixed", (*PIXELS, Member(use="i2v_subject", params={"encoder": "imagenet-lite0@32"})))
    video = evaluate_one(Source(write(tmp_path / "a.mp4"), "a"), suite)
    key = "i2v_subject[imagenet-lite0@32]"
    assert video.values[key] is None
    assert any(note.startswith(key) for note in video.notes)
    assert video.values["temporal_flickering"] is not None


def test_one_frame_is_not_scored_and_says_so(tmp_path, pixels):
    video = evaluate_one(Source(write(tmp_path / "a.mp4", frames=1), "a"), pixels)
    assert set(video.values.values()) == {None}
    assert video.frames == 1
    assert video.notes


def test_what_is_finished_is_not_measured_again_unless_something_changed(tmp_path, pixels):
    path, keep = write(tmp_path / "a.mp4"), tmp_path / "keep"
    measured = []
    watched = Watched(on_frames=lambda done, total: measured.append(done))

    def run(source=None, suite=pixels):
        measured.clear()
        found = evaluate([source or Source(path, "a")], suite, keep=keep, watched=watched)
        return found, bool(measured)

    first, new = run()
    assert new
    again, new = run()
    assert not new
    assert again == first
    assert run(Source(path, "a", prompt="a ball"))[1], "what is known of it changed"
    assert run(suite=make_suite("pixels", "", "fixed", PIXELS[:1]))[1], "what is measured changed"
    write(path, frames=12)
    assert run()[1], "the file changed"
    for file in keep.iterdir():
        file.write_text("{")
    assert run()[1], "a damaged file is no result"


def test_a_killed_run_loses_nothing_that_was_finished(tmp_path, pixels):
    for name in "abcdef":
        write(tmp_path / f"{name}.mp4", frames=40, side=64)
    keep = tmp_path / "keep"
    code = (
        "import sys, torch; from pathlib import Path\n"
        "from sn_eval.evaluation.evaluate import evaluate; from sn_eval.evaluation.sources import find_sources\n"
        "from sn_eval.evaluation.suite import Member, make_suite\n"
        "suite = make_suite('pixels', '', 'fixed', (Member(use='temporal_flickering'), Member(use='moving_share')))\n"
        "evaluate(find_sources([sys.argv[1]]).sources, suite, keep=Path(sys.argv[2]))\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(keep)])
    began = time.monotonic()
    while not (keep.is_dir() and [p for p in keep.glob("*.json") if not p.name.startswith(".")]):
        assert time.monotonic() - began < 120
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    kept = {path.name for path in keep.glob("*.json") if not path.name.startswith(".")}
    times = {name: (keep / name).stat().st_mtime_ns for name in kept}
    found = evaluate(find_sources([str(tmp_path / f"{name}.mp4") for name in "abcdef"]).sources, pixels, keep=keep)
    assert len(found.videos) == 6
    assert {name: (keep / name).stat().st_mtime_ns for name in kept} == times, "finished ones were left as they were"


def test_an_evaluation_is_read_as_it_was_written(tmp_path, pixels):
    suite = make_suite("s", "", "fixed", (*PIXELS, Member(use="boundary_jump")))
    found = evaluate([Source(write(tmp_path / "a.mp4"), "a", metadata={"frames_per_chunk": 3})], suite)
    assert Evaluation.load(found.save(tmp_path / "evaluation.json")) == found
    assert found.videos[0].frames_per_chunk == 3


def test_a_missing_file_is_one_line(tmp_path, pixels):
    found = evaluate([Source(tmp_path / "gone.mp4", "gone")], pixels, keep=tmp_path / "keep")
    assert "gone.mp4" in found.failed[str(tmp_path / "gone.mp4")]
    with pytest.raises(UserError):
        evaluate_one(Source(tmp_path / "gone.mp4", "gone"), pixels)
