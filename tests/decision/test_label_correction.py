"""Label correction: a check whose errors differ between arms misleads, labels of both mend it, and ppi_py agrees."""

import numpy as np
import ppi_py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn_eval.decision.label_correction import corrected_acceptance, corrected_difference
from sn_eval.decision.statistics import paired_difference


def pairs(values: np.ndarray) -> dict[tuple[str, int], float]:
    """(prompts, repeats) as a mapping."""
    return {(f"p{i:03d}", r): float(value) for (i, r), value in np.ndenumerate(values)}


def arm(rng, chance, *, repeats=3, missed=0.1, fooled=0.1) -> tuple[np.ndarray, np.ndarray]:
    """(check, truth): a check that misses good videos and is fooled by bad ones."""
    truth = rng.random((len(chance), repeats)) < chance[:, None]
    wrong = rng.random(truth.shape) < np.where(truth, missed, fooled)
    return (truth ^ wrong).astype(float), truth.astype(float)


def some(values: np.ndarray, prompts) -> dict[tuple[str, int], float]:
    """Labels of the first attempt of some prompts."""
    return {(f"p{i:03d}", 0): float(values[i, 0]) for i in prompts}


def test_without_clusters_it_is_ppi_py():
    """One attempt a prompt: the same estimate, weight and interval as the authors' package."""
    rng = np.random.default_rng(0)
    check, truth = arm(rng, np.full(3000, 0.6), repeats=1, missed=0.05, fooled=0.2)
    found = corrected_acceptance(pairs(check), some(truth, range(500)))
    # theirs takes unlabelled ones apart, and λ in that form is smaller by their share; both forms are the same sum
    unlabelled, share = check[500:, 0], 2500 / 3000
    oracle = ppi_py.ppi_mean_pointestimate(truth[:500, 0], check[:500, 0], unlabelled, lam=found.weight * share)
    assert found.acceptance.value == pytest.approx(float(oracle[0]), abs=1e-12)
    tuned = ppi_py.ppi_mean_ci(truth[:500, 0], check[:500, 0], unlabelled, alpha=0.05)
    bounds = [float(np.ravel(bound)[0]) for bound in tuned]
    assert found.acceptance.value == pytest.approx(np.mean(bounds), abs=0.002)
    assert found.acceptance.high - found.acceptance.low == pytest.approx(bounds[1] - bounds[0], rel=0.03)


def test_labels_of_everything_are_the_plain_paired_difference():
    rng = np.random.default_rng(1)
    chance = rng.beta(2, 1.5, 15)
    ours, theirs = arm(rng, np.minimum(1, chance + 0.2)), arm(rng, chance)
    found = corrected_difference(pairs(ours[0]), pairs(theirs[0]), pairs(ours[1]), pairs(theirs[1]))
    plain = paired_difference(pairs(ours[1]), pairs(theirs[1]))
    assert found.difference.value == pytest.approx(plain.mean)
    assert (found.difference.low, found.difference.high) == pytest.approx((plain.low, plain.high))


@pytest.fixture(scope="module")
def exploited():
    """A search that gains nothing and fools the check: 300 runs of 60 prompts, 30 labelled in both arms."""
    runs = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        chance = rng.beta(3, 2, 60)
        ours, theirs = arm(rng, chance, fooled=0.5), arm(rng, chance, fooled=0.1)
        labelled = rng.choice(60, 30, replace=False)
        corrected = corrected_difference(
            pairs(ours[0]), pairs(theirs[0]), some(ours[1], labelled), some(theirs[1], labelled)
        )
        runs.append((paired_difference(pairs(ours[0]), pairs(theirs[0]), resamples=200), corrected))
    return runs


def test_where_search_fools_the_check_the_check_alone_is_wrong(exploited):
    biased = [plain for plain, _ in exploited]
    assert np.mean([plain.mean for plain in biased]) == pytest.approx(0.4 * 0.4, abs=0.02)  # fooled more, of the bad
    assert np.mean([plain.low > 0 for plain in biased]) > 0.7  # "clearly better", and it is not


