"""`sn-eval models` and `sn-eval rewards`: lists, explanations, and what a preview is worth."""

import json
import math

import pytest
from small_model import write_untrained
from typer.testing import CliRunner

import rewards
from sn_eval import models
from sn_eval.cli import app, console
from sn_eval.cli.models import Worth, dev_prompts, in_words, recommended
from sn_eval.search.correlation import LookReport
from sn_eval.tabletop.scene import parse

BRIGHT = '''
from rewards import reward

@reward(family="pixels", range=(0.0, 1.0))
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    """How bright the video is."""
    return frames.mean((1, 2, 3, 4))
'''


def sn_eval(*words):
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def bright(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(BRIGHT)
    return f"{path}:bright"


@pytest.mark.parametrize(("group", "registry"), [("models", models.registry), ("rewards", rewards.registry)])
def test_lists_name_every_component(group, registry):
    told = json.loads(sn_eval(group, "list", "--json").stdout)
    assert [row["name"] for row in told] == registry.names()
    assert all(row["summary"] for row in told)
    shown = sn_eval(group, "list").stdout
    assert all(name in shown for name in registry.names())


def test_a_reward_of_the_users_own_is_explained(bright):
    assert "How bright the video is." in sn_eval("rewards", "show", bright).stdout
    assert json.loads(sn_eval("rewards", "show", bright, "--json").stdout)["text"] == "How bright the video is."


@pytest.mark.parametrize(
    ("source", "said"),
    [("def f(:\n", "line 1"), (BRIGHT.replace("(1, 2, 3, 4)", "(3, 4)"), "returned shape"), ("x = 1\n", "bright")],
)
def test_a_broken_reward_file_is_one_line(tmp_path, source, said):
    path = tmp_path / "broken.py"
    path.write_text(source)
    result = sn_eval("models", "check", "gaussian", "--reward", f"{path}:bright", "--quiet", "--look", "1")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_check_measures_both_kinds_of_preview(bright, monkeypatch):
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)  # every step speaks
    words = ["--look", "1,4", "--candidates", "6", "--prompts", "2", "--steps", "4", "--chunks", "2", "--seeds", "2"]
    result = sn_eval("models", "check", "gaussian", "--reward", bright, *words, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    rows = {(row["preview"], row["look"]): row for row in told["looks"]}
    assert set(rows) == {("early", 1), ("early", 4), ("coarse", 1), ("coarse", 4)}
    assert all(row["contexts"] == 2 * 2 * 2 for row in rows.values())
    assert [rows["early", look]["nfe"] for look in (1, 4)] == [1, 4]
    last = rows["early", 4]  # a preview at the last step is the finished chunk
    assert last["rho"] == pytest.approx(1.0)
    assert last["gain"] == pytest.approx(last["best_gain"])
    assert told["recommended"] is not None
    assert "coarse previews: 100%" in result.stderr


def test_check_on_the_tabletop_model_gives_advice(tmp_path):
    weights = write_untrained(tmp_path / "w")
    words = ["--prompts", "1", "--candidates", "3", "--chunks", "1", "--look", "2", "--steps", "2", "--quiet"]
    result = sn_eval("models", "check", str(weights), *words)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "rank corr." in result.stdout
    assert "--look 2" in result.stdout or "No look" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gausian"], "Did you mean 'gaussian'?"),
        (["gaussian", "--look", "0"], "1 or more"),
        (["gaussian", "--look", "two"], "whole numbers"),
        (["gaussian", "--look", "9"], "at most --steps 8"),
        (["gaussian", "--reward", "tabletop_qualty"], "Did you mean 'tabletop_quality'?"),
        (["gaussian", "--device", "cuda:77"], "sn-eval doctor"),
        (["tabletop", "--image", "nothing.png"], "nothing.png"),
        (["no/such/folder.py:model"], "no file"),
    ],
)
def test_bad_input_is_one_line(words, said, tmp_path, monkeypatch):
    if words[0] == "tabletop":
        words = [str(write_untrained(tmp_path / "w")), *words[1:]]
    result = sn_eval("models", "check", *words, "--quiet")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def worth(preview, look, nfe, rho, gain, most=0.4):
    return Worth(preview, LookReport(look, 8, rho, 0.1, gain, most), nfe)


def test_the_cheapest_look_that_gains_enough_is_recommended():
    rows = [worth("early", 1, 1, 0.1, 0.05), worth("early", 4, 4, 0.7, 0.33), worth("early", 6, 6, 0.9, 0.39)]
    assert recommended(rows) is rows[1]
    assert "--preview early --look 4" in in_words(rows[1], 8)
    assert recommended(rows[:1]) is rows[0]
    tie = [worth("coarse", 4, 4, 0.7, 0.35), rows[1]]
    assert recommended(tie) is rows[1]  # the steps of an early preview are not lost


def test_blind_looks_are_not_recommended():
    rows = [worth("early", 1, 1, 0.0, 0.1), worth("early", 2, 2, -0.2, -0.1), worth("coarse", 1, 1, 0.1, math.nan)]
    assert recommended(rows) is None
    assert "No look" in in_words(None, 8)


def test_the_built_in_prompts_are_in_the_worlds_own_words():
    prompts = dev_prompts()
    assert len(set(prompts)) == len(prompts) >= 12
    assert [parse(prompt).caption() for prompt in prompts] == prompts
