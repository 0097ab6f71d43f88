"""Two evaluations of the same videos, made in two ways: paired by name, then compared measure by measure.

What differs between videos cancels in pairs, so the interval is of B − A over prompts (`statistics.paired_difference`);
p values are corrected for the number of measures (Holm 1979). Values of another mode, encoder or version are not
comparable, and are refused.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sn_eval.decision.statistics import Pair, PairedDifference, holm, paired_difference
from sn_eval.results.evaluation import Evaluation, Measure, VideoResult
from sn_eval.results.files import ResultsError

MUST_AGREE = ("mode", "encoder_sha256", "version", "higher_is_better")


@dataclass(frozen=True)
class Loss:
    """A video on which B is worse than A, by `by` in the measure's unit."""

    video: str
    a: float
    b: float
    by: float


@dataclass(frozen=True)
class ComparedMeasure:
    """One measure in both. Prompts weigh alike in a, b and difference (B − A), so b − a is its mean.

    videos: scored in both. p: corrected for the number of measures. losses: videos on which B is worse, worst first.
    """

    key: str
    higher_is_better: bool
    videos: int
    a: float | None
    b: float | None
    difference: PairedDifference
    p: float | None
    words: str
    losses: tuple[Loss, ...]


@dataclass(frozen=True)
class Paired:
    """Two evaluations side by side.

    measures: of both, and the suite's total where both were measured alike. videos: names that both have. only_a,
    only_b: names without partner. refused: measure → why it is not compared.
    """

    videos: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    measures: tuple[ComparedMeasure, ...]
    refused: Mapping[str, str]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def pair(a: Evaluation, b: Evaluation, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Paired:
    """B against A on the videos that both have; ResultsError where they share no name or one has a name twice."""
    ours, theirs = a.by_name(), b.by_name()
    names = tuple(name for name in ours if name in theirs)
    if not names:
        raise ResultsError(
            f"nothing to compare: none of {_some(ours)} is among {_some(theirs)}; give files of the same names"
        )
    places = _places(names, ours, theirs)
    compared, refused = [], {}
    for measure in a.measures:
        why = _why_not(measure, next((other for other in b.measures if other.key == measure.key), None))
        if why:
            refused[measure.key] = why
        else:
            left, right = ({name: side[name].values.get(measure.key) for name in names} for side in (ours, theirs))
            compared.append(_compare(measure, left, right, places, confidence, resamples, seed))
    if (a.suite, a.measures) == (b.suite, b.measures) and any(ours[n].total is not None for n in names):
        left, right = ({name: side[name].total for name in names} for side in (ours, theirs))
        compared.append(_compare(_total(a), left, right, places, confidence, resamples, seed))
    known = {measure.key for measure in a.measures}
    refused |= {other.key: "only B has it" for other in b.measures if other.key not in known}
    corrected = holm([each.difference.p for each in compared])
    told = tuple(
        replace(each, p=p, words=_words(each, p, confidence)) for each, p in zip(compared, corrected, strict=True)
    )
    only_a, only_b = (tuple(n for n in side if n not in other) for side, other in ((ours, theirs), (theirs, ours)))
    return Paired(names, only_a, only_b, told, refused, _notes(a, b, names, ours, theirs))


def _places(
    names: Sequence[str], ours: Mapping[str, VideoResult], theirs: Mapping[str, VideoResult]
) -> dict[str, Pair]:
    """(prompt, number within the prompt) of each video; one without a prompt stands for itself."""
    seen: Counter[str] = Counter()
    found = {}
    for name in names:
        cluster = " ".join((ours[name].prompt or theirs[name].prompt).split()) or name
        found[name] = (cluster, seen[cluster])
        seen[cluster] += 1
    return found


def _total(evaluation: Evaluation) -> Measure:
    """The suite's own total as a measure: by it a frozen video, which every consistency prefers, has lost."""
    return Measure(
        key="total", name="total", mode=evaluation.mode, higher_is_better=True, low=0, high=1, families=("suite",),
        about="Which is better by the suite's own weights, where something moves?",
    )  # fmt: skip


def _why_not(ours: Measure, theirs: Measure | None) -> str:
    """Why two measures of one key cannot be compared; "" where they can."""
    if theirs is None:
        return "only A has it"
    for name in MUST_AGREE:
        first, second = getattr(ours, name), getattr(theirs, name)
        if first != second:
            if name == "encoder_sha256":
                first, second = str(first)[:12], str(second)[:12]
            return f"{name.replace('_', ' ')} differs: {first} in A, {second} in B; evaluate both anew in one way"
    return ""


def _compare(
    measure: Measure,
    a: Mapping[str, float | None],
    b: Mapping[str, float | None],
    places: Mapping[str, Pair],
    confidence: float,
    resamples: int,
    seed: int,
) -> ComparedMeasure:
    """B − A of one measure; p not yet corrected and no words."""
    higher = measure.higher_is_better
    difference = paired_difference(
        {places[name]: value for name, value in b.items()}, {places[name]: value for name, value in a.items()},
        higher_is_better=higher, confidence=confidence, resamples=resamples, seed=seed,
    )  # fmt: skip
    both = {name: (old, new) for name in places if (old := a[name]) is not None and (new := b[name]) is not None}
    sizes = Counter(places[name][0] for name in both)
    weights = {name: 1 / (len(sizes) * sizes[places[name][0]]) for name in both}
    mean_a, mean_b = (
        sum(weights[name] * values[side] for name, values in both.items()) if both else None for side in (0, 1)
    )
    losses = [
        Loss(name, old, new, old - new if higher else new - old)
        for name, (old, new) in both.items()
        if (new < old if higher else new > old)
    ]
    losses.sort(key=lambda loss: (-loss.by, loss.video))
    return ComparedMeasure(
        measure.key, higher, len(both), mean_a, mean_b, difference, difference.p, "", tuple(losses)
    )  # fmt: skip


def _words(found: ComparedMeasure, p: float | None, confidence: float) -> str:
    """Who is better, where that is resolved; p is corrected."""
    mean = found.difference.mean
    if mean is None:
        return "no video is scored in both"
    if p is None:
        return "not resolved: one prompt says nothing of others"
    if p > 1 - confidence:
        least = 2 ** (1 - found.difference.n_prompts)  # p of sign flips where all prompts agree
        few = f": {found.difference.n_prompts} prompts are too few" if least > 1 - confidence else ""
        return f"not resolved{few}"
    return "B better" if (mean > 0) == found.higher_is_better else "A better"


def _notes(
    a: Evaluation,
    b: Evaluation,
    names: Sequence[str],
    ours: Mapping[str, VideoResult],
    theirs: Mapping[str, VideoResult],
) -> tuple[str, ...]:
    """What makes pairs less alike than they should be, and what could not be measured."""
    pairs = [(ours[name], theirs[name]) for name in names]
    said = {
        "have another prompt in B than in A: A's counts": [
            x for x, y in pairs if x.prompt and y.prompt and x.prompt != y.prompt
        ],
        "differ in length or frame rate, which moves measures of consistency": [
            x for x, y in pairs if (x.frames, x.fps) != (y.frames, y.fps)
        ],
        "differ in size": [x for x, y in pairs if (x.width, x.height) != (y.width, y.height)],
    }
    notes = [
        f"{len(some)} of {len(names)} pairs {what}, {some[0].video} for one" for what, some in said.items() if some
    ]
    for side, evaluation in (("A", a), ("B", b)):
        if evaluation.failed:
            notes.append(f"{len(evaluation.failed)} videos of {side} could not be measured")
    return tuple(notes)


def _some(names: Mapping[str, VideoResult]) -> str:
    """A few names for a message."""
    shown = ", ".join(list(names)[:2]) or "nothing"
    return f"{shown} and {len(names) - 2} more" if len(names) > 2 else shown
