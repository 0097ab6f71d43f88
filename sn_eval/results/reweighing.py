"""What a search would have kept under other weights of its reward's parts: stored candidates, ranked anew.

A trace holds score and parts of every candidate that was looked at. Each place where some were kept is a Choice; other
weights give other scores, and another order. This ranks anew what was previewed; it does not run the search again: what
would have grown from another candidate was never made.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from sn_eval.results.recipes import Recipe, recipe_of

DIGITS = 9  # scores that differ only behind them are ties: 32-bit scores differ before, sums of weights behind

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    """One that could be kept: a previewed candidate, a beam, or a whole video.

    pieces: (score, parts) of each piece it was judged by; one for a candidate. order: breaks ties, lower first. key,
    kind: its tile's (`thumbnails.corner`). kept: whether the search did.
    """

    key: str
    number: int
    order: tuple[int, ...]
    pieces: tuple[tuple[float, Mapping[str, float]], ...]
    kept: bool
    kind: Literal["preview", "final"] = "preview"


@dataclass(frozen=True)
class Choice:
    """A place where `keep` of several options were kept.

    of: "look" after a preview of a step's candidates, "beam" at the end of a beam search, "video" of whole videos.
    step: from 0; the last one for beams and videos. look: denoiser evaluations of the preview, 0 elsewhere.
    """

    of: Literal["look", "beam", "video"]
    step: int
    keep: int
    options: tuple[Option, ...]
    look: int = 0


# --- choices of a trace -----------------------------------------------------------------------------------


def choices_of(rows: Iterable[Row]) -> list[Choice]:
    """The choices in a trace, in their order; those with one option, or without any score, are none.

    Rows that lack what a trace's rows have are passed over.
    """
    looks: dict[tuple[int, int], list[Row]] = defaultdict(list)
    finals: list[Row] = []
    for row in rows:
        if row.get("kind") == "preview" and isinstance(row.get("step"), int):
            looks[row["step"], int(row.get("stage") or 0)].append(row)
        elif row.get("kind") == "final" and isinstance(row.get("step"), int):
            finals.append(row)
    found = [_look(step, group) for (step, _), group in sorted(looks.items())]
    if finals:
        found.append(_beams(finals) if looks else _videos(finals))
    return [c for c in found if len(c.options) > 1 and any(p == p for o in c.options for p, _ in o.pieces)]


def _look(step: int, rows: Sequence[Row]) -> Choice:
    options = tuple(
        Option(str(row.get("key")), number, (number, _whole(row, "parent")), (_piece(row),), bool(row.get("kept")))
        for row in rows
        for number in (int(row.get("candidate") or 0),)
    )
    return Choice("look", step, sum(o.kept for o in options), options, int(rows[0].get("look") or 0))


def _beams(finals: Sequence[Row]) -> Choice:
    """The beams at the end, each with all pieces that it came from; the best mean was shown."""
    last = max(row["step"] for row in finals)
    by_key = {(row["step"], str(row.get("key"))): row for row in finals}
    options = []
    for number, row in enumerate(row for row in finals if row["step"] == last):
        path, above = [row], row
        while above["step"] > 0 and (parent := by_key.get((above["step"] - 1, str(above.get("parent"))))) is not None:
            path.append(parent)
            above = parent
        pieces = tuple(_piece(each) for each in reversed(path))
        order = (int(row.get("seed") or 0), _whole(row, "key"))
        options.append(Option(str(row.get("key")), number, order, pieces, False, "final"))
    return _shown("beam", last, options)


def _videos(finals: Sequence[Row]) -> Choice:
    """Whole videos, told apart by their seeds; the best mean was shown."""
    pieces: dict[Any, list[Row]] = defaultdict(list)
    for row in finals:
        pieces[row.get("seed")].append(row)
    options = [
        Option(str(rows[0].get("key")), number, (number,), tuple(map(_piece, rows)), False, "final")
        for number, rows in enumerate(pieces.values())
    ]
    return _shown("video", max(row["step"] for row in finals), options)


def _shown(of: Literal["beam", "video"], step: int, options: Sequence[Option]) -> Choice:
    """The choice of one; the best mean of stored scores was kept, which no row says."""
    means = np.array([_mean([score for score, _ in option.pieces]) for option in options])
    best = _ranked(means, [option.order for option in options])[0]
    return Choice(of, step, 1, tuple(replace(o, kept=place == best) for place, o in enumerate(options)))


def _piece(row: Row) -> tuple[float, dict[str, float]]:
    """Score and own parts; parts of parts are left out, null is NaN."""
    parts = row.get("parts")
    own = {k: _number(v) for k, v in parts.items() if "/" not in k} if isinstance(parts, Mapping) else {}
    return _number(row.get("score")), own


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")


def _whole(row: Row, name: str) -> int:
    """A lineage, which a trace writes in hexadecimal."""
    try:
        return int(str(row.get(name)), 16)
    except ValueError:
        return 0


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if value == value]
    return sum(there) / len(there) if there else float("nan")


def _ranked(scores: Sequence[float] | np.ndarray, orders: Sequence[tuple[int, ...]]) -> list[int]:
    """Places from the best to the worst; NaN is the worst, ties go by `order`."""
    return sorted(range(len(orders)), key=lambda i: (scores[i] != scores[i], -scores[i], orders[i]))


# --- other weights ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A choice under other weights. before, after: options' scores. kept_before, kept_after: their places, best first.

    tau: Kendall's tau-b of the two orders; None where one of them does not vary.
    """

    choice: Choice
    before: tuple[float, ...]
    after: tuple[float, ...]
    kept_before: tuple[int, ...]
    kept_after: tuple[int, ...]
    tau: float | None

    @property
    def top_changed(self) -> bool:
        """Whether another option stands first."""
        return self.kept_before[:1] != self.kept_after[:1]

    @property
    def changed(self) -> bool:
        """Whether another option would have been kept."""
        return set(self.kept_before) != set(self.kept_after)


