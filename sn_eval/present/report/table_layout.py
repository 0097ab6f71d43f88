"""How wide the columns and how high the rows of a table must be, so that no text runs out of its cell.

A column asks for the width of its longest text and needs that of its longest word; numbers never break. Where a table
has no room for that, letters become smaller. Lengths are in points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sn_eval.present.report.fitting import em, height, unbroken
from sn_eval.present.report.model import Column, Grid
from sn_eval.present.report.shown import shown

PAD = 5.0
"""Free space left and right of a text in its cell."""

LEAST = 34.0
"""Width of the narrowest column."""


@dataclass(frozen=True)
class Table:
    """A grid as texts in columns of known widths. heights: of the header, and of each row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...]
    size: float
    header_height: float
    heights: tuple[float, ...]


def laid_out(grid: Grid, width: float, sizes: Sequence[float]) -> Table:
    """The grid in the first of the sizes in which no number and no word must break, or in the last of them."""
    header = tuple(column.heading for column in grid.columns)
    rows = tuple(
        tuple(shown(cell, column) for cell, column in zip(row.cells, grid.columns, strict=True)) for row in grid.rows
    )
    columns = list(zip(grid.columns, _columns(header, rows), strict=True))
    size, least = sizes[-1], [0.0]
    for size in sizes:
        least = [_least(column, texts, size, width) for column, texts in columns]
        if sum(least) <= width:
            break
    widths = shared(least, [_natural(texts, size) for _, texts in columns], width)
    return Table(
        header, rows, widths, size, _height(header, widths, size), tuple(_height(row, widths, size) for row in rows)
    )  # fmt: skip


def shared(least: Sequence[float], asked: Sequence[float], width: float) -> tuple[float, ...]:
    """Widths that add up to `width`: between what columns need at least and what they ask for, where there is room.

    >>> shared([40, 50], [60, 50], 220), shared([40, 50], [90, 50], 120), shared([100, 100], [200, 100], 100)
    ((120.0, 100.0), (70.0, 50.0), (50.0, 50.0))
    """
    wanted = [max(pair) for pair in zip(least, asked, strict=True)]
    if sum(wanted) <= width:
        return tuple(one * width / sum(wanted) for one in wanted)
    if sum(least) > width:
        return tuple(one * width / sum(least) for one in least)
    more = sum(wanted) - sum(least)
    return tuple(low + (width - sum(least)) * (high - low) / more for low, high in zip(least, wanted, strict=True))


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[head, *(row[index] for row in rows)] for index, head in enumerate(header)]


def _least(column: Column, texts: Sequence[str], size: float, width: float) -> float:
    """What a column needs: a number all of its width, names a fifth of the table's, sentences somewhat more."""
    natural = _natural(texts, size)
    if column.format != "text":
        return natural
    longest = min(_unbroken(texts, size), 0.35 * width)
    return max(longest, min(natural, (0.28 if column.wide else 0.2) * width))


def _unbroken(texts: Sequence[str], size: float) -> float:
    """Width of the longest word; East Asian texts break anywhere, but not after every letter."""
    longest = max(map(unbroken, texts), default=0.0)
    return max(max(longest, 4.0) * size + 2 * PAD + 1, LEAST)


def _natural(texts: Sequence[str], size: float) -> float:
    """Width of the longest text; a header may take three lines."""
    head = max((em(word) for word in texts[0].split()), default=0.0)
    longest = max([max(head, em(texts[0]) * 0.4), *(em(text) for text in texts[1:])])
    return max(longest * size + 2 * PAD + 1, LEAST)


def _height(row: Sequence[str], widths: Sequence[float], size: float) -> float:
    """Height of a row: of its longest cell, with a little air."""
    return max(height(text or " ", max(w - 2 * PAD, size), size) for text, w in zip(row, widths, strict=True)) + 6
