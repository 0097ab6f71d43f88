"""`rewards fit` and `rewards next` on real video files: labels in, a usable reward out, and what to label next."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from labelled import good_and_bad
from rewarding import video
from typer.testing import CliRunner

import rewards
from rewards.labelling.heads import load_head
from sn_eval.cli import app
from sn_eval.video import VideoWriter, save_image

PIXELS = ["--rewards", "object_persistence,lighting_consistency,motion_floor", "--members", "3"]


def sn_eval(*words):
    return CliRunner().invoke(app, ["rewards", *map(str, words)], prog_name="sn-eval")


def one_line(result, told):
    assert result.exit_code == 2, result.output
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def write(path, clip):
    with VideoWriter(path, fps=8.0) as writer:
        writer.write(clip[0])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """20 labelled clips of unlike length and size, their pairs, and a head that was fitted on them."""
    folder = tmp_path_factory.mktemp("clips")
    labels, pairs = ["clip,label,prompt"], ["clip_a,clip_b,preference,prompt"]
    for number, (prompt, passed, clip) in enumerate(good_and_bad()):
        clip = clip[:, : 6 - number % 2]
        if number % 3 == 0:
            clip = torch.nn.functional.interpolate(clip[0], (48, 64))[None]
        write(folder / f"{number}.mp4", clip)
        labels.append(f"{number}.mp4,{'pass' if passed else 'fail'},prompt {prompt}")
        for other in range(4 * prompt, number):
            better = "tie" if passed == (other % 4 < 2) else "b" if passed else "a"
            pairs.append(f"{other}.mp4,{number}.mp4,{better},prompt {prompt}")
    (folder / "labels.csv").write_text("\n".join(labels))
    (folder / "pairs.csv").write_text("\n".join(pairs))
    done = sn_eval("fit", folder / "labels.csv", "--out", folder / "h.skops", *PIXELS, "--quiet", "--json")
    assert done.exit_code == 0, done.output
    (folder / "said.json").write_text(done.stdout)
    return folder


@pytest.fixture
def own(folder, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(folder, tmp_path / "own")


def test_fit_says_how_good_the_head_is_and_keeps_it_in_a_card(folder):
    said = json.loads((folder / "said.json").read_text())
    card = json.loads((folder / "h.json").read_text())
    assert {key: said[key] for key in card} == card
    assert (card["kind"], card["labels"], card["prompts"]) == ("pass", 20, 5)
    figures = {figure["name"]: figure for figure in card["figures"]}
    assert figures["AUC"]["value"] > 0.6
    assert figures["ECE"]["low"] is None
    assert {"score", "object_persistence"} <= {one["part"] for one in card["thresholds"]}
    assert card["recipe"]["rewards"][0]["use"] == "object_persistence"


def test_what_fit_names_is_a_reward(folder):
    use = json.loads((folder / "said.json").read_text())["use"].removeprefix("--reward ")
    clips = torch.cat([clip for _, _, clip in good_and_bad(1)])
    scores = rewards.create(use, spread_weight=0.0)(clips, [""] * 4, fps=8.0)
    assert scores.values[:2].min() > scores.values[2:].max()
    same = rewards.create("learned", head=str(folder / "h.skops"), spread_weight=0.0)(clips, [""] * 4, fps=8.0)
    assert torch.equal(scores.values, same.values)


def test_a_second_fit_reads_no_video_and_gives_the_same_head(folder, own, monkeypatch):
    monkeypatch.setattr("sn_eval.video.read_video", None)
    again = sn_eval("fit", own / "labels.csv", "--out", own / "h.skops", *PIXELS)
    assert again.exit_code == 0, again.output
    one, other = load_head(folder / "h.skops"), load_head(own / "h.skops")
    assert np.array_equal(one.weights, other.weights)
    assert one.card == other.card
    for word in ("On held-out prompts", "Calibration (platt)", "Learning curve", "Thresholds", "--reward "):
        assert word in again.stdout


def test_a_run_that_was_killed_goes_on_where_it_was(own, monkeypatch):
    """Half of the features are there, and the last line was cut."""
    cache = own / "clip_features.jsonl"
    lines = cache.read_text().splitlines()
    assert len(lines) == 20
    cache.write_text("\n".join(lines[:10]) + "\n" + lines[10][:50])
    from sn_eval import video as files

    read, whole = [], files.read_video
    monkeypatch.setattr(files, "read_video", lambda path: read.append(path) or whole(path))
    assert sn_eval("fit", own / "labels.csv", "--out", own / "h.skops", *PIXELS).exit_code == 0
    assert len(read) == 10
    assert sum(line.endswith("}") for line in cache.read_text().splitlines()) == 20


def test_another_recipe_measures_anew(own, monkeypatch):
    monkeypatch.setattr("sn_eval.video.read_video", lambda path: 1 / 0)
    done = sn_eval("fit", own / "labels.csv", "--out", own / "h.skops", "--rewards", "motion_floor")
    assert isinstance(done.exception, SystemExit)
    assert "ZeroDivisionError" in done.stderr


def test_next_proposes_what_is_not_labelled_and_writes_a_file_to_fill_in(own):
    for number in range(6):
        write(own / f"new{number}.mp4", video(6, start=10 + 5 * number, seed=number))
    shutil.copy(own / "0.mp4", own / "copy.mp4")
    out = own / "more" / "to_label.csv"
    done = sn_eval(
        "next", own, "--head", own / "h.skops", "--labels", own / "labels.csv", "--count", 5, "--out", out, "--json"
    )
    assert done.exit_code == 0, done.output
    proposals = json.loads(done.stdout)["proposals"]
    assert [row["why"] for row in proposals] == ["disagreement"] * 4 + ["random"]
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["clip"] for row in rows} < {f"../new{number}.mp4" for number in range(6)}
    assert {row["label"] for row in rows} == {""}
    one_line(sn_eval("next", own, "--head", own / "h.skops", "--out", out), "exists, perhaps with labels in it")

    out.write_text(out.read_text().replace("mp4,,", "mp4,pass,"))
    both = sn_eval("fit", own / "labels.csv", out, "--out", own / "h.skops", *PIXELS, "--json")
    assert json.loads(both.stdout)["labels"] == 25


def test_pairs_are_fitted_and_pairs_are_proposed(own, monkeypatch):
    monkeypatch.setattr("sn_eval.video.read_video", None)  # what was measured for one head serves all
    done = sn_eval("fit", own / "pairs.csv", "--out", own / "p.skops", *PIXELS, "--json")
    assert done.exit_code == 0, done.output
    card = json.loads(done.stdout)
    assert (card["kind"], card["labels"], card["thresholds"]) == ("pair", 30, [])
    figures = {figure["name"]: figure["value"] for figure in card["figures"]}
    assert figures["decided pairs in order"] > 0.6
    (own / "pool.csv").write_text(
        "clip,prompt\n0.mp4,prompt 0\n1.mp4,prompt 0\n2.mp4,prompt 0\n4.mp4,prompt 1\n5.mp4,prompt 1\n"
    )
    out = own / "pairs_to_label.csv"
    assert sn_eval("next", own / "pool.csv", "--head", own / "p.skops", "--out", out).exit_code == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 + 1
    assert {row["prompt"] for row in rows} == {"prompt 0", "prompt 1"}
    assert all(row["clip_a"] != row["clip_b"] and row["preference"] == "" for row in rows)


def test_rate_and_anchor_of_a_row_are_measured_with(own):
    """At half of the rate the same frames move half as much a second; an anchor is another beginning."""
    header, *lines = (own / "labels.csv").read_text().splitlines()
    save_image(video(1)[0, 0], own / "start.png")
    lines = [f"{lines[0]},4,", f"{lines[1]},,2.mp4", f"{lines[2]},,start.png", *(f"{line},," for line in lines[3:])]
    (own / "more.csv").write_text("\n".join([f"{header},fps,anchor", *lines]))
    assert sn_eval("fit", own / "more.csv", "--out", own / "h.skops", *PIXELS, "--quiet").exit_code == 0
    rows = [json.loads(line)["features"] for line in (own / "clip_features.jsonl").read_text().splitlines()]
    assert len(rows) == 20 + 3
    assert rows[20]["motion_floor/motion"] == pytest.approx(rows[0]["motion_floor/motion"] / 2, rel=1e-5)
    assert rows[21] != rows[1]
    assert rows[22] != rows[2]


def test_bad_input_is_one_line(own):
    fit = ("fit", own / "labels.csv", "--out", own / "h.skops", "--quiet")
    one_line(sn_eval(*fit[:2], "--out", own / "h.pkl"), "ends in .skops")
    one_line(sn_eval(*fit, "--rewards", "motion_flor"), "Did you mean 'motion_floor'?")
    one_line(sn_eval(*fit, "--rewards", "none"), "name at least one reward, or an encoder")
    one_line(sn_eval(*fit, "--rewards", "motion_floor,motion_floor"), "name each once")
    one_line(sn_eval(*fit, "--encoder", "imagenet-lite"), "unknown encoder")
    one_line(sn_eval(*fit, "--folds", 1), "--folds")
    (own / "mine.py").write_text("x = 1\n")
    one_line(sn_eval(*fit[:2], "--out", own / "mine.skops"), "mine.py is not of our making")
    (own / "3.mp4").write_text("no video")
    one_line(sn_eval(*fit, *PIXELS), "3.mp4")
    (own / "few.csv").write_text("\n".join((own / "labels.csv").read_text().splitlines()[:10]))
    one_line(sn_eval("fit", own / "few.csv", "--out", own / "few.skops"), "9 labels of 3 prompts are too few")
    assert not (own / "few.skops").exists()


def test_next_with_bad_input_is_one_line(own, tmp_path):
    to = ("--out", tmp_path / "t.csv", "--quiet")
    one_line(sn_eval("next", own, "--head", own / "nowhere.skops", *to), "there is no head")
    one_line(sn_eval("next", own / "7777.mp4", "--head", own / "h.skops", *to), "there is no clip")
    (tmp_path / "empty").mkdir()
    one_line(sn_eval("next", tmp_path / "empty", "--head", own / "h.skops", *to), "no videos in")
    labels = ("--labels", own / "labels.csv")
    one_line(sn_eval("next", own, "--head", own / "h.skops", *labels, *to), "all 20 clips are labelled already")
