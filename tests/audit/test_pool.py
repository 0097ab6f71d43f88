"""The pool: same first frames, other noises, the plain video among them, and nothing made twice."""

import numpy as np
import pytest
import torch

from rewards.base import UserError, reward
from sn_eval import models
from sn_eval.audit import pool as pools
from sn_eval.audit.pool import build_pool
from sn_eval.results.files import ResultsError
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.search.candidates import plain
from sn_eval.video import to_uint8

PROMPTS = ["a red ball rolls to the left", "a blue cube turns"]


@pytest.fixture(scope="module")
def model():
    return models.create("tabletop")


@pytest.fixture(scope="module")
def made(model, tmp_path_factory):
    cache = tmp_path_factory.mktemp("pool")
    seen = []
    pool = build_pool(model, PROMPTS, candidates=3, steps=2, cache=cache, on_progress=lambda *at: seen.append(at))
    return pool, cache, seen


def test_shapes_progress_and_seeds(made):
    pool, cache, seen = made
    assert pool.frames.shape == (2, 3, 6, 3, 64, 64)
    assert pool.anchors.shape == (2, 3, 3, 64, 64)
    assert pool.frames.dtype == torch.uint8
    assert (pool.prompts, pool.seeds, pool.fps) == (tuple(PROMPTS), (0, 1), 8.0)
    assert seen == [(3, 6), (6, 6)]
    assert len(list(cache.iterdir())) == 2


def test_candidates_differ_and_the_first_is_the_plain_video(made, model):
    pool, *_ = made
    rollout = ChunkRollout(model, steps=2, chunks=1)
    own = rollout.commit(rollout.expand([plain(rollout.start([PROMPTS[1]], None, 1), rollout.noise_shape())]))[0]
    apart = (pool.frames[1, 0].int() - to_uint8(own.frames).int()).abs().max()
    assert apart <= 1  # a batch of one may round otherwise
    assert not torch.equal(pool.frames[1, 0], pool.frames[1, 1])


def test_a_second_call_makes_nothing(made, model, monkeypatch):
    pool, cache, _ = made
    monkeypatch.setattr(pools, "_made", lambda *_: pytest.fail("made again"))
    again = build_pool(model, PROMPTS, candidates=3, steps=2, cache=cache)
    assert torch.equal(again.frames, pool.frames)
    with pytest.raises(pytest.fail.Exception, match="made again"):
        build_pool(model, PROMPTS, candidates=3, steps=3, cache=cache)


def test_a_damaged_file_is_made_again(made, model, tmp_path):
    pool, cache, _ = made
    for path in cache.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:100])
    again = build_pool(model, PROMPTS[:1], candidates=3, steps=2, cache=tmp_path)
    assert torch.equal(again.frames, pool.frames[:1])


def test_a_reward_scores_every_candidate_against_its_own_anchor(made):
    pool, *_ = made

    @reward(family="difference", range=(0.0, 2.0))
    def nearness(frames, prompts, *, fps, anchor=None, metadata=None):
        apart = (frames - anchor[:, -1:]).abs().mean((1, 2, 3, 4)) + metadata[0]["seed"]
        return apart.where(torch.tensor([prompts[0] == PROMPTS[1], True, True]), torch.nan)

    table = pool.scores(nearness())
    truth = (pool.frames.float() - pool.anchors[:, None, -1:].float()).abs().mean((2, 3, 4, 5)) / 255
    assert np.isnan(table).tolist() == [[True, False, False], [False] * 3]
    assert table[1] == pytest.approx(truth[1].numpy() + 1, abs=1e-5)
    assert table[0, 1:] == pytest.approx(truth[0, 1:].numpy(), abs=1e-5)


def test_wrong_input_is_one_clear_line(model, tmp_path):
    with pytest.raises(UserError, match="at least 1 of each"):
        build_pool(model, [], candidates=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot write"):
        build_pool(model, PROMPTS[:1], candidates=1, steps=1, cache=tmp_path / "file")
