"""What a user reads when something is wrong: one line with the value, the rule and the next step."""

import pytest
import torch
from rewarding import video

import rewards
from rewards.base import UserError

CLIP = video(4)
BOTH = CLIP.expand(2, -1, -1, -1, -1)

MINE = """
import torch
from rewards.base import BaseReward, RewardSpec, Scores, reward
from rewards.registry import component

@reward(family="pixels")
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    {body}

@component("classy")
class Classy(BaseReward):
    spec = RewardSpec("classy", ("pixels",))

    def score(self, frames, prompts, *, fps, anchor, metadata):
        {body}
"""


def line(call) -> str:
    with pytest.raises(UserError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def mine(tmp_path, body: str) -> str:
    file = tmp_path / "mine.py"
    file.write_text(MINE.replace("{body}", body))
    return str(file)


@pytest.mark.parametrize("name", ["object_persistence", "motion_floor", "tabletop_quality"])
@pytest.mark.parametrize(
    ("frames", "told"),
    [
        (BOTH.transpose(1, 2), r"must be a float tensor \[b t 3 h w\], RGB in 0..1; given shape \[2, 3, 4, 64, 64\]"),
        (BOTH.movedim(2, -1), r"given shape \[2, 4, 64, 64, 3\]"),
        (BOTH[:, :, :1], r"given shape \[2, 4, 1, 64, 64\]"),
        (CLIP[0], r"given shape \[4, 3, 64, 64\]"),
        ((BOTH * 255).byte(), r"given dtype torch.uint8: use frames.float\(\) / 255"),
        (BOTH * 255, r"given values \d\S*\.\.2\d\d: divide by 255"),
        (BOTH * 2 - 1, r"given values -0\.\d+\.\.1: clamp to 0..1, or \(x \+ 1\) / 2"),
        (BOTH[:, :0], r"given shape \[2, 0, 3, 64, 64\]"),
        (BOTH.index_fill(1, torch.tensor([2]), torch.nan), "given NaN or infinite pixels: check the model"),
        (BOTH.numpy(), "given ndarray: convert it with torch.as_tensor"),
    ],
)
def test_wrong_frames(name, frames, told):
    made = rewards.create(name)
    with pytest.raises(UserError, match=told) as error:
        made(frames, ["a ball"] * 2, fps=8.0)
    assert str(error.value).startswith(f"reward {name!r}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("prompts", [[], ["one"], "a ball", None])
def test_wrong_prompts(prompts):
    told = line(lambda: rewards.create("motion_floor")(BOTH, prompts, fps=8.0))
    given = len(prompts) if isinstance(prompts, list) else repr(prompts)
    assert told.endswith(f"prompts must be a list of 2 texts, one a video; given: {given}")


def test_a_prompt_that_is_needed_must_not_be_empty(tmp_path):
    file = mine(tmp_path, "return frames.mean((1, 2, 3, 4))")
    made = rewards.create(f"{file}:bright")
    made.spec = rewards.RewardSpec("bright", ("pixels",), needs=("prompt",))
    assert line(lambda: made(BOTH, ["a", " "], fps=8.0)).endswith("needs a prompt for every video; given an empty one")


def test_one_frame_alone_has_no_motion_to_score_and_with_an_anchor_has():
    made = rewards.create("motion_floor")
    assert made(CLIP[:, :1], ["a ball"], fps=8.0).values.isnan().all()
    assert made(CLIP[:, 3:], ["a ball"], fps=8.0, anchor=CLIP[:, :1]).values > 0


@pytest.mark.parametrize("anchor", [CLIP[:, :, :, :32], CLIP[0], (CLIP * 255).byte(), CLIP * torch.nan])
def test_wrong_anchors(anchor):
    assert "anchor" in line(lambda: rewards.create("object_persistence")(CLIP, ["a"], fps=8.0, anchor=anchor))


@pytest.mark.parametrize("what", ["bright", "Classy"])
def test_a_reward_that_raises_is_named_with_its_line(tmp_path, what):
    file = mine(tmp_path, "return torch.zeros(3) + torch.zeros(4)")
    number = {"bright": 8, "Classy": 15}[what]
    told = line(lambda: rewards.create(f"{file}:{what}")(BOTH, ["a", "b"], fps=8.0))
    assert told.startswith(f"reward {what.lower()!r} failed ({file}, line {number}): RuntimeError: The size of tensor")
    assert told.endswith("Correct that line")


def test_a_failing_part_is_named_not_the_whole(tmp_path):
    file = mine(tmp_path, "raise KeyError('mass')")
    made = rewards.create("composite", parts=[{"use": f"{file}:bright"}])
    told = line(lambda: made(BOTH, ["a", "b"], fps=8.0))
    assert told.startswith(f"reward 'bright' failed ({file}, line 8): KeyError: 'mass'")


def test_what_is_no_fault_of_the_reward_passes_through(tmp_path):
    for error in ("MemoryError", "KeyboardInterrupt", "torch.OutOfMemoryError"):
        made = rewards.create(f"{mine(tmp_path, f'raise {error}')}:bright")
        with pytest.raises((MemoryError, KeyboardInterrupt, torch.OutOfMemoryError)):
            made(BOTH, ["a", "b"], fps=8.0)


@pytest.mark.parametrize("what", ["bright", "Classy"])
def test_a_wrong_shape_is_told_with_the_name(tmp_path, what):
    made = rewards.create(f"{mine(tmp_path, 'return frames.mean((2, 3, 4)).T')}:{what}")
    told = line(lambda: made(BOTH, ["a", "b"], fps=8.0))
    assert told == f"reward {what.lower()!r} returned shape [4, 2]; it must be [2] or [2, 4]"


def test_a_syntax_error_is_told_with_file_and_line(tmp_path):
    file = mine(tmp_path, "return frames mean")
    told = line(lambda: rewards.create(f"{file}:bright"))
    assert told.startswith(f"{file}, line 8: ")
    assert told.endswith("Correct that line")


def test_an_unknown_name_is_told_with_the_nearest():
    assert "Did you mean 'lighting_consistency'? Known: " in line(lambda: rewards.create("lightning_consistency"))
