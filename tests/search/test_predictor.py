"""A light predictor finds what there is to find, is judged on prompts it has not seen, and opens nothing foreign."""

import itertools
import pickle
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from searching import Linear as LinearReward
from searching import chunks

from rewards.base import UserError
from sn_eval.interfaces import Branch, Candidate, Cond, Predictor, State
from sn_eval.models.gaussian import GaussianModel
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search import predictor_fitting as fitting
from sn_eval.search.candidates import propose
from sn_eval.search.features import feature_rows, given_features, lengths, seen_features
from sn_eval.search.judge import Judge
from sn_eval.search.predictor import LightPredictor, Linear, Scope, Trees, load, save

PROMPTS, PIECES, EACH = 5, 3, 8


def looked(rollout, prompt="a hill", look=2, pieces=1, count=EACH):
    """Branches of each piece after `look` evaluations, the plain candidate being accepted."""
    state = rollout.start([prompt], None, 0)
    for _ in range(pieces):
        branches = rollout.expand(propose(state, count, rollout.noise_shape()))
        yield rollout.refine(branches, look, decode=False) if look else branches
        state = rollout.commit(branches)[0].state


@pytest.fixture(scope="module")
def table():
    """Scores are linear in the noise (the analytic model decodes an affine map of it): nothing is left to chance."""
    rollout = chunks(GaussianModel(size=8), steps=4)
    judge, rows, score, step, prompt = Judge(LinearReward(), 8.0), [], [], [], []
    for number in range(PROMPTS):
        for branches in looked(rollout, f"prompt {number}", pieces=PIECES):
            clips = [done.frames for done in rollout.commit(branches)]
            score += [value for value, _ in judge.clips(clips, branches)]
            rows.append(feature_rows(branches, 2).half().float().numpy())
            step += [len(rows)] * EACH
            prompt += [number] * EACH
    groups = lengths(given_features(branches) | seen_features(branches))
    return fitting.Table(np.concatenate(rows), np.array(score), np.array(step), np.array(prompt), groups)


def light(how, features, noise=(4, 3, 8, 8), look=0):
    return LightPredictor(look, 0.5, how, Scope("gaussian", "chunk", "bright", noise, 4, "early", features), {"a": 1})


# --- features ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rollout", [
    chunks(GaussianModel(size=8), steps=4),
    chunks(GaussianModel(size=8), steps=4, preview="coarse"),
    FifoRollout(GaussianModel(size=8), steps=8, chunks=3),
], ids=["early", "coarse", "fifo"])  # fmt: skip
def test_features_have_one_length_for_all_pieces_and_are_numbers(rollout):
    found = [feature_rows(branches, 2) for branches in looked(rollout, pieces=3)]
    assert len({rows.shape for rows in found}) == 1
    assert all(torch.isfinite(rows.half()).all() for rows in found)
    assert len(torch.unique(found[0], dim=0)) == EACH  # candidates can be told apart
    given = feature_rows(next(iter(looked(rollout, look=0))), 0)
    assert torch.equal(found[0][:, : given.shape[1]], given)  # a look adds features, and changes none


@pytest.mark.parametrize("shape", [(6, 16, 16, 16), (3, 4, 5, 9), (1, 3, 64, 64), (2, 200, 3, 1), (1, 1, 1, 1)])
def test_latents_of_any_size_make_a_few_hundred_numbers(shape):
    """Also where nothing was accepted yet, and where the context has another size."""
    states = [State(0, ("a",), None), State(0, ("a",), SimpleNamespace(latents=torch.ones(5, shape[1], 8, 8)), key=9)]
    branches = [
        Branch(Candidate(state, 0, 1, torch.randn(shape), "plain"), None, Cond(("a",)), clean=torch.randn(shape))
        for state in states
    ]
    rows = feature_rows(branches, 1)
    assert rows.shape[1] <= 1000
    assert torch.isfinite(rows).all()
    context = given_features(branches)["context"]
    assert not context[0].any()
    assert context[1].any()


