"""The benchmark with a known truth: its truth is one, its experiments are decided as whole ones are, and it runs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from benchmarks.decision import __main__ as benchmark
from benchmarks.decision import figures
from benchmarks.decision.coverage import covered, kinds
from benchmarks.decision.verdicts import material, outcome
from benchmarks.decision.world import CAP, FALLBACK, PLAIN, REJECTION, REVIEW, SEARCH, SETTINGS, World
from sn_eval.decision.analysis import conclude
from sn_eval.decision.findings import Attempt
from sn_eval.decision.roi import ArmEconomics, roi

WORLDS = (World("alike"), World("differing", differs=0.5, correlation=0.4))


def produced(chances: np.ndarray, compute: float, rng: np.random.Generator) -> float:
    """Mean money of a delivered video: attempts are made until one is accepted, or by hand after CAP of them."""
    accepted = rng.random((len(chances), CAP)) < chances[:, None]
    tried = np.where(accepted.any(1), accepted.argmax(1) + 1, CAP)
    rejected = tried - accepted.any(1)
    money = tried * (compute + REVIEW) + rejected * REJECTION + ~accepted.any(1) * FALLBACK
    return float(money.mean())


@pytest.mark.parametrize("world", WORLDS)
def test_the_truth_is_that_of_a_production_played_out(world):
    rng = np.random.default_rng(0)
    easy = logit(rng.beta(*world.beta, 400_000))
    search = expit(easy + world.break_even + world.differs * rng.normal(size=len(easy)))
    assert search.mean() - expit(easy).mean() == pytest.approx(world.uplift(world.break_even), abs=0.002)
    assert produced(search, SEARCH, rng) == pytest.approx(produced(expit(easy), PLAIN, rng), rel=0.01)
    assert world.uplift(world.shift_of(0.2)) == pytest.approx(0.2)
    assert world.uplift(0.0) == pytest.approx(0.0, abs=1e-3 if world.differs == 0 else 0.02)


def test_the_break_even_of_many_prompts_is_the_true_one():
    """Code that shares nothing with the truth but the formulas of the design."""
    world, rng = World("large", repeats=4), np.random.default_rng(1)
    shift = world.shift_of(2 * world.uplift(world.break_even))
    experiment = material(world, world.draw(24, shift, SETTINGS, rng), world.draw(80, shift, 1, rng), 0, 1.0).experiment
    prompts = tuple(map(str, range(3000)))
    arms = [
        ArmEconomics(prompts, accepted.sum(1).astype(float), np.full(len(prompts), 4.0), compute)
        for accepted, compute in zip(world.draw(len(prompts), shift, 1, rng), (PLAIN, SEARCH), strict=True)
    ]
    found = roi(experiment.business, *arms, prices=experiment.prices, price=None, draws=100)
    assert found.break_even_uplift == pytest.approx(world.uplift(world.break_even), abs=0.01)
    assert found.unit_cost[0] - found.unit_cost[1] == pytest.approx(world.saving(shift), abs=60)


def test_what_wins_clearly_is_a_go_at_half_and_what_does_nothing_is_none():
    world = World("alike")
    assert [outcome(world, 5.0, seed) for seed in range(3)] == [("go", 1)] * 3
    assert "go" not in [outcome(world, -0.5, seed)[0] for seed in range(3)]


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_arms_that_dev_prompts_did_not_choose_change_no_verdict(share):
    world, rng = World("alike", confirm=20, dev=8), np.random.default_rng(2)
    dev, confirm = world.draw(8, 1.0, SETTINGS, rng), world.draw(20, 1.0, 1, rng)
    best = int(dev[1:].mean((1, 2)).argmax())
    short = material(world, dev, confirm, best, share)
    names = {attempt.arm for attempt in short.attempts} - {"plain", f"search{best}@192"}
    twins = [attempt for attempt in short.attempts if attempt.split == "confirm" and attempt.arm == "plain"]
    others = [renamed(attempt, name) for name in sorted(names) for attempt in twins]
    whole = replace(short, attempts=(*short.attempts, *others))
    one, two = conclude(short, draws=500), conclude(whole, draws=500)
    assert one.choice.arm == two.choice.arm == f"search{best}@192"
    assert one.verdict.decision == two.verdict.decision
    assert one.verdict.uplift.low == two.verdict.uplift.low


def renamed(attempt: Attempt, arm: str) -> Attempt:
    return replace(attempt, arm=arm, compute=replace(attempt.compute, nfe=192.0))


def test_truths_of_differences_are_their_means():
    for kind in kinds():
        rng = np.random.default_rng(3)
        assert kind.draw(200_000, rng).mean() == pytest.approx(kind.truth, abs=0.02)


def test_intervals_of_a_few_experiments_mostly_cover():
    held = [covered(kind, 20, seed) for kind in kinds() for seed in range(20)]
    assert 0.88 <= np.mean(held) < 1


def test_limits_that_are_not_kept_are_named():
    narrow = figures.Covered("scores", 20, 0.92, 0.005, 3000)
    fine = replace(narrow, share=0.95)
    wrong = figures.Decided(World("alike"), 1, 0.08, 0.06, 0.006, 0.0, 0.1, 1500, 0.03)
    assert figures.broken([fine], [replace(wrong, go=0.05), replace(wrong, times=2)]) == []
    assert figures.broken([narrow, fine], [wrong]) == [
        "scores, 20 prompts: covers 92.0%", "alike: a wrong Go in 6.0%",
    ]  # fmt: skip


@pytest.mark.slow
def test_it_runs_on_all_cores_and_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "QUICK", benchmark.Size(2, 2, 1))
    assert benchmark.main(["--quick", "--out", str(tmp_path / "figures.json")]) == 0
    printed, written = capsys.readouterr().out, json.loads((tmp_path / "figures.json").read_text())
    assert len(written["verdicts"]) == 2 * len(figures.WORLDS)
    for row in written["coverage"]:
        assert f"| {row['kind']} | {row['prompts']} |" in printed
    for row in written["verdicts"]:
        assert f"{row['go']:.1%} ± {row['error']:.1%}" in printed
