"""Few attempts a prompt are smoothed as far as they ask for it, and no case of extremes yields a certainty."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn_eval.decision.acceptance import judge_acceptance, smooth
from sn_eval.results.experiment import Criterion
from sn_eval.results.files import ResultsError

counts = st.lists(
    st.integers(1, 8).flatmap(lambda tried: st.tuples(st.integers(0, tried), st.just(tried))), min_size=1, max_size=30
)


def smoothed(accepted, tried):
    return smooth(np.asarray(accepted, float), np.broadcast_to(np.asarray(tried, float), np.shape(accepted)).copy())


@settings(max_examples=50)
@given(counts)
def test_shares_are_no_certainties_and_lie_between_the_mean_and_what_was_seen(pairs):
    accepted, tried = np.array(pairs, float).T
    result = smooth(accepted, tried)
    assert ((result.shares > 0) & (result.shares < 1)).all()
    assert 0 < result.correlation < 1
    low, high = np.minimum(accepted / tried, result.mean), np.maximum(accepted / tried, result.mean)
    assert ((result.shares >= low - 1e-12) & (result.shares <= high + 1e-12)).all()


@settings(max_examples=50)
@given(counts)
def test_failures_counted_as_successes_give_the_mirror_image(pairs):
    accepted, tried = np.array(pairs, float).T
    one, other = smooth(accepted, tried), smooth(tried - accepted, tried)
    assert np.allclose(one.shares, 1 - other.shares)
    assert one.correlation == pytest.approx(other.correlation)


@settings(max_examples=50)
@given(counts, st.randoms())
def test_the_order_of_prompts_changes_nothing(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    one, other = (smooth(*np.array(each, float).T) for each in (pairs, shuffled))
    assert one.mean == pytest.approx(other.mean)
    assert one.correlation == pytest.approx(other.correlation)


@settings(max_examples=50)
@given(counts, st.integers(0, 29))
def test_one_more_accepted_attempt_raises_a_prompts_own_share(pairs, place):
    accepted, tried = np.array(pairs, float).T
    place %= len(tried)
    more = accepted.copy()
    more[place] = tried[place]
    assert smooth(more, tried).mean >= smooth(accepted, tried).mean
    assert smooth(more, tried).shares[place] >= smooth(accepted, tried).shares[place] - 0.02


@pytest.mark.parametrize(("accepted", "low", "high"), [(4.0, 0.95, 1.0), (0.0, 0.0, 0.05)])
def test_all_or_none_accepted_is_near_but_never_at_the_end(accepted, low, high):
    result = smoothed([accepted] * 20, 4)
    assert low < result.shares.min()
    assert result.shares.max() < high


def test_one_prompt_says_little():
    result = smoothed([1.0], 1)
    assert result.mean == 0.75
    assert 0.5 < result.shares[0] < 1
    assert "assumed, not measured" in result.words


def test_one_attempt_a_prompt_cannot_tell_how_far_prompts_differ():
    result = smoothed([1.0] * 6 + [0.0] * 4, 1)
    assert result.correlation == pytest.approx(0.5)
    assert np.ptp(result.likely) < 1e-12
    assert result.words
    assert not smoothed([2.0] * 6 + [0.0] * 4, 2).words


def test_without_overdispersion_prompts_are_alike():
    tried = 20
    accepted = np.random.default_rng(0).binomial(tried, 0.6, 200)
    result = smoothed(accepted, tried)
    assert result.correlation < 0.02
    assert np.ptp(result.shares) < np.ptp(accepted / tried) / 3


def test_the_parameters_that_made_the_counts_are_found():
    rng = np.random.default_rng(1)
    truth = rng.beta(2.4, 1.6, 2000)  # mean 0.6, correlation 1/(1 + 4)
    result = smoothed(rng.binomial(5, truth), 5)
    assert result.mean == pytest.approx(0.6, abs=0.02)
    assert result.correlation == pytest.approx(0.2, abs=0.02)


def test_smoothed_shares_are_nearer_to_the_truth_than_raw_ones():
    rng = np.random.default_rng(2)
    truth = rng.beta(3, 2, 500)
    accepted = rng.binomial(3, truth)
    error = np.abs(smoothed(accepted, 3).shares - truth).mean()
    assert error < 0.85 * np.abs(accepted / 3 - truth).mean()


def test_prompts_that_always_or_never_succeed_keep_their_own_share():
    result = smoothed([6.0] * 10 + [0.0] * 10, 6)
    assert result.correlation > 0.8
    assert result.shares[0] > 0.95
    assert result.shares[-1] < 0.05


def test_fractions_count_as_what_they_are():
    """An expected attempt of 0.5 twice lies between one of two accepted seen as counts of other prompts."""
    low, half, high = (smoothed([value, 1.0, 2.0], 2).mean for value in (0.0, 0.5, 1.0))
    assert low < half < high


@pytest.mark.parametrize(
    ("accepted", "tried", "told"),
    [([], [], "no prompt has an attempt"), ([0.0], [0.0], "without attempts"), ([3.0], [2.0], "3 of 2 attempts"),
     ([-1.0], [2.0], "-1 of 2"), ([float("nan")], [2.0], "nan of 2")],
)  # fmt: skip
def test_impossible_counts_are_one_line(accepted, tried, told):
    with pytest.raises(ResultsError, match=told):
        smooth(np.array(accepted, float), np.array(tried, float))


def test_every_criterion_must_hold_and_a_failing_one_decides():
    steady, lit = Criterion(evaluator="steady", at_least=0.5), Criterion(evaluator="lit", at_most=0.2)
    assert judge_acceptance({"steady": 0.5, "lit": 0.2}, [steady, lit]) == 1.0
    assert judge_acceptance({"steady": 0.4}, [steady, lit]) == 0.0
    assert judge_acceptance({"steady": 0.6}, [steady, lit]) is None
    assert judge_acceptance({"steady": 0.6}, []) is None
