"""What the player is sent: addresses, or reasons where there is no video, and values of the frames they belong to."""

import json
import shutil

import numpy as np
import pytest
import streamlit as st
from findings import folder
from streamlit.testing.v1 import AppTest

from dashboard.player.sides import chunk_starts, domain, first_frame
from dashboard.settings import VARIABLE, Settings
from sn_eval.results.per_frame import save_curves

LEFT, RIGHT = "plain-03-0", "scaling_noise-96-03-0"
STEADY = "steadiness[encoder]"


def shown() -> None:
    """A page with nothing but the player."""
    from dashboard import player, state
    from dashboard.page import begin

    page = begin("compare")
    if state.asked("right"):
        blind = bool(state.asked("blind"))
        player.pair(page, state.asked("left"), state.asked("right"), key="p", blind=blind, rater="ann" if blind else "")
    else:
        player.one(page, state.asked("left"), "p")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run that may be changed."""
    st.cache_resource.clear()
    st.cache_data.clear()
    place = tmp_path / "complete"
    shutil.copytree(folder("complete"), place)
    monkeypatch.setenv(VARIABLE, json.dumps({**vars(Settings()), "runs": str(place)}))
    return place


def visit(lang="en", **query):
    """The page, and what the player was sent."""
    at = AppTest.from_function(shown, default_timeout=60)
    at.query_params.update({"lang": lang, **query})
    at.run()
    assert not at.exception
    return at, json.loads(at.get("bidi_component")[0].proto.json)


def curve(run, cell, **values):
    save_curves(run / "cells" / cell, values)


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_both_videos_are_sent_by_address_with_names(run, lang):
    at, sent = visit(lang, left=LEFT, right=RIGHT)
    assert [side["url"] for side in sent["sides"]] == [
        f"/cells/complete/{LEFT}/video.mp4", f"/cells/complete/{RIGHT}/video.mp4",
    ]  # fmt: skip
    assert [(side["label"], side["message"]) for side in sent["sides"]] == [("plain", ""), ("scaling_noise@96", "")]
    assert all(sent["words"].values())
    assert "{frame}" in sent["words"]["position"]
    assert sent["curve"] is None  # none was kept, which is said
    assert len([each for each in at.caption if "plain" in each.value]) == 1


def test_the_last_value_is_of_the_last_frame(run):
    frames = json.loads((run / "cells" / LEFT / "record.json").read_text())["frames"]
    values = np.linspace(0, 1, frames - 3).tolist()
    curve(run, LEFT, **{STEADY: values, "motion": [0.5] * frames})
    curve(run, RIGHT, **{STEADY: [None, *values[1:]]})
    at, sent = visit(left=LEFT, right=RIGHT)
    left, right = sent["sides"]
    assert left["first"] + len(left["values"]) == frames
    assert right["values"][0] is None
    table = at.dataframe[0].value
    assert len(table) == frames
    assert table["plain"].isna().sum() == 3
    assert table["plain"].iloc[-1] == 1.0
    assert table["scaling_noise@96"].isna().sum() == 4
    assert at.selectbox[0].options[0].startswith("steadiness (higher")


def test_the_judge_is_chosen_by_the_url(run):
    curve(run, LEFT, **{STEADY: [0.1] * 8, "flicker": [0.7] * 8})
    curve(run, RIGHT, **{STEADY: [0.2] * 8})
    _, sent = visit(left=LEFT, right=RIGHT, **{"p-judge": "flicker"})
    assert sent["sides"][0]["values"] == [0.7] * 8
    assert sent["sides"][1]["values"] is None
    assert "lower is better" in sent["curve"]["title"]
    _, sent = visit(left=LEFT, right=RIGHT, **{"p-judge": "../../etc"})
    assert sent["sides"][0]["values"] == [0.1] * 8


def test_what_is_missing_is_said_in_its_place_and_the_other_stays(run):
    (run / "cells" / LEFT / "video.mp4").unlink()
    _, sent = visit(left=LEFT, right=RIGHT)
    assert not sent["sides"][0]["url"]
    assert "no video" in sent["sides"][0]["message"]
    assert sent["sides"][1]["url"]
    _, sent = visit(left="../../etc/passwd", right=RIGHT)
    assert sent["sides"][0]["url"] == ""
    assert "../../etc/passwd" in sent["sides"][0]["message"]


def test_damaged_records_and_values_are_said(run):
    (run / "cells" / LEFT / "record.json").write_text("{")
    (run / "cells" / RIGHT / "per_frame.json").write_text("[1")
    at, sent = visit(left=LEFT, right=RIGHT)
    assert [bool(side["url"]) for side in sent["sides"]] == [True, True]
    assert any("damaged" in each.value for each in at.caption)


@pytest.mark.parametrize(("variant", "word"), [("failing", "NaN"), ("provisional", "not run")])
def test_a_cell_that_failed_or_waits_says_why(monkeypatch, variant, word):
    st.cache_resource.clear()
    monkeypatch.setenv(VARIABLE, json.dumps({**vars(Settings()), "runs": str(folder(variant))}))
    plan = json.loads((folder(variant) / "plan.json").read_text())
    log = folder(variant) / "errors.jsonl"
    failed = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    bad = next((line["cell"] for line in failed if line["category"] == "quality"), plan["cells"][-1]["cell"])
    _, sent = visit(left=bad)
    assert word in sent["sides"][0]["message"]
    assert len(sent["sides"]) == 1


def test_two_of_one_arm_are_told_apart(run):
    _, sent = visit(left="plain-03-0", right="plain-03-1")
    assert [side["label"] for side in sent["sides"]] == ["plain #0", "plain #1"]


def test_blind_sends_nothing_that_tells(run):
    curve(run, LEFT, **{STEADY: [0.1] * 8})
    at, sent = visit(left=LEFT, right=RIGHT, blind="1")
    assert [side["label"] for side in sent["sides"]] == ["A", "B"]
    assert sent["curve"] is None
    assert not any(name in json.dumps(sent) for name in ("plain", "scaling", "steadiness"))
    assert not at.selectbox
    assert not at.dataframe
    again = visit(left=LEFT, right=RIGHT, blind="1")[1]
    assert [side["url"] for side in again["sides"]] == [side["url"] for side in sent["sides"]]  # nothing loads anew


def test_frames_and_chunks():
    assert first_frame(39, 36) == 3
    assert chunk_starts({"frames_per_chunk": 4, "start_frames": 0}, 12, 8.0) == (0.5, 1.0)
    assert chunk_starts({"frames_per_chunk": "4"}, 12, 8.0) == ()
    low, high = domain([[0.2, None, 0.4], [0.3]])
    assert low < 0.2
    assert high > 0.4
