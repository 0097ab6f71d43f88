"""Two evaluations of the same videos, to look at: which of the two is better, by how much, and where it loses."""

from collections.abc import Sequence
from pathlib import Path

from sn_eval.decision.pairing import ComparedMeasure, Paired
from sn_eval.page import Block, Cell, Chart, Section, Table, Words, write_page
from sn_eval.present.charts import svg
from sn_eval.present.intervals import Interval, intervals

LOSSES = 3  # videos that are named for a measure
NAMED = 5  # videos that a line names


def write(paired: Paired, path: Path, *, names: tuple[str, str], more: Sequence[Section] = ()) -> Path:
    """Write a page of the comparison; ResultsError where it cannot be written. names: what A and B are."""
    return write_page(path, "Comparison of two sets of videos", [section(paired, names=names), *more])


def section(paired: Paired, *, names: tuple[str, str]) -> Section:
    """The comparison as a part of a page. names: what A and B are."""
    blocks: list[Block] = [Words(_summary(paired, names)), *map(Words, paired.notes)]
    known = [each for each in paired.measures if each.difference.mean is not None]
    if known:
        about = "B − A of each measure with its interval, turned so that right is better for B"
        drawn = intervals([_interval(each) for each in known], left="← A is better", right="B is better →")
        blocks.append(Chart(svg(drawn), about))
    if paired.measures:
        blocks.append(_table(paired))
    losing = [each for each in paired.measures if each.losses]
    if losing:
        blocks.append(_losses(losing))
    if paired.refused:
        blocks.append(Table(("not compared", "why"), list(paired.refused.items())))
    sides = (("A", paired.only_a), ("B", paired.only_b))
    blocks += [Words(f"Only {side} has {some(alone)}.") for side, alone in sides if alone]
    return Section("B against A", blocks)


def some(names: Sequence[str], most: int = NAMED) -> str:
    """The first names of many.

    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _summary(paired: Paired, names: tuple[str, str]) -> str:
    """Who is better on what, in a few sentences."""
    better, worse = (
        [each.key for each in paired.measures if each.words == f"{side} better"] for side in ("B", "A")
    )  # fmt: skip
    pairs = f"{len(paired.videos)} pair{'' if len(paired.videos) == 1 else 's'} of videos of the same name"
    said = [f"A is {names[0]}, B is {names[1]}: {pairs}."]
    said += [f"B is better in {', '.join(better)}."] if better else []
    said += [f"A is better in {', '.join(worse)}."] if worse else []
    others = len(paired.measures) - len(better) - len(worse)
    if others:
        which = f"{others} other{' shows' if others == 1 else 's show'} no" if better or worse else "No measure shows a"
        said.append(f"{which} difference, which does not mean that there is none.")
    return " ".join(said)


def _interval(each: ComparedMeasure) -> Interval:
    """B − A, turned so that right is better; the words keep its own sign."""
    found, sign = each.difference, 1.0 if each.higher_is_better else -1.0
    bounds = sorted(sign * bound for bound in (found.low, found.high) if bound is not None)
    low, high = bounds if len(bounds) == 2 else (None, None)
    words = f"{found.mean:+.3g}" if found.low is None else f"{found.mean:+.3g} ({found.low:+.3g} to {found.high:+.3g})"
    arrow = "↑" if each.higher_is_better else "↓"
    return Interval(f"{each.key} {arrow}", sign * (found.mean or 0.0), low, high, words)


def _table(paired: Paired) -> Table:
    """All figures."""
    rows: list[Sequence[Cell]] = [
        (
            each.key, "higher" if each.higher_is_better else "lower", each.videos, each.a, each.b, each.difference.mean,
            each.difference.low, each.difference.high, each.p, each.words,
        )
        for each in paired.measures
    ]  # fmt: skip
    first = paired.measures[0].difference
    methods = sorted({each.difference.method for each in paired.measures if each.difference.low is not None})
    how = f" ({'; '.join(methods)})" if methods else ""
    note = (
        f"Means weigh every prompt alike. from, to: {first.confidence:.0%} interval of B − A{how}. p is corrected for "
        "the number of measures, and decides who is better. In the drawing every row has a scale of its own; a filled "
        "dot: the interval, which is not corrected, leaves zero out."
    )
    return Table(("measure", "better", "videos", "A", "B", "B − A", "from", "to", "p", ""), rows, note)


def _losses(losing: Sequence[ComparedMeasure]) -> Table:
    """Where B is worse, the worst first."""
    rows = [
        (
            each.key, f"{len(each.losses)} of {each.videos}",
            some([f"{loss.video} ({loss.a:.3g} → {loss.b:.3g})" for loss in each.losses], LOSSES),
        )
        for each in losing
    ]  # fmt: skip
    return Table(("B loses in", "videos", "most in (A → B)"), rows)
