"""Heads against labels whose truth is known: slopes, ties, calibration, leakage, thresholds, unfamiliar clips."""

import dataclasses

import numpy as np
import pytest
from labelled import GRADES, SLOPES, TIE, judged, labels_of, rows_of
from scipy.stats import spearmanr

from rewards.base import UserError
from rewards.labelling.acceptance_thresholds import best_threshold, thresholds
from rewards.labelling.clip_features import ENCODED
from rewards.labelling.fitting import fit_head, platt, split_by_prompt, task_of
from rewards.labelling.heads import load_head, save_head, sigmoid
from rewards.labelling.held_out import cross_validate, figures, measure
from rewards.labelling.learn import agreement, learn
from rewards.labelling.next_labels import pairs, propose


def task(kind="pass", **how):
    labels, rows, true = judged(kind, **how)
    return task_of(labels, rows), true


def slopes(head):
    """Per unit of the features themselves: inputs are standardised."""
    units = head.prepare.named_transformers_["rewards"][-1].scale_
    return head.weights.mean(0) / units


@pytest.mark.parametrize(("kind", "offsets"), [("pass", [0.0]), ("grade", -GRADES), ("pair", [TIE, -TIE])])
def test_the_truth_is_found_again(kind, offsets):
    """Slopes and steps are those that the labels were drawn with; of pairs, η is the width of a tie."""
    given, true = task(kind, prompts=60, per=8)
    head = fit_head(given, members=4)
    assert slopes(head) == pytest.approx(SLOPES, abs=0.35)
    intercept = 0 if kind == "pair" else slopes(head) @ given.features.mean(0)
    assert head.offsets.mean(0) - intercept == pytest.approx(offsets, abs=0.35)
    assert spearmanr(head.scores(given.features).mean(0), true).statistic > 0.97


def test_a_pair_does_not_care_which_clip_came_first():
    given, _ = task("pair", prompts=8)
    turned = dataclasses.replace(given, first=given.second, second=given.first, values=1 - given.values)
    one, other = fit_head(given, members=3), fit_head(turned, members=3)
    assert np.allclose(one.scores(given.features), other.scores(given.features), atol=1e-3)
    a, b = given.features[given.first], given.features[given.second]
    assert np.allclose(one.chances(a, b), 1 - one.chances(b, a)[..., ::-1])


def test_more_ties_widen_the_tie():
    given, _ = task("pair", prompts=10)
    decided = given.rows(given.values != 0.5)
    assert fit_head(decided, members=2).offsets.max() < 0.05 < fit_head(given, members=2).offsets.min(0)[0]


@pytest.mark.parametrize("kind", ["pass", "grade", "pair"])
def test_held_out_chances_mean_what_they_say(kind):
    given, _ = task(kind, prompts=120)
    found = {f.name: f for f in measure(given, cross_validate(given, members=2))}
    assert found["ECE"].value < 0.06
    assert found["Brier"].value < 0.8 * found["Brier"].baseline
    assert found["accuracy"].low > found["accuracy"].baseline
    assert all(f.low <= f.value <= f.high for name, f in found.items() if name != "ECE")


@pytest.mark.parametrize("kind", ["pass", "grade"])
def test_random_labels_are_not_learned_even_when_clips_of_a_prompt_are_twins(kind):
    """The twins share their label: a split that ignores prompts looks up the answer, one by prompts cannot."""
    rng = np.random.default_rng(3)
    prompts, twins = 120, 3
    x = np.repeat(rng.normal(size=(prompts, 30)), twins, axis=0) + 0.01 * rng.normal(size=(prompts * twins, 30))
    drawn = rng.integers(0, 2, prompts) if kind == "pass" else rng.integers(1, 6, prompts)
    groups, values = np.repeat(np.arange(prompts), twins), np.repeat(drawn, twins)
    ranking = {"pass": ("AUC", 0.5), "grade": ("Spearman", 0.0)}[kind]

    def ranks(groups):
        given = task_of(labels_of(kind, values, groups), rows_of(x))
        held = cross_validate(given, members=2)
        return figures(kind, given.values, held.chances, held.fold)[ranking[0]]

    assert ranks(groups) == pytest.approx(ranking[1], abs=0.15)
    assert ranks(np.arange(len(groups))) > ranking[1] + 0.15


