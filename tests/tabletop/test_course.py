"""What a scene itself would show: its first frame is told from others, also where a codec has been at it."""

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.base import UserError
from sn_eval.tabletop import scene as world
from sn_eval.tabletop import truth
from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.course import ALIKE, Course, at_world_size, delta_e, scene_of, unlike
from sn_eval.tabletop.meter_error import through_video
from sn_eval.tabletop.render import render


@pytest.fixture(scope="module")
def scenes():
    rng = random.Random("course")
    return [world.complete(world.random_description(rng), rng) for _ in range(24)]


@pytest.fixture(scope="module")
def first(scenes):
    return render(scenes, torch.zeros(len(scenes), 1)).frames[:, 0]


def test_a_first_frame_that_a_codec_or_video_file_has_changed_is_still_the_scenes(first):
    codec = PatchCodec().fit(first)
    worst = max(unlike(frame, own) for frame, own in zip(codec.decode(codec.encode(first)), first, strict=True))
    assert 0 < worst < ALIKE / 2
    worst = max(unlike(frame, own) for frame, own in zip(through_video(first), first, strict=True))
    assert 0 < worst < ALIKE / 2


def test_another_scenes_first_frame_is_not(first):
    assert min(unlike(frame, own) for frame, own in zip(first.roll(1, 0), first, strict=True)) > 2 * ALIKE
    assert all(unlike(torch.full_like(own, 0.5), own) > 2 * ALIKE for own in first)


def test_a_thing_that_stands_three_pixels_off_is_not_the_scenes_start(scenes, first):
    for scene, own in zip(scenes, first, strict=True):
        front = max(range(len(scene.things)), key=lambda i, scene=scene: scene.things[i].lane == "front")
        if scene.things[front].kind == "glass":
            continue  # it hides little
        moved = replace(scene.things[front], x=scene.things[front].x + 3)
        things = tuple(moved if i == front else thing for i, thing in enumerate(scene.things))
        assert unlike(render([replace(scene, things=things)], torch.zeros(1, 1)).frames[0, 0], own) > ALIKE


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3))
def test_an_enlargement_by_a_whole_number_is_undone(factor, frames):
    small = torch.rand(frames, 3, 64, 64, generator=torch.Generator().manual_seed(factor))
    large = small.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    assert torch.allclose(at_world_size(large), small, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(64, 128), (96, 96), (63, 64), (32, 32)])
def test_other_sizes_are_refused(height, width):
    with pytest.raises(UserError, match=f"frames of {width}x{height}"):
        at_world_size(torch.zeros(1, 3, height, width))


def test_a_stretch_is_the_same_asked_for_alone_or_within_a_longer_one():
    course = Course(scene_of("a red ball rolls to the right, a blue cube turns", 3))
    whole, _ = course.at(0, 12)
    some, seen = course.at(7, 4)
    assert torch.equal(some, whole[7:11])
    assert torch.equal(seen.area, truth.measure(whole[7:11], course.scene).area)


def test_an_impostors_colour_is_taken_where_the_thing_should_be_and_an_empty_place_has_none():
    scene = scene_of("a red ball lies still, on a wooden table, white light", 1)
    course, times = Course(scene), torch.zeros(1, 2)
    shown, own = course.at(0, 2)

    def colour(things):
        frames = render([replace(scene, things=things)], times).frames[0]
        return course.colours(frames, truth.measure(frames, scene), own)[0, 0]

    red = course.colours(shown, own, own)[0, 0]
    blue = colour((replace(scene.things[0], colour="blue"),))
    assert red.argmax() == 0
    assert blue.argmax() == 2
    assert delta_e(red, blue) > 50
    assert colour(()).isnan().all()
