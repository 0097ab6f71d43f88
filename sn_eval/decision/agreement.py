"""Do people agree with each other, and does each measurement agree with people?

Between people: Krippendorff's alpha ("Content Analysis", 4th ed. 2019, chapter 12), and how well each rater follows the
mean of the others. Between a measurement and people: rank correlations, and the share of pairs of videos that it orders
as they do. Intervals leave out one prompt (or video, where prompts are not known) at a time; p values are corrected for
the number of measurements (Holm 1979).
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import krippendorff
import numpy as np
from jaxtyping import Float

from sn_eval.decision.ranks import (
    LEAST,
    Estimate,
    Signs,
    Weights,
    chance_of_order,
    jackknife,
    kendall,
    pairwise,
    signs,
    spearman,
)
from sn_eval.decision.statistics import holm
from sn_eval.decision.threshold import Threshold, threshold
from sn_eval.results.evaluation import Evaluation, Measure, VideoResult
from sn_eval.results.files import ResultsError
from sn_eval.results.ratings import Ratings, RatingTable, match

Level = Literal["nominal", "ordinal", "interval"]

FEW_STEPS = 10  # widest scale whose numbers are steps: 0 … 10
MOST_STEPS = 25  # steps that alpha is computed on; its tables grow with their square
RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff's own marks: rely on ratings from the first on, draw tentative conclusions from the second on."""
ODD = 3  # videos (or prompts) that must differ from the commonest value; with 2, p ≤ .05 came by chance in 12 %
SHARED = 3  # videos that a rater must share with others to be compared to them


@dataclass(frozen=True)
class RaterAgreement:
    """How far people agree with each other on one criterion.

    videos, ratings: those rated by two or more. person: mean over raters of Spearman's rho between a rater and the mean
    of the others, which is how well a person predicts people, and what a measurement may be held against.
    """

    raters: int
    videos: int
    ratings: int
    level: Level
    alpha: Estimate
    person: Estimate
    words: str


@dataclass(frozen=True)
class MeasureAgreement:
    """How far one measurement agrees with people; its sign is turned where lower is better.

    videos: rated and scored. independent: prompts, or videos where prompts are not known. pairs: share of pairs of
    videos that it orders as people do (see `ranks.pairwise`). auc: the same between passed and failed videos, None
    where people did not pass or fail. p: of the share of pairs, corrected for the number of measurements.
    """

    key: str
    higher_is_better: bool
    videos: int
    independent: int
    spearman: Estimate
    kendall: Estimate
    pairs: Estimate
    auc: Estimate | None
    p: float | None
    threshold: Threshold | None
    words: str


