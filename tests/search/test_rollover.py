"""What is saved is spent later, evenly, and a budget is never passed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import Linear, NearAnchor, chunks, run

from rewards.base import UserError
from sn_eval import search
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.search.rollover import MOST, Rollover

MODEL = GaussianModel(size=2, frames_per_chunk=2, rho=0.7)


def fifo():
    return FifoRollout(MODEL, 4, 3)


def chunk():
    return chunks(MODEL, 4, 6)


def plain_cost(depth, beams, count):
    return beams * count, beams


def spent_over(pieces, planned, budget, real):
    """(candidates, spent) of each step where a step costs real(depth, candidates)."""
    plan, spent, taken = Rollover(plain_cost, planned, pieces, budget), 0, []
    for depth in range(pieces):
        taken.append(plan.count(depth, 1, spent))
        spent += real(depth, taken[-1])
        assert spent + sum(planned(d) for d in range(depth + 1, pieces)) <= budget
    return taken, spent


def test_without_savings_it_is_the_plan():
    taken, spent = spent_over(40, lambda d: 4, 160, lambda d, k: k)
    assert taken == [4] * 40
    assert spent == 160


def test_savings_are_spread_over_all_that_is_left():
    taken, spent = spent_over(100, lambda d: 4, 400, lambda d, k: 1 if d < 50 else k)
    assert max(taken[:50]) <= 7
    assert set(taken[50:]) <= {6, 7, 8}
    assert spent >= 0.97 * 400


def test_no_step_takes_more_than_memory_is_planned_for():
    taken, _ = spent_over(50, lambda d: 3, 150, lambda d, k: 0)
    assert max(taken) == MOST * 3


def test_a_step_of_a_long_video_is_worked_out_once():
    calls = [0]

    def step(depth, beams, count):
        calls[0] += 1
        return plain_cost(depth, beams, count)

    plan, spent = Rollover(step, lambda d: 4, 10_000, 40_000), 0
    for depth in range(10_000):
        spent += min(3, plan.count(depth, 1, spent))
    assert calls[0] <= 10 * 10_000


@given(
    make=st.sampled_from([chunk, fifo]), beams=st.integers(1, 3), videos=st.floats(1.5, 6.0),
    trigger=st.sampled_from(["always", "anomaly"]), drop=st.floats(-0.02, 0.02), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=8, deadline=None)
def test_a_budget_is_never_passed(make, beams, videos, trigger, drop, seed):
    rollout = make()
    budget = int(videos * search.create("plain").evaluations(rollout))
    method = NoiseSearch(4, ((2, beams),), trigger=trigger, drop=drop, rollover=True).sized(budget, rollout)
    got = run(method, rollout, NearAnchor(), seed=seed)
    assert method.evaluations(rollout) == budget
    assert got.generated.evaluations <= budget
    if trigger == "always" and make is chunk:
        assert got.generated.evaluations >= 0.97 * budget - 2 * beams  # one candidate of a step


@pytest.mark.parametrize("videos", [2, 5])
def test_chunks_save_nothing_so_it_is_the_sized_search(videos):
    rollout = chunk()
    budget = videos * search.create("plain").evaluations(rollout)
    usual, rolling = (
        run(search.create("scaling_noise", look=2, rollover=r).sized(budget, rollout), rollout, NearAnchor())
        for r in (False, True)
    )
    assert torch.equal(usual.frames, rolling.frames)
    assert repr(usual.rows) == repr(rolling.rows)


def test_windows_that_beams_share_buy_more_candidates():
    rollout = fifo()
    budget = 6 * search.create("plain").evaluations(rollout)
    spent = []
    for rolling in (False, True):
        method = search.create("scaling_noise", beams=3, look=2, rollover=rolling).sized(budget, rollout)
        spent.append(run(method, rollout, NearAnchor(), seed=2).generated.evaluations)
    assert spent[0] < spent[1] <= budget


def test_a_quiet_beginning_pays_for_an_alarmed_end():
    class Falling(Linear):
        """The first four pieces are alike, later ones score far less."""

        def __call__(self, frames, prompts, **more):
            got = super().__call__(frames, prompts, **more)
            got.values[:] = 0.0 if len(self.calls) <= 8 else -float(len(self.calls))
            return got

    rollout = chunk()
    taken = {}
    for rolling in (False, True):
        method = search.create("search_on_anomaly", look=2, rollover=rolling).sized(72, rollout)
        rows = run(method, rollout, Falling()).rows
        taken[rolling] = [sum(r["kind"] == "preview" and r["step"] == step for r in rows) for step in range(6)]
    assert taken[True][:1] == taken[False][:1]
    assert taken[True][-1] > taken[False][-1] > 1


def test_a_budget_by_hand_that_is_too_small_is_refused():
    with pytest.raises(UserError, match="budget is 10 and the candidates may need"):
        run(NoiseSearch(4, ((2, 1),), rollover=True, budget=10), chunk())
    got = run(NoiseSearch(4, ((2, 1),), rollover=True), chunk())
    assert got.generated.evaluations == NoiseSearch(4, ((2, 1),)).evaluations(chunk())
