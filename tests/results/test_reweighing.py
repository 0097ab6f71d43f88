"""Stored candidates ranked anew: hand-written traces with known answers, laws, and the choices of real searches."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rewards
from rewards.composite import rank_among as composite_rank
from sn_eval import models
from sn_eval.poc.cell import Cell, run_cell
from sn_eval.results.recipes import rank_among
from sn_eval.results.record import Component
from sn_eval.results.reweighing import Candidates, choices_of, summarise
from sn_eval.results.trace import read_trace


def preview(step, candidate, parts, kept, *, score=None, parent="0", stage=0):
    known = [value for value in parts.values() if value is not None]
    score = sum(known) / len(known) if score is None and known else score
    return {"kind": "preview", "stage": stage, "look": 3, "step": step, "candidate": candidate, "parent": parent,
            "key": f"{step}{candidate}", "seed": 0, "score": score, "parts": parts, "kept": kept}  # fmt: skip


def final(step, key, score, parts=None, *, seed=0, parent="0"):
    return {"kind": "final", "step": step, "candidate": 0, "key": key, "parent": parent, "seed": seed, "score": score,
            "parts": parts or {}, "kept": True}  # fmt: skip


SEARCH = [  # a and b count alike; with a alone candidate 1 wins at step 0, and nothing changes at step 1
    preview(0, 0, {"a": 0.5, "b": 0.9, "a/inner": 0.1}, True, score=0.7),
    preview(0, 1, {"a": 0.8, "b": 0.2}, False),
    preview(0, 2, {"a": 0.1, "b": 0.1}, False),
    preview(1, 0, {"a": 0.9, "b": 0.9}, True),
    preview(1, 1, {"a": 0.3, "b": 0.5}, False),
]
VIDEOS = [  # the first video by both, the second by b
    final(0, "0", 0.6, {"a": 1.0, "b": 0.2}, seed=0), final(0, "0", 0.5, {"a": 0.1, "b": 0.9}, seed=7),
    final(1, "0", 0.6, {"a": 1.0, "b": 0.2}, seed=0), final(1, "0", 0.6, {"a": 0.3, "b": 0.9}, seed=7),
]  # fmt: skip


def outcomes(rows, weights=None, reward=None):
    return [outcome for _, outcome in Candidates({"cell": choices_of(rows)}, reward).outcomes(weights)]


def test_another_weight_keeps_another_candidate_where_it_should():
    first, second = outcomes(SEARCH, [1, 0])
    assert first.after == (0.5, 0.8, 0.1)
    assert (first.kept_before, first.kept_after) == ((0,), (1,))
    assert first.changed
    assert first.top_changed
    assert not second.changed
    assert second.tau == 1.0
    assert first.tau == pytest.approx(1 / 3)  # one of three pairs is turned
    told = summarise([first, second])
    assert (told.choices, told.changed, told.top_changed, told.share, told.as_stored) == (2, 1, 1, 0.5, 2)
    assert told.tau == pytest.approx(2 / 3)


def test_the_weights_are_found_again_from_the_scores():
    rows = [preview(0, i, {"a": a, "b": b}, i == 0, score=0.75 * a + 0.25 * b)
            for i, (a, b) in enumerate([(0.9, 0.1), (0.2, 0.8), (0.4, 0.3), (0.6, 0.7)])]  # fmt: skip
    recipe = Candidates({"c": choices_of(rows)}).recipe
    assert (recipe.parts, recipe.weights, recipe.how) == (("a", "b"), (0.75, 0.25), "found")


@pytest.mark.parametrize("missing", ["skip", "worst"])
def test_what_a_gap_means_is_found_again_too(missing):
    rng = np.random.default_rng(0)
    rows = []
    for i, (a, b) in enumerate(rng.random((8, 2))):
        gap = i % 3 == 0
        lost = {"skip": a, "worst": 0.6 * a}[missing]
        score = lost if gap else 0.6 * a + 0.4 * b
        rows.append(preview(0, i, {"a": a, "b": None if gap else b}, False, score=score))
    recipe = Candidates({"c": choices_of(rows)}).recipe
    assert recipe.how == "found"
    assert recipe.weights == pytest.approx((0.6, 0.4))
    assert recipe.scales[1].missing == missing


def test_a_score_that_is_no_mean_of_its_parts_is_said_to_be_none():
    rows = [preview(0, i, {"a": a, "b": b}, i == 0, score=a * b)
            for i, (a, b) in enumerate([(0.9, 0.9), (0.2, 0.8), (0.4, 0.3), (0.6, 0.1)])]  # fmt: skip
    found = Candidates({"c": choices_of(rows)})
    assert found.recipe.how == "unknown"
    assert found.recipe.weights == (0.5, 0.5)
    assert found.outcomes()[0][1].after == (0.81, 0.16, 0.12, 0.06)  # as it was: what is stored
    assert found.outcomes([1, 1])[0][1].after == (0.9, 0.5, 0.35, 0.35)  # other weights: a new reward from its parts


def test_normalisation_and_vetoes_of_a_declared_composite_stay():
    reward = {"use": "composite", "params": {"parts": [
        {"use": "x", "weight": 2, "mean": 0.5, "std": 0.1}, {"use": "y", "weight": 1, "floor": 0.3}]}}  # fmt: skip
    rows = [preview(0, 0, {"a": 0.6, "b": 0.5}, True, score=(2 * 1.0 + 0.5) / 3),
            preview(0, 1, {"a": 0.5, "b": 0.2}, False, score=0.2 / 3 - 6.0),  # vetoed: the width of the range is off
            preview(0, 2, {"a": 0.9, "b": 0.4}, False, score=(2 * 3.0 + 0.4) / 3)]  # clipped at 3  # fmt: skip
    found = Candidates({"c": choices_of(rows)}, reward)
    assert found.recipe.how == "declared"
    assert found.recipe.weights == pytest.approx((2 / 3, 1 / 3))
    [(_, outcome)] = found.outcomes([0, 1])
    assert outcome.after == pytest.approx((0.5, 0.2 - 6.0, 0.4))


def test_best_of_n_would_have_chosen_another_video():
    [outcome] = outcomes(VIDEOS, [0, 1])
    assert outcome.choice.of == "video"
    assert outcome.after == (0.2, 0.9)
    assert (outcome.kept_before, outcome.kept_after, outcome.changed) == ((0,), (1,), True)


def test_a_beam_is_judged_by_all_pieces_it_came_from():
    rows = [preview(0, 0, {"a": 1.0}, True), preview(0, 1, {"a": 1.0}, True),
            final(0, "1", 0.9, {"a": 0.9, "b": 0.0}), final(0, "2", 0.1, {"a": 0.1, "b": 0.8}),
            final(1, "3", 0.5, {"a": 0.5, "b": 0.0}, parent="1"),
            final(1, "4", 0.6, {"a": 0.6, "b": 0.8}, parent="2")]  # fmt: skip
    before, after = (next(o for o in outcomes(rows, w) if o.choice.of == "beam") for w in (None, [0, 1]))
    assert before.before == (0.7, 0.35)
    assert before.kept_before == (0,)
    assert after.kept_after == (1,)


def test_ties_and_gaps_rank_as_the_search_ranks_them():
    rows = [preview(0, 0, {"a": None}, False, score=None), preview(0, 2, {"a": 0.5}, False),
            preview(0, 1, {"a": 0.5}, True, parent="9"), preview(0, 1, {"a": 0.5}, True, parent="3")]  # fmt: skip
    [outcome] = outcomes(rows)
    assert outcome.kept_before == (3, 2)  # the lower candidate, then the lower parent; not scored is last


@pytest.mark.parametrize(
    "rows", [[], [{"kind": "preview"}], [{"kind": "final", "step": 0, "score": None, "parts": None}], [{"a": 1}],
             [preview(0, 0, {}, True, score=None), preview(0, 1, {}, False, score=None)]],
)  # fmt: skip
def test_nothing_to_choose_from_is_no_choice(rows):
    assert choices_of(rows) == []
    found = Candidates({"c": choices_of(rows)})
    assert found.outcomes() == []
    assert found.recipe.parts == ()
    assert summarise([]).share is None


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [math.nan, 1], [math.inf, 1]])
def test_nonsense_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        outcomes(SEARCH, weights)


def test_ranks_are_those_of_the_composite():
    values, reference = [-1.0, 0.0, 0.2, 0.5, 2.0, 9.0, math.nan], [0.0, 0.3, 1.0, 2.0, 2.0]
    wanted = composite_rank(torch.tensor(values, dtype=torch.float64), reference)
    assert rank_among(np.array(values), reference) == pytest.approx(wanted.numpy(), nan_ok=True)


# --- laws -------------------------------------------------------------------------------------------------

SHARES = st.floats(0.01, 1.0)


@given(st.lists(st.tuples(SHARES, SHARES, SHARES), min_size=2, max_size=8), st.tuples(SHARES, SHARES, SHARES),
       st.floats(0.01, 100.0))  # fmt: skip
def test_scaling_all_weights_changes_nothing(values, weights, factor):
    rows = [preview(0, i, dict(zip("abc", parts, strict=True)), i == 0) for i, parts in enumerate(values)]
    found = Candidates({"c": choices_of(rows)})
    assert found.outcomes(weights) == found.outcomes([factor * weight for weight in weights])


# --- searches that were run -------------------------------------------------------------------------------

PARTS = """
from rewards.base import reward

