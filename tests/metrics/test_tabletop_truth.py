"""A tabletop video against its scene: every manipulation moves the part meant for it, by a size known before."""

import math
from dataclasses import replace
from functools import cache

import pytest
import torch

from rewards.base import UserError
from sn_eval.metrics.base import Block, Clip
from sn_eval.metrics.tabletop_truth import TabletopTruth
from sn_eval.tabletop import scene as world
from sn_eval.tabletop import truth
from sn_eval.tabletop.course import WHOLE_PUDDLE, Course, delta_e, scene_of
from sn_eval.tabletop.render import clip
from sn_eval.video import VideoWriter, stream_video

SEED = 6  # the glass stands in front, and the ball out of the way of a tip to the left
FRAMES, LONG = 12, 30  # LONG: tips and dimming are over by then
PROMPT = (
    "a red ball lies still, a glass of red wine stands still, on a black table, grey wall, white light from the left"
)
BUSY = (
    "a blue ball rolls toward a glass of red wine, on a marble table, mint wall, warm light, the light dims",
    "a green cube turns, a glass of red wine tips over and the wine spills, on a white table, beige wall, cool light",
    "a purple ball rolls back and forth, a yellow cube slides to the left",
    "a blue bottle stands still",
)
LOWER, HIGHER = ("colour", "position", "level", "tint", "spill"), ("visible", "spilled", "present", "light")
CLOSE = 2e-3
TRIFLES = {"colour": 0.5, "tint": 0.05, "spill": 0.5, "shape": 0.05}  # in their own units; CLOSE for the others


@cache
def rendered(prompt, seed, frames):
    return clip(scene_of(prompt, seed), frames).frames[0]


def made(prompt=PROMPT, seed=SEED, frames=FRAMES, **changes):
    """The scene's render [t 3 64 64]; changes: of the scene from the second frame on."""
    scene, video = scene_of(prompt, seed), rendered(prompt, seed, frames).clone()
    if changes:
        video[1:] = clip(replace(scene, **changes), frames).frames[0, 1:]
    return video


def told(prompt=PROMPT, seed=SEED, **more):
    return Clip(prompt=prompt, metadata={"seed": seed}, **more)


def measured(video, clip=None, block=32):
    return TabletopTruth().measure(video.split(block), clip or told())


@cache
def perfect(prompt, frames):
    return measured(rendered(prompt, SEED, frames), told(prompt)).parts


def moved(video, prompt=PROMPT):
    """The parts that differ from the perfect render's by more than a trifle; not those with nothing to measure."""
    now, then = measured(video, told(prompt)).parts, perfect(prompt, len(video))
    return {name for name in now if abs(now[name] - then[name]) > TRIFLES.get(name, CLOSE)}


# --- the scene as it is ---


@pytest.mark.parametrize("prompt", [PROMPT, *BUSY])
def test_the_scene_itself_gets_the_best_of_every_part(prompt):
    parts = perfect(prompt, LONG)
    assert {name for name in LOWER if parts[name] > 1e-4} == set()
    assert {name for name in HIGHER if parts[name] < 1} == set()
    assert math.isnan(parts["spill"]) == ("glass" not in prompt)


def test_the_scene_is_the_one_that_the_model_starts_from():
    from sn_eval.models.tabletop import TabletopModel

    assert scene_of(BUSY[2], 11) == TabletopModel.scene(BUSY[2], 11)


def test_the_value_and_its_curve_are_what_the_meters_say_written_out():
    scene, video = scene_of(BUSY[2], SEED), made(BUSY[2])
    video[8:] = made(BUSY[2], things=scene.things[:1])[8:]
    first, now = truth.measure(video[:1], scene), truth.measure(video[3:], scene)
    ok = torch.ones(len(video) - 3)
    for slot in (0, 1):
        share = now.area[:, slot] / first.area[0, slot]
        same = truth.keeps_shape(now.masks[:, slot], first.masks[0, slot]) >= 0.6
        ok *= ((share > 0.5) & (share < 2) & same).float()
    scores = TabletopTruth()(video[None, 3:], [BUSY[2]], fps=8.0, anchor=video[None, :3], metadata=[{"seed": SEED}])
    assert torch.equal(scores.per_frame[0], ok)
    assert 0 < scores.values[0] == ok.mean() < 1
    streamed = measured(video, told(BUSY[2])).curve
    assert math.isnan(streamed[0])
    assert streamed[3:] == ok.tolist()


