"""Two arms prompt by prompt: what each reached, by how much one is ahead, and what is behind it; losing prompts first.

The difference over prompts is that of `comparisons`, so an unfiltered comparison is the declared one. One that is
filtered by how its videos came out is biased by that: it shows where to look, and proves nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sn_eval.decision.arms import Arm, value_of
from sn_eval.decision.comparisons import compare_arms
from sn_eval.decision.findings import Attempt, Compared, known
from sn_eval.results.experiment import Criterion, Split
from sn_eval.results.plan import Judge

State = Literal["", "accepted", "rejected", "gained", "lost", "failed"]
"""Pairs by how they came out: the arm's video was accepted, or rejected; only the arm's was, or only the other's; one
of them has no video."""

SAME = 1e-12  # differences below this are rounding


@dataclass(frozen=True)
class Asked:
    """Which arm is held against which, on what outcome, and where. group, state, text: "" for everything.

    text: a part of a prompt, in whatever case.
    """

    arm: str
    against: str
    outcome: str
    split: Split = "confirm"
    group: str = ""
    state: State = ""
    text: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether some pairs are left out."""
        return bool(self.group or self.state or self.text)


@dataclass(frozen=True)
class Meeting:
    """One repeat of a prompt: the attempts of both arms. gain: of ours, better is up; None where one has no value."""

    theirs: Attempt
    ours: Attempt
    gain: float | None


@dataclass(frozen=True)
class Dot:
    """A prompt. theirs, ours, difference: means over the repeats that both have a value of, None where there is none.

    gain: the difference, better is up. meetings: all repeats, the greatest loss first.
    """

    prompt: str
    group: str
    theirs: float | None
    ours: float | None
    difference: float | None
    gain: float | None
    meetings: tuple[Meeting, ...]

    @property
    def direction(self) -> Literal["better", "worse", "same", "unknown"]:
        """How the arm came out."""
        if self.gain is None:
            return "unknown"
        return "same" if abs(self.gain) <= SAME else "better" if self.gain > 0 else "worse"


@dataclass(frozen=True)
class Duel:
    """dots: every prompt, the greatest loss first, those without a value last. compared: over all of them.

    alone: attempts without a partner in the other arm.
    """

    asked: Asked
    dots: tuple[Dot, ...]
    compared: Compared
    alone: int

    def count(self, direction: str) -> int:
        """Prompts that came out so."""
        return sum(dot.direction == direction for dot in self.dots)


def duel(attempts: Iterable[Attempt], asked: Asked, judges: Sequence[Judge], confidence: float = 0.95) -> Duel:
    """Two arms on the prompts that are asked for.

    >>> made = [Attempt((), p, arm, 0, accepted=a) for p, arm, a in
    ...         [("x", "old", 0.0), ("x", "new", 1.0), ("y", "old", 1.0), ("y", "new", 0.0)]]
    >>> found = duel(made, Asked("new", "old", "acceptance"), ())
    >>> [(dot.prompt, dot.gain, dot.direction) for dot in found.dots], found.compared.difference.mean
    ([('y', -1.0, 'worse'), ('x', 1.0, 'better')], 0.0)
    """
    ours, theirs = _sides(attempts, asked)
    lower = any(judge.label == asked.outcome and not judge.higher_is_better for judge in judges)
    met = [_meeting(theirs[pair], ours[pair], asked.outcome, lower) for pair in ours if pair in theirs]
    met = [each for each in met if came_out(each, asked.state)]
    compared = compare_arms(
        Arm(asked.arm, tuple(each.ours for each in met)), Arm(asked.against, tuple(each.theirs for each in met)),
        asked.outcome, judges, confidence,
    )  # fmt: skip
    by_prompt: dict[str, list[Meeting]] = {}
    for each in met:
        by_prompt.setdefault(each.ours.prompt, []).append(each)
    dots = [_dot(some, asked.outcome, lower) for some in by_prompt.values()]
    return Duel(asked, tuple(sorted(dots, key=_losing_first)), compared, len(ours.keys() ^ theirs.keys()))


def came_out(meeting: Meeting, state: State) -> bool:
    """Whether a pair came out so; an expected acceptance (videos made elsewhere) counts by what is more likely."""
    ours, theirs = (_accepted(each) for each in (meeting.ours, meeting.theirs))
    return {
        "": True,
        "accepted": ours is True,
        "rejected": ours is False,
        "gained": ours is True and theirs is False,
        "lost": ours is False and theirs is True,
        "failed": meeting.ours.failed or meeting.theirs.failed,
    }[state]


def cells_of(meeting: Meeting) -> tuple[str, str]:
    """(the other's cell, the arm's) to be looked at; of candidates that both choose from, two that differ."""
    right = meeting.ours.cells[0]
    return next((cell for cell in meeting.theirs.cells if cell != right), right), right


def unmet(
    scores: Mapping[str, float | None], criteria: Iterable[Criterion]
) -> tuple[tuple[Criterion, float | None], ...]:
    """Criteria that a video does not meet, or that cannot be decided, each with what was measured.

    >>> [value for _, value in unmet({"a": 0.2, "b": 1.0}, [Criterion(evaluator=e, at_least=0.5) for e in "abc"])]
    [0.2, None]
    """
    values = [(each, scores.get(each.evaluator)) for each in criteria]
    return tuple((each, value) for each, value in values if not each.holds(value))


def _sides(attempts: Iterable[Attempt], asked: Asked) -> tuple[dict[tuple[str, int], Attempt], ...]:
    """(of the arm, of the other) by prompt and repeat, where asked for."""
    sides: dict[str, dict[tuple[str, int], Attempt]] = {asked.arm: {}, asked.against: {}}
    text = asked.text.casefold()
    for each in attempts:
        wanted = each.split == asked.split and asked.group in ("", each.group) and text in each.prompt.casefold()
        if wanted and each.arm in sides:
            sides[each.arm][each.prompt, each.repeat] = each
    return sides[asked.arm], sides[asked.against]


def _meeting(theirs: Attempt, ours: Attempt, outcome: str, lower: bool) -> Meeting:
    was, now = value_of(theirs, outcome), value_of(ours, outcome)
    gain = None if was is None or now is None else (was - now if lower else now - was)
    return Meeting(theirs, ours, gain)


def _dot(some: Sequence[Meeting], outcome: str, lower: bool) -> Dot:
    first = some[0].ours
    ordered = tuple(sorted(some, key=lambda each: (each.gain is None, each.gain or 0.0)))
    judged = [each for each in some if each.gain is not None]
    if not judged:
        return Dot(first.prompt, first.group, None, None, None, None, ordered)
    was, now = (
        sum(known([value_of(each, outcome) for each in side])) / len(judged)
        for side in ([each.theirs for each in judged], [each.ours for each in judged])
    )
    return Dot(first.prompt, first.group, was, now, now - was, was - now if lower else now - was, ordered)


def _losing_first(dot: Dot) -> tuple[bool, float]:
    return dot.gain is None, dot.gain or 0.0


def _accepted(attempt: Attempt) -> bool | None:
    return None if attempt.accepted is None else attempt.accepted >= 0.5
