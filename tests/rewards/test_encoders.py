"""One idea of an encoder: the bundled ones are the real ones, and any of open_clip's or DINO's loads from a path."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rewarding import RED, picture
from torch import nn

from rewards import encoders
from rewards.base import UserError
from rewards.encoders import Encoder, Network, Preprocessing, create_encoder
from rewards.encoding import open_clip_encoder
from rewards.encoding.imagenet_encoder import lite0
from rewards.encoding.open_clip_encoder import bundled_folder

TOWERS = {
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64},
    "vit": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


# --- imagenet-lite0 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("image", "label"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_it_recognises_what_is_shown(image, label):
    images = pytest.importorskip("sklearn.datasets")
    shown = torch.tensor(images.load_sample_image(image)).permute(2, 0, 1)[None] / 255
    shown = shown[..., 106:533]  # the middle square, as the network was trained; encoders of ours crop nothing
    features = create_encoder("imagenet-lite0")(shown)
    assert features.shape == (1, 1280)
    assert lite0()[0].classifier(features).argmax().item() == label  # palace, daisy


def test_its_identity_is_on_record():
    encoder = create_encoder("imagenet-lite0@64")
    assert encoder.name == "imagenet-lite0@64"
    assert encoder.sha256.startswith("57934424")  # the digest that the file's own name carries
    assert encoder.dtype == torch.float32
    assert create_encoder("imagenet-lite0").name == "imagenet-lite0"
    assert create_encoder("imagenet-lite0@64") is encoder


def test_leading_dimensions_are_kept_and_gradients_are_not():
    features = create_encoder("imagenet-lite0@64")(torch.rand(2, 3, 3, 32, 48).requires_grad_())
    assert features.shape == (2, 3, 1280)
    assert not features.requires_grad


def test_places_find_a_small_thing_again_where_it_went():
    before, after = (picture([("disc", RED, x, 46, 6.0)]) for x in (18, 42))
    patches = create_encoder("imagenet-lite0@128").patches(torch.stack([before, after])[None])[0]
    assert patches.shape == (2, 152, 16, 16)  # a thing of 12 pixels of 64 covers several of 16 cells
    thing = patches[0, :, 11, 4]
    where = torch.einsum("d,dyx->yx", thing, patches[1]).flatten().argmax().item()
    assert (where // 16, where % 16) == (pytest.approx(11, abs=1), pytest.approx(10, abs=1))


# --- tabletop-clip ----------------------------------------------------------------------------------------


def test_the_bundled_clip_says_which_text_is_true():
    frames = torch.stack([picture([("disc", RED, 30, 50, 6.0)]), 0.5 * picture([("disc", RED, 30, 50, 6.0)])])
    encoder = create_encoder("tabletop-clip")
    texts = encoder.text(["the light is bright", "the light is dim"])
    assert F.cosine_similarity(encoder(frames)[:, None], texts[None], dim=-1).argmax(1).tolist() == [0, 1]
    assert encoder.sha256 == hashlib.sha256((bundled_folder() / "open_clip_model.safetensors").read_bytes()).hexdigest()
    assert encoder.size == 64
    assert encoder.patches(frames).shape == (2, 256, 4, 4)


def test_it_lies_beside_a_checkout_and_in_an_installed_copys_data(tmp_path, monkeypatch):
    root = Path(open_clip_encoder.__file__).resolve().parents[2]
    assert bundled_folder() == root / "data" / "models" / "tabletop-clip"
    monkeypatch.setattr(open_clip_encoder, "__file__", str(tmp_path / "rewards" / "encoding" / "open_clip_encoder.py"))
    (tmp_path / "sn_eval" / "_data").mkdir(parents=True)
    assert bundled_folder() == tmp_path / "sn_eval" / "_data" / "data" / "models" / "tabletop-clip"
    with pytest.raises(UserError, match="restore the folder.*or train one: sn-eval tabletop train-clip"):
        open_clip_encoder.tabletop_clip(None)


# --- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("imagenet-lite", "Did you mean 'imagenet-lite0'"),
        ("imagenet-lite0@50", "multiple of 32"),
        ("", "Known"),
        ("dino", "Known: .*dino:HUB_ID_OR_FOLDER"),
        ("tabletop-clip:x", "Known"),
        ("open_clip:ViT-B-33/openai", "Did you mean 'ViT-B-32'"),
        ("open_clip:ViT-B-32/opanai", "neither a file nor weights.*tags: openai"),
        ("open_clip:RN101-quickgelu/none", "tags: openai"),
        ("dino:/nowhere", "cannot load encoder 'dino:/nowhere'.*Name a folder"),
    ],
)
def test_wrong_names_get_one_clear_line(name, rule, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=rule) as error:
        create_encoder(name)
    assert "\n" not in str(error.value)


# --- batches and preprocessing ----------------------------------------------------------------------------


class Counting(Network):
    """Mean colours; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.calls = nn.Parameter(torch.ones(1)), []

    def forward(self, x):
        self.calls.append(len(x))
        return x.mean((2, 3))


