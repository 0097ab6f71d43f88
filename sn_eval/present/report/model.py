"""A report as data: sections of blocks in one language, which every renderer (HTML, PPTX, DOCX, XLSX, …) draws alike.

Texts are ready to show; numbers in grids and figures stay numbers, so that a sheet can count with them and a slide can
draw them. `keys` name the evidence of a number: keys of `Findings.numbers`, and of evidence.json.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

Lang = Literal["ja", "en"]
Tone = Literal["good", "bad", "open", "plain"]
"""How a figure came out. Colour is never alone: its words say the same."""

Format = Literal["text", "number", "integer", "percent", "points", "money", "p", "general"]
"""How a value is written: percent 0.123 → 12.3 %; points +0.123 → +12.3 pt; money in the report's currency, to three
significant digits (a sheet keeps all); general: as it was given."""

# --- texts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paragraph:
    """A sentence or some. look: "lead" is the one to read, "note" is small print, "warning" is not to be missed."""

    text: str
    keys: tuple[str, ...] = ()
    look: Literal["plain", "lead", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Bullets:
    """Short sentences below each other. title: "" for none."""

    items: tuple[Paragraph, ...]
    title: str = ""


@dataclass(frozen=True)
class Question:
    """A question that will be asked, and the answer that this run gives."""

    question: str
    answer: Paragraph


@dataclass(frozen=True)
class QA:
    """Questions and answers."""

    items: tuple[Question, ...]


@dataclass(frozen=True)
class Check:
    """One thing to see to. done: None where only the reader can know."""

    text: str
    done: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Checklist:
    """Things to see to, each with a box. title: "" for none. rules: they are rules, and None is "not decided"."""

    items: tuple[Check, ...]
    title: str = ""
    rules: bool = False


@dataclass(frozen=True)
class Field:
    """A heading of a form and what stands below it. blank: words for a space that the reader fills in, "" for none.

    key: the same in every language, e.g. "effect".
    """

    title: str
    lines: tuple[Paragraph, ...]
    blank: str = ""
    key: str = ""


@dataclass(frozen=True)
class Form:
    """A paper to be handed in: headings with their lines."""

    fields: tuple[Field, ...]


# --- numbers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """A headline number. value, interval: as shown; number: the value behind it, None where there is none.

    note: what it means, in a few words. mark: "example" in the report's language where inputs are examples.
    """

    label: str
    value: str
    interval: str = ""
    key: str = ""
    tone: Tone = "plain"
    note: str = ""
    number: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class Facts:
    """Headline numbers side by side."""

    items: tuple[Fact, ...]


Value: TypeAlias = str | float | int | bool | None


@dataclass(frozen=True)
class Column:
    """A column of a grid. unit: in small print below the title. digits: behind the point (of the percent, for shares).

    wide: holds sentences.
    """

    title: str
    format: Format = "text"
    unit: str = ""
    digits: int = 1
    wide: bool = False

    @property
    def heading(self) -> str:
        """Title and unit on one line."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Row:
    """Cells of a row, one a column; None is "not known". keys: evidence by cell, "" for none; () for none at all.

    look: "chosen" is the recommended one, "baseline", "searched" is judged by what was searched on (not to be relied
    on), "example" rests on examples, "total" sums up.
    """

    cells: tuple[Value, ...]
    keys: tuple[str, ...] = ()
    look: Literal["plain", "chosen", "baseline", "searched", "example", "total"] = "plain"