@dataclass(frozen=True)
class CriterionAgreement:
    """All about one criterion ("" where the file names none); split: videos that half of their raters passed."""

    criterion: str
    raters: RaterAgreement
    measures: tuple[MeasureAgreement, ...]
    split: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Agreement:
    """An evaluation held against people's ratings.

    unmatched: rated videos that were not evaluated. unrated: evaluated ones without a rating.
    """

    criteria: tuple[CriterionAgreement, ...]
    unmatched: tuple[str, ...]
    unrated: tuple[str, ...]
    confidence: float
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def agreement(
    evaluation: Evaluation,
    ratings: Ratings,
    *,
    level: Level | None = None,
    pass_from: float | None = None,
    confidence: float = 0.95,
) -> Agreement:
    """Hold every measurement of an evaluation against people's ratings.

    level: of measurement, in place of what `level_of` says. pass_from: mean rating from which a video passes, where
    ratings are no pass or fail. Raises ResultsError where no rated video was evaluated.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: must lie between 0 and 1, e.g. 0.95.")
    found = match(ratings, evaluation)
    criteria = tuple(
        _criterion(evaluation, found.ratings.table(criterion), level, pass_from, confidence)
        for criterion in found.ratings.criteria
    )
    return Agreement(criteria, found.unmatched, found.unrated, confidence, found.ratings.notes)


def _criterion(
    evaluation: Evaluation, table: RatingTable, level: Level | None, pass_from: float | None, confidence: float
) -> CriterionAgreement:
    """Raters and measurements on one criterion."""
    videos = evaluation.by_name()
    told = {name: videos[name].prompt for name in table.videos if videos[name].prompt}
    clusters = clusters_of(table.videos, {**table.prompts, **told})
    raters = raters_agreement(table, clusters, level=level, confidence=confidence)
    means, verdict = np.nanmean(table.values, axis=1), passed_of(table, pass_from)
    found = [
        _measure(measure, _column(measure, table.videos, videos), means, verdict, clusters, confidence)
        for measure in evaluation.measures
    ]
    split = 0 if verdict is None else int(np.isnan(verdict).sum())
    measures = _together(found, raters.person, confidence)
    return CriterionAgreement(table.criterion, raters, measures, split, _notes(table))


# --- people -----------------------------------------------------------------------------------------------


def raters_agreement(
    table: RatingTable, clusters: Sequence[str], *, level: Level | None = None, confidence: float = 0.95
) -> RaterAgreement:
    """How far the raters of one criterion agree; `clusters` names what each video belongs to."""
    seen = (~np.isnan(table.values)).sum(1)
    shared = seen > 1
    values = table.values[shared]
    level = level or level_of(table.given)
    within = [name for name, several in zip(clusters, shared, strict=True) if several]
    alpha = _alpha_estimate(values, within, level, len(table.raters), confidence)
    person = _person(table.values, clusters, confidence)
    return RaterAgreement(
        len(table.raters), int(shared.sum()), int(seen[shared].sum()), level, alpha, person, _alpha_words(alpha)
    )


def level_of(ratings: Float[np.ndarray, "given"]) -> Level:
    """The level of measurement that ratings are taken for.

    nominal: at most two different values (the levels then give one alpha). ordinal: whole or half numbers that span at
    most 10, such as 1 … 5 or 0 … 10: steps need not be of one size. interval: all others, such as 0 … 100.

    >>> level_of(np.array([0.0, 1.0])), level_of(np.array([1.0, 3.5, 5.0])), level_of(np.array([5.0, 71.0, 93.0]))
    ('nominal', 'ordinal', 'interval')
    """
    if len(np.unique(ratings)) <= 2:
        return "nominal"
    steps = np.array_equal(2 * ratings, np.round(2 * ratings)) and np.ptp(ratings) <= FEW_STEPS
    return "ordinal" if steps else "interval"


def alpha_of(ratings: Float[np.ndarray, "videos raters"], level: Level) -> float:
    """Krippendorff's alpha (1: full agreement, 0: as by chance), NaN where it is undefined: nothing shared or varied.

    >>> alpha_of(np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), "nominal").__round__(4)
    0.5333
    """
    ratings = ratings[(~np.isnan(ratings)).sum(1) > 1]
    if len(np.unique(ratings[~np.isnan(ratings)])) < 2:
        return math.nan
    if level == "interval":
        return _interval_alpha(ratings)
    return float(krippendorff.alpha(reliability_data=ratings.T, level_of_measurement=level))


def _interval_alpha(ratings: Float[np.ndarray, "videos raters"]) -> float:
    """The same for squared differences, from sums: the package's table of values × values would not fit.

    Squared differences of all pairs of m numbers sum to m·Σx² − (Σx)².
    """
    count = (~np.isnan(ratings)).sum(1)
    ratings = ratings - np.nanmean(ratings)
    total, squares = np.nansum(ratings, axis=1), np.nansum(ratings**2, axis=1)
    observed = ((count * squares - total**2) / (count - 1)).sum() / count.sum()
    expected = (count.sum() * squares.sum() - total.sum() ** 2) / (count.sum() * (count.sum() - 1))
    return float(1 - observed / expected)


def _alpha_estimate(
    values: Float[np.ndarray, "videos raters"], clusters: Sequence[str], level: Level, raters: int, confidence: float
) -> Estimate:
    if raters < 2:
        return Estimate(why="one rater: nobody to agree with")
    given = values[~np.isnan(values)]
    if not len(given):
        return Estimate(why="no video was rated by two people")
    if np.ptp(given) == 0:
        return Estimate(why="all shared ratings are the same: agreement cannot be told from habit")
    steps = len(np.unique(given))
    if level != "interval" and steps > MOST_STEPS:
        raise ResultsError(f"level {level} on {steps} different ratings: it is for at most {MOST_STEPS}; use interval")
    return jackknife(
        lambda weights: np.array([alpha_of(values[row > 0], level) for row in weights]),
        clusters, raters=len(given) / len(values), step=2 / len(given), confidence=confidence,
    )  # fmt: skip


def _alpha_words(alpha: Estimate) -> str:
    if alpha.value is None:
        return alpha.why
    if alpha.value < TENTATIVE:
        return "people do not agree enough: no measurement can be calibrated on these ratings"
    words = "people agree: their ratings can be relied on"
    if alpha.value < RELIABLE:
        words = "people agree enough for tentative conclusions"
    unsure = alpha.low is None or alpha.low < TENTATIVE
    return f"{words}; with so few videos it may be less" if unsure else words


def _person(values: Float[np.ndarray, "videos raters"], clusters: Sequence[str], confidence: float) -> Estimate:
    """Spearman's rho of each rater and the mean of the others, averaged over raters that share enough videos."""
    tables = []
    for rater in range(values.shape[1]):
        others = np.delete(values, rater, axis=1)
        shared = ~np.isnan(values[:, rater]) & ~np.isnan(others).all(axis=1)
        if shared.sum() >= SHARED:
            tables.append((shared, signs(values[shared, rater]), signs(np.nanmean(others[shared], axis=1))))
    if not tables:
        return Estimate(why=f"no rater shares {SHARED} videos with another")

    def mean(weights: Weights) -> Float[np.ndarray, "b"]:
        rows = np.stack([spearman(weights[:, shared], own, others) for shared, own, others in tables])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # all raters without variation: NaN is the answer
            return np.nanmean(rows, axis=0)

    return jackknife(mean, clusters, step=_rank_step(len(values)), confidence=confidence)


