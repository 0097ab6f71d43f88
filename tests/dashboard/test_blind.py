"""Blind pairs: balanced, always the same for a rater, kept in files that are read elsewhere, and nothing that tells."""

import json
import shutil
from collections import Counter

import pytest
import streamlit as st
from findings import folder
from hypothesis import given
from hypothesis import strategies as some
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from dashboard import media
from dashboard.blind_order import makers, pairs_of, turns
from dashboard.settings import VARIABLE, Settings
from rewards.labelling.labels import read_labels
from sn_eval.decision.attempts import labels_of
from sn_eval.results.plan import Plan, Planned
from sn_eval.results.preferences import labels_beside, read_preferences

PLAIN, SEARCH = "plain-03-0", "scaling_noise-96-03-0"


def cells(prompts: int, repeats: int = 2, dev: int = 1) -> list[Planned]:
    """A plan of three arms."""
    return [
        Planned(cell=f"{arm}-{number}-{repeat}", prompt=f"prompt {number}", arm=arm, method=arm, repeat=repeat,
                split="dev" if number < dev else "confirm")
        for number in range(prompts + dev) for arm in ("plain", "search", "other") for repeat in range(repeats)
    ]  # fmt: skip


# --- order and sides --------------------------------------------------------------------------------------


@given(some.integers(1, 30), some.text(min_size=1, max_size=20))
def test_sides_are_balanced_and_every_pair_comes_once(prompts, rater):
    plan = cells(prompts)
    found = turns(plan, makers(plan[0], plan[2]), rater)
    assert len({frozenset((turn.a.cell, turn.b.cell)) for turn in found}) == len(found) == 2 * prompts
    for number in range(1, len(found) + 1):
        left = Counter(turn.a.arm for turn in found[:number])
        assert abs(left["plain"] - left["search"]) <= 2  # whenever the rater stops
        assert number % 4 or left["plain"] == left["search"]
    for turn in found:
        assert (turn.a.prompt, turn.a.repeat) == (turn.b.prompt, turn.b.repeat)
        assert {turn.a.split, turn.b.split} == {"confirm"}
        assert {turn.a.arm, turn.b.arm} == {"plain", "search"}


@given(some.text(min_size=1, max_size=20))
def test_the_same_rater_sees_the_same_whoever_stood_on_the_left(rater):
    plan = cells(9)
    both = makers(plan[0], plan[2])
    assert makers(plan[2], plan[0]) == both
    assert turns(plan, both, rater) == turns(list(plan), both, rater)


def test_raters_see_other_orders_and_sides():
    plan = cells(12)
    both = makers(plan[0], plan[2])
    orders = [tuple(turn.a.cell for turn in turns(plan, both, f"rater {n}")) for n in range(40)]
    assert len(set(orders)) == 40
    first = Counter(turns(plan, both, f"rater {n}")[0].a.arm for n in range(400))
    assert 150 < first["plain"] < 250  # a coin, not a rule
    sides = Counter(turn.a.arm for n in range(400) for turn in turns(plan, both, f"rater {n}") if "-5-0" in turn.a.cell)
    assert 150 < sides["plain"] < 250


def test_of_one_arm_two_repeats_are_compared():
    plan = cells(5, repeats=3)
    found = pairs_of(plan, makers(plan[0], plan[1]))
    assert len(found) == 5
    assert {(one.arm, one.repeat, two.repeat) for one, two in found} == {("plain", 0, 1)}


# --- the panel --------------------------------------------------------------------------------------------


