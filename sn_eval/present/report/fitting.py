"""How much room a text takes, from above: a slide is drawn by somebody else's program with somebody else's fonts.

Widths are in em, the size of the letters. East Asian letters are one em wide by design; Latin ones are rounded up to
the widest of some usual sans serif fonts, so a text that fits here fits there.
"""

import math
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

LEADING = 1.3
"""Distance of two lines in letter sizes; the documents set it exactly, since Japanese fonts ask for up to 1.7."""

_NARROW = frozenset("ijlftrI.,:;'|!()[]- \u00a0·")


@lru_cache(maxsize=1 << 16)
def em(text: str) -> float:
    """Width of a text on one line, in em.

    >>> em("品質"), round(em("quality"), 2)
    (2.0, 3.76)
    """
    return sum(map(_letter, text))


@lru_cache(maxsize=1 << 16)
def unbroken(text: str) -> float:
    """Width of the longest piece of a text that does not break, in em.

    >>> round(unbroken("a quality"), 2) == round(em("quality"), 2), unbroken("")
    (True, 0.0)
    """
    return max(map(em, pieces(text)), default=0.0)


def lines(text: str, width: float, size: float) -> int:
    """Lines that a text takes in a box `width` points wide, in letters of `size` points; 0 for an empty text.

    Latin breaks at spaces (words longer than the box break anywhere), Japanese between any two letters.

    >>> lines("two words", width=40, size=10), lines("一二三四五", width=20, size=10), lines("a\\nb", 100, 10)
    (2, 3, 2)
    """
    return sum(_paragraph(part, width / size) for part in text.split("\n")) if text else 0


def height(text: str, width: float, size: float) -> float:
    """Points that a text takes from top to bottom in such a box.

    >>> height("two words", width=40, size=10)
    26.0
    """
    return lines(text, width, size) * size * LEADING


def largest(text: str, width: float, room: float, sizes: Sequence[float]) -> float | None:
    """The first of the sizes, largest first, in which a text fits a box `width` by `room` points; None for none.

    >>> largest("two words", width=60, room=20, sizes=(20, 12, 10)), largest("two words", 10, 10, (20, 12))
    (10, None)
    """
    return next((size for size in sizes if height(text, width, size) <= room), None)


def clipped(text: str, width: float, size: float, most: int) -> str:
    """The text, or as much of its beginning as `most` lines hold, and an ellipsis.

    >>> clipped("one two three four", width=55, size=10, most=1), clipped("one", 50, 10, 1)
    ('one two…', 'one')
    """
    if lines(text, width, size) <= most:
        return text
    low, high = 0, len(text)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if lines(_cut(text, middle), width, size) <= most else (low, middle - 1)
    return _cut(text, low)


def _cut(text: str, length: int) -> str:
    return text[:length].rstrip() + "…"


def _paragraph(text: str, width: float) -> int:
    """Lines of a text without line breaks in a box of `width` em."""
    taken, used = 1, 0.0
    for size, seen in _measured(text):
        if used + seen <= width:
            used += size
        elif size <= width:
            taken, used = taken + 1, size
        else:  # a word longer than a line starts anew and breaks where it must
            more = math.ceil(size / max(width - 1, 1))
            taken, used = taken + more - (used == 0), width
    return taken


@lru_cache(maxsize=4096)
def _measured(text: str) -> tuple[tuple[float, float], ...]:
    """Width of each piece, with and without the spaces behind it; the same text is tried in many sizes."""
    return tuple((em(piece), em(piece.rstrip())) for piece in pieces(text))


def pieces(text: str) -> list[str]:
    """Pieces that do not break: single East Asian letters, and words with the spaces behind them.

    >>> pieces("an 品質 x")
    ['an ', '品', '質', ' ', 'x']
    """
    found: list[str] = []
    for letter in text:
        joins = found and not _wide(letter) and not _wide(found[-1][-1]) and (
            letter == " " or not found[-1].endswith(" ")
        )  # fmt: skip
        if joins:
            found[-1] += letter
        else:
            found.append(letter)
    return found


@cache
def _wide(letter: str) -> bool:
    """Whether it takes the square of an East Asian letter (Unicode annex 11; ambiguous ones counted as wide)."""
    return unicodedata.east_asian_width(letter) in "WFA" and letter not in "·"


@cache
def _letter(letter: str) -> float:
    """Width of a letter: the widest that it has in Arial, Arial Bold and IPAexGothic, by kinds of letters."""
    if _wide(letter) or letter in "☐☑☒":
        return 1.0
    if letter in _NARROW:
        return 0.4
    if letter in "MWmw%@":
        return 0.95
    if letter.isupper() or letter in "&£–→":
        return 0.81
    return 0.69 if letter in "+<=>−" else 0.64
