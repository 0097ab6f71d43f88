"""Agreement with people is shown criterion by criterion, with figures, intervals and what they mean."""

import re

import numpy as np
import pytest
from evaluations import evaluation, measure, video

from sn_eval.decision.agreement import agreement
from sn_eval.evaluation import agreement_page
from sn_eval.page import write_page
from sn_eval.results.ratings import Rating, Ratings

VIDEOS = 24


@pytest.fixture(scope="module")
def evaluated():
    measures = [measure("good"), measure("blind", higher_is_better=False), measure("never")]
    noise = np.random.default_rng(0).permutation(VIDEOS)
    return evaluation(
        measures, [video(f"v{i}", {"good": i / 24, "blind": float(noise[i]), "never": None}) for i in range(VIDEOS)]
    )


def rated(passing: bool, criterion: str = "", extra: str = "") -> list[Rating]:
    """Three raters who mostly follow the number of the video."""
    rows = []
    for rater in range(3):
        for i in range(VIDEOS):
            score = min(5, max(1, 1 + (i + 2 * (i * 7 + rater * 5) % 6 - 2) // 5))
            rows.append(Rating(f"v{i}", f"r{rater}", float(score > 2 if passing else score), criterion))
    return rows + [Rating(extra, "r0", 1.0, criterion)] * bool(extra)


def page(tmp_path, evaluated, rows) -> str:
    found = agreement(evaluated, Ratings(tuple(rows), "ratings.csv"))
    path = write_page(tmp_path / "page.html", "T", agreement_page.sections(found))
    return path.read_text("utf-8").replace("<wbr>", "")


def test_people_first_then_each_measure(tmp_path, evaluated):
    text = page(tmp_path, evaluated, rated(passing=False))
    assert re.findall("<h2>([^<]*)", text) == ["Agreement with people"]
    assert "3 raters, 24 videos rated by two or more. People " in text
    assert re.search(r"Krippendorff&#39;s alpha: 0\.\d\d \(0\.\d\d to \d\.\d\d\)", text)
    assert re.search(r"Rank correlation of a person with the mean of the others: 0\.\d\d", text)
    rows = re.findall(r"<tr><td>(good|blind|never)</td>(.*?)</tr>", text)
    assert [name for name, _ in rows] == ["good", "blind", "never"]
    assert "agrees with people" in rows[0][1]
    assert "not shown to agree with people" in rows[1][1]
    assert "no rated video is scored" in rows[2][1]
    assert text.count("<img") == 1
    assert "AUC" not in text


def test_pass_or_fail_adds_a_threshold(tmp_path, evaluated):
    text = page(tmp_path, evaluated, rated(passing=True))
    assert ">AUC<" in text
    assert re.search(r"at least 0\.\d+", text)


def test_each_criterion_has_its_part_and_strays_are_named(tmp_path, evaluated):
    text = page(tmp_path, evaluated, rated(False, "motion") + rated(False, "look", extra="stranger"))
    assert re.findall("<h2>([^<]*)", text) == [
        "Agreement with people: motion", "Agreement with people: look", "Of the ratings",
    ]  # fmt: skip
    assert "Rated, but not evaluated: stranger." in text


def test_one_rater_is_told_so(tmp_path, evaluated):
    text = page(tmp_path, evaluated, [Rating(f"v{i}", "me", float(i % 5), "") for i in range(VIDEOS)])
    assert "1 rater, 0 videos rated by two or more. One rater: nobody to agree with." in text
    assert "not known (one rater: nobody to agree with)" in text
