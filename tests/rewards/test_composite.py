"""Weights, frozen normalisation, vetoes and the rule for NaN, on parts whose values are known."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rewarding import video

import rewards
from rewards.base import BaseReward, RewardSpec, Scores, UserError
from rewards.composite import Composite, rank_among

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


def among(*values, **more):
    return {"reference": "last spring", "reference_values": list(values), **more}


def test_a_rank_in_a_frozen_reference_becomes_a_normal_score():
    made, scores = mix({"use": A, **among(0.0, 0.2, 0.4, 0.6, 0.8)})  # a: 0.2, 0.6, 1.0
    ranks = torch.tensor([0.3, 0.7, 0.9])  # 1½, 3½ of 5 below; beyond the end: as at the end
    assert torch.allclose(scores.values, torch.special.ndtri(ranks), atol=1e-5)
    assert made.spec.range == pytest.approx((-1.2816, 1.2816), abs=1e-3)


def test_a_fine_reference_agrees_with_mean_and_std_where_it_is_bell_shaped():
    bell = (0.5 + 0.2 * torch.special.ndtri((torch.arange(2000) + 0.5) / 2000)).tolist()
    _, by_rank = mix({"use": A, **among(*bell)})
    _, by_std = mix({"use": A, "mean": 0.5, "std": 0.2})
    assert torch.allclose(by_rank.values, by_std.values, atol=5e-3)
    far = [1e6 + i for i in range(2000)]
    assert mix({"use": A, **among(*far)})[1].values.tolist() == [-3.0] * 3  # clipped


def test_mean_rank_is_the_weighted_mean_of_ranks():
    reference = among(0.0, 0.25, 0.5, 0.75, 1.0)
    parts = [{"use": A, "weight": 3, **reference}, {"use": B, **reference}]
    made = Composite(parts, combine="mean_rank")
    values = made(FRAMES, [""] * 3, fps=8.0).values
    ranks = [(0.26, 0.9), (0.58, 0.5), (0.9, 0.1)]
    assert values.tolist() == pytest.approx([(3 * a + b) / 4 for a, b in ranks], abs=1e-5)
    assert made.spec.range == pytest.approx((0.1, 0.9))
    assert made.parts[0].rank(torch.tensor([math.nan])).isnan().all()


def test_mean_rank_keeps_floors_and_skips_holes():
    reference = among(0.0, 0.25, 0.5, 0.75, 1.0)
    parts = [{"use": A, "floor": 0.5, **reference}, {"use": HOLE, **reference}]
    values = Composite(parts, combine="mean_rank")(FRAMES, [""] * 3, fps=8.0).values
    assert values.tolist() == pytest.approx([(0.26 + 0.5) / 2 - 0.8, 0.58, (0.9 + 0.5) / 2], abs=1e-5)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1))
def test_ranks_rise_with_the_value_and_say_how_many_are_below(reference):
    reference = [float(torch.tensor(value)) for value in reference]  # as float32 holds them
    if len(set(reference)) < 2:
        return
    values = torch.tensor(sorted(reference))
    ranks = rank_among(values, reference)
    below = (values[:, None] > values).float().mean(1) + (values[:, None] == values).float().mean(1) / 2
    assert torch.allclose(ranks, below, atol=1e-5)
    fine = rank_among(torch.linspace(-6, 6, 200), reference)
    assert bool((fine.diff() >= -1e-6).all())


def test_what_lowers_a_part_lowers_it_and_only_what_all_bear_is_borne():
    one, two = Known("one", [0.5]), Known("two", [0.5])
    one.spec = replace(one.spec, falls_under=("vanish",), holds_under=("exposure", "crop"))
    two.spec = replace(two.spec, falls_under=("freeze", "vanish"), holds_under=("crop", "pan"))
    made = Composite([{"use": one}, {"use": two}])
    assert made.spec.falls_under == ("freeze", "vanish")
    assert made.spec.holds_under == ("crop",)


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
        ([{"use": "motion_floor", **among(1.0, 1.0)}], "two different numbers at least; given \\[1.0, 1.0\\]"),
        ([{"use": "motion_floor", **among(1.0, math.nan)}], "two different numbers"),
        ([{"use": "motion_floor", **among(0.0, 1.0, mean=0.0, std=1.0)}], "give one of the two"),
        ([{"use": "motion_floor", "reference_values": [0.0, 1.0]}], "need `reference`, the name of the set"),
        ([{"use": "motion_floor", **among("a", "b")}], "reference_values cannot be"),
        ([{"use": "motion_flor"}], "Did you mean 'motion_floor'"),
        ([{"use": "motion_floor", "params": {"least": 1}}], "no parameter 'least'"),
    ],
)
def test_wrong_parts_get_one_clear_line(parts, rule):
    with pytest.raises(UserError, match=rule) as error:
        rewards.create("composite", parts=parts)
    assert "\n" not in str(error.value)


def test_mean_rank_needs_a_reference_for_every_part():
    with pytest.raises(UserError, match="needs reference_values in every part"):
        Composite([{"use": A, **among(0.0, 1.0)}, {"use": B}], combine="mean_rank")


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
