"""What a method spends is what the formula says, and a budget is met from below."""

from dataclasses import replace

import pytest
from searching import Drafting, Linear, chunks, counted, made, run

from rewards.base import UserError
from sn_eval import search
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search.budget import fit_candidates
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.search.whole_video import one_video


def formula(beams, candidates, look, steps, pieces, preview, guided):
    """p·k·look + min(m, p·k)·(T−look) early, … + min(m, p·k)·T coarse; p = 1, then the beams there are."""
    total, parents = 0, 1
    for _ in range(pieces):
        kept = min(beams, parents * candidates)
        total += parents * candidates * look + kept * (steps - look if preview == "early" else steps)
        parents = kept
    return total * (2 if guided else 1)


@pytest.mark.parametrize("preview", ["early", "coarse"])
@pytest.mark.parametrize("guidance", [1.0, 2.5])
@pytest.mark.parametrize(
    ("beams", "candidates", "look", "steps", "pieces"),
    [(1, 1, 1, 4, 2), (2, 4, 2, 4, 3), (3, 2, 3, 5, 4), (4, 1, 1, 3, 3), (1, 5, 4, 4, 2), (5, 2, 2, 6, 1)],
)
def test_denoiser_evaluations_are_the_formula(beams, candidates, look, steps, pieces, preview, guidance):
    model = GaussianModel(size=2, frames_per_chunk=2, guidance=guidance)
    count = counted(model)
    rollout = chunks(model, steps, pieces, preview=preview)
    method = NoiseSearch(candidates, ((look, beams),))
    got = run(method, rollout)
    wanted = formula(beams, candidates, look, steps, pieces, preview, guidance != 1.0)
    assert count() == wanted == method.evaluations(rollout) == got.generated.evaluations
    assert got.rows[-1]["nfe"] == wanted


@pytest.mark.parametrize("preview", ["early", "coarse", "ahead", "draft"])
@pytest.mark.parametrize("name", search.names())
def test_every_method_spends_what_it_says(name, preview):
    model = Drafting(size=2, frames_per_chunk=2)
    count = counted(model)
    rollout = chunks(model, 6, 3, preview=preview, eta=0.5)
    method = made(name)
    got = run(method, rollout)
    assert count() == got.generated.evaluations
    assert got.generated.evaluations <= method.evaluations(rollout)
    if name != "search_on_anomaly":
        assert got.generated.evaluations == method.evaluations(rollout)


@pytest.mark.parametrize("lookahead", [True, False])
def test_more_steps_of_a_queue_are_the_most_that_fit(lookahead):
    rollout = FifoRollout(GaussianModel(size=2, frames_per_chunk=4), 8, 3, lookahead=lookahead)
    method = made("plain_more_steps")
    cost = {steps: one_video(rollout.with_steps(steps)) for steps in range(4, 25, 4)}
    for steps in range(4, 24, 4):
        assert [method.sized(cost[steps + 4 * more] - more, rollout).steps for more in (0, 1)] == [steps] * 2
    with pytest.raises(UserError, match=f"the minimum is {cost[4]}"):
        method.sized(cost[4] - 1, rollout)


def test_a_quiet_video_is_not_searched():
    rollout = chunks(steps=6, chunks=5)
    quiet = run(search.create("search_on_anomaly", drop=100.0), rollout).generated
    jumpy = run(search.create("search_on_anomaly", drop=-100.0), rollout).generated
    assert quiet.evaluations == 5 * 6 + 3 * 4  # only the first chunk, which has nothing to compare with
    assert jumpy.evaluations == 5 * (4 * 4 + 2)


