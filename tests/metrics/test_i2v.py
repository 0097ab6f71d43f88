"""VBench-I2V's scores: the formula written out in both modes, and the picture prepared as Pillow prepares it."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from plain_features import as_frames, on_plain_features, positive, wandering
from rewarding import BLUE, RED, picture, video

from rewards.base import UserError
from sn_eval import metrics
from sn_eval.metrics.base import Clip

NAMES = ["i2v_subject", "i2v_background"]
MODES = ["fixed", "reference"]


def written_out(rows, picture, weights, *, best):
    """The formula in plain Python."""
    like = [positive(picture, row) for row in rows]
    steps = [positive(rows[t - 1], rows[t]) for t in range(1, len(rows))]
    first = max(like) if best else sum(like) / len(like)
    return weights[0] * first + weights[1] * sum(steps) / len(steps) + weights[2] * min(steps), like


@pytest.mark.parametrize("weights", [(0.4, 0.3, 0.3), (0.5, 0.5, 0.0), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frames", [2, 3, 8, 33])
def test_it_is_the_formula_written_out(name, mode, weights, frames):
    rows = wandering(frames)
    shown = (255 * wandering(1, seed=1)).round() / 255  # in reference mode the picture is one of 8 bits
    wanted, like = written_out(rows.tolist(), shown[0].tolist(), weights, best=mode == "reference")
    for size in (1, 3, 32):
        metric = on_plain_features(name, mode, weights=weights)
        found = metric.measure(as_frames(rows).split(size), Clip(reference=as_frames(shown)[0]))
        assert found.value == pytest.approx(wanted, abs=1e-5)
        assert list(found.curve) == pytest.approx(like, abs=1e-5)
        assert found.parts["to_picture"] == pytest.approx(max(like) if mode == "reference" else sum(like) / frames)


def test_the_default_weights_are_the_published_ones_of_the_long_run():
    rows, shown = wandering(9), wandering(1, seed=1)
    clip = Clip(reference=as_frames(shown)[0])
    one, other = (on_plain_features("i2v_subject", **p) for p in ({}, {"weights": (0.4, 0.3, 0.3)}))
    assert one.measure([as_frames(rows)], clip).value == other.measure([as_frames(rows)], clip).value


@pytest.mark.parametrize("name", NAMES)
def test_one_good_frame_pays_for_drift_as_published_and_not_when_fixed(name):
    shown = wandering(1)
    kept = shown.expand(10, -1) + 0.01 * wandering(10, seed=2)
    away = kept.flip(1) * torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    drifted = torch.cat([kept[:1], away[1:]])
    fell = {}
    for mode in MODES:
        metric = on_plain_features(name, mode)
        clean, broken = (metric.measure([as_frames(x)], Clip(reference=as_frames(shown)[0])) for x in (kept, drifted))
        fell[mode] = clean.parts["to_picture"] - broken.parts["to_picture"]
    assert fell["reference"] == pytest.approx(0, abs=1e-3)
    assert fell["fixed"] > 0.3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", range(5))
def test_one_bad_picture_lowers_it_wherever_it_is(name, mode, which):
    frames = torch.nn.functional.interpolate(video(5)[0], (37, 51))
    bad = frames.clone()
    bad[which] = torch.nn.functional.interpolate(picture([("box", BLUE, 20, 40, 20.0)])[None], (37, 51))[0]
    metric = metrics.create(name, mode=mode, encoder="imagenet-lite0-early@32")
    start = picture([("disc", RED, 18, 46, 6.0)])  # of another size than the frames
    clean, broken = (metric.measure(x.split(2), Clip(reference=start)).value for x in (frames, bad))
    assert broken < clean - 0.002
    assert clean > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_without_its_picture_a_video_gets_one_clear_line(name):
    with pytest.raises(UserError, match=rf"{name} needs the picture.*this one has none.*column anchor") as error:
        on_plain_features(name).start(Clip("a.mp4"))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="needs the picture"):  # as a reward, where nothing stands before the frames
        metrics.create(name, encoder="imagenet-lite0@32")(torch.rand(1, 2, 3, 32, 32), [""], fps=8)


def test_as_a_reward_the_first_frame_of_the_anchor_is_the_picture():
    metric = metrics.create("i2v_subject", encoder="imagenet-lite0@32")
    frames = torch.rand(2, 6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    scores = metric(frames[:, 2:], [""] * 2, fps=8, anchor=frames[:, :2])
    alone = [metric.measure([one], Clip(reference=one[0])) for one in frames]
    assert scores.values.tolist() == pytest.approx([one.value for one in alone], abs=1e-5)
    assert scores.per_frame[1].tolist() == pytest.approx(list(alone[1].curve[2:]), abs=1e-5)
    assert set(scores.parts) == {"to_picture", "mean_step", "least_step"}


@pytest.mark.parametrize("name", NAMES)
def test_one_frame_has_no_step_and_no_score(name):
    found = on_plain_features(name).measure([as_frames(wandering(1))], Clip(reference=as_frames(wandering(1))[0]))
    assert math.isnan(found.value)
    assert found.note == "needs two frames"
    assert list(found.curve) == pytest.approx([1.0])


@pytest.mark.parametrize("weights", [(0.4, 0.3), (1.0, 0.3, -0.3), (0.4, 0.4, 0.4), (math.nan, 0.5, 0.5)])
@pytest.mark.parametrize("name", NAMES)
def test_weights_that_do_not_sum_to_one_get_one_clear_line(name, weights):
    with pytest.raises(UserError, match=f"{name}: weights must be three numbers.*sum to 1.*given"):
        metrics.create(name, weights=weights)


@pytest.mark.parametrize(("name", "how"), [("i2v_subject", Image.BILINEAR), ("i2v_background", Image.BICUBIC)])
@pytest.mark.parametrize("size", [(150, 260), (260, 150), (151, 151), (20, 31)])
def test_in_reference_mode_the_picture_is_resized_as_pillow_does(name, how, size):
    """The published tool reads the picture with Pillow, whose Resize smooths, and the frames as tensors."""
    metric = metrics.create(name, encoder="imagenet-lite0@64", mode="reference")
    noise = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    whole = (torch.nn.functional.avg_pool2d(noise, 3, 1, 1)[0] * 255).round()
    h, w = metric.encoder.prepare.resized(*size)
    pillow = Image.fromarray(whole.byte().permute(1, 2, 0).numpy()).resize((w, h), how)
    shown = torch.tensor(np.array(pillow)).permute(2, 0, 1)[None] / 255
    seen = []
    watch = metric.encoder.network.register_forward_pre_hook(lambda _, x: seen.append(x[0] / 2 + 0.5))
    metric.start(Clip(reference=whole / 255))
    watch.remove()
    assert seen[0].shape[-2:] == (h, w)
    assert (seen[0] - shown).abs().max() <= 1.01 / 255  # Pillow rounds between rows and columns, too