def test_a_batch_is_one_call_until_it_is_too_large(monkeypatch):
    network = Counting()
    encoder = Encoder("counting", "counting", "0" * 64, Preprocessing(64, (0.0,) * 3, (1.0,) * 3), network)
    frames = torch.rand(32, 16, 3, 64, 64)
    monkeypatch.setitem(encoders.PIXELS, "cpu", 512 * 64 * 64)
    features = encoder(frames)
    assert network.calls == [512]
    assert torch.allclose(features, frames.mean((-2, -1)), atol=1e-6)
    monkeypatch.setitem(encoders.PIXELS, "cpu", 100 * 64 * 64)
    assert torch.allclose(encoder(frames), features, atol=1e-6)
    assert network.calls[1:] == [100, 100, 100, 100, 100, 12]


@pytest.mark.parametrize(
    ("fit", "multiple", "shape"),
    [("shorter", 1, (32, 64)), ("shorter", 14, (28, 70)), ("square", 1, (32, 32)), ("crop", 1, (32, 32))],
)
def test_pictures_are_fitted_as_stated(fit, multiple, shape):
    prepare = Preprocessing(32, (0.5,) * 3, (0.25,) * 3, fit, multiple)
    left_to_right = torch.linspace(0, 1, 96).expand(1, 3, 48, 96)
    made = prepare(left_to_right)
    assert made.shape[-2:] == shape
    ends = made[0, 0, 0, 0].item(), made[0, 0, 0, -1].item()
    wanted = (-1, 1) if fit == "crop" else (-2, 2)  # the middle half of the ramp, or all of it
    assert ends == pytest.approx(wanted, abs=0.1)


def test_an_encoder_without_text_names_those_that_have_it():
    for ask in (lambda e: e.text(["a ball"]), lambda e: e.scale):
        with pytest.raises(UserError, match="'imagenet-lite0@64' cannot encode texts.*tabletop-clip"):
            ask(create_encoder("imagenet-lite0@64"))


# --- open_clip --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=TOWERS)
def folder(request, tmp_path_factory) -> Path:
    """A tiny random open_clip model in open_clip's own layout."""
    from open_clip import CLIP
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp(request.param)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIP(16, TOWERS[request.param], TEXT)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path / "model.safetensors")
    config = {"model_cfg": {"embed_dim": 16, "vision_cfg": TOWERS[request.param], "text_cfg": TEXT},
              "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}  # fmt: skip
    (path / "open_clip_config.json").write_text(json.dumps(config))
    return path


def test_a_folder_of_open_clip_is_what_open_clip_makes_of_it(folder):
    import open_clip

    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    encoder = create_encoder(f"open_clip:{folder}")
    side = encoder.size
    images = torch.rand(2, 3, side, side)
    assert encoder.name == f"open_clip:{folder}"
    assert encoder.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert encoder.prepare.fit == "crop"  # as open_clip does unless its configuration says otherwise
    with torch.no_grad():
        assert torch.allclose(encoder(images), model.eval().encode_image((images - 0.5) / 0.5), atol=1e-5)
        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["a ball", "wine"])
        assert torch.allclose(encoder.text(["a ball", "wine"]), model.encode_text(tokens), atol=1e-5)
    assert encoder.scale == pytest.approx(1 / 0.07, rel=1e-3)


def test_open_clips_places_are_a_grid_over_the_picture(folder):
    encoder = create_encoder(f"open_clip:{folder}")
    flat = torch.full((1, 3, encoder.size, encoder.size), 0.8)
    marked = flat.clone()
    marked[..., : encoder.size // 4, -encoder.size // 4 :] = 0.1  # the upper right corner
    before, after = encoder.patches(torch.cat([flat, marked]))
    assert before.shape[-2:] == (4, 4)
    changed = F.cosine_similarity(before, after, dim=0).flatten().argmin().item()
    assert (changed // 4 < 2, changed % 4 >= 2) == (True, True)


def test_another_input_size_is_another_encoder(folder):
    if "resnet" in folder.name:
        with pytest.raises(UserError, match="@96.*size mismatch.*one size only"):
            create_encoder(f"open_clip:{folder}@96")
        return
    encoder = create_encoder(f"open_clip:{folder}@64")
    assert encoder(torch.rand(1, 3, 64, 64)).shape == (1, 16)
    assert (encoder.name, encoder.kind) == (f"open_clip:{folder}@64", f"open_clip:{folder}")
    assert encoder.patches(torch.rand(1, 3, 64, 64)).shape == (1, 16, 8, 8)


def test_a_checkpoint_of_a_named_model_loads_by_its_path(tmp_path, monkeypatch):
    import open_clip
    from safetensors.torch import save_file

    config = {"embed_dim": 16, "vision_cfg": TOWERS["vit"], "text_cfg": TEXT}
    (tmp_path / "tiny-vit.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-vit.json")
    model = open_clip.create_model("tiny-vit")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, tmp_path / "w.safetensors")
    encoder = create_encoder(f"open_clip:tiny-vit/{tmp_path / 'w.safetensors'}")
    with torch.no_grad():
        assert torch.allclose(encoder.text(["a"]), model.eval().encode_text(open_clip.tokenize(["a"], 16)), atol=1e-5)
    with pytest.raises(UserError, match="offers no weights for 'tiny-vit'"):
        create_encoder("open_clip:tiny-vit")
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"cannot load encoder.*broken\.safetensors"):
        create_encoder(f"open_clip:tiny-vit/{tmp_path / 'broken.safetensors'}")


