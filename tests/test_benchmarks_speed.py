"""The speed benchmarks compare two schedules of calls that make the same video, and their counts are the formulas'."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from searching import Linear, run

from benchmarks.speed import __main__ as bench
from benchmarks.speed import device, fifo_schedule
from benchmarks.speed.fifo_schedule import Counts, compare, our_formula, public_formula
from benchmarks.speed.public_schedule import PublicSchedule
from benchmarks.speed.subject import PROMPT, MeanOfPixels
from benchmarks.speed.watching import Watch
from rewards.base import Scores
from sn_eval import search
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search.noise_search import NoiseSearch


def queue(**options):
    fields = {"model": GaussianModel(size=3, frames_per_chunk=4), "steps": 8, "chunks": 3} | options
    return FifoRollout(**fields)


class UnlikeAnchor(Linear):
    """Mean over frames of how far each is from the beam's own anchors: the same asked frame by frame."""

    def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None):
        return Scores((frames - anchor.mean(1, keepdim=True)).abs().mean((1, 2, 3, 4)))


@pytest.mark.parametrize("lookahead", [True, False])
def test_with_nothing_to_choose_the_public_schedule_makes_plain_fifo(lookahead):
    rollout = queue(lookahead=lookahead)
    *_, beams = PublicSchedule(rollout, MeanOfPixels(), PROMPT, 1, 1).run(seed=3)
    plain = run(search.create("plain"), rollout, prompts=[PROMPT], seed=3).frames
    assert plain.float().std() > 0
    assert (PublicSchedule.video(beams).int() - plain.int()).abs().max() <= 1


@pytest.mark.parametrize("lookahead", [True, False])
def test_both_schedules_choose_the_same_candidates_while_the_choice_is_shown(lookahead):
    rollout = queue(lookahead=lookahead)
    public = [sorted(b.key for b in beams) for beams in PublicSchedule(rollout, UnlikeAnchor(), PROMPT, 2, 3).run()]
    rows = run(NoiseSearch(3, ((1, 2),), lag=50), rollout, UnlikeAnchor(), [PROMPT]).rows
    final = [(row["step"], int(row["key"], 16)) for row in rows if row["kind"] == "final"]
    ours = [sorted(key for step, key in final if step == depth) for depth in range(len(public))]
    searched = sum(rollout.matters(depth) for depth in range(rollout.pieces))
    assert ours[:searched] == public[:searched]
    assert len({keys[0] for keys in ours[:searched]}) > 2  # not the plain path all along


@pytest.mark.parametrize(("lookahead", "beams", "candidates"), [(True, 3, 5), (False, 3, 5), (True, 2, 1)])
def test_counts_are_those_of_the_formulas(lookahead, beams, candidates):
    rollout = queue(lookahead=lookahead)
    found = compare(rollout, UnlikeAnchor(), beams, candidates)  # raises where a count is not the formula's
    size, windows, steps = 4, 4 if lookahead else 2, rollout.pieces
    parents = 1 + beams * (steps - 1) if candidates > 1 else steps
    alive = min(beams, candidates)
    shown = rollout.frames * alive
    assert found.public.counts == Counts(
        parents * (candidates + windows - 1), parents * candidates * size + shown, *2 * [parents * candidates * size]
    )
    searched = steps - rollout.steps + 1
    looked = candidates * (1 + alive * (searched - 1))
    ours = found.ours.counts
    assert (ours.calls, ours.scored) == (searched, looked * size)
    assert looked + (windows - 1) * searched <= ours.evaluations <= found.unshared <= found.public.counts.evaluations
    assert ours.decoded <= looked * size + shown


def test_a_schedule_that_spends_more_than_its_formula_is_an_error(monkeypatch):
    less = lambda *args: replace(public_formula(*args), calls=1)  # noqa: E731
    monkeypatch.setattr(fifo_schedule, "public_formula", less)
    with pytest.raises(RuntimeError, match=r"what the public schedule spent: .* by the formula"):
        compare(queue(chunks=2), MeanOfPixels(), 2, 2)


def test_windows_that_beams_share_are_the_fewer_the_longer_the_beams_have_parted():
    """What parts two beams in the first step reaches a window more in each: of four, one does not wait for it."""
    rollout = queue()
    rows = [
        {"kind": "final", "step": depth, "key": f"{beam}{depth}", "parent": f"{beam}{depth - 1}" if depth else "start"}
        for depth in range(rollout.pieces)
        for beam in "ab"
    ]
    counts, unshared = our_formula(rollout, 1, rows)
    assert unshared - counts.evaluations == 2 + 1  # in the second step and in the third


def test_a_watch_sees_every_call_and_leaves_the_model_as_it_was():
    model = GaussianModel(size=3, frames_per_chunk=4, guidance=1.5)
    with Watch(model, MeanOfPixels()) as watch:
        run(NoiseSearch(2, ((1, 1),)), queue(model=watch.model), watch.reward)
    seen = watch.evaluated
    assert seen == sum(calls.units for calls in watch.denoise.values()) > 0
    assert all(size % 2 == 0 for size in watch.denoise)  # guidance asks twice
    cond = model.condition(["p"], [model.start("p", None, 0)])
    model.denoise(torch.zeros(1, *model.latent_shape(4)), torch.ones(1, 4), cond)
    assert watch.evaluated == seen


def test_without_a_gpu_one_line_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.report() == ([device.NONE], True)


def test_a_part_that_fails_hides_no_other(monkeypatch, capsys):
    def part(name):
        if name.endswith("batching"):
            raise ValueError("broken")
        return SimpleNamespace(report=lambda: ([name], not name.endswith("device")))

    monkeypatch.setattr(bench, "import_module", part)
    monkeypatch.setattr("sys.argv", ["speed", "--only", "device,batching,length"])
    assert bench.main() == 1
    told = capsys.readouterr().out
    assert "FAILED: ValueError: broken" in told
    assert "- benchmarks.speed.length" in told
    assert told.endswith("Limits missed: batching, device.\n")
    monkeypatch.setattr("sys.argv", ["speed", "--only", "length"])
    assert bench.main() == 0
