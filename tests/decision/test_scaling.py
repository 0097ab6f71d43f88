"""Scaling law: a known curve is found, its intervals cover, and data that determine no curve get words, not numbers."""

import numpy as np
import pytest

from sn_eval.decision.scaling import fit_scaling

BUDGETS = (1.0, 2.0, 4.0, 8.0, 16.0)


def made(rng, *, ceiling=0.9, scale=0.4, rate=1.0, noise=0.02, prompts=40, budgets=BUDGETS, sign=1):
    """Prompts of their own difficulty around one curve."""
    hard = rng.normal(0, 0.1, prompts)
    return {
        c: {f"p{i}": sign * (ceiling - scale * c**-rate + hard[i] + rng.normal(0, noise)) for i in range(prompts)}
        for c in budgets
    }


def fit(points, **more):
    return fit_scaling("best_of_n", "sharp", "videos", points, **more)


def test_a_known_curve_is_found():
    found = fit(made(np.random.default_rng(0), noise=0.0, prompts=200))
    shift = np.mean(list(made(np.random.default_rng(0), noise=0.0, prompts=200)[1.0].values())) - 0.5
    assert found.ceiling.value == pytest.approx(0.9 + shift, abs=0.002)
    assert (found.rate.value, found.scale) == pytest.approx((1.0, 0.4), rel=0.02)
    # a twentieth of 0.4 · (1 − 1/16) is left where 0.4/c is so much
    assert found.saturates_at == pytest.approx(20 / (1 - 1 / 16), rel=0.03)
    assert "extrapolation" in found.words
    assert [point[0] for point in found.points] == list(BUDGETS)


def test_units_of_compute_do_not_matter_but_to_scale_and_saturation():
    points = made(np.random.default_rng(1))
    one, thousand = fit(points), fit({1000 * c: values for c, values in points.items()})
    assert thousand.rate.value == one.rate.value
    assert thousand.ceiling.value == pytest.approx(one.ceiling.value)
    assert thousand.saturates_at == pytest.approx(1000 * one.saturates_at)
    assert thousand.scale == pytest.approx(one.scale * 1000**one.rate.value)


def test_lower_is_better_is_the_mirror_image():
    up = fit(made(np.random.default_rng(2)))
    down = fit(made(np.random.default_rng(2), sign=-1), higher_is_better=False)
    assert down.ceiling.value == pytest.approx(-up.ceiling.value)
    assert (down.ceiling.low, down.ceiling.high) == pytest.approx((-up.ceiling.high, -up.ceiling.low))
    assert (down.rate, down.saturates_at, down.scale) == (up.rate, up.saturates_at, pytest.approx(-up.scale))
    assert down.words == up.words


def test_intervals_cover_the_truth():
    covered = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = fit(made(rng, noise=0.03))
        covered.append(found.rate.low <= 1.0 <= found.rate.high)
    assert np.mean(covered) >= 0.85


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ({}, "no curve: 0 budgets, and it takes 3"),
        (made(np.random.default_rng(3), budgets=(1.0, 2.0)), "no curve: 2 budgets, and it takes 3"),
        (made(np.random.default_rng(3), prompts=7), "no curve: 7 prompts have a value at every budget"),
        (made(np.random.default_rng(3), scale=0.0), "no curve: no clear rise with compute: from 1 to 16 videos"),
        (made(np.random.default_rng(3), scale=-0.4), "no curve: more compute makes it worse: from 1 to 16 videos"),
    ],
)
def test_what_determines_no_curve_gets_words(points, words):
    found = fit(points)
    assert found.words.startswith(words)
    assert (found.ceiling.value, found.rate.value, found.scale, found.saturates_at) == (None, None, None, None)
    assert found.ceiling.why
    assert len(found.points) == len(points)


def test_gains_that_are_all_the_same_may_be_too_few_to_tell():
    curve = {c: {f"p{i}": i - 1 / c for i in range(8)} for c in (1.0, 2.0, 4.0)}
    assert fit(curve).rate.value is not None
    assert fit(curve, confidence=0.999).words.startswith("no curve: no interval (all 8 prompts differ by the same")


def test_growth_without_end_has_no_ceiling():
    rng = np.random.default_rng(4)
    points = {c: {f"p{i}": 0.1 * np.log(c) + rng.normal(0, 0.01) for i in range(30)} for c in BUDGETS}
    found = fit(points)
    assert (found.ceiling.value, found.saturates_at) == (None, None)
    assert "no ceiling in sight" in found.words


def test_a_step_at_the_second_budget_has_a_ceiling_and_no_rate():
    rng = np.random.default_rng(5)
    points = {c: {f"p{i}": float(c > 1) + rng.normal(0, 0.05) for i in range(30)} for c in BUDGETS}
    found = fit(points)
    assert found.ceiling.value == pytest.approx(1.0, abs=0.02)
    assert (found.rate.value, found.scale) == (None, None)
    assert "before the second budget" in found.rate.why
    assert found.saturates_at < 2
    assert "within what was measured" in found.words


def test_three_budgets_say_that_the_form_is_unchecked():
    assert "cannot check its form" in fit(made(np.random.default_rng(6), budgets=(1.0, 4.0, 16.0))).words


def test_only_prompts_with_every_budget_make_the_curve():
    points = made(np.random.default_rng(7))
    easy = {**points, 16.0: {**points[16.0], "easy": 50.0}}
    assert fit(easy).ceiling == fit(points).ceiling
    assert fit(easy).points[-1][1] > fit(points).points[-1][1]


def test_same_seed_same_curve():
    points = made(np.random.default_rng(8))
    assert fit(points, seed=1) == fit(points, seed=1)
    assert fit(points, seed=1).ceiling != fit(points, seed=2).ceiling


def test_a_budget_without_a_value_is_no_point():
    found = fit({1.0: {"a": 0.5, "b": 0.7}, 2.0: {}, 4.0: {"a": 0.6}})
    assert [point[:2] for point in found.points] == [(1.0, pytest.approx(0.6)), (4.0, 0.6)]
    assert found.words.startswith("no curve: ")
