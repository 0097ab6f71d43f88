"""Blocks of a report as parts of slides that know their height before they are drawn, so that nothing runs over.

Lengths are in points. Texts that follow each other become one text box; tables may break between rows, figures may
grow into free room.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image, UnidentifiedImageError
from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls, qn
from pptx.util import Pt

from sn_eval.present.report import media
from sn_eval.present.report.fitting import LEADING, clipped, height, largest
from sn_eval.present.report.model import (
    QA,
    Block,
    Bullets,
    Checklist,
    Clip,
    Fact,
    Facts,
    Figure,
    Form,
    Gallery,
    Grid,
    Pair,
    Paragraph,
    Report,
)
from sn_eval.present.report.native import Box, add_figure
from sn_eval.present.report.table_layout import PAD, Table, laid_out
from sn_eval.present.words import say

INK, GREY, BLUE, RED, PALE, LINE = "1F2933", "5F6B76", "005A9C", "A63C00", "F2F5F8", "C8D0D8"
TONES = {"good": ("▲", "00664B"), "bad": ("▼", RED), "open": ("?", "7A5C00"), "plain": ("", BLUE)}
BOXES = {True: "☑", False: "☒", None: "☐"}
ROWS = {"chosen": "FFF1E0", "baseline": "ECEFF2", "total": "ECEFF2"}
GAP = 10.0
CARD, CARDS = 118.0, 4
FIGURE = (240.0, 420.0)
"""Least and greatest height of a chart with its title and words."""

STRIP = (58.0, 130.0)
"""Least and greatest height of a contact sheet: two pairs fit a slide, and a single one is shown large."""


# --- parts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A paragraph of a text box. indent: of a bullet's text."""

    text: str
    size: float
    bold: bool = False
    colour: str = INK
    bullet: bool = False
    after: float = 6.0

    def height(self, width: float) -> float:
        """Points from its top to the next one's."""
        return height(self.text, width - (self.size if self.bullet else 0), self.size) + self.after


@dataclass(frozen=True)
class Text:
    """Lines that stay together."""

    lines: tuple[Line, ...]
    stretch: float = 0.0

    def height(self, width: float) -> float:
        """Of all lines."""
        return sum(line.height(width) for line in self.lines)


@dataclass(frozen=True)
class Shape:
    """Anything else. draw: (slide, x, y, width, height) → None. stretch: how much it may grow."""

    least: float
    draw: Callable[[Any, float, float, float, float], None] = field(repr=False)
    stretch: float = 0.0

    def height(self, width: float) -> float:
        """At least."""
        return self.least


@dataclass(frozen=True)
class Rows:
    """A table that may break between rows. first, last: the rows shown here."""

    grid: Grid
    table: Table
    first: int
    last: int
    stretch: float = 0.0

    def height(self, width: float) -> float:
        """With title, header, and the note below the last row."""
        return self.above + sum(self.table.heights[self.first : self.last]) + self.below(width) + GAP

    @property
    def above(self) -> float:
        """Title and header."""
        return _TITLE * LEADING + 4 + self.table.header_height

    def below(self, width: float) -> float:
        """The note."""
        done = self.last == len(self.table.rows)
        return height(self.grid.note, width, _NOTE) + 4 if self.grid.note and done else 0.0

    def split(self, width: float, room: float) -> tuple["Rows | None", "Rows | None"]:
        """As many rows as `room` holds, and the rest; None for none."""
        last = self.first
        used = self.above + GAP
        while last < self.last and used + self.table.heights[last] <= room:
            used += self.table.heights[last]
            last += 1
        if last == self.last and self.height(width) > room:
            last -= 1  # the note needs its place
        if last - self.first < min(2, self.last - self.first):
            return None, self
        rest = Rows(self.grid, self.table, last, self.last) if last < self.last else None
        return Rows(self.grid, self.table, self.first, last), rest


Part: TypeAlias = Text | Shape | Rows
_TITLE, _NOTE = 14.0, 11.0


def parts(block: Block, report: Report, width: float, size: float) -> list[Part]:
    """A block as parts, its texts in letters of `size`."""
    match block:
        case Paragraph():
            return [*_sentences(_paragraph(block, size), width)]
        case Bullets() | Checklist() | QA() | Form():
            return [piece for text in _texts(block, size) for piece in _sentences(text, width)]
        case Facts():
            rows = [block.items[i : i + CARDS] for i in range(0, len(block.items), CARDS)]
            return [_cards(row) for row in rows]
        case Figure():
            return [_figure(block, report)]
        case Grid():
            return _rows(block, report, width)
        case Gallery():
            title = Text((Line(block.title, _TITLE, bold=True), *([Line(block.note, _NOTE)] if block.note else [])))
            pairs = [_pair(pair, report, width) for pair in block.pairs]
            return [title, *pairs]


