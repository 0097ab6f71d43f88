"""Events by text on rendered clips: whether, when and in which order; and by any detector that somebody brings."""

import math
import random
from dataclasses import replace

import pytest
import torch
from rewarding import WINE, still

import rewards
from rewards.base import UserError
from rewards.encoders import Encoder
from rewards.events import BUILT_IN, Detector, hysteresis, make_event, smoothed
from rewards.text_detector import TextDetector
from sn_eval.tabletop import scene as world
from sn_eval.tabletop.render import render
from sn_eval.tabletop.scene import Description, Thing

FRAMES = 24
BEGINS = 6.0  # the frame in which the glass begins to tip, or the light to dim


def clips(count=6, *, tips=False, dims=False, at=BEGINS, table=None):
    """Clips [b t 3 64 64] of a glass, on tables that differ, and what happens in them."""
    rng = random.Random("events")
    said = Description((Thing("glass", None, "tips" if tips else "still"),), table, dims=dims)
    scenes = [world.complete(replace(said, table=table or world.TABLES[i % 4]), rng) for i in range(count)]
    scenes = [
        replace(s, tips_at=at if tips else None, tips_to=1 if s.things[0].x < 32 else -1, dims_at=at if dims else None)
        for s in scenes
    ]
    return render(scenes, torch.arange(float(FRAMES)).expand(count, -1)).frames


def run(reward, frames, prompt="a glass", **more):
    return reward(frames, [prompt] * len(frames), fps=8.0, **more)


@pytest.fixture(scope="module")
def spilling():
    return clips(tips=True)


@pytest.fixture(scope="module")
def standing():
    return clips()


# --- whether ----------------------------------------------------------------------------------------------


def test_presence_is_high_where_wine_spills_and_low_where_it_stands(spilling, standing):
    reward = rewards.create("event_presence")
    yes, no = run(reward, spilling), run(reward, standing)
    assert yes.values.min() > 0.8
    assert no.values.max() < 0.2
    assert (yes.per_frame[:, :4] < 0.3).all()  # not yet
    assert (yes.per_frame[:, -4:] > 0.8).all()


def test_half_an_event_is_less_present_than_a_whole_one():
    reward = rewards.create("event_presence")
    scene = replace(
        world.complete(Description((Thing("glass", None, "tips"),), "marble"), random.Random("half")), tips_at=2.0
    )
    stops = torch.tensor([2.0, 7.5, 14.0])  # upright; down, with the first of the wine; all of it
    frames = render([scene] * 3, torch.arange(16.0).expand(3, -1).minimum(stops[:, None])).frames
    values = run(reward, frames).values
    assert values[0] < 0.1
    assert values[0] + 0.05 < values[1] < values[2] - 0.01
    assert values[2] > 0.9


@pytest.mark.parametrize("detector", ["colour", "text"])
def test_absence_is_the_other_way_round(spilling, standing, detector):
    reward = rewards.create("event_absence", detector=detector)
    assert run(reward, spilling).values.max() < 0.2
    assert run(reward, standing).values.min() > 0.8
    assert run(reward, spilling, "the wine spills").values.isnan().all()  # it was asked for


def test_light_that_dims_is_an_event_too(standing):
    reward = rewards.create("event_presence", event="dim")
    assert run(reward, clips(dims=True)).values.min() > 0.8
    assert run(reward, standing).values.max() < 0.2


def test_own_texts_are_an_event(spilling, standing):
    reward = rewards.create("event_presence", event=["spilled wine"], against=["an upright wine glass"])
    assert run(reward, spilling).values.min() > 0.8
    assert run(reward, standing).values.max() < 0.2


def test_the_number_of_texts_on_a_side_does_not_count(spilling):
    one = rewards.create("event_absence", detector="text", event=["spilled wine"], against=["an upright wine glass"])
    many = rewards.create(
        "event_absence", detector="text", event=["spilled wine"] * 5, against=["an upright wine glass"]
    )
    assert torch.allclose(run(one, spilling).values, run(many, spilling).values, atol=1e-4)


# --- when and in which order ------------------------------------------------------------------------------


@pytest.mark.parametrize(("fps", "start", "end", "unit"), [(8.0, 0.5, 1.0, "fraction"), (4.0, 3.0, 6.0, "seconds")])
def test_time_is_the_overlap_with_the_wanted_time(fps, start, end, unit):
    reward = rewards.create("event_time", start=start, end=end, unit=unit)
    values = {}
    for at in (0.0, 6.0, 12.0, 30.0):
        frames = clips(2, tips=True, at=at)
        values[at] = reward(frames, ["a"] * 2, fps=fps).values.mean().item()
    assert values[6.0] > 0.8  # half of the clip: it takes about six frames to spill
    assert values[6.0] > values[0.0] > values[30.0] == 0
    assert values[6.0] > values[12.0]


def test_later_is_less_by_default():
    reward = rewards.create("event_time")
    values = [run(reward, clips(3, tips=True, at=at)).values for at in (2.0, 5.0, 9.0)]
    assert (values[0] > values[1]).all()
    assert (values[1] > values[2]).all()


def test_time_is_not_scored_where_the_clip_has_none_of_it(spilling):
    reward = rewards.create("event_time", start=60.0, end=61.0, unit="seconds")
    assert run(reward, spilling).values.isnan().all()