@dataclass(frozen=True)
class Grid:
    """A table. key: names it for sheets and CSV files, e.g. "arms". note: small print below. long: for an appendix."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    long: bool = False


# --- figures ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Axis:
    """An axis. low, high: its ends, None for those of the data."""

    title: str
    format: Format = "number"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Point:
    """A point; `x` is a number, or the name of a category. low, high: bounds of y. label: words beside it."""

    x: float | str
    y: float | None
    low: float | None = None
    high: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Series:
    """Points of one kind. draw: how they are joined; a "step" line keeps y until the next x.

    role: "chosen" is the recommended, "baseline", "muted" is grey (dominated), "model" is a fitted curve.
    """

    name: str
    points: tuple[Point, ...]
    draw: Literal["marks", "line", "step", "marks+line", "bars"] = "marks"
    role: Literal["plain", "chosen", "baseline", "muted", "model"] = "plain"


@dataclass(frozen=True)
class Reference:
    """A straight line to hold points against, e.g. the break-even. axis: on which `value` is."""

    label: str
    value: float
    axis: Literal["x", "y"] = "y"


@dataclass(frozen=True)
class Region:
    """A part of the field that points are to lie in. low, high: its ends on each axis, None for those of the axis."""

    label: str
    x_low: float | None = None
    x_high: float | None = None
    y_low: float | None = None
    y_high: float | None = None

    def within(self, x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float, float] | None:
        """Its ends (left, right, lower, upper) as far as axes go, whose first two values are theirs; None beyond them.

        >>> Region("cheap", x_high=3.0).within((0.0, 9.0), (0.0, 1.0)), Region("high", y_low=2.0).within((0, 9), (0, 1))
        ((0.0, 3.0, 0.0, 1.0), None)
        """
        left, right = max(x[0], _or(self.x_low, x[0])), min(x[1], _or(self.x_high, x[1]))
        lower, upper = max(y[0], _or(self.y_low, y[0])), min(y[1], _or(self.y_high, y[1]))
        return (left, right, lower, upper) if left < right and lower < upper else None


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


@dataclass(frozen=True)
class Figure:
    """A chart as data. about: what it shows in one sentence, for those who cannot see it, and below it.

    kind: "scatter" (numeric x, y with bounds) · "line" (numeric x) · "fan" (lines with bounds as a band) · "bar"
    (categories) · "interval" (categories; dots with bounds, lying) · "tornado" (categories, largest first; `low` and
    `high` are the result at the input's low and high end, `y` the result in between). region: of a scatter or line.
    """

    key: str
    kind: Literal["scatter", "line", "fan", "bar", "interval", "tornado"]
    title: str
    about: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    references: tuple[Reference, ...] = ()
    mark: str = ""
    keys: tuple[str, ...] = ()
    region: Region | None = None

    @property
    def drawable(self) -> bool:
        """Whether a point has a value."""
        return any(point.y is not None for series in self.series for point in series.points)


# --- videos -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clip:
    """The video of a cell. name: of the arm. words: its score. `media.video` and `media.sheet` find the files."""

    cell: str
    name: str
    words: str = ""


@dataclass(frozen=True)
class Pair:
    """Two videos to hold against each other: the baseline's and the chosen arm's. prompt: what was asked for."""

    prompt: str
    caption: str
    left: Clip | None
    right: Clip | None


@dataclass(frozen=True)
class Gallery:
    """Pairs of videos."""

    title: str
    pairs: tuple[Pair, ...]
    note: str = ""


# --- the whole --------------------------------------------------------------------------------------------

Block: TypeAlias = Paragraph | Bullets | QA | Checklist | Form | Facts | Grid | Figure | Gallery
Kind = TypeVar("Kind", Paragraph, Bullets, QA, Checklist, Form, Facts, Grid, Figure, Gallery)


@dataclass(frozen=True)
class Section:
    """Blocks under a title. key: the same in every language, e.g. "verdict", "failures", "roi"."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    audience: Literal["manager", "engineer"] = "manager"

    def of(self, kind: type[Kind]) -> Iterator[Kind]:
        """Its blocks of one kind, in order."""
        return (block for block in self.blocks if isinstance(block, kind))


@dataclass(frozen=True)
class Report:
    """All of it, in one language. footer: for every page: run, date of prices, exchange, n. folder: of the run.

    watermark: lines for every page, where figures rest on examples; () where none do. decision: of the verdict, e.g.
    "go"; headline: it in words. currency: of all money, "" where there is none.
    """

    title: str
    subtitle: str
    lang: Lang
    decision: str
    headline: str
    footer: tuple[str, ...]
    watermark: tuple[str, ...]
    sections: tuple[Section, ...]
    folder: str
    run: str
    currency: str = ""

    def section(self, key: str) -> Section:
        """The section of this key; KeyError where there is none."""
        for section in self.sections:
            if section.key == key:
                return section
        raise KeyError(key)

    @property
    def footer_line(self) -> str:
        """The footer as one line."""
        return " · ".join(self.footer)
