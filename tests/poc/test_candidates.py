"""Which videos are candidates of which prompt, and what is said of those that cannot be."""

import csv
import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_elsewhere import PROMPTS, film, folders, scene_frames

from rewards.base import UserError
from sn_eval.poc.candidates import enough, find_candidates


def clip(path, seed=0, count=4, fps=8):
    return film(path, scene_frames(PROMPTS[0], count, seed, 0.1 * seed), fps)


def table(path, rows):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def counts(found):
    return {prompt: len(some) for prompt, some in found.by_prompt.items()}


def test_a_folder_is_a_prompt_by_its_name_or_by_the_text_inside(tmp_path):
    for i in range(2):
        clip(tmp_path / "a cat_sleeps" / f"{i}.mp4", i)
        clip(tmp_path / "a_dog_runs" / f"{i}.mp4", i)
        clip(tmp_path / "p3" / f"{i}.mp4", i)
    (tmp_path / "p3" / "prompt.txt").write_text("\ufeffa horse\n stands\n", encoding="utf-8")
    found = find_candidates(tmp_path)
    assert counts(found) == {"a cat_sleeps": 2, "a dog runs": 2, "a horse stands": 2}
    assert [video.number for video in found.videos] == [1, 2] * 3
    assert not found.left_out
    assert found.size == 2


def test_files_are_told_apart_by_their_last_number_in_the_order_of_numbers(tmp_path):
    for i in (1, 2, 10):
        clip(tmp_path / f"a cat_{i}.mp4", i)
    videos = find_candidates(tmp_path).videos
    assert [(v.prompt, v.number, v.source.path.name) for v in videos] == [
        ("a cat", 1, "a cat_1.mp4"), ("a cat", 2, "a cat_2.mp4"), ("a cat", 3, "a cat_10.mp4"),
    ]  # fmt: skip


def test_a_manifest_says_what_its_owner_knows(tmp_path):
    for i in range(2):
        clip(tmp_path / f"{i}.mp4", i)
    row = {
        "prompt": "a cat",
        "group": "pets",
        "split": "dev",
        "cost": 12,
        "device": "cpu",
        "accepted": "yes",
        "CLIP": 0.3,
    }
    rows = [
        {"path": "0.mp4", "candidate": 7, "seconds": 1.5, **row},
        {"path": "1.mp4", "candidate": "", "seconds": "", **row, "accepted": 0},
    ]
    found = find_candidates(table(tmp_path / "m.csv", rows), "clip")
    one, two = found.videos
    assert (one.number, one.group, one.split, one.seconds, one.device) == (7, "pets", "dev", 1.5, "cpu")
    assert (one.cost, one.accepted, one.score) == (12.0, True, 0.3)
    assert (two.number, two.seconds, two.accepted) == (1, None, False)


def test_json_lines_and_a_manifest_in_the_folder_do_as_well(tmp_path):
    clip(tmp_path / "x.mp4")
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"path": "x.mp4", "prompt": "a cat"}) + "\n")
    found = find_candidates(tmp_path)
    assert counts(found) == {"a cat": 1}
    assert "manifest.jsonl" in found.notes[0]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"split": "test"}, "split 'test' in the manifest: it must be dev or confirm"),
        ({"seconds": -1}, "seconds -1 in the manifest: it must be a number of at least 0"),
        ({"cost": "12 yen"}, "cost '12 yen' in the manifest: it must be a number"),
        ({"candidate": 1.5}, "candidate 1.5 in the manifest: it must be a whole number from 1"),
        ({"accepted": "maybe"}, "accepted 'maybe' in the manifest: it must be 1 or 0"),
        ({"device": "tpu"}, "device 'tpu' in the manifest: it must be gpu or cpu"),
        ({"clip": "good"}, "clip 'good' in the manifest: it must be a number"),
    ],
)
def test_a_wrong_cell_is_one_line_and_the_others_stay(tmp_path, cells, said):
    clip(tmp_path / "0.mp4"), clip(tmp_path / "1.mp4", 1)
    rows = [
        {"path": "0.mp4", "prompt": "a cat", "clip": 0.5, **cells},
        {"path": "1.mp4", "prompt": "a cat", "clip": 0.5},
    ]
    found = find_candidates(table(tmp_path / "m.csv", rows), "clip")
    assert len(found.videos) == 1
    (why,) = found.left_out.values()
    assert said in why
    assert "\n" not in why


