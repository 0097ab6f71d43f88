"""Alpha is the literature's, rank statistics are scipy's, intervals cover, and words say what the figures do."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sn_eval.decision.agreement import agreement, alpha_of, clusters_of, level_of, passed_of, raters_agreement
from sn_eval.decision.ranks import jackknife, kendall, pairwise, signs, spearman
from sn_eval.decision.statistics import holm
from sn_eval.decision.threshold import best_cut, threshold
from sn_eval.results.evaluation import Evaluation, Measure, VideoResult
from sn_eval.results.files import ResultsError
from sn_eval.results.ratings import Rating, Ratings, RatingTable

NA = math.nan
FOUR_OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NA, NA, NA],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NA, 3],
        [NA, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NA],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NA],
    ]
).T
"""Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers, with missing data."""


def measure(key="sharpness", *, higher=True):
    return Measure(
        key=key, name=key, mode="fixed", higher_is_better=higher, low=0.0, high=1.0, families=("pixels",)
    )  # fmt: skip


def evaluation(columns, *, prompts=None, lower=()):
    """Videos v000, v001 … with these columns of values."""
    count = len(next(iter(columns.values())))
    videos = [
        VideoResult(
            video=f"v{n:03d}", path=f"clips/v{n:03d}.mp4", prompt=prompts[n] if prompts else "", frames=8, fps=8.0,
            width=64, height=64, values={key: float(values[n]) for key, values in columns.items()},
        )
        for n in range(count)
    ]  # fmt: skip
    measures = tuple(measure(key, higher=key not in lower) for key in columns)
    return Evaluation(suite="mine", mode="fixed", measures=measures, videos=tuple(videos))


def ratings(table, criterion=""):
    """Ratings of v000, v001 … from a table [videos, raters]."""
    rows = [
        Rating(f"v{n:03d}", f"rater {k}", float(value), criterion)
        for n, row in enumerate(np.asarray(table, float).reshape(len(table), -1))
        for k, value in enumerate(row)
        if not math.isnan(value)
    ]
    return Ratings(tuple(rows), "ratings.csv")


def people(values, raters, noise, rng):
    """What raters say who see the same truth through noise of their own."""
    return values[:, None] + noise * rng.normal(size=(len(values), raters))


def only(found):
    """The one measure of the one criterion."""
    return found.criteria[0].measures[0]


# --- Krippendorff's alpha ---------------------------------------------------------------------------------


def test_two_observers_and_two_values_by_hand():
    """Krippendorff's example A: of 10 units 4 differ; 14 zeros and 6 ones: 1 − 19·4 / (14·6)."""
    meg, owen = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    pair = np.array([meg, owen], float).T
    assert alpha_of(pair, "nominal") == pytest.approx(1 - 19 * 4 / (14 * 6))
    assert alpha_of(pair, "nominal") == pytest.approx(0.095, abs=5e-4)
    assert alpha_of(pair, "ordinal") == pytest.approx(alpha_of(pair, "nominal"))
    assert alpha_of(pair, "interval") == pytest.approx(alpha_of(pair, "nominal"))


def test_two_observers_and_five_values():
    """Krippendorff's example B, letters as numbers."""
    ben, gerry = "aabbdcccedda", "babbbccceddd"
    pair = np.array([[ord(c) for c in ben], [ord(c) for c in gerry]], float).T
    assert alpha_of(pair, "nominal") == pytest.approx(0.692, abs=5e-4)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_four_observers_with_missing_data(level, alpha):
    assert alpha_of(FOUR_OBSERVERS, level) == pytest.approx(alpha, abs=5e-4)


def written_out_alpha(ratings, level):
    """1 − observed / expected disagreement, pair by pair."""
    units = [row[~np.isnan(row)] for row in ratings]
    units = [unit for unit in units if len(unit) > 1]
    pooled = np.concatenate(units)

    def far(a, b):
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return (a - b) ** 2
        low, high = min(a, b), max(a, b)
        between = ((pooled >= low) & (pooled <= high)).sum()
        return (between - ((pooled == low).sum() + (pooled == high).sum()) / 2) ** 2

    n = len(pooled)
    observed = sum(
        far(unit[i], unit[j]) / (len(unit) - 1)
        for unit in units
        for i in range(len(unit))
        for j in range(len(unit))
        if i != j
    )
    expected = sum(far(pooled[i], pooled[j]) for i in range(n) for j in range(n) if i != j)
    return 1 - (observed / n) / (expected / (n * (n - 1)))


