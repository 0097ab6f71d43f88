"""Selector regret by brute force, preview correlations by prompt, and an alarm exactly where reward and judge part."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn_eval.decision.findings import Attempt
from sn_eval.decision.selection import hacking, preview_value, selector_regret
from sn_eval.decision.statistics import paired_difference
from sn_eval.results.experiment import ACCEPTANCE

values = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=6)


def candidates(rows, prompt="a", outcome="sharp"):
    return [
        Attempt((f"{prompt}{i}",), prompt, "candidate", i, searched=float(s), scores={outcome: float(v)})
        for i, (s, v) in enumerate(rows)
    ]


def brute(rows, size, best):
    """Mean over all choices of `size`; those that tie for the best share it."""
    found = []
    for few in combinations(rows, size):
        top = max(row[best] for row in few)
        found.append(np.mean([row[1] for row in few if row[best] == top]))
    return np.mean(found)


@given(values, values)
@settings(max_examples=40)
def test_regret_is_that_of_all_choices_of_the_fewest(first, second):
    # without ties: those that tie share the choice by another convention than brute force has
    distinct = [[(s + i / 100, v) for i, (s, v) in enumerate(rows)] for rows in (first, second)]
    found = selector_regret("sharp", candidates(distinct[0]) + candidates(distinct[1], "b"))
    size = min(map(len, distinct))
    assert found.candidates == size
    assert found.random == pytest.approx(np.mean([np.mean([v for _, v in rows]) for rows in distinct]))
    assert found.chosen == pytest.approx(np.mean([brute(rows, size, 0) for rows in distinct]))
    assert found.oracle == pytest.approx(np.mean([brute(rows, size, 1) for rows in distinct]))
    assert found.random - 1e-9 <= found.oracle


def test_a_perfect_reward_captures_all_and_its_opposite_less_than_nothing():
    rows = [(1, 1), (2, 2), (3, 6)]
    assert selector_regret("sharp", candidates(rows)).captured == 1
    assert selector_regret("sharp", candidates([(-s, v) for s, v in rows])).captured < 0


def test_a_reward_that_says_nothing_is_worth_a_random_one():
    found = selector_regret("sharp", candidates([(5, 1), (5, 2), (5, 6)]))
    assert found.chosen == found.random
    assert found.captured == 0


def test_lower_is_better_turns_the_oracle_around():
    found = selector_regret("sharp", candidates([(1, 1), (2, 2), (3, 6)]), higher_is_better=False)
    assert (found.random, found.chosen, found.oracle) == (3.0, 6.0, 1.0)
    assert found.captured == pytest.approx(-1.5)


def test_acceptance_is_an_outcome():
    made = [Attempt((), "a", "candidate", i, searched=float(i), accepted=float(i == 2)) for i in range(3)]
    found = selector_regret(ACCEPTANCE, made)
    assert (found.random, found.chosen, found.oracle) == (pytest.approx(1 / 3), 1.0, 1.0)


def test_unknown_values_and_lone_candidates_are_left_out():
    lone, unscored = candidates([(1, 100)], "b"), Attempt((), "a", "candidate", 9, searched=9.0, scores={"sharp": None})
    found = selector_regret("sharp", [*candidates([(1, 1), (2, 2)]), *lone, unscored])
    assert (found.candidates, found.prompts, found.chosen) == (2, 1, 2.0)
    assert selector_regret("sharp", lone) is None
    assert selector_regret("other", candidates([(1, 1), (2, 2)])) is None


def test_no_room_above_random_captures_no_share():
    assert selector_regret("sharp", candidates([(1, 3), (2, 3)])).captured is None


def test_previews_are_averaged_by_prompt():
    rhos = {("a", 0): 0.2, ("a", 1): 0.4, ("b", 0): 0.9, ("c", 0): None, ("c", 1): float("nan")}
    found = preview_value("scaling_noise@144", "8", rhos)
    assert (found.rho.value, found.videos) == (pytest.approx(0.6), 3)
    assert found.rho.low < 0.6 < found.rho.high


def test_no_previews_say_why():
    found = preview_value("plain", "8", {})
    assert (found.rho.value, found.rho.low, found.videos) == (None, None, 0)
    assert "no interval" in found.rho.why


def difference(mean, *, n=30, seed=0, **more):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, n)
    side = {(f"p{i}", 0): mean + float(value) for i, value in enumerate(noise - noise.mean())}
    return paired_difference(side, dict.fromkeys(side, 0.0), resamples=500, **more)


def test_alarm_where_the_reward_rises_and_a_judge_falls():
    found = hacking(difference(2.0), {"motion": difference(-1.0), "sharp": difference(0.5)})
    assert found.alarm
    assert found.judges["motion"] < 0 < found.judges["sharp"]
    assert found.searched_gain == pytest.approx(2.0, abs=0.5)
    assert "motion" in found.words
    assert "sharp" not in found.words


@pytest.mark.parametrize(
    ("searched", "judge", "words"),
    [
        (2.0, 0.0, "none of 1 judges outside of the search fell clearly"),
        (2.0, 1.0, "none of 1 judges outside of the search fell clearly"),
        (0.0, -1.0, "did not rise clearly"),
        (-2.0, -1.0, "did not rise clearly"),
    ],
)
def test_no_alarm_elsewhere(searched, judge, words):
    found = hacking(difference(searched), {"motion": difference(judge, seed=1)})
    assert not found.alarm
    assert words in found.words


def test_lower_is_better_is_turned():
    flicker = {"flicker": difference(1.0)}
    assert hacking(difference(2.0), flicker, lower_is_better=["flicker"]).alarm
    assert not hacking(difference(2.0), flicker).alarm


@pytest.mark.parametrize(
    ("searched", "judges", "words"),
    [
        (None, {"motion": difference(-1.0)}, "the searched reward of both arms is not known"),
        (difference(1.0), {}, "no judge outside of the search"),
        (difference(1.0, n=1), {"motion": difference(-1.0)}, "the searched reward of both arms is not known"),
    ],
)
def test_what_cannot_be_told_is_no_alarm_and_says_so(searched, judges, words):
    found = hacking(searched, judges)
    assert not found.alarm
    assert words in found.words


def test_a_judge_that_falls_by_the_same_on_every_prompt_fell():
    """No spread, so no standardised gain; the fall is as clear as can be."""
    side = {(f"p{i}", 0): -1.0 for i in range(10)}
    found = hacking(difference(2.0), {"motion": paired_difference(side, dict.fromkeys(side, 0.0))})
    assert found.alarm
