"""A packed run says what the run says; a file that is no bundle, or a hostile one, is refused in one line."""

import zipfile

import pytest
from findings import folder

from sn_eval.decision.analysis import analyse
from sn_eval.results.bundle import pack, unpack
from sn_eval.results.files import ResultsError
from sn_eval.results.run_folder import RunFolder


def test_a_packed_run_says_the_same(tmp_path):
    run = RunFolder.open(folder("failing"))
    some = list(run.records())[:2]
    path = pack(run, tmp_path / "run.zip", some, note="only two videos")
    unpacked = RunFolder.open(unpack(path, tmp_path / "out"))
    ours, theirs = analyse(run, draws=200), analyse(unpacked, draws=200)
    assert theirs.numbers == ours.numbers
    assert theirs.verdict == ours.verdict
    assert "only two videos" in theirs.notes
    assert unpacked.damaged() == {}
    videos = {path.parent.name for path in (tmp_path / "out").rglob("video.mp4")}
    assert videos == set(some)


def test_the_same_run_packs_to_the_same_bytes(tmp_path):
    run = RunFolder.open(folder("minimal"))
    first, second = (pack(run, tmp_path / name, [], note="n").read_bytes() for name in ("a.zip", "b.zip"))
    assert first == second


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "cells/../../out.txt", "cells\\..\\out.txt"])
def test_a_bundle_that_leads_out_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bundle:
        bundle.writestr(name, "x")
    with pytest.raises(ResultsError, match="leads out of it"):
        unpack(tmp_path / "bad.zip", tmp_path / "in" / "deep")
    assert {path.name for path in tmp_path.rglob("*")} <= {"bad.zip", "in", "deep"}


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 cut"])
def test_no_bundle_is_told_in_one_line(tmp_path, content):
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(ResultsError, match=r"cannot unpack .*bad.zip"):
        unpack(tmp_path / "bad.zip", tmp_path / "out")


def test_a_missing_bundle_is_told_in_one_line(tmp_path):
    with pytest.raises(ResultsError, match="does not exist"):
        unpack(tmp_path / "none.zip", tmp_path / "out")


def test_a_damaged_bundle_is_told_in_one_line(tmp_path):
    path = pack(RunFolder.open(folder("minimal")), tmp_path / "run.zip", [], note="n")
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"cannot unpack .*run.zip"):
        unpack(path, tmp_path / "out")