# --- what goes wrong ---


def test_an_object_that_goes_is_not_visible_and_nothing_else():
    scene = scene_of(PROMPT, SEED)
    video = made()
    video[5:] = made(things=tuple(thing for thing in scene.things if thing.kind == "glass"))[5:]
    assert moved(video) == {"visible", "present", "shape"}
    assert measured(video).parts["visible"] == pytest.approx(4 / 11)
    video[5:] = made(things=tuple(thing for thing in scene.things if thing.kind != "glass"))[5:]
    assert moved(video) == {"visible"}  # the others go by coloured objects
    assert measured(video).parts["visible"] == pytest.approx(4 / 11)


def test_a_faded_object_moves_colour_alone_by_its_difference():
    shown = clip(scene_of(PROMPT, SEED), FRAMES)
    slot = next(i for i, thing in enumerate(scene_of(PROMPT, SEED).things) if thing.kind == "ball")
    cover = (shown.masks[0, 1:, slot] > 0).unsqueeze(1)
    video = made()
    video[1:] = torch.where(cover, video[1:] * 0.8, video[1:])
    assert moved(video) == {"colour"}
    scene = scene_of(PROMPT, SEED)
    seen = truth.measure(made()[:1], scene)
    colour = torch.stack([made()[0, c][seen.masks[0, slot]].median() for c in range(3)])
    assert measured(video).parts["colour"] == pytest.approx(delta_e(colour, 0.8 * colour).item(), abs=0.1)


def test_an_object_of_another_colour_is_not_the_one_that_was_asked_for_and_colour_says_how_far():
    scene = scene_of(PROMPT, SEED)
    other = tuple(replace(thing, colour="blue") if thing.kind == "ball" else thing for thing in scene.things)
    video = made(things=other)
    assert moved(video) == {"visible", "present", "shape", "colour"}
    assert math.isnan(measured(video).parts["position"])  # of what is not there
    slot = next(i for i, thing in enumerate(other) if thing.kind == "ball")
    medians = []
    for each, frame in ((scene, made()[:1]), (replace(scene, things=other), video[1:2])):
        mask = truth.measure(frame, each).masks[0, slot]
        medians.append(torch.stack([frame[0, c][mask].median() for c in range(3)]))
    assert measured(video).parts["colour"] == pytest.approx(delta_e(*medians).item(), rel=0.1)


@pytest.mark.parametrize("pixels", [-2, 3, 6])
def test_a_shift_moves_position_alone_by_its_share_of_the_width(pixels):
    scene = scene_of(PROMPT, SEED)
    video = made(things=tuple(replace(t, x=t.x + pixels) if t.kind == "ball" else t for t in scene.things))
    assert moved(video) == {"position"}
    assert measured(video).parts["position"] == pytest.approx(abs(pixels) / 64, abs=CLOSE)


def test_a_shift_of_a_rolling_ball_is_its_own_and_not_the_roll():
    prompt = "a red ball rolls to the right, on a white table"
    scene = scene_of(prompt, SEED)
    video = made(prompt, things=(replace(scene.things[0], x=scene.things[0].x + 3),))
    assert measured(video, told(prompt)).parts["position"] == pytest.approx(3 / 64, abs=CLOSE)


def test_less_light_moves_the_level_alone_by_what_is_missing():
    video = made()
    video[1:] *= 0.7
    assert moved(video) == {"level"}
    assert measured(video).parts["level"] == pytest.approx(0.3, abs=CLOSE)


@pytest.mark.parametrize("tint", ["white", "warm", "cool"])
def test_light_that_should_dim_and_does_not_is_half_a_light_too_bright_when_all_is_over(tint):
    prompt = PROMPT.replace("white light", f"{tint} light") + ", the light dims"
    scene = scene_of(prompt, SEED)
    video = made(prompt, frames=LONG, dims_at=None)
    missing = 1 - clip(scene, LONG).motion.level[0, 1:]
    parts = measured(video, told(prompt)).parts
    assert parts["level"] == pytest.approx(missing.mean().item(), abs=CLOSE)
    assert missing[-1] == pytest.approx(1 - world.DIM_LEVEL)


