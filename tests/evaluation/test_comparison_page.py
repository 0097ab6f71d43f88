"""A comparison names who is better, draws what is better to the right, and lists where B loses."""

import re

import pytest
from evaluations import evaluation, measure, video

from sn_eval.decision.pairing import pair
from sn_eval.evaluation import comparison_page
from sn_eval.present.intervals import Interval

UP, DOWN = measure("subject"), measure("error", higher_is_better=False)
SAME = measure("same")
NAMES = {"names": ("runs/plain", "runs/searched")}


def side(shift: float, names: str = "abcdefgh", prompt: str = "", **more):
    videos = []
    for i, name in enumerate(names, 1):
        values = {"subject": 0.5 + 0.01 * i + shift * i, "error": 2.0 + shift * i, "same": 0.1 * (i % 3)}
        videos.append(video(name, values, prompt=prompt or f"prompt {name}"))
    return evaluation([UP, DOWN, SAME], videos, **more)


@pytest.fixture(scope="module")
def paired():
    return pair(side(0.0), side(0.1), resamples=200)


def text(tmp_path, paired) -> str:
    return comparison_page.write(paired, tmp_path / "page.html", **NAMES).read_text("utf-8")


def test_it_says_who_is_better_in_what(tmp_path, paired):
    page = text(tmp_path, paired)
    for words in (
        "A is runs/plain, B is runs/searched: 8 pairs of videos of the same name.", "B is better in subject.",
        "A is better in error.", "1 other shows no difference, which does not mean that there is none.",
        '<td class="good">B better</td>', '<td class="bad">A better</td>', "95% interval of B − A",
    ):  # fmt: skip
        assert words in page, words


def test_right_is_better_whatever_the_direction(paired):
    up, down, same = (comparison_page._interval(each) for each in paired.measures)
    assert (up.name, down.name) == ("subject ↑", "error ↓")
    assert up.mean == pytest.approx(0.45)
    assert down.mean == pytest.approx(-0.45)
    assert 0 < up.low < up.mean < up.high
    assert down.low < down.mean < down.high < 0
    assert down.words.startswith("+0.45 (+")
    assert up.clear
    assert down.clear
    assert same == Interval("same ↑", 0.0, 0.0, 0.0, "+0 (+0 to +0)")


def test_losing_videos_are_listed_the_worst_first(tmp_path, paired):
    page = text(tmp_path, paired).replace("<wbr>", "")
    assert "8 of 8" in page
    assert "h (2 → 2.8), g (2 → 2.7), f (2 → 2.6) and 5 more" in page


def test_videos_without_partner_and_measures_that_differ_are_named(tmp_path):
    other = side(0.1, "bcdefghij")
    other = other.model_copy(update={"measures": (UP, DOWN.model_copy(update={"version": 2}))})
    page = text(tmp_path, pair(side(0.0), other, resamples=200))
    assert "Only A has a." in page
    assert "Only B has i, j." in page
    assert "version differs: 1 in A, 2 in B" in page
    assert "only A has it" in page


def test_one_prompt_shows_no_interval(tmp_path):
    page = text(tmp_path, pair(side(0.0, prompt="one"), side(0.1, prompt="one"), resamples=200))
    assert "No measure shows a difference, which does not mean that there is none." in page
    assert "not resolved: one prompt says nothing of others" in page


def test_nothing_scored_in_both_is_a_page_without_a_drawing(tmp_path):
    a = evaluation([UP], [video("a", {"subject": None})])
    page = text(tmp_path, pair(a, a, resamples=200))
    assert not re.findall("<img", page)
    assert "no video is scored in both" in page
