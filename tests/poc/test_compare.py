import csv
import json

import numpy as np
import pytest

from sn_eval.poc import compare as comparing
from sn_eval.poc import worker
from sn_eval.poc.compare import run_and_compare
from sn_eval.results.experiment import Budget, Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan
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
    return Experiment.model_validate(
        {
            "name": "tiny",
            "model": {"use": "gaussian"},
            "rollout": {"use": "chunk", "params": {"steps": 4, "chunks": 3}},
            "reward": {"use": f"{file}:bright"},
            "evaluators": [{"use": f"{file}:red"}],
            "methods": [{"use": "plain"}, {"use": "random_pick"}, {"use": "best_of_n"},
                        {"use": "scaling_noise", "params": {"look": 2}}],
            "budget": {"unit": "nfe", "amounts": [60]},
            "prompts": ["a hill", "a lake", "a road"],
            "seeds": [0, 1],
        }
    )  # fmt: skip


def test_headline_numbers_are_what_the_raw_records_say(tmp_path, suite):
    found = run_and_compare(suite, tmp_path / "run")
    records = list(RunStore(tmp_path / "run").records())
    judge, prompts = next(v.judge for v in found.verdicts), [p.text for p in suite.prompts]
    score = {(r.method.use, r.prompt, r.seed): r.scores[judge] for r in records}
    assert len(score) == found.videos == 4 * 3 * 2
    verdict = next(v for v in found.verdicts if v.method == "best_of_n@60" and v.against == "plain")
    by_prompt = [np.mean([score["best_of_n", p, s] - score["plain", p, s] for s in suite.seeds]) for p in prompts]
    assert verdict.difference.mean == pytest.approx(np.mean(by_prompt))
    assert set(verdict.difference.losing) == {p for p, d in zip(prompts, by_prompt, strict=True) if d < 0}
    assert verdict.mean == pytest.approx(np.mean([v for k, v in score.items() if k[0] == "best_of_n"]))
    assert found.cost["best_of_n@60"]["nfe"] == np.mean(
        [r.cost.nfe.value for r in records if r.method.use == "best_of_n"]
    )


def test_where_lower_is_better_the_method_loses_where_its_score_is_higher(tmp_path, suite):
    run_and_compare(suite, tmp_path / "run")
    store, plan = RunStore(tmp_path / "run"), Plan.load(tmp_path / "run")
    records = {cell: store.record(cell) for cell in store.ids()}
    up = comparing.compare(suite, plan, records)
    turned = plan.model_copy(update={"judges": (plan.judges[0].model_copy(update={"higher_is_better": False}),)})
    down = comparing.compare(suite, turned, records)
    for one, two in zip(up.verdicts, down.verdicts, strict=True):
        if one.difference is not None:
            assert one.difference.mean == two.difference.mean
            differing = {prompt for prompt, value in one.difference.per_prompt.items() if value}
            assert set(one.difference.losing) ^ set(two.difference.losing) == differing
            assert not set(one.difference.losing) & set(two.difference.losing)


def test_methods_spend_the_same_and_never_more(tmp_path, suite):
    found = run_and_compare(suite, tmp_path / "run")
    for use in ("random_pick", "best_of_n", "scaling_noise"):
        assert 0.97 <= found.cost[f"{use}@60"]["share_of_budget"] <= 1.0
    assert found.cost["plain"]["nfe"] == 12


def test_what_is_searched_for_is_found(tmp_path, suite):
    """On its own reward the search beats the baselines; this says that it searches, not that it helps."""
    run_and_compare(suite, tmp_path / "run")
    own = {}
    for record in RunStore(tmp_path / "run").records():
        own.setdefault(record.method.use, []).append(record.scores.get("searched:bright"))
    assert np.mean(own["scaling_noise"]) > np.mean(own["best_of_n"])


def test_a_finished_run_is_only_read_and_a_stopped_one_goes_on(tmp_path, suite, monkeypatch):
    made = []
    whole = worker.run_cell
    monkeypatch.setattr(worker, "run_cell", lambda cell, *a, **k: (made.append(cell.id), whole(cell, *a, **k))[1])
    first = run_and_compare(suite, tmp_path / "run")
    assert len(made) == 24
    (tmp_path / "run" / "cells" / made[5] / "record.json").unlink()
    again = run_and_compare(suite, tmp_path / "run")
    assert made[24:] == [made[5]]
    drop = ("seconds", "teraflops")
    cost = [{m: {k: v for k, v in c.items() if k not in drop} for m, c in f.cost.items()} for f in (first, again)]
    assert cost[0] == cost[1]
    assert [v.mean for v in first.verdicts] == [v.mean for v in again.verdicts]


def test_outputs_open(tmp_path, suite):
    run_and_compare(suite, tmp_path / "run")
    rows = list(csv.DictReader((tmp_path / "run" / "results.csv").open(encoding="utf-8-sig")))
    assert len(rows) == 24
    data = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert {row["method"] for row in data["verdicts"]} == {
        "plain",
        "random_pick@60",
        "best_of_n@60",
        "scaling_noise@60",
    }
    assert len(list((tmp_path / "run" / "sheets").glob("*.png"))) == 3


def test_a_failed_cell_is_told_and_the_others_are_kept(tmp_path, suite, monkeypatch):
    whole = worker.run_cell

    def fails(cell, *args, **more):
        if cell.prompts == ("a lake",):
            raise ValueError("no lake")
        return whole(cell, *args, **more)

    monkeypatch.setattr(worker, "run_cell", fails)
    with pytest.raises(ResultsError, match=r"8 of 24 videos are not made \(no lake\); the others are kept"):
        run_and_compare(suite, tmp_path / "run")
    assert len(RunStore(tmp_path / "run").ids()) == 16


def test_judging_by_what_was_searched_on_is_refused_or_marked(tmp_path, suite):
    own = suite.model_dump() | {"evaluators": [suite.reward.model_dump()], "prompts": ["a hill"], "seeds": [0]}
    with pytest.raises(ResultsError, match="searches on: choose an evaluator of another family"):
        run_and_compare(Experiment.model_validate(own), tmp_path / "run")
    allowed = Experiment.model_validate(own | {"allow_same_family": True})
    assert all(v.searched_family for v in run_and_compare(allowed, tmp_path / "run").verdicts)


def test_a_budget_below_one_video_says_the_least(tmp_path, suite):
    small = suite.model_copy(update={"budget": Budget(unit="nfe", amounts=(5,))})
    with pytest.raises(ResultsError, match="the minimum is 12"):
        run_and_compare(small, tmp_path / "run")