def test_another_colour_of_light_moves_tint_and_its_name_by_its_angle():
    gain = torch.tensor(world.TINTS["warm"])
    gain = gain / gain.mean()  # as bright as before
    video = made()
    video[1:] = (video[1:] * gain.view(3, 1, 1)).clamp(max=1)
    assert moved(video) == {"tint", "light"}
    angle = math.degrees(math.acos(float(gain.sum() / (gain.norm() * 3**0.5))))
    parts = measured(video).parts
    assert parts["tint"] == pytest.approx(angle, abs=0.02)
    assert parts["light"] == 0


def test_wine_that_should_stay_in_its_glass_moves_the_spill_alone_by_its_puddle():
    video = made(frames=LONG, tips_at=0.0, tips_to=-1)
    assert moved(video) == {"spill", "spilled"}
    puddle = clip(replace(scene_of(PROMPT, SEED), tips_at=0.0, tips_to=-1), LONG).spilled[0].sum((-1, -2))
    assert puddle[-1] == pytest.approx(WHOLE_PUDDLE, abs=0.5)
    parts = measured(video).parts
    assert parts["spill"] == pytest.approx(puddle[1:].mean().item(), rel=0.05)
    assert parts["spilled"] == pytest.approx((puddle[1:] < 20).float().mean().item(), abs=1 / 29)  # by one frame


def test_wine_that_should_spill_and_does_not_moves_the_spill_alone_too():
    prompt = PROMPT.replace("stands still", "tips over and the wine spills")
    video = made(prompt, frames=LONG, tips_at=None)
    assert moved(video, prompt) == {"spill", "spilled"}
    puddle = clip(scene_of(prompt, SEED), LONG).spilled[0].sum((-1, -2))
    parts = measured(video, told(prompt)).parts
    assert parts["spill"] == pytest.approx(puddle[1:].mean().item(), rel=0.05)
    assert parts["spilled"] == pytest.approx((puddle[1:] < 20).float().mean().item(), abs=1 / 29)  # by one frame


# --- streams, sizes, rates ---


@pytest.mark.parametrize("block", [1, 3, 32])
def test_a_stream_in_blocks_is_measured_as_the_whole(block):
    video = made(BUSY[0], frames=36)
    video[9:] = (video[9:] * 0.8).roll(3, -1)
    whole, parted = measured(video, told(BUSY[0]), 64), measured(video, told(BUSY[0]), block)
    assert list(parted.curve)[1:] == list(whole.curve)[1:]
    assert parted.parts == pytest.approx(whole.parts, abs=1e-5)


def test_of_the_frames_only_numbers_are_kept():
    def held(thing, known):
        if id(thing) in known:
            return 0
        known.add(id(thing))
        if isinstance(thing, torch.Tensor):
            return thing.numel()
        inside = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list | tuple) else ()
        return sum(held(each, known) for each in (*inside, *getattr(thing, "__dict__", {}).values()))

    follow, sizes = TabletopTruth().start(told()), []
    for video in made(frames=96).split(32):
        follow.add(Block(video))
        sizes.append(held(follow, set()))
    assert sizes[1] == sizes[2]
    assert len(follow.curve) == 96


def enlarged(video, factor):
    return video.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


@pytest.mark.parametrize("factor", [2, 4])
def test_an_enlarged_video_is_measured_as_the_small_one(factor):
    video = made(BUSY[1])
    video[6:] *= 0.8
    small, large = measured(video, told(BUSY[1])), measured(enlarged(video, factor), told(BUSY[1]))
    assert list(large.curve)[1:] == list(small.curve)[1:]
    assert large.parts == pytest.approx(small.parts, abs=1e-4)


def test_the_scene_goes_by_seconds_not_by_frames():
    scene = scene_of(BUSY[2], SEED)
    slow = torch.cat([clip(scene, 1, t / 2).frames[0] for t in range(24)])
    assert measured(slow, told(BUSY[2], fps=16.0)).parts["position"] < 1e-4
    assert measured(slow, told(BUSY[2], fps=8.0)).parts["position"] > 0.02


def test_our_own_video_file_is_measured_within_the_meters_error(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=8, scale=4) as writer:
        writer.write(made(BUSY[0], frames=LONG))
    frames = (some.float() / 255 for some in stream_video(tmp_path / "a.mp4"))
    parts = TabletopTruth().measure(frames, told(BUSY[0])).parts
    assert parts["visible"] == parts["light"] == parts["spilled"] == 1
    limits = {"colour": 6, "position": 0.01, "level": 0.02, "tint": 0.6, "spill": 6}
    assert {name for name, most in limits.items() if parts[name] > most} == set()


# --- not ours ---


