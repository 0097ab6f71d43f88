"""Order statistics against a count of all subsets, and what must hold whatever the candidates are."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.decision.findings import Attempt, Compute
from sn_eval.decision.order_statistics import best_of, chances, expected, oracle
from sn_eval.results.files import ResultsError

SCORES = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))  # few values: many ties
CANDIDATES = st.lists(st.tuples(SCORES, SCORES, st.sampled_from([None, 0.0, 1.0])), min_size=1, max_size=6)


def made(rows, prompt="p"):
    return [
        Attempt(
            (f"{prompt}{i}",), prompt, "candidate", i, scores={"judge": judge}, searched=searched, accepted=accepted
        )
        for i, (searched, judge, accepted) in enumerate(rows)
    ]


def counted(candidates, k, ranked_by, value):
    """The mean over all subsets of the value of the highest, ties halved; unknown values left out by their weight."""
    total = weight = 0.0
    for subset in combinations(candidates, k):
        keys = [-1e9 if ranked_by(c) is None else ranked_by(c) for c in subset]
        best = [c for c, key in zip(subset, keys, strict=True) if key == max(keys)]
        for c in best:
            if value(c) is not None:
                total += value(c) / len(best)
                weight += 1 / len(best)
    return total / weight if weight else None


def close(a, b):
    return a == b if a is None or b is None else a == pytest.approx(b, abs=1e-12)


@given(CANDIDATES)
def test_it_is_the_mean_over_all_subsets(rows):
    candidates = made(rows)
    found = {attempt.arm: attempt for attempt in expected(candidates, range(1, len(rows) + 1))}
    for k in range(1, len(rows) + 1):
        attempt = found[best_of(k)]
        by_reward = lambda c: c.searched  # noqa: E731
        assert close(attempt.searched, counted(candidates, k, by_reward, lambda c: c.searched))
        assert close(attempt.scores["judge"], counted(candidates, k, by_reward, lambda c: c.scores["judge"]))
        assert close(attempt.accepted, counted(candidates, k, by_reward, lambda c: c.accepted))


@given(CANDIDATES)
def test_the_oracle_is_the_mean_over_all_subsets_of_the_best_judged(rows):
    candidates = made(rows)
    judged = lambda c: c.scores["judge"]  # noqa: E731
    for attempt, k in zip(oracle(candidates, [1, 2, 3], "judge"), [1, 2, 3], strict=False):
        assert attempt.arm == f"oracle@{k}videos"
        assert close(attempt.scores["judge"], counted(candidates, k, judged, judged))


@given(CANDIDATES)
def test_more_candidates_are_never_worse_for_what_they_are_chosen_by(rows):
    best = [a.searched for a in expected(made(rows), range(1, len(rows) + 1)) if a.arm != "plain"]
    assert all(b is None or a >= b - 1e-12 for b, a in pairwise(best))


@given(CANDIDATES, st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(rows, rng):
    shuffled = rows[:]
    rng.shuffle(shuffled)
    for a, b in zip(expected(made(rows), [1, 2, 4]), expected(made(shuffled), [1, 2, 4]), strict=True):
        assert a.arm == b.arm
        assert close(a.searched, b.searched)
        assert close(a.scores["judge"], b.scores["judge"])
        assert close(a.accepted, b.accepted)


@given(CANDIDATES)
def test_the_oracle_is_above_any_selector(rows):
    rows = [(searched, 0.5 if judge is None else judge, accepted) for searched, judge, accepted in rows]
    chosen = [a for a in expected(made(rows), [1, 2, 3]) if a.arm != "plain"]
    for a, best in zip(chosen, oracle(made(rows), [1, 2, 3], "judge"), strict=True):
        assert best.scores["judge"] >= a.scores["judge"] - 1e-12


@given(st.lists(SCORES, min_size=1, max_size=40), st.data())
def test_chances_are_chances(values, data):
    found = chances(values, data.draw(st.integers(1, len(values))))
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


def test_one_drawn_is_a_candidate_at_random():
    plain, one = expected(made([(0.1, 0.4, 1.0), (0.9, 0.8, 0.0), (None, None, 1.0)]), [1])
    assert (plain.arm, one.arm) == ("plain", "best_of_n@1videos")
    assert plain.scores == one.scores
    assert plain.scores["judge"] == pytest.approx(0.6)
    assert plain.accepted == pytest.approx(2 / 3)
    assert plain.cells == ("p0", "p1", "p2")


def test_scored_ones_are_chosen_before_unscored_ones():
    best = expected(made([(None, 1.0, 1.0), (0.0, 0.0, 0.0)]), [2])[1]
    assert (best.scores["judge"], best.accepted) == (0.0, 0.0)
    assert best.cells == ("p1", "p0")  # the one that is shown comes first


def test_lower_may_be_better_for_an_oracle_and_acceptance_is_an_outcome():
    candidates = made([(0.5, 0.2, 0.0), (0.5, 0.9, 1.0)])
    assert oracle(candidates, [2], "judge", higher_is_better=False)[0].scores["judge"] == 0.2
    assert oracle(candidates, [2], "acceptance")[0].accepted == 1.0


def test_compute_is_of_all_that_are_made_and_weight_counts_disjoint_draws():
    compute = [Compute("gpu", seconds=s, wall=None, source="measured") for s in (1.0, 3.0, 5.0, 7.0, 9.0)]
    candidates = [
        Attempt((str(i),), "p", "candidate", i, searched=float(i), video_seconds=2.0, compute=c)
        for i, c in enumerate(compute)
    ]
    plain, two = expected(candidates, [2])
    assert (plain.compute, plain.weight) == (Compute("gpu", seconds=5.0, source="measured"), 5.0)
    assert (two.compute, two.weight) == (Compute("gpu", seconds=10.0, source="measured"), 2.0)
    assert (two.video_seconds, two.repeat) == (2.0, 0)


def test_a_mean_of_some_is_an_estimate():
    known, unknown = Compute("gpu", seconds=4.0, source="measured"), Compute()
    candidates = [Attempt((str(i),), "p", "candidate", i, compute=c) for i, c in enumerate((known, unknown))]
    assert expected(candidates, [2])[1].compute == Compute("gpu", seconds=8.0, source="estimated")


def test_failed_candidates_are_rejected_ones_and_all_failed_is_a_failed_attempt():
    good = Attempt(("a",), "p", "candidate", 0, searched=0.5, accepted=1.0)
    bad = Attempt(("b",), "p", "candidate", 1, accepted=0.0, failed=True, why="no frames")
    plain, two = expected([good, bad], [2])
    assert (plain.accepted, plain.failed, two.accepted) == (0.5, False, 1.0)
    assert all(a.failed and a.why == "no frames" and a.accepted == 0 for a in expected([bad], [1]))


def test_each_prompt_has_the_sizes_that_it_allows():
    candidates = made([(0.1, None, None)] * 4, "a") + made([(0.1, None, None)] * 2, "b")
    arms = [(a.prompt, a.arm) for a in expected(candidates, [2, 4])]
    assert arms == [
        ("a", "plain"), ("a", "best_of_n@2videos"), ("a", "best_of_n@4videos"),
        ("b", "plain"), ("b", "best_of_n@2videos"),
    ]  # fmt: skip
    assert expected([], [2]) == ()


def test_a_size_below_one_or_above_all_is_one_line():
    with pytest.raises(ResultsError, match="best of 0: a size is a number of candidates"):
        expected(made([(0.1, 0.1, None)]), [0])
    with pytest.raises(ResultsError, match="best of 3 from 2 candidates"):
        chances([0.1, 0.2], 3)