@reward(family="brightness")
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames.mean(dim=(2, 3, 4)).clamp(0, 1)

@reward(family="redness")
def red(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames[:, :, 0].std(dim=(2, 3)).clamp(0, 1)
"""


@pytest.fixture(params=["composite", "hidden"])
def reward(request, tmp_path):
    """A composite of two parts, as the record declares it or as a ready-made one that keeps its weights to itself."""
    (tmp_path / "own.py").write_text(PARTS)
    parts = [{"use": f"{tmp_path / 'own.py'}:bright", "weight": 3.0}, {"use": f"{tmp_path / 'own.py'}:red"}]
    made = rewards.create("composite", parts=parts)
    return made, Component(use="composite", params={"parts": parts} if request.param == "composite" else {})


@pytest.mark.parametrize(
    ("method", "knobs"),
    [("scaling_noise", {"beams": 2, "candidates": 4, "look": 2}), ("best_of_n", {"videos": 4}),
     ("halving", {"beams": 1, "candidates": 4, "looks": [1, 2]})],
)  # fmt: skip
def test_the_weights_as_they_were_reproduce_what_a_search_kept(tmp_path, reward, method, knobs):
    made, named = reward
    cell = Cell(("a hill",), Component(use="gaussian"), Component(use="chunk", params={"steps": 4, "chunks": 4}),
                Component(use=method, params=knobs), named)  # fmt: skip
    (tmp_path / "out").mkdir()
    record = run_cell(cell, tmp_path / "out", models.create("gaussian"), made).record
    choices = choices_of(read_trace(tmp_path / "out" / "trace.jsonl"))
    found = Candidates({"c": choices}, {"use": named.use, "params": json.loads(json.dumps(dict(named.params)))})
    assert found.recipe.weights == pytest.approx((0.75, 0.25), abs=2e-3)
    assert found.recipe.how == ("declared" if named.params else "found")
    assert len(choices) >= (1 if method == "best_of_n" else 4)
    for weights in (None, found.recipe.weights, [6.0, 2.0]):
        for _, outcome in found.outcomes(weights):
            assert not outcome.changed
            assert {i for i, o in enumerate(outcome.choice.options) if o.kept} == set(outcome.kept_before)
    last = choices[-1]
    if last.of == "beam":
        assert next(option.key for option in last.options if option.kept) == record.parameters["winner"]
    if last.of == "video":
        best = max(np.mean([score for score, _ in option.pieces]) for option in last.options)
        assert record.scores["searched:composite"] == pytest.approx(best)
