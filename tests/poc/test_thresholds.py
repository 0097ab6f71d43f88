"""Thresholds come from plain samples of dev prompts, and from nothing else."""

import math

import pytest

from benchmarks.thresholds import __main__ as thresholds
from sn_eval.poc.spec import experiment_named
from sn_eval.results.experiment import Evaluator


def test_only_dev_prompts_are_sampled_and_only_plainly():
    experiment = experiment_named("tabletop-mini").model_copy(update={"evaluators": (Evaluator(use="moving_share"),)})
    short = experiment.rollout.model_copy(update={"params": {"steps": 2, "chunks": 1}})
    asked = []
    real = thresholds.run_cell

    def counted(cell, *args, **more):
        asked.append(cell)
        return real(cell, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thresholds, "run_cell", counted)
        found = thresholds.plain_scores(experiment.model_copy(update={"rollout": short}), seeds=2)
    assert {cell.prompts[0] for cell in asked} == {p.text for p in experiment.prompts if p.split == "dev"}
    assert {cell.method.use for cell in asked} == {"plain"}
    assert {group: len(of["moving_share"]) for group, of in found.items()} == {
        "persistence": 4, "position": 2, "motion": 2,
    }  # fmt: skip


def test_quantiles_pass_over_what_is_not_scored():
    scores = {"g": {"a": [1.0, 2.0, 3.0, math.nan], "b": [math.nan]}}
    assert thresholds.quantiles(scores) == {"g": {"a": [1.2, 1.5, 2.0, 2.5, 2.8], "b": []}}
