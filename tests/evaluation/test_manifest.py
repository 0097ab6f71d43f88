"""What people know of their videos is read from a table; what is wrong with a row is said in one line."""

import csv
import io
import json

import pytest
from filming import film, pictures
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rewards.base import UserError
from sn_eval.evaluation.manifest import Row, read_manifest


def table(tmp_path, text, name="m.csv", encoding="utf-8"):
    (tmp_path / name).write_bytes(text.encode(encoding))
    return tmp_path / name


def test_a_csv_with_all_columns(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    text = (
        "Path,prompt,FPS,anchor,name,frames_per_chunk,seed,style,allow_change,minimum_motion\n"
        'a.mp4,"a cup, red",12.5,a.png,first,6,3,oil,true,0.25\n'
        "\n"
        "sub/b.mp4,,,,,,,,,\n"
    )
    found = read_manifest(table(tmp_path, text))
    assert found.failed == {}
    told = {"frames_per_chunk": 6, "seed": 3, "style": "oil", "allow_change": True, "minimum_motion": 0.25}
    assert found.rows == (
        Row(tmp_path / "a.mp4", "a cup, red", 12.5, tmp_path / "a.png", "first", told),
        Row(tmp_path / "sub/b.mp4"),
    )
    assert isinstance(found.rows[0].metadata["seed"], int)


def test_json_lines_say_the_same(tmp_path):
    lines = [
        {"path": "a.mp4", "prompt": "赤い cup", "fps": 8, "frames_per_chunk": 6.0, "tags": ["x"]},
        {"video": "/v/b.mp4"},
    ]
    found = read_manifest(table(tmp_path, "\n".join(map(json.dumps, lines)) + "\n\n", "m.jsonl"))
    assert found.rows[0] == Row(tmp_path / "a.mp4", "赤い cup", 8.0, metadata={"frames_per_chunk": 6, "tags": ["x"]})
    assert str(found.rows[1].path) == "/v/b.mp4"
    assert found.failed == {}


@pytest.mark.parametrize("column", ["path", "video", "file"])
@pytest.mark.parametrize("split", [",", ";", "\t"])
def test_what_spreadsheets_write(tmp_path, split, column):
    text = f"\ufeff{column}{split}prompt\r\nä.mp4{split}ein Glas\r\n"
    assert read_manifest(table(tmp_path, text)).rows == (Row(tmp_path / "ä.mp4", "ein Glas"),)


cells = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(cells.filter(str.strip), cells), min_size=1, max_size=5))
def test_any_text_goes_through_a_csv(tmp_path, rows):
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("path", "prompt"), *rows])
    found = read_manifest(table(tmp_path, file.getvalue()))
    assert found.failed == {}
    assert [(row.path, row.prompt) for row in found.rows] == [
        (tmp_path / path.strip(), prompt.strip()) for path, prompt in rows
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (",a cup,", "names no video: fill in its column path"),
        ("a.mp4,a cup,fast", "has fps 'fast': it must be a number above 0"),
        ("a.mp4,a cup,-3", "has fps '-3': it must be a number above 0"),
        ("a.mp4,a cup,nan", "has fps 'nan': it must be a number above 0"),
        ("a.mp4,a cup, red,8", "has 4 cells for 3 columns: put texts that hold commas in quotes"),
    ],
)
def test_a_bad_row_is_one_line_and_the_others_stand(tmp_path, row, why):
    path = table(tmp_path, f"path,prompt,fps\n{row}\nb.mp4,,\n")
    found = read_manifest(path)
    assert found.failed == {f"{path}:2": f"{path}:2 {why}"}
    assert [row.path.name for row in found.rows] == ["b.mp4"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{oops", "is no JSON: "),
        ("[1, 2]", "is no JSON object such as"),
        ('{"prompt": "x"}', "names no video"),
        ('{"path": ["a"]}', "has ['a'] where a text must stand"),
        ('{"path": "a.mp4", "fps": true}', "has fps True"),
        ('{"path": "a.mp4", "frames_per_chunk": 2.5}', "has frames_per_chunk 2.5: it must be a whole number"),
        ('{"path": "a.mp4", "frames_per_chunk": "six"}', "has frames_per_chunk 'six'"),
        ('{"path": "a.mp4", "frames_per_chunk": Infinity}', "has frames_per_chunk inf"),
        ('{"path": "a.mp4", "fps": 1' + 400 * "0" + "}", "it must be a number above 0"),
        ('{"path": "a.mp4", "fps": 1e999}', "has fps inf: it must be a number above 0"),
        ('{"path": "a.mp4", "anchor": "no.png"}', "has the anchor "),
        ('{"path": "a\\u0000.mp4"}', "where a text must stand"),
    ],
)
def test_bad_lines_of_json(tmp_path, line, why):
    path = table(tmp_path, f'{{"path": "b.mp4"}}\n{line}\n', "m.jsonl")
    found = read_manifest(path)
    assert list(found.failed) == [f"{path}:2"]
    assert why in found.failed[f"{path}:2"]
    assert "\n" not in found.failed[f"{path}:2"]
    assert len(found.rows) == 1


def test_files_that_are_no_manifest(tmp_path):
    film(tmp_path / "v.csv.mp4", pictures(1))
    for name, text, why in [
        ("m.csv", "prompt,fps\nx,8\n", "has no column path .*; it has prompt, fps"),
        ("e.csv", "", "has no column path .*; it has none"),
        ("t.csv", "path,prompt,prompt\n", "has the column prompt twice"),
        ("q.csv", 'path,prompt\na.mp4,"never closed\n', "is no CSV"),
        ("m.txt", "path\n", "must end in .csv, .tsv or .jsonl"),
    ]:
        with pytest.raises(UserError, match=why) as caught:
            read_manifest(table(tmp_path, text, name))
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="not UTF-8 .*: save it as CSV UTF-8"):
        read_manifest(table(tmp_path, "path,prompt\na.mp4,赤い\n", encoding="cp932"))
    with pytest.raises(UserError, match="cannot read manifest .*nowhere.csv: No such file"):
        read_manifest(tmp_path / "nowhere.csv")