grades = st.sampled_from([NA, 1.0, 2.0, 3.0, 5.0])


@given(st.lists(st.lists(grades, min_size=3, max_size=3), min_size=2, max_size=7))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_is_the_written_out_formula(level, rows):
    table = np.array(rows)
    shared = table[(~np.isnan(table)).sum(1) > 1]
    alpha = alpha_of(table, level)
    if len(np.unique(shared[~np.isnan(shared)])) < 2:
        assert math.isnan(alpha)
    else:
        assert alpha == pytest.approx(written_out_alpha(table, level))


@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_alpha_finds_the_share_of_truth_in_simulated_ratings(share):
    """For ratings = truth + noise, alpha at level interval is the intraclass correlation."""
    rng = np.random.default_rng(1)
    table = people(math.sqrt(share) * rng.normal(size=1500), 3, math.sqrt(1 - share), rng)
    assert alpha_of(table, "interval") == pytest.approx(share, abs=0.03)


def test_levels_follow_the_written_rule_and_can_be_overridden():
    assert level_of(np.array([4.0, 5.0, 4.0])) == "nominal"
    assert level_of(np.array([0.0, 0.37, 1.0])) == "interval"
    assert level_of(np.array([0.0, 10.0, 0.5])) == "ordinal"
    assert level_of(np.array([0.0, 11.0, 5.0])) == "interval"
    found = agreement(evaluation({"m": np.arange(12)}), ratings(FOUR_OBSERVERS), level="nominal")
    assert found.criteria[0].raters.level == "nominal"
    assert found.criteria[0].raters.alpha.value == pytest.approx(0.743, abs=5e-4)
    with pytest.raises(ResultsError, match="level ordinal on 80 different ratings"):
        agreement(evaluation({"m": np.arange(40)}), ratings(np.arange(80.0).reshape(40, 2) / 3), level="ordinal")


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (np.arange(9.0)[:, None], "one rater"),
        ([[1, NA], [NA, 2], [3, NA]], "no video was rated by two"),
        ([[4, 4], [4, 4], [4, 4]], "are the same"),
    ],
)
def test_no_alpha_without_two_raters_an_overlap_and_variation(table, why):
    found = agreement(evaluation({"m": np.arange(len(table))}), ratings(table)).criteria[0].raters
    assert found.alpha.value is None
    assert why in found.alpha.why
    assert found.words == found.alpha.why


@pytest.mark.parametrize(("noise", "words"), [(0.1, "relied on"), (0.6, "tentative"), (2.0, "do not agree enough")])
def test_words_follow_krippendorffs_marks(noise, words):
    rng = np.random.default_rng(2)
    table = people(rng.normal(size=300), 4, noise, rng)
    found = agreement(evaluation({"m": np.arange(300)}), ratings(table)).criteria[0].raters
    assert words in found.words
    assert "with so few videos" not in found.words


def test_few_videos_make_good_agreement_unsure():
    table = np.array([[1, 1], [2, 2], [3, 3], [4, 4], [5, 4.0]])
    found = agreement(evaluation({"m": np.arange(5)}), ratings(table)).criteria[0].raters
    assert found.alpha.value > 0.8
    assert found.alpha.low is None
    assert "with so few videos it may be less" in found.words


# --- measurements -----------------------------------------------------------------------------------------

small = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), min_size=3, max_size=12)


@given(small)
@settings(max_examples=60, deadline=None)
def test_rank_statistics_are_scipys(pairs):
    x, y = np.array(pairs, float).T
    one, tables = np.ones((1, len(x))), (signs(x), signs(y))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(spearman(one, *tables)).all()
        assert np.isnan(kendall(one, *tables)).all()
        return
    assert spearman(one, *tables)[0] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert kendall(one, *tables)[0] == pytest.approx(stats.kendalltau(x, y).statistic)


