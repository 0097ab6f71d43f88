"""Metrics on image features: VBench's numbers, the formulas written out, pictures resized as the public tool does."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision.transforms as T
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plain_features import SMALL, as_frames, consistency, cosine, on_plain_features, wandering
from rewarding import BLUE, picture, video

from rewards.base import UserError
from rewards.encoders import Preprocessing, create_encoder
from rewards.remembering import remembering
from sn_eval import metrics
from sn_eval.metrics.base import Block, Clip
from sn_eval.metrics.features import as_published

GOLDEN = json.loads((Path(__file__).parents[1] / "rewards" / "data" / "vbench_golden.json").read_text())
BOTH = ["subject_consistency", "background_consistency"]
MODES = ["fixed", "reference"]


# --- the formulas -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("case", GOLDEN["consistency"], ids=lambda c: f"{c['kind']}-{c['T']}")
def test_consistency_is_vbenchs(name, mode, case):
    frames = as_frames(case["features"])
    for size in (1, 3, 32):
        found = on_plain_features(name, mode).measure(frames.split(size))
        assert found.value == pytest.approx(case[name.partition("_")[0]], abs=1e-5)
        assert len(found.curve) == case["T"]


@pytest.mark.parametrize("frames", [2, 3, 7, 8, 33, 64])
def test_consistency_is_the_formula_written_out(frames):
    rows = wandering(frames)
    found = [on_plain_features("subject_consistency").measure(as_frames(rows).split(size)) for size in (1, 3, 32)]
    assert [one.value for one in found] == pytest.approx([consistency(rows.tolist())] * 3, abs=1e-6)
    assert math.isnan(found[0].curve[0])
    assert found[0].curve[1:] == pytest.approx(found[2].curve[1:], abs=1e-6)


@pytest.mark.parametrize("frames", [2, 3, 7, 8, 33])
def test_frame_consistency_is_the_formula_written_out(frames):
    rows = wandering(frames).tolist()
    steps = [cosine(rows[t - 1], rows[t]) for t in range(1, frames)]
    for mode in MODES:
        for size in (1, 3, 32):
            found = on_plain_features("frame_consistency", mode).measure(as_frames(rows).split(size))
            assert found.value == pytest.approx(sum(steps) / len(steps), abs=1e-6)
            assert found.curve[1:] == pytest.approx(steps, abs=1e-6)


def test_frames_that_are_opposites_count_below_zero():
    rows = torch.tensor([[1.0, 0.0, 0.0]]) * torch.tensor([1.0, -1.0, 1.0])[:, None]
    metric = on_plain_features("frame_consistency")
    assert metric.measure([as_frames(rows)]).value == pytest.approx(-1)
    assert metric.spec.range == (-1, 1)


@pytest.mark.parametrize("name", [*BOTH, "frame_consistency"])
def test_one_frame_is_not_scored_and_a_frozen_video_is_perfect(name):
    metric = on_plain_features(name)
    one = metric.measure([as_frames(wandering(1))])
    assert math.isnan(one.value)
    assert (one.note, len(one.curve)) == ("needs two frames", 1)
    frozen = metric.measure([as_frames(wandering(1).expand(9, -1))])
    assert frozen.value == pytest.approx(1, abs=1e-6)
    assert frozen.note == ""


@pytest.mark.parametrize("name", [*BOTH, "frame_consistency"])
@pytest.mark.parametrize("which", range(7))
def test_one_bad_frame_lowers_the_score_wherever_it_is(name, which):
    rows = wandering(7, step=0.05)
    bad = rows.clone()
    bad[which] = -rows[which].flip(0)
    metric = on_plain_features(name)
    clean, broken = (metric.measure([as_frames(x)]) for x in (rows, bad))
    assert broken.value < clean.value - 0.05
    if name in BOTH:
        assert broken.value == pytest.approx(consistency(bad.tolist()), abs=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [*BOTH, "frame_consistency"])
@pytest.mark.parametrize("size", [(40, 72), (72, 40), (37, 51)])
def test_one_bad_picture_is_seen_on_a_real_network_at_any_size(name, mode, size):
    frames = torch.nn.functional.interpolate(video(5)[0], size)
    bad = frames.clone()
    bad[3] = torch.nn.functional.interpolate(picture([("box", BLUE, 20, 40, 20.0)])[None], size)[0]
    metric = metrics.create(name, mode=mode, encoder="imagenet-lite0-early@32")
    assert metric.measure([bad]).value < metric.measure([frames]).value - 0.005


# --- the encoder --------------------------------------------------------------------------------------------


def test_the_name_says_the_encoder_and_the_record_its_weights():
    metric = metrics.create("frame_consistency", **SMALL)
    assert metric.key == "frame_consistency[imagenet-lite0@32]"
    assert metric.spec.encoder_sha256 == create_encoder("imagenet-lite0@32").sha256
    assert metric.spec.families == ("encoder:imagenet-lite0",)
    with pytest.raises(UserError, match="mode must be .*'fixed', 'reference'.*given 'published'"):
        metrics.create("frame_consistency", mode="published")


def test_metrics_of_one_encoder_share_its_passes():
    frames = as_frames(wandering(40))
    names = [*BOTH, "frame_consistency", "in_clip_consistency", "clip_to_clip_consistency"]
    made = [on_plain_features(name) for name in names]
    for metric in made:
        metric.encoder = made[0].encoder
    with remembering():
        tallies = [metric.start(Clip(fps=8)) for metric in made]
        for block in frames.split(16):
            for tally in tallies:
                tally.add(Block(block))
    assert made[0].encoder.network.calls == [16, 16, 8]
    alone = [metric.measure(frames.split(16)).value for metric in made]
    assert [tally.result().value for tally in tallies] == pytest.approx(alone, abs=1e-6)


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    """A tiny random DINO as transformers writes it, with position embeddings that matter."""
    from transformers import ViTConfig, ViTModel

    path = tmp_path_factory.mktemp("dino")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                           image_size=32, patch_size=8, initializer_range=0.3)  # fmt: skip
        ViTModel(config).save_pretrained(path)
    return path


@pytest.mark.parametrize("size", [(48, 85), (85, 48), (33, 64), (24, 24)])
def test_dino_sees_what_the_public_tool_shows_it(dino, size):
    from transformers import ViTModel

    model = ViTModel.from_pretrained(dino).eval()
    frames = (torch.rand(4, 3, *size, generator=torch.Generator().manual_seed(0)) * 255).round() / 255
    shown = T.Resize(32, antialias=False)(frames * 255) / 255
    shown = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(shown)
    assert shown.shape[-2:] != (32, 32) or size == (24, 24)
    with torch.no_grad():
        rows = model(shown, interpolate_pos_encoding=True).last_hidden_state[:, 0]
    metric = metrics.create("subject_consistency", encoder=f"dino:{dino}", mode="reference")
    assert torch.allclose(metric.encoder(frames), rows, atol=1e-4)
    assert metric.measure(frames.split(3)).value == pytest.approx(consistency(rows.tolist()), abs=1e-5)
    fixed = metrics.create("subject_consistency", encoder=f"dino:{dino}")
    assert 0 <= fixed.measure([frames]).value <= 1


# --- resizing as torchvision does ---------------------------------------------------------------------------

FITS = {
    "shorter": lambda size, how: T.Resize(size, how, antialias=False),
    "square": lambda size, how: T.Resize((size, size), how, antialias=False),
    "crop": lambda size, how: T.Compose([T.Resize(size, how, antialias=False), T.CenterCrop(size)]),
}


def torchvisions(prepare, whole):
    """What torchvision's own classes and our Preprocessing make of a picture of whole numbers."""
    given = whole if prepare.torchvision == "8-bit" else whole.float()
    wanted = FITS[prepare.fit](prepare.size, T.InterpolationMode(prepare.resize))(given).float() / 255
    return prepare(whole.float() / 255), T.Normalize(prepare.mean, prepare.std)(wanted)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(20, 90), st.integers(20, 90)), st.sampled_from(["bilinear", "bicubic"]),
    st.sampled_from(list(FITS)), st.sampled_from(["8-bit", "float"]), st.integers(0, 99),
)  # fmt: skip
@example((48, 85), "bilinear", "shorter", "8-bit", 0)  # landscape
@example((85, 48), "bilinear", "shorter", "8-bit", 0)  # portrait
@example((64, 99), "bicubic", "crop", "8-bit", 0)  # 32 × 49.5: the longer side is cut off, not rounded
@example((32, 35), "bicubic", "crop", "8-bit", 0)  # a margin of 1.5 pixels, which becomes 2
@example((64, 64), "bilinear", "shorter", "8-bit", 0)  # means of four pixels: many halves to round
@example((32, 32), "bilinear", "shorter", "8-bit", 0)  # nothing to do
def test_reference_pictures_are_torchvisions_pixel_for_pixel(size, resize, fit, numbers, seed):
    prepare = Preprocessing(
        32, (0.48, 0.46, 0.41), (0.27, 0.26, 0.28), fit, 8, resize=resize, antialias=False, torchvision=numbers
    )
    whole = torch.randint(0, 256, (2, 3, *size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    ours, wanted = torchvisions(prepare, whole)
    assert ours.shape == wanted.shape
    assert torch.allclose(ours, wanted, atol=1e-4)


@pytest.mark.parametrize("size", [(270, 480), (480, 270), (261, 377), (224, 224), (180, 181)])
@pytest.mark.parametrize(("name", "encoder"), [(BOTH[0], "imagenet-lite0"), (BOTH[1], "tabletop-clip")])
def test_the_metrics_themselves_resize_so_in_reference_mode(name, encoder, size):
    prepare = metrics.create(name, encoder=encoder, mode="reference").encoder.prepare
    assert (prepare.resize, prepare.antialias) == ("bilinear" if name == "subject_consistency" else "bicubic", False)
    whole = torch.randint(0, 256, (1, 3, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for numbers in ("float", "8-bit"):
        ours, wanted = torchvisions(replace(prepare, torchvision=numbers), whole)
        assert torch.allclose(ours, wanted, atol=1e-4)
    assert prepare.torchvision == "float"  # of what the public tool reads from a video file


def test_in_fixed_mode_encoders_prepare_pictures_in_their_own_way():
    assert metrics.create("subject_consistency", **SMALL).encoder is create_encoder("imagenet-lite0@32")
    published = as_published(create_encoder("tabletop-clip"), "bicubic").prepare
    assert published.fit == create_encoder("tabletop-clip").prepare.fit
