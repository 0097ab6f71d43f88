"""Variance between and within prompts, against what was put in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.decision.variance_components import variance_components


def drawn(between: float, within: float, prompts: int, sizes: list[int]) -> dict[str, list[float]]:
    random = np.random.default_rng(3)
    means = random.normal(0, np.sqrt(between), prompts)
    return {
        str(i): list(mean + random.normal(0, np.sqrt(within), sizes[i % len(sizes)])) for i, mean in enumerate(means)
    }


@pytest.mark.parametrize("sizes", [[4], [2, 9, 4]])
@pytest.mark.parametrize(("between", "within"), [(4.0, 1.0), (1.0, 4.0)])
def test_both_variances_are_found_again_also_for_unequal_groups(between, within, sizes):
    found = variance_components(drawn(between, within, 40_000, sizes))
    assert found is not None
    assert found.between == pytest.approx(between, rel=0.04)
    assert found.within == pytest.approx(within, rel=0.04)
    assert found.icc == pytest.approx(between / (between + within), abs=0.02)


def test_attempts_that_explain_all_leave_nothing_between():
    found = variance_components({"a": [0.0, 1.0], "b": [1.0, 0.0], "c": [0.0, 1.0]})
    assert found is not None
    assert found.between == 0.0
    assert found.icc == 0.0


def test_what_never_varies_has_no_share():
    found = variance_components({"a": [2.0, 2.0], "b": [2.0, 2.0]})
    assert found is not None
    assert found.icc is None


@pytest.mark.parametrize("groups", [{}, {"a": [1.0, 2.0]}, {"a": [1.0], "b": [2.0]}, {"a": [1.0, 2.0], "b": []}])
def test_too_little_is_none(groups):
    assert variance_components(groups) is None


@given(st.lists(st.lists(st.floats(-5, 5), min_size=2, max_size=5), min_size=2, max_size=5), st.floats(-9, 9))
def test_a_shift_of_all_changes_nothing(groups, shift):
    one = variance_components({str(i): g for i, g in enumerate(groups)})
    other = variance_components({str(i): [v + shift for v in g] for i, g in enumerate(groups)})
    assert one is not None
    assert other is not None
    assert other.within == pytest.approx(one.within, abs=1e-6)
    assert other.between == pytest.approx(one.between, abs=1e-6)
