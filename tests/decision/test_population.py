"""Draws of prompts: Jeffreys' posterior in the plain case, pairing between arms, and intervals that cover the truth."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from sn_eval.decision.acceptance import smooth
from sn_eval.decision.economics import unit_cost
from sn_eval.decision.population import drawn_populations, expected_population
from sn_eval.decision.retries import Retries, retries


def means(baseline, method, draws=20_000):
    """Mean acceptance of both arms in every draw."""
    parts = [
        [(population.weights * population.alpha / (population.alpha + population.beta)).sum(1) for population in pair]
        for pair in drawn_populations(baseline, method, draws, seed=0)
    ]
    return np.concatenate([pair[0] for pair in parts]), np.concatenate([pair[1] for pair in parts])


def once(accepted, prompts):
    return smooth(np.array([1.0] * accepted + [0.0] * (prompts - accepted)), np.ones(prompts))


@pytest.mark.parametrize("accepted", [0, 3, 10])
def test_one_attempt_a_prompt_gives_jeffreys_posterior(accepted):
    drawn, _ = means(once(accepted, 10), once(5, 10))
    assert stats.kstest(drawn, stats.beta(accepted + 0.5, 10 - accepted + 0.5).cdf).pvalue > 0.001


def test_all_accepted_leaves_a_doubt():
    drawn, _ = means(once(10, 10), once(10, 10))
    assert 0.7 < np.percentile(drawn, 2.5) < 0.85
    assert drawn.max() < 1


def test_what_is_hard_for_one_arm_is_hard_for_the_other():
    hard = np.repeat([4.0, 0.0], 15)
    same, tried = smooth(hard, np.full(30, 4.0)), np.full(30, 4.0)
    together = np.corrcoef(*means(same, same))[0, 1]
    against = np.corrcoef(*means(same, smooth(4.0 - hard, tried)))[0, 1]
    assert together > 0.9
    assert against < -0.9


def test_draws_lie_around_the_expected_population_and_repeat():
    rng = np.random.default_rng(3)
    arm = smooth(rng.binomial(5, rng.beta(3, 2, 60)).astype(float), np.full(60, 5.0))
    middle = expected_population(arm)
    expected = float((middle.weights * middle.alpha / (middle.alpha + middle.beta)).sum())
    drawn, again = means(arm, arm)[0], means(arm, arm)[0]
    assert drawn.mean() == pytest.approx(expected, abs=0.005)
    assert expected == pytest.approx(arm.mean)
    assert (drawn == again).all()


def test_equal_prompts_may_be_counted_or_listed():
    """A hair's breadth apart they are listed one by one, and nothing changes but the draws' noise."""
    accepted = np.repeat([1.0, 2.0, 4.0], 10)
    apart = accepted - np.arange(30) * 1e-9
    counted, listed = (means(arm, arm)[0] for arm in (smooth(each, np.full(30, 4.0)) for each in (accepted, apart)))
    assert counted.mean() == pytest.approx(listed.mean(), abs=0.003)
    assert counted.std() == pytest.approx(listed.std(), rel=0.05)


def test_quarter_prompts_have_as_many_attempts_as_the_arm_has():
    few, many = smooth(np.array([1.0, 0.0, 1.0]), np.ones(3)), smooth(np.array([3.0, 6.0, 8.0]), np.full(3, 8.0))
    for pair in drawn_populations(few, many, 10, seed=0):
        for arm in pair:
            total = arm.alpha + arm.beta
            assert np.allclose(total, total[:, :1])


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "beta", "most"), [(2.4, 1.6, 0.99), (9.0, 1.0, 1.0)])
def test_intervals_of_the_saving_cover_the_truth(alpha, beta, most):
    """200 simulated experiments of 60 prompts × 3 attempts, a search that adds 0.8 in log-odds, at most 3 attempts.

    Where hardly a video fails, the quarter prompts matter, and intervals are wider than they need be.
    """
    rng = np.random.default_rng(11)

    def saving(arms):
        costs = [unit_cost(arm, g, 150.0, 300.0, 20_000.0) for arm, g in zip(arms, (30.0, 200.0), strict=True)]
        return costs[0] - costs[1]

    def truth(shares):
        return Retries(
            *(np.array([each.mean()]) for each in ((1 - (1 - shares) ** 3) / shares, (1 - shares) ** 3, shares))
        )

    world = rng.beta(alpha, beta, 400_000)
    true = saving((truth(world), truth(expit(logit(world) + 0.8))))[0]
    covered = []
    for _ in range(200):
        shares = rng.beta(alpha, beta, 60)
        arms = [
            smooth(rng.binomial(3, a).astype(float), np.full(60, 3.0)) for a in (shares, expit(logit(shares) + 0.8))
        ]
        drawn = [saving((retries(one, 3), retries(other, 3))) for one, other in drawn_populations(*arms, 1000, seed=1)]
        low, high = np.percentile(np.concatenate(drawn), [2.5, 97.5])
        covered.append(low <= true <= high)
    assert 0.91 <= np.mean(covered) <= most