def test_features_of_a_branch_do_not_depend_on_those_beside_it():
    branches = next(iter(looked(chunks(GaussianModel(size=8), steps=4))))
    alone = torch.cat([feature_rows([branch], 2) for branch in reversed(branches)])
    assert torch.allclose(alone.flip(0), feature_rows(branches, 2), atol=1e-6)


def test_an_estimate_that_is_not_there_is_not_made_up():
    with pytest.raises(UserError, match="no estimate yet"):
        feature_rows(next(iter(looked(chunks(), look=0))), 1)


# --- fitting ----------------------------------------------------------------------------------------------


def test_a_score_that_is_linear_in_the_noise_is_found(table):
    found = fitting.fit(table, 0.25)
    assert found.kind == "ridge"
    assert found.figures.hit > 0.8
    assert found.figures.spearman > 0.8
    assert found.figures.useful
    assert found.figures.chance == 0.25
    assert found.figures.steps == PROMPTS * PIECES
    assert found.figures.gain > 0.95 > found.figures.gain_chance
    assert set(found.ablation) == {"noise", "noise + context", "latents"}
    assert found.ablation["noise"].hit > 0.8
    assert found.kinds["boosting"].hit > found.kinds["boosting"].chance


def test_scores_that_have_nothing_to_do_with_candidates_are_not_found(table):
    rng = np.random.default_rng(0)
    score = np.concatenate([rng.permutation(part) for part in np.split(table.score, PROMPTS * PIECES)])
    dealt = replace(table, score=score)
    found = fitting.figures(dealt, fitting.held_out(dealt, "ridge"), 0.5)
    assert not found.useful
    assert found.low < 0.5 < found.high
    assert abs(found.spearman) < 0.25


@pytest.mark.parametrize("kind", fitting.FITS)
def test_guesses_about_a_prompt_never_saw_its_scores(table, kind):
    own = table.prompt == 2
    changed = replace(table, score=np.where(own, -table.score, table.score))
    before, after = (fitting.held_out(each, kind) for each in (table, changed))
    assert np.array_equal(before[own], after[own])
    assert not np.array_equal(before[~own], after[~own])


def test_too_little_is_one_line(table):
    with pytest.raises(UserError, match="2 prompts have features and scores, and 3 are needed"):
        fitting.check_enough(table.at(np.flatnonzero(table.prompt < 2)))
    with pytest.raises(UserError, match="9 steps have several scored candidates, and 10 are needed"):
        fitting.check_enough(table.at(np.flatnonzero(table.step > 6)))
    with pytest.raises(UserError, match="the same score"):
        fitting.figures(replace(table, score=np.ones_like(table.score)), table.score, 0.5)


def test_figures_are_those_of_the_definition():
    """One step of four, two kept; chance by trying every choice."""
    score, guess = np.array([1.0, 4.0, 2.0, 3.0]), np.array([0.5, 0.1, 0.9, 0.8])
    one = fitting.Table(np.zeros((4, 1)), score, np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64), {"noise": 1})
    found = fitting.figures(one, guess, 0.5)
    blind = [max(score[list(two)]) for two in itertools.combinations(range(4), 2)]
    assert (found.hit, found.chance) == (0.0, 0.5)  # kept are the scores 2 and 3
    assert found.gain == pytest.approx((3 - 2.5) / (4 - 2.5))
    assert found.gain_chance == pytest.approx((np.mean(blind) - 2.5) / (4 - 2.5))
    assert found.spearman == pytest.approx(-0.4)


def test_trees_as_arrays_say_what_scikit_learn_says(table, monkeypatch):
    from sklearn.ensemble import GradientBoostingRegressor

    fitted = []
    whole = GradientBoostingRegressor.fit
    monkeypatch.setattr(GradientBoostingRegressor, "fit", lambda self, *a: fitted.append(whole(self, *a)) or fitted[0])
    made = fitting.fit_trees(table)
    told = fitted[0].predict(table.rows)
    assert np.ptp(told) > 0
    ours = made(table.rows.astype(np.float64))
    assert np.allclose(ours - ours.mean(), told - told.mean())


# --- the predictor and its file ---------------------------------------------------------------------------


