"""A search that never leaves the plain noise is the plain sampler; what should not matter does not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import Foresight, Linear, NearAnchor, Unscored, chunks, made, run

from sn_eval import proposals, search
from sn_eval.interfaces import State
from sn_eval.models.gaussian import GaussianModel
from sn_eval.search.candidates import propose
from sn_eval.search.noise_search import NoiseSearch

PLAIN = search.create("plain")


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("preview", ["early", "coarse"])
@pytest.mark.parametrize("stages", [((1, 1),), ((3, 1),), ((2, 1), (6, 1))])
def test_one_beam_and_one_candidate_is_plain(preview, stages, eta):
    rollout = chunks(preview=preview, eta=eta)
    searched = run(NoiseSearch(1, stages), rollout, seed=5)
    assert torch.equal(searched.frames, run(PLAIN, rollout, seed=5).frames)


@pytest.mark.parametrize("name", ["best_of_n", "random_pick"])
def test_one_whole_video_is_plain(name):
    assert torch.equal(run(search.create(name, videos=1), chunks()).frames, run(PLAIN, chunks()).frames)


def test_a_reward_that_never_scores_leaves_the_plain_video():
    method = NoiseSearch(4, ((2, 2),))
    got = run(method, chunks(), Unscored(), seed=2)
    assert (got.frames.int() - run(PLAIN, chunks(), seed=2).frames.int()).abs().max() <= 1
    assert got.generated.winner == 0
    assert all("nothing was scored" in row["note"] for row in got.rows if row["kind"] == "preview")


@pytest.mark.parametrize("name", search.names())
def test_the_same_seed_twice_is_the_same_video_and_trace(name):
    rollout = chunks(eta=1.0)
    first, second = (run(made(name), rollout, NearAnchor(), seed=9) for _ in range(2))
    assert torch.equal(first.frames, second.frames)
    assert repr(first.rows) == repr(second.rows)
    assert not torch.equal(first.frames, run(made(name), rollout, NearAnchor(), seed=10).frames)


@given(depth=st.integers(0, 50), key=st.integers(0, 2**63 - 1), few=st.integers(1, 5), more=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_candidate_sets_are_nested(depth, key, few, more):
    last = torch.zeros(2, 1, 2, 2)
    state = State(3, ("p",), None, key=key, depth=depth, noise=last, clean=last + 1)
    kinds = [proposals.create(name) for name in proposals.names()]
    kinds = [kind for kind in kinds if not kind.adaptive]
    small = propose(state, few, (2, 1, 2, 2), kinds)
    large = propose(state, few + more, (2, 1, 2, 2), kinds)
    assert all(torch.equal(a.noise, b.noise) and a.key == b.key for a, b in zip(small, large, strict=False))


def test_plain_noise_is_candidate_0_whatever_the_knobs():
    plain = [r["key"] for r in run(PLAIN, chunks()).rows]
    wide = run(NoiseSearch(5, ((2, 3),), proposals=[proposals.create("local")]), chunks())
    firsts = [r for r in wide.rows if r["kind"] == "preview" and r["step"] == 0 and r["candidate"] == 0]
    assert plain == ["0" * 16] * 3
    assert [r["key"] for r in firsts] == ["0" * 16]


class Shuffled(type(chunks())):
    """A rollout that hands everything back in another order: a batch is a set."""

    def expand(self, candidates):
        return super().expand(candidates)[::-1]

    def refine(self, branches, look, decode=True):
        half = len(branches) // 2
        return super().refine([*branches[half:], *branches[:half]], look, decode)

    def commit(self, branches):
        return super().commit(list(branches)[::-1])


@pytest.mark.parametrize(
    "knobs",
    [
        *({"select": select, "epsilon": 0.5} for select in ("top", "epsilon", "resample")),
        {"generations": 2},
        {"stages": ((2, 3), (4, 3)), "branch": 2},
        {"predictor": Foresight(1)},
        {"trigger": "latents", "drop": -0.01},
    ],
    ids=str,
)
def test_candidate_and_beam_order_are_irrelevant(knobs):
    method = NoiseSearch(4, **{"stages": ((2, 3),), **knobs})
    model = GaussianModel(size=4, frames_per_chunk=3)
    straight = run(method, chunks(model, eta=0.5), NearAnchor(), seed=1)
    shuffled = run(method, Shuffled(model, 6, 3, eta=0.5), NearAnchor(), seed=1)
    assert (straight.frames.int() - shuffled.frames.int()).abs().max() <= 1
    finals = [sorted(r["key"] for r in got.rows if r["kind"] == "final") for got in (straight, shuffled)]
    assert finals[0] == finals[1]
    assert straight.generated.score == pytest.approx(shuffled.generated.score, abs=1e-4)


def test_max_batch_changes_nothing_but_bits():
    method = search.create("scaling_noise", look=2)
    whole, split = run(method, chunks()), run(method, chunks(max_batch=3))
    assert (whole.frames.int() - split.frames.int()).abs().max() <= 1
    assert whole.generated.score == pytest.approx(split.generated.score, abs=1e-4)


def test_knobs_of_one_method_change_nothing_elsewhere():
    before = run(PLAIN, chunks(), seed=4).frames
    run(NoiseSearch(7, ((2, 3),)), chunks(), seed=4)
    torch.manual_seed(123)
    assert torch.equal(before, run(PLAIN, chunks(), seed=4).frames)


def test_a_prompt_for_each_chunk_reaches_its_chunk():
    reward = Linear()
    run(NoiseSearch(2, ((2, 1),)), chunks(), reward, prompts=["one", "two"])
    asked = [set(call["prompts"]) for call in reward.calls]
    assert asked == [{"one"}, {"one"}, {"two"}, {"two"}, {"two"}, {"two"}]


@pytest.mark.parametrize("preview", ["early", "coarse"])
def test_one_of_the_videos_is_the_one_that_best_of_n_makes(preview):
    rollout = chunks(preview=preview)
    alone = [run(search.create("one_of", video=i, look=2), rollout, NearAnchor(), seed=4) for i in range(3)]
    together = run(search.create("best_of_n", videos=3), rollout, NearAnchor(), seed=4)
    scores = [each.generated.score for each in alone]
    assert len(set(scores)) == 3
    best = max(range(3), key=lambda i: scores[i])
    assert (alone[best].frames.int() - together.frames.int()).abs().max() <= 1
    assert together.generated.score == pytest.approx(scores[best], abs=1e-5)
    assert torch.equal(alone[0].frames, run(PLAIN, rollout, seed=4).frames)
