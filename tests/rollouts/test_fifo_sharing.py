"""Windows that beams have in common are denoised once, and nothing else about the video changes."""

from collections import Counter
from dataclasses import replace
from functools import cached_property

import pytest
import torch
from causal import Drafted
from searching import NearAnchor, counted, run

from sn_eval import search
from sn_eval.interfaces import Candidate
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.rollouts.queue import Layout
from sn_eval.sampling import child, normal
from sn_eval.search.noise_search import NoiseSearch


class Whole(Layout):
    """Leaves no window out."""

    def live(self, left):
        return self.windows


class Alone(FifoRollout):
    """Every beam on its own, with every window of its queue to the very end."""

    @cached_property
    def _layout(self):
        return Whole(self.steps, self.window or self._chunk, self.lookahead)

    def commit(self, branches):
        return [FifoRollout.commit(self, [b])[0] for b in branches]


class Watched(FifoRollout):
    """Each call spends what was said before."""

    def refine(self, branches, look, decode=True):
        seen = branches[0].previews[-1][0] if branches[0].previews else 0
        said = self.preview_evaluations(branches[0].candidate.parent.depth, len(branches), seen, look)
        return self._as_said(said, super().refine, branches, look, decode)

    def commit(self, branches):
        parents = len({b.candidate.parent.identity for b in branches})
        seen = 0 if branches[0].x.stepped is None else 1
        said, depth = self.commit_evaluations(branches), branches[0].candidate.parent.depth
        most = self.finish_evaluations(depth, len(branches), parents, seen)
        assert said <= most
        assert parents > 1 or said == most
        return self._as_said(said, super().commit, branches)

    def _as_said(self, said, call, *args):
        spent = sum(n for n, _ in self.model.evaluated)
        made = call(*args)
        assert sum(n for n, _ in self.model.evaluated) - spent == said
        return made


def model(**options):
    return Drafted(size=2, frames_per_chunk=4, rho=0.6, **options)


SEARCHES = {
    "2x2": (2, ((1, 2),)), "3x2": (2, ((3, 3),)), "two stages": (4, ((2, 4), (4, 2))), "3x4": (4, ((8, 3),)),
}  # fmt: skip


@pytest.mark.parametrize(("preview", "eta", "lookahead", "name"), [
    ("early", 0.0, True, "3x2"), ("early", 1.0, False, "two stages"), ("ahead", 0.5, True, "two stages"),
    ("coarse", 1.0, True, "3x4"), ("coarse", 0.0, False, "two stages"), ("draft", 1.0, True, "2x2"),
])  # fmt: skip
def test_frames_are_those_of_beams_on_their_own_and_each_call_costs_what_it_said(preview, eta, lookahead, name):
    candidates, stages = SEARCHES[name]
    method = NoiseSearch(candidates, stages, preview=preview, lag=100)
    guided, options = model(guidance=1.5), {"eta": eta, "lookahead": lookahead}
    count = counted(guided)
    got = run(method, Watched(guided, 8, 2, **options), NearAnchor(), seed=3)
    assert count() == got.generated.evaluations < method.evaluations(Watched(guided, 8, 2, **options))
    wanted = run(method, Alone(model(guidance=1.5), 8, 2, **options), NearAnchor(), seed=3)
    assert got.generated.winner == wanted.generated.winner
    assert (got.frames.int() - wanted.frames.int()).abs().max() <= 1


@pytest.mark.parametrize("preview", ["early", "coarse"])
def test_copies_of_a_particle_share_what_they_have_in_common_and_no_more(preview):
    method = NoiseSearch((4, 1), ((3, 4),), "resample", strength=50.0, preview=preview, lag=100)
    got = run(method, Watched(model(), 8, 2, eta=1.0), NearAnchor(), seed=1)
    wanted = run(method, Alone(model(), 8, 2, eta=1.0), NearAnchor(), seed=1)
    assert (got.frames.int() - wanted.frames.int()).abs().max() <= 1
    finals = [row["key"] for row in got.rows if row["kind"] == "final"]
    assert len(set(finals)) > len(finals) // 2


@pytest.mark.parametrize("preview", ["early", "coarse"])
def test_a_copy_keeps_the_step_that_a_look_has_made_and_makes_its_own_else(preview):
    rollout = FifoRollout(model(), 8, 3, preview, eta=1.0)
    start = rollout.start(["p"], None, 1)
    noise = normal(rollout.noise_shape(), "push")
    first = rollout.refine(rollout.expand([Candidate(start, 0, 0, noise, "plain")]), 2)[0]
    copy = replace(first, candidate=replace(first.candidate, key=child(0, -1)))
    assert rollout.commit_evaluations([first, copy]) == 3 + (2 if preview == "coarse" else 0)
    a, b = (done.state.inner.frames for done in rollout.commit([first, copy]))
    assert torch.equal(a[:-2], b[:-2])
    assert torch.equal(a[-2:], b[-2:]) is (preview == "early")
    further = rollout.refine([first, copy], 4)
    assert torch.equal(further[0].clean, further[1].clean) is (preview == "coarse")


