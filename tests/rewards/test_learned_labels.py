"""Label files as people write them: what is read, what is grouped, and one line for whatever is wrong."""

import json

import pytest

from rewards.base import UserError
from rewards.labelling.labels import read_clips, read_labels


@pytest.fixture
def folder(tmp_path):
    """Six clips (their content is their name) in two folders."""
    for name in ("x/0", "x/1", "x/2", "y/3", "y/4", "y/5"):
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


def write(folder, text, name="labels.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def read(folder, text, **how):
    return read_labels([write(folder, text, **how)])


def test_pass_and_fail_in_several_words_and_empty_rows_are_passed_over(folder):
    labels = read(
        folder,
        "Clip, label ,prompt,fps\nx/0.mp4,Pass,a,\nx/1.mp4,0,a,12\n\ny/3.mp4,TRUE,b,\ny/4.mp4,,b,\n",
        encoding="utf-8-sig",
    )
    assert (labels.kind, labels.values, labels.groups) == ("pass", (1, 0, 1), (0, 0, 1))
    assert [clip.path for clip in labels.clips] == [folder / name for name in ("x/0.mp4", "x/1.mp4", "y/3.mp4")]
    assert [clip.fps for clip in labels.clips] == [None, 12, None]
    assert labels.notes == ("1 rows without a label were passed over",)


def test_grades_and_several_raters_of_one_clip(folder):
    labels = read(folder, "clip,label,prompt,rater\nx/0.mp4,1,a,ann\nx/0.mp4,4,a,bob\ny/3.mp4,5,b,ann\n")
    assert (labels.kind, labels.values, labels.first) == ("grade", (1, 4, 5), (0, 0, 1))
    assert labels.raters == ("ann", "bob", "ann")


def test_pairs_with_ties(folder):
    labels = read(folder, "clip_a,clip_b,preference,prompt\nx/0.mp4,x/1.mp4,a,p\nx/1.mp4,x/2.mp4,Tie,p\n")
    assert (labels.kind, labels.values) == ("pair", (1, 0.5))
    assert (labels.first, labels.second) == ((0, 1), (1, 2))


def test_jsonl_says_the_same(folder):
    rows = [{"clip": "x/0.mp4", "label": "pass", "prompt": "a"}, {"clip": "y/3.mp4", "label": 0, "fps": None}]
    labels = read(folder, "\n".join(map(json.dumps, rows)), name="labels.jsonl")
    assert labels.values == (1, 0)


def test_prompts_are_groups_whatever_their_spelling(folder):
    labels = read(folder, "clip,label,prompt\nx/0.mp4,1,A  ball\nx/1.mp4,0,a ball\ny/3.mp4,1,a cube\n")
    assert labels.groups == (0, 0, 1)
    assert labels.notes == ()


def test_without_prompts_folders_are_groups_and_a_note_says_so(folder):
    labels = read(folder, "clip,label\nx/0.mp4,1\nx/1.mp4,0\ny/3.mp4,1\n")
    assert labels.groups == (0, 0, 1)
    assert "clips of one folder are taken for one prompt" in labels.notes[0]
    alone = read(folder, "clip,label\nx/0.mp4,1\nx/1.mp4,0\nx/2.mp4,1\n")
    assert alone.groups == (0, 1, 2)
    assert "figures look better than they are" in alone.notes[0]


def test_a_clip_under_two_prompts_or_two_names_joins_them(folder):
    (folder / "y" / "copy.mp4").write_bytes((folder / "x" / "0.mp4").read_bytes())
    labels = read(folder, "clip,label,prompt\nx/0.mp4,1,a\nx/1.mp4,0,b\ny/copy.mp4,1,b\ny/5.mp4,1,c\n")
    assert labels.groups == (0, 0, 0, 1)
    assert "3 groups became 2" in labels.notes[0]


def test_several_files_are_one_and_lists_need_no_label(folder):
    one = write(folder, "clip,label\nx/0.mp4,1\n", name="one.csv")
    two = write(folder / "y", "clip,label,note\n3.mp4,0,random\n4.mp4,,disagreement\n", name="two.csv")
    assert read_labels([one, two]).clips[1].path == folder / "y" / "3.mp4"
    assert len(read_clips(two)) == 2
    assert len(read_clips(two, labelled=True)) == 1
    assert read_clips(write(folder, "clip,prompt\nx/0.mp4,a ball\n", name="pool.csv"))[0].prompt == "a ball"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no rows"),
        ("clip,label\n", "holds no rows"),
        ("clip,label\nx/0.mp4,\n", "holds no labels"),
        ("clip;label\nx/0.mp4;1\n", "separated by commas"),
        ("video,label\nx/0.mp4,1\n", "lacks clip"),
        ("clip,label,promt\nx/0.mp4,1,a\n", "unknown column 'promt'. Did you mean 'prompt'?"),
        ("clip_a,clip_b\nx/0.mp4,x/1.mp4\n", "lacks preference"),
        ("clip,label\nx/0.mp4,good\n", "line 2: label 'good'; it must be pass or fail"),
        ("clip,label\nx/0.mp4,1\nx/1.mp4,6\n", "label '6'; it must be pass or fail"),
        ("clip,label\nx/0.mp4,3\nx/1.mp4,6\n", "label '6'; the file's other rows say"),
        ("clip,label\nx/0.mp4,3\nx/1.mp4,pass\n", "label 'pass'; the file's other rows say"),
        ("clip,label\nx/0.mp4,1\nx/1.mp4,1\n", "all 2 labels are 'pass'"),
        ("clip,label\nx/0.mp4,3\nx/1.mp4,3\n", "all 2 labels are 'grade 3'"),
        ("clip_a,clip_b,preference\nx/0.mp4,x/1.mp4,tie\n", "all 1 preferences are ties"),
        ("clip_a,clip_b,preference\nx/0.mp4,x/1.mp4,left\n", "preference 'left'; it must be a, b or tie"),
        ("clip_a,clip_b,preference\nx/0.mp4,x/0.mp4,a\n", "are the same clip"),
        ("clip,label\nx/0.mp4,1\nx/7.mp4,0\nx/8.mp4,0\nx/9.mp4,0\nz.mp4,1\n", "4 of 5 files do not .* and 1 more"),
        ("clip,label\n,1\n", "line 2: clip is empty"),
        ("clip,label\nx/0.mp4,1,7\n", "line 2: it does not hold the header's 2 fields"),
        ("clip,label,fps\nx/0.mp4,1,fast\n", "fps 'fast'"),
        ('clip,label\n"x/0.mp4,1\n', "is no CSV file"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_one_line(folder, text, told):
    with pytest.raises(UserError, match=told) as error:
        read(folder, text)
    assert "\n" not in str(error.value)


def test_other_encodings_and_missing_files_are_one_line(folder):
    with pytest.raises(UserError, match="is not UTF-8 .* save it as CSV in UTF-8"):
        read(folder, "clip,label,prompt\nx/0.mp4,1,caffè\n", encoding="latin-1")
    with pytest.raises(UserError, match="is not UTF-8"):
        read(folder, "clip,label\nx/0.mp4,1\n", encoding="utf-16")
    with pytest.raises(UserError, match="cannot read .*nowhere.csv: No such file"):
        read_labels([folder / "nowhere.csv"])
    with pytest.raises(UserError, match="mix single clips and pairs"):
        read_labels([
            write(folder, "clip,label\nx/0.mp4,1\n"),
            write(folder, "clip_a,clip_b,preference\nx/0.mp4,x/1.mp4,a\n", name="pairs.csv"),
        ])  # fmt: skip
