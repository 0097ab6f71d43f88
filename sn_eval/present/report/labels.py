"""Where words beside points stand, so that they cover neither each other nor a point."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

LINE = 16.0  # pixels that a line of words takes
NARROW, BROAD = 6.8, 12.5  # pixels of a Latin and of an East Asian letter, at most on average
POINT = 9.0  # pixels around the middle of a point that stay free


@dataclass(frozen=True)
class Label:
    """Words at a point; x, y in pixels from the upper left: of the point, and once placed of their left middle."""

    text: str
    x: float
    y: float
    bold: bool = False

    @property
    def width(self) -> float:
        """Pixels from its left to its right."""
        letters = (BROAD if unicodedata.east_asian_width(letter) in "WFA" else NARROW for letter in self.text)
        return sum(letters) * (1.12 if self.bold else 1.0)

    def covers(self, other: "Label") -> bool:
        """Whether two placed labels overlap."""
        beside = self.x + self.width < other.x or other.x + other.width < self.x
        return not beside and abs(self.y - other.y) < LINE

    def hides(self, point: "Label") -> bool:
        """Whether a placed label lies over a point."""
        inside = self.x - POINT < point.x < self.x + self.width + POINT
        return inside and abs(self.y - point.y) < LINE / 2 + POINT


def placed(points: Sequence[Label], field: tuple[float, float]) -> list[Label]:
    """The labels beside their points, in order: the chosen first; where no place is free, the first one.

    >>> [(round(each.x), round(each.y)) for each in placed([Label("a", 50, 50), Label("b", 90, 50)], (200, 100))]
    [(62, 42), (102, 42)]
    """
    found: dict[int, Label] = {}
    for place in sorted(range(len(points)), key=lambda place: not points[place].bold):
        others = list(found.values())
        free = [
            each
            for each in _places(points[place], field)
            if not any(each.covers(other) for other in others) and not any(each.hides(point) for point in points)
        ]
        found[place] = (free or list(_places(points[place], field)))[0]
    return [found[place] for place in range(len(points))]


def _places(point: Label, field: tuple[float, float]) -> Iterator[Label]:
    """Right and left (a little above, since a line may pass), above and below a point, each within the field."""
    width, height = point.width, field[1]
    for x, y in (
        (point.x + POINT + 3, point.y - LINE / 2),
        (point.x - POINT - 3 - width, point.y - LINE / 2),
        (point.x - width / 2, point.y - LINE),
        (point.x - width / 2, point.y + LINE),
        (point.x - width / 2, point.y - 2 * LINE),
        (point.x - width / 2, point.y + 2 * LINE),
    ):
        if x >= -4 and x + width <= field[0] + 4 and LINE / 2 <= y <= height - LINE / 2:
            yield replace(point, x=x, y=y)
    yield replace(point, x=min(max(0.0, point.x - width / 2), field[0] - width), y=max(LINE, point.y - LINE))
