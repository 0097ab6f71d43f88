"""The paper for a decision: A4, in the order in which a ringi is read, with blanks for what only the company knows.

The frame is the report's own form (`sections.paper`); the tables that its headings speak of stand below them, figures
and the list of inputs at the end.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

from sn_eval.present.charts import png
from sn_eval.present.report.drawing import drawing
from sn_eval.present.report.fitting import LEADING
from sn_eval.present.report.fonts import FONTS, Fonts
from sn_eval.present.report.model import Facts, Figure, Form, Grid, Paragraph, Report
from sn_eval.present.report.printable import printable
from sn_eval.present.report.table_layout import laid_out
from sn_eval.present.words import say
from sn_eval.results.files import write_whole

WIDTH = 453.0
"""Points between the margins of an A4 page, 25 mm each."""

BELOW = {"effect": ("scenarios",), "cost": ("unit_cost",), "options": ("arms",)}
"""Tables below the headings of the form, by their keys."""

ATTACHED = ("inputs",)
FIGURES = ("pareto", "cumulative", "tornado")
STAMP = ("number", "date", "author", "approval")
INK, RED, HEAD, BLANK = "1F2933", "A63C00", "33475B", "FFF9C4"


def write_docx(report: Report, path: Path) -> Path:
    """Write the paper whole or not at all; ResultsError, in one line, where the folder cannot be written."""
    paper = _Paper(printable(report))
    paper.head()
    paper.form()
    paper.attachments()
    write_whole(path, paper.saved())
    return path


class _Paper:
    """A document that is being made."""

    def __init__(self, report: Report) -> None:
        self.report, self.made = report, Document()
        self.grids = {grid.key: grid for section in report.sections for grid in section.of(Grid)}
        _dress(self.made, FONTS[report.lang])
        self._page()
        core = self.made.core_properties
        core.title, core.subject, core.author = report.title, report.headline, "sn-eval"
        core.language, core.keywords, core.comments = FONTS[report.lang].tag, report.run, ""

    def saved(self) -> bytes:
        """The file."""
        held = io.BytesIO()
        self.made.save(held)
        return held.getvalue()

    # --- parts --------------------------------------------------------------------------------------------

    def head(self) -> None:
        """Title, the fields of a paper that goes round, the verdict and its figures."""
        self.made.add_paragraph(self._say("office.paper_title", title=self.report.title), style="Title")
        names = [self._say(f"office.stamp.{name}") for name in STAMP]
        stamp = self.made.add_table(2, len(names), style="Table Grid")
        for cell, name in zip(stamp.rows[0].cells, names, strict=True):
            _fill(cell, name, bold=True, ground="ECEFF2")
        for cell in stamp.rows[1].cells:
            _fill(cell, "", ground=BLANK)
        stamp.rows[1].height = Mm(12)
        verdict = self.made.add_paragraph(style="Intense Quote")
        verdict.add_run(self._say("office.verdict_line", headline=self.report.headline)).bold = True
        for line in self.report.watermark:
            self._text(Paragraph(line, look="warning"))
        for section in self.report.sections[:1]:
            for block in section.blocks:
                if isinstance(block, Paragraph) and block.look != "note":
                    self._text(block)
                elif isinstance(block, Facts):
                    self._facts(block)

    def form(self) -> None:
        """The headings with what the run knows, and blanks."""
        number = 0
        for form in self._forms():
            for field in form.fields:
                number += 1
                self.made.add_heading(f"{number}. {field.title}", level=1)
                for line in field.lines:
                    self._text(line, style="List Bullet" if len(field.lines) > 1 else "Normal")
                for key in BELOW.get(field.key, ()):
                    if key in self.grids:
                        self._grid(self.grids[key])
                if field.blank:
                    self._blank(self._say("office.to_fill", blank=field.blank))

    def attachments(self) -> None:
        """Figures as pictures, and every input with its source."""
        figures = [figure for section in self.report.sections for figure in section.of(Figure)]
        shown = {figure.key: figure for figure in figures if figure.key in FIGURES}
        if shown:
            self.made.add_heading(self._say("office.figures"), level=1)
        for key in FIGURES:
            if key in shown:
                self._figure(shown[key])
        for key in ATTACHED:
            if key in self.grids:
                self.made.add_heading(self.grids[key].title, level=1)
                self._grid(self.grids[key], titled=False)

    # --- blocks -------------------------------------------------------------------------------------------

    def _forms(self) -> Iterator[Form]:
        for section in self.report.sections:
            yield from section.of(Form)

    def _text(self, block: Paragraph, style: str = "Normal") -> None:
        paragraph = self.made.add_paragraph(style=style)
        run = paragraph.add_run(f"⚠ {block.text}" if block.look == "warning" else block.text)
        run.bold = block.look in ("lead", "warning")
        if block.look == "warning":
            run.font.color.rgb = RGBColor.from_string(RED)
        if block.look == "note":
            run.font.size = Pt(9)

    def _facts(self, facts: Facts) -> None:
        """Labels above numbers, intervals below."""
        table = self.made.add_table(2, len(facts.items), style="Table Grid")
        for column, fact in enumerate(facts.items):
            _fill(table.cell(0, column), f"{fact.label} {fact.mark}".strip(), size=9, ground="ECEFF2")
            below = "\n".join(filter(None, (fact.interval, fact.note)))
            _fill(table.cell(1, column), fact.value, size=15, bold=True, below=below)
        self.made.add_paragraph()

    def _blank(self, words: str) -> None:
        """A space to write into."""
        table = self.made.add_table(1, 1, style="Table Grid")
        _fill(table.cell(0, 0), words, size=10, ground=BLANK, colour=RED)
        table.rows[0].height = Mm(16)
        self.made.add_paragraph()

    def _grid(self, grid: Grid, *, titled: bool = True) -> None:
        """A table whose header is repeated on every page and whose rows stay whole."""
        if titled:
            self.made.add_paragraph(grid.title, style="Caption").paragraph_format.keep_with_next = True
        laid = laid_out(grid, WIDTH, (10, 9, 8, 7))
        table = self.made.add_table(1 + len(laid.rows), len(laid.widths), style="Table Grid")
        table.alignment, table.autofit = WD_TABLE_ALIGNMENT.CENTER, False
        right = [column.format != "text" for column in grid.columns]
        for cell, text in zip(table.rows[0].cells, laid.header, strict=True):
            _fill(cell, text, size=laid.size, bold=True, ground=HEAD, colour="FFFFFF")
        _mark_row(table.rows[0], "w:tblHeader")
        for row, line, source in zip(list(table.rows)[1:], laid.rows, grid.rows, strict=True):
            _mark_row(row, "w:cantSplit")
            for cell, text, at_right in zip(row.cells, line, right, strict=True):
                ground = "FFF1E0" if source.look == "chosen" else None
                _fill(cell, text, size=laid.size, bold=source.look == "chosen", ground=ground, right=at_right)
        for column, width in enumerate(laid.widths):
            table.columns[column].width = Pt(width)
            for cell in table.columns[column].cells:
                cell.width = Pt(width)
        self._text(Paragraph(grid.note, look="note"))  # even where empty: tables that touch become one

    def _figure(self, figure: Figure) -> None:
        """A picture with its words."""
        if not figure.drawable:
            return
        drawn = png({**drawing(figure, self.report.lang), "title": ""}, scale=2)
        title = " ".join(filter(None, (figure.title, figure.mark)))
        self.made.add_paragraph(title, style="Caption").paragraph_format.keep_with_next = True
        paragraph = self.made.add_paragraph()
        paragraph.paragraph_format.keep_with_next = True
        shape = paragraph.add_run().add_picture(io.BytesIO(drawn), width=Pt(WIDTH * 0.9))
        shape._inline.docPr.set("descr", f"{figure.title}. {figure.about}")
        self._text(Paragraph(figure.about, look="note"))

    def _page(self) -> None:
        """A4, and what stands on every page."""
        page = self.made.sections[0]
        page.orientation, page.page_width, page.page_height = WD_ORIENT.PORTRAIT, Mm(210), Mm(297)
        page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = Mm(25)
        foot = page.footer.paragraphs[0]
        foot.add_run(f"{self.report.footer_line}    {self._say('office.page')} ")
        _count(foot, "PAGE")
        foot.add_run(" / ")
        _count(foot, "NUMPAGES")
        for run in foot.runs:
            run.font.size = Pt(8)
        if self.report.watermark:
            top = page.header.paragraphs[0]
            top.alignment = WD_ALIGN_PARAGRAPH.CENTER
            run = top.add_run(f"⚠ {self.report.watermark[0]}")
            run.bold, run.font.size, run.font.color.rgb = True, Pt(9), RGBColor.from_string(RED)

    def _say(self, key: str, **values: Any) -> str:
        return say(self.report.lang, key, **values)


def _fill(
    cell: Any,
    text: str,
    *,
    size: float = 10,
    bold: bool = False,
    ground: str | None = None,
    colour: str = INK,
    right: bool = False,
    below: str = "",
) -> None:
    """Write into a cell of a table. below: in small print under it."""
    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(2)
    paragraph.paragraph_format.line_spacing = Pt((size + 0.5) * LEADING)
    paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if right else WD_ALIGN_PARAGRAPH.LEFT
    run = paragraph.add_run(text)
    run.font.size, run.bold, run.font.color.rgb = Pt(size), bold, RGBColor.from_string(colour)
    if below:
        small = cell.add_paragraph().add_run(below)
        small.font.size = Pt(8)
    if ground:
        shade = OxmlElement("w:shd")
        for name, value in (("val", "clear"), ("color", "auto"), ("fill", ground)):
            shade.set(qn(f"w:{name}"), value)
        cell._tc.get_or_add_tcPr().append(shade)


def _mark_row(row: Any, tag: str) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement(tag))


def _count(paragraph: Any, code: str) -> None:
    """A field that the program fills, e.g. PAGE."""
    for kind, text in (("begin", ""), ("", code), ("separate", ""), ("text", "1"), ("end", "")):
        run = paragraph.add_run()
        if kind == "text":
            run.text = text
        elif kind:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
            run._r.append(mark)
        else:
            instruction = OxmlElement("w:instrText")
            instruction.set(qn("xml:space"), "preserve")
            instruction.text = text
            run._r.append(instruction)


def _dress(made: Any, fonts: Fonts) -> None:
    """Both fonts in every style that names one; names of the template's theme would win over them."""
    root = made.styles.element
    for style in made.styles:
        if style.name in ("Normal", "Title", "Caption", "Intense Quote", "Header", "Footer") or "Heading" in style.name:
            style.element.get_or_add_rPr().get_or_add_rFonts()
    for names in root.iter(qn("w:rFonts")):
        for attribute in list(names.attrib):
            del names.attrib[attribute]
        for slot, name in (("ascii", fonts.latin), ("hAnsi", fonts.latin), ("eastAsia", fonts.east_asian)):
            names.set(qn(f"w:{slot}"), name)
    for lang in root.iter(qn("w:lang")):
        lang.set(qn("w:val"), "en-US")
        lang.set(qn("w:eastAsia"), "ja-JP")
    made.styles["Normal"].font.size = Pt(10.5)
    for name, size in (("Title", 18), ("Heading 1", 13), ("Caption", 10), ("Intense Quote", 14)):
        made.styles[name].font.size = Pt(size)
        made.styles[name].font.color.rgb = RGBColor.from_string(INK)
    made.styles["Heading 1"].paragraph_format.keep_with_next = True
