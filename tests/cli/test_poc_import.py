"""`sn-eval poc import`: what it says, and its exit codes."""

import json

import pytest
from made_elsewhere import PROMPTS, film, folders, scene_frames
from typer.testing import CliRunner

from sn_eval.cli import app

PIXELS = ("--reward", "lighting_consistency", "--evaluator", "temporal_flickering", "--evaluator", "moving_share")


def poc_import(*words):
    return CliRunner().invoke(app, ["poc", "import", *map(str, words), "--quiet"], prog_name="sn-eval")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return folders(tmp_path_factory.mktemp("clips"), count=5)


def test_it_says_what_was_imported_and_what_comes_next(clips, tmp_path):
    result = poc_import(clips, "--out", tmp_path / "run", *PIXELS)
    assert result.exit_code == 0, result.stderr
    assert "12 videos of 3 prompts; measured now: 12" in result.stdout
    assert "the best of 2, 4 by lighting_consistency" in result.stdout
    assert f"sn-eval poc report {tmp_path / 'run'}" in result.stdout
    assert result.stderr == ""
    assert "measured now: 0" in poc_import(clips, "--out", tmp_path / "run", *PIXELS).stdout


def test_json_is_for_machines(clips, tmp_path):
    result = poc_import(clips, "--out", tmp_path / "run", "--json", *PIXELS)
    told = json.loads(result.stdout)
    assert told["prompts"] == dict.fromkeys(PROMPTS, 4)
    assert (told["sizes"], told["measured"], told["left_out"]) == ([2.0, 4.0], 12, {})


def test_what_was_left_out_is_a_line_each_and_code_3(tmp_path):
    root = folders(tmp_path / "clips", PROMPTS[:1], candidates=3, count=5)
    (root / "p0" / "bad.mp4").write_text("no video")
    result = poc_import(root, "--out", tmp_path / "run", *PIXELS)
    assert result.exit_code == 3
    assert result.stderr.startswith("left out: cannot read ")
    assert result.stderr.count("\n") == 1
    assert "3 videos of 1 prompts" in result.stdout


def test_nothing_to_import_and_wrong_options_are_one_line_and_code_2(clips, tmp_path):
    film(tmp_path / "clips" / "1.mp4", scene_frames(PROMPTS[0], 3))
    for words in ((tmp_path / "none",), (clips, "--reward-param", "a=1"), (clips, "--reward", "lihgting_consistency")):
        result = poc_import(*words, "--out", tmp_path / "run")
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
