"""The deck for a meeting: a slide a section for managers, what engineers ask for behind, charts that can be edited.

Heights of all parts are known before they are drawn; a section that needs more room gets smaller letters, then further
slides. Every slide has the footer, and the mark of examples where figures rest on them; its notes name the evidence.
"""

import copy
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.util import Pt

from sn_eval.present.report.fitting import LEADING, clipped, largest
from sn_eval.present.report.fonts import FONTS, dress, dress_theme
from sn_eval.present.report.model import Block, Bullets, Figure, Grid, Paragraph, Report, Section
from sn_eval.present.report.printable import printable
from sn_eval.present.report.slide_parts import (
    BLUE,
    GAP,
    GREY,
    PALE,
    RED,
    Line,
    Part,
    Rows,
    Shape,
    Text,
    draw_rows,
    evidence,
    fill,
    parts,
    write_lines,
)
from sn_eval.present.words import say
from sn_eval.results.files import write_whole

WIDTH, HEIGHT, MARGIN = 960.0, 540.0, 40.0
TOP, BOTTOM = 88.0, 486.0
INNER, ROOM = WIDTH - 2 * MARGIN, BOTTOM - TOP
SIZES = (18.0, 16.0, 14.0, 13.0, 12.0)
MOST_ROWS = 6
"""Rows of a table that is shown to managers; larger ones stand in the appendix."""

PAPER = "paper"
"""Key of the section that is the decision paper: a document of its own."""


def write_pptx(report: Report, path: Path) -> Path:
    """Write the deck whole or not at all; ResultsError, in one line, where the folder cannot be written."""
    report = printable(report)
    deck = _Deck(report)
    deck.cover()
    told = [section for section in report.sections if section.key != PAPER]
    for section in told:
        if section.audience == "manager":
            deck.section(section, [block for block in section.blocks if not _large(block)])
    for section in told:
        behind = [block for block in section.blocks if section.audience == "engineer" or _large(block)]
        if behind:
            deck.section(section, behind, behind=True)
    write_whole(path, deck.saved())
    return path


@dataclass(frozen=True)
class _Band:
    """What lies side by side on a slide: columns of parts with their shares of the width."""

    columns: tuple[tuple[float, tuple[Part, ...]], ...]

    def height(self, width: float) -> float:
        return max(sum(p.height(width * share - GAP) for p in column) for share, column in self.columns)

    @property
    def stretch(self) -> float:
        return max(part.stretch for _, column in self.columns for part in column)


