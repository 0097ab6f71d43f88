"""`sn-eval poc plan` and `poc headroom`, on the command line."""

import json

import pytest
from experiment_files import ANALYTIC, FULL
from typer.testing import CliRunner

from sn_eval.cli import app


def poc(*words: str):
    return CliRunner().invoke(app, ["poc", *words], prog_name="sn-eval")


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(ANALYTIC.replace("steps: 4, chunks: 4", "steps: 2, chunks: 2"))
    return str(path)


def test_the_plan_is_a_table_and_sentences(spec):
    result = poc("plan", spec, "--trial-seconds", "5", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    for part in ("scaling_noise@3videos", "18", "prompts needed", "price: no money", "GB free", "warning: 1 confirm"):
        assert part in result.stdout


def test_the_plan_can_be_machine_read_and_the_whole_run_is_not_begun(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = poc("plan", spec, "--trial-seconds", "5", "--json")
    found = json.loads(result.stdout)
    assert found["cells"] == 18
    assert [arm["name"] for arm in found["arms"]] == ["plain", "best_of_n@3videos", "scaling_noise@3videos"]
    assert not (tmp_path / "runs").exists()


def test_a_real_model_is_planned_without_it(tmp_path):
    path = tmp_path / "real.yaml"
    path.write_text(FULL.replace("use: tabletop, params: {on: true}", "use: image_to_video, params: {path: /nowhere}"))
    result = poc("plan", str(path), "--calibration", "hunyuanvideo-720p", "--video-seconds", "5", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert "GPU-hours" in result.stdout
    assert "196.4 GPU-seconds a second of video" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "nothing"], "no experiment 'nothing': name a YAML file or one of"),
        (["plan", "SPEC", "--calibration", "wan"], "no calibration 'wan'; known: wan2.1-1.3b-480p"),
        (["plan", "SPEC", "--headroom", "gone.json"], "cannot read gone.json"),
        (["plan", "SPEC", "--prices", "gone.yaml"], "cannot read the price list gone.yaml"),
        (["headroom", "SPEC", "--prompts", "9"], "--prompts 9: there are 2 to take from"),
        (["headroom", "SPEC", "--samples", "1"], "'--samples'"),
    ],
)
def test_wrong_input_is_one_line(spec, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = poc(*[spec if word == "SPEC" else word for word in words], "--quiet")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_headroom_is_found_and_used_by_the_plan(spec, tmp_path):
    out = tmp_path / "h"
    result = poc("headroom", spec, "--prompts", "2", "--samples", "3", "--out", str(out), "--quiet")
    assert result.exit_code == 0, result.stderr
    assert "oracle" in result.stdout
    assert "worth going on" in result.stdout
    assert str(out / "headroom.json") in result.stdout
    again = poc("headroom", spec, "--prompts", "2", "--samples", "3", "--out", str(out), "--json")
    assert json.loads(again.stdout)["headroom"]["samples"] == 3
    plan = poc("plan", spec, "--headroom", str(out / "headroom.json"), "--trial-seconds", "2", "--json")
    assert "as headroom measured" in json.loads(plan.stdout)["sample_sizes"][0]["assumed"]