def test_guessing_is_measured_as_guessing():
    """Pooling the folds would give an AUC of about 0.4 here: heads lean away from the labels held out."""
    found = []
    for seed in range(8):
        given, _ = task(prompts=10, per=5, seed=seed, slopes=np.zeros(4))
        held = cross_validate(given, members=2)
        found.append(figures("pass", given.values, held.chances, held.fold)["AUC"])
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_no_prompt_is_trained_on_and_tested():
    given, _ = task("pair", prompts=7)
    for train, test in split_by_prompt(given, 5):
        assert not set(given.groups[train]) & set(given.groups[test])


def test_platt_finds_the_sigmoid_and_never_turns_the_order_round():
    rng = np.random.default_rng(0)
    margins = rng.normal(size=4000) * 3
    found = platt(margins, rng.random(4000) < sigmoid(0.5 * margins - 1))
    assert (found.slope, found.shift) == pytest.approx((0.5, -1.0), abs=0.08)
    backwards = platt(margins, margins < 0)
    assert backwards(np.array([-2.0, 2.0])) == pytest.approx([0.5, 0.5], abs=0.05)
    perfect = platt(np.array([-1.0, 1.0] * 10), np.array([False, True] * 10))
    assert 0 < perfect(np.array([-1.0])) < 0.1  # ten of ten is no certainty


def test_from_a_thousand_labels_on_calibration_is_a_free_curve():
    given, _ = task(prompts=200)
    assert fit_head(given, members=2).calibration.how == "isotonic"
    assert fit_head(given.rows(given.groups < 199), members=2).calibration.how == "platt"


