"""CSVs of blind judgements that `rewards fit` and human labels read, whoever writes to them at once."""

import csv
import multiprocessing
from pathlib import Path

import pytest

from rewards.labelling.labels import read_labels
from sn_eval.decision.attempts import labels_of
from sn_eval.results.files import ResultsError
from sn_eval.results.preferences import (
    LABELS,
    PAIRS,
    Preference,
    append_preference,
    check_ratings,
    clean_rater,
    clip_path,
    labels_beside,
    labels_csv,
    pairs_csv,
    rater_problem,
    read_preferences,
)
from sn_eval.results.ratings import read_ratings


@pytest.fixture
def videos(tmp_path):
    """Four cells' videos; their content differs, as those of clips do."""
    found = []
    for cell in ("plain-0", "search-0", "plain-1", "search-1"):
        folder = tmp_path / "run" / "cells" / cell
        folder.mkdir(parents=True)
        (folder / "video.mp4").write_bytes(cell.encode())
        found.append(folder / "video.mp4")
    return found


def judged(videos, csv_file, first, second, choice="a", **more):
    """A judgement of two of the videos."""
    names = [clip_path(videos[place], csv_file) for place in (first, second)]
    return Preference(
        *names, choice, **{"rater": "ann", "prompt": "a cup, of tea", "at": "2026-11-25T09:00:00", **more}
    )


def test_the_files_serve_rewards_and_labels(tmp_path, videos):
    path = tmp_path / "ratings" / "blind.csv"
    append_preference(path, judged(videos, path, 0, 1, "b", accept_a=False, accept_b=True))
    append_preference(path, judged(videos, path, 3, 2, "tie", prompt='"two"\n lines', accept_a=True))
    append_preference(path, judged(videos, path, 0, 1, "", rater="田中"))
    labels = read_labels([path])
    assert (labels.kind, labels.values, labels.raters) == ("pair", (0.0, 0.5), ("ann", "ann"))
    assert [clip.path.resolve() for clip in labels.clips] == [videos[0], videos[1], videos[3], videos[2]]
    assert len(set(labels.groups)) == 2
    ratings = read_ratings(labels_beside(path))
    assert [(row.rater, row.value) for row in ratings.rows] == [("ann", 0.0), ("ann", 1.0), ("ann", 1.0)]
    cells = ["plain-0", "search-0", "plain-1", "search-1"]
    assert labels_of(labels_beside(path), cells) == {"plain-0": 0.0, "search-0": 1.0, "search-1": 1.0}
    single = read_labels([labels_beside(path)])
    assert (single.kind, single.values) == ("pass", (0.0, 1.0, 1.0))


def test_what_is_written_is_read(tmp_path, videos):
    path = tmp_path / "blind.csv"
    given = [
        judged(videos, path, 0, 1, "b", accept_a=False, accept_b=True),
        judged(videos, path, 3, 2, "", accept_b=True),
    ]
    assert read_preferences(path) == ()
    for each in given:
        assert append_preference(path, each)
    assert read_preferences(path) == tuple(given)
    assert path.read_text("utf-8") == pairs_csv(given)
    assert labels_beside(path).read_text("utf-8") == labels_csv(given)
    assert path.read_bytes().startswith("\ufeff".encode())  # so that spreadsheets read Japanese


def test_a_pair_is_judged_once_by_a_rater_and_a_video_labelled_once(tmp_path, videos):
    path = tmp_path / "blind.csv"
    assert append_preference(path, judged(videos, path, 0, 1, accept_a=True))
    assert not append_preference(path, judged(videos, path, 1, 0, "b"))  # the other way round, in another window
    assert append_preference(path, judged(videos, path, 0, 1, rater="bob"))
    assert append_preference(path, judged(videos, path, 0, 3, accept_a=False))  # readers refuse both words of a rater
    assert [row.value for row in read_ratings(labels_beside(path)).rows] == [1.0]
    assert len(read_preferences(path)) == 3


def write_many(path: Path, rater: str, count: int) -> None:
    """As a server's process does."""
    for number in range(count):
        append_preference(path, Preference(f"{number}/a.mp4", f"{number}/b.mp4", "a", rater, "tea, " * 30, True))


def test_several_processes_write_whole_lines(tmp_path):
    path, spawn = tmp_path / "blind.csv", multiprocessing.get_context("fork")
    workers = [spawn.Process(target=write_many, args=(path, f"rater {n % 2}", 15)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    for written, columns in ((path, PAIRS), (labels_beside(path), LABELS)):
        rows = list(csv.reader(written.read_text("utf-8-sig").splitlines()))
        assert rows[0] == list(columns)
        assert [len(row) for row in rows] == [len(columns)] * 31
    found = [(each.rater, each.pair) for each in read_preferences(path)]
    assert len(found) == len(set(found)) == 30  # two processes a rater: each pair once
    assert {path.name for path in tmp_path.iterdir()} == {"blind.csv", "blind.labels.csv"}  # and no other file


@pytest.mark.parametrize("left", ['./a.mp4,./b.mp4,a,"a cup of', "./a.mp4,./b", "\ufeffclip_a,cl"])
def test_a_line_that_a_crash_cut_is_dropped(tmp_path, videos, left):
    path = tmp_path / "blind.csv"
    if "clip_a" not in left:
        append_preference(path, judged(videos, path, 0, 1))
    with path.open("ab") as file:
        file.write(left.encode())
    append_preference(path, judged(videos, path, 2, 3, "b"))
    found = read_preferences(path)
    assert [each.choice for each in found] == (["b"] if "clip_a" in left else ["a", "b"])
    assert len(read_labels([path]).values) == len(found)


def test_a_last_line_without_its_end_is_kept(tmp_path, videos):
    path = tmp_path / "blind.csv"
    append_preference(path, judged(videos, path, 0, 1))
    path.write_text(path.read_text("utf-8").rstrip("\n"), "utf-8")
    append_preference(path, judged(videos, path, 2, 3, "b"))
    assert [each.choice for each in read_preferences(path)] == ["a", "b"]


@pytest.mark.parametrize("text", ["clip,label\na.mp4,pass", "name", '"open'])
def test_a_file_of_something_else_is_refused_and_stays(tmp_path, videos, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    for act in (check_ratings, lambda path: append_preference(path, judged(videos, path, 0, 1))):
        with pytest.raises(ResultsError, match="name another file"):
            act(path)
    assert path.read_text() == text


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path):
    check_ratings(tmp_path / "new" / "blind.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="file"):
        append_preference(tmp_path / "file" / "blind.csv", Preference("a", "b", "a", "ann"))
    with pytest.raises(ResultsError):
        check_ratings(tmp_path)


@pytest.mark.parametrize("rater", ["=1+1", "+1", "-a", "@sum", " =x", "＝1+1", "", "  ", "a\nb", "x" * 41])
def test_ids_that_a_spreadsheet_would_run_are_refused(tmp_path, rater):
    assert rater_problem(rater)
    with pytest.raises(ResultsError, match="rater"):
        append_preference(tmp_path / "blind.csv", Preference("a", "b", "a", rater))
    assert not (tmp_path / "blind.csv").exists()


def test_a_prompt_that_a_spreadsheet_would_run_is_text(tmp_path):
    path = tmp_path / "blind.csv"
    append_preference(path, Preference("a", "b", "a", clean_rater(" 田中  2 "), "=HYPERLINK(1)"))
    assert [(each.prompt, each.rater) for each in read_preferences(path)] == [("'=HYPERLINK(1)", "田中 2")]