def _paragraph(block: Paragraph, size: float) -> Text:
    match block.look:
        case "lead":
            return Text((Line(block.text, size + 4, bold=True, after=10),))
        case "note":
            return Text((Line(block.text, max(size - 4, _NOTE), colour=GREY),))
        case "warning":
            return Text((Line(f"⚠ {block.text}", size, bold=True, colour=RED),))
        case _:
            return Text((Line(block.text, size),))


def _texts(block: Bullets | Checklist | QA | Form, size: float) -> list[Text]:
    match block:
        case Bullets():
            return _under(block.title, [Text((Line(item.text, size, bullet=True),)) for item in block.items], size)
        case Checklist():
            items = [
                f"{BOXES[item.done]} {item.text}" + (f" — {item.note}" if item.note else "") for item in block.items
            ]
            return _under(block.title, [Text((Line(item, size),)) for item in items], size)
        case QA():
            return [
                Text(
                    (
                        Line(item.question, size, bold=True, colour=BLUE, after=2),
                        Line(item.answer.text, size - 1, after=9),
                    )
                )
                for item in block.items
            ]
        case Form():
            return [
                Text((
                    Line(one.title, size, bold=True, colour=BLUE, after=2),
                    *(Line(line.text, size - 1, after=2) for line in one.lines),
                    *([Line(f"［ {one.blank} ］", size - 1, colour=RED, after=2)] if one.blank else []),
                    Line("", size / 2, after=2),
                ))
                for one in block.fields
            ]  # fmt: skip


def _under(title: str, items: list[Text], size: float) -> list[Text]:
    """Items under a title, which stays with the first of them."""
    if not title or not items:
        return items
    return [Text((Line(title, size, bold=True, colour=BLUE), *items[0].lines)), *items[1:]]


def _sentences(text: Text, width: float, most: int = 12) -> list[Text]:
    """A text of more than `most` lines in several parts, cut after sentences where it can be."""
    pieces: list[Text] = []
    for line in text.lines if text.height(width) > most * 20 else ():
        rest = line.text
        while height(rest, width, line.size) > most * line.size * LEADING:
            head = clipped(rest, width, line.size, most).removesuffix("…")
            cut = max(head.rfind("。"), head.rfind(". "), head.rfind(" "), 0) + 1
            pieces.append(Text((Line(rest[:cut], line.size, line.bold, line.colour, line.bullet, 2),)))
            rest = rest[cut:]
        pieces.append(Text((Line(rest, line.size, line.bold, line.colour, line.bullet, line.after),)))
    return pieces or [text]


def _rows(grid: Grid, report: Report, width: float) -> list[Part]:
    """A table; of a long one the beginning, since the workbook has it all."""
    if not grid.rows:
        return []
    table = laid_out(grid, width, (14, 13, 12, 11, 10, 9))
    if not grid.long or len(grid.rows) <= LONG:
        return [Rows(grid, table, 0, len(grid.rows))]
    shown = Grid(grid.key, grid.title, grid.columns, grid.rows[:LONG], say(
        report.lang, "office.rows_left", shown=LONG, all=len(grid.rows)
    ))  # fmt: skip
    return [Rows(shown, laid_out(shown, width, (14, 13, 12, 11, 10, 9)), 0, LONG)]


LONG = 12
"""Rows of an appendix's table that a deck shows."""


# --- drawing ----------------------------------------------------------------------------------------------


def write_lines(slide: Any, lines: Sequence[Line], x: float, y: float, width: float, high: float) -> Any:
    """One text box with lines at exact distances, no margins."""
    box = slide.shapes.add_textbox(Pt(x), Pt(y), Pt(width), Pt(high))
    fill(box.text_frame, lines)
    return box


def fill(frame: Any, lines: Sequence[Line], align: Any = None) -> None:
    """Put lines into a text frame without margins."""
    frame.word_wrap = True
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    for index, line in enumerate(lines):
        paragraph = frame.paragraphs[0] if index == 0 else frame.add_paragraph()
        paragraph.line_spacing, paragraph.space_after, paragraph.space_before = (
            Pt(line.size * LEADING),
            Pt(line.after),
            0,
        )
        if align is not None:
            paragraph.alignment = align
        if line.text:
            run = paragraph.add_run()
            run.text = line.text
            run.font.size, run.font.bold = Pt(line.size), line.bold
            run.font.color.rgb = RGBColor.from_string(line.colour)
        paragraph._p.get_or_add_endParaRPr().set("sz", str(round(line.size * 100)))  # an empty line is as high as this
        if line.bullet:
            properties = paragraph._p.get_or_add_pPr()
            properties.set("marL", str(Pt(line.size)))
            properties.set("indent", str(-Pt(line.size)))
            properties.append(parse_xml(f'<a:buChar {nsdecls("a")} char="•"/>'))


