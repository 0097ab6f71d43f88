"""Does a model fit: counted from the headers of its weights."""

import pytest
import torch
from safetensors.torch import save_file

from rewards.base import UserError
from sn_eval.poc import memory
from sn_eval.poc.memory import check_fits, free_bytes, needed, parameters
from sn_eval.results.paths import data_path
from sn_eval.results.record import Component


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "unet").mkdir()
    save_file({"a": torch.zeros(10, 20), "b": torch.zeros(5)}, tmp_path / "unet" / "x.safetensors", {"made": "by"})
    save_file({"c": torch.zeros(7, dtype=torch.float16)}, tmp_path / "y.safetensors")
    return tmp_path


def test_parameters_are_counted_without_loading(folder):
    need = needed(Component(use="image_to_video", params={"path": str(folder)}))
    assert need is not None
    assert (need.parameters, need.bytes, need.dtype) == (212, 848, "float32")
    half = needed(Component(use="image_to_video", params={"path": str(folder), "dtype": "bfloat16"}))
    assert half is not None
    assert half.bytes == 424


def test_the_embedded_model_is_counted_as_torch_does():
    weights = next(data_path("models/tabletop").rglob("*.safetensors"))
    from safetensors.torch import load_file

    assert parameters(weights) == sum(tensor.numel() for tensor in load_file(weights).values())


def test_a_model_that_is_too_large_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 500)
    with pytest.raises(
        UserError, match=r"does not fit: 0\.00 billion parameters in float32 .* free on cpu; use a small"
    ):
        check_fits(Component(use="image_to_video", params={"path": str(folder)}))
    assert check_fits(Component(use="image_to_video", params={"path": str(folder), "dtype": "float16"})) is not None


@pytest.mark.parametrize("params", [{}, {"path": "somebody/model"}, {"path": 5}])
def test_what_is_not_known_before_loading_is_none(params):
    assert check_fits(Component(use="image_to_video", params=params)) is None


@pytest.mark.parametrize(
    "content", [b"", b"1234", b"\xff" * 20, b"\x02" + b"\0" * 7 + b"[]", b"\x02" + b"\0" * 7 + b"{]"]
)
def test_a_damaged_file_counts_for_nothing(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    assert parameters(tmp_path / "x.safetensors") is None
    assert needed(Component(use="m", params={"path": str(tmp_path)})) is None


def test_a_container_may_have_less_than_the_machine(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert free_bytes("cpu") == 2000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes("cpu") > 1 << 20
    assert free_bytes("mps") is None
