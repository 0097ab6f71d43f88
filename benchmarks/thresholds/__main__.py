"""`python -m benchmarks.thresholds SUITE`: what plain samples of the dev prompts score, by group and evaluator.

A threshold is declared before methods are compared. So only dev prompts are sampled here, and only by the baseline's
own sampler: neither the prompts that judge nor the methods that are judged can move it.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from sn_eval import metrics, models
from sn_eval.metrics.base import key_of
from sn_eval.poc.cell import Cell, run_cell
from sn_eval.poc.spec import experiment_named
from sn_eval.results.experiment import Experiment
from sn_eval.results.record import Component

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
Scores = dict[str, dict[str, list[float]]]  # group → evaluator → scores


def plain_scores(experiment: Experiment, seeds: int) -> Scores:
    """Scores of `seeds` plain samples of every dev prompt."""
    judges = [metrics.create(judge.use, **judge.params) for judge in experiment.evaluators]
    made = [Component(use=judge.use, params=judge.params) for judge in experiment.evaluators]
    keys = {e.label: key_of(judge.spec) for e, judge in zip(experiment.evaluators, judges, strict=True)}
    model = models.create(experiment.model.use, **experiment.model.params)
    found: Scores = defaultdict(lambda: defaultdict(list))
    for prompt in (prompt for prompt in experiment.prompts if prompt.split == "dev"):
        for seed in range(seeds):
            cell = Cell(
                prompt.schedule or (prompt.text,), experiment.model, experiment.rollout, Component(use="plain"),
                judges=tuple(made), seed=seed,
            )  # fmt: skip
            with tempfile.TemporaryDirectory() as folder:
                scores = run_cell(cell, Path(folder), model, judges=judges).record.scores
            for label, key in keys.items():
                value = scores[key]
                found[prompt.group][label].append(np.nan if value is None else value)
    return found


def quantiles(scores: Scores) -> dict[str, dict[str, list[float]]]:
    """QUANTILES of each group's scores; unscored ones are left out."""
    return {
        group: {
            label: [round(float(q), 4) for q in np.nanquantile(values, QUANTILES)] if not np.isnan(values).all() else []
            for label, values in of.items()
        }
        for group, of in scores.items()
    }


def main() -> None:
    """Print one JSON line a group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", help="a suite by name, or its file")
    parser.add_argument("--seeds", type=int, default=4, help="plain samples of each dev prompt")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = quantiles(plain_scores(experiment_named(given.suite), given.seeds))
    print(json.dumps({"suite": given.suite, "seeds": given.seeds, "quantiles": QUANTILES}))  # noqa: T201
    for group, of in found.items():
        print(json.dumps({group: of}))  # noqa: T201


if __name__ == "__main__":
    main()
