"""The snapshot is a cache: with it, without it, or with a broken one, a reader sees what the cells say."""

import gc
import os
import random
import shutil

import pandas as pd
import pytest
import storing

from sn_eval.results.files import ResultsError
from sn_eval.results.snapshot import FILE_NAME, damaged, recorded, tabulate
from sn_eval.results.store import RunStore
from sn_eval.results.table import table


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Thirty finished cells."""
    store = RunStore(tmp_path_factory.mktemp("cells"))
    for number, cell in enumerate(storing.names(0, 30)):
        folder = store.begin(cell)
        (folder / "video.mp4").write_bytes(b"." * number)
        store.finish(cell, storing.made(cell, scores={"sharp": number / 7, "other": None}))
    return store.root


@pytest.fixture
def store(tmp_path, cells) -> RunStore:
    """A copy of them."""
    return RunStore(shutil.copytree(cells, tmp_path / "run"))


def seen(store: RunStore) -> list:
    return list(recorded(store).records.values())


def rewrite_unseen(path, old: str, new: str) -> None:
    """Change a file so that its time and size are as before."""
    status, text = path.stat(), path.read_text()
    assert text.count(old) == 1
    assert len(old) == len(new)
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_it_says_what_the_cells_say(store):
    cells = list(store.records())
    assert seen(store) == cells
    assert (store.root / FILE_NAME).is_file()
    assert seen(store) == cells, "exactly, the second time, too"
    assert list(recorded(store).records) == store.ids()
    assert recorded(store).unreadable == {}


def test_it_is_used_while_time_and_size_of_a_record_are_as_they_were(store):
    seen(store)
    path = store.folder("c00003") / "record.json"
    rewrite_unseen(path, '"seed": 6', '"seed": 7')
    assert recorded(store).records["c00003"].seed == 6, "the cell was opened again"
    os.utime(path)
    assert recorded(store).records["c00003"].seed == 7, "a cell that changed was not believed"


def test_new_changed_and_removed_cells_are_seen(store):
    seen(store)
    storing.write_cell(store, "d1")
    shutil.rmtree(store.folder("c00000"))
    (store.folder("c00001") / "record.json").write_text(storing.made("c00001", seed=99).model_dump_json())
    assert seen(store) == list(store.records())
    assert {"d1"} < set(recorded(store).records) < {"d1", *storing.names(0, 30)}
    assert recorded(store).records["c00001"].seed == 99


def test_it_is_renewed_once_enough_is_missing(store):
    seen(store)
    before = (store.root / FILE_NAME).read_bytes()
    storing.write_cell(store, "d1")
    assert seen(store) == list(store.records())
    assert (store.root / FILE_NAME).read_bytes() == before, "one in thirty is read, and not written"
    storing.write_cell(store, "d2")
    assert seen(store) == list(store.records())
    assert (store.root / FILE_NAME).read_bytes() != before
    rewrite_unseen(store.folder("d2") / "record.json", '"seed": 2', '"seed": 3')
    assert recorded(store).records["d2"].seed == 2


def flip(seed: int):
    """Another byte somewhere."""

    def harm(data: bytes) -> bytes:
        draw = random.Random(seed)
        place = draw.randrange(len(data))
        return data[:place] + bytes([data[place] ^ draw.randint(1, 255)]) + data[place + 1 :]

    return harm


def other_parquet() -> bytes:
    return pd.DataFrame({"cell": ["c00000"], "size": [1]}).to_parquet()


HARMS = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "another table": lambda data: other_parquet(),
    "text": lambda data: b"cell,record\n",
}


@pytest.mark.parametrize("harms", [HARMS.values(), [flip(seed) for seed in range(60)]], ids=["whole", "bytes"])
def test_a_broken_one_is_no_matter(store, harms):
    cells = seen(store)
    path = store.root / FILE_NAME
    whole = path.read_bytes()
    for harm in harms:
        path.write_bytes(harm(whole))
        assert seen(store) == cells


def test_a_folder_that_cannot_be_written_is_no_matter(store):
    (store.root / FILE_NAME).mkdir()
    assert seen(store) == list(store.records())
    assert os.listdir(store.root / FILE_NAME) == []


def test_damaged_cells_are_told_and_the_rest_is_read(store):
    seen(store)
    (store.folder("c00002") / "record.json").write_text("{")
    (store.folder("c00004") / "record.json").write_bytes(b"\xff\xfe")
    (store.folder("c00005") / "video.mp4").unlink()
    (store.folder("c00006") / "video.mp4").write_bytes(b"")
    found = recorded(store)
    assert found.unreadable.keys() == {"c00002", "c00004"}
    assert len(found.records) == 28
    harmed = damaged(store)
    assert harmed == {cell: why for cell in store.ids() if (why := store.problems(cell))}
    assert list(harmed) == ["c00002", "c00004", "c00005", "c00006"]
    for cell in harmed:
        store.set_aside(cell)
    assert damaged(store) == {}


def test_the_table_is_that_of_the_records(store):
    wanted = table(store.records())
    for _ in range(2):
        pd.testing.assert_frame_equal(tabulate(store), wanted)
    assert tabulate(store)["score.sharp"].tolist() == [number / 7 for number in range(30)]


def test_an_empty_store_has_no_snapshot(tmp_path):
    assert seen(RunStore(tmp_path / "none")) == []
    assert len(tabulate(RunStore(tmp_path))) == 0
    assert not (tmp_path / FILE_NAME).exists()


def test_the_collector_runs_again_afterwards(store, monkeypatch):
    tabulate(store)
    assert gc.isenabled()
    monkeypatch.setattr(RunStore, "stamps", lambda store: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recorded(store)
    assert gc.isenabled()


def test_a_newer_record_is_told_and_not_taken(store):
    path = store.folder("c00000") / "record.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    assert "schema_version" in recorded(store).unreadable["c00000"]
    with pytest.raises(ResultsError, match="schema_version"):
        store.record("c00000")
