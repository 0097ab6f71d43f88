"""A predictor's stage: what it drops is never previewed, what it keeps is as without it, and its steps count."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from searching import Drafting, Foresight, NearAnchor, chunks, counted, run

from rewards.base import UserError
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search.noise_search import NoiseSearch
from sn_eval.search.prediction import going_on

SEARCH = NoiseSearch(5, ((3, 2),))


@dataclass(frozen=True)
class Guess:
    """Guesses these, by the candidate's index."""

    values: tuple[float, ...]
    look: int = 0
    keep: float = 0.5

    def scores(self, branches):
        return [self.values[b.candidate.index] for b in branches]


def with_predictor(look=0, keep=0.5, **more):
    return replace(SEARCH, predictor=Foresight(look, keep), **more)


@pytest.mark.parametrize("look", [0, 1, 3])
@pytest.mark.parametrize("preview", ["early", "coarse", "ahead"])
def test_what_keeps_all_is_the_search_without_it(look, preview):
    rollout = chunks(preview=preview)
    without, kept = run(SEARCH, rollout, NearAnchor()), run(with_predictor(look, 1.0), rollout, NearAnchor())
    assert (without.frames.int() - kept.frames.int()).abs().max() <= 1
    assert without.generated.winner == kept.generated.winner
    extra = kept.generated.evaluations - without.generated.evaluations
    tried = 5 + 2 * 10
    jumps = {0: 0, 1: 2, 3: 0}[look]  # where the search looks where the predictor did, the jumps are made once
    assert extra == {"early": 0, "coarse": look * tried, "ahead": jumps * tried}[preview]


@pytest.mark.parametrize(("look", "keep", "generations"), [(0, 0.01, 1), (2, 0.5, 1), (3, 0.3, 1), (2, 0.3, 3)])
@pytest.mark.parametrize("preview", ["early", "coarse", "ahead", "draft"])
def test_denoiser_evaluations_are_the_formula(preview, look, keep, generations):
    model = Drafting(size=2, frames_per_chunk=2, guidance=2.0)
    count, rollout = counted(model), chunks(model, 4, 2, preview=preview)
    method = with_predictor(look, keep, generations=generations)
    got = run(method, rollout)
    assert count() == got.generated.evaluations == method.evaluations(rollout)


def test_what_is_guessed_away_is_not_paid_for():
    """A guess from the noise alone is free: the same budget tries twice as many where half of them are looked at."""
    rollout = chunks(GaussianModel(size=2), 8, 6)
    usual, guessing = (m.sized(144, rollout) for m in (NoiseSearch(4, ((3, 1),)), with_predictor(stages=((3, 1),))))
    assert usual.evaluations(rollout) == guessing.evaluations(rollout) == 144
    assert sum(guessing.candidates) > 1.8 * sum(usual.candidates)


@pytest.mark.parametrize("preview", ["early", "coarse", "ahead"])
def test_it_works_on_the_queue(preview):
    model = GaussianModel(size=2, frames_per_chunk=2)
    count, rollout = counted(model), FifoRollout(model, 4, 2, preview=preview)
    for look in (1, 3):
        before, method = count(), with_predictor(look)
        got = run(method, rollout)
        assert count() - before == got.generated.evaluations <= method.evaluations(rollout)


def test_only_what_it_keeps_is_decoded_and_scored():
    decoded = []

    class Counting(GaussianModel):
        def decode(self, latents, histories):
            decoded.append(len(latents))
            return super().decode(latents, histories)

    reward = NearAnchor()
    run(replace(SEARCH, predictor=Foresight(2, 0.4)), chunks(Counting(size=2), 4, 2), reward)
    assert decoded == [2, 2, 4, 2]
    assert [call for call in decoded if call] == decoded


def test_the_best_guesses_of_each_beam_go_on_ties_by_index_unknown_last():
    guess = Guess((math.nan, 0.3, 0.9, 0.3, -1.0))
    rows = run(replace(SEARCH, predictor=guess), chunks()).rows
    asked = [r for r in rows if r["kind"] == "predicted"]
    assert len(asked) == 5 + 2 * 10
    kept = {(r["step"], r["parent"], r["candidate"]) for r in asked if r["kept"]}
    assert {index for _, _, index in kept} == {1, 2, 3}
    assert len(kept) == 3 * 5
    assert kept == {(r["step"], r["parent"], r["candidate"]) for r in rows if r["kind"] == "preview"}
    assert all(math.isnan(r["score"]) if r["candidate"] == 0 else r["score"] == guess.values[r["candidate"]]
               for r in asked)  # fmt: skip


def test_a_guess_of_nothing_keeps_the_plain_path():
    blind = replace(SEARCH, predictor=Guess((math.nan,) * 5, keep=0.01), stages=((3, 1),))
    assert run(blind, chunks()).generated.winner == 0


def test_a_look_of_its_own_shows_it_the_latents():
    shown = []

    class Spy(Foresight):
        def scores(self, branches):
            shown.extend((b.clean, b.preview, b.evaluations) for b in branches)
            return super().scores(branches)

    run(replace(SEARCH, predictor=Spy(2, 0.5)), chunks(chunks=1))
    assert all(isinstance(clean, torch.Tensor) and frames is None for clean, frames, _ in shown)
    assert {evaluations for *_, evaluations in shown} == {2}


def test_what_cannot_be_is_one_line():
    with pytest.raises(UserError, match="looks after 4 evaluations, the search after 3"):
        run(with_predictor(4), chunks())
    for wrong in ((1.0,) * 6, (math.inf,) * 5):

        class Wrong(Guess):
            def scores(self, branches):
                return self.values

        with pytest.raises(UserError, match="the predictor must give"):
            run(replace(SEARCH, predictor=Wrong(wrong)), chunks())


@pytest.mark.parametrize(("count", "keep", "kept"), [(100, 0.07, 7), (4, 0.26, 2), (3, 1.0, 3), (1, 0.2, 1)])
def test_a_share_is_rounded_up(count, keep, kept):
    assert going_on(count, keep) == kept
