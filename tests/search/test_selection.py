"""Choosing branches, settling beams, and what is written when."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import Linear, NearAnchor, chunks, run

from rewards.base import UserError
from sn_eval import search
from sn_eval.interfaces import Branch, Candidate, Cond, Piece, State
from sn_eval.sampling import child
from sn_eval.search.ledger import leader, settle
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.search.selection import own_best, resample, top

NAN = math.nan
NOISE = torch.zeros(1, 1, 1, 1)
scores = st.lists(
    st.one_of(st.just(NAN), st.sampled_from([0.0, 0.5, 0.5, 1.0, -2.0])), min_size=4, max_size=4
)


def branches(values, parents=2):
    """Branches of `parents` beams in turn, with these scores."""
    beams = [State(0, ("p",), None, key=child(0, i)) for i in range(parents)]
    made = []
    for i, value in enumerate(values):
        parent, index = beams[i % parents], i // parents
        candidate = Candidate(parent, index, child(parent.key, index), NOISE, "plain")
        made.append(Branch(candidate, NOISE, Cond(("p",)), score=value))
    return made


def names(chosen):
    return [b.candidate.identity for b in chosen]


@given(scores, st.permutations(range(4)), st.integers(1, 4))
@settings(deadline=None)
def test_selection_depends_on_scores_and_lineage_only(values, order, keep):
    made = branches(values)
    mixed = [made[i] for i in order]
    for select in (top, own_best):
        assert names(select(made, keep)) == names(select(mixed, keep))
    assert names(resample(made, keep, 3.0)) == names(resample(mixed, keep, 3.0))


@given(scores)
@settings(deadline=None)
def test_the_best_are_kept_and_the_unscored_come_last(values):
    kept = [b.score for b in top(branches(values), 3)]
    numbers = sorted((v for v in values if not math.isnan(v)), reverse=True)
    assert [v for v in kept if not math.isnan(v)] == numbers[:3]
    assert sum(map(math.isnan, kept)) == max(0, 3 - len(numbers))


def test_every_beam_keeps_its_own_best():
    made = branches([9.0, 1.0, 8.0, 2.0])
    assert {b.candidate.parent.key for b in top(made, 2)} == {made[0].candidate.parent.key}
    assert [b.score for b in own_best(made, 2)] == [9.0, 2.0]
    assert [b.score for b in own_best(made, 3)] == [9.0, 2.0, 8.0]


def test_particles_are_copied_in_proportion_to_their_weight():
    values = [math.log(w) for w in (8.0, 4.0, 2.0, 2.0)]
    chosen = resample(branches(values), 16, 1.0, threshold=1.0)
    counts = [sum(b.score == v for b in chosen) for v in values[:2]]
    assert counts == [8, 4]
    assert len(set(names(chosen))) == 16, "copies have lineages of their own"
    assert all(b.candidate.parent.log_weight == 0.0 for b in chosen)


def test_particles_that_are_alike_are_not_resampled():
    made = branches([0.1, 0.0, 0.1, 0.0])
    chosen = resample(made, 4, 1.0)
    assert sorted(names(chosen)) == sorted(names(made))
    assert math.fsum(math.exp(b.candidate.parent.log_weight) for b in chosen) == pytest.approx(1.0)


def test_weights_neither_overflow_nor_need_scores():
    assert len(resample(branches([1e4, -1e4, NAN, 0.0]), 4, 1.0)) == 4
    assert len(resample(branches([NAN] * 4), 2, 1.0)) == 2


def beam(key, score, *pieces):
    frames = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    waiting = tuple(Piece(p, frames + p) for p in pieces)
    return State(0, ("p",), None, key=key, score_sum=score, scored=1, pieces=waiting)


def test_what_all_beams_share_is_written_at_once_and_no_more():
    out = []
    left = settle([beam(1, 0.5, 7, 8, 1), beam(2, 0.9, 7, 8, 2)], 8, out.append)
    assert [int(f[0, 0, 0, 0]) for f in out] == [7, 8]
    assert [len(b.pieces) for b in left] == [1, 1]


def test_beams_that_disagree_for_longer_than_the_lag_are_dropped():
    out = []
    left = settle([beam(1, 0.5, 3, 5, 1), beam(2, 0.9, 4, 6, 2)], 2, out.append)
    assert [b.key for b in left] == [2]
    assert [int(f[0, 0, 0, 0]) for f in out] == [4, 6, 2], "a single beam has nothing to wait for"


def test_the_leader_has_the_best_mean_and_ties_go_to_plain():
    assert leader([beam(5, 0.1), beam(9, 0.7), beam(3, NAN)]).key == 9
    assert leader([beam(5, 0.1), beam(0, 0.1)]).key == 0
    unscored = replace(beam(4, 0.0), scored=0)
    assert leader([unscored, beam(8, -5.0)]).key == 8


@pytest.mark.parametrize("lag", [1, 2, 100])
def test_a_lag_bounds_what_waits_and_the_video_is_the_winners(lag):
    waiting = []

    class Watched(type(chunks())):
        def expand(self, candidates):
            waiting.append(max(len(c.parent.pieces) for c in candidates))
            return super().expand(candidates)

    rollout = Watched(chunks().model, 4, 12)
    got = run(
        NoiseSearch(3, ((2, 3),), select="epsilon", epsilon=1.0, lag=lag), rollout, NearAnchor(), seed=3
    )
    assert max(waiting) <= lag
    assert len(got.frames) == rollout.frames
    assert waiting[-1] == (11 if lag == 100 else lag)


def test_a_reward_that_breaks_its_promise_is_named():
    class Infinite(Linear):
        def __call__(self, *args, **kwargs):
            got = super().__call__(*args, **kwargs)
            return replace(got, values=got.values * float("inf"))

    with pytest.raises(UserError, match="infinite"):
        run(search.create("scaling_noise"), chunks(), Infinite())