def test_a_missing_value_is_information():
    """Clips that a reward could not score fail here: only the indicator of NaN can tell."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 1))
    failed = rng.random(100) < 0.5
    x[failed] = np.nan
    given = task_of(labels_of("pass", ~failed, np.arange(100) // 5), rows_of(x))
    held = cross_validate(given, members=2)
    assert held.chances[~failed].min() > held.chances[failed].max()


def test_encoder_features_are_reduced_and_used():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=80)
    pixels = hidden[:, None] * rng.normal(size=64) + 0.1 * rng.normal(size=(80, 64))
    rows = [{f"{ENCODED}mean/{i}": float(v) for i, v in enumerate(row)} for row in pixels]
    given = task_of(labels_of("pass", hidden > 0, np.arange(80) // 4), rows)
    assert figures("pass", given.values, cross_validate(given, members=2).chances)["AUC"] > 0.95
    assert fit_head(given, members=2).weights.shape == (2, 16)
    assert thresholds(given, cross_validate(given, members=2))[0].part == "score"


def test_an_unfamiliar_clip_is_flagged_and_a_familiar_one_is_not():
    given, _ = task()
    head = fit_head(given, members=2)
    fresh = np.random.default_rng(9).normal(size=(300, 4))
    assert head.unfamiliar(fresh).mean() < 0.06
    assert head.unfamiliar(fresh + 8).all()


def test_members_disagree_most_where_nothing_was_labelled():
    given, _ = task()
    head = fit_head(given, members=8)
    along = np.array([[0.0, 0.0, x, 0.0] for x in (0.0, 4.0)])
    near, far = head.scores(along).std(0)
    assert far > 2 * near


def test_thresholds_carry_their_uncertainty():
    labels, rows, _ = judged(slopes=np.array([8.0, 0, 0, 0]), prompts=40)
    given = task_of(labels, rows)
    found = {t.part: t for t in thresholds(given, cross_validate(given, members=2))}
    assert found["f0"].threshold == pytest.approx(0, abs=0.25)
    assert found["f0"].low <= found["f0"].threshold <= found["f0"].high
    assert found["f0"].balanced_accuracy > 0.85
    assert found["f2"].balanced_accuracy < 0.6
    assert found["f2"].high - found["f2"].low > 2 * (found["f0"].high - found["f0"].low)
    assert np.isnan(best_threshold(np.array([1.0, 2.0]), np.array([True, True])))


def test_pairs_say_nothing_about_accepting():
    given, _ = task("pair", prompts=8)
    assert thresholds(given, cross_validate(given, members=2)) == []


def test_accuracy_counts_a_tie_as_right_only_when_it_is_called_one():
    tie, clear = np.array([[0.9, 0.1]]), np.array([[0.9, 0.8]])
    assert figures("pair", np.array([0.5]), tie)["accuracy"] == 1
    assert figures("pair", np.array([0.5]), clear)["accuracy"] == 0
    assert figures("pair", np.array([1.0, 0.5]), np.vstack([clear, tie]))["decided pairs in order"] == 1


def test_the_card_tells_figures_and_a_learning_curve():
    labels, rows, _ = judged(prompts=20)
    card = learn(labels, rows, {"rewards": []}, members=2).card
    assert [f["name"] for f in card["figures"]] == ["accuracy", "AUC", "Brier", "ECE"]
    prompts = [point["prompts"] for point in card["learning_curve"]]
    assert prompts == sorted(prompts)
    assert prompts[-1] == pytest.approx(20 * 4 / 5)
    assert card["labels"] == sum(card["by_value"].values()) == 100
    assert not any("guessing" in note for note in card["notes"])


def test_a_head_that_only_guesses_says_so():
    noise = learn(*judged(prompts=12, slopes=np.zeros(4))[:2], {}, members=2).card
    assert any("cannot be told from guessing" in note for note in noise["notes"])


def test_raters_who_disagree_set_the_bound():
    labels = labels_of("pass", [1, 1, 0, 1], [0, 0, 0, 1], np.array([0, 0, 0, 1]))
    assert agreement(labels) == pytest.approx(1 / 3)
    assert agreement(judged()[0]) is None


@pytest.mark.parametrize("kind", ["pass", "grade", "pair"])
def test_a_saved_head_is_the_same_and_so_is_one_fitted_again(tmp_path, kind):
    labels, rows, _ = judged(kind, prompts=8)
    rows[3].pop("f1")
    given = task_of(labels, rows)
    head = fit_head(given, members=3)
    save_head(head, tmp_path / "h.skops")
    back = load_head(tmp_path / "h.skops")
    assert np.array_equal(back.scores(given.features), head.scores(given.features))
    assert (back.limit, back.calibration, back.names) == (head.limit, head.calibration, head.names)
    assert np.array_equal(fit_head(given, members=3).weights, head.weights)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (labels_of("pass", [0, 1] * 5, range(10)), "10 labels of 10 prompts are too few"),
        (labels_of("pass", [0, 1] * 10, [0] * 20), "20 labels of 1 prompts are too few"),
        (labels_of("pass", [0] * 16 + [1] * 4, np.arange(20) // 4), "each label occurs with several prompts"),
    ],
)
def test_too_little_to_learn_from_is_one_line(labels, told):
    with pytest.raises(UserError, match=told) as error:
        learn(labels, rows_of(np.random.default_rng(0).normal(size=(20, 3))), {}, members=2)
    assert "\n" not in str(error.value)


def test_features_that_never_differ_are_one_line():
    with pytest.raises(UserError, match="no feature differs"):
        learn(labels_of("pass", [0, 1] * 10, np.arange(20) // 2), rows_of(np.ones((20, 2))), {}, members=2)


def test_proposals_are_the_doubtful_ones_and_a_random_fifth():
    doubt = np.linspace(0, 1, 50)
    singles = [(i,) for i in range(50)]
    found = propose(doubt, singles, 10)
    assert [place for place, why in found if why == "disagreement"] == list(range(49, 41, -1))
    assert sum(why == "random" for _, why in found) == 2
    assert len({place for place, _ in found}) == 10
    assert len(propose(doubt, singles, 99)) == 50
    draws = {place for seed in range(30) for place, why in propose(doubt, singles, 10, seed) if why == "random"}
    assert len(draws) > 20


def test_no_clip_is_asked_about_again_and_again():
    questions = pairs(["a"] * 6)
    doubt = np.array([1.0 if 0 in question else 0.5 for question in questions])
    asked = [questions[place] for place, why in propose(doubt, questions, 5) if why == "disagreement"]
    assert sum(0 in question for question in asked) == 2