def test_a_file_gives_back_the_same_predictor(table, tmp_path):
    branches = next(iter(looked(chunks(GaussianModel(size=8), steps=4), "another prompt")))
    for how in (fitting.fit_linear(table), fitting.fit_trees(table)):
        made = light(how, table.rows.shape[1], look=2)
        again = save(made, tmp_path / "p.skops")
        assert isinstance(again, Predictor)
        assert again.scores(branches) == made.scores(branches)
        assert repr(again) == repr(made) == repr(load(tmp_path / "p.skops"))
        assert (again.scope, again.card, again.look, again.keep) == (made.scope, made.card, 2, 0.5)
        assert repr(replace(made, keep=0.25)) != repr(made)
    assert repr(light(Linear(np.ones(3)), 3)) != repr(light(Linear(np.zeros(3)), 3))
    assert " at 0x" not in repr(made)


def test_it_refuses_what_it_was_not_trained_on(table):
    made = light(Linear(np.ones(5)), 5, look=2)
    branches = next(iter(looked(chunks(GaussianModel(size=8), steps=4))))
    with pytest.raises(UserError, match="trained on 5 features"):
        made.scores(branches)
    with pytest.raises(UserError, match=r"trained on noise of shape \(4, 3, 8, 8\), and this search has \(3, 3, 4, 4"):
        made.scores(next(iter(looked(chunks(), look=2))))
    rollout = chunks(GaussianModel(size=8), steps=4)
    made.check(rollout, "bright")
    for other, reward, told in (
        (rollout, "red", "reward bright, and this search has red"),
        (rollout.with_steps(5), "bright", "steps 4, and this search has 5"),
        (rollout.with_preview("coarse"), "bright", "preview early, and this search has coarse"),
        (chunks(), "bright", "noise of shape"),
    ):
        with pytest.raises(UserError, match=told):
            made.check(other, reward)
    replace(made, look=0).check(rollout.with_steps(5), "bright")  # noise is the same whatever the steps


def _written(path, data):
    path.write_bytes(data)
    return path


def test_files_that_are_no_predictor_are_refused_in_one_line(tmp_path):
    from skops.io import dumps

    good = save(light(Linear(np.ones(5)), 5), tmp_path / "good.skops")
    old = replace(good, scope=replace(good.scope, version=0))
    files = {
        "pickled": (pickle.dumps({"format": 1}), "cannot read the predictor"),
        "cut": ((tmp_path / "good.skops").read_bytes()[:100], "cannot read the predictor"),
        "foreign": (dumps({"format": 1, "how": SimpleNamespace()}), "holds the type types.SimpleNamespace"),
        "other": (dumps({"format": 1, "weights": [1.0]}), "holds no predictor of this version"),
        "textual": (dumps({"format": 1, "look": 0, "keep": 0.5, "card": {}, "scope": vars(good.scope),
                           "how": {"kind": "Linear", "weights": "none"}}), "holds no predictor of this version"),
    }  # fmt: skip
    held = {"format": 1, "look": 0, "keep": 0.5, "card": {}, "scope": asdict(good.scope)}
    linear = {"kind": "Linear", "weights": np.ones(5)}
    for name, wrong in {"look": -1, "keep": 0.0, "how": {**linear, "weights": np.ones(4)}}.items():
        files[name] = (dumps({**held, "how": linear, name: wrong}), "holds no predictor of this version")
    assert load(_written(tmp_path / "sound", dumps({**held, "how": linear}))).keep == 0.5
    for name, (data, told) in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=told) as error:
            load(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="features of version 0, and this sn-eval makes"):
        save(old, tmp_path / "old.skops")
    with pytest.raises(UserError, match="there is no predictor"):
        load(tmp_path / "nowhere.skops")


def test_trees_end_in_a_leaf_from_anywhere():
    nodes = [0, 0, 0], [0.5, 0.0, 0.0], [1, 1, 2], [2, 1, 2], [0, -1.0, 1.0]
    tree = Trees(*(np.array([each]) for each in nodes), depth=4)
    assert tree(np.array([[0.0], [0.5], [0.6]])).tolist() == [-1.0, -1.0, 1.0]
