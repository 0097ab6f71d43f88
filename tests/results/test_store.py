"""The run store: complete means recorded; complete cells never change; resuming asks what is missing."""

import pytest

from sn_eval.results.files import ResultsError
from sn_eval.results.store import RunStore
from sn_eval.results.table import row, table


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
