"""`sn-eval tabletop train-clip` and `check-clip`: figures with their intervals, and an exit code that tells."""

import json
from functools import partial

import pytest
from typer.testing import CliRunner

from sn_eval.audit.tabletop_clip import QUESTIONS
from sn_eval.cli import app
from sn_eval.tabletop import train_clip


def sn_eval(*words):
    return CliRunner().invoke(app, ["tabletop", *words])


@pytest.fixture
def small(monkeypatch):
    """A model that is trained and asked in a second."""
    size = {"width": 8, "layers": (1, 1, 1, 1), "text_width": 32, "text_layers": 1, "captions": 4}
    pool = {"scenes_at_start": 4, "scenes_a_step": 1, "most_frames": 64}
    monkeypatch.setattr(train_clip, "ClipRecipe", partial(train_clip.ClipRecipe, **size, **pool))


def test_training_reports_every_question_and_fails_where_the_goal_is_missed(small, tmp_path):
    words = ["train-clip", "--out", str(tmp_path / "w"), "--batch", "8", "--scenes", "12", "--made", "0", "--json"]
    told = sn_eval(*words, "--minutes", "0.02")
    assert told.exit_code == 1  # a second of training is not enough
    result = json.loads(told.stdout)
    assert result["steps"] >= 1
    assert [gate["what"] for gate in result["gates"]] == [
        f"{what}, {sort}" for sort in ("rendered", "decoded") for what in QUESTIONS
    ]
    for gate in result["gates"]:
        assert gate["n"] == 0 or gate["low"] <= gate["value"] <= gate["high"]
    again = sn_eval(*words, "--minutes", "0.1")
    assert json.loads(again.stdout)["steps"] > result["steps"]
    assert f"going on from step {result['steps']}" in again.stderr


@pytest.mark.slow
def test_the_bundled_model_reaches_the_goal_on_rendered_and_decoded_frames():
    told = sn_eval("check-clip", "--scenes", "200", "--made", "4", "--draw", "1", "--json", "--quiet")
    result = json.loads(told.stdout)
    assert result["encoder"] == "tabletop-clip"
    assert {gate["what"]: gate["value"] for gate in result["gates"] if not gate["passed"]} == {}
    assert told.exit_code == 0
    assert len(result["gates"]) == 3 * len(QUESTIONS)
    assert {gate["must"] for gate in result["gates"]} == {">= 0.95", "reported"}


def test_the_table_shows_figures_and_intervals():
    told = sn_eval("check-clip", "--scenes", "8", "--made", "0", "--quiet")
    assert "object kind, rendered" in told.stdout
    assert "…" in told.stdout


def test_a_folder_that_is_no_model_is_one_line(tmp_path):
    told = sn_eval("check-clip", str(tmp_path), "--quiet")
    assert told.exit_code == 2
    assert told.stderr.count("\n") == 1
    assert "open_clip_config.json" in told.stderr
