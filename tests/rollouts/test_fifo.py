"""The diagonal queue: one beam and one candidate is plain FIFO, written here once more by hand."""

import pytest
import torch
from searching import NearAnchor, counted, run

from rewards.base import UserError
from sn_eval import search
from sn_eval.interfaces import Candidate, History
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.sampling import normal, step
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.video import to_uint8


def fifo(model=None, steps=8, chunks=3, **options):
    return FifoRollout(model or GaussianModel(size=3, frames_per_chunk=4), steps, chunks, **options)


def by_hand(model, steps, frames, seed):
    """FIFO-Diffusion without lookahead: all windows of the whole queue, every step, nothing left out."""
    size, schedule = model.frames_per_chunk, model.schedule(steps)
    base = ChunkRollout(model, steps, 1)
    begin = base.start(["a red ball"], None, seed)
    noise = normal(base.noise_shape(), seed, "fifo-base")
    clip = base.commit(base.expand([Candidate(begin, 0, 0, noise, "plain")]))[0].state.clean
    levels = torch.arange(1, steps + 1)
    slots = torch.stack([clip[max(0, i - (steps - size - 1))] for i in range(steps - 1)])
    expand = lambda v: v[:, None, None, None]  # noqa: E731
    queue = expand(schedule.signal[levels[:-1]]) * slots
    queue = queue + expand(schedule.noise[levels[:-1]]) * normal(tuple(slots.shape), seed, "fifo-queue")
    cond, shown = model.condition(["a red ball"], [History()]), []
    for depth in range(frames + steps - 1 - size):
        queue = torch.cat([queue, normal((1, *queue.shape[1:]), seed, "a red ball", depth, 0)])
        for w in range(0, steps, size):
            now, then = levels[w : w + size][None], levels[w : w + size][None] - 1
            x = queue[None, w : w + size]
            x0 = model.denoise(x, schedule.times[now], cond)
            here, there = [(schedule.signal[level], schedule.noise[level]) for level in (now, then)]
            queue[w : w + size] = step(x, x0, here, there)[0]
        shown.append(queue[:1].clone())
        queue = queue[1:]
    return to_uint8(model.decode(torch.cat(shown[steps - 1 - size :])[None], [History()])[0])


@pytest.mark.parametrize("steps", [4, 8, 12])
def test_plain_is_fifo_by_hand(steps):
    model = GaussianModel(size=3, frames_per_chunk=4)
    got = run(search.create("plain"), fifo(model, steps, 3, lookahead=False), seed=3).frames
    wanted = by_hand(model, steps, 12, 3) if steps > 4 else None
    assert got.shape == (12, 3, 3, 3)
    if wanted is not None:
        assert (got.int() - wanted.int()).abs().max() <= 1


@pytest.mark.parametrize("lookahead", [True, False])
@pytest.mark.parametrize("preview", ["early", "coarse"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_one_beam_and_one_candidate_is_plain(lookahead, preview, eta):
    rollout = fifo(lookahead=lookahead, preview=preview, eta=eta)
    searched = run(NoiseSearch(1, ((3, 1),)), rollout, seed=2).frames
    assert (searched.int() - run(search.create("plain"), rollout, seed=2).frames.int()).abs().max() <= 1
    assert searched.shape[0] == rollout.frames == 12


@pytest.mark.parametrize("lookahead", [True, False])
@pytest.mark.parametrize("preview", ["early", "coarse"])
@pytest.mark.parametrize(("beams", "candidates", "look"), [(1, 1, 1), (1, 3, 2), (2, 3, 4), (3, 2, 1)])
def test_evaluations_are_counted_by_the_formula(lookahead, preview, beams, candidates, look):
    model = GaussianModel(size=2, frames_per_chunk=4, guidance=1.5)
    count = counted(model)
    rollout = fifo(model, lookahead=lookahead, preview=preview)
    method = NoiseSearch(candidates, ((look, beams),))
    spent = run(method, rollout).generated.evaluations
    assert count() == spent <= method.evaluations(rollout)
    if beams == 1:
        assert spent == method.evaluations(rollout)


@pytest.mark.parametrize("name", search.names())
def test_every_method_works_on_the_queue_without_knowing_it(name):
    rollout = fifo(eta=0.5)
    got = run(search.create(name), rollout, NearAnchor())
    assert got.frames.shape == (12, 3, 3, 3)
    assert got.frames.float().std() > 0


def test_nothing_is_searched_that_is_never_shown():
    rollout = fifo()
    rows = run(NoiseSearch(3, ((2, 2),)), rollout).rows
    searched = {row["step"] for row in rows if row["kind"] == "preview"}
    assert searched == set(range(rollout.pieces - rollout.steps + 1))
    assert max(row["step"] for row in rows) == rollout.pieces - 1


def test_a_change_of_a_frame_that_is_not_searched_changes_no_shown_frame():
    """The last noise that matters is shown, the first that does not is not."""

    class Bumped(FifoRollout):
        bump = -1

        def expand(self, candidates):
            moved = [
                Candidate(c.parent, c.index, c.key, c.noise + 3.0 * (c.parent.depth == self.bump), c.proposal)
                for c in candidates
            ]
            return super().expand(moved)

    model = GaussianModel(size=3, frames_per_chunk=4, rho=0.2)
    rollout = Bumped(model, 8, 3, lookahead=False)
    last = rollout.pieces - rollout.steps
    plain = run(search.create("plain"), rollout).frames
    for bump, shown in ((last, True), (rollout.pieces - 1, False)):
        Bumped.bump = bump
        assert torch.equal(run(search.create("plain"), rollout).frames, plain) is not shown


def test_each_beam_is_scored_against_its_own_frames():
    reward = NearAnchor()
    anchors = []
    inner = type(reward).__call__

    def spy(self, frames, prompts, **kwargs):
        anchors.append(kwargs["anchor"])
        return inner(self, frames, prompts, **kwargs)

    spying = type("Spy", (NearAnchor,), {"__call__": spy})()
    method = NoiseSearch(2, ((2, 2),), select="epsilon", epsilon=1.0, lag=50)
    run(method, fifo(GaussianModel(size=3, frames_per_chunk=4, rho=0.5)), spying)
    several = [a for a in anchors if a is not None and len(a) == 4]
    assert any(not torch.equal(a[0], a[2]) for a in several)
    assert all(torch.equal(a[0], a[1]) and torch.equal(a[2], a[3]) for a in several)


def test_nan_names_the_step():
    model = GaussianModel(size=2, frames_per_chunk=4)
    calls = []

    def poison(module, args, output):
        calls.append(0)
        return output * float("nan") if len(calls) > 20 else output

    model.denoiser.register_forward_hook(poison)
    frames = []
    with pytest.raises(UserError, match=r"step \d+ of 15, (window \d|candidate 0)"):
        search.create("plain")(fifo(model), None, ["p"], emit=frames.append)
    assert len(frames) > 0


def test_what_fifo_cannot_do_is_refused():
    with pytest.raises(UserError, match="multiple"):
        fifo(steps=6)
    with pytest.raises(UserError, match="even"):
        fifo(GaussianModel(size=2, frames_per_chunk=3), steps=9)
    flat = GaussianModel(size=2, frames_per_chunk=4)
    flat.per_frame_levels = False
    with pytest.raises(UserError, match="chunk"):
        fifo(flat)
