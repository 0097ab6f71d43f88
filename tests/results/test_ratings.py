"""Ratings as companies write them are read, matched to the right videos, and refused in one line where wrong."""

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn_eval.results.evaluation import Evaluation, VideoResult
from sn_eval.results.files import ResultsError
from sn_eval.results.ratings import Rating, Ratings, match, read_ratings


def written(tmp_path, text, name="ratings.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def evaluated(*paths, names=None):
    videos = [
        VideoResult(video=name, path=path, frames=8, fps=8.0, width=64, height=64, values={})
        for name, path in zip(names or [path.rsplit("/")[-1] for path in paths], paths, strict=True)
    ]
    return Evaluation(suite="mine", mode="fixed", measures=(), videos=tuple(videos))


def of(*videos):
    return Ratings(tuple(Rating(video, "ann", float(n % 5)) for n, video in enumerate(videos)), "ratings.csv")


def test_a_table_holds_what_the_file_says_and_nan_where_nobody_looked(tmp_path):
    found = read_ratings(written(tmp_path, "video,rating,rater\na.mp4,4,ann\nb.mp4,2.5,ann\nb.mp4,3,bob\n"))
    table = found.table()
    assert (table.videos, table.raters) == (("a.mp4", "b.mp4"), ("ann", "bob"))
    np.testing.assert_array_equal(table.values, [[4, math.nan], [2.5, 3]])
    assert found.notes == ()
    assert not table.passing


@pytest.mark.parametrize(
    "text",
    [
        "video,rating,rater\na.mp4,pass,ann\nb.mp4,fail,ann\n",
        "Clip , Label,RATER\na.mp4, Yes ,ann\nb.mp4,NO,ann\n",
        "rater,score,path\nann,1,a.mp4\nann,0,b.mp4\n",
        "\ufeffname,rating,rater\r\na.mp4,TRUE,ann\r\n\r\nb.mp4,0,ann\r\n",
    ],
)
def test_words_and_other_column_names_say_the_same(tmp_path, text):
    found = read_ratings(written(tmp_path, text))
    assert [(row.video, row.value, row.rater) for row in found.rows] == [("a.mp4", 1, "ann"), ("b.mp4", 0, "ann")]
    assert found.table().passing


def test_jsonl_holds_what_csv_holds(tmp_path):
    rows = [
        {"video": "a.mp4", "rating": 4, "rater": "ann", "criterion": "motion", "prompt": "赤い車, 走る", "note": "ok"},
        {"video": "a.mp4", "rating": True, "rater": "ann", "criterion": "usable"},
        {"video": "b.mp4", "rating": None, "rater": "ann", "criterion": "usable"},
    ]
    found = read_ratings(written(tmp_path, "\n".join(json.dumps(row) for row in rows) + "\n", "ratings.jsonl"))
    assert found.criteria == ("motion", "usable")
    assert found.rows[0] == Rating("a.mp4", "ann", 4.0, "motion", "赤い車, 走る", "ok")
    assert found.rows[1].value == 1
    assert found.notes == ("1 rows without a rating were passed over",)
    assert found.table("motion").prompts == {"a.mp4": "赤い車, 走る"}


def test_the_same_rating_twice_counts_once_and_is_told(tmp_path):
    found = read_ratings(written(tmp_path, "video,rating,rater\na.mp4,4,ann\na.mp4,4.0,ann\na.mp4,2,bob\n"))
    assert len(found.rows) == 2
    assert "1 ratings stand twice" in found.notes[0]


def test_columns_that_are_not_read_are_named(tmp_path):
    found = read_ratings(written(tmp_path, "video,rating,rater,critrion\na.mp4,4,ann,motion\n"))
    assert found.notes == ("columns that were not read: critrion",)


HARSH = "".join(f"{n}.mp4,{n % 5 + 1},ann\n{n}.mp4,{20 * n + 10},bob\n" for n in range(5))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no rows"),
        ("video,rating,rater\n", "holds no rows"),
        ("video,rating\na.mp4,4\n", "lacks rater; any name"),
        ("file,rating,rater\na.mp4,4,ann\n", "lacks video or clip or path or name"),
        ("video;rating;rater\na.mp4;4;ann\n", "separated by commas"),
        ("video,rating,score,rater\na.mp4,4,3,ann\n", "rating and score: which is the rating"),
        ("video,rating,rater\na.mp4,good,ann\n", "line 2: rating 'good'; give a number"),
        ("video,rating,rater\na.mp4,nan,ann\n", "rating 'nan'"),
        ("video,rating,rater\na.mp4,inf,ann\n", "rating 'inf'"),
        ('video,rating,rater\na.mp4,"4,5",ann\n', "rating '4,5'"),
        ("video,rating,rater\na.mp4,4,5,ann\n", "does not hold the header's 3 fields"),
        ("video,rating,rater\na.mp4,,ann\n", "holds no ratings"),
        ("video,rating,rater\n,4,ann\n", "video is empty"),
        ("video,rating,rater\na.mp4,4,\n", "rater is empty"),
        ("video,rating,rater\na.mp4,4,ann\na.mp4,3,ann\n", "'ann' rated 'a.mp4' twice, 4 and 3: keep one"),
        ("video,rating,rater\na.mp4,4,ann\nb.mp4,pass,ann\n", "mix 'pass' and '4': use one scale"),
        ("video,rating,rater\n" + HARSH, "go up to 5 by 'ann' and 90 by 'bob': use one scale"),
        ('video,rating,rater\n"a.mp4,4,ann\n', "is no CSV file"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, text, told):
    with pytest.raises(ResultsError, match=told) as caught:
        read_ratings(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [("[1, 2]\n", "write one object"), ('{"video": \n', "line 1"), ('{"video": "a.mp4"}\n', "lacks rating")],
)
def test_wrong_jsonl_is_told_in_one_line(tmp_path, text, told):
    with pytest.raises(ResultsError, match=told) as caught:
        read_ratings(written(tmp_path, text, "ratings.jsonl"))
    assert "\n" not in str(caught.value)


def test_other_encodings_and_missing_files_are_told(tmp_path):
    with pytest.raises(ResultsError, match="is not UTF-8"):
        read_ratings(written(tmp_path, "video,rating,rater\n赤.mp4,4,ann\n", encoding="shift-jis"))
    with pytest.raises(ResultsError, match="cannot read"):
        read_ratings(tmp_path / "nothing.csv")


def test_two_scales_are_fine_on_two_criteria(tmp_path):
    rows = HARSH.replace(",ann", ",ann,stars").replace(",bob", ",bob,percent")
    found = read_ratings(written(tmp_path, "video,rating,rater,criterion\n" + rows))
    assert found.table("percent").values.max() == 90
    with pytest.raises(ResultsError, match="no criterion 'points'. Known: stars, percent"):
        found.table("points")


def test_few_low_ratings_are_a_severe_rater_and_no_other_scale(tmp_path):
    rows = "a,2,ann\nb,3,ann\nc,1,ann\na,40,bob\nb,90,bob\n"
    assert len(read_ratings(written(tmp_path, "video,rating,rater\n" + rows)).rows) == 5


# --- which video ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["clips/a.mp4", "/data/clips/a.mp4", "./clips/a.mp4", "clips\\a.mp4", "a.mp4", "a", "/home/me/data/clips/a.mp4"],
)
def test_name_path_and_file_name_find_the_video(name):
    found = match(of(name), evaluated("data/clips/a.mp4", "data/clips/b.mp4", names=["clip a", "clip b"]))
    assert [row.video for row in found.ratings.rows] == ["clip a"]
    assert found.unrated == ("clip b",)
    assert found.unmatched == found.ratings.notes == ()


