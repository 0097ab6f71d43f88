"""The meters' own error, held against errors that are known because they were put in."""

import math

import pytest
import torch

from rewards.base import UserError
from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.meter_error import VERDICT, conditions_with, errors, held_out, meter_errors
from sn_eval.tabletop.render import clip

METERS = {"visible", "area", "colour", "position", "level", "light", "tint", "spill", "spilled"}
SCENES, FRAMES = 4, 30
HARM = {
    "as drawn": lambda frames: frames,
    "darker": lambda frames: frames * 0.9,
    "shifted": lambda frames: frames.roll(2, -1),
    "black": torch.zeros_like,
}


@pytest.fixture(scope="module")
def table():
    found = meter_errors(HARM, scenes=SCENES, frames=FRAMES)
    return {(error.meter, error.condition): error for error in found}


def test_every_meter_is_asked_under_every_condition(table):
    assert set(table) == {(meter, condition) for meter in METERS for condition in HARM}
    assert all(error.n >= FRAMES for error in table.values())
    assert all((error.p95 is None) == (error.unit == VERDICT or error.unread == error.n) for error in table.values())
    assert table["level", "as drawn"].n == SCENES * FRAMES


def test_on_frames_as_drawn_the_meters_are_near_the_renderer(table):
    limits = {"visible": 0, "light": 0, "level": 1e-4, "tint": 0.05, "position": 0.01, "colour": 6, "spill": 12}
    assert {m for m, most in limits.items() if table[m, "as drawn"].mean > most} == set()
    assert table["spilled", "as drawn"].mean < 0.05
    assert not any(table[meter, "as drawn"].unread for meter in METERS)


def test_a_known_error_is_found_at_its_size(table):
    level = torch.cat([clip(scene, FRAMES).motion.level[0] for scene in held_out(SCENES)])
    assert table["level", "darker"].mean == pytest.approx(0.1 * level.mean().item(), abs=1e-3)
    assert table["level", "darker"].p95 == pytest.approx(0.1, abs=1e-3)
    assert table["position", "darker"].mean == pytest.approx(table["position", "as drawn"].mean, abs=2e-3)
    assert table["position", "shifted"].mean == pytest.approx(2 / 64, abs=4e-3)


def test_where_nothing_is_left_nothing_is_read_and_all_is_missed(table):
    assert table["visible", "black"].mean == 1
    for meter in ("position", "colour"):
        assert table[meter, "black"].unread == table[meter, "black"].n > 0
        assert math.isnan(table[meter, "black"].mean)


def test_the_scenes_move_tip_spill_and_dim():
    scenes = list(held_out(16))
    motions = [{thing.motion for thing in scene.things} for scene in scenes]
    assert sum("tips" in each for each in motions) >= 4
    assert sum("toward" in each for each in motions) >= 4
    assert sum(scene.dims for scene in scenes) >= 4
    assert scenes == list(held_out(16))
    assert scenes != list(held_out(16, draw=1))


def test_the_codec_and_our_video_file_are_conditions():
    scene = next(held_out(1))
    drawn = clip(scene, 8)
    codec = PatchCodec().fit(drawn.frames[0])
    found = {name: errors(through(drawn.frames[0]), drawn, scene) for name, through in conditions_with(codec).items()}
    assert set(found) == {"as drawn", "codec", "H.264 at 4x"}
    level = {name: each["level", "share of full light"].mean().item() for name, each in found.items()}
    assert level["as drawn"] < min(level["codec"], level["H.264 at 4x"])
    assert max(level.values()) < 0.02


@pytest.mark.parametrize(("scenes", "frames"), [(3, 48), (8, 29)])
def test_too_little_to_say_anything_is_refused(scenes, frames):
    with pytest.raises(UserError, match=f"{scenes} scenes of {frames} frames"):
        meter_errors(HARM, scenes, frames)
