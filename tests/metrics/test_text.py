"""Metrics of video and prompt: the cosines written out, and the eight frames that VBench picks."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from plain_features import as_frames, cosine, plain, wandering

from rewards.base import UserError
from rewards.encoders import create_encoder
from sn_eval import metrics
from sn_eval.metrics.base import Clip
from sn_eval.metrics.overall_consistency import middles
from sn_eval.tabletop import scene as world
from sn_eval.tabletop.render import clip as rendered

NAMES = ["text_alignment", "overall_consistency"]
MODES = ["fixed", "reference"]
TEXT = [0.3, -1.0, 0.5, 0.2, 0.9, -0.4]


def on_plain_features(name, mode="fixed"):
    made = metrics.create(name, mode=mode)
    made.encoder = plain({"a ball": TEXT})
    return made


def clip(frames, prompt="a ball"):
    return Clip("ball.mp4", prompt, frames=frames)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frames", [1, 2, 7, 8, 33])
def test_text_alignment_is_the_mean_cosine(frames, mode):
    rows = wandering(frames)
    wanted = [cosine(row, TEXT) for row in rows.tolist()]
    for size in (1, 3, 32):
        found = on_plain_features("text_alignment", mode).measure(as_frames(rows).split(size), clip(None))
        assert found.value == pytest.approx(sum(wanted) / frames, abs=1e-6)
        assert list(found.curve) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("which", range(5))
def test_one_frame_that_shows_something_else_lowers_text_alignment(which):
    rows = torch.tensor(TEXT).expand(5, -1).clone()
    rows[which] = rows[which].flip(0)
    found = on_plain_features("text_alignment").measure([as_frames(rows)], clip(5))
    assert found.value < 0.9
    assert int(np.argmin(found.curve)) == which


@pytest.mark.parametrize("frames", [*range(1, 40), 121, 10_000])
def test_the_frames_are_those_that_vbench_picks(frames):
    edges = np.linspace(0, frames, min(8, frames) + 1).astype(int)
    wanted = [(start + end - 1) // 2 for start, end in pairwise(edges)]
    assert middles(frames) == wanted + [wanted[-1]] * (8 - len(wanted))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frames", [1, 5, 8, 9, 33])
def test_overall_consistency_is_the_cosine_of_the_mean_of_eight(frames, mode):
    rows = wandering(frames)
    picked = rows[middles(frames)]
    mean = (picked / picked.norm(dim=1, keepdim=True)).mean(0).tolist()
    for size in (1, 3, 32):
        metric = on_plain_features("overall_consistency", mode)
        found = metric.measure(as_frames(rows).split(size), clip(frames))
        assert found.value == pytest.approx(cosine(mean, TEXT), abs=1e-6)
        assert found.curve == ()
        assert sum(metric.encoder.network.calls) == min(8, frames)  # no other frame is encoded


def test_a_wrong_number_of_frames_is_said_and_not_scored():
    metric = on_plain_features("overall_consistency")
    for told in (8, 10):
        found = metric.measure([as_frames(wandering(9))], clip(told))
        assert math.isnan(found.value)
        assert found.note == f"{told} frames were announced, 9 came"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prompt", ["", "  "])
def test_a_video_without_prompt_gets_one_clear_line(name, prompt):
    with pytest.raises(UserError, match=f"{name} needs a prompt, and this video has none") as error:
        on_plain_features(name).start(clip(9, prompt))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="needs a prompt"):  # as a reward
        metrics.create(name)(torch.rand(1, 2, 3, 32, 32), [prompt], fps=8)


def test_frames_must_be_counted_before_eight_are_picked():
    with pytest.raises(UserError, match=r"number of frames beforehand.*ball\.mp4.*text_alignment"):
        on_plain_features("overall_consistency").start(clip(None))


@pytest.mark.parametrize("name", NAMES)
def test_an_encoder_that_cannot_read_is_refused_at_once(name):
    with pytest.raises(UserError, match="'imagenet-lite0@32' cannot encode texts"):
        metrics.create(name, encoder="imagenet-lite0@32")


def test_in_reference_mode_the_eight_frames_are_resized_as_vbench_does():
    prepare = metrics.create("overall_consistency", mode="reference").encoder.prepare
    whole = torch.randint(0, 256, (2, 3, 97, 150), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    wanted = T.Resize((64, 64) if prepare.fit == "square" else 64, T.InterpolationMode.BICUBIC, antialias=False)(whole)
    wanted = T.Normalize(prepare.mean, prepare.std)(T.CenterCrop(64)(wanted) / 255)
    assert torch.allclose(prepare(whole / 255), wanted, atol=1e-4)


# --- with the bundled encoder, on its own world ---------------------------------------------------------------


@pytest.fixture(scope="module")
def scenes():
    rng = random.Random(0)
    drawn = [world.random_scene(rng) for _ in range(12)]
    return [(scene.caption(), rendered(scene, 10).frames[0]) for scene in drawn]


@pytest.mark.parametrize("name", NAMES)
def test_the_true_prompt_beats_another_scenes(name, scenes):
    metric = metrics.create(name)
    assert metric.encoder is create_encoder("tabletop-clip")
    right = [metric.measure([frames], Clip(prompt=prompt, frames=10)).value for prompt, frames in scenes]
    moved = scenes[1:] + scenes[:1]
    wrong = [
        metric.measure([frames], Clip(prompt=prompt, frames=10)).value
        for (_, frames), (prompt, _) in zip(scenes, moved, strict=True)
    ]
    assert sum(x > y for x, y in zip(right, wrong, strict=True)) >= 11
    assert np.mean(right) > np.mean(wrong) + 0.1


def test_as_a_reward_each_video_has_its_own_prompt(scenes):
    metric = metrics.create("text_alignment")
    prompts, videos = zip(*scenes[:3], strict=True)
    scores = metric(torch.stack(videos)[:, 2:], list(prompts), fps=8, anchor=torch.stack(videos)[:, :2])
    alone = [metric.measure([frames], Clip(prompt=prompt)) for prompt, frames in scenes[:3]]
    assert scores.values.tolist() == pytest.approx([one.value for one in alone], abs=1e-4)
    assert scores.per_frame.shape == (3, 8)