@pytest.mark.parametrize("preview", ["early", "coarse"])
@pytest.mark.parametrize("beams", [1, 2, 3])
@pytest.mark.parametrize("videos", [3, 4, 8])
@pytest.mark.parametrize("pieces", [4, 6, 12])
def test_the_search_is_sized_within_3_percent_under_a_budget(preview, beams, videos, pieces):
    rollout = chunks(GaussianModel(size=2, guidance=2.0), 8, pieces, preview=preview)
    budget = videos * 2 * 8 * pieces
    look = 4 if preview == "early" else 3
    spent = search.create("scaling_noise", beams=beams, look=look).sized(budget, rollout).evaluations(rollout)
    unit = 2 * look / budget  # one candidate more where a beam is alone: what whole numbers allow
    assert 1 - max(0.03, unit) <= spent / budget <= 1


@pytest.mark.parametrize("name", search.names())
@pytest.mark.parametrize("videos", [1, 1.1, 4, 20])
def test_every_method_stays_under_its_budget(name, videos):
    """Down to what one video of its kind needs: drafts and jumps ahead come on top of the video itself."""
    rollout = chunks(Drafting(size=2), 6, 4, eta=0.5)
    budget = int(videos * {"cached_drafts": 24 + 16, "dlbs": 56}.get(name, 24))
    assert made(name).sized(budget, rollout).evaluations(rollout) <= budget


@pytest.mark.parametrize("name", ["best_of_n", "random_pick"])
def test_whole_videos_spend_the_budget_in_videos(name):
    rollout = chunks(steps=6, chunks=4)
    assert search.create(name).sized(24 * 5 + 3, rollout).videos == 5


def test_plain_can_spend_a_budget_on_steps():
    model = GaussianModel(size=2)
    count = counted(model)
    method = search.create("plain_more_steps").sized(100, chunks(model, 6, 4))
    run(method, chunks(model, 6, 4))
    assert method.steps == 25
    assert count() == 100
    assert search.create("plain").sized(100, chunks(model, 6, 4)).evaluations(chunks(model, 6, 4)) == 24


@pytest.mark.parametrize("name", ["plain", "best_of_n", "random_pick", "scaling_noise", "halving"])
def test_a_budget_too_small_names_the_minimum(name):
    with pytest.raises(UserError, match="minimum is 24"):
        search.create(name).sized(23, chunks(steps=6, chunks=4))


def test_what_is_left_is_spread_over_the_video():
    counts = fit_candidates(lambda ks: sum(ks), 8, 1, 8 * 3 + 4)
    assert sum(counts) == 28
    assert set(counts) == {3, 4}
    assert counts[:4] != (4, 4, 4, 4)


def test_a_long_video_is_sized_quickly():
    rollout = chunks(steps=8, chunks=600)
    method = search.create("scaling_noise").sized(3 * 4_800, rollout)
    assert 0.97 * 14_400 <= method.evaluations(rollout) <= 14_400


def test_previews_of_all_candidates_are_one_call_of_reward_and_network():
    model, reward = GaussianModel(size=2), Linear()
    calls = []
    model.denoiser.register_forward_pre_hook(lambda _, args: calls.append(len(args[0])))
    run(NoiseSearch(3, ((2, 2),)), chunks(model, 4, 3), reward)
    assert calls == [3, 3, 2, 2, 6, 6, 2, 2, 6, 6, 2, 2]
    assert [c["batch"] for c in reward.calls] == [3, 2, 6, 2, 6, 2]


def test_stages_that_cannot_be_are_refused():
    stages = [((0, 1),), ((2, 0),), ((3, 2), (2, 1)), ((1, 1), (2, 2)), ()]
    for wrong in [{"candidates": 0}, *({"stages": each} for each in stages)]:
        with pytest.raises(UserError):
            NoiseSearch(**wrong)
    with pytest.raises(UserError, match="1 … 6"):
        run(NoiseSearch(2, ((7, 1),)), chunks(steps=6))
    for empty in ([], [" "], ["a ball", ""]):
        with pytest.raises(UserError, match="prompt is empty"):
            run(search.create("plain"), chunks(), prompts=empty)
    with pytest.raises(UserError, match="eta"):
        run(search.create("smc"), chunks())
    with pytest.raises(UserError, match="chunks is 0"):
        replace(chunks(), chunks=0)
