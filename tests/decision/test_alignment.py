"""Reward against judges: rank correlations with known answers, and what they say of few or silent judges."""

import numpy as np
import pytest
from findings import folder
from scipy import stats

from sn_eval.decision.alignment import aligned, dots
from sn_eval.results.plan import Judge, Plan, Planned
from sn_eval.results.run_folder import RunFolder


def run_of(rows, better=True):
    """A plan of one judge, and records: rows of (prompt, reward, judge)."""
    cells = tuple(
        Planned(cell=f"c{n}", prompt=prompt, arm="plain", method="plain", repeat=n)
        for n, (prompt, _, _) in enumerate(rows)
    )
    judge = Judge(label="j", key="j", families=("f",), higher_is_better=better)
    plan = Plan(baseline="plain", rewarded="whole:r", judges=(judge,), cells=cells)
    base = next(iter(RunFolder.open(folder("awkward")).records().values()))
    records = {
        cell.cell: base.model_copy(update={"scores": {"whole:r": reward, "j": value}})
        for cell, (_, reward, value) in zip(cells, rows, strict=True)
    }
    return plan, records


@pytest.mark.parametrize("better", [True, False])
def test_rho_is_spearmans_and_is_turned_where_less_is_better(better):
    rng = np.random.default_rng(3)
    rows = [(f"p{n // 3}", float(a), float(a + b)) for n, (a, b) in enumerate(rng.normal(size=(60, 2)))]
    [found] = aligned(*run_of(rows, better))
    rho = stats.spearmanr([r[1] for r in rows], [r[2] for r in rows]).statistic
    assert found.overall.value == pytest.approx(rho if better else -rho)
    assert found.sign == (1 if better else -1)
    assert (found.n, found.prompts, found.n_within) == (60, 20, 60)
    assert abs(found.overall.low) < 1
    assert found.overall.low < found.overall.value < found.overall.high


def test_within_prompts_the_prompts_own_level_does_not_count():
    """Hard prompts score low by both, but within each prompt the two are at odds."""
    rows = [(f"p{n}", n + 0.1 * k, n - 0.1 * k) for n in range(10) for k in range(4)]
    [found] = aligned(*run_of(rows))
    assert found.overall.value > 0.95
    assert found.within.value == pytest.approx(-1.0)


def test_what_is_not_scored_is_left_out():
    plan, records = run_of([("a", 0.1, None), ("b", None, 0.2), ("c", 0.3, 0.4), ("d", 0.5, 0.6)])
    assert [dot.cell for dot in dots(plan, records, plan.judges[0])] == ["c2", "c3"]
    [found] = aligned(plan, {})
    assert (found.n, found.overall.value, found.sign) == (0, None, 0)


def test_few_prompts_get_no_interval_and_no_verdict():
    [found] = aligned(*run_of([("a", 0.1, 0.1), ("b", 0.2, 0.2), ("c", 0.3, 0.3)]))
    assert found.overall.value == pytest.approx(1.0)
    assert found.overall.low is None
    assert found.sign == 0


def test_a_run_without_a_reward_has_none():
    plan, records = run_of([("a", 0.1, 0.1)])
    assert aligned(plan.model_copy(update={"rewarded": None}), records) == ()
