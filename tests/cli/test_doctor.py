"""`sn-eval doctor`: what is there, what is missing, and the next step."""

import json
from hashlib import sha256

import pytest
from small_model import write_untrained
from typer.testing import CliRunner

from sn_eval.cli import app, doctor


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_untrained(tmp_path_factory.mktemp("data") / "models" / "tabletop")


@pytest.fixture
def shipped(weights, monkeypatch):
    """The untrained weights in the place of the shipped ones."""
    from sn_eval.models import tabletop

    root = weights.parents[1]
    for module in (doctor, tabletop):
        monkeypatch.setattr(module, "data_path", lambda name="": root / name)
    return weights


def examine(*words):
    result = CliRunner().invoke(app, ["doctor", "--json", "--quiet", *words])
    assert result.stderr == ""
    told = json.loads(result.stdout)
    return result.exit_code, told, {finding["what"]: finding for finding in told["findings"]}


def test_a_healthy_machine(shipped, tmp_path):
    code, told, found = examine("--out", str(tmp_path / "not" / "yet"))
    assert (code, told["healthy"]) == (0, True)
    path = shipped / "denoiser" / "diffusion_pytorch_model.safetensors"
    details = found["tabletop/denoiser/diffusion_pytorch_model.safetensors"]["details"]
    assert details["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert details["bytes"] == path.stat().st_size
    assert found["device cpu"]["details"]["memory_bytes"] > 2**28
    assert "torch" in found["versions"]["details"]
    assert "libx264" in found["H.264 video"]["found"]
    assert not (tmp_path / "not").exists()  # looking leaves nothing behind


def test_truncated_weights_are_found_with_the_next_step(shipped, monkeypatch, tmp_path):
    path = shipped / "denoiser" / "diffusion_pytorch_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        code, told, found = examine("--out", str(tmp_path))
        assert (code, told["healthy"]) == (1, False)
        assert "truncated" in found["embedded model"]["found"]
        assert "tabletop train" in found["embedded model"]["next_step"]
        assert found["encoder imagenet-lite0"]["passed"]
    finally:
        path.write_bytes(whole)


def test_an_output_folder_that_is_a_file(shipped, tmp_path):
    (tmp_path / "file").touch()
    code, _, found = examine("--out", str(tmp_path / "file" / "runs"))
    assert code == 1
    assert not found["output folder"]["passed"]


def test_a_missing_dependency_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "_installed", lambda package: package != "av")
    findings = {finding.what: finding for finding in doctor.packages(tmp_path)}
    assert not findings["dependencies"].passed
    assert findings["dependencies"].next_step.endswith("pip install av")


def test_the_table_shows_the_next_step(monkeypatch):
    wanting = doctor.Finding("embedded model", "no weights", False, "train one")
    monkeypatch.setattr(doctor, "CHECKS", (lambda out: iter([wanting]),))
    doctor.CHECKS[0].__name__ = "weights"
    result = CliRunner().invoke(app, ["doctor", "--quiet"])
    assert result.exit_code == 1
    assert "MISSING" in result.stdout
    assert result.stdout.splitlines()[-1] == "embedded model: train one"
