"""When a search is called for: by what the plain candidate scores, or by how like the beam's first piece it is."""

import pytest
import torch
from searching import NearAnchor, chunks, counted, run

from rewards.base import UserError
from sn_eval import search
from sn_eval.interfaces import Branch, Candidate, Cond, Finished, State
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search.anomaly import by_latents, likeness, watched
from sn_eval.search.noise_search import NoiseSearch

FIRST = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)


def turned(degrees):
    angle = torch.deg2rad(torch.tensor(float(degrees)))
    return torch.stack([angle.cos(), angle.sin()]).view(1, 1, 1, 2)


def looked(state, clean):
    return Branch(Candidate(state, 0, 0, FIRST, "plain"), FIRST, Cond(("p",)), clean=clean)


def accepted(state, clean, look):
    frames = torch.zeros(1, 3, 1, 1)
    grown = State(0, ("p",), None, clean=clean, watch=state.watch)
    return watched(grown, Finished(looked(state, look), grown, frames))


@pytest.mark.parametrize(("degrees", "cosine"), [(0, 1.0), (60, 0.5), (90, 0.0), (180, -1.0)])
def test_likeness_is_the_cosine(degrees, cosine):
    assert likeness(turned(degrees) * 3, FIRST[0]) == pytest.approx(cosine, abs=1e-6)


def test_a_beam_is_alarmed_where_it_falls_below_its_usual():
    state = State(0, ("p",), None)
    assert by_latents(looked(state, FIRST), 10.0), "the first piece has nothing to be held against"
    state = accepted(state, FIRST, turned(60))  # its own look was 0.5 like it
    state = accepted(state, turned(45), turned(0))  # and the next one 1.0: usual is 0.75
    assert state.watch.usual == pytest.approx(0.75)
    assert torch.equal(state.watch.reference, FIRST[0]), "the reference stays the first piece"
    at = {degrees: likeness(turned(degrees), FIRST[0]) for degrees in (50, 70)}
    assert not by_latents(looked(state, turned(50)), 0.75 - at[50] + 0.01)
    assert by_latents(looked(state, turned(50)), 0.75 - at[50] - 0.01)
    assert by_latents(looked(state, turned(70)), 0.3)


@pytest.mark.parametrize("make", [lambda m: chunks(m, 6, 5), lambda m: FifoRollout(m, 4, 3)])
@pytest.mark.parametrize("by", ["score", "latents"])
def test_candidates_that_are_not_needed_cost_nothing(make, by):
    model = GaussianModel(size=3, frames_per_chunk=2)
    count, rollout, spent = counted(model), make(model), {}
    for drop in (100.0, -100.0):
        before = count()
        got = run(search.create("search_on_anomaly", drop=drop, by=by), rollout, NearAnchor())
        spent[drop] = got.generated.evaluations
        assert count() - before == spent[drop]
    searched = NoiseSearch(4, ((4, 1),))
    assert spent[-100.0] == searched.evaluations(rollout)
    assert spent[100.0] < spent[-100.0]
    if rollout.name == "chunk":
        assert spent[100.0] == 5 * 6 + 3 * 4


def test_always_alarmed_is_always_searched():
    alarmed = run(search.create("search_on_anomaly", drop=-100.0, by="latents"), chunks(), NearAnchor(), seed=2)
    always = run(NoiseSearch(4, ((4, 1),)), chunks(), NearAnchor(), seed=2)
    assert (alarmed.frames.int() - always.frames.int()).abs().max() <= 1
    assert alarmed.generated.winner == always.generated.winner


def test_every_beam_is_held_against_its_own_beginning():
    references = {}

    class Watching(type(chunks())):
        def expand(self, candidates):
            for c in candidates:
                if c.parent.watch:
                    references.setdefault(c.parent.depth, {})[c.parent.identity] = c.parent.watch.reference
            return super().expand(candidates)

    method = NoiseSearch(3, ((3, 2),), "epsilon", epsilon=1.0, trigger="latents", drop=-9.0)
    run(method, Watching(GaussianModel(size=3), 4, 4), NearAnchor())
    one, other = references[1].values()
    assert not torch.equal(one, other)
    for depth in (2, 3):
        assert {float(r.sum()) for r in references[depth].values()} <= {float(one.sum()), float(other.sum())}


def test_one_look_decides():
    with pytest.raises(UserError, match="trigger is 'latents' with 2 stages; it takes one"):
        NoiseSearch(4, ((2, 2), (4, 1)), trigger="latents")