def test_missing_cut_and_alien_files_are_named_and_the_rest_goes_on(tmp_path):
    root = folders(tmp_path, PROMPTS[:1], candidates=3)
    good = sorted((root / "p0").glob("*.mp4"))
    (root / "p0" / "cut.mp4").write_bytes(good[0].read_bytes()[:-200])
    (root / "p0" / "text.mp4").write_text("no video")
    (root / "p0" / "empty.mp4").touch()
    shutil.copy(good[1], root / "p0" / "again.mp4")
    found = find_candidates(root)
    assert len(found.videos) == 3
    said = {path.rsplit("/", 1)[-1]: why for path, why in found.left_out.items()}
    assert "it is cut: at least" in said["cut.mp4"]
    assert "cannot read" in said["text.mp4"]
    assert "it is empty (0 bytes)" in said["empty.mp4"]
    assert len(said) == 4
    assert any("is the same video as" in why for why in said.values())
    rows = [{"path": path, "prompt": "a cat"} for path in (good[0], good[1], "gone.mp4")]
    found = find_candidates(table(tmp_path / "m.csv", rows))
    assert len(found.videos) == 2
    assert "there is no such file" in found.left_out[str(tmp_path / "gone.mp4")]


def test_two_of_one_number_and_two_groups_of_one_prompt_are_refused(tmp_path):
    for i in range(3):
        clip(tmp_path / f"{i}.mp4", i)
    rows = [{"path": f"{i}.mp4", "prompt": "a cat", "candidate": 1 + (i == 1)} for i in range(3)]
    found = find_candidates(table(tmp_path / "m.csv", rows))
    assert "candidate number 1 of" in found.left_out[str(tmp_path / "2.mp4")]
    rows = [{"path": f"{i}.mp4", "prompt": "a cat", "group": "ab"[i // 2]} for i in range(3)]
    found = find_candidates(table(tmp_path / "m.csv", rows))
    assert "another group or split than" in found.left_out[str(tmp_path / "2.mp4")]


def test_prompts_with_too_few_candidates_are_named(tmp_path):
    for number in range(5):
        for i in range(1 if number == 4 else 3):
            clip(tmp_path / f"prompt {number} x" / f"{i}.mp4", i)
    found = find_candidates(tmp_path)
    assert found.size == 3
    assert len(found.by_prompt) == 4
    assert "has 1 of the 3 candidates that most have" in found.left_out["prompt 4 x"]


def test_what_differs_is_said(tmp_path):
    film(tmp_path / "a b" / "1.mp4", scene_frames(PROMPTS[0], 4))
    film(tmp_path / "a b" / "2.mp4", scene_frames(PROMPTS[0], 6)[..., :32], 4)
    notes = " ".join(find_candidates(tmp_path).notes)
    assert "videos have 4 to 6 frames" in notes
    assert "sizes differ: 32x64, 64x64" in notes
    assert "rates differ (4 to 8 frames a second)" in notes
    film(tmp_path / "a b" / "2.mp4", scene_frames(PROMPTS[0], 4, 1))
    assert find_candidates(tmp_path).notes == ()


def test_a_prompt_of_one_candidate_does_not_undo_the_comparison_of_the_others(tmp_path):
    for number in range(4):
        for i in range(1 if number == 3 else 2):
            clip(tmp_path / f"prompt {number} x" / f"{i}.mp4", i)
    found = find_candidates(tmp_path)
    assert (found.size, len(found.by_prompt)) == (2, 3)
    assert "has 1 of the 2 candidates that most have" in found.left_out["prompt 3 x"]


def test_one_candidate_can_be_evaluated_only(tmp_path):
    clip(tmp_path / "a cat" / "1.mp4")
    assert "no best of several" in find_candidates(tmp_path).notes[0]


def test_nothing_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no video in the folder"):
        find_candidates(tmp_path)
    with pytest.raises(UserError, match="does not exist: name a folder of videos, or a manifest"):
        find_candidates(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="neither a folder nor a manifest"):
        find_candidates(tmp_path / "notes.txt")
    (tmp_path / "1.mp4").write_text("no video")
    with pytest.raises(UserError, match="no video can be imported: cannot read"):
        find_candidates(tmp_path)
    clip(tmp_path / "a.mp4")
    with pytest.raises(UserError, match="no video has a number in the column 'clip'"):
        find_candidates(table(tmp_path / "m.csv", [{"path": "a.mp4", "prompt": "a cat"}]), "clip")


@given(st.lists(st.integers(1, 12), min_size=1, max_size=30))
def test_most_prompts_have_enough(given_counts):
    size = enough(given_counts)
    several = [count for count in given_counts if count > 1]
    asked = several if 2 * len(several) > len(given_counts) else given_counts
    having = [sum(count >= each for count in asked) for each in (size, size + 1)]
    assert having[0] >= 0.8 * len(asked)
    assert having[1] < 0.8 * len(asked)
    assert sum(count >= size for count in given_counts) >= 0.4 * len(given_counts)


def test_a_column_that_is_nearly_one_that_is_read_is_told(tmp_path):
    for i in range(2):
        clip(tmp_path / f"{i}.mp4", i)
    rows = [{"path": f"{i}.mp4", "prompt": "a cat", "acepted": "1", "mood": "calm"} for i in range(2)]
    notes = find_candidates(table(tmp_path / "clips.csv", rows)).notes
    assert "column 'acepted' is not read; did you mean 'accepted'?" in notes
    assert not any("mood" in note for note in notes)