def test_composed_and_decomposed_names_are_the_same():
    """macOS writes "が" as two characters."""
    found = match(of("か\u3099.mp4"), evaluated("x/が.mp4"))
    assert found.ratings.rows[0].video == "が.mp4"


def test_unmatched_videos_are_listed_and_not_fatal():
    found = match(of("a.mp4", "z.mp4"), evaluated("x/a.mp4"))
    assert found.unmatched == ("z.mp4",)
    assert len(found.ratings.rows) == 1


def test_nothing_matched_is_fatal():
    with pytest.raises(ResultsError, match="no video of ratings.csv was evaluated: it rates 'z.mp4', 'x/a.mp4' was"):
        match(of("z.mp4"), evaluated("x/a.mp4"))
    with pytest.raises(ResultsError, match="nothing was evaluated"):
        match(of("z.mp4"), evaluated())


def test_a_file_of_another_folder_matches_only_with_a_note():
    found = match(of("old/a.mp4"), evaluated("new/a.mp4"))
    assert len(found.ratings.rows) == 1
    assert "rated old/a.mp4, evaluated new/a.mp4" in found.ratings.notes[0]


def test_ratings_of_two_folders_are_not_mixed():
    """The file rates A and B; only B was evaluated: what was said of A must not count for B."""
    found = match(of("A/x.mp4", "B/x.mp4", "A/y.mp4", "B/y.mp4"), evaluated("B/x.mp4", "B/y.mp4"))
    assert [row.value for row in found.ratings.rows] == [1.0, 3.0]
    assert found.unmatched == ("A/x.mp4", "A/y.mp4")


def test_a_name_that_could_be_two_videos_is_refused():
    with pytest.raises(ResultsError, match="'x.mp4' could be A/x.mp4 or B/x.mp4"):
        match(of("x.mp4"), evaluated("A/x.mp4", "B/x.mp4", names=["one", "two"]))
    with pytest.raises(ResultsError, match="'A/x.mp4' and 'C/x.mp4' could both be 'x.mp4'"):
        match(of("A/x.mp4", "C/x.mp4"), evaluated("B/x.mp4"))


def test_one_video_under_two_names_is_still_rated_once_by_each():
    both = Ratings((Rating("a", "ann", 4.0), Rating("a.mp4", "ann", 4.0), Rating("a.mp4", "bob", 2.0)), "r.csv")
    found = match(both, evaluated("x/a.mp4"))
    assert [(row.rater, row.value) for row in found.ratings.rows] == [("ann", 4.0), ("bob", 2.0)]
    assert found.unmatched == ()
    differing = Ratings((Rating("a", "ann", 4.0), Rating("a.mp4", "ann", 5.0)), "r.csv")
    with pytest.raises(ResultsError, match="twice, 4 and 5"):
        match(differing, evaluated("x/a.mp4"))


@given(st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz")), min_size=1), st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_of_rows_changes_no_rating(pairs, rng: random.Random):
    rows = [Rating(f"{video}.mp4", rater, float(ord(video) + ord(rater))) for video, rater in sorted(pairs)]
    shuffled = rng.sample(rows, len(rows))
    by_cell = []
    for some in (rows, shuffled):
        table = match(Ratings(tuple(some), "r.csv"), evaluated(*[f"v/{v}.mp4" for v in "abcdef"])).ratings.table()
        cells = {
            (video, rater): table.values[i, j]
            for i, video in enumerate(table.videos)
            for j, rater in enumerate(table.raters)
            if not math.isnan(table.values[i, j])
        }
        by_cell.append(cells)
    assert by_cell[0] == by_cell[1] == {(row.video, row.rater): row.value for row in rows}
