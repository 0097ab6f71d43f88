"""The videos that are meant are found, each once, under a name of its own; and come block by block, as they are."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from filming import film, jpeg, pictures, raw_packets
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rewards.base import UserError
from sn_eval.evaluation import sources
from sn_eval.evaluation.sources import Source, find_sources, open_source
from sn_eval.metrics.base import block_length
from sn_eval.results import record as records
from sn_eval.results.record import Component, Cost, Environment, Quantity, Record, Seconds
from sn_eval.video import probe, read_video, stream_video

ONE = ""  # a real video file, made once


@pytest.fixture(scope="module", autouse=True)
def one_video(tmp_path_factory):
    global ONE
    ONE = str(film(tmp_path_factory.mktemp("one") / "one.mp4", pictures(3)))


def put(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ONE, path)


def make_record(**changes) -> Record:
    none = Quantity.none("no counter")
    cost = Cost(
        nfe=none, nfe_preview=none, decoded_frames=none, reward_frames=none, flops=none, peak_memory_bytes=none,
        energy_joules=none, seconds=Seconds(by_phase={}, source="measured", how="wall clock"),
    )  # fmt: skip
    fields = {
        "prompt": "a red cup", "model": Component(use="tabletop"), "rollout": Component(use="chunk"),
        "method": Component(use="scaling_noise"), "seed": 7, "frames": 3, "fps": 8.0, "width": 64, "height": 48,
        "frames_sha256": "0" * 64, "cost": cost, "environment": Environment(device="cpu"),
    }  # fmt: skip
    return Record(**(fields | changes))


def names(found):
    return [source.name for source in found.sources]


# --- which files ------------------------------------------------------------------------------------------


def test_folders_are_searched_through(tmp_path):
    put(*(tmp_path / name for name in ("b.mp4", "a.MKV", "sub/deep/c.webm", "sub/.hidden.mp4", ".cache/d.mp4")))
    put(tmp_path / "e.partial.mp4", tmp_path / "notes.txt", tmp_path / "poster.png")
    found = find_sources([str(tmp_path)])
    assert [str(source.path.relative_to(tmp_path)) for source in found.sources] == ["a.MKV", "b.mp4", "sub/deep/c.webm"]
    assert names(found) == ["a", "b", "c"]
    assert (found.failed, found.notes) == ({}, ())


def test_a_file_that_is_named_is_meant_whatever_it_is_called(tmp_path):
    put(tmp_path / "clip.bin", tmp_path / ".x.mp4", tmp_path / "e.partial.mp4", tmp_path / "a[1].mp4")
    found = find_sources([str(tmp_path / name) for name in ("clip.bin", ".x.mp4", "e.partial.mp4", "a[1].mp4")])
    assert [source.path.name for source in found.sources] == ["clip.bin", ".x.mp4", "e.partial.mp4", "a[1].mp4"]


def test_quoted_globs(tmp_path, monkeypatch):
    put(*(tmp_path / name for name in ("a/x.mp4", "a/y.mp4", "a/b/z.mp4", "a/y.partial.mp4", "a/note.txt", "c/w.mp4")))
    assert names(find_sources([str(tmp_path / "a" / "*.mp4")])) == ["x", "y"]
    assert names(find_sources([str(tmp_path / "a" / "**" / "*")])) == ["z", "x", "y"]
    assert names(find_sources([str(tmp_path / "*")])) == ["z", "x", "y", "w"], "folders that match are searched"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names(find_sources(["~/c/*.mp4"])) == ["w"]


def test_links_that_go_in_circles(tmp_path):
    put(tmp_path / "in" / "a.mp4", tmp_path / "out" / "b.mp4")
    os.symlink(tmp_path / "out", tmp_path / "in" / "linked")
    os.symlink(tmp_path / "in", tmp_path / "in" / "again")
    found = find_sources([str(tmp_path / "in")])
    assert names(found) == ["a", "b"]


def test_each_file_once(tmp_path):
    put(tmp_path / "a.mp4", tmp_path / "b.mp4")
    os.symlink(tmp_path / "a.mp4", tmp_path / "same.mp4")
    found = find_sources([str(tmp_path / "b.mp4"), str(tmp_path), str(tmp_path / "a.mp4")])
    assert names(found) == ["b", "a"]
    (note,) = found.notes
    assert note.startswith("named more than once, evaluated once: ")
    for name in ("a.mp4", "b.mp4", "same.mp4"):
        assert name in note


def test_what_is_not_there_is_one_line_each(tmp_path):
    put(tmp_path / "a.mp4")
    (tmp_path / "empty").mkdir()
    gone, empty, glob = str(tmp_path / "gone.mp4"), str(tmp_path / "empty"), str(tmp_path / "*.avi")
    found = find_sources([gone, str(tmp_path / "a.mp4"), empty, glob])
    assert names(found) == ["a"]
    assert found.failed == {
        gone: f"{gone} does not exist: name a video, a folder or a glob",
        empty: f"no video in the folder {empty}",
        glob: f"no video matches {glob}",
    }
    with pytest.raises(UserError, match=r"no video to evaluate: .*gone.mp4 does not exist.* \(and 1 more\)"):
        find_sources([gone, empty])


def test_a_name_that_cannot_be_written_down(tmp_path):
    put(tmp_path / "a.mp4")
    try:
        shutil.copy(ONE, os.fsencode(tmp_path) + b"/\xff.mp4")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    found = find_sources([str(tmp_path)])
    assert names(found) == ["a"]
    ((path, why),) = found.failed.items()
    assert (path + why).isascii()
    assert "not UTF-8" in why


# --- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a.mp4", "b.mp4"], ["a", "b"]),
        (["x/a.mp4", "y/a.mp4", "y/b.mp4"], ["x/a", "y/a", "b"]),
        (["p/x/a.mp4", "q/x/a.mp4", "q/y/a.mp4"], ["p/x/a", "q/x/a", "y/a"]),
        (["a.mp4", "a.mov", "b.mp4"], ["a.mp4", "a.mov", "b"]),
        (["x/a.mp4", "x/a.mov", "y/a.mp4"], ["a.mp4", "a.mov", "a"]),
        (["a.v1.mp4", "a.v2.mp4"], ["a.v1", "a.v2"]),
    ],
)
def test_a_name_is_as_short_as_it_can_be(tmp_path, paths, expected):
    put(*(tmp_path / path for path in paths))
    assert names(find_sources([str(tmp_path / path) for path in paths])) == expected


part = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(st.lists(part, max_size=3), part, st.sampled_from([".mp4", ".mov"])), max_size=12))
def test_names_tell_all_videos_apart(files):
    paths = sorted({"/".join(["/r", *folders, stem]) + suffix for folders, stem, suffix in files})
    drafts = [sources._Draft.of(Path(path), None) for path in paths]
    found = sources._names(drafts)
    assert len(set(found)) == len(paths)
    for name, path in zip(found, paths, strict=True):
        assert f"/{name}" in path


# --- manifests --------------------------------------------------------------------------------------------


def test_a_manifest_alone_means_its_rows(tmp_path):
    put(tmp_path / "v" / "a.mp4", tmp_path / "v" / "b.mp4")
    (tmp_path / "m.csv").write_text("path,prompt,fps,seed\nv/b.mp4,a cup,12,3\nv/gone.mp4,,,\n,x,,\nv/a.mp4,,,\n")
    found = find_sources([], tmp_path / "m.csv")
    assert found.sources == [
        Source(tmp_path / "v/b.mp4", "b", "a cup", 12.0, None, {"seed": 3}), Source(tmp_path / "v/a.mp4", "a"),
    ]  # fmt: skip
    gone = str(tmp_path / "v/gone.mp4")
    assert found.failed == {
        gone: f"{gone} stands in the manifest, but there is no such file",
        f"{tmp_path / 'm.csv'}:4": f"{tmp_path / 'm.csv'}:4 names no video: fill in its column path",
    }


def test_with_paths_a_manifest_only_tells_what_it_knows(tmp_path):
    put(*(tmp_path / name for name in ("v/a.mp4", "v/b.mp4", "v/c.mp4", "w/c.mp4")))
    rows = ["path,prompt", "v/a.mp4,by path", "elsewhere/b.mp4,by name", "elsewhere/c.mp4,two are called so", "x.mp4,x"]
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    found = find_sources([str(tmp_path / "v"), str(tmp_path / "w")], tmp_path / "m.csv")
    assert [(source.name, source.prompt) for source in found.sources] == [
        ("a", "by path"), ("b", "by name"), ("v/c", ""), ("w/c", ""),
    ]  # fmt: skip
    assert found.failed == {}
    assert found.notes == (f"{tmp_path / 'm.csv'} says nothing of {tmp_path / 'v/c.mp4'}, {tmp_path / 'w/c.mp4'}",)


def test_names_given_in_a_manifest(tmp_path):
    put(*(tmp_path / name for name in ("a.mp4", "b.mp4", "x/first.mp4", "c.mp4")))
    (tmp_path / "m.csv").write_text("path,name\na.mp4,first\nb.mp4,first\nx/first.mp4,\nc.mp4,\n")
    found = find_sources([], tmp_path / "m.csv")
    assert names(found) == ["first", "x/first", "c"], "a name of ours makes way for a given one"
    b = str(tmp_path / "b.mp4")
    assert found.failed == {b: f"{b} has the name 'first' of {tmp_path / 'a.mp4'}: give each row a name of its own"}


def test_a_row_that_stands_twice(tmp_path):
    put(tmp_path / "a.mp4")
    (tmp_path / "m.jsonl").write_text('{"path": "a.mp4", "prompt": "one"}\n{"path": "./a.mp4", "prompt": "two"}\n')
    found = find_sources([], tmp_path / "m.jsonl")
    assert [source.prompt for source in found.sources] == ["one"]
    assert found.notes == (f"named more than once, evaluated once: {tmp_path / 'a.mp4'}",)


def test_an_empty_manifest(tmp_path):
    (tmp_path / "m.csv").write_text("path,prompt\n")
    with pytest.raises(UserError, match="no video to evaluate: the manifest has no rows"):
        find_sources([], tmp_path / "m.csv")


# --- our own runs -----------------------------------------------------------------------------------------


def test_a_run_of_ours_is_known_by_its_record(tmp_path):
    put(tmp_path / "cells" / "v1-a" / "video.mp4", tmp_path / "cells" / "v1-b" / "video.mp4", tmp_path / "video.mp4")
    records.save(make_record(), tmp_path / "cells" / "v1-a")
    rollout = Component(use="chunk", params={"frames_per_chunk": 6})
    records.save(make_record(seed=8, prompt="a ball rolls", rollout=rollout), tmp_path / "cells" / "v1-b")
    put(tmp_path / "cells" / "v1-c" / "video.mp4")
    rests = make_record(prompt="a red ball lies still", parameters={"frames_per_chunk": 6, "start_frames": 3})
    records.save(rests, tmp_path / "cells" / "v1-c")
    found = find_sources([str(tmp_path)])
    told = {"seed": 7, "method": "scaling_noise", "model": "tabletop", "rollout": "chunk"}
    chunks = {"frames_per_chunk": 6}
    assert [(s.name, s.prompt, dict(s.metadata)) for s in found.sources] == [
        ("v1-a", "a red cup", told),
        ("v1-b", "a ball rolls", told | chunks | {"seed": 8}),
        ("v1-c", "a red ball lies still", told | chunks | {"start_frames": 3, "minimum_motion": 0}),
        ("video", "", {}),
    ]


def test_a_manifest_goes_before_a_record(tmp_path):
    put(tmp_path / "cell" / "video.mp4")
    records.save(make_record(), tmp_path / "cell")
    (tmp_path / "m.csv").write_text("path,prompt,seed\ncell/video.mp4,another,99\n")
    (source,) = find_sources([str(tmp_path / "cell")], tmp_path / "m.csv").sources
    assert (source.name, source.prompt, source.metadata["seed"]) == ("cell", "another", 99)
    assert source.metadata["method"] == "scaling_noise"


def test_a_record_that_cannot_be_read_is_said(tmp_path):
    put(tmp_path / "cell" / "video.mp4")
    (tmp_path / "cell" / "record.json").write_text("{}")
    found = find_sources([str(tmp_path)])
    assert names(found) == ["cell"]
    (note,) = found.notes
    assert note.startswith(f"what {tmp_path / 'cell'} was made from is not known: ")
    assert "\n" not in note


# --- opened -----------------------------------------------------------------------------------------------


def test_what_comes_out_is_what_is_in_the_file(tmp_path):
    path = film(tmp_path / "v.mkv", pictures(23, 33, 47), "ffv1", "bgr0", rate=12)
    Image.new("RGB", (94, 66), (255, 0, 0)).save(tmp_path / "a.png")
    source = Source(path, "v", "a cup", None, tmp_path / "a.png", {"seed": 3})
    clip, blocks = open_source(source, block=10)
    assert (clip.name, clip.prompt, clip.fps, clip.frames, clip.metadata) == ("v", "a cup", 12, 23, {"seed": 3})
    assert clip.reference.shape == (3, 33, 47)
    assert clip.reference[:, 5, 5].tolist() == [1, 0, 0]
    found = list(blocks)
    assert [len(block) for block in found] == [10, 10, 3]
    assert torch.equal(torch.cat(found), read_video(path).float() / 255)


def test_large_frames_come_in_short_blocks(tmp_path):
    for name, size in (("small", (48, 64)), ("large", (1080, 1920))):
        frames = pictures(2, *size) * 20
        path = film(tmp_path / f"{name}.mp4", frames, options={"preset": "ultrafast"})
        length = len(next(open_source(Source(path, name))[1]))
        assert length == block_length(*size)
        assert length * 3 * size[0] * size[1] * 4 < 2**28, "of 4 bytes each: a quarter of a gigabyte at most"


def test_frames_are_read_only_when_they_are_asked_for(tmp_path, monkeypatch):
    path = film(tmp_path / "v.mp4", pictures(40))
    given = []

    def counted(path, chunk):
        for block in stream_video(path, chunk):
            given.append(len(block))
            yield block

    monkeypatch.setattr(sources, "stream_video", counted)
    _, blocks = open_source(Source(path, "v"), block=8)
    assert given == []
    next(blocks)
    assert given == [8]


def test_the_rate_of_the_manifest_counts(tmp_path):
    path = film(tmp_path / "v.mp4", pictures(8), rate=24)
    assert open_source(Source(path, "v"))[0].fps == 24
    clip = open_source(Source(path, "v", fps=8))[0]
    assert clip.fps == 8
    assert clip.notes == ("8 frames a second, as the manifest says; the file says 24",)
    assert open_source(Source(path, "v", fps=24))[0].notes == ()
    uneven = film(tmp_path / "u.mkv", pictures(4), ticks=[0, 100, 200, 900])
    assert open_source(Source(uneven, "u"))[0].notes == probe(uneven).notes
    assert open_source(Source(uneven, "u", fps=8))[0].notes == (
        "frames are not evenly spaced (100 … 700 ms): measures per second take the 8 a second of the manifest",
    )


def test_without_a_rate_one_is_asked_for(tmp_path):
    path = tmp_path / "v.mjpeg"
    path.write_bytes(jpeg(64, 48) * 5)
    with pytest.raises(UserError, match="does not say its frames per second: give them in the column fps"):
        open_source(Source(path, "v"))
    assert open_source(Source(path, "v", fps=8))[0].frames == 5


def test_frames_that_do_not_come_are_missed(tmp_path):
    """A packet that is none: the decoder leaves it out without an error, so only counting shows it."""
    with_gap = [jpeg(64, 48)] * 3
    path = raw_packets(tmp_path / "v.avi", with_gap, "mjpeg", 64, 48)
    info = probe(path)
    lying = type(info)(info.frames + 1, info.fps, info.width, info.height)
    _, blocks = open_source(Source(path, "v"), info=lying)
    with pytest.raises(UserError, match="holds 4 frames, of which 3 can be shown"):
        list(blocks)


def test_one_frame_is_read(tmp_path):
    clip, blocks = open_source(Source(film(tmp_path / "v.mp4", pictures(1)), "v"))
    assert clip.frames == 1
    assert [len(block) for block in blocks] == [1]


def test_what_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "text.mp4").write_text("hello")
    for path in (tmp_path / "text.mp4", tmp_path / "gone.mp4"):
        with pytest.raises(UserError, match=f"cannot read {path}") as caught:
            open_source(Source(path, "v"))
        assert "\n" not in str(caught.value)
    path = film(tmp_path / "v.mp4", pictures(2))
    with pytest.raises(UserError, match="image .* cannot be read"):
        open_source(Source(path, "v", anchor=tmp_path / "text.mp4"))
