import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.base import UserError
from sn_eval.tabletop import scene as world


@given(st.integers(0, 10**9))
@settings(max_examples=200, deadline=None)
def test_every_caption_is_read_back_as_itself(seed):
    scene = world.random_scene(random.Random(seed))
    for said in (scene.said, scene):
        assert world.parse(said.caption()).caption() == said.caption()


@given(st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_captions_stay_inside_the_vocabulary_and_its_length(seed):
    caption = world.random_scene(random.Random(seed)).caption()
    ids = world.tokens(caption)
    assert len(ids) == world.MAX_WORDS
    assert 1 not in ids, f"a word of {caption!r} is unknown"
    assert ids[-1] == 0, "the longest caption must fit"


@given(st.integers(0, 10**9))
@settings(max_examples=200, deadline=None)
def test_things_stay_in_the_picture_for_their_whole_life(seed):
    scene = world.random_scene(random.Random(seed))
    for thing in scene.things:
        for x in (thing.x, thing.x + thing.travel, thing.x - thing.swing, thing.x + thing.swing):
            assert world.HALF_WIDTH[thing.kind] <= x <= world.SIZE - world.HALF_WIDTH[thing.kind]


def test_what_a_prompt_leaves_open_is_filled_in_and_what_it_says_is_kept():
    said = world.parse("A red ball rolls to the LEFT, warm light")
    scenes = [world.complete(said, random.Random(i)) for i in range(30)]
    assert {scene.tint for scene in scenes} == {"warm"}
    assert {scene.things[0].motion for scene in scenes} == {"left"}
    assert len({scene.wall for scene in scenes}) > 2
    assert all(scene.things[0].travel < 0 for scene in scenes)
    assert world.complete(said, random.Random(3)) == world.complete(said, random.Random(3))


def test_a_ball_tips_the_glass_by_chance_only():
    said = world.parse("a red ball rolls toward a glass of red wine")
    tipped = sum(world.complete(said, random.Random(i)).tips_at is not None for i in range(600))
    assert 150 <= tipped <= 250  # one in three


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("", "empty prompt"),
        ("   ", "empty prompt"),
        ("a cat sleeps", "ball, cube, bottle, glass"),
        ("a red bottle rolls to the left", "a bottle of the tabletop world can be still"),
        ("a red ball, a blue cube, a green bottle", "at most 2"),
        ("a blue cube slides toward a glass of red wine", "only a ball"),
    ],
)
def test_prompts_that_no_scene_fits_are_told_why(prompt, told):
    with pytest.raises(UserError, match=told):
        world.parse(prompt)
