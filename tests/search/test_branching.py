"""Diffusion latent beam search: survivors branch between looks, and a stochastic sampler parts the copies."""

import json
from collections import Counter

import pytest
import torch
from searching import Drafting, NearAnchor, chunks, counted, run

from rewards.base import UserError
from sn_eval import search
from sn_eval.models.gaussian import GaussianModel
from sn_eval.results.search_tree import load_tree
from sn_eval.search.candidates import propose
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.search.selection import branched


def dlbs(**more):
    return search.create("dlbs", **more)


def test_without_branching_it_is_the_staged_search():
    own = run(dlbs(branch=1), chunks(), NearAnchor(), seed=3)
    plain = NoiseSearch(4, ((2, 2), (4, 2)))
    staged = run(plain, chunks(preview="ahead", eta=0.5), NearAnchor(), seed=3)
    assert torch.equal(own.frames, staged.frames)
    assert repr(own.rows) == repr(staged.rows)


def test_copies_have_lineages_of_their_own_and_go_ways_of_their_own():
    rows = run(dlbs(branch=3), chunks(chunks=1), NearAnchor()).rows
    first, second = ([r for r in rows if r["kind"] == "preview" and r["stage"] == stage] for stage in (0, 1))
    going_on = {r["key"] for r in first if r["kept"]}
    assert Counter(r["candidate"] for r in second) == {r["candidate"]: 3 for r in first if r["kept"]}
    assert len({r["key"] for r in second}) == len({r["score"] for r in second}) == 6
    assert going_on < {r["key"] for r in second}
    assert sum(r["kept"] for r in first) == sum(r["kept"] for r in second) == 2
    finals = {r["key"] for r in rows if r["kind"] == "final"}
    assert finals == {r["key"] for r in second if r["kept"]}


def test_copies_of_a_later_look_are_no_copies_of_an_earlier_one():
    rows = run(dlbs(looks=(1, 3, 5), beams=2), chunks(chunks=1), NearAnchor()).rows
    second, third = ([r for r in rows if r["kind"] == "preview" and r["stage"] == stage] for stage in (1, 2))
    going_on = [r for r in second if r["kept"]]
    assert len({r["candidate"] for r in going_on}) == 1, "use a seed where an original goes on beside its copy"
    assert len({r["key"] for r in third}) == len({r["score"] for r in third}) == 4
    assert {r["key"] for r in going_on} < {r["key"] for r in third}


def test_a_copy_that_is_chosen_is_the_video_that_its_lineage_names():
    """The original's first steps, then the copy's own: replayed from lineages alone."""
    rollout = chunks(chunks=1, eta=0.5)
    got = run(dlbs(branch=4, beams=1), rollout, NearAnchor(), seed=4)
    (final,) = [r for r in got.rows if r["kind"] == "final"]
    assert final["key"] not in {r["key"] for r in got.rows if r.get("stage") == 0}, "use a seed where a copy is chosen"
    ahead = rollout.with_preview("ahead", 2)
    state = rollout.start(["a red ball"], None, 4)
    candidate = propose(state, 4, rollout.noise_shape())[final["candidate"]]
    begun = ahead.refine(ahead.expand([candidate]), 2)
    copy = next(b for b in branched(begun, 4) if f"{b.candidate.key:016x}" == final["key"])
    (done,) = ahead.commit([copy])
    assert done.frames is not None
    assert ((done.frames * 255).round().int() - got.frames.int()).abs().max() <= 1


@pytest.mark.parametrize(("branch", "ahead", "looks"), [(2, 2, (2, 4)), (3, 1, (1, 3, 5)), (2, 4, (1, 6))])
def test_denoiser_evaluations_are_the_formula(branch, ahead, looks):
    model = Drafting(size=2, guidance=2.0)
    count, rollout = counted(model), chunks(model, 6, 3)
    method = dlbs(branch=branch, ahead=ahead, looks=looks)
    got = run(method, rollout)
    total, parents = 0, 1
    for _ in range(3):
        alive, seen = 4 * parents, 0
        for number, look in enumerate(looks):
            alive *= branch if number else 1
            total += alive * (look - seen + min(ahead, 6 - look))
            alive, seen = 2, look
        total += alive * (6 - seen)
        parents = alive
    assert count() == 2 * total == method.evaluations(rollout) == got.generated.evaluations


def test_the_tree_shows_copies_with_what_came_before_them(tmp_path):
    got = run(dlbs(), chunks(), NearAnchor(), seed=1)
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in got.rows))
    tree = load_tree(tmp_path, f"{got.generated.winner:016x}")
    assert (tree.lost, tree.winner, sorted(tree.path)) == (0, "recorded", [0, 1, 2])
    for nodes in tree.steps.values():
        copies = [node for node in nodes if node.copy]
        assert len(copies) == 2
        assert all([look.look for look in node.looks] == [2, 4] for node in copies)
        assert sum(node.final is not None for node in nodes) == 2


def test_what_cannot_be_is_one_line():
    with pytest.raises(UserError, match="branch is 2, which needs a stochastic sampler"):
        run(dlbs(eta=0.0), chunks())
    with pytest.raises(UserError, match="branch is 2; it must be 1 with one stage"):
        dlbs(looks=[3])
    with pytest.raises(UserError, match="branch is 0"):
        dlbs(branch=0)
    with pytest.raises(UserError, match="ahead is 0; it must be 1 or more"):
        run(dlbs(ahead=0), chunks())
    rollout = chunks()
    begun = rollout.refine(rollout.expand(propose(rollout.start(["p"], None, 1), 1, rollout.noise_shape())), 3)
    with pytest.raises(UserError, match="look is 2; it must lie in 3 … 6"):
        rollout.refine(begun, 2)


def test_particles_bring_their_own_sampler():
    with pytest.raises(UserError, match="eta"):
        run(search.create("smc"), chunks())
    own = run(search.create("smc", eta=0.5), chunks(), NearAnchor())
    assert torch.equal(own.frames, run(search.create("smc"), chunks(eta=0.5), NearAnchor()).frames)


def test_drafts_are_rough_and_what_is_chosen_is_made_in_full():
    model = Drafting(size=2)
    count = counted(model)
    got = run(search.create("cached_drafts", candidates=3, look=2), chunks(model, 4, 2), NearAnchor())
    assert model.drafts == 2 * 3 * 2
    assert count() == got.generated.evaluations == 2 * (3 * 2 + 4)
    with pytest.raises(UserError, match="no blocks to cache"):
        run(search.create("cached_drafts"), chunks(GaussianModel(size=2)))