@given(small, st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_weights_count_videos_as_often_as_they_say(pairs, seed):
    x, y = np.array(pairs, float).T
    weights = np.random.default_rng(seed).integers(0, 4, len(x))
    again = np.repeat(np.arange(len(x)), weights)
    for statistic in (spearman, kendall, pairwise):
        weighted = statistic(weights[None].astype(float), signs(x), signs(y))
        repeated = statistic(np.ones((1, len(again))), signs(x[again]), signs(y[again]))
        np.testing.assert_allclose(weighted, repeated, atol=1e-12)


@given(small)
@settings(max_examples=60, deadline=None)
def test_pairs_are_counted_as_written(pairs):
    x, y = np.array(pairs, float).T
    told = [(i, j) for i in range(len(x)) for j in range(len(x)) if y[i] > y[j]]
    found = pairwise(np.ones((1, len(x))), signs(x), signs(y))[0]
    if not told:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(np.mean([1.0 if x[i] > x[j] else 0.5 if x[i] == x[j] else 0.0 for i, j in told]))


def test_area_under_the_curve_of_perfect_random_and_reversed_measures():
    rng = np.random.default_rng(3)
    passed = np.repeat([0.0, 1.0], 200)
    columns = {"perfect": passed + rng.uniform(0, 0.9, 400), "blind": np.zeros(400), "random": rng.normal(size=400)}
    columns["reversed"] = -columns["perfect"]
    found = {each.key: each for each in agreement(evaluation(columns), ratings(passed)).criteria[0].measures}
    assert found["perfect"].auc.value == 1
    assert found["reversed"].auc.value == 0
    assert found["random"].auc.value == pytest.approx(0.5, abs=0.06)
    assert found["random"].auc.low < 0.5 < found["random"].auc.high
    assert (found["blind"].auc.value, found["blind"].auc.low) == (0.5, None)
    assert "runs against people" in found["reversed"].words
    assert "agrees with people" in found["perfect"].words
    assert "not shown" in found["random"].words
    assert "does not vary" in found["blind"].words


def test_lower_is_better_turns_the_sign_and_the_threshold():
    rng = np.random.default_rng(4)
    passed = np.repeat([0.0, 1.0], 15)
    error = 1 - passed + rng.uniform(0, 0.5, 30)
    low = only(agreement(evaluation({"error": error}, lower={"error"}), ratings(passed)))
    high = only(agreement(evaluation({"error": -error}), ratings(passed)))
    assert low.spearman == high.spearman
    assert low.auc.value == 1
    assert low.threshold.side == "at most"
    assert 0.5 < low.threshold.cut < 1
    assert low.threshold.cut == pytest.approx(-high.threshold.cut)


def test_a_good_measure_is_resolved_and_held_against_a_person():
    rng = np.random.default_rng(5)
    truth = rng.normal(size=200)
    table = people(truth, 3, 0.5, rng)
    values = {"good": truth + 0.2 * rng.normal(size=200), "fair": truth + 1.5 * rng.normal(size=200)}
    found = agreement(evaluation(values), ratings(table)).criteria[0]
    for each in found.measures:
        assert each.spearman.value == pytest.approx(stats.spearmanr(values[each.key], table.mean(1)).statistic)
        assert each.spearman.low < each.spearman.value < each.spearman.high
        assert each.p < 1e-6
    good, fair = found.measures
    assert fair.spearman.value < found.raters.person.value < good.spearman.value
    assert "as well as a person does" in good.words
    assert "less well than a person does" in fair.words


def test_a_person_follows_the_others_as_well_as_written_out():
    rng = np.random.default_rng(6)
    table = people(rng.normal(size=40), 3, 1.0, rng)
    table[::5, 0] = NA
    seen = ~np.isnan(table)
    rhos = [
        stats.spearmanr(table[seen[:, k], k], np.nanmean(np.delete(table, k, 1)[seen[:, k]], axis=1)).statistic
        for k in range(3)
    ]
    found = agreement(evaluation({"m": np.arange(40)}), ratings(table)).criteria[0]
    assert found.raters.person.value == pytest.approx(np.mean(rhos))
    assert "not every rater saw every video" in found.notes[0]


def test_below_eight_videos_nothing_is_claimed():
    found = agreement(evaluation({"m": np.arange(7)}), ratings(np.arange(7) % 2))
    each = only(found)
    assert each.spearman.value is not None
    assert each.spearman.low is each.pairs.p is each.p is None
    assert each.words.startswith("too few to say anything: 7")
    assert each.threshold.cut is None
    assert "8 independent" in each.threshold.words


def test_many_videos_of_few_prompts_are_few():
    prompts = [f"prompt {n % 4}" for n in range(40)]
    each = only(agreement(evaluation({"m": np.arange(40)}, prompts=prompts), ratings(np.arange(40) % 5)))
    assert (each.videos, each.independent) == (40, 4)
    assert "too few" in each.words


def test_perfect_order_has_no_interval_but_is_no_chance():
    each = only(agreement(evaluation({"m": np.arange(10) ** 3}), ratings(np.arange(10) / 2)))
    assert each.spearman.value == pytest.approx(1)
    assert each.spearman.low is None
    assert "not one pair is ordered otherwise" in each.spearman.why
    assert each.p == pytest.approx(2 / math.factorial(10))
    assert each.words == "agrees with people better than chance"
    passed = only(agreement(evaluation({"m": np.arange(10)}), ratings(np.arange(10) > 7)))
    assert passed.p == pytest.approx(2 / 45)  # 2 of 10 that pass


def test_two_odd_videos_allow_no_interval():
    """Where all but two videos passed, their ranks alone decide, and leaving one out does not show it."""
    rng = np.random.default_rng(14)
    found = [
        only(agreement(evaluation({"m": rng.normal(size=40)}), ratings(np.arange(40) > odd - 1)))
        for odd in (2, 3)
        for _ in range(20)
    ]
    imperfect = [[each for each in some if each.auc.value not in (0, 1)] for some in (found[:20], found[20:])]
    assert all(each.auc.low is each.p is None for each in imperfect[0])
    assert all("all but 2 videos" in each.auc.why for each in imperfect[0])
    assert all(each.auc.low < each.auc.value < each.auc.high for each in imperfect[1])


def test_p_values_are_corrected_for_the_number_of_measures():
    rng = np.random.default_rng(7)
    truth = rng.normal(size=30)
    columns = {f"m{k}": truth * 0.3 + rng.normal(size=30) for k in range(6)}
    found = agreement(evaluation(columns), ratings(truth)).criteria[0].measures
    assert [each.p for each in found] == holm([each.pairs.p for each in found])
    assert all(each.p >= each.pairs.p for each in found)


def test_holm_by_hand():
    """Holm 1979: 4 × .005, 3 × .01, then no less than before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, None, 0.8]) == [1.0, None, 1.0]
    assert holm([]) == []


@given(st.permutations(range(12)), st.permutations(range(3)), st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_the_order_of_videos_and_names_of_raters_change_nothing(order, raters, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=12)
    table = np.round(people(truth, 3, 0.7, rng))
    table[rng.random(table.shape) < 0.2] = NA
    ours, shown = evaluation({"m": truth + rng.normal(size=12)}), ratings(table)
    rows = [
        replace(shown.rows[k], rater=f"rater {raters[int(shown.rows[k].rater[-1])]}") for k in range(len(shown.rows))
    ]
    place = {f"v{n:03d}": k for k, n in enumerate(order)}
    moved = ours.model_copy(update={"videos": tuple(ours.videos[n] for n in order)})
    shuffled = replace(shown, rows=tuple(sorted(rows, key=lambda row: place[row.video])))
    before, after = (agreement(a, b).as_dict() for a, b in ((ours, shown), (moved, shuffled)))
    assert close(before["criteria"], after["criteria"])
    assert set(before["unrated"]) == set(after["unrated"])


def close(a, b):
    """Equal but for the last bits of sums."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b, strict=True))
    return a == pytest.approx(b, abs=1e-9) if isinstance(a, float) else a == b


@given(st.sampled_from([np.exp, np.arctan, lambda x: 3 * x - 7, lambda x: x**3]), st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_monotone_transforms_change_no_rank_statistic(transform, seed):
    rng = np.random.default_rng(seed)
    values, passed = np.round(rng.normal(size=20), 1), (rng.random(20) < 0.5).astype(float)
    first, second = (only(agreement(evaluation({"m": v}), ratings(passed))) for v in (values, transform(values)))
    for name in ("spearman", "kendall", "pairs", "auc", "p", "words"):
        assert getattr(first, name) == getattr(second, name)


@pytest.mark.parametrize(("rho", "truth"), [(0.0, 0.0), (0.7, 6 / math.pi * math.asin(0.35))])
def test_intervals_cover_where_videos_of_a_prompt_resemble_each_other(rho, truth):
    """10 prompts of 4 videos, three fifths of the variance between prompts; rho of normal data is known."""
    rng = np.random.default_rng(8)
    law, clusters = [[1, rho], [rho, 1]], [str(n) for n in range(10) for _ in range(4)]
    covered, rejected, naive = [], [], []
    for _ in range(250):
        shared, own = rng.multivariate_normal([0, 0], law, (10, 1)), rng.multivariate_normal([0, 0], law, (10, 4))
        x, y = (math.sqrt(0.6) * shared + math.sqrt(0.4) * own).reshape(40, 2).T
        tables = signs(x), signs(y)
        found = jackknife(lambda w, t=tables: spearman(w, *t), clusters, step=1e-4)
        covered.append(found.low <= truth <= found.high)
        rejected.append(found.p <= 0.05)
        naive.append(stats.spearmanr(x, y).pvalue <= 0.05)
    assert 0.9 <= np.mean(covered) <= 0.99
    if rho == 0:
        assert np.mean(rejected) <= 0.1
        assert np.mean(naive) >= 0.15  # what taking videos for independent would have claimed
    else:
        assert np.mean(rejected) >= 0.5


def test_intervals_of_alpha_cover():
    rng = np.random.default_rng(9)
    names = tuple(f"v{n}" for n in range(15))
    covered = []
    for _ in range(200):
        table = people(math.sqrt(0.6) * rng.normal(size=15), 3, math.sqrt(0.4), rng)
        found = raters_agreement(RatingTable("", names, ("a", "b", "c"), table, {}), names).alpha
        covered.append(found.low <= 0.6 <= found.high)
    assert 0.88 <= np.mean(covered) <= 0.99


# --- pass or fail -----------------------------------------------------------------------------------------


def test_the_cut_is_the_best_one_written_out():
    rng = np.random.default_rng(10)
    for _ in range(30):
        values, passed = np.round(rng.normal(size=15), 1), rng.random(15) < 0.5
        values[passed] += 0.5
        if passed.all() or not passed.any():
            continue
        cut, accuracy = best_cut(values, passed)
        tried = [((values[passed] >= c).mean() + (values[~passed] < c).mean()) / 2 for c in np.unique(values)]
        if cut is None:
            assert max(tried) <= 0.5 + 1e-12
        else:
            assert accuracy == pytest.approx(max(tried))
            assert ((values[passed] >= cut).mean() + (values[~passed] < cut).mean()) / 2 == pytest.approx(accuracy)


def test_held_out_accuracy_is_honest_about_noise():
    rng = np.random.default_rng(11)
    names = [str(n) for n in range(30)]
    passed = np.arange(30) % 2 == 0
    found = [threshold(rng.normal(size=30), passed, names, higher_is_better=True) for _ in range(60)]
    with_cut = [each for each in found if each.cut is not None]
    assert np.mean([each.accuracy for each in with_cut]) > 0.58
    assert np.mean([each.held_out for each in with_cut]) < 0.52
    assert any("do not use" in each.words for each in with_cut)


def test_held_out_videos_leave_with_their_prompt():
    """Copies of a video hold the cut in its place: only without all of its prompt is the prompt new to the cut."""
    values = np.repeat(np.arange(10.0), 3)
    together = threshold(values, values > 4, [str(v) for v in values], higher_is_better=True)
    alone = threshold(values, values > 4, [str(n) for n in range(30)], higher_is_better=True)
    assert together.cut == alone.cut == 4.5
    assert alone.held_out == 1
    assert together.held_out == 0.9  # without prompt 4 the cut lies between 3 and 5, at 4


def test_a_threshold_needs_both_kinds_and_more_than_one_prompt_of_each():
    values = np.arange(10.0)
    one_passed = threshold(values, values > 8, [str(n) for n in range(10)], higher_is_better=True)
    assert one_passed.cut is None
    assert "1 passed and 9 failed" in one_passed.words
    clusters = [str(n) for n in range(8)] + ["last", "last"]
    same_prompt = threshold(values, values > 7, clusters, higher_is_better=True)
    assert same_prompt.cut == 7.5
    assert same_prompt.held_out is None
    assert "untested" in same_prompt.words


def test_majorities_decide_and_a_draw_does_not():
    table = RatingTable("", ("a", "b", "c"), ("x", "y"), np.array([[1, 1], [0, 1], [0, NA]]), {})
    np.testing.assert_array_equal(passed_of(table), [1, NA, 0])
    assert passed_of(replace(table, values=table.values * 4)) is None
    np.testing.assert_array_equal(passed_of(replace(table, values=table.values * 4), pass_from=2), [1, 1, 0])
    found = agreement(evaluation({"m": np.arange(3)}), ratings([[1, 1], [0, 1], [0, NA]]))
    assert found.criteria[0].split == 1


def test_grades_get_a_threshold_only_where_one_says_what_passes():
    stars = np.arange(20) % 5 + 1
    ours = evaluation({"m": stars + np.linspace(0, 0.5, 20)})
    assert only(agreement(ours, ratings(stars))).auc is None
    found = only(agreement(ours, ratings(stars), pass_from=4))
    assert (found.threshold.passed, found.threshold.failed) == (8, 12)
    assert found.auc.value == 1
    assert 3.5 < found.threshold.cut < 4.0
    assert found.threshold.held_out == 1


# --- the whole --------------------------------------------------------------------------------------------


def test_each_criterion_for_itself_and_all_of_it_is_json():
    rng = np.random.default_rng(13)
    truth = rng.normal(size=20)
    looks, usable = ratings(people(truth, 2, 0.5, rng), "looks"), ratings((truth > 0)[:, None], "usable")
    values = np.where(np.arange(20) == 3, NA, truth)
    found = agreement(evaluation({"m": values}), replace(looks, rows=(*looks.rows, *usable.rows)))
    assert [each.criterion for each in found.criteria] == ["looks", "usable"]
    assert found.criteria[0].raters.level == "interval"
    assert found.criteria[0].measures[0].auc is None
    assert found.criteria[1].raters.alpha.value is None
    assert found.criteria[1].measures[0].auc.value == 1
    assert found.criteria[1].measures[0].videos == 19
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["criteria"][1]["measures"][0]["key"] == "m"


def test_videos_without_prompt_stand_for_themselves_and_the_file_can_tell_it():
    assert clusters_of(["a", "b"], {}) == ["video a", "video b"]
    told = replace(ratings(np.arange(16) % 5), rows=tuple(
        replace(row, prompt=f"p{n // 8}") for n, row in enumerate(ratings(np.arange(16) % 5).rows)
    ))  # fmt: skip
    assert only(agreement(evaluation({"m": np.arange(16)}), told)).independent == 2


def test_a_measure_that_scored_nothing_is_told():
    each = only(agreement(evaluation({"m": np.full(9, NA)}), ratings(np.arange(9) % 2)))
    assert each.videos == 0
    assert each.words == each.auc.why == "no rated video is scored"
    assert each.threshold.cut is None


def test_unmatched_and_unrated_videos_are_listed():
    found = agreement(evaluation({"m": np.arange(3)}), ratings([[1], [NA], [2], [3], [4]]))
    assert found.unmatched == ("v003", "v004")
    assert found.unrated == ("v001",)