def passed_of(table: RatingTable, pass_from: float | None = None) -> Float[np.ndarray, "videos"] | None:
    """1 where people pass a video, 0 where they fail it, NaN where half of them do; None where nobody asked them.

    Pass or fail: by majority. Other ratings: their mean is at least `pass_from`.
    """
    means = np.nanmean(table.values, axis=1)
    if pass_from is not None:
        return (means >= pass_from).astype(float)
    return np.where(means == 0.5, math.nan, np.round(means)) if table.passing else None


# --- measurements -----------------------------------------------------------------------------------------


def clusters_of(videos: Sequence[str], prompts: Mapping[str, str]) -> list[str]:
    """What each video belongs to: its prompt, or itself where that is not known.

    >>> clusters_of(["a", "b", "c"], {"a": "A hill", "b": "a  hill"})
    ['prompt a hill', 'prompt a hill', 'video c']
    """
    told = [" ".join(prompts.get(name, "").casefold().split()) for name in videos]
    return [f"prompt {prompt}" if prompt else f"video {name}" for name, prompt in zip(videos, told, strict=True)]


@dataclass(frozen=True)
class _Pairing:
    """Values beside people's, both with higher as better, of the videos that have both."""

    values: Float[np.ndarray, "n"]
    people: Float[np.ndarray, "n"]
    clusters: Sequence[str]
    confidence: float

    def estimate(self, statistic: Callable[..., Float[np.ndarray, "b"]]) -> Estimate:
        """A rank statistic with its interval."""
        if not len(self.values):
            return Estimate(why="no rated video is scored")
        x, y = signs(self.values), signs(self.people)
        one = np.ones((1, len(x)))
        share = float(pairwise(one, x, y)[0])
        if share in (0.0, 1.0):
            p = chance_of_order(self.people.tolist(), self.clusters)
            return Estimate(float(statistic(one, x, y)[0]), p=p, why="no interval: not one pair is ordered otherwise")
        pairs = np.abs(y).sum() / 2
        step = _rank_step(len(x)) if statistic is spearman else float(2 / max(pairs, 1))
        found = jackknife(lambda w: statistic(w, x, y), self.clusters, step=step, confidence=self.confidence)
        odd = min(self._odd(self.values), self._odd(self.people))
        if found.low is None or odd >= ODD:
            return found
        return Estimate(found.value, why=f"no interval: all but {odd} videos or prompts are alike")

    def _odd(self, side: Float[np.ndarray, "n"]) -> int:
        """Clusters with a value other than the commonest."""
        steps, counts = np.unique(side, return_counts=True)
        common = steps[counts.argmax()]
        return len({name for name, value in zip(self.clusters, side, strict=True) if value != common})


