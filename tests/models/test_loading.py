"""Getting a pipeline onto a device: whatever is wrong is one line with the next step, and no hub is waited for."""

import json
import shutil
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread

import pytest
import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
    WanTransformer3DModel,
)
from huggingface_hub import constants
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from rewards.base import UserError
from sn_eval.models import loading
from sn_eval.models.loading import load_pipeline
from sn_eval.models.pipeline_index import adapter_for, pipeline_class
from sn_eval.poc.spec import model_named
from sn_eval.sampling import Batches

UNET = "unet/diffusion_pytorch_model.safetensors"
VISION = "image_encoder/model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A pipeline of hardly any weights: it is loaded here, never run."""
    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32,), layers_per_block=1, num_attention_heads=2, cross_attention_dim=8,
        down_block_types=("DownBlockSpatioTemporal",), up_block_types=("UpBlockSpatioTemporal",),
    )  # fmt: skip
    vae = AutoencoderKLTemporalDecoder(block_out_channels=(32,), down_block_types=("DownEncoderBlock2D",))
    vision = CLIPVisionConfig(hidden_size=8, projection_dim=8, num_hidden_layers=1, num_attention_heads=1,
                              intermediate_size=8, image_size=32, patch_size=32)  # fmt: skip
    pipeline = StableVideoDiffusionPipeline(
        vae, CLIPVisionModelWithProjection(vision), unet, EulerDiscreteScheduler(), CLIPImageProcessor()
    )
    path = tmp_path_factory.mktemp("pipeline")
    pipeline.save_pretrained(path)
    return path


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "p")


def changed(file, **entries):
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def refused(path, **how):
    """The one line that says why it cannot be loaded."""
    with pytest.raises(UserError) as told:
        load_pipeline(str(path), **how)
    assert len(str(told.value).splitlines()) == 1
    return str(told.value)


def test_a_pipeline_is_loaded_in_the_dtype_asked_for_and_says_nothing(whole, capfd):
    pipeline = load_pipeline(str(whole), dtype="bfloat16")
    assert {p.dtype for n in loading.networks(pipeline) for p in n.parameters()} == {torch.bfloat16}
    assert capfd.readouterr().err == ""
    assert load_pipeline(str(whole)).unet.dtype == torch.float32


# --- what is broken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model_index.json", None, "has no model_index.json"),
        ("model_index.json", '{"a": ', "model_index.json: Expecting value"),
        ("model_index.json", "[]", "holds no JSON object"),
        ("model_index.json", "{}", "names no pipeline"),
        ("unet/config.json", '{"a": ', "unet/config.json' is not a valid JSON file"),
        ("unet", None, "has no unet, which its model_index.json names"),
        (UNET, None, "no file named diffusion_pytorch_model"),
        (VISION, None, "no file named model.safetensors"),
        (UNET, "half", f"{UNET} are truncated"),
        (VISION, "half", f"{VISION} are truncated"),
        (VISION, "", f"{VISION} are truncated"),
    ],
)
def test_a_broken_folder_is_one_line_that_names_what_is_broken(folder, file, content, said):
    place = folder / file
    if content is None:
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    elif content == "half":
        place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
    else:
        place.write_text(content)
    assert said in refused(folder)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"_class_name": "FooPipeline"}, "FooPipeline, which diffusers"),
        ({"_class_name": ["mine", "Mine"]}, "code of its own"),
        ({"unet": ["diffusers", "FooModel"]}, "FooModel"),
        ({"_class_name": "WanPipeline", "scheduler": [None, None]}, "cannot load"),
    ],
)
def test_classes_that_there_are_not(folder, entries, said):
    changed(folder / "model_index.json", **entries)
    assert said in refused(folder)


def test_weights_of_another_shape(folder):
    changed(folder / "unet/config.json", block_out_channels=[64])
    assert "shape" in refused(folder)  # in whose words depends on accelerate


def test_paths_that_hold_no_pipeline(whole, tmp_path):
    assert "no such folder: 'nope'" in refused("nope")
    assert "no such folder" in refused(tmp_path / "nope")
    assert "is a file" in refused(whole / "model_index.json")
    with pytest.raises(UserError, match="no such folder"):
        model_named(str(tmp_path / "nope"))


# --- what is missing here ---------------------------------------------------------------------------------------------


def test_a_missing_package_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    changed(folder / "model_index.json", _class_name="WanPipeline")
    assert "pip install ftfy" in refused(folder)
    error = ImportError("\nT5Tokenizer requires the SentencePiece library but it was not found in your environment.")
    assert str(loading._in_words("p", error)).endswith("pip install sentencepiece")


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="diffusers has the class where the package is")
def test_a_class_that_stands_in_for_one_with_missing_packages(folder):
    changed(folder / "model_index.json", _class_name="KolorsPipeline")
    assert "pip install sentencepiece" in refused(folder)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"dtype": "float33"}, "float32, bfloat16"),
        ({"dtype": "int8"}, "float32, bfloat16"),
        ({"device": "cuda:77"}, "sn-eval doctor"),
        ({"device": "gpu"}, "sn-eval doctor"),
        ({"offload": "disk"}, "none, model, sequential, group"),
        ({"offload": "model"}, "the device is the CPU"),
        ({"offload": "group"}, "the device is the CPU"),
        ({"attention": "flish"}, "native"),
        ({"attention": "native"}, "cannot be chosen"),
    ],
)
def test_what_cannot_be_had_is_refused(whole, how, said):
    assert said in refused(whole, **how)


