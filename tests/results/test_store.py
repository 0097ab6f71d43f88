"""The run store: complete means recorded; complete cells never change; resuming asks what is missing."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import storing
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.results.error_log import read_errors
from sn_eval.results.files import ResultsError, append_line
from sn_eval.results.record import Record
from sn_eval.results.store import RunStore
from sn_eval.results.table import row, table


@pytest.fixture
def store(tmp_path) -> RunStore:
    """Two finished cells of two files each."""
    store = RunStore(tmp_path / "run")
    for cell in ("a", "b"):
        storing.write_cell(store, cell)
    return store


def test_a_cell_is_complete_once_its_record_is_there(tmp_path, record):
    store = RunStore(tmp_path / "run")
    assert store.ids() == []
    folder = store.begin("b")
    (folder / "video.mp4").write_bytes(b"...")
    assert not store.has("b")
    assert store.missing(["a", "b"]) == ["a", "b"]
    store.finish("b", record)
    assert store.missing(["a", "b"]) == ["a"]
    assert store.ids() == ["b"]
    assert store.record("b") == record.model_copy(update={"files": {"video.mp4": 3}})
    assert (folder / "video.mp4").exists()


def test_beginning_again_clears_what_a_dead_run_left(tmp_path):
    store = RunStore(tmp_path)
    (store.begin("a") / "video.partial.mp4").write_bytes(b"...")
    assert list(store.begin("a").iterdir()) == []


def test_complete_cells_never_change(tmp_path, record):
    store = RunStore(tmp_path)
    store.begin("a")
    store.finish("a", record)
    for change in (lambda: store.begin("a"), lambda: store.finish("a", record)):
        with pytest.raises(ResultsError, match="complete cells never change: delete"):
            change()


@pytest.mark.parametrize("cell", ["", "../x", "a/b", ".hidden", "a b", "x" * 201])
def test_ids_are_plain_folder_names(tmp_path, cell):
    with pytest.raises(ResultsError, match="cell id"):
        RunStore(tmp_path).folder(cell)


def test_failures_are_kept_apart(tmp_path):
    store = RunStore(tmp_path)
    assert store.errors() == []
    for number in range(2):
        try:
            raise RuntimeError(f"out of memory\n{number}")
        except RuntimeError as error:
            store.fail("a", error)
    first, second = store.errors()
    assert (first["cell"], first["kind"], first["message"]) == ("a", "RuntimeError", "out of memory\n0")
    assert "test_failures_are_kept_apart" in second["traceback"]
    assert not store.has("a")


def test_failures_have_a_category_and_the_last_one_counts(tmp_path):
    store = RunStore(tmp_path)
    store.fail("a", OSError("lost"), attempt=2)
    store.fail("b", ValueError("no motion"), category="quality")
    store.fail("a", ValueError("NaN latents"), category="quality", attempt=3)
    assert [(line["category"], line["attempt"]) for line in store.errors()] == [
        ("infrastructure", 2), ("quality", 1), ("quality", 3),
    ]  # fmt: skip
    last = store.last_errors()
    assert {cell: line["message"] for cell, line in last.items()} == {"a": "NaN latents", "b": "no motion"}


def test_the_error_log_is_read_as_far_as_it_goes(tmp_path):
    store = RunStore(tmp_path)
    path = tmp_path / "errors.jsonl"
    path.write_text('{"cell": "old", "kind": "KeyError"}\n')  # of before there were categories
    store.fail("a", OSError("lost"))
    with path.open("ab") as file:
        file.write(b'{"cell": 3}\n[1]\n\xff\n\n{"cell": "x", "category": "mood"}\n{"cell": "cut')
    assert [line["cell"] for line in store.errors()] == ["old", "a"], "a cut last line is no damage, and no line"
    assert store.error_log().damaged == 4
    assert store.errors()[0]["category"] == "infrastructure"
    store.fail("b", OSError("after the crash"))
    assert [line["cell"] for line in store.errors()] == ["old", "a", "b"], "only the cut line is lost"
    assert store.error_log().damaged == 5


@given(data=st.binary(max_size=300))
def test_any_error_log_can_be_read_and_written_on(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("log") / "errors.jsonl"
    path.write_bytes(data)
    before = read_errors(path)
    append_line(path, '{"cell": "new"}')
    after = read_errors(path)
    assert [line["cell"] for line in after.lines] == [*(line["cell"] for line in before.lines), "new"]


def test_messages_of_any_text_make_one_line(tmp_path):
    store = RunStore(tmp_path)
    store.fail("a", OSError("行\n\r\x85\u2028\udcff"))
    assert len(store.errors()) == 1
    assert store.errors()[0]["message"].startswith("行\n\r\x85\u2028")


def test_a_damaged_record_is_named(tmp_path, record):
    store = RunStore(tmp_path)
    (store.begin("a") / "record.json").write_text("{")
    with pytest.raises(ResultsError, match=r"a/record\.json is not a record"):
        list(store.records())


def test_table_has_a_row_a_cell(record, other):
    frame = table([record, other])
    assert frame["score.persistence"].tolist() == [0.8, 0.5]
    assert frame["score.extra"].isna().tolist() == [True, False]
    assert frame["cost.nfe"].tolist() == [480, 480]
    assert frame["cost.energy_joules"].isna().all()
    assert frame["cost.seconds"].tolist() == [3, 3]
    assert row(record)["seconds.decode"] == 0.5
    assert row(record)["param.candidates"] == 4
    assert row(record)["param.steps"] == 8
    assert len(table([])) == 0


# --- damage -----------------------------------------------------------------------------------------------


def test_sizes_are_noted_and_whole_cells_have_no_problem(store):
    sizes = {name: len(data) for name, data in storing.contents("a").items()}
    assert store.record("a").files == sizes
    assert store.problems("a") is None
    store.begin("c")
    assert store.problems("c") is None, "unfinished is not damaged"
    assert store.problems("d") is None


def test_files_in_folders_are_noted_too(tmp_path):
    store = RunStore(tmp_path)
    (store.begin("a") / "frames").mkdir()
    (store.folder("a") / "frames" / "0.png").write_bytes(b"12345")
    store.finish("a", storing.made("a"))
    assert store.record("a").files == {"frames/0.png": 5}
    (store.folder("a") / "frames" / "0.png").unlink()
    assert "frames/0.png cannot be found" in store.problems("a")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "harm", "words"),
    [
        ("video.mp4", Path.unlink, r"video\.mp4 cannot be found: No such file"),
        ("video.mp4", cut, r"video\.mp4 has [\d,]+ bytes, not the [\d,]+ that were written"),
        ("trace.jsonl", empty, r"trace\.jsonl has 0 bytes"),
        ("record.json", empty, r"record\.json is not a record"),
        ("record.json", lambda path: path.write_bytes(path.read_bytes()[:700]), r"record\.json is not a record"),
        ("record.json", lambda path: path.write_bytes(b"\0" * 700), r"record\.json is not a record"),
    ],
)
def test_damage_is_named_and_set_aside_and_the_cell_runs_again(store, name, harm, words):
    harm(store.folder("a") / name)
    problem = store.problems("a") or ""
    assert re.search(words, problem)
    assert "\n" not in problem
    assert store.problems("b") is None
    left = {path.name: path.read_bytes() for path in store.folder("a").iterdir()}
    place = store.set_aside("a")
    assert place == store.root / "damaged" / "a-1"
    assert {path.name: path.read_bytes() for path in place.iterdir()} == left, "nothing is deleted"
    assert store.missing(["a", "b"]) == ["a"]
    storing.write_cell(store, "a")
    assert store.problems("a") is None
    (store.folder("a") / "video.mp4").unlink()
    assert store.set_aside("a").name == "a-2"


def test_what_is_whole_or_unfinished_is_not_set_aside(store):
    store.begin("c")
    for cell in ("a", "c", "d"):
        with pytest.raises(ResultsError, match="is not damaged"):
            store.set_aside(cell)


def test_records_of_before_sizes_were_noted_are_valid(tmp_path, record):
    old = record.model_dump(mode="json")
    del old["files"]
    folder = RunStore(tmp_path).begin("a")
    (folder / "record.json").write_text(json.dumps(old))
    assert Record.model_validate(old).files == {}
    assert RunStore(tmp_path).problems("a") is None


def test_only_folders_with_a_cell_s_name_and_a_record_are_cells(store):
    cells = store.root / "cells"
    for name in (".copy", "with space"):
        shutil.copytree(cells / "a", cells / name)
    (cells / "a file").write_text("")
    (cells / "c").mkdir()
    assert store.ids() == ["a", "b"]
    assert list(store.stamps()) == ["a", "b"]


# --- the version of the store -----------------------------------------------------------------------------


def test_a_newer_store_is_refused_in_one_line(store):
    marker = store.root / "store.json"
    assert json.loads(marker.read_text()) == {"schema": 1}
    marker.write_text('{"schema": 2, "more": true}')
    with pytest.raises(ResultsError, match=r"run is a store of schema 2, and this sn-eval knows 1: upgrade sn-eval"):
        RunStore(store.root)


@pytest.mark.parametrize("text", [None, '{"schema": 0}', '{"schema": 1, "by": "a sibling"}'])
def test_an_older_store_or_one_without_a_mark_is_read(store, text):
    marker = store.root / "store.json"
    marker.unlink()
    if text is not None:
        marker.write_text(text)
    again = RunStore(store.root)
    assert again.ids() == ["a", "b"]
    assert marker.exists() == (text is not None), "reading writes nothing"
    storing.write_cell(again, "c")
    assert marker.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', '{"schema": "2"}'])
def test_a_damaged_mark_is_one_line(store, text):
    (store.root / "store.json").write_text(text)
    with pytest.raises(ResultsError, match=r"store.json is damaged: delete it|store of schema") as caught:
        RunStore(store.root)
    assert "\n" not in str(caught.value)


# --- what the disk refuses --------------------------------------------------------------------------------


def test_the_files_are_on_the_disk_before_the_record_appears(tmp_path, monkeypatch, record):
    """Order of the system's calls: every file, the folders, and only then the record's own name."""
    calls = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor):
        calls.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    def renamed(old, new):
        calls.append(("named", Path(new)))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    store = RunStore(tmp_path)
    folder = store.begin("a")
    (folder / "video.mp4").write_bytes(b"...")
    (folder / "trace.jsonl").write_bytes(b"...")
    calls.clear()
    path = store.finish("a", record)
    named = calls.index(("named", path))
    assert {folder / "video.mp4", folder / "trace.jsonl", folder, folder.parent, tmp_path} <= set(calls[:named])
    assert calls[named + 1] == folder, "and the record's name itself, at last"


FILL = """if True:
    import sys, storing
    from pathlib import Path
    from sn_eval.results.files import ResultsError
    from sn_eval.results.store import RunStore
    store = RunStore(Path(sys.argv[1]))
    try:
        for cell in storing.names(0, 1000):
            folder = store.begin(cell)
            for name, data in storing.contents(cell).items():
                try:
                    (folder / name).write_bytes(data)
                except OSError as error:  # what a writer of videos does with it
                    raise ResultsError(f"cannot write {folder / name}: {error.strerror}.") from error
            store.finish(cell, storing.made(cell))
    except ResultsError as error:
        print(cell, error)
    try:
        for _ in range(1000):
            store.fail(cell, OSError("the disk is full" * 100))
    except ResultsError as error:
        print(error)
    for cell in store.ids():
        assert store.problems(cell) is None, cell
    print(len(store.ids()), all(line["message"].startswith("the disk is full") for line in store.errors()))
