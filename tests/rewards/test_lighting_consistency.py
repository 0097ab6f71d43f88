"""Falls when the light changes, in strength, colour or evenness; stays when things move or come in."""

import math

import pytest
import torch
from rewarding import BLUE, RED, exposed, ramp, score, still, video

import rewards

ANCHOR = still(1)
BALL = video(8, others=[("box", BLUE, 50, 44, 5.0)])


@pytest.fixture(scope="module")
def reward():
    return rewards.create("lighting_consistency")


def test_still_light_scores_high_whatever_moves(reward):
    assert score(reward, BALL[:, 1:], BALL[:, :1]) > 0.95
    assert score(reward, video(8, speed=5), video(1)) > 0.95


@pytest.mark.parametrize("radius", [6.0, 16.0])
def test_a_coloured_thing_that_comes_in_is_no_change_of_light(reward, radius):
    entering = video(6, start=20, colour=RED, radius=radius)
    assert score(reward, entering, ANCHOR) > 0.93


@pytest.mark.parametrize(
    "change",
    [
        lambda x, s: exposed(x, ramp(x, s)),
        lambda x, s: exposed(x, -ramp(x, s)),
        lambda x, s: (x * (1 + 0.2 * ramp(x, s) * torch.tensor([1.0, 0, -1.0]).view(3, 1, 1))).clamp(0, 1),
        lambda x, s: x * (1 - 0.1 * s * (torch.arange(x.shape[1]) % 2).view(1, -1, 1, 1, 1)),
        lambda x, s: x * (1 - 0.2 * s * torch.linspace(0, 1, 64) * (ramp(x, 1) > 0.5)),
    ],
    ids=["brighter", "darker", "cast", "flicker", "shadow"],
)
def test_it_falls_the_more_the_light_changes(reward, change):
    values = [score(reward, change(BALL, s), BALL[:, :1]) for s in (0.0, 0.25, 0.75, 1.5)]
    assert values == sorted(values, reverse=True)
    assert values[1] < values[0] - 0.01
    assert values[3] < values[0] - 0.15


def test_a_change_that_was_asked_for_is_free_but_flicker_is_not(reward):
    dim = exposed(BALL, -ramp(BALL, 0.75))
    flicker = BALL * (1 - 0.15 * (torch.arange(8) % 2).view(1, -1, 1, 1, 1))
    asked = "a ball, the light dims"
    assert score(reward, dim, BALL[:, :1], asked) > score(reward, dim, BALL[:, :1]) + 0.05
    assert score(reward, flicker, BALL[:, :1], asked) < 0.75
    by_metadata = score(reward, dim, BALL[:, :1], metadata=[{"allow_change": True}])
    assert by_metadata == score(reward, dim, BALL[:, :1], asked)
    strict = rewards.create("lighting_consistency", allow_change="never")
    assert score(strict, dim, BALL[:, :1], asked) == score(strict, dim, BALL[:, :1])


def test_too_few_comparable_pixels_are_not_scored(reward):
    other = torch.rand(1, 3, 3, 64, 64, generator=torch.Generator().manual_seed(0)).round()
    scores = reward(other, [""], fps=8.0, anchor=ANCHOR)
    assert math.isnan(scores.values.item())
    assert scores.parts["compared"].item() < 0.1


# --- pictures with texture, over which the camera moves ---------------------------------------------------


def textured(width: int = 160, seed: int = 0):
    """[3 64 width]: coloured blotches of 8 and 16 pixels, well within the range."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.full((3, 64, width), 0.45)
    for size, strength in ((8, 0.2), (16, 0.25)):
        spots = torch.rand(1, 3, 64 // size, width // size, generator=generator) - 0.5
        smooth = torch.nn.functional.interpolate(spots, (64, width), mode="bicubic", align_corners=False)[0]
        picture = picture + strength * smooth
    return picture.clamp(0.1, 0.9)


def panned(step: int, frames: int = 6):
    """[1 frames 3 64 64]: the camera goes `step` pixels a frame to the right."""
    picture = textured()
    return torch.stack([picture[:, :, 8 + step * t : 72 + step * t] for t in range(frames)])[None]


def shaded(clip, stops: float, width: float = 0.25):
    """From the middle on a soft shadow lies over the left."""
    x = torch.linspace(-1, 1, clip.shape[-1])
    late = (torch.arange(clip.shape[1]) >= clip.shape[1] // 2).float().view(1, -1, 1, 1, 1)
    return exposed(clip, -stops * torch.sigmoid(-x / width) * late)


@pytest.mark.parametrize("step", [1, 2])
def test_a_camera_that_pans_over_texture_is_no_change_of_light(reward, step):
    clip = panned(step)
    followed = score(reward, clip, clip[:, :1])
    assert followed > 0.99
    places = score(rewards.create("lighting_consistency", align="none"), clip, clip[:, :1])
    assert math.isnan(places) or places < followed  # without following, other surfaces are compared, or none


def test_a_soft_shadow_lowers_it_whether_the_camera_moves_or_not(reward):
    for step in (0, 2):
        clip = panned(step)
        values = [score(reward, shaded(clip, stops), clip[:, :1]) for stops in (0.0, 0.4, 0.8, 1.5)]
        assert values == sorted(values, reverse=True)
        assert values[1] < values[0] - 0.02
        assert values[3] < values[0] - 0.15


def test_light_that_changes_during_a_pan_is_seen(reward):
    clip = panned(2)
    dim = exposed(clip, -ramp(clip, 0.8))
    assert score(reward, dim, clip[:, :1]) < score(reward, clip, clip[:, :1]) - 0.1


def test_still_texture_is_compared_everywhere(reward):
    clip = textured()[:, :, :64].expand(1, 4, -1, -1, -1)
    scores = reward(clip, [""], fps=8.0, anchor=clip[:, :1])
    assert scores.values.item() == pytest.approx(1, abs=1e-4)
    assert scores.parts["compared"].item() > 0.95
