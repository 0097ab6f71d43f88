"""Models that compress time on the queue: a latent a step, each beam's decoder goes on where that beam has left it."""

from functools import cached_property

import pytest
import torch
from causal import Causal
from searching import NearAnchor, run

from rewards.base import UserError
from sn_eval import search
from sn_eval.cost.meter import Meter
from sn_eval.interfaces import StatefulDecoder
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search.candidates import plain
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.video import to_uint8

STEPS, CHUNKS = 8, 3
SEARCH = NoiseSearch(3, ((3, 3),), select="epsilon", epsilon=0.5, lag=100)


class Kept(FifoRollout):
    """Remembers the latents that each beam has shown."""

    @cached_property
    def shown(self):
        return {}

    def commit(self, branches):
        finished = super().commit(branches)
        for done in finished:
            before = self.shown.get((*done.branch.candidate.parent.identity, done.state.depth - 1), ())
            now = () if done.frames is None else (done.state.clean,)
            self.shown[*done.state.identity, done.state.depth] = before + now
        return finished


def shown_and_whole(rollout, method, seed=1):
    """(the run, the frames of all the winner's latents decoded in one go)."""
    got = run(method, rollout, NearAnchor(), seed=seed)
    latents = torch.cat(rollout.shown[seed, got.generated.winner, rollout.pieces])
    begin = rollout.model.start("a red ball", None, seed)
    assert len(latents) == CHUNKS * rollout.model.latent_shape(rollout.model.frames_per_chunk)[0]
    return got, to_uint8(rollout.model.decode(latents[None], [begin])[0]).int()


@pytest.mark.parametrize("from_text", [False, True])
@pytest.mark.parametrize("method", [search.create("plain"), SEARCH], ids=["plain", "search"])
def test_frames_are_those_of_all_latents_decoded_at_once(from_text, method):
    rollout = Kept(Causal(from_text=from_text, rho=0.6), STEPS, CHUNKS)
    got, whole = shown_and_whole(rollout, method)
    assert len(got.frames) == rollout.frames == (45 if from_text else 48)
    assert (got.frames.int() - whole).abs().max() <= 1


def test_a_metered_model_keeps_its_decoder_and_its_count():
    with Meter("cpu") as meter:
        got, whole = shown_and_whole(Kept(meter.model(Causal(rho=0.6)), STEPS, CHUNKS), SEARCH)
        assert meter.nfe == got.generated.evaluations
    assert (got.frames.int() - whole).abs().max() <= 1


def test_there_is_no_seam_where_a_latent_ends():
    frames = shown_and_whole(Kept(Causal(rho=0.6), STEPS, CHUNKS), SEARCH)[0].frames.int()
    turns = (frames[1:] - frames[:-1])[3:].unflatten(0, (-1, 4)).float()
    assert (turns - turns.mean(1, keepdim=True)).abs().max() <= 1, "four equal parts of the way to each latent"


def test_a_beam_keeps_its_own_decoder():
    """Latents of another beam before it would show."""
    remembered = {}

    class Watching(Kept):
        def commit(self, branches):
            finished = super().commit(branches)
            for done in finished:
                if done.frames is not None:
                    assert torch.equal(done.state.inner.history.decoder, done.state.clean[-1])
                    remembered[done.state.depth, done.state.key] = done.state.clean
            return finished

    rollout = Watching(Causal(rho=0.6), STEPS, CHUNKS)
    run(SEARCH, rollout, NearAnchor(), seed=1)
    last = [clean for (depth, _), clean in remembered.items() if depth == rollout.pieces]
    assert len(last) == 3
    assert not torch.equal(last[0], last[1])


def test_a_head_that_beams_share_is_decoded_once():
    decoded = []

    class Counting(Causal):
        def decode_on(self, latents, histories):
            decoded.append(len(latents))
            return super().decode_on(latents, histories)

    rollout = FifoRollout(Counting(), STEPS, CHUNKS)
    run(NoiseSearch(2, ((2, 3),), lag=100), rollout, NearAnchor())
    emitted = [n for n in decoded if n <= 3]
    assert min(emitted) == 1 < max(emitted)


def test_prompts_chunks_and_anchors_are_counted_in_the_models_chunks():
    rollout = FifoRollout(Causal(), STEPS, CHUNKS)
    assert rollout.noise_shape() == (1, 3, 3, 3)
    assert rollout.pieces == CHUNKS * 4 + 3
    start = rollout.start(["p", "q", "r"], None, 1)
    assert start.fixed.shape == (1, 3, 3, 3)
    text = FifoRollout(Causal(from_text=True), STEPS, CHUNKS).start(["p"], None, 1)
    assert text.fixed.shape == (1, 3, 3, 3), "nothing was given: the base clip's first frame"
    state, prompts = start, []
    for _ in range(rollout.pieces - STEPS + 1):
        branches = rollout.expand([plain(state, rollout.noise_shape())])
        prompts += branches[0].cond.prompts
        state = rollout.commit(branches)[0].state
    assert prompts == ["q"] * 4 + ["r"] * 4


def test_a_decoder_that_cannot_go_on_is_refused():
    class Forgetful(GaussianModel):
        def latent_shape(self, frames):
            return super().latent_shape(frames // 4)

    forgetful = Forgetful(size=2, frames_per_chunk=16)
    assert not isinstance(forgetful, StatefulDecoder)
    with pytest.raises(UserError, match="compresses time.*chunk"):
        FifoRollout(forgetful, STEPS, CHUNKS)
