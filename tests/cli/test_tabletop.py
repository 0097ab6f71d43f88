"""`sn-eval tabletop`: scenes with their truth, a training that can be stopped, gates."""

import json
from functools import partial

import pytest
from small_model import write_untrained
from typer.testing import CliRunner

from sn_eval.audit import gates
from sn_eval.cli import app, tabletop
from sn_eval.cli.tabletop import Watch
from sn_eval.tabletop import train
from sn_eval.video import probe

WINE = "a blue ball rolls toward a glass of red wine"


def sn_eval(*words):
    return CliRunner().invoke(app, ["tabletop", *words])


# --- scene ------------------------------------------------------------------------------------------------


def test_scene_writes_the_video_the_sheet_and_the_truth(tmp_path):
    result = sn_eval("scene", WINE, "--seed", "6", "--frames", "40", "--out", str(tmp_path), "--json")
    assert result.exit_code == 0
    assert [path.rsplit("/", 1)[1] for path in json.loads(result.stdout)["files"]] == [
        "scene.mp4",
        "contact_sheet.png",
        "truth.json",
    ]
    info = probe(tmp_path / "scene.mp4")
    assert (info.width, info.height, info.frames) == (384, 384, 40)
    assert (tmp_path / "contact_sheet.png").stat().st_size > 1000
    truth = json.loads((tmp_path / "truth.json").read_text())
    ball = next(thing for thing in truth["objects"] if thing["kind"] == "ball")
    assert len(ball["centre"]) == len(ball["area"]) == len(truth["spill_area"]) == len(truth["light_level"]) == 40
    assert ball["area"][0] == pytest.approx(3.14159 * 6**2, rel=0.03)  # a ball of radius 6
    assert abs(ball["centre"][30][0] - ball["centre"][0][0]) > 8  # it rolled
    assert truth["scene"]["tips_at"] is not None
    assert truth["spill_area"][0] == 0 < truth["spill_area"][-1]  # this seed spills


def test_scene_is_the_same_twice_and_blocks_do_not_show(tmp_path):
    truths = []
    for frames in ("33", "40"):
        sn_eval("scene", WINE, "--frames", frames, "--out", str(tmp_path / frames))
        truths.append(json.loads((tmp_path / frames / "truth.json").read_text()))
    assert truths[0]["objects"][0]["centre"] == truths[1]["objects"][0]["centre"][:33]


def test_what_is_hidden_has_no_centre(tmp_path):
    sn_eval("scene", "a red ball rolls", "--frames", "3", "--out", str(tmp_path))
    assert "NaN" not in (tmp_path / "truth.json").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([""], "empty prompt"),
        (["a teapot"], "names none of the objects"),
        (["a red ball", "--out", "FILE/x"], "Choose a writable folder"),
    ],
)
def test_bad_input_is_one_line(tmp_path, words, said):
    (tmp_path / "file").touch()
    result = sn_eval("scene", *[word.replace("FILE", str(tmp_path / "file")) for word in words])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


# --- train ------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """A training that renders few clips and draws little."""
    monkeypatch.setattr(tabletop, "SHEET_PROMPTS", 1)
    monkeypatch.setattr(tabletop, "SHEET_CHUNKS", 1)
    draw = train.draw_clips
    monkeypatch.setattr(train, "draw_clips", lambda clips, rng: draw(min(clips, 6), rng))
    monkeypatch.setattr(train, "Recipe", partial(train.Recipe, clips_at_start=6, clips_a_step=0.0))


def test_training_shows_what_it_makes_and_goes_on_where_it_stopped(small, tmp_path):
    out = tmp_path / "w"
    words = ["train", "--out", str(out), "--batch", "1", "--device", "cpu", "--json"]
    first = json.loads(sn_eval(*words, "--minutes", "0.01").stdout)
    assert first["steps"] >= 1
    assert (out / "denoiser" / "diffusion_pytorch_model.safetensors").exists()
    assert [path.endswith(f"step_{first['steps']:06d}.png") for path in first["sheets"]] == [True]
    again = sn_eval(*words, "--minutes", "0.1")
    assert json.loads(again.stdout)["steps"] > first["steps"]
    assert f"going on from step {first['steps']}" in again.stderr


def test_ctrl_c_keeps_the_last_step(small, tmp_path, monkeypatch):
    step = Watch.step

    def interrupted(self, training, loss, done):
        step(self, training, loss, done)
        if training.step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Watch, "step", interrupted)
    words = ["train", "--out", str(tmp_path), "--batch", "1", "--device", "cpu", "--quiet"]
    result = sn_eval(*words, "--minutes", "5")
    assert result.exit_code == 130
    assert result.stderr == f"stopped; finished work is kept in {tmp_path}\n"
    import torch

    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3


def test_a_damaged_checkpoint_is_one_line(small, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    result = sn_eval("train", "--out", str(tmp_path), "--minutes", "0.01", "--device", "cpu", "--quiet")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: cannot resume from")
    assert result.stderr.count("\n") == 1


# --- check ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_untrained(tmp_path_factory.mktemp("w"))


def gate(what, passed):
    return gates.Gate(what, 0.75, 0.5, 0.9, "≥ 0.8", passed, 4)


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_check_tells_by_its_exit_code_whether_all_gates_passed(weights, monkeypatch, passed, code):
    asked = []

    def measured(model, scenes, draw, on_progress):
        asked.append((model.name, scenes))
        on_progress(1, 1)
        return [gate("codec", True), gate("motion", passed)]

    monkeypatch.setattr(gates, "check", measured)
    told = sn_eval("check", str(weights), "--scenes", "5", "--json")
    assert told.exit_code == code
    assert json.loads(told.stdout)["passed"] is passed
    shown = sn_eval("check", str(weights), "--scenes", "5")
    assert ("MISSED" in shown.stdout) is not passed
    assert "0.5 … 0.9" in shown.stdout
    assert asked == [("tabletop", 5)] * 2


@pytest.mark.slow
def test_check_measures_an_untrained_model_and_finds_it_wanting(weights, monkeypatch):
    monkeypatch.setattr(gates, "CHUNKS", 2)
    monkeypatch.setattr(gates, "STEPS", 2)
    told = sn_eval("check", str(weights), "--scenes", "4", "--json", "--quiet")
    assert told.exit_code == 1
    assert {g["what"]: g["passed"] for g in json.loads(told.stdout)["gates"]}["codec PSNR, mean (dB)"]


def test_check_without_weights_is_one_line(tmp_path):
    result = sn_eval("check", str(tmp_path), "--quiet")
    assert result.exit_code == 2
    assert "no model_index.json" in result.stderr
    assert result.stderr.count("\n") == 1