@dataclass(frozen=True)
class Summary:
    """Over choices of one sort: how many there are, at how many another option stands first or is kept.

    tau: mean over those that have one. as_stored: choices where the best by the stored scores are what was kept (a
    search that draws by lot keeps others).
    """

    choices: int
    top_changed: int
    changed: int
    tau: float | None
    as_stored: int

    @property
    def share(self) -> float | None:
        """Of the choices whose first changes; None without any."""
        return self.top_changed / self.choices if self.choices else None


class Candidates:
    """The choices of many cells in one table, so that other weights rank all of them at once.

    cells: choices by cell. reward: {"use": …, "params": …} of the records.
    """

    def __init__(self, cells: Mapping[str, Sequence[Choice]], reward: Mapping[str, Any] | None = None) -> None:
        self.choices = [(cell, choice) for cell, found in cells.items() for choice in found]
        options = [option for _, choice in self.choices for option in choice.options]
        pieces = [piece for option in options for piece in option.pieces]
        names = tuple(dict.fromkeys(name for _, parts in pieces for name in parts))
        values = np.array([[parts.get(name, np.nan) for name in names] for _, parts in pieces], float)
        values = values.reshape(len(pieces), len(names))
        self.scores = np.array([score for score, _ in pieces], float)
        self.recipe: Recipe = recipe_of(reward, names, values, self.scores)
        self.values = values[:, [names.index(name) for name in self.recipe.parts]]
        self.member = np.repeat(np.arange(len(options)), [len(option.pieces) for option in options])
        self.count = len(options)

    def outcomes(self, weights: Sequence[float] | None = None) -> list[tuple[str, Outcome]]:
        """Every choice with its cell. weights: one a part of the recipe, at least 0, not all 0; None: as they were.

        ValueError for others.
        """
        before, after = self._means(self.scores), self._means(self._pieces(weights))
        found, begin = [], 0
        for cell, choice in self.choices:
            end = begin + len(choice.options)
            found.append((cell, _outcome(choice, before[begin:end], after[begin:end])))
            begin = end
        return found

    def _pieces(self, weights: Sequence[float] | None) -> Float[np.ndarray, "pieces"]:
        """Scores of all pieces. Where the recipe is known, the stored score moves by what the weights change: vetoes of
        the composite stay, and the weights as they were yield the very scores that were stored.
        """
        if weights is None:
            return self.scores
        given = np.asarray(weights, float)
        if given.shape != (len(self.recipe.parts),) or not np.isfinite(given).all() or (given < 0).any():
            raise ValueError(f"weights {list(weights)}: give {len(self.recipe.parts)} numbers of at least 0")
        if given.sum() <= 0:
            raise ValueError("all weights are 0: raise one")
        new = self.recipe.mean(self.values, (given / given.sum()).tolist())
        if self.recipe.how == "unknown":
            return new
        return self.scores + new - self.recipe.mean(self.values, self.recipe.weights)

    def _means(self, pieces: Float[np.ndarray, "pieces"]) -> Float[np.ndarray, "options"]:
        """Mean over each option's scored pieces."""
        there = ~np.isnan(pieces)
        total = np.bincount(self.member, np.where(there, pieces, 0.0), self.count)
        number = np.bincount(self.member, there, self.count)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.round(np.where(number > 0, total / number, np.nan), DIGITS)


def _outcome(choice: Choice, before: np.ndarray, after: np.ndarray) -> Outcome:
    orders = [option.order for option in choice.options]
    was, now = (_ranked(scores.tolist(), orders)[: choice.keep] for scores in (before, after))
    return Outcome(choice, tuple(before.tolist()), tuple(after.tolist()), tuple(was), tuple(now), tau_b(before, after))


def tau_b(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> float | None:
    """Kendall's tau-b over what both score; None where one of them does not vary.

    >>> tau_b(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])).__round__(6)
    0.333333
    """
    there = ~(np.isnan(x) | np.isnan(y))
    first, second = (np.sign(v[there][:, None] - v[there][None, :]) for v in (x, y))
    untied = float(np.sqrt(np.abs(first).sum() * np.abs(second).sum()))
    return float((first * second).sum()) / untied if untied else None


def summarise(outcomes: Iterable[Outcome]) -> Summary:
    """How much changes."""
    found = list(outcomes)
    taus = [outcome.tau for outcome in found if outcome.tau is not None]
    return Summary(
        len(found), sum(o.top_changed for o in found), sum(o.changed for o in found),
        sum(taus) / len(taus) if taus else None, sum(_faithful(o) for o in found),
    )  # fmt: skip


def _faithful(outcome: Outcome) -> bool:
    kept = {place for place, option in enumerate(outcome.choice.options) if option.kept}
    return kept == set(outcome.kept_before)
