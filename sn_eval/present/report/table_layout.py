"""How wide the columns and how high the rows of a table must be, so that no text runs out of its cell.

A column asks for the width of its longest text; where a table has no room for all, columns that can break lines give
way first, and letters become smaller. Lengths are in points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sn_eval.present.report.fitting import em, height
from sn_eval.present.report.model import Grid
from sn_eval.present.report.shown import shown

PAD = 5.0
"""Free space left and right of a text in its cell."""

LEAST = 34.0
"""Width below which no column is pressed."""


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
    """The grid in the first of the sizes in which no number must break; in the last one it is laid out anyway."""
    header = tuple(f"{c.title} ({c.unit})" if c.unit else c.title for c in grid.columns)
    rows = tuple(
        tuple(shown(cell, column) for cell, column in zip(row.cells, grid.columns, strict=True)) for row in grid.rows
    )
    size, asked = sizes[-1], 0.0
    for size in sizes:
        asked = sum(
            min(_natural(texts, size), LEAST * 3) if column.format == "text" else _natural(texts, size)
            for column, texts in zip(grid.columns, _columns(header, rows), strict=True)
        )
        if asked <= width:
            break
    widths = shared(
        [_natural(texts, size) for texts in _columns(header, rows)],
        [column.format == "text" for column in grid.columns],
        width,
    )
    return Table(
        header, rows, widths, size, _height(header, widths, size), tuple(_height(row, widths, size) for row in rows)
    )  # fmt: skip


def shared(asked: Sequence[float], flexible: Sequence[bool], width: float) -> tuple[float, ...]:
    """Widths that add up to `width`: flexible columns give way first, all grow alike where there is room.

    >>> shared([44, 50, 74], [True, False, True], 143), shared([50, 50], [True, False], 200)
    ((39.0, 50, 54.0), (100.0, 100.0))
    """
    total = sum(asked)
    if total <= width:
        return tuple(one * width / total for one in asked)
    fixed = sum(one for one, gives in zip(asked, flexible, strict=True) if not gives)
    bending = [one for one, gives in zip(asked, flexible, strict=True) if gives]
    if not bending or fixed + LEAST * len(bending) > width:
        return tuple(one * width / total for one in asked)
    room = width - fixed - LEAST * len(bending)
    over = sum(max(one - LEAST, 0.0) for one in bending) or 1.0
    return tuple(
        LEAST + room * max(one - LEAST, 0.0) / over if gives else one
        for one, gives in zip(asked, flexible, strict=True)
    )


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[head, *(row[index] for row in rows)] for index, head in enumerate(header)]


def _natural(texts: Sequence[str], size: float) -> float:
    """Width of the longest text; a header may take two lines."""
    head = max((em(word) for word in texts[0].split()), default=0.0)
    longest = max([max(head, em(texts[0]) * 0.6), *(em(text) for text in texts[1:])])
    return max(longest * size + 2 * PAD + 1, LEAST)


def _height(row: Sequence[str], widths: Sequence[float], size: float) -> float:
    """Height of a row: of its longest cell, with a little air."""
    return max(height(text or " ", max(w - 2 * PAD, size), size) for text, w in zip(row, widths, strict=True)) + 6
