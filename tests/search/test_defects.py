"""What the public code of ScalingNoise gets wrong (design: ALGORITHM.md, "Defects"), ruled out one by one."""

import pytest
import torch
from searching import Linear, NearAnchor, chunks, run

from rewards.base import Scores, UserError
from sn_eval import search
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search.candidates import propose
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.video import to_uint8

MODEL = GaussianModel(size=4, frames_per_chunk=4, rho=0.6)


def chunk():
    return chunks(MODEL, 8, 5)


def fifo():
    return FifoRollout(MODEL, 8, 3)


def replayed(rows, generated, rollout, seed, breadth):
    """The winner's video made again from its lineage alone: no search, no reward, no other beam."""
    finals = {(row["step"], row["key"]): row for row in rows if row["kind"] == "final"}
    path, key = [], f"{generated.winner:016x}"
    for depth in reversed(range(rollout.pieces)):
        path.append(finals[depth, key]["candidate"])
        key = finals[depth, key]["parent"]
    state, frames = rollout.start(["a red ball"], None, seed), []
    for index in reversed(path):
        candidate = propose(state, breadth, rollout.noise_shape())[index]
        finished = rollout.commit(rollout.expand([candidate]))[0]
        state = finished.state
        frames += [] if finished.frames is None else [to_uint8(finished.frames)]
    return torch.cat(frames)


@pytest.mark.parametrize("make", [chunk, fifo])
@pytest.mark.parametrize("select", ["top", "epsilon"])
def test_the_video_is_one_beams_from_body_to_tail(make, select):
    method = NoiseSearch(3, ((3, 3),), select=select, epsilon=1.0, lag=1000)
    got = run(method, make(), NearAnchor(), seed=8)
    again = replayed(got.rows, got.generated, make(), 8, 3)
    assert (again.int() - got.frames.int()).abs().max() <= 1
    assert got.generated.winner != 0


@pytest.mark.parametrize("make", [chunk, fifo])
def test_the_winner_is_the_best_beam_and_is_shown(make):
    got = run(NoiseSearch(3, ((3, 3),), lag=1000), make(), NearAnchor(), seed=4)
    last = [row for row in got.rows if row["kind"] == "final" and row["step"] == make().pieces - 1]
    best = max(last, key=lambda row: row["mean_score"])
    assert len(last) == 3
    assert got.generated.score == pytest.approx(best["mean_score"])
    assert f"{got.generated.winner:016x}" == best["key"]


@pytest.mark.parametrize("frame", range(4))
def test_every_frame_of_a_preview_is_scored(frame):
    """A reward that looks at one frame only steers the search by that frame, whichever it is."""

    class OneFrame(Linear):
        def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None):
            return Scores(frames[:, frame].mean((1, 2, 3)))

    plain = run(search.create("plain"), chunk()).frames.float()
    picked = run(NoiseSearch(8, ((6, 1),)), chunk(), OneFrame()).frames.float()
    gain = (picked - plain).view(5, 4, -1).mean((0, 2))
    assert gain[frame] > 0
    assert gain.argmax() == frame or gain[frame] > 0.6 * gain.max()


def test_scores_depend_on_a_beams_own_anchors_only():
    """The same beams scored alone and together: nothing leaks from one to the next."""
    seen = []

    class Spy(NearAnchor):
        def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None):
            together = super().__call__(frames, prompts, fps=fps, anchor=anchor)
            rows = [slice(i, i + 1) for i in range(len(frames))]
            alone = [
                super(Spy, self).__call__(frames[r], prompts[r], fps=fps, anchor=anchor[r]) for r in rows
            ]
            assert torch.allclose(together.values, torch.cat([a.values for a in alone]), atol=1e-6)
            seen.append(anchor)
            return together

    run(NoiseSearch(2, ((3, 2),), select="epsilon", epsilon=1.0), chunk(), Spy(), seed=1)
    later = [a for a in seen[2:] if len(a) == 4]
    assert later
    for anchor in later:
        assert torch.equal(anchor[0], anchor[1]), "candidates of one beam share its anchors"
        assert torch.equal(anchor[2], anchor[3])
        assert not torch.equal(anchor[0], anchor[2]), "beams have their own"
        assert torch.equal(anchor[0, 0], anchor[2, 0]), "the start frame is fixed for all"


def test_no_global_random_numbers_are_read_or_moved():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = run(search.create("scaling_noise"), chunk(), seed=6).frames
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(first, run(search.create("scaling_noise"), chunk(), seed=6).frames)


def test_only_what_is_scored_is_decoded():
    decoded = []

    class Counting(GaussianModel):
        def decode(self, latents, histories):
            decoded.append(latents.shape[0] * latents.shape[1])
            return super().decode(latents, histories)

    run(NoiseSearch(4, ((2, 2),)), chunks(Counting(size=2, frames_per_chunk=3), 4, 3))
    assert decoded == [4 * 3, 2 * 3, 8 * 3, 2 * 3, 8 * 3, 2 * 3]


@pytest.mark.parametrize(("window", "steps"), [(2, 2), (2, 6), (4, 8), (6, 12), (6, 6)])
@pytest.mark.parametrize("lookahead", [True, False])
def test_no_window_size_is_built_in(window, steps, lookahead):
    rollout = FifoRollout(GaussianModel(size=2, frames_per_chunk=window), steps, 2, lookahead=lookahead)
    got = run(NoiseSearch(2, ((min(2, steps), 2),)), rollout)
    assert got.frames.shape[0] == 2 * window


def test_nan_names_chunk_and_candidate_and_what_was_finished_is_kept():
    model = GaussianModel(size=2, frames_per_chunk=2)
    frames = []

    def poison(module, args, output):
        if len(frames) >= 2:
            output[1] = float("nan")
        return output

    model.denoiser.register_forward_hook(poison)
    with pytest.raises(UserError, match="chunk 3 of 5, candidate 1"):
        NoiseSearch(3, ((2, 1),))(chunks(model, 4, 5), Linear(), ["p"], emit=frames.append)
    assert len(frames) == 2


@pytest.mark.parametrize("name", ["best_of_n", "random_pick"])
def test_a_run_cut_short_keeps_the_plain_videos_finished_chunks(name):
    frames = []

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search.create(name, videos=3)(chunk(), Linear(), ["p"], emit=frames.append, on_progress=stop)
    plain = run(search.create("plain"), chunk(), prompts=["p"]).frames
    assert (torch.cat(frames).int() - plain[:12].int()).abs().max() <= 1
