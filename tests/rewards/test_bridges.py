"""Trainers' call shapes, called as the trainers call them."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from rewarding import exposed, still, video

import rewards
from rewards.base import UserError
from rewards.bridges import FlowGRPOReward, TRLReward, to_video

CLIPS = torch.cat([video(6), torch.cat([video(3), still(3)], dim=1)])  # the second loses its ball
PROMPTS = ["a ball rolls"] * 2
NAME = "object_persistence"
WANTED = rewards.create(NAME)(CLIPS, PROMPTS, fps=8.0).values


def bytes_of(clips):
    return (clips * 255).round().byte()


# --- TRL --------------------------------------------------------------------------------------------------


def as_trl_calls(functions, prompts, completions, **columns):
    """What GRPOTrainer does with reward functions: keywords only, None becomes NaN, float32, names for its log."""
    logged = {}
    for function in functions:
        more = {"trainer_state": object(), "log_extra": print, "log_metric": print, **columns}
        given = function(prompts=prompts, completions=completions, completion_ids=[[1]] * len(prompts), **more)
        column = [value if value is not None else torch.nan for value in given]
        logged[function.__name__] = torch.tensor(column, dtype=torch.float32)
    return logged


def test_trl_gets_a_list_of_numbers_under_a_name():
    logged = as_trl_calls([TRLReward(NAME)], PROMPTS, list(CLIPS))
    assert torch.equal(logged[NAME], WANTED)
    assert as_trl_calls([TRLReward(NAME)], PROMPTS, CLIPS)[NAME].equal(WANTED)


def test_trl_gets_none_where_nothing_was_scored():
    colourless = torch.full((6, 3, 64, 64), 0.5)
    values = TRLReward(NAME)(PROMPTS, [CLIPS[0], colourless])
    assert values[0] == WANTED[0].item()
    assert values[1] is None


def test_trl_columns_are_metadata_and_anchor():
    clips = [exposed(CLIPS[:1], 0.0)[0], exposed(CLIPS[:1], -1.0)[0]]
    anchors = [CLIPS[0, 0], CLIPS[0, 0]]
    reward = TRLReward("lighting_consistency", {"allow_change": "when asked"})
    held, allowed = (
        reward(["a ball"] * 2, clips, anchor=anchors, allow_change=[flag, flag], note=["x"]) for flag in (False, True)
    )
    assert held[1] < held[0] - 0.2
    assert allowed != held


def test_trl_conversations_and_unlike_sizes():
    talk = [[{"role": "system", "content": "Film."}, {"role": "user", "content": "a ball rolls"}]] * 2
    small = torch.nn.functional.interpolate(CLIPS[1], 48)
    values = TRLReward(NAME)(talk, [CLIPS[0], small[:4]])
    assert values[0] == WANTED[0].item()
    assert values[1] < 1.0


# --- flow_grpo --------------------------------------------------------------------------------------------


def as_flow_grpo_calls(images, prompts, metadata, *, weights=(("persistence", 1.0),), **params):
    """What `multi_score` and the trainer do: made by a factory, weighed, summed, in a thread, back to a tensor."""
    made = {name: FlowGRPOReward(NAME, **params) for name, _ in weights}

    def every(images, prompts, metadata, only_strict=True):
        details, total = {}, []
        for name, weight in weights:
            scores, info = made[name](images, prompts, metadata)
            assert isinstance(info, dict)
            details[name] = scores
            weighed = [weight * score for score in scores]
            total = [a + b for a, b in zip(total, weighed, strict=True)] if total else weighed
        return {**details, "avg": total}, {}

    with ThreadPoolExecutor(max_workers=2) as executor:
        rewards_of_all, _ = executor.submit(every, images, prompts, metadata, only_strict=True).result()
    return {key: torch.as_tensor(value).float() for key, value in rewards_of_all.items()}


def test_flow_grpo_weighs_and_sums_videos():
    got = as_flow_grpo_calls(CLIPS, tuple(PROMPTS), [{}, {}], weights=(("persistence", 0.5), ("again", 2.0)))
    assert torch.allclose(got["avg"], 2.5 * WANTED)
    assert torch.equal(got["persistence"], WANTED)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x.half(),
        bytes_of,
        lambda x: bytes_of(x).movedim(2, -1).numpy(),  # NTHWC
        lambda x: x.movedim(2, -1).numpy(),
        lambda x: [list(clip) for clip in x],  # lists of frames
        lambda x: [[Image.fromarray(frame.movedim(0, -1).numpy()) for frame in clip] for clip in bytes_of(x)],
    ],
)
def test_every_form_of_the_same_videos_gets_the_same_scores(form):
    scores, info = FlowGRPOReward(NAME)(form(CLIPS), PROMPTS, {})
    assert scores == pytest.approx(WANTED.tolist(), abs=0.02)
    assert info == {"scored": [True, True]}


@pytest.mark.parametrize("form", [lambda x: x, lambda x: bytes_of(x).movedim(1, -1).numpy()])
def test_pictures_are_videos_of_one_frame(form):
    pictures, anchors = form(CLIPS[:, -1]), form(CLIPS[:, 0])
    wanted = rewards.create(NAME)(CLIPS[:, -1:], PROMPTS, fps=8.0, anchor=CLIPS[:, :1]).values
    scores, _ = FlowGRPOReward(NAME)(pictures, PROMPTS, [{}, {}], ref_images=anchors)
    assert scores == pytest.approx(wanted.tolist(), abs=0.02)
    assert scores[1] < scores[0] - 0.3  # its ball is gone


def test_not_scored_is_the_worst_or_what_was_said():
    grey = torch.full((2, 4, 3, 64, 64), 0.5)
    assert FlowGRPOReward(NAME)(grey, PROMPTS) == ([0.0, 0.0], {"scored": [False, False]})
    assert FlowGRPOReward(NAME, missing=0.5)(grey, PROMPTS)[0] == [0.5, 0.5]


# --- both -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TRLReward, FlowGRPOReward])
def test_it_travels_by_name_and_is_made_when_called(kind):
    made = kind("anchor_consistency", {"encoder": "imagenet-lite0@32"}, fps=16.0)
    assert "reward" not in vars(made)
    packed = pickle.dumps(made)
    made(list(CLIPS), PROMPTS) if kind is FlowGRPOReward else made(PROMPTS, list(CLIPS))
    assert "reward" in vars(made)
    assert pickle.dumps(made) == packed  # no weights in it
    back = pickle.loads(packed)  # noqa: S301 - our own bytes
    assert (back, back.__name__) == (made, "anchor_consistency")
    assert back.reward.spec == made.reward.spec


def test_two_axes_of_size_three_need_a_word():
    narrow = torch.rand(2, 3, 8, 3)
    with pytest.raises(UserError, match="two axes could be the channels"):
        to_video(narrow)
    assert to_video(narrow, "channels first").shape == (2, 3, 8, 3)
    assert to_video(narrow, "channels last").shape == (2, 3, 3, 8)


@pytest.mark.parametrize(
    ("completions", "told"),
    [
        (["a text", "a text"], r"completions\[0\] is no picture or video but 'a text' \(str\)"),
        ("texts", "completions must hold one for each of 2 prompts; given 'texts'"),
        ([CLIPS[0]], "one for each of 2 prompts; given 1"),
        ([CLIPS[0], CLIPS], r"completions\[1\] must be \[3 h w\]"),
        ([CLIPS[0], np.zeros((4, 8, 8, 4))], "no axis of size 3"),
        ([CLIPS[0], CLIPS[1] * 255], "divide by 255"),
        ([CLIPS[0], CLIPS[1] * torch.nan], "NaN"),
        ([CLIPS[0], [CLIPS[0, 0], CLIPS[0, 1, :, :9]]], r"completions\[1\] is no picture or video"),
    ],
)
def test_wrong_videos_get_one_clear_line(completions, told):
    with pytest.raises(UserError, match=told) as error:
        TRLReward(NAME)(PROMPTS, completions)
    assert "\n" not in str(error.value)


def test_wrong_company_gets_one_clear_line():
    with pytest.raises(UserError, match="metadata must be a list of 2 mappings, one a video; given 1"):
        FlowGRPOReward(NAME)(CLIPS, PROMPTS, [{}])
    with pytest.raises(UserError, match="Did you mean 'object_persistence'"):
        TRLReward("object_persistance")(PROMPTS, list(CLIPS))
    with pytest.raises(UserError, match="anchor has shape"):
        TRLReward(NAME)(PROMPTS, list(CLIPS), anchor=list(CLIPS[:, 0, :, :32]))
