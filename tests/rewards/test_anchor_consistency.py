"""ScalingNoise's reward on real features: high for motion, lower for blur, drift, another subject."""

import math

import pytest
import torch
from rewarding import BLUE, ramp, score, video

import rewards

BALL = video(6)


@pytest.fixture(scope="module")
def reward():
    return rewards.create("anchor_consistency")


def test_without_an_anchor_it_is_vbenchs_formula(reward):
    from rewards.functional import consistency

    only_first = rewards.create("anchor_consistency", fixed=1.0)
    expected = consistency(only_first.encoder(BALL)).item()
    assert score(only_first, BALL) == pytest.approx(expected, abs=1e-5)


def test_corruptions_cost_more_than_motion(reward):
    blurred = torch.nn.functional.avg_pool2d(BALL[0], 9, 1, 4, count_include_pad=False)[None]
    blur = BALL + ramp(BALL, 1.0) * (blurred - BALL)
    cast = (BALL * (1 + ramp(BALL, 0.4) * torch.tensor([1.0, 0.0, -1.0]).view(3, 1, 1))).clamp(0, 1)
    other = torch.cat([BALL[:, :3], video(3, colour=BLUE, kind="box", radius=10, start=24)], dim=1)
    clean = score(reward, BALL, BALL[:, :1])
    assert clean > 0.8
    for bad in (blur, cast, other):
        assert 1 - score(reward, bad, BALL[:, :1]) > 2 * (1 - clean)


def test_one_frame_alone_is_not_scored(reward):
    assert math.isnan(score(reward, BALL[:, :1]))
    assert 0 < score(reward, BALL[:, 1:2], BALL[:, :1]) <= 1


def test_the_published_codes_value():
    code = rewards.create("anchor_consistency", variant="public_code")
    to_last = (score(code, BALL, BALL[:, :1]) - 0.5) / (7 / 10)
    features = code.encoder(torch.stack([BALL[:, 0], BALL[:, -1]], 1))
    expected = torch.nn.functional.cosine_similarity(features[:, 0], features[:, 1]).item()
    assert to_last == pytest.approx(expected, abs=1e-4)


def test_it_says_what_it_measures_with(reward):
    assert reward.spec.families == ("encoder:imagenet-lite0",)
    assert reward.spec.encoder == "imagenet-lite0-early@96"
    with pytest.raises(rewards.UserError, match=r"fixed must lie in 0\.\.1"):
        rewards.create("anchor_consistency", fixed=2.0)