@pytest.mark.parametrize(
    ("video", "clip", "why"),
    [
        (made(), Clip(prompt="a cat on a sofa", metadata={"seed": 1}), "none of the objects"),
        (made(), Clip(prompt=" ", metadata={"seed": 1}), "empty prompt"),
        (made(), Clip(prompt="a cube rolls toward a glass", metadata={"seed": 1}), "only a ball can roll"),
        (made(), Clip(prompt=PROMPT), "has no seed"),
        (made(), Clip(prompt=PROMPT, metadata={"seed": "x"}), "'x' is no whole number"),
        (made(), Clip(prompt=PROMPT, metadata={"seed": 1.5}), "1.5 is no whole number"),
        (made(), Clip(prompt=PROMPT, metadata={"seed": math.nan}), "no whole number"),
        (made(), told(seed=SEED + 1), "first frame is not that of this prompt and seed"),
        (torch.full((3, 3, 64, 64), 0.5), told(), "first frame"),
        (torch.zeros(3, 3, 64, 64), told(), "first frame"),
        (torch.zeros(3, 3, 48, 96), told(), "frames of 96x48"),
        (torch.zeros(3, 3, 100, 100), told(), "frames of 100x100"),
    ],
)
def test_a_video_that_is_not_ours_gets_one_line(video, clip, why):
    with pytest.raises(UserError, match=why) as error:
        measured(video, clip)
    said = str(error.value)
    assert said.startswith("tabletop_truth measures the tabletop world only: ")
    assert said.endswith("; leave it out (--suite bundled)")
    assert "\n" not in said


@pytest.mark.parametrize("seed", [SEED, str(SEED), float(SEED), f"{SEED}.0"])
def test_a_seed_may_come_from_a_table(seed):
    assert measured(made(), told(seed=seed)).value == 1


def test_a_judge_measures_a_video_behind_any_start_but_not_what_needs_the_scenes_course():
    """Text-to-video and pictures of one's own do not begin as the scene does."""
    video = made(PROMPT, seed=SEED + 1)[None]
    scores = TabletopTruth()(video[:, 1:], [PROMPT], fps=8.0, anchor=video[:, :1], metadata=[{"seed": SEED}])
    assert scores.values[0] == scores.parts["present"][0] == 1
    assert all(scores.parts[name].isnan().all() for name in ("visible", "colour", "position", "level", "spill"))


def test_a_batch_of_unlike_scenes_is_a_loop():
    rows = [(BUSY[0], 1), (BUSY[0], 1), (BUSY[3], 2), (BUSY[1], 1)]
    videos = torch.stack([made(*row) for row in rows])
    videos[1, 9:] *= 0.6
    told = [{"seed": seed} for _, seed in rows]
    together = TabletopTruth()(videos[:, 3:], [p for p, _ in rows], fps=8.0, anchor=videos[:, :3], metadata=told)
    for i, (prompt, seed) in enumerate(rows):
        alone = measured(videos[i], Clip(prompt=prompt, metadata={"seed": seed}))
        assert together.per_frame[i].tolist() == pytest.approx(list(alone.curve)[3:], nan_ok=True)
        assert together.parts["level"][i] == pytest.approx(alone.parts["level"] * 11 / 9, rel=0.1, abs=1e-5)


def test_a_reward_call_without_an_anchor_starts_from_the_first_frame():
    scores = TabletopTruth()(made()[None], [PROMPT], fps=8.0, metadata=[{"seed": SEED}])
    assert scores.values[0] == 1
    assert scores.per_frame[0].isnan().tolist() == [True] + [False] * (FRAMES - 1)
    with pytest.raises(UserError, match="has no seed"):
        TabletopTruth()(made()[None], [PROMPT], fps=8.0)


def test_what_cannot_be_scored_says_why():
    assert measured(made()[:1]).note == "needs two frames"
    only_glass = "a glass of red wine stands still"
    found = measured(made(only_glass), told(only_glass))
    assert math.isnan(found.value)
    assert "no coloured object" in found.note
    assert found.parts["visible"] == 1


def test_its_words_explain_every_part():
    for name in measured(made()).parts:
        assert f"- {name} (" in TabletopTruth.__doc__


def test_the_course_knows_its_start():
    course = Course(scene_of(PROMPT, SEED))
    assert course.begins_like(made()[0]) == 0
    assert course.begins_like(made().roll(4, -1)[0]) > 0.12
