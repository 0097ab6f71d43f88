"""Candidates tried in rounds: mutations keep the law of the noise, and rounds cost what one round costs."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from searching import Drafting, Linear, NearAnchor, chunks, counted, run

from rewards.base import UserError
from sn_eval import proposals
from sn_eval.interfaces import Branch, Cond, State
from sn_eval.models.gaussian import GaussianModel
from sn_eval.search.candidates import propose
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.search.rounds import mutants, rounds

WIDE = (4, 1, 50, 50)


def tried(state, scores, shape=WIDE):
    candidates = propose(state, len(scores), shape)
    return [Branch(c, c.noise, Cond(("p",)), score=s) for c, s in zip(candidates, scores, strict=True)]


@given(count=st.integers(1, 30), generations=st.integers(1, 8), alone=st.booleans())
@settings(deadline=None)
def test_rounds_hold_every_candidate_once_and_evenly(count, generations, alone):
    made = rounds(count, generations, alone=alone)
    assert [i for each in made for i in each.indices] == list(range(count))
    sizes = [sum(len(each.indices) for each in made if each.generation == g) for g in range(generations)]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    assert not alone or list(made[0].indices) == [0]


@pytest.mark.parametrize("mutation", [0.0, 0.3, 0.5, 1.0])
def test_a_mutation_is_standard_normal_and_as_near_as_it_says(mutation):
    state = State(3, ("p",), None, key=7)
    (parent,) = tried(state, [0.0])
    children = mutants(state, range(1, 4), [parent], WIDE, mutation)
    for child in children:
        values = child.noise.flatten().double()
        near = float(torch.corrcoef(torch.stack([values, parent.candidate.noise.flatten()]))[0, 1])
        assert near == pytest.approx(math.sqrt(1 - mutation**2), abs=0.03)
        assert kstest(values.numpy(), "norm").pvalue > 1e-3
    assert {c.proposal for c in children} == {"mutation"}
    assert len({c.key for c in children}) == 3


def test_the_better_half_of_a_beams_own_is_mutated_in_turn():
    one, other = State(3, ("p",), None, key=7), State(3, ("p",), None, key=8)
    seen = [*tried(one, [0.1, 0.5, math.nan, 0.3]), *tried(other, [9.0, 9.0])]
    children = mutants(one, range(4, 7), seen, WIDE, 0.0)
    for child, best in zip(children, (1, 3, 1), strict=True):
        assert torch.equal(child.noise, seen[best].candidate.noise)


@pytest.mark.parametrize("preview", ["early", "coarse", "ahead", "draft"])
def test_rounds_cost_what_one_round_costs(preview):
    spent = []
    for generations in (1, 3):
        model = Drafting(size=2)
        count = counted(model)
        method = NoiseSearch(7, ((2, 2),), generations=generations)
        got = run(method, chunks(model, 5, 3, preview=preview))
        assert count() == got.generated.evaluations == method.evaluations(chunks(model, 5, 3, preview=preview))
        spent.append(count())
    assert spent[0] == spent[1]


def test_fresh_mutations_are_the_independent_candidates():
    """With β = 1 nothing of the parent is left: the search is the one without generations."""
    once, thrice = (
        run(NoiseSearch(6, ((3, 2),), generations=g, mutation=1.0), chunks(), NearAnchor(), seed=5) for g in (1, 3)
    )
    assert (once.frames.int() - thrice.frames.int()).abs().max() <= 1
    assert once.generated.winner == thrice.generated.winner
    names = [[(r["kind"], r["step"], r["key"]) for r in got.rows] for got in (once, thrice)]
    assert sorted(names[0]) == sorted(names[1])


def test_later_generations_gather_around_what_scored():
    """On a reward that is linear in the noise children of the best score higher than strangers, on average."""
    model = GaussianModel(size=2, frames_per_chunk=2)
    rows = [
        row
        for seed in range(12)
        for row in run(NoiseSearch(12, ((4, 1),), generations=3, mutation=0.4), chunks(model, 5, 1), seed=seed).rows
        if row["kind"] == "preview"
    ]
    means = [
        sum(scores) / len(scores)
        for g in range(3)
        if (scores := [r["score"] for r in rows if r["candidate"] // 4 == g])
    ]
    assert means[0] < means[1] < means[2]
    assert {r["proposal"] for r in rows} == {"plain", "gaussian", "mutation"}


def test_what_cannot_be_is_one_line():
    for wrong in ({"generations": 0}, {"generations": 5}, {"mutation": -0.1}, {"mutation": 1.5}):
        with pytest.raises(UserError, match=r"must lie in"):
            NoiseSearch(**wrong)


def test_a_model_that_only_seeds_its_own_noise_takes_independent_noise_only():
    model = Drafting(size=2)
    model.noise_control = "generator"
    for near in ({"generations": 2}, {"proposals": [proposals.create("local")]}):
        with pytest.raises(UserError, match="generator"):
            run(NoiseSearch(4, **near), chunks(model))
    run(NoiseSearch(2, ((2, 1),), proposals=[proposals.create("gaussian")]), chunks(model, 3, 1))


def test_few_candidates_are_fewer_generations():
    rollout = chunks(GaussianModel(size=2), 6, 4)
    small = NoiseSearch(8, ((3, 1),), generations=4).sized(24, rollout)
    assert small.generations == 1
    assert len(run(small, rollout, Linear()).frames) == rollout.frames
    assert replace(small, candidates=2, generations=2).evaluations(rollout) == 4 * (6 + 3)