def test_where_search_fools_the_check_labels_mend_it(exploited):
    found = [corrected.difference for _, corrected in exploited]
    assert np.mean([each.value for each in found]) == pytest.approx(0.0, abs=0.02)
    assert np.mean([each.low <= 0 <= each.high for each in found]) >= 0.93
    arms = [corrected for _, corrected in exploited]
    assert np.mean([each.method.correction for each in arms]) == pytest.approx(0.06 - 0.2, abs=0.02)
    assert np.mean([each.baseline.correction for each in arms]) == pytest.approx(0.06 - 0.04, abs=0.02)
    covered = [each.method.acceptance.low <= 0.6 <= each.method.acceptance.high for each in arms]
    assert np.mean(covered) >= 0.93


def test_a_good_check_makes_labels_go_further():
    """With a check that is nearly right the interval is much shorter than that of the labels alone."""
    rng = np.random.default_rng(3)
    check, truth = arm(rng, np.full(400, 0.6), repeats=1, missed=0.02, fooled=0.02)
    powered = corrected_acceptance(pairs(check), some(truth, range(60)))
    alone = corrected_acceptance(pairs(truth[:60]), some(truth, range(60)))
    width = powered.acceptance.high - powered.acceptance.low
    assert width < 0.6 * (alone.acceptance.high - alone.acceptance.low)
    assert powered.weight > 0.8


def test_a_worthless_check_is_given_no_weight():
    rng = np.random.default_rng(4)
    truth = (rng.random((400, 1)) < 0.6).astype(float)
    noise = (rng.random((400, 1)) < 0.5).astype(float)
    found = corrected_acceptance(pairs(noise), some(truth, range(100)))
    assert found.weight < 0.25
    assert found.acceptance.value == pytest.approx(truth[:100].mean(), abs=0.03)


def test_too_few_labels_in_an_arm_are_named():
    rng = np.random.default_rng(5)
    check, truth = arm(rng, np.full(20, 0.6))
    enough, few = some(truth, range(8)), some(truth, range(7))
    found = corrected_difference(pairs(check), pairs(check), enough, few)
    assert found.difference.value is None
    assert found.difference.why == "no correction: people judged 7 prompts of the baseline, 8 are needed"
    assert found.baseline.acceptance.value is None
    assert found.method.acceptance.value is not None
    assert (found.baseline.labelled, found.baseline.labelled_prompts) == (7, 7)
    swapped = corrected_difference(pairs(check), pairs(check), few, enough)
    assert "7 prompts of the method" in swapped.difference.why


def test_labels_without_a_check_and_unknown_values_count_for_nothing():
    rng = np.random.default_rng(6)
    check, truth = arm(rng, np.full(30, 0.6))
    clean = corrected_acceptance(pairs(check), some(truth, range(20)))
    strange = some(truth, range(20)) | {("nobody", 0): 1.0, ("p000", 9): 0.0, ("p025", 0): None, ("p026", 0): np.nan}
    assert corrected_acceptance(pairs(check) | {("p000", 8): None}, strange) == clean


def test_no_attempts_at_all():
    found = corrected_acceptance({}, {})
    assert found.automatic is None
    assert "0 prompts" in found.acceptance.why


verdicts = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=10, max_size=30)


@given(verdicts)
@settings(max_examples=40)
def test_a_share_stays_one(values):
    check = pairs(np.array([[float(f)] for f, _ in values]))
    found = corrected_acceptance(check, {pair: float(y) for pair, (_, y) in zip(list(check)[:9], values, strict=False)})
    assert 0 <= found.weight <= 1
    if found.acceptance.low is not None:
        assert 0 <= found.acceptance.low <= found.acceptance.value <= found.acceptance.high <= 1
    else:
        assert "alike" in found.acceptance.why
