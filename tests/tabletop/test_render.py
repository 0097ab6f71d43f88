import random
from dataclasses import replace

import pytest
import torch

from sn_eval.tabletop import scene as world
from sn_eval.tabletop import truth
from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.render import clip, motion, render

TIMES = torch.arange(0.0, 40.0, 3.0)


def scenes(count, seed=5):
    rng = random.Random(seed)
    return [world.complete(world.random_description(rng), rng) for _ in range(count)]


@pytest.fixture(scope="module")
def drawn():
    found = scenes(24)
    return found, render(found, TIMES.expand(len(found), -1))


@pytest.fixture(scope="module")
def codec(drawn):
    return PatchCodec().fit(drawn[1].frames[:16].flatten(0, 1))


def test_frames_are_pictures(drawn):
    frames = drawn[1].frames
    assert frames.shape == (24, len(TIMES), 3, 64, 64)
    assert frames.min() >= 0
    assert frames.max() <= 1


def test_a_clip_is_the_same_alone_and_in_a_batch(drawn):
    found, all_of_them = drawn
    alone = render(found[3:4], TIMES[None])
    assert torch.equal(alone.frames[0], all_of_them.frames[3])


def test_a_rolling_ball_never_runs_backwards_and_ends_where_it_should():
    said = world.parse("a red ball rolls to the right")
    scene = world.complete(said, random.Random(1))
    x = motion([scene], torch.arange(60.0)[None]).x[0, :, 0]
    assert (x.diff() >= -1e-4).all()
    assert x.diff().max() <= world.SPEED + 1e-4
    thing = scene.things[0]
    assert x[-1] == pytest.approx(thing.x + thing.travel, abs=1e-3)


def test_truth_masks_follow_the_objects(drawn):
    found, result = drawn
    columns = torch.arange(64.0) + 0.5
    for i, scene in enumerate(found):
        for slot, thing in enumerate(scene.things):
            if thing.kind in ("ball", "cube") and thing.lane == "front":  # never hidden behind another
                mask = result.masks[i, :, slot]
                seen = (mask * columns).sum((-1, -2)) / mask.sum((-1, -2))
                assert ((seen - result.motion.x[i, :, slot]).abs() < 0.6).all()


@pytest.mark.parametrize("through_codec", [False, True])
def test_meters_agree_with_the_renderer(drawn, codec, through_codec):
    """Position within 2 px, light within 0.08 and of the right colour, every spill and no other."""
    found, result = drawn
    frames = codec.decode(codec.encode(result.frames)) if through_codec else result.frames
    for i, scene in enumerate(found):
        seen = truth.measure(frames[i], scene)
        assert (seen.level - result.motion.level[i]).abs().max() < 0.08
        assert truth.nearest_tint(seen.tint) == [scene.tint] * len(TIMES)
        assert truth.spilled(seen) == (scene.tips_at is not None and scene.tips_at < 25)
        for slot, thing in enumerate(scene.things):
            if thing.kind in ("ball", "cube"):
                area = result.masks[i, :, slot].sum((-1, -2))
                whole = area > 0.9 * area.max()
                off = (seen.centre[:, slot] - result.motion.x[i, :, slot]).abs()[whole]
                assert off.median() < 2.0, scene.caption()


def test_meters_notice_what_is_wrong():
    """A vanished object, another object's colour, a darker and a warmer light."""
    scene = world.complete(
        world.parse("a red ball lies still, on a white table, grey wall, white light"), random.Random(2)
    )
    frames = clip(scene, 4).frames[0]
    gone = clip(replace(scene, things=()), 4).frames[0]
    assert (truth.measure(gone, scene).area[:, 0] < truth.LEAST_PIXELS).all()
    swapped = replace(scene, things=(replace(scene.things[0], colour="blue"),))
    assert (truth.measure(clip(swapped, 4).frames[0], scene).area[:, 0] < truth.LEAST_PIXELS).all()
    assert truth.measure(frames * 0.5, scene).level == pytest.approx(torch.full((4,), 0.5), abs=0.02)
    warm = truth.measure(frames * torch.tensor(world.TINTS["warm"]).view(3, 1, 1).clamp(max=1), scene)
    assert set(truth.nearest_tint(warm.tint)) == {"warm"}


def test_shape_is_compared_wherever_the_object_stands():
    square = torch.zeros(1, 64, 64, dtype=torch.bool)
    square[:, 10:20, 10:20] = True
    moved = square.roll((15, 20), dims=(1, 2))
    assert truth.keeps_shape(moved, square[0]).item() == 1.0
    flat = torch.zeros_like(square)
    flat[:, 10:12, 10:60] = True
    assert truth.keeps_shape(flat, square[0]).item() < 0.3
    assert truth.keeps_shape(torch.zeros_like(square), square[0]).item() == 0.0


def test_codec_is_linear_faithful_and_of_unit_size(drawn, codec):
    frames = drawn[1].frames[16:]
    latents = codec.encode(frames)
    assert latents.shape == (*frames.shape[:2], 16, 16, 16)
    quality = truth.psnr(codec.decode(latents), frames).flatten()
    assert quality.mean() > 36
    assert quality.min() > 28
    assert 0.5 < latents.square().mean() < 2
    grey = torch.full((1, 3, 64, 64), 0.5)
    mixed = codec.decode(0.5 * codec.encode(frames[0, :1]) + 0.5 * codec.encode(grey))
    assert torch.allclose(
        mixed, 0.5 * codec.decode(codec.encode(frames[0, :1])) + 0.5 * codec.decode(codec.encode(grey)), atol=0.05
    )