def test_weights_of_a_tag_come_from_the_hub_only_when_named(monkeypatch):
    asked = []

    def refuse(config, **more):
        asked.append(config)
        raise OSError("no connection")

    monkeypatch.setattr("open_clip.factory.download_pretrained", refuse)
    with pytest.raises(UserError, match="cannot load encoder 'open_clip:RN50/openai'.*no connection"):
        create_encoder("open_clip:RN50/openai")
    assert len(asked) == 1


# --- DINO -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["vit", "dinov2", "registers"])
def dino(request, tmp_path_factory) -> Path:
    """A tiny random vision transformer as transformers writes it."""
    from transformers import (
        Dinov2Config,
        Dinov2Model,
        Dinov2WithRegistersConfig,
        Dinov2WithRegistersModel,
        ViTConfig,
        ViTModel,
    )

    kinds = {"vit": (ViTConfig, ViTModel), "dinov2": (Dinov2Config, Dinov2Model),
             "registers": (Dinov2WithRegistersConfig, Dinov2WithRegistersModel)}  # fmt: skip
    config, model = kinds[request.param]
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    path = tmp_path_factory.mktemp(request.param)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model(config(**sizes, image_size=32, patch_size=8)).save_pretrained(path)
    return path


def test_dino_gives_class_tokens_and_a_grid_at_any_size(dino):
    encoder = create_encoder(f"dino:{dino}")
    assert (encoder.size, encoder.kind) == (32, f"dino:{dino}")
    assert encoder(torch.rand(2, 3, 3, 40, 40)).shape == (2, 3, 16)
    assert encoder.patches(torch.rand(2, 3, 3, 40, 80)).shape == (2, 3, 16, 4, 8)  # nothing is cropped
    assert create_encoder(f"dino:{dino}@64").patches(torch.rand(1, 3, 40, 40)).shape == (1, 16, 8, 8)
    with pytest.raises(UserError, match="multiple of 8"):
        create_encoder(f"dino:{dino}@30")


def test_dinos_features_are_those_of_transformers(dino):
    from transformers import AutoModel

    model = AutoModel.from_pretrained(dino).eval()
    images = torch.rand(2, 3, 32, 32)
    encoder = create_encoder(f"dino:{dino}")
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        tokens = model(pixel_values=(images - mean) / std).last_hidden_state
    assert torch.allclose(encoder(images), tokens[:, 0], atol=1e-5)
    assert torch.allclose(encoder.patches(images).flatten(2).transpose(1, 2), tokens[:, -16:], atol=1e-5)


def test_the_same_weights_have_one_digest_and_others_another(dino, tmp_path):
    from transformers import AutoModel

    model = AutoModel.from_pretrained(dino)
    model.save_pretrained(tmp_path / "copy")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(tmp_path / "changed")
    digest = create_encoder(f"dino:{dino}").sha256
    assert create_encoder(f"dino:{tmp_path / 'copy'}").sha256 == digest
    assert create_encoder(f"dino:{tmp_path / 'changed'}").sha256 != digest


def test_a_picture_too_long_for_its_width_is_refused_and_memory_is_spared():
    encoder = create_encoder("imagenet-lite0")
    assert encoder(torch.rand(1, 3, 8, 8 * encoders.SLIMMEST)).shape[0] == 1
    with pytest.raises(UserError, match=r"pictures of 2 x 2000 pixels have sides beyond 32:1; crop them") as told:
        encoder(torch.rand(1, 3, 2000, 2))
    assert "\n" not in str(told.value)


def test_an_unreachable_hub_is_one_line_and_its_retries_are_not_told(monkeypatch, caplog):
    import logging

    from transformers import AutoModel

    def unreachable(name, local_files_only=False):
        if not local_files_only:
            logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise OSError("We couldn't connect to 'https://hub' to load the files,\nand couldn't find them in the cache.")

    monkeypatch.setattr(AutoModel, "from_pretrained", unreachable)
    with pytest.raises(UserError, match="not in the hub's cache, and the hub cannot be reached. Name a folder") as told:
        create_encoder("dino:someone/nothing")
    assert "\n" not in str(told.value)
    assert "Retrying" not in caplog.text
