"""Weights, frozen normalisation, vetoes and the rule for NaN, on parts whose values are known."""

import math

import pytest
import torch
from rewarding import video

import rewards
from rewards.base import BaseReward, RewardSpec, Scores, UserError
from rewards.composite import Composite

FRAMES = torch.zeros(3, 2, 3, 4, 4)


class Known(BaseReward):
    """Returns given numbers."""

    def __init__(self, name, values, family="a", low=0.0, high=1.0):
        self.values = torch.tensor(values)
        self.spec = RewardSpec(name, (family,), (low, high), needs=("anchor",) if family == "b" else ())

    def score(self, frames, prompts, *, fps, anchor, metadata):
        return Scores(self.values, self.values[:, None].expand(-1, 2), {"half": self.values / 2})


A, B = Known("a", [0.2, 0.6, 1.0]), Known("b", [1.0, 0.5, 0.0], "b")
HOLE = Known("hole", [0.5, math.nan, 0.5])


def mix(*parts):
    made = Composite(list(parts))
    return made, made(FRAMES, [""] * 3, fps=8.0)


def test_weighted_mean_and_kept_parts():
    made, scores = mix({"use": A, "weight": 3}, {"use": B})
    assert scores.values.tolist() == pytest.approx([0.4, 0.575, 0.75])
    assert scores.per_frame[:, 0].tolist() == pytest.approx([0.4, 0.575, 0.75])
    assert scores.parts["a"].tolist() == pytest.approx([0.2, 0.6, 1.0])
    assert scores.parts["b/half"].tolist() == [0.5, 0.25, 0.0]
    assert made.spec.families == ("a", "b")
    assert made.spec.needs == ("anchor",)
    assert made.spec.range == (0.0, 1.0)


def test_a_part_below_its_floor_vetoes_but_order_is_kept():
    made, scores = mix({"use": A}, {"use": B, "floor": 0.4})
    assert scores.values.tolist() == pytest.approx([0.6, 0.55, -0.5])
    assert made.spec.range == (-1.0, 1.0)


def test_nan_is_skipped_or_counts_as_worst():
    assert mix({"use": A}, {"use": HOLE})[1].values.tolist() == pytest.approx([0.35, 0.6, 0.75])
    assert mix({"use": A}, {"use": HOLE, "missing": "worst"})[1].values.tolist() == pytest.approx(
        [0.35, 0.3, 0.75]
    )
    assert math.isnan(mix({"use": HOLE})[1].values[1])
    vetoed = mix({"use": A}, {"use": HOLE, "missing": "worst", "floor": 0.1})[1].values
    assert vetoed[1] < 0


def test_normalisation_is_frozen_and_clipped():
    made, scores = mix({"use": A, "mean": 0.6, "std": 0.1}, {"use": B})
    assert scores.values.tolist() == pytest.approx([(-3 + 1) / 2, 0.25, 1.5])
    assert made.spec.range == (-3.0, 3.0)
    alone = made.parts[0].normal(torch.tensor([0.65]))
    assert alone.item() == pytest.approx(0.5)


def test_the_same_reward_twice_keeps_two_names():
    _, scores = mix({"use": A}, {"use": A, "weight": 2})
    assert {"a", "a_2"} <= set(scores.parts)


@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        ([], "at least one part"),
        ([{"weight": 1}], "part 1: must be a mapping with 'use'"),
        ([{"use": "motion_floor", "wieght": 1}], "Did you mean 'weight'"),
        ([{"use": "motion_floor", "weight": "a"}], "weight cannot be 'a'"),
        ([{"use": "motion_floor", "weight": 0}], "weight must be above 0"),
        ([{"use": "motion_floor", "mean": 1.0}], "mean and std go together"),
        ([{"use": "motion_flor"}], "Did you mean 'motion_floor'"),
        ([{"use": "motion_floor", "params": {"least": 1}}], "no parameter 'least'"),
    ],
)
def test_wrong_parts_get_one_clear_line(parts, rule):
    with pytest.raises(UserError, match=rule) as error:
        rewards.create("composite", parts=parts)
    assert "\n" not in str(error.value)


def test_the_ready_made_one():
    made = rewards.create("tabletop_quality", minimum_motion=0.3)
    assert made.spec.families == ("colour-mask", "frame-difference", "photometric")
    clip = video(6)
    good = made(clip[:, 1:], ["a ball"], fps=8.0, anchor=clip[:, :1])
    assert good.values.item() > 0.9
    assert math.isnan(good.parts["event_absence"].item())
    assert rewards.create("tabletop_quality", lighting=0.0, no_spill=0.0).names == ["object_persistence"]
    with pytest.raises(UserError, match="weight must be above 0"):
        rewards.create("tabletop_quality", lighting=-1.0)