class _Deck:
    """A presentation that is being made."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.fonts = FONTS[report.lang]
        self.made = Presentation()
        _widen(self.made)
        theme = self.made.slide_masters[0].part.part_related_by(RELATIONSHIP_TYPE.THEME)
        theme._blob = dress_theme(theme.blob, self.fonts)
        core = self.made.core_properties
        core.title, core.author, core.language = report.title, "sn-eval", self.fonts.tag
        core.subject, core.keywords = report.headline, report.run

    def saved(self) -> bytes:
        """The file."""
        for slide in self.made.slides:
            dress(slide._element, self.fonts)
            if slide.has_notes_slide:
                dress(slide.notes_slide._element, self.fonts)
        held = io.BytesIO()
        self.made.save(held)
        return held.getvalue()

    # --- slides -------------------------------------------------------------------------------------------

    def cover(self) -> None:
        """Title, and the verdict large."""
        slide = self._slide(self.report.title, [self.report.subtitle, *self.report.watermark, *self.report.footer])
        write_lines(
            slide, [Line(clipped(self.report.subtitle, INNER, 18, 2), 18, colour=GREY, after=0)], MARGIN, 92, INNER, 48
        )
        band = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, Pt(MARGIN), Pt(165), Pt(INNER), Pt(170))
        band.name = "verdict"
        band.fill.solid()
        band.fill.fore_color.rgb = RGBColor.from_string(PALE)
        band.line.color.rgb = RGBColor.from_string(BLUE)
        band.line.width = Pt(2)
        band.shadow.inherit = False
        size = largest(self.report.headline, INNER - 60, 150, (44, 36, 32, 28, 24, 20)) or 18
        most = int(150 // (size * LEADING))
        fill(band.text_frame, [Line(clipped(self.report.headline, INNER - 60, size, most), size, bold=True, after=0)])
        band.text_frame.margin_left = band.text_frame.margin_right = Pt(28)
        band.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE
        lines = [
            Line(clipped(text, INNER, 13, 2), 13, bold=True, colour=RED, after=3) for text in self.report.watermark
        ]
        lines += [Line(clipped(text, INNER, 12, 1), 12, colour=GREY, after=2) for text in self.report.footer]
        kept, left = [], BOTTOM - 350.0
        for line in lines:
            left -= line.height(INNER)
            if left < 0:
                break
            kept.append(line)
        if kept:
            write_lines(slide, kept, MARGIN, 350, INNER, sum(line.height(INNER) for line in kept))

    def section(self, section: Section, blocks: Sequence[Block], *, behind: bool = False) -> None:
        """A slide, or as many as these blocks of it take; tables come last. behind: in the appendix."""
        blocks = sorted(blocks, key=lambda block: isinstance(block, Grid))
        bands: list[_Band] = []
        for size in SIZES:
            bands = list(_bands(blocks, self.report, size))
            if sum(band.height(INNER) for band in bands) <= ROOM:
                break
        else:
            bands = list(_bands(blocks, self.report, SIZES[2]))
        pages = list(_pages(bands))
        prefix = f"{say(self.report.lang, 'office.appendix')} · " if behind else ""
        notes = [*self._notes(blocks), *self.report.footer]
        for number, page in enumerate(pages, start=1):
            title = f"{prefix}{section.title}" + (f" ({number}/{len(pages)})" if len(pages) > 1 else "")
            self._draw(self._slide(title, notes), page)

    def _notes(self, blocks: Sequence[Block]) -> list[str]:
        """What a speaker may be asked for: what charts show, and where numbers come from."""
        told = [f"{block.title}: {block.about}" for block in blocks if isinstance(block, Figure)]
        keys = list(dict.fromkeys(key for block in blocks for key in evidence(block)))
        if keys:
            told.append(say(self.report.lang, "office.evidence", keys=", ".join(keys[:80])))
        return told

    def _draw(self, slide: Any, page: Sequence[_Band]) -> None:
        """Bands below each other; those that may grow share the free room."""
        free = max(0.0, ROOM - sum(band.height(INNER) for band in page))
        growing = [band for band in page if band.stretch]
        y = TOP
        for band in page:
            grown = min(band.stretch, free / len(growing)) if band.stretch else 0.0
            high = band.height(INNER) + grown
            x = MARGIN
            for share, column in band.columns:
                width = INNER * share - (GAP if len(band.columns) > 1 else 0)
                _column(slide, column, x, y, width, high)
                x += INNER * share + (GAP if len(band.columns) > 1 else 0)
            y += high

    def _slide(self, title: str, notes: Sequence[str]) -> Any:
        """A slide with title, footer, number, mark of examples, and notes."""
        slide = self.made.slides.add_slide(self.made.slide_layouts[5])
        size = largest(title, INNER, 52, (28, 24, 20)) or 18
        shown = slide.shapes.title
        shown.left, shown.top, shown.width, shown.height = Pt(MARGIN), Pt(24), Pt(INNER), Pt(54)
        fill(shown.text_frame, [Line(clipped(title, INNER, size, 2), size, bold=True, after=0)])
        shown.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE
        shown.text_frame.paragraphs[0].alignment = PP_ALIGN.LEFT
        self._foot(slide)
        if self.report.watermark:
            self._mark(slide)
        slide.notes_slide.notes_text_frame.text = "\n".join(filter(None, notes))
        return slide

    def _foot(self, slide: Any) -> None:
        """The layout's own placeholders, so that "Header & Footer" finds them."""
        for holder in slide.slide_layout.placeholders:
            if "FOOTER" in str(holder.placeholder_format.type):
                words = clipped(self.report.footer_line, INNER - 60, 10, 1)
                frame = self._holder(slide, holder, MARGIN, INNER - 60).text_frame
                fill(frame, [Line(words, 10, colour=GREY, after=0)], PP_ALIGN.LEFT)
            elif "SLIDE_NUMBER" in str(holder.placeholder_format.type):
                self._holder(slide, holder, WIDTH - MARGIN - 50, 50)

    def _holder(self, slide: Any, holder: Any, x: float, width: float) -> Any:
        """A copy of a placeholder at the bottom of a slide."""
        element = copy.deepcopy(holder._element)
        slide.shapes._spTree.append(element)
        shape = next(one for one in slide.placeholders if one._element is element)
        shape.left, shape.top, shape.width, shape.height = Pt(x), Pt(512), Pt(width), Pt(16)
        return shape

    def _mark(self, slide: Any) -> None:
        """That figures rest on examples, large enough to be read and never over them."""
        words = clipped(f"⚠ {self.report.watermark[0]}", INNER - 20, 12, 1)
        strip = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, Pt(MARGIN), Pt(490), Pt(INNER), Pt(19))
        strip.name = "watermark"
        strip.fill.solid()
        strip.fill.fore_color.rgb = RGBColor.from_string("FFF1E0")
        strip.line.color.rgb = RGBColor.from_string("D55E00")
        strip.shadow.inherit = False
        fill(strip.text_frame, [Line(words, 12, bold=True, colour=RED, after=0)])
        strip.text_frame.margin_left = Pt(10)
        strip.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE


