"""Rank correlations agree with scipy's, ties and missing scores included."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from searching import Linear, NearAnchor, chunks, run

from sn_eval.search.correlation import preview_correlation, spearman
from sn_eval.search.noise_search import NoiseSearch

values = st.lists(st.tuples(st.integers(0, 4), st.floats(-5, 5)), min_size=3, max_size=30)


@given(values)
def test_it_is_scipys(pairs):
    first, second = ([float(p[i]) for p in pairs] for i in (0, 1))
    got = spearman(first, second)
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert got == pytest.approx(spearmanr(first, second).statistic, abs=1e-9)
    else:
        assert got is None


def test_what_was_not_scored_is_left_out():
    assert spearman([1.0, math.nan, 2.0, 3.0], [1.0, 9.0, 2.0, 3.0]) == 1.0
    assert spearman([math.nan, 1.0], [0.0, 1.0]) is None


def test_a_run_reports_its_own_by_look():
    got = run(NoiseSearch(6, ((2, 5), (4, 4))), chunks(chunks=4), NearAnchor())
    assert set(got.generated.correlations) == {2, 4}
    assert all(-1 <= rho <= 1 for rho in got.generated.correlations.values())
    pairs = [(row["previews"]["4"], row["score"]) for row in got.rows if row["kind"] == "final"]
    assert len(pairs) == 4 * 4


def test_a_look_at_the_finished_chunk_knows_all():
    (report,) = preview_correlation(chunks(steps=5), Linear(), ["p"], [5], candidates=6)
    assert report.rho == pytest.approx(1.0)
    assert report.gain == pytest.approx(report.best_gain)
