"""`models fit-predictor`: from a run that kept features to a file that a search is given, and what it says when not."""

import json
import random
from pathlib import Path

import pytest
from running import written
from typer.testing import CliRunner

from rewards.base import UserError
from sn_eval.cli import app
from sn_eval.poc.cell import make_method
from sn_eval.poc.feature_table import check_trace, load_table, scored_steps
from sn_eval.poc.feature_tap import MOST, read_features
from sn_eval.poc.run import run
from sn_eval.results.record import Component
from sn_eval.results.store import RunStore
from sn_eval.results.trace import read_trace

PROMPTS, CHUNKS, EACH = 4, 3, 6
KNOBS = {"beams": 1, "candidates": EACH, "look": 3}
BEAMS = 1 + 2 * (CHUNKS - 1)  # of a whole video, where two go on
SEARCH = {"use": "scaling_noise", "params": KNOBS}


def experiment(folder, **changes):
    prompts = [{"text": f"prompt {i}", "split": "dev"} for i in range(PROMPTS)]
    rollout = {"use": "chunk", "params": {"steps": 4, "chunks": CHUNKS}}
    return written(folder, **{"rollout": rollout, "methods": [SEARCH], "baseline": "scaling_noise", "budget": None,
                              "prompts": prompts, "keep_features": True} | changes)  # fmt: skip


def fit(*words, code=0):
    done = CliRunner().invoke(app, ["models", "fit-predictor", *map(str, words), "--quiet"], prog_name="sn-eval")
    assert done.exit_code == code, done.output
    return done


def refused(*words):
    done = fit(*words, code=2)
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    assert run(experiment(folder), folder / "run").finished
    return folder


@pytest.fixture(scope="module")
def said(home):
    return json.loads(fit(home / "run", "--out", home / "p.skops", "--json").stdout)


def cells(folder):
    store = RunStore(folder)
    return {cell: store.folder(cell) for cell in store.ids()}


def test_it_finds_what_the_analytic_model_makes_of_noise(home, said):
    assert said["rows"] == PROMPTS * CHUNKS * EACH
    assert said["figures"]["hit"] > 0.8 > said["figures"]["chance"] == 0.5
    assert said["figures"]["spearman"] > 0.5
    assert said["figures"]["prompts"] == PROMPTS
    assert said["useful"] is (said["figures"]["low"] > said["figures"]["chance"])
    assert set(said["ablation"]) == {"noise", "context"}  # with look 0 there are no latents
    assert said["reward"] == "bright"
    assert (home / "p.skops").is_file()


def test_the_words_name_all_that_is_known(home):
    shown = fit(home / "run", "--look", "2", "--out", home / "other.skops").stdout
    for word in ("72 candidates, 12 steps, 4 prompts (dev)", "look 2", "noise + context alone", "by chance",
                 "params: {predictor:"):  # fmt: skip
        assert word in shown, word


def test_features_are_kept_of_every_previewed_candidate_at_every_look(home):
    for folder in cells(home / "run").values():
        kept = read_features(folder)
        rows = [row for row in read_trace(folder / "trace.jsonl") if row["kind"] == "preview"]
        assert set(kept.names) == {(row["step"], row["seed"], row["key"]) for row in rows}
        assert dict(zip(kept.names, kept.parents, strict=True)) == {
            (row["step"], row["seed"], row["key"]): row["parent"] for row in rows
        }
        assert {look: len(of) for look, of in kept.seen_of.items()} == dict.fromkeys((1, 2, 3), CHUNKS * EACH)
        assert kept.given.dtype == "float16"
        assert len(kept.names) < MOST


def test_nothing_else_depends_on_keeping_them(home):
    """The same cells, bits, costs and traces; and no file where it was not asked for."""
    first = experiment(home).prompts[:1]
    bare = home / "bare"
    run(experiment(home, prompts=[first[0].model_dump()], keep_features=False), bare)
    ((cell, folder),) = cells(bare).items()
    assert not (folder / "features.npz").exists()
    beside = cells(home / "run")[cell]
    mine, its = (RunStore(each).record(cell) for each in (bare, home / "run"))
    assert mine.frames_sha256 == its.frames_sha256
    assert mine.cost.nfe == its.cost.nfe
    assert mine.cost.nfe_preview == its.cost.nfe_preview
    assert (folder / "trace.jsonl").read_text() == (beside / "trace.jsonl").read_text()
    told = refused(bare, "--out", home / "x.skops")
    assert "holds features.npz: set keep_features: true" in told
    assert not (home / "x.skops").exists()


def test_what_cannot_be_done_is_one_line(home, tmp_path):
    out = ("--out", tmp_path / "x.skops")
    assert "no run at" in refused(tmp_path / "nowhere", *out)
    assert "no features after 9 evaluations" in refused(home / "run", "--look", "9", *out)
    assert "has a prompt of split confirm" in refused(home / "run", "--split", "confirm", *out)
    assert "--keep 1: a share between 0 and 1" in refused(home / "run", "--keep", "1", *out)
    assert "ends in .skops" in refused(home / "run", "--out", "p.pkl")
    assert "had a predictor: give a method params" in refused(home / "run", "--check")
    assert not (tmp_path / "x.skops").exists()


