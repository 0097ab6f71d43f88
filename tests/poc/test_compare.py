import csv
import json
from dataclasses import fields

import numpy as np
import pytest
import yaml

from rewards.base import UserError
from sn_eval.metrics.base import MetricSpec
from sn_eval.poc import compare as comparing
from sn_eval.poc.compare import run_suite
from sn_eval.poc.spec import Suite, load_suite
from sn_eval.results.paths import suites_path
from sn_eval.results.store import RunStore

REWARDS = """
from rewards.base import reward

@reward(family="brightness")
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames.mean(dim=(2, 3, 4)).clamp(0, 1)

@reward(family="redness")
def red(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames[:, :, 0].mean(dim=(2, 3)).clamp(0, 1)
"""


@pytest.fixture
def suite(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(REWARDS)
    return Suite.model_validate(
        {
            "name": "tiny",
            "model": {"use": "gaussian"},
            "rollout": {"use": "chunk", "params": {"steps": 4, "chunks": 3}},
            "reward": {"use": f"{file}:bright"},
            "judges": [{"use": f"{file}:red"}],
            "methods": [{"use": "plain"}, {"use": "random_pick"}, {"use": "best_of_n"},
                        {"use": "scaling_noise", "params": {"look": 2}}],
            "budget_nfe": 60,
            "prompts": ["a hill", "a lake", "a road"],
            "seeds": [0, 1],
        }
    )  # fmt: skip


def test_headline_numbers_are_what_the_raw_records_say(tmp_path, suite):
    found = run_suite(suite, tmp_path / "run")
    records = list(RunStore(tmp_path / "run").records())
    judge = next(v.judge for v in found.verdicts)
    score = {(r.method.use, r.prompt, r.seed): r.scores[judge] for r in records}
    assert len(score) == found.videos == 4 * 3 * 2
    verdict = next(v for v in found.verdicts if v.method == "best_of_n" and v.against == "plain")
    by_prompt = [np.mean([score["best_of_n", p, s] - score["plain", p, s] for s in suite.seeds]) for p in suite.prompts]
    assert verdict.difference.mean == pytest.approx(np.mean(by_prompt))
    assert set(verdict.difference.losing) == {p for p, d in zip(suite.prompts, by_prompt, strict=True) if d < 0}
    assert verdict.mean == pytest.approx(np.mean([v for k, v in score.items() if k[0] == "best_of_n"]))
    assert found.cost["best_of_n"]["nfe"] == np.mean([r.cost.nfe.value for r in records if r.method.use == "best_of_n"])


def test_where_lower_is_better_the_method_loses_where_its_score_is_higher(tmp_path, suite):
    run_suite(suite, tmp_path / "run")
    records, players = list(RunStore(tmp_path / "run").records()), comparing.cast(suite)
    judge = players.judges[0]
    turned = MetricSpec(**{f.name: getattr(judge.spec, f.name) for f in fields(judge.spec)}, higher_is_better=False)
    up = comparing.compare(suite, records, players)
    judge.spec = turned
    down = comparing.compare(suite, records, players)
    for one, two in zip(up.verdicts, down.verdicts, strict=True):
        if one.difference is not None:
            assert one.difference.mean == two.difference.mean
            differing = {prompt for prompt, value in one.difference.per_prompt.items() if value}
            assert set(one.difference.losing) ^ set(two.difference.losing) == differing
            assert not set(one.difference.losing) & set(two.difference.losing)


def test_methods_spend_the_same_and_never_more(tmp_path, suite):
    found = run_suite(suite, tmp_path / "run")
    for use in ("random_pick", "best_of_n", "scaling_noise"):
        assert 0.97 <= found.cost[use]["share_of_budget"] <= 1.0
    assert found.cost["plain"]["nfe"] == 12


def test_what_is_searched_for_is_found(tmp_path, suite):
    """On its own reward the search beats the baselines; this says that it searches, not that it helps."""
    run_suite(suite, tmp_path / "run")
    own = {}
    for record in RunStore(tmp_path / "run").records():
        own.setdefault(record.method.use, []).append(record.scores.get("searched:bright"))
    assert np.mean(own["scaling_noise"]) > np.mean(own["best_of_n"])


def test_a_finished_run_is_only_read_and_a_stopped_one_goes_on(tmp_path, suite, monkeypatch):
    made = []
    whole = comparing.run_cell
    monkeypatch.setattr(comparing, "run_cell", lambda cell, *a, **k: (made.append(cell.id), whole(cell, *a, **k))[1])
    first = run_suite(suite, tmp_path / "run")
    assert len(made) == 24
    (tmp_path / "run" / "cells" / made[5] / "record.json").unlink()
    again = run_suite(suite, tmp_path / "run")
    assert made[24:] == [made[5]]
    drop = ("seconds", "teraflops")
    cost = [{m: {k: v for k, v in c.items() if k not in drop} for m, c in f.cost.items()} for f in (first, again)]
    assert cost[0] == cost[1]
    assert [v.mean for v in first.verdicts] == [v.mean for v in again.verdicts]


def test_outputs_open(tmp_path, suite):
    run_suite(suite, tmp_path / "run")
    rows = list(csv.DictReader((tmp_path / "run" / "results.csv").open(encoding="utf-8-sig")))
    assert len(rows) == 24
    data = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert {row["method"] for row in data["verdicts"]} == {"plain", "random_pick", "best_of_n", "scaling_noise"}
    assert len(list((tmp_path / "run" / "sheets").glob("*.png"))) == 3


def test_a_failed_cell_is_told_and_the_others_are_kept(tmp_path, suite, monkeypatch):
    whole = comparing.run_cell

    def fails(cell, *args, **more):
        if cell.prompts == ("a lake",):
            raise UserError("no lake")
        return whole(cell, *args, **more)

    monkeypatch.setattr(comparing, "run_cell", fails)
    with pytest.raises(UserError, match="no lake"):
        run_suite(suite, tmp_path / "run")
    store = RunStore(tmp_path / "run")
    assert len(store.ids()) == 8
    assert store.errors()[0]["message"] == "no lake"


def test_judging_by_what_was_searched_on_is_refused_or_marked(tmp_path, suite):
    own = suite.model_copy(update={"judges": (suite.reward,)})
    with pytest.raises(UserError, match="searches on: choose a judge of another family"):
        run_suite(own, tmp_path / "run")
    allowed = own.model_copy(update={"allow_same_family": True, "prompts": ("a hill",), "seeds": (0,)})
    assert all(v.searched_family for v in run_suite(allowed, tmp_path / "run").verdicts)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"budgit": 3}, "budgit: Extra inputs are not permitted. Known keys: name"),
        ({"prompts": []}, "prompts"),
        ({"prompts": ["a", "a"]}, "stands twice"),
        ({"prompts": ["a", " "]}, "an empty prompt"),
        ({"baseline": "best"}, "baseline 'best' is not among the methods"),
        ({"budget_nfe": 0}, "budget_nfe"),
        ({"methods": [{"use": "plain"}, {"use": "plain"}]}, "twice"),
    ],
)
def test_wrong_suites_are_told_what_is_wrong(tmp_path, suite, change, told):
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(suite.model_dump(mode="json") | change))
    with pytest.raises(UserError, match=told) as caught:
        load_suite(str(path))
    assert "\n" not in str(caught.value)


def test_a_broken_or_missing_suite_file_is_told(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(UserError, match="is no YAML"):
        load_suite(str(tmp_path / "bad.yaml"))
    with pytest.raises(UserError, match="name a YAML file or one of .*demo"):
        load_suite("nothing")


@pytest.mark.parametrize("path", sorted(p for p in suites_path().glob("*.yaml") if "prompts" not in p.stem))
def test_every_shipped_suite_is_valid(path):
    suite = load_suite(str(path))
    assert len({cell.id for cell in suite.cells()}) == len(suite.cells())


def test_a_budget_below_one_video_says_the_least(tmp_path, suite):
    small = suite.model_copy(update={"budget_nfe": 5})
    with pytest.raises(UserError, match=r"12"):
        run_suite(small, tmp_path / "run")
