"""Two evaluations are paired by name, only like is compared with like, and only what is resolved is called better."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn_eval.decision.pairing import pair
from sn_eval.decision.statistics import holm, paired_difference
from sn_eval.results.evaluation import Evaluation, Measure, VideoResult
from sn_eval.results.files import ResultsError


def measure(key="sharpness", **changes):
    fields = {"key": key, "name": key, "mode": "fixed", "higher_is_better": True, "low": 0.0, "high": 1.0,
              "families": ("pixels",), "encoder_sha256": "ab" * 32}  # fmt: skip
    return Measure(**(fields | changes))


def evaluation(values, *, prompts=None, measures=None, folder="a", **changes):
    """values: name → value, or name → {measure: value}."""
    rows = {name: told if isinstance(told, dict) else {"sharpness": told} for name, told in values.items()}
    videos = [
        VideoResult(
            video=name, path=f"{folder}/{name}", prompt=(prompts or {}).get(name, ""), values=told,
            **({"frames": 8, "fps": 8.0, "width": 64, "height": 64} | changes),
        )
        for name, told in rows.items()
    ]  # fmt: skip
    return Evaluation(suite="mine", mode="fixed", measures=measures or (measure(),), videos=tuple(videos))


def numbered(values):
    return {f"v{n:02d}.mp4": float(value) for n, value in enumerate(values)}


def test_videos_pair_by_name_and_the_others_are_listed():
    found = pair(evaluation({"x": 0.1, "y": 0.2, "z": 0.3}), evaluation({"z": 0.5, "y": 0.2, "w": 0.9}, folder="b"))
    assert found.videos == ("y", "z")
    assert (found.only_a, found.only_b) == (("x",), ("w",))
    only = found.measures[0]
    assert (only.a, only.b, only.difference.mean) == pytest.approx((0.25, 0.35, 0.1))
    assert only.words == "not resolved: 2 prompts are too few"


def test_figures_are_those_of_paired_difference_over_prompts():
    """Two prompts with unequal numbers of videos weigh alike, in the means of A and B as well."""
    prompts = {"a1": "hill", "a2": "hill", "a3": "hill", "b1": "lake"}
    a, b = {"a1": 0.1, "a2": 0.2, "a3": 0.3, "b1": 0.5}, {"a1": 0.2, "a2": 0.4, "a3": 0.3, "b1": 0.4}
    only = pair(evaluation(a, prompts=prompts), evaluation(b, prompts=prompts)).measures[0]
    assert only.a == pytest.approx((0.2 + 0.5) / 2)
    assert only.b == pytest.approx((0.3 + 0.4) / 2)
    assert only.difference.per_prompt == pytest.approx({"hill": 0.1, "lake": -0.1})
    pairs = {"a1": ("hill", 0), "a2": ("hill", 1), "a3": ("hill", 2), "b1": ("lake", 0)}
    assert only.difference == paired_difference({pairs[k]: b[k] for k in b}, {pairs[k]: a[k] for k in a})
    assert only.difference.losing == ("lake",)


@pytest.mark.parametrize(("higher", "shift", "words"), [
    (True, 0.1, "B better"), (True, -0.1, "A better"), (False, 0.1, "A better"), (False, -0.1, "B better"),
    (True, 0.0, "not resolved"),
])  # fmt: skip
def test_who_is_better_follows_the_direction(higher, shift, words):
    rng = np.random.default_rng(1)
    base = rng.uniform(0.3, 0.6, 24)
    noise = rng.normal(0, 0.02, 24)
    noise -= noise.mean()
    known = (measure(higher_is_better=higher),)
    a, b = evaluation(numbered(base), measures=known), evaluation(numbered(base + shift + noise), measures=known)
    assert pair(a, b).measures[0].words == words


def test_losses_are_the_videos_on_which_b_is_worse_worst_first():
    a, b = {"x": 0.5, "y": 0.5, "z": 0.5, "w": 0.5}, {"x": 0.4, "y": 0.1, "z": 0.9, "w": 0.5}
    up = pair(evaluation(a), evaluation(b)).measures[0]
    assert [(loss.video, loss.by) for loss in up.losses] == [("y", pytest.approx(0.4)), ("x", pytest.approx(0.1))]
    known = (measure(higher_is_better=False),)
    down = pair(evaluation(a, measures=known), evaluation(b, measures=known)).measures[0]
    assert [(loss.video, loss.a, loss.b) for loss in down.losses] == [("z", 0.5, 0.9)]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mode": "reference"}, "mode differs: fixed in A, reference in B"),
        ({"encoder_sha256": "cd" * 32}, "encoder sha256 differs"),
        ({"version": 2}, "version differs: 1 in A, 2 in B"),
        ({"higher_is_better": False}, "higher is better differs"),
    ],
)
def test_unlike_measures_are_refused_with_the_reason_and_the_others_go_on(changes, told):
    values = {"x": {"sharpness": 0.1, "light": 0.3}, "y": {"sharpness": 0.2, "light": 0.4}}
    a = evaluation(values, measures=(measure(), measure("light")))
    b = evaluation(values, measures=(measure(**changes), measure("light")))
    found = pair(a, b)
    assert told in found.refused["sharpness"]
    assert [each.key for each in found.measures] == ["light"]


def test_measures_of_one_side_are_told():
    found = pair(evaluation({"x": 0.1}), evaluation({"x": {"light": 0.3}}, measures=(measure("light"),)))
    assert found.measures == ()
    assert found.refused == {"sharpness": "only A has it", "light": "only B has it"}


def test_nothing_paired_and_names_that_stand_twice_are_errors_in_one_line():
    with pytest.raises(
        ResultsError, match="none of x, y and 1 more is among w; give files of the same names"
    ) as caught:
        pair(evaluation({"x": 0.1, "y": 0.1, "z": 0.1}), evaluation({"w": 0.1}))
    assert "\n" not in str(caught.value)
    once, again = evaluation({"x": 0.1}), evaluation({"x": 0.2}, folder="other")
    twice = once.model_copy(update={"videos": once.videos + again.videos})
    for sides in ((twice, once), (once, twice)):
        with pytest.raises(ResultsError, match="'x' is the name of a/x and of other/x"):
            pair(*sides)


def test_unscored_videos_are_left_out_of_both_means():
    a, b = {"x": 0.1, "y": None, "z": 0.5}, {"x": 0.3, "y": 0.9, "z": math.nan}
    only = pair(evaluation(a), evaluation(b)).measures[0]
    assert (only.videos, only.a, only.b, only.difference.dropped) == (1, 0.1, 0.3, 2)
    assert only.words == "not resolved: one prompt says nothing of others"
    none = pair(evaluation({"x": None}), evaluation({"x": 0.5})).measures[0]
    assert none.a is none.b is none.p is none.difference.mean is None
    assert none.words == "no video is scored in both"


def test_p_values_are_corrected_for_the_number_of_measures():
    rng = np.random.default_rng(2)
    keys = [f"m{k}" for k in range(5)]
    sides = [{f"v{n}": {key: rng.normal() + 0.9 * side for key in keys} for n in range(12)} for side in (0, 1)]
    found = pair(*(evaluation(side, measures=tuple(map(measure, keys))) for side in sides)).measures
    assert [each.p for each in found] == holm([each.difference.p for each in found])
    raw = [each.key for each in found if each.difference.p <= 0.05]
    told = [each.key for each in found if each.words != "not resolved"]
    assert set(told) < set(raw)  # some were resolved only as long as nobody counted them


def test_what_makes_pairs_unlike_is_noted():
    a = evaluation({"x": 0.1, "y": 0.2}, prompts={"x": "a hill", "y": "a lake"})
    b = evaluation({"x": 0.1, "y": 0.2}, prompts={"x": "a hill", "y": "a sea"}, frames=16, width=128)
    found = pair(a, b.model_copy(update={"failed": {"b/z": "no frames"}}))
    assert len(found.notes) == 4
    assert "1 of 2 pairs have another prompt" in found.notes[0]
    assert "2 of 2 pairs differ in length" in found.notes[1]
    assert "1 videos of B could not be measured" in found.notes[3]
    assert pair(a, a).notes == ()


def test_totals_of_one_suite_are_paired_too():
    names = [f"v{i}" for i in range(12)]

    def with_totals(totals, **changes):
        found = evaluation(dict.fromkeys(names, 0.5))
        videos = [v.model_copy(update={"total": t}) for v, t in zip(found.videos, totals, strict=True)]
        return found.model_copy(update={"videos": tuple(videos), **changes})

    a, frozen = with_totals([0.8 + 0.01 * i for i in range(12)]), with_totals([0.0] * 12)
    found = pair(a, frozen).measures[-1]
    assert (found.key, found.words) == ("total", "A better")
    assert found.difference.mean == pytest.approx(-0.855)
    assert "total" not in [m.key for m in pair(a, frozen.model_copy(update={"suite": "other"})).measures]


def test_all_of_it_is_json():
    found = pair(evaluation({"x": 0.1, "y": None}), evaluation({"x": 0.3, "y": 0.9}))
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["measures"][0]["difference"]["mean"] == pytest.approx(0.2)


values = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 1).map(lambda x: round(x, 3)), min_size=1)


@given(values, values, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_changes_nothing_and_swapping_sides_swaps_the_verdict(a, b, rng):
    if not a.keys() & b.keys():
        return
    prompts = {name: "one" if name in "abc" else "" for name in "abcdefgh"}
    one = pair(evaluation(a, prompts=prompts), evaluation(b, prompts=prompts), resamples=300)
    mixed = dict(rng.sample(sorted(b.items()), len(b)))
    two = pair(evaluation(a, prompts=prompts), evaluation(mixed, prompts=prompts), resamples=300)
    assert one.measures == two.measures
    back = pair(evaluation(b, prompts=prompts), evaluation(a, prompts=prompts), resamples=300).measures[0]
    only = one.measures[0]
    assert back.difference.mean == pytest.approx(-only.difference.mean, abs=1e-12)
    swapped = {"A better": "B better", "B better": "A better"}
    assert back.words == swapped.get(only.words, only.words)
    assert not {loss.video for loss in back.losses} & {loss.video for loss in only.losses}
