"""The diagonal queue: one beam and one candidate is plain FIFO, written here once more by hand."""

import pytest
import torch
from causal import Drafted
from searching import Linear, NearAnchor, run

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


def by_hand(model, steps, frames, seed, lookahead):
    """FIFO-Diffusion, one window after the other: all windows of the whole queue, every step, nothing left out."""
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
    cond, shown = model.condition(["a red ball"], [History()]), [clip[:1]] * size
    for depth in range(frames + steps - 1 - size):
        queue = torch.cat([queue, normal((1, *queue.shape[1:]), seed, "a red ball", depth, 0)])
        new = queue.clone()
        half = size // 2 if lookahead else 0
        seen, known = torch.cat([*shown[len(shown) - half :], queue]), torch.cat([torch.zeros(half).long(), levels])
        for w in range(0, steps, size - half):
            now, x = known[None, w : w + size], seen[None, w : w + size]
            then = (now - 1).clamp(min=0)
            x0 = model.denoise(x, schedule.times[now], cond)
            here, there = [(schedule.signal[level], schedule.noise[level]) for level in (now, then)]
            new[w : w + size - half] = step(x, x0, here, there)[0, half:]
        shown.append(new[:1].clone())
        queue = new[1:]
    return to_uint8(model.decode(torch.cat(shown[size + steps - 1 - size :])[None], [History()])[0])


@pytest.mark.parametrize("lookahead", [True, False])
@pytest.mark.parametrize("steps", [8, 12])
def test_plain_is_fifo_by_hand(steps, lookahead):
    model = GaussianModel(size=3, frames_per_chunk=4, rho=0.6)
    got = run(search.create("plain"), fifo(model, steps, 3, lookahead=lookahead), seed=3).frames
    wanted = by_hand(model, steps, 12, 3, lookahead)
    assert got.shape == wanted.shape == (12, 3, 3, 3)
    assert (got.int() - wanted.int()).abs().max() <= 1
    other = run(search.create("plain"), fifo(model, steps, 3, lookahead=not lookahead), seed=3).frames
    assert (other.int() - wanted.int()).abs().max() > 1


def test_a_queue_of_one_window_shows_all_frames():
    got = run(search.create("plain"), fifo(steps=4, lookahead=False), seed=3).frames
    assert got.shape == (12, 3, 3, 3)


NEEDS = {"predicted"}  # a predictor that was trained


@pytest.mark.parametrize("name", sorted(set(search.names()) - NEEDS))
def test_every_method_works_on_the_queue_without_knowing_it(name):
    rollout = fifo(Drafted(size=3, frames_per_chunk=4), eta=0.5)
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


@pytest.mark.parametrize("lookahead", [True, False])
def test_each_pushed_latent_has_the_prompt_of_the_chunk_that_shows_it(lookahead):
    rollout = fifo(steps=8, chunks=4, lookahead=lookahead)
    state, prompts = rollout.start(["p0", "p1", "p2", "p3"], None, 1), []
    for depth in range(rollout.pieces - rollout.steps + 1):
        branches = rollout.expand([Candidate(state, 0, 0, normal(rollout.noise_shape(), depth), "plain")])
        prompts += branches[0].cond.prompts
        state = rollout.commit(branches)[0].state
    first_pushed = rollout.steps - 1 - (rollout.pieces - rollout.frames)
    assert prompts == [f"p{(first_pushed + i) // 4}" for i in range(len(prompts))]


def test_a_prompt_is_conditioned_once_while_it_lasts():
    asked = []

    class Asked(GaussianModel):
        def condition(self, prompts, histories):
            asked.extend(prompts)
            return super().condition(prompts, histories)

    run(NoiseSearch(2, ((2, 2),)), fifo(Asked(size=2, frames_per_chunk=4), chunks=4), prompts=["p", "q", "r", "s"])
    assert sorted(asked) == ["p", "p", "q", "r", "s"], "p for the base clip, too"


@pytest.mark.parametrize(("steps", "window", "near"), [(10, 0, "8 or 12"), (3, 0, "4 or 8"), (13, 6, "12 or 18")])
def test_steps_that_fit_are_named(steps, window, near):
    with pytest.raises(UserError, match=f"steps is {steps}; .* multiple .*: {near}$"):
        fifo(steps=steps, window=window)
    with pytest.raises(UserError, match=near):
        fifo(steps=12, window=window).with_steps(steps)


def test_what_fifo_cannot_do_is_refused():
    with pytest.raises(UserError, match="even"):
        fifo(GaussianModel(size=2, frames_per_chunk=3), steps=9)
    assert fifo(GaussianModel(size=2, frames_per_chunk=3), steps=9, lookahead=False).frames == 9
    for wrong in ({"eta": 1.5}, {"window": -2}, {"ahead": 0}, {"chunks": 0}, {"max_batch": 0}):
        with pytest.raises(UserError, match="is -?[0-9]"):
            fifo(**wrong)
    for unfit, why in (({"per_frame_levels": False}, "one noise level"), ({"capability": "black_box"}, "black box")):
        model = GaussianModel(size=2, frames_per_chunk=4)
        vars(model).update(unfit)
        with pytest.raises(UserError, match=f"{why}.*chunk"):
            fifo(model)


def test_whole_videos_are_judged_by_the_prompt_of_what_is_shown():
    judge = Linear()
    run(search.create("best_of_n", videos=2), fifo(chunks=3), judge, prompts=["p", "q", "r"])
    assert [call["prompts"] for call in judge.calls] == [[prompt] * 2 for prompt in "ppppqqqqrrrr"]