def _cards(facts: Sequence[Fact]) -> Shape:
    """Headline numbers side by side."""

    def draw(slide: Any, x: float, y: float, width: float, high: float) -> None:
        beside = max(len(facts), 2)
        each = (width - GAP * (beside - 1)) / beside
        for index, fact in enumerate(facts):
            _card(slide, fact, x + index * (each + GAP), y, each)

    return Shape(CARD + GAP, draw)


def _card(slide: Any, fact: Fact, x: float, y: float, width: float) -> None:
    """Label, number, interval, note; the tone as a sign and a stripe."""
    sign, colour = TONES[fact.tone]
    card = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, Pt(x), Pt(y), Pt(width), Pt(CARD))
    card.fill.solid()
    card.fill.fore_color.rgb = RGBColor.from_string(PALE)
    card.line.fill.background()
    card.shadow.inherit = False
    stripe = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, Pt(x), Pt(y), Pt(5), Pt(CARD))
    stripe.fill.solid()
    stripe.fill.fore_color.rgb = RGBColor.from_string(colour)
    stripe.line.fill.background()
    stripe.shadow.inherit = False
    inner = width - 24
    value = f"{sign} {fact.value}".strip()
    size = largest(value, inner, 32 * LEADING, (32, 28, 24, 20, 18, 16)) or 13
    lines = [
        Line(clipped(" ".join(filter(None, (fact.label, fact.mark))), inner, 12, 1), 12, colour=GREY, after=2),
        Line(clipped(value, inner, size, 2), size, bold=True, colour=colour, after=2),
    ]
    left = CARD - 12 - sum(line.height(inner) for line in lines)
    for text in filter(None, (fact.interval, fact.note)):
        if left < 11 * LEADING:
            break
        most = min(2, int(left // (11 * LEADING)))
        lines.append(Line(clipped(text, inner, 11, most), 11, colour=GREY, after=0))
        left -= lines[-1].height(inner)
    fill(card.text_frame, lines, PP_ALIGN.LEFT)
    card.text_frame.margin_left, card.text_frame.margin_top = Pt(14), Pt(7)
    card.text_frame.margin_right = Pt(10)
    card.text_frame.vertical_anchor = MSO_ANCHOR.TOP


def _figure(figure: Figure, report: Report) -> Shape:
    """A title, a chart, and what it shows."""

    def draw(slide: Any, x: float, y: float, width: float, high: float) -> None:
        title = clipped(" ".join(filter(None, (figure.title, figure.mark))), width, _TITLE, 1)
        about = clipped(figure.about, width, _NOTE, 2)
        top, bottom = _TITLE * LEADING + 2, height(about, width, _NOTE) + 4
        write_lines(slide, [Line(title, _TITLE, bold=True, after=0)], x, y, width, top)
        place = Box(Pt(x), Pt(y + top), Pt(width), Pt(high - GAP - top - bottom))
        if figure.drawable:
            add_figure(slide.shapes, figure, place, report.lang, report.currency)
        write_lines(
            slide, [Line(about, _NOTE, colour=GREY, after=0)], x, y + high - GAP - bottom + 4, width, bottom - 4
        )

    return Shape(FIGURE[0], draw, FIGURE[1] - FIGURE[0])


def draw_rows(slide: Any, rows: Rows, x: float, y: float, width: float) -> None:
    """A table's title, its rows under a header, and its note."""
    table, grid = rows.table, rows.grid
    title = clipped(grid.title, width, _TITLE, 1)
    write_lines(slide, [Line(title, _TITLE, bold=True, after=0)], x, y, width, _TITLE * LEADING)
    heights = [table.header_height, *table.heights[rows.first : rows.last]]
    top = y + _TITLE * LEADING + 4
    frame = slide.shapes.add_table(len(heights), len(table.widths), Pt(x), Pt(top), Pt(width), Pt(sum(heights)))
    frame._element.nvGraphicFramePr.cNvPr.set("descr", grid.title)
    drawn = frame.table
    for index, one in enumerate(table.widths):
        drawn.columns[index].width = Pt(one)
    for index, one in enumerate(heights):
        drawn.rows[index].height = Pt(one)
    for column, text in enumerate(table.header):
        _cell(drawn.cell(0, column), text, table.size, grid.columns[column].format == "text", "FFFFFF", "33475B", True)
    for number, index in enumerate(range(rows.first, rows.last), start=1):
        look = grid.rows[index].look
        for column, text in enumerate(table.rows[index]):
            _cell(
                drawn.cell(number, column), text, table.size, grid.columns[column].format == "text",
                GREY if look in ("searched", "example") else INK, ROWS.get(look, "FFFFFF"), look in ("chosen", "total"),
            )  # fmt: skip
    if rows.below(width):
        note = Line(grid.note, _NOTE, colour=GREY, after=0)
        write_lines(slide, [note], x, top + sum(heights) + 4, width, rows.below(width) - 4)


def _cell(cell: Any, text: str, size: float, left: bool, ink: str, ground: str, bold: bool) -> None:
    cell.fill.solid()
    cell.fill.fore_color.rgb = RGBColor.from_string(ground)
    fill(cell.text_frame, [Line(text, size, bold=bold, colour=ink, after=0)], PP_ALIGN.LEFT if left else PP_ALIGN.RIGHT)
    cell.margin_left = cell.margin_right = Pt(PAD)
    cell.margin_top = cell.margin_bottom = Pt(2)
    cell.vertical_anchor = MSO_ANCHOR.MIDDLE


# --- videos -----------------------------------------------------------------------------------------------


def _pair(pair: Pair, report: Report, width: float) -> Shape:
    """Two contact sheets: below each other where they are strips, else side by side."""
    clips = [(clip, media.sheet(report, clip)) for clip in (pair.left, pair.right)]
    sizes = [_size(path) for _, path in clips]
    strips = all(size is None or size[0] > 2.5 * size[1] for size in sizes)
    each = width if strips else (width - 2 * GAP) / 2
    least, most = ([scaled(size, each, end)[1] if size else 0.0 for size in sizes] for end in STRIP)
    words = f"{pair.prompt} — {pair.caption}" if pair.caption else pair.prompt
    caption = Line(clipped(words, width, 13, 2), 13, bold=True, after=3)
    name = _NOTE * LEADING
    total = caption.height(width) + GAP + ((sum(least) + 2 * name + 8) if strips else (max(least) + name))
    stretch = sum(most) - sum(least) if strips else max(most) - max(least)

    def draw(slide: Any, x: float, y: float, width: float, high: float) -> None:
        share = (high - total) / stretch if stretch else 0.0
        tall = [small + share * (large - small) for small, large in zip(least, most, strict=True)]
        write_lines(slide, [caption], x, y, width, caption.height(width))
        y += caption.height(width)
        for (clip, path), size, one in zip(clips, sizes, tall, strict=True):
            label = " · ".join(filter(None, (clip.name, clip.words))) if clip else say(report.lang, "office.no_video")
            if clip and path is None:
                label += f" · {say(report.lang, 'office.no_video')}"
            write_lines(slide, [Line(clipped(label, each, _NOTE, 1), _NOTE, colour=GREY, after=0)], x, y, each, name)
            if clip and path and size:
                _picture(slide, path, x, y + name, scaled(size, each, one), f"{pair.prompt} · {label}")
            x, y = (x, y + name + one + 4) if strips else (x + each + 2 * GAP, y)

    return Shape(total, draw, stretch)


def _picture(slide: Any, path: Path, x: float, y: float, size: tuple[float, float], words: str) -> None:
    picture = slide.shapes.add_picture(str(path), Pt(x), Pt(y), Pt(size[0]), Pt(size[1]))
    picture._element.find(qn("p:nvPicPr")).find(qn("p:cNvPr")).set("descr", words)


def scaled(size: tuple[int, int], width: float, high: float) -> tuple[float, float]:
    """The largest size of the same proportions in a box.

    >>> scaled((200, 100), 50, 50), scaled((100, 200), 50, 50)
    ((50.0, 25.0), (25.0, 50.0))
    """
    factor = min(width / size[0], high / size[1])
    return size[0] * factor, size[1] * factor


def _size(path: Path | None) -> tuple[int, int] | None:
    """Width and height of a picture; None where it is missing or damaged."""
    if path is None:
        return None
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, UnidentifiedImageError):
        return None


def evidence(block: Block) -> list[str]:
    """Keys of a block's numbers, in order, and ids of the cells it shows."""
    match block:
        case Paragraph() | Figure():
            return list(block.keys)
        case Bullets():
            return [key for item in block.items for key in item.keys]
        case QA():
            return [key for item in block.items for key in item.answer.keys]
        case Form():
            return [key for one in block.fields for line in one.lines for key in line.keys]
        case Facts():
            return [item.key for item in block.items if item.key]
        case Grid():
            return [key for row in block.rows for key in row.keys if key]
        case Gallery():
            clips: list[Clip | None] = [clip for pair in block.pairs for clip in (pair.left, pair.right)]
            return [clip.cell for clip in clips if clip is not None]
        case Checklist():
            return []
