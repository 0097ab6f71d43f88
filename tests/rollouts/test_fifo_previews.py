"""What a look at the tail window is, of each kind: made again here by hand; what it costs; what it leaves behind."""

from itertools import pairwise

import pytest
import torch
from causal import Causal, Drafted
from searching import run

from rewards.base import UserError
from sn_eval import search
from sn_eval.interfaces import Candidate, History
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.sampling import child, normal, step
from sn_eval.search.noise_search import NoiseSearch

STEPS, SIZE = 8, 4
KINDS = ["early", "coarse", "ahead", "draft"]


def make(preview, model=None, **options):
    return FifoRollout(model or Drafted(size=2, frames_per_chunk=SIZE), STEPS, 2, preview, **options)


def branches_of(rollout, count=2, seed=1):
    start = rollout.start(["p"], None, seed)
    shape = rollout.noise_shape()
    noises = [normal(shape, "push", i) for i in range(count)]
    return rollout.expand([Candidate(start, i, child(0, i), noise, "gaussian") for i, noise in enumerate(noises)])


def levels_of(kind, look, ahead=2):
    """The levels that a tail window goes through, ends included."""
    top = torch.arange(STEPS - SIZE + 1, STEPS + 1)
    if kind in ("coarse", "draft"):
        return [(top * (look - turn) / look).round().long() for turn in range(look + 1)]
    path = [(top - turn).clamp(min=0) for turn in range(look + 1)]
    jumps = min(ahead, STEPS - look) if kind == "ahead" else 0
    return path + [(path[-1] * (jumps - jump) / jumps).round().long() for jump in range(1, jumps + 1)]


def by_hand(model, x, path):
    """(the last estimate of x0, what the window is after its first step) along these levels."""
    schedule, cond, first = model.schedule(STEPS), model.condition(["p"], [History()]), None
    clean = x
    for now, then in pairwise(path):
        x0 = model.denoise(x[None], schedule.times[now][None], cond)
        clean = torch.where(now[:, None, None, None] > 0, x0[0], x)
        here, there = ([v[level][None] for v in (schedule.signal, schedule.noise)] for level in (now, then))
        x = step(x[None], x0, here, there)[0]
        first = x if first is None else first
    return clean, first


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("look", [1, 3, STEPS])
def test_a_look_is_the_tail_window_taken_on_by_hand(kind, look):
    """What is thrown away is deterministic, however stochastic the sampler."""
    rollout = make(kind, eta=1.0 if kind in ("coarse", "draft") else 0.0)
    branches = branches_of(rollout)
    for before, after in zip(branches, rollout.refine(branches, look), strict=True):
        clean, first = by_hand(rollout.model, before.x.pushed, levels_of(kind, look))
        assert torch.allclose(after.clean, clean, atol=1e-5)
        assert torch.allclose(after.preview, rollout.model.decode(clean[None], [History()])[0], atol=1e-5)
        if kind in ("early", "ahead"):
            assert torch.allclose(after.x.stepped, first, atol=1e-5)
        else:
            assert after.x is before.x, "thrown away"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_looks_in_stages_are_one_long_look_and_cost_what_is_said(kind, eta):
    rollout = make(kind, eta=eta)
    branches = branches_of(rollout, 3)
    spent = rollout.model.evaluated
    spent.clear()
    seen, staged = 0, branches
    for look in (2, 4, STEPS):
        staged = rollout.refine(staged, look)
        assert sum(n for n, _ in spent) == rollout.preview_evaluations(0, 3, seen, look)
        assert {draft for _, draft in spent} <= {kind == "draft"}
        spent.clear()
        seen = look
    once = rollout.refine(branches, STEPS)
    for a, b in zip(staged, once, strict=True):
        assert torch.allclose(a.preview, b.preview, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_without_decoding_only_the_latents_are_given(kind):
    class Closed(Drafted):
        def decode(self, latents, histories):
            raise AssertionError

    with pytest.raises(AssertionError):
        make(kind, Closed(size=2, frames_per_chunk=SIZE)).refine(branches_of(make(kind)), 2)
    closed = make(kind)
    branches = branches_of(closed)
    closed.model.decode = Closed.decode.__get__(closed.model)
    blind = closed.refine(branches, 3, decode=False)
    assert all(b.preview is None for b in blind)
    wanted = make(kind).refine(branches_of(make(kind)), 3)
    assert all(torch.equal(a.clean, b.clean) for a, b in zip(blind, wanted, strict=True))


@pytest.mark.parametrize("kind", ["early", "ahead"])
def test_the_same_look_once_more_with_frames_is_free(kind):
    rollout = make(kind)
    blind = rollout.refine(branches_of(rollout), 3, decode=False)
    rollout.model.evaluated.clear()
    seen = rollout.refine(blind, 3)
    assert rollout.model.evaluated == []
    assert rollout.preview_evaluations(0, 2, 3, 3) == 0
    wanted = make(kind).refine(branches_of(make(kind)), 3)
    assert all(torch.equal(a.preview, b.preview) for a, b in zip(seen, wanted, strict=True))


@pytest.mark.parametrize(("eta", "lookahead"), [(0.0, False), (1.0, True)])
def test_the_video_does_not_depend_on_the_kind_of_look(eta, lookahead):
    """One beam, one candidate: whatever is looked at, what is made is the plain video."""
    plain = run(search.create("plain"), make("early", eta=eta, lookahead=lookahead), seed=2).frames.int()
    assert plain.float().std() > 0
    for kind in KINDS:
        rollout = make(kind, eta=eta, lookahead=lookahead)
        got = run(NoiseSearch(1, ((2, 1), (5, 1))), rollout, seed=2).frames.int()
        assert (got - plain).abs().max() <= 1


def test_a_tail_window_of_a_model_that_compresses_time_is_decoded_as_a_stretch_of_its_own():
    rollout = FifoRollout(Causal(), STEPS, 3)
    seen = rollout.refine(branches_of(rollout), 3)
    assert [len(b.preview) for b in seen] == [13, 13], "one frame, then four a latent"


def test_a_look_that_is_none_is_refused():
    for look in (0, STEPS + 1):
        with pytest.raises(UserError, match=f"look is {look}"):
            make("early").refine(branches_of(make("early")), look)
    with pytest.raises(UserError, match="look is 2; it must lie in 3"):
        make("early").refine(make("early").refine(branches_of(make("early")), 3), 2)
    with pytest.raises(UserError, match="coarse"):
        make("draft", GaussianModel(size=2, frames_per_chunk=SIZE))