def _bands(blocks: Sequence[Block], report: Report, size: float) -> Iterator[_Band]:
    """Figures side by side, a figure with short texts beside it, all else below each other."""
    rest = list(blocks)
    while rest:
        block = rest.pop(0)
        if isinstance(block, Figure) and rest and isinstance(rest[0], Figure) and not _words(rest[1:]):
            yield _Band(tuple((0.5, tuple(parts(one, report, INNER / 2, size))) for one in (block, rest.pop(0))))
            continue
        if isinstance(block, Figure):
            texts: list[Part] = []
            while _words(rest):
                more = parts(rest[0], report, INNER * 0.36 - GAP, size)
                if sum(part.height(INNER * 0.36 - GAP) for part in (*texts, *more)) > ROOM:
                    break
                texts += more
                rest.pop(0)
            if texts:
                yield _Band(((0.64, tuple(parts(block, report, INNER * 0.64, size))), (0.36, tuple(texts))))
                continue
        for part in _together(parts(block, report, INNER, size)):
            yield _Band(((1.0, (part,)),))


def _words(blocks: Sequence[Block]) -> bool:
    """Whether a text comes next, which may stand beside a figure."""
    return bool(blocks) and isinstance(blocks[0], Paragraph | Bullets)


def _together(made: Sequence[Part]) -> Sequence[Part]:
    """A block of texts on one slide, where that holds it."""
    texts = [part for part in made if isinstance(part, Text)]
    if len(texts) == len(made) > 1 and sum(text.height(INNER) for text in texts) <= ROOM:
        return [Text(tuple(line for text in texts for line in text.lines))]
    return made


def _large(block: Block) -> bool:
    """Whether a table is for those who want to know, rather than for everybody in the meeting."""
    return isinstance(block, Grid) and (block.long or len(block.rows) > MOST_ROWS)


def _pages(bands: Sequence[_Band]) -> Iterator[list[_Band]]:
    """Bands by slide; tables break where a slide ends."""
    page: list[_Band] = []
    waiting = list(bands)
    left = ROOM
    while waiting:
        band = waiting.pop(0)
        if band.height(INNER) <= left:
            page.append(band)
            left -= band.height(INNER)
            continue
        only = band.columns[0][1][0]
        if isinstance(only, Rows) and band.height(INNER) > ROOM:
            head, rest = only.split(INNER, left)
            if head is not None:
                page.append(_Band(((1.0, (head,)),)))
            if rest is not None:
                waiting.insert(0, _Band(((1.0, (rest,)),)))
        else:
            waiting.insert(0, band)
        if not page:  # a part that is higher than a slide stands alone
            page = [waiting.pop(0)]
        yield page
        page, left = [], ROOM
    if page:
        yield page


def _column(slide: Any, column: Sequence[Part], x: float, y: float, width: float, high: float) -> None:
    """Parts below each other; texts that follow each other in one box."""
    for together, group in groupby(column, key=lambda part: isinstance(part, Text)):
        run = list(group)
        if together:
            lines = [line for part in run if isinstance(part, Text) for line in part.lines]
            used = sum(line.height(width) for line in lines)
            write_lines(slide, lines, x, y, width, used)
            y += used
            continue
        for part in run:
            if isinstance(part, Rows):
                draw_rows(slide, part, x, y, width)
            elif isinstance(part, Shape):
                part.draw(slide, x, y, width, high if part.stretch else part.least)
            y += part.height(width)


def _widen(made: Any) -> None:
    """The default template is 4:3; its master and layouts are stretched with the slides."""
    old = made.slide_width
    made.slide_width, made.slide_height = Pt(WIDTH), Pt(HEIGHT)
    for page in (made.slide_masters[0], *made.slide_layouts):
        for shape in page.shapes:
            if shape._element.spPr.xfrm is not None:
                shape.left, shape.width = (round(side * made.slide_width / old) for side in (shape.left, shape.width))
