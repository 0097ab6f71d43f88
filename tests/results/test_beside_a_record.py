"""What lies beside a record for those who look closer: curves frame by frame, and a tile for each candidate."""

import json
import math

import pytest
from PIL import Image

from sn_eval.results.files import ResultsError
from sn_eval.results.per_frame import FILE_NAME, load_curves, save_curves
from sn_eval.results.thumbnails import INDEX, PICTURE, load_thumbnails, save_index


def test_curves_come_back_with_gaps(tmp_path):
    save_curves(tmp_path, {"a": [0.1234567, math.nan, math.inf], "b": []})
    assert load_curves(tmp_path) == {"a": [0.12346, None, None], "b": []}
    assert json.loads((tmp_path / FILE_NAME).read_text())


def test_what_is_no_number_is_a_gap(tmp_path):
    (tmp_path / FILE_NAME).write_text('{"a": [NaN, Infinity, 1]}')
    assert load_curves(tmp_path) == {"a": [None, None, 1.0]}


def test_no_curves_are_none(tmp_path):
    assert load_curves(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 3}', '{"a": ["x"]}', "{", '{"a": [1' + "0" * 400 + "]}"])
def test_damaged_curves_are_one_line(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ResultsError, match="is damaged"):
        load_curves(tmp_path)


def test_tiles_are_found_by_kind_step_and_key(tmp_path):
    Image.new("RGB", (6, 8)).save(tmp_path / PICTURE)
    save_index(tmp_path, (3, 4), 2, {("preview", 0, "a", 7): 0, ("preview", 0, "b", 7): 1, ("final", 0, "a", 7): 2})
    found = load_thumbnails(tmp_path)
    assert found is not None
    assert found.size == (6, 8)
    assert found.corner("final", 0, "a", 7) == (0, 4)
    assert found.corner("preview", 0, "b", 7) == (3, 0)
    assert found.corner("final", 0, "a", 8) is None
    assert found.corner("final", 0, "a") == (0, 4)
    assert found.corner("final", 1, "a") is None


def test_no_tiles_are_none(tmp_path):
    assert load_thumbnails(tmp_path) is None


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"tile": [0, 4], "columns": 1, "tiles": []}',
                                   '{"tile": [3, 4], "columns": 0, "tiles": []}',
                                   '{"tile": [3, 4], "columns": 1, "tiles": [1]}',
                                   '{"tile": [Infinity, 4], "columns": 1, "tiles": []}'])  # fmt: skip
def test_a_damaged_index_is_one_line(tmp_path, index):
    Image.new("RGB", (6, 8)).save(tmp_path / PICTURE)
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(ResultsError, match="is damaged"):
        load_thumbnails(tmp_path)