def test_order_is_right_forward_and_wrong_backward(spilling, standing):
    reward = rewards.create("event_order")
    forward = run(reward, spilling)
    assert (forward.values == 1).all()
    assert (run(reward, spilling.flip(1)).values == 0).all()
    assert (run(reward, standing).values == 0).all()  # what never happens is in no right order
    assert (forward.parts["begins_0_stand"] == 0).all()
    assert ((forward.parts["begins_1_spill"] - 1.5).abs() < 0.5).all()  # seconds; it begins to tip at 0.75


def test_three_events_make_three_pairs():
    both = clips(3, tips=True, at=2.0)
    both[:, 16:] *= 0.5  # then the light goes
    value = lambda *events: run(rewards.create("event_order", events=list(events)), both).values  # noqa: E731
    assert (value("stand", "spill", "dim") == 1).all()
    assert torch.allclose(value("dim", "stand", "spill"), torch.tensor(1 / 3))
    own = {"event": ["dim light"], "against": ["bright light"]}
    assert (value("spill", own) == 1).all()


# --- cost, and detectors of one's own ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["event_presence", "event_time", "event_order"])
def test_a_batch_is_one_call_of_the_encoder(name, spilling, monkeypatch):
    reward = rewards.create(name)
    calls, encode = [], Encoder.__call__
    monkeypatch.setattr(Encoder, "__call__", lambda self, x: calls.append(tuple(x.shape[:2])) or encode(self, x))
    run(reward, spilling)
    assert calls == [tuple(spilling.shape[:2])]
    assert reward.spec.families == ("encoder:tabletop-clip",)
    assert reward.spec.encoder == "tabletop-clip"


def test_the_pixel_detector_is_a_family_of_its_own():
    reward = rewards.create("event_absence")
    assert (reward.spec.families, reward.spec.encoder) == (("colour-mask",), None)
    assert math.isnan(run(reward, still(4)).values[0])  # no wine, nothing to spill
    with pytest.raises(UserError, match="colour detector sees only 'spill', not 'dim'"):
        run(rewards.create("event_absence", event="dim"), still(4, [("box", WINE, 44, 42, 4.5)]))


OWN = """
import torch
from rewards.events import Detector
from rewards.registry import component

@component("late_half")
class LateHalf(Detector):
    '''Certain in the second half, whatever is shown.'''
    family = "clock"

    def __call__(self, frames, first, events):
        b, t = frames.shape[:2]
        return (torch.arange(t) >= t // 2).float().expand(b, len(events), t).clone()
"""


def test_a_detector_of_ones_own_is_a_file(tmp_path, standing):
    (tmp_path / "mine.py").write_text(OWN)
    use = f"{tmp_path / 'mine.py'}:LateHalf"
    presence = rewards.create("event_presence", detector=use)
    assert (run(presence, standing).values == 1).all()
    assert presence.spec.families == ("clock",)
    assert (run(rewards.create("event_time", detector=use, start=0.5, smooth=1), standing).values == 1).all()


def test_a_picture_without_content_sets_the_baseline(standing):
    detector = TextDetector()
    baseline = detector.baseline([BUILT_IN["spill"], BUILT_IN["stand"]])
    assert ((baseline >= 0) & (baseline <= 0.5)).all()
    reward = rewards.create("event_presence")
    reward.baseline = 0.5
    p = smoothed(reward.detector(standing, standing[:, :1], [reward.event])[:, 0])
    assert torch.allclose(run(reward, standing).per_frame, (2 * p - 1).clamp(min=0), atol=1e-5)


def test_a_detectors_protocol_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Detector()


# --- the pure parts, and bad input ------------------------------------------------------------------------


def test_hysteresis_stays_on_through_a_dip():
    p = torch.tensor([0.0, 0.65, 0.45, 0.65, 0.35, 0.5, 0.7])
    assert hysteresis(p).int().tolist() == [0, 1, 1, 1, 0, 0, 1]


def test_smoothing_keeps_the_mean_of_a_constant_and_takes_single_frames():
    assert torch.allclose(smoothed(torch.full((2, 3, 7), 0.3), 5), torch.full((2, 3, 7), 0.3))
    assert smoothed(torch.tensor([0.4]), 3).tolist() == pytest.approx([0.4])


@pytest.mark.parametrize(
    ("name", "params", "rule"),
    [
        ("event_presence", {"event": "spil"}, "Did you mean 'spill'"),
        ("event_presence", {"event": ["a crack"]}, "needs `against`"),
        ("event_presence", {"event": [""], "against": ["x"]}, "none of them empty"),
        ("event_presence", {"top": 0.0}, "above 0 and at most 1"),
        ("event_presence", {"smooth": 0}, "1 or more"),
        ("event_presence", {"detector": "txt"}, "Did you mean 'text'"),
        ("event_presence", {"encoder": "imagenet-lite0@64"}, "cannot encode texts"),
        ("event_time", {"start": 0.5, "end": 0.4}, "0 <= start < end"),
        ("event_time", {"end": 1.5}, "<= 1 in fraction"),
        ("event_time", {"high": 0.3}, "0 < low <= high < 1"),
        ("event_order", {"events": ["spill"]}, "two events or more"),
        ("event_order", {"events": ["spill", {"texts": ["x"]}]}, "mapping with event and against"),
    ],
)
def test_bad_parameters_get_one_clear_line(name, params, rule):
    with pytest.raises(UserError, match=rule) as error:
        rewards.create(name, **params)
    assert "\n" not in str(error.value)


def test_a_built_in_event_may_have_other_alternatives():
    event = make_event("spill", ["a clean table"])
    assert (event.texts, event.against) == (BUILT_IN["spill"].texts, ("a clean table",))