def test_a_damaged_file_of_features_is_named(home, tmp_path):
    whole = next(home.glob("run/**/features.npz")).read_bytes()
    for data in (b"no archive", whole[: len(whole) // 2]):
        (tmp_path / "features.npz").write_bytes(data)
        with pytest.raises(UserError, match=r"features.npz is damaged: delete the cell's folder"):
            read_features(tmp_path)


def test_a_predictor_that_knows_nothing_says_so(home, monkeypatch):
    """Candidates' scores are dealt out anew within each step."""
    from sn_eval.poc import feature_table

    rng = random.Random(0)

    def dealt(trace):
        return [(names, [rng.random() for _ in names]) for names, _ in scored_steps(trace)]

    monkeypatch.setattr(feature_table, "scored_steps", dealt)
    done = fit(home / "run", "--out", home / "blind.skops", "--json")
    assert json.loads(done.stdout)["useful"] is False
    assert "warning: no better than chance as far as these prompts tell" in done.stderr


# --- used by a search -------------------------------------------------------------------------------------


def test_a_method_is_given_the_file_by_name(home, said):
    made = [make_method(Component(use="noise_search", params={"predictor": str(home / "p.skops")})) for _ in range(2)]
    assert made[0].predictor.keep == 0.5
    assert repr(made[0].predictor) == repr(made[1].predictor)
    with pytest.raises(UserError, match="there is no predictor"):
        make_method(Component(use="noise_search", params={"predictor": "nowhere.skops"}))


def with_predictor(home, **changes):
    knobs = {"candidates": EACH, "predictor": str(home / "p.skops")}  # looks at 3, and keeps 2 beams
    return experiment(home, methods=[{"use": "noise_search", "params": knobs}], baseline="noise_search", **changes)


def test_a_search_with_it_previews_the_kept_share_and_can_be_checked(home, said):
    assert run(with_predictor(home), home / "with").finished
    for folder in cells(home / "with").values():
        rows = list(read_trace(folder / "trace.jsonl"))
        guessed, looked = ([row for row in rows if row["kind"] == kind] for kind in ("predicted", "preview"))
        assert len(guessed) == BEAMS * EACH
        assert len(looked) == BEAMS * EACH / 2
        assert {row["key"] for row in looked} == {row["key"] for row in guessed if row["kept"]}
    told = json.loads(fit(home / "with", "--check", "--json").stdout)
    assert (told["cells"], told["steps"]) == (PROMPTS, PROMPTS * BEAMS)
    assert (told["predicted"], told["previewed"]) == (PROMPTS * BEAMS * EACH, PROMPTS * BEAMS * EACH / 2)
    assert told["spearman"] > 0.5
    assert "rank correlation of guess and preview" in fit(home / "with", "--check").stdout


def test_another_file_is_another_cell_and_another_model_is_refused(home, said):
    (first,) = {RunStore(home / "with").record(cell).method.params["predictor"] for cell in cells(home / "with")}
    assert Path(first) == home / "p.skops"
    for changed, told in (
        ({"model": {"use": "gaussian", "params": {"size": 4}}}, "noise of shape"),
        ({"reward": "mine:red", "evaluators": ["mine:bright"]}, "trained on reward bright, and this search has red"),
    ):
        with pytest.raises(ValueError, match=told):
            run(with_predictor(home, **changed), home / "refused")


def test_guesses_and_first_previews_are_paired_within_a_beam():
    def row(kind, key, score, parent="p"):
        return {"kind": kind, "step": 0, "seed": 0, "key": key, "parent": parent, "score": score, "look": 1}

    trace = [row("predicted", key, guess) for key, guess in zip("abcd", (1.0, 2.0, 3.0, 0.0), strict=True)]
    trace += [row("preview", key, score) for key, score in (("a", 0.1), ("b", 0.3), ("c", 0.2), ("b", 9.0))]
    found = check_trace([*trace, row("final", "b", 1.0), row("preview", "e", 1.0, "q")])
    assert (found.steps, found.predicted, found.previewed) == (1, 4, 3)
    assert found.spearman == pytest.approx(0.5)


def test_scores_of_a_step_are_all_of_one_kind():
    """A finished piece is never held against a preview."""

    def row(kind, key, score, look=None):
        return {"kind": kind, "step": 0, "seed": 0, "key": key, "parent": "p", "score": score, "look": look}

    looks = [row("preview", "a", 0.1, 1), row("preview", "b", 0.2, 1), row("preview", "b", 0.7, 2)]
    names = [(0, 0, "a"), (0, 0, "b")]
    assert scored_steps([*looks, row("final", "b", 0.9)]) == [(names, [0.1, 0.2])]
    assert scored_steps([*looks, row("final", "b", 0.9), row("final", "a", 0.8)]) == [(names, [0.8, 0.9])]
    assert scored_steps([row("preview", "a", None, 1), row("preview", "b", 0.2, 1)]) == []


def test_tables_of_several_kinds_of_look_are_not_mixed(home):
    coarse = {"use": "noise_search", "params": {"candidates": EACH, "preview": "coarse"}}
    run(experiment(home, methods=[SEARCH, coarse], prompts=[{"text": "prompt 0", "split": "dev"}]), home / "two")
    assert (load_table(home / "two", 3).cells, load_table(home / "two", 3).left_out) == (1, 1)
    assert (load_table(home / "two", 0).cells, load_table(home / "two", 0).left_out) == (2, 0)