"""


NAMESPACE = ("unshare", "--map-root-user", "--mount")


def can_mount() -> bool:
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "none", "/tmp"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


def printed(tmp_path: Path, program: str, *command: str) -> list[str]:
    """Lines of a Python program that gets the folder, run by a command."""
    environment = os.environ | {"PYTHONPATH": str(Path(storing.__file__).parent)}
    command = [*command, sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not can_mount(), reason="this system lets nobody mount a small disk in a namespace of their own")
def test_a_full_disk_is_one_line_and_finished_cells_stay(tmp_path):
    mount = 'mount -t tmpfs -o size=300k none "$4" && exec "$@"'
    cannot, also, counted = printed(tmp_path, FILL, *NAMESPACE, "sh", "-c", mount, "sh")
    assert re.fullmatch(rf"c0\d+ cannot write {tmp_path}/cells/\S+: No space left on device\..*", cannot)
    assert re.fullmatch(rf"cannot write {tmp_path}/errors.jsonl: No space left on device\. Choose .*", also)
    number, readable = counted.split()
    assert int(number) >= 3
    assert readable == "True"


def test_a_disk_without_room_for_an_error_is_one_line(tmp_path):
    store = RunStore(tmp_path)
    (tmp_path / "errors.jsonl").symlink_to("/dev/full")
    with pytest.raises(ResultsError, match=r"cannot write \S+errors\.jsonl: No space left on device\. Choose"):
        store.fail("a", OSError("lost"))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_commit_leaves_an_unfinished_cell(store, monkeypatch, call):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = store.begin("c")
    (folder / "video.mp4").write_bytes(b"...")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(ResultsError, match="cannot write .*: No space left on device") as caught:
            store.finish("c", storing.made("c"))
    assert "\n" not in str(caught.value)
    assert store.ids() == ["a", "b"]
    assert os.listdir(folder) == ["video.mp4"]
    storing.write_cell(store, "c")
    assert store.problems("c") is None


def test_a_file_of_the_limit_s_size_is_one_line(tmp_path):
    """RLIMIT_FSIZE: the record is larger than a file may be, the video is not."""
    program = """if True:
        import resource, sys, storing
        from pathlib import Path
        from sn_eval.results.files import ResultsError
        from sn_eval.results.store import RunStore
        store = RunStore(Path(sys.argv[1]))
        storing.write_cell(store, "a")
        (store.begin("b") / "video.mp4").write_bytes(b"...")
        resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
        try:
            store.finish("b", storing.made("b"))
        except ResultsError as error:
            print(error)
        print(store.ids(), store.problems("a"))
    """
    refused, left = printed(tmp_path, program)
    assert refused.startswith(f"cannot write {tmp_path}/cells/b/record.json: File too large.")
    assert left == "['a'] None"