def _pair(
    values: Float[np.ndarray, "videos"], people: Float[np.ndarray, "videos"], clusters: Sequence[str], confidence: float
) -> _Pairing:
    """What both scored."""
    both = ~np.isnan(values) & ~np.isnan(people)
    within = [name for name, there in zip(clusters, both, strict=True) if there]
    return _Pairing(values[both], people[both], within, confidence)


def _measure(
    measure: Measure,
    values: Float[np.ndarray, "videos"],
    people: Float[np.ndarray, "videos"],
    verdict: Float[np.ndarray, "videos"] | None,
    clusters: Sequence[str],
    confidence: float,
) -> MeasureAgreement:
    """One measurement against mean ratings and verdicts; p not yet corrected and no words."""
    sign = 1.0 if measure.higher_is_better else -1.0
    graded = _pair(sign * values, people, clusters, confidence)
    rho, pairs = graded.estimate(spearman), _share(graded.estimate(_ordered))
    auc, cut = None, None
    if verdict is not None:
        decided = _pair(sign * values, verdict, clusters, confidence)
        auc = _share(decided.estimate(_ordered))
        raw, passed = sign * decided.values, decided.people == 1
        cut = threshold(raw, passed, decided.clusters, higher_is_better=measure.higher_is_better)
    return MeasureAgreement(
        measure.key, measure.higher_is_better, len(graded.values), len(set(graded.clusters)), rho,
        graded.estimate(kendall), pairs, auc, pairs.p, cut, "",
    )  # fmt: skip


def _ordered(weights: Weights, x: Signs, y: Signs) -> Float[np.ndarray, "b"]:
    """`pairwise` on a scale from −1 to 1 with chance at 0, as z wants it."""
    return 2 * pairwise(weights, x, y) - 1


def _share(estimate: Estimate) -> Estimate:
    """From −1 … 1 back to a share."""
    value, low, high = (None if e is None else (e + 1) / 2 for e in (estimate.value, estimate.low, estimate.high))
    return replace(estimate, value=value, low=low, high=high)


def _rank_step(n: int) -> float:
    """How far below 1 Spearman's rho falls when two neighbours of n change places."""
    return 12 / (n * (n**2 - 1)) if n > 1 else 1.0


def _together(found: Sequence[MeasureAgreement], person: Estimate, confidence: float) -> tuple[MeasureAgreement, ...]:
    """Correct the p values for their number, and say what each comes to."""
    corrected = holm([each.p for each in found])
    return tuple(
        replace(each, p=p, words=_words(each, p, person, confidence)) for each, p in zip(found, corrected, strict=True)
    )


# --- words ------------------------------------------------------------------------------------------------


def _words(found: MeasureAgreement, p: float | None, person: Estimate, confidence: float) -> str:
    """What a correlation says, in a sentence; p is corrected."""
    rho = found.spearman.value
    if rho is None:
        return found.spearman.why
    if found.independent < LEAST:
        return f"too few to say anything: {found.independent} independent videos or prompts, {LEAST} are needed"
    if p is None or p > 1 - confidence:
        return "not shown to agree with people"
    if rho < 0:
        return "runs against people: what it prefers, they do not"
    if person.value is None:
        return "agrees with people better than chance"
    like = "as well as a person does" if rho >= person.value else "better than chance, less well than a person does"
    return f"agrees with people {like} ({rho:.2f}, a person {person.value:.2f})"


def _notes(table: RatingTable) -> tuple[str, ...]:
    if len(table.raters) > 1 and np.isnan(table.values).any():
        return ("not every rater saw every video: a severe one lowers the means of the videos that he saw",)
    return ()


def _column(measure: Measure, names: Sequence[str], videos: Mapping[str, VideoResult]) -> Float[np.ndarray, "videos"]:
    """A measure's values, NaN where it did not score."""
    values = [videos[name].values.get(measure.key) for name in names]
    return np.array([math.nan if value is None else value for value in values])
