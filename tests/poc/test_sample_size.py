"""How many prompts it takes, before there are results."""

import pytest
from experiment_files import ANALYTIC, FULL

from sn_eval.decision.power import needed, needed_for_acceptance
from sn_eval.poc.sample_size import sample_sizes
from sn_eval.results.experiment_file import parse_experiment


def test_acceptance_is_planned_under_several_baselines():
    rows = sample_sizes(parse_experiment(FULL, "a.yaml"))
    assert [row.outcome for row in rows] == ["acceptance"] * 3
    assert rows[1].needed == needed_for_acceptance(0.6, 0.7, 0.3, 2)
    assert "acceptance 60% becomes 70%" in rows[1].assumed
    assert not any(row.enough for row in rows)
    assert {row.prompts for row in rows} == {2}


def test_no_acceptance_above_one_and_a_correlation_that_is_possible():
    rows = sample_sizes(parse_experiment(FULL.replace("minimum_effect: 0.1", "minimum_effect: 0.59"), "a.yaml"))
    assert ["40% becomes 99%" in row.assumed for row in rows] == [True]
    assert "correlate by 0;" in rows[0].assumed


def test_other_outcomes_are_planned_by_effect_over_spread():
    experiment = parse_experiment(ANALYTIC, "a.yaml")
    rows = sample_sizes(experiment)
    assert [row.needed for row in rows] == [needed(size, 1.0) for size in (0.3, 0.5, 0.8)]
    (row,) = sample_sizes(experiment, {"lighting_consistency": 0.04})
    assert row.needed == needed(0.02, 0.04) == 34
    assert "headroom measured" in row.assumed


@pytest.mark.parametrize(("spread", "enough"), [(0.0, False), (0.5, False)])
def test_enough_is_enough(spread, enough):
    (row,) = sample_sizes(parse_experiment(ANALYTIC, "a.yaml"), {"lighting_consistency": spread})
    assert row.enough is enough  # one confirm prompt never is
