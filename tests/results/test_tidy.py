"""A tidy table holds every number of an evaluation once, and comes back from disk as it was written."""

import json
import math
import os
import subprocess
import sys
import textwrap

import pandas as pd
import pytest
from evaluations import evaluation, measure, video
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sn_eval.results.files import ResultsError
from sn_eval.results.tidy import COLUMNS, CURVE_COLUMNS, curves_table, tidy, write_curves, write_table

KEY = "subject_consistency[imagenet-lite0]"


@pytest.fixture
def found():
    measures = [
        measure(encoder="imagenet-lite0", families=("encoder:imagenet-lite0", "pixels")),
        measure("warping_error", higher_is_better=False, high=math.inf, mode="reference"),
    ]
    videos = [
        video("cup", {KEY: 0.9, "warping_error": 0.2}, parts={KEY: {"first": 0.8, "last": 1.0}}, prompt='赤い, "cup"'),
        video("glass", {KEY: None, "warping_error": 0.1}, curves={"warping_error": (None, 0.1, 0.1, 0.1)}),
    ]
    return evaluation(measures, videos)


def test_one_number_a_row(found):
    table = tidy(found)
    assert tuple(table.columns) == COLUMNS
    assert table[["video", "measure", "part"]].values.tolist() == [
        ["cup", KEY, ""], ["cup", KEY, "first"], ["cup", KEY, "last"], ["cup", "warping_error", ""],
        ["glass", KEY, ""], ["glass", "warping_error", ""],
    ]  # fmt: skip
    assert table["value"].fillna(-1).tolist() == [0.9, 0.8, 1.0, 0.2, -1, 0.1]
    first, error = table.iloc[0], table.iloc[3]
    assert first[["name", "encoder", "mode", "family"]].tolist() == [
        "subject_consistency", "imagenet-lite0", "fixed", "encoder:imagenet-lite0 + pixels",
    ]  # fmt: skip
    assert (first["higher_is_better"], first["low"], first["high"]) == (True, 0, 1)
    assert (error["mode"], error["higher_is_better"], error["high"], error["encoder"]) == (
        "reference", False, math.inf, "",
    )  # fmt: skip


def test_a_part_does_not_borrow_the_range_of_its_whole(found):
    part = tidy(found).iloc[1]
    assert pd.isna(part[["low", "high", "higher_is_better"]]).all()


def test_a_total_is_a_measure(found):
    assert "total" not in set(tidy(found)["measure"])
    cup, glass = found.videos
    with_total = found.model_copy(update={"videos": (cup.model_copy(update={"total": 0.7}), glass)})
    rows = tidy(with_total).query("measure == 'total'")
    assert rows["value"].fillna(-1).tolist() == [0.7, -1]


def test_curves(found):
    table = curves_table(found)
    assert tuple(table.columns) == CURVE_COLUMNS
    assert table["seconds"].tolist() == [0, 0.125, 0.25, 0.375]
    assert table["frame"].tolist() == [0, 1, 2, 3]
    assert table["value"].fillna(-1).tolist() == [-1, 0.1, 0.1, 0.1]
    assert set(table["measure"]) == {"warping_error"}


def test_nothing_still_has_its_columns():
    nothing = evaluation([], [])
    assert tuple(tidy(nothing).columns) == COLUMNS
    assert tuple(curves_table(nothing).columns) == CURVE_COLUMNS
    assert tidy(nothing).empty


def read(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".json":
        return pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
    return pd.read_csv(path, keep_default_na=False, na_values={"value": [""], "low": [""], "high": [""]})


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_what_was_written_comes_back(tmp_path, found, suffix):
    path = write_table(found, tmp_path / f"t.{suffix}")
    back, table = read(path), tidy(found)
    assert list(back.columns) == list(COLUMNS)
    for column in ("video", "path", "prompt", "measure", "encoder", "family", "part"):
        assert back[column].tolist() == table[column].tolist()
    assert back["value"].fillna(-1).tolist() == table["value"].fillna(-1).tolist()
    curves = read(write_curves(found, tmp_path / f"c.{suffix}"))
    assert curves["value"].fillna(-1).tolist() == [-1, 0.1, 0.1, 0.1]
    assert sorted(os.listdir(tmp_path)) == [f"c.{suffix}", f"t.{suffix}"]


def test_a_csv_opens_in_a_spreadsheet_and_json_is_json(tmp_path, found):
    assert write_table(found, tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbfvideo,path,")
    text = write_table(found, tmp_path / "t.json").read_text(encoding="utf-8")
    assert "赤い" in text
    rows = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert rows[4]["value"] is None
    assert (rows[0]["higher_is_better"], rows[1]["higher_is_better"], rows[3]["high"]) == (True, None, None)


texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.tuples(texts, numbers), min_size=1, max_size=4), st.sampled_from(["csv", "parquet", "json"]))
@example([("\r", None)], "csv")
def test_any_prompt_and_any_number_survive(tmp_path, rows, suffix):
    videos = [video(str(i), {"m": value}, prompt=prompt) for i, (prompt, value) in enumerate(rows)]
    back = read(write_table(evaluation([measure("m")], videos), tmp_path / f"t.{suffix}"))
    assert [value if value == value else None for value in back["value"].astype(float)] == [value for _, value in rows]
    if suffix != "csv":  # pandas' reader of CSV makes numbers of texts, and one line end of another
        assert back["prompt"].tolist() == [prompt for prompt, _ in rows]


def test_other_formats_are_refused(tmp_path, found):
    with pytest.raises(ResultsError, match=r"must end in \.csv, \.parquet, \.json"):
        write_table(found, tmp_path / "t.xlsx")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_a_full_disk_is_one_line_and_leaves_the_old_table(tmp_path, suffix):
    """The size limit of a process stands for the disk; and none of it needs torch."""
    program = """
        import resource, sys
        from pathlib import Path
        from sn_eval.results.evaluation import Evaluation
        from sn_eval.results.files import ResultsError
        from sn_eval.results.tidy import write_table
        found = Evaluation.load(Path(sys.argv[1]))
        write_table(found, Path(sys.argv[2]))
        assert "torch" not in sys.modules
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            write_table(found, Path(sys.argv[2]))
        except ResultsError as error:
            print(error)
    """
    saved = evaluation([measure("m")], [video("a", {"m": 0.5})]).save(tmp_path / "evaluation.json")
    path = tmp_path / f"t.{suffix}"
    command = [sys.executable, "-c", textwrap.dedent(program), str(saved), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"cannot write {path}: File too large. Choose a writable folder with free space.\n"
    assert read(path)["value"].tolist() == [0.5]
    assert sorted(os.listdir(tmp_path)) == sorted(["evaluation.json", path.name])