def test_an_attention_backend_is_set_or_its_package_is_named():
    network = WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4, text_dim=8, freq_dim=8, ffn_dim=8,
        num_layers=1,
    )  # fmt: skip
    processors = [module.processor for module in network.modules() if hasattr(module, "processor")]
    loading._attend(network, "_native_math")
    assert processors
    assert {p._attention_backend.value for p in processors} == {"_native_math"}
    with pytest.raises(UserError, match="flash-attn"):
        loading._attend(network, "flash")
    loading._attend(network, "native")


def test_blocks_are_compiled_where_the_network_names_them(whole):
    assert load_pipeline(str(whole), compile=True).unet._compiled_call_impl is not None
    network = WanTransformer3DModel(num_attention_heads=2, attention_head_dim=12, text_dim=8, ffn_dim=8, num_layers=2)
    loading._compile(network)
    assert all(block._compiled_call_impl is not None for block in network.blocks)
    assert network._compiled_call_impl is None


def test_memory_that_runs_out_while_loading(folder):
    changed(folder / "unet/config.json", in_channels=10**12)
    assert "out of memory while loading" in refused(folder)


def test_memory_that_runs_out_at_batch_1_on_a_cpu():
    def greedy(rows):
        return torch.empty(len(rows), 10**15)

    with pytest.raises(UserError, match="batch of 1"):
        Batches()(greedy, torch.zeros(4))
    with pytest.raises(RuntimeError, match="other"):
        Batches()(lambda rows: (_ for _ in ()).throw(RuntimeError("other")), torch.zeros(4))


# --- the hub ----------------------------------------------------------------------------------------------------------


def elsewhere(monkeypatch, cache, port):
    """The hub and its cache are here, in this test alone."""
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.partition("/{repo_id}")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", constants.ENDPOINT + "".join(template[1:]))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


@contextmanager
def hub(monkeypatch, cache, answers):
    """A hub on this machine: (status, headers, body) of what a model is, and of its files; requests are kept."""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            kind = "info" if self.path.startswith("/api/") else "file"
            status, headers, body = answers[kind]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    elsewhere(monkeypatch, cache, server.server_port)
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("info", "file", "said"),
    [
        ((401, {"X-Error-Code": "RepoNotFound"}, b""), None, "knows no such model"),
        ((200, {}, b'{"id": "owner/model"}'), (403, {"X-Error-Code": "GatedRepo"}, b""), "accept its licence"),
        ((200, {}, b'{"id": "owner/model"}'), (404, {"X-Error-Code": "EntryNotFound"}, b""), "has no model_index"),
    ],
)
def test_what_a_hub_answers_is_one_line(monkeypatch, tmp_path, info, file, said):
    with hub(monkeypatch, tmp_path, {"info": info, "file": file}) as asked:
        assert said in refused("owner/model")
    assert 1 <= len(asked) <= 3


def test_a_hub_that_refuses_is_asked_once(monkeypatch, tmp_path):
    elsewhere(monkeypatch, tmp_path, 9)
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    line = refused("owner/model")
    assert "cannot be reached" in line
    assert "refused" in line
    assert waits == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in refused("owner/model")


def test_what_was_downloaded_before_is_used_without_the_hub(monkeypatch, tmp_path, whole):
    kept = tmp_path / "models--owner--model"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs/main").write_text("a" * 40)
    shutil.copytree(whole, kept / "snapshots" / ("a" * 40))
    elsewhere(monkeypatch, tmp_path, 9)
    assert pipeline_class("owner/model") == "StableVideoDiffusionPipeline"
    assert isinstance(load_pipeline("owner/model"), StableVideoDiffusionPipeline)


# --- which adapter ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "adapter"),
    [
        ({"_class_name": "StableVideoDiffusionPipeline"}, "image_to_video"),
        ({"_class_name": "CogVideoXImageToVideoPipeline"}, "image_to_video"),
        ({"_class_name": "SkyReelsV2ImageToVideoPipeline"}, "image_to_video"),
        ({"_class_name": "SkyReelsV2DiffusionForcingPipeline"}, "diffusion_forcing"),
        ({"_class_name": "SkyReelsV2DiffusionForcingImageToVideoPipeline"}, "diffusion_forcing"),
        ({"_class_name": "WanImageToVideoPipeline"}, "image_to_video"),
        ({"_class_name": "WanPipeline", "expand_timesteps": True}, "diffusion_forcing"),
        ({"_class_name": "WanImageToVideoPipeline", "expand_timesteps": True}, "diffusion_forcing"),
    ],
)
def test_the_adapter_is_read_off_the_index_alone(tmp_path, entries, adapter):
    (tmp_path / "model_index.json").write_text(json.dumps(entries))
    assert adapter_for(str(tmp_path)) == adapter
    named = model_named(str(tmp_path), guidance=2.0)
    assert (named.use, dict(named.params)) == (adapter, {"path": str(tmp_path), "guidance": 2.0})


def test_names_and_references_are_left_as_they_are():
    uses = ["gaussian", "my.py:model", "gausian"]
    assert [model_named(use).use for use in uses] == uses
    assert adapter_for("data/models/tabletop") == "tabletop"