@pytest.mark.parametrize(("window", "lookahead"), [(4, True), (4, False), (2, True), (6, True)])
def test_a_window_is_shared_by_beams_whose_ancestor_it_was(window, lookahead):
    """Of W windows, the w-th from the head is denoised for each distinct ancestor W−2−w steps before."""
    ancestors, spent = {}, []

    class Counting(FifoRollout):
        def commit(self, branches):
            depth = branches[0].candidate.parent.depth
            beams = {b.candidate.parent.key for b in branches}
            if self._layout.tail <= depth < self.pieces - self.steps:
                wanted = 0
                for back in range(self._layout.tail):
                    wanted += len({older(key, depth, back) for key in beams})
                spent.append((self.commit_evaluations(branches), wanted, len(beams) * self._layout.tail))
            done = super().commit(branches)
            ancestors.update({(f.state.depth, f.state.key): f.branch.candidate.parent.key for f in done})
            return done

    def older(key, depth, back):
        for step in range(back):
            key = ancestors[depth - step, key]
        return key

    method = NoiseSearch(3, ((2, 3),), select="epsilon", epsilon=0.3, lag=100)
    run(method, Counting(GaussianModel(size=2, frames_per_chunk=4, rho=0.6), 12, 5, window=window, lookahead=lookahead))
    assert len(spent) > 3
    assert all(said == wanted for said, wanted, _ in spent)
    assert sum(said for said, _, _ in spent) < sum(most for _, _, most in spent)


def test_a_lag_drops_no_beams_that_have_shown_the_same():
    """What parts beams is pushed at the tail and shown some steps later: until then they agree on what is shown."""
    rollout, frames = FifoRollout(model(), 8, 5), []
    for lag in (1, 100):
        got = run(NoiseSearch(2, ((2, 2),), lag=lag), rollout, NearAnchor())
        frames.append(got.frames)
        kept = Counter(row["step"] for row in got.rows if row["kind"] == "final")
        assert all(kept[depth] == 2 for depth in range(rollout.pieces) if rollout.matters(depth)), lag
    assert torch.equal(*frames)


@pytest.mark.parametrize("lookahead", [True, False])
def test_frames_of_one_name_are_the_same_and_beams_that_parted_come_to_have_two(lookahead):
    rollout = FifoRollout(model(), 8, 4, lookahead=lookahead)
    beams, alike = [rollout.start(["p"], None, 1)] * 2, []
    for step in range(rollout._warmup + 6):
        pushed = [normal(rollout.noise_shape(), "push", step, i if step == 3 else 0) for i in range(2)]
        tried = [
            Candidate(b, i, child(b.key, i if step == 3 else 0), noise, "plain")
            for i, (b, noise) in enumerate(zip(beams, pushed, strict=True))
        ]  # fmt: skip
        done = rollout.commit(rollout.expand(tried))
        beams = [each.state for each in done]
        if done[0].frames is not None:
            alike.append((done[0].key == done[1].key, torch.equal(done[0].frames, done[1].frames)))
    assert (alike[0], alike[-1]) == ((True, True), (False, False))
    assert (True, False) not in alike


def test_videos_of_other_starts_share_nothing():
    rollout = FifoRollout(GaussianModel(size=2, frames_per_chunk=4), 8, 3, eta=1.0)
    image = torch.full((3, 2, 2), 0.6)
    starts = [
        rollout.start(["p"], None, 1), rollout.start(["p"], None, 1, 2), rollout.start(["p"], None, 2, 1),
        rollout.start(["q"], None, 1), rollout.start(["p"], image, 1), rollout.start(["p"], image / 2, 1),
    ]  # fmt: skip
    noise = normal(rollout.noise_shape(), "push")
    branches = rollout.expand([Candidate(start, 0, 0, noise, "plain") for start in starts])
    assert rollout.commit_evaluations(branches) == len(starts) * 4
    together = rollout.commit(branches)
    for branch, done in zip(branches, together, strict=True):
        alone = rollout.commit([branch])[0]
        assert torch.allclose(alone.state.inner.frames, done.state.inner.frames, atol=1e-5)
    assert rollout.commit_evaluations([*branches, *branches]) == len(starts) * 4


def test_what_the_sampler_draws_is_named_by_what_made_the_window():
    """eta > 0: siblings have the same noise where they are the same, and other noise where they part."""
    rollout = FifoRollout(GaussianModel(size=2, frames_per_chunk=4), 12, 3, eta=1.0, lookahead=False)
    start = rollout.start(["p"], None, 1)
    pair = [Candidate(start, i, child(0, i), normal(rollout.noise_shape(), "push", i), "gaussian") for i in range(2)]
    states = [done.state for done in rollout.commit(rollout.expand(pair))]
    noise = normal(rollout.noise_shape(), "next")
    again = rollout.expand([Candidate(state, 0, child(state.key, 0), noise, "plain") for state in states])
    a, b = (done.state.inner.frames for done in rollout.commit(again))
    assert torch.equal(a[:3], b[:3]), "the head window"
    assert all(not torch.allclose(x, y) for x, y in zip(a[3:], b[3:], strict=True))


def test_batches_that_are_split_give_the_same_video_for_the_same_cost():
    whole, split = (
        run(NoiseSearch(3, ((2, 3),)), FifoRollout(model(), 8, 3, max_batch=limit), NearAnchor()) for limit in (None, 2)
    )
    assert whole.generated.evaluations == split.generated.evaluations
    assert (whole.frames.int() - split.frames.int()).abs().max() <= 1


@pytest.mark.parametrize("lookahead", [True, False])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_windows_that_are_left_out_at_the_end_have_no_say_in_what_is_shown(lookahead, eta):
    plain, rollout = search.create("plain"), FifoRollout(model(), 12, 2, window=4, lookahead=lookahead, eta=eta)
    whole = Alone(**{name: getattr(rollout, name) for name in rollout.__dataclass_fields__})
    assert torch.equal(run(plain, rollout).frames, run(plain, whole).frames)
    assert plain.evaluations(rollout) < plain.evaluations(whole)
    early = replace(rollout, chunks=4)
    ends = [early.finish_evaluations(early.pieces - left, 1, 1, 0) for left in range(6, 0, -1)]
    windows = 6 if lookahead else 3
    assert ends == [min(windows, left) for left in range(6, 0, -1)]