def shown() -> None:
    """A page with nothing but the panel."""
    from dashboard import blind, state
    from dashboard.page import begin

    page = begin("compare")
    blind.panel(page, state.asked("left"), state.asked("right"), "c")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Opens the panel on a run that may be changed; a rater who already wrote an id."""
    st.cache_resource.clear()
    st.cache_data.clear()
    shutil.copytree(folder("complete"), tmp_path / "runs" / "complete")

    def begin(rater="ann", ratings="", lang="en", left=PLAIN, right=SEARCH):
        told = vars(Settings()) | {"runs": str(tmp_path / "runs"), "ratings": str(ratings)}
        monkeypatch.setenv(VARIABLE, json.dumps(told))
        at = AppTest.from_function(shown, default_timeout=60)
        at.query_params.update({"lang": lang, "left": left, "right": right})
        at.run()
        if rater:
            at.text_input[0].set_value(rater).run()
        assert not at.exception
        return at

    return begin


def rate(at, choice, accept=(None, None)):
    """Answer and save."""
    at.radio[0].set_value(choice)
    for place, value in enumerate(accept, start=1):
        if value is not None:
            at.radio[place].set_value(value)
    next(button for button in at.button if "Save" in button.label).click().run()
    assert not at.exception
    return at


def sent(at):
    """What the player was sent."""
    return json.loads(at.get("bidi_component")[0].proto.json)


def confirm_pairs() -> int:
    plan = Plan.load(folder("complete"))
    return len([cell for cell in plan.cells if cell.arm == "plain" and cell.split == "confirm"])


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_an_id_is_needed_first(start, lang):
    at = start(rater="", lang=lang)
    assert not at.get("bidi_component")
    at.text_input[0].set_value("=cmd()").run()
    assert "= + - @" in at.error[0].value
    assert not at.get("bidi_component")
    at.text_input[0].set_value("田中").run()
    assert not at.error
    assert at.get("bidi_component")


def test_nothing_tells_whose_a_video_is(start):
    at = start()
    told = json.dumps(sent(at)) + " ".join(each.value for each in (*at.markdown, *at.caption, *at.info))
    assert not any(name in told for name in ("plain", "scaling", "best_of", "/cells/"))
    assert not any(name in each.id for each in at.get("bidi_component") for name in (PLAIN, SEARCH, "plain"))


def test_ratings_go_to_the_files_and_a_rater_goes_on(start, tmp_path):
    path = tmp_path / "out" / "blind.csv"
    at = start(ratings=path)
    assert not path.parent.exists()  # nothing is written before there is something to write
    first = sent(at)["sides"]
    rate(at, "a", (True, False))
    assert sent(at)["sides"] != first
    rate(at, "b", (False, True))
    rate(at, "")
    again = start(ratings=path)  # another browser
    assert [each.proto.text for each in again.get("progress")] == [f"3 of {confirm_pairs()} pairs rated"]
    assert sent(again)["sides"][0]["label"] == "A"
    other = start(rater="bob", ratings=path)
    assert [each.proto.text for each in other.get("progress")] == [f"0 of {confirm_pairs()} pairs rated"]

    labels = read_labels([path])
    assert (labels.kind, labels.values, set(labels.raters)) == ("pair", (1.0, 0.0), {"ann"})
    assert all(clip.path.is_file() for clip in labels.clips)
    plan = Plan.load(folder("complete"))
    verdicts = labels_of(labels_beside(path), [cell.cell for cell in plan.cells])
    kept = read_preferences(path)
    wanted = {each.clip_a.split("/")[-2]: float(bool(each.accept_a)) for each in kept[:2]}
    wanted |= {each.clip_b.split("/")[-2]: float(bool(each.accept_b)) for each in kept[:2]}
    assert verdicts == wanted
    assert (len(verdicts), len(kept)) == (4, 3)
    arms = {cell.cell: cell for cell in plan.cells}
    assert {arms[cell].arm for cell in verdicts} == {"plain", "scaling_noise@96"}


def test_a_choice_is_needed(start, tmp_path):
    at = start(ratings=tmp_path / "blind.csv")
    next(button for button in at.button if "Save" in button.label).click().run()
    assert "Choose which" in at.error[0].value
    assert not (tmp_path / "blind.csv").exists()


def test_without_a_file_they_can_be_downloaded_at_the_end(start, tmp_path):
    at = start()
    assert "--ratings" in at.info[0].value
    rate(at, "tie", (True, None))
    before = sorted(tmp_path.rglob("*"))
    assert not at.get("download_button")
    next(button for button in at.button if "End" in button.label).click().run()
    assert len(at.get("download_button")) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_names_are_told_only_at_the_end_and_then_rating_is_over(start, tmp_path):
    at = start(ratings=tmp_path / "blind.csv")
    assert not at.toggle
    rate(at, "a")
    rate(at, "tie")
    next(button for button in at.button if "End" in button.label).click().run()
    assert any("Go on" in button.label for button in at.button)
    assert not any("plain" in each.value for each in at.markdown)
    at.toggle[0].set_value(True).run()
    kept = read_preferences(tmp_path / "blind.csv")
    winner = "plain" if "plain" in kept[0].clip_a else "scaling_noise@96"
    told = next(each.value for each in at.markdown if "better" in each.value)
    assert told.count("better: 1") == 1
    assert f"{winner.replace('_', chr(92) + '_')}** better: 1" in told
    assert len(at.dataframe[0].value) == 2
    assert not any("Go on" in button.label for button in at.button)
    at.toggle[0].set_value(False).run()
    assert not any("Go on" in button.label for button in at.button)


def test_when_all_pairs_are_rated_it_ends(start, tmp_path):
    path, run = tmp_path / "blind.csv", tmp_path / "runs" / "complete"
    keep = {"plain-05-0", "scaling_noise-96-05-0", "plain-06-1", "scaling_noise-96-06-1", "plain-07-0"}
    for cell in (run / "cells").iterdir():
        if cell.name not in keep:
            (cell / "video.mp4").unlink()  # as in a bundle; a pair needs both
    for cell in (run / "cells").iterdir():  # a bundle's records know of no video
        record = json.loads((cell / "record.json").read_text())
        if cell.name not in keep:
            record["files"].pop("video.mp4")
            (cell / "record.json").write_text(json.dumps(record))
    at = start(ratings=path)
    rate(rate(at, "a"), "b")
    assert "2 of 2" in at.success[0].value
    assert not at.get("bidi_component")


@pytest.mark.parametrize(("left", "right", "word"), [("../x", SEARCH, "No videos"), (PLAIN, "", "No videos")])
def test_ids_of_no_cell_are_said(start, left, right, word):
    at = start(rater="", left=left, right=right)
    assert word in at.error[0].value


def test_a_file_of_something_else_is_said_and_left_alone(start, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("clip,label\n")
    at = start(ratings=path)
    assert "another file" in at.error[0].value
    rate(at, "a")  # for the download
    assert path.read_text() == "clip,label\n"


def test_awkward_prompts_are_literal(monkeypatch):
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setenv(VARIABLE, json.dumps(vars(Settings()) | {"runs": str(folder("awkward"))}))
    at = AppTest.from_function(shown, default_timeout=60)
    at.query_params.update({"lang": "en", "left": "plain-00-0", "right": "scaling_noise-96-00-0"})
    at.run()
    at.text_input[0].set_value("ann").run()
    seen = set()
    while at.radio:
        seen |= {each.value for each in at.markdown if each.value.startswith("Prompt")}
        rate(at, "tie")
    assert any("&lt;script&gt;" in each for each in seen)
    assert not any("<script>" in each for each in seen)


# --- addresses --------------------------------------------------------------------------------------------


def test_blind_addresses_serve_the_video_in_parts_and_no_other(start, monkeypatch):
    at = start()
    client = TestClient(Starlette(routes=media.ROUTES))
    address = sent(at)["sides"][0]["url"]
    whole = client.get(address)
    assert whole.status_code == 200
    assert whole.headers["content-type"] == "video/mp4"
    assert not any("plain" in f"{name}{value}" for name, value in whole.headers.items() if name != "content-type")
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    for wrong in ("/blind/x/video.mp4", "/blind/../video.mp4", address.replace("video.mp4", "record.json")):
        assert client.get(wrong).status_code == 404
    monkeypatch.setattr(media, "BLIND_MOST", 2)
    for number in range(5):
        media.blind_url("complete", PLAIN, f"rater {number}")
    assert client.get(address).status_code == 404  # the oldest are forgotten
