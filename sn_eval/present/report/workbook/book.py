"""The workbook behind a report: texts that are never formulas, numbers with units, formulas beside their results.

xlsxwriter computes nothing, so every formula is written with the value that it has now: programs that do not compute
(previews, mail, Python) show it, and a test holds it against the formula.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_rowcol_to_cell

from sn_eval.present.report.fitting import em
from sn_eval.present.report.fonts import FONTS
from sn_eval.present.report.model import Report, Value
from sn_eval.present.report.printable import clean

TITLE, HEADER = 0, 1
"""Rows of every sheet's title and header; data begin below."""

LOOKS: Mapping[str, Mapping[str, Any]] = {
    "title": {"bold": True, "font_size": 14},
    "mark": {"bold": True, "font_color": "#A63C00", "bg_color": "#FFF1E0"},
    "header": {"bold": True, "font_color": "#FFFFFF", "bg_color": "#33475B", "text_wrap": True, "valign": "top"},
    "text": {"valign": "top"},
    "wrapped": {"valign": "top", "text_wrap": True},
    "note": {"italic": True, "font_color": "#5F6B76"},
    "label": {"bold": True},
    "input": {"bg_color": "#FFF9C4", "border": 1, "border_color": "#C8B400", "locked": False},
    "number": {},
    "result": {"bold": True, "top": 1},
    "chosen": {"bg_color": "#FFF1E0"},
}
_FORBIDDEN = re.compile(r"[\[\]:*?/\\]")


@dataclass(frozen=True)
class Cell:
    """A number in a sheet, and where it stands: `ref` is absolute and names its sheet."""

    ref: str
    value: float


@dataclass
class Book:
    """A workbook that is being written."""

    report: Report
    held: io.BytesIO = field(default_factory=io.BytesIO)

    def __post_init__(self) -> None:
        fonts = FONTS[self.report.lang]
        face = {"font_name": fonts.east_asian if self.report.lang == "ja" else fonts.latin, "font_size": 11}
        options = {
            "in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
            "default_format_properties": face,
        }  # fmt: skip
        self.book = xlsxwriter.Workbook(self.held, options)
        self.book.set_properties({"title": self.report.title, "subject": self.report.headline, "author": "sn-eval"})
        self.face = face
        self.formats: dict[tuple[str, str, bool], Any] = {}
        self.names: set[str] = set()

    def sheet(self, name: str, title: str = "") -> "Sheet":
        """A new sheet with its title and the run in its foot; the name is made valid and unlike all others."""
        short = _FORBIDDEN.sub(" ", clean(name)).strip("' ")[:28] or "sheet"
        unlike = next(n for n in (short, *(f"{short} {i}" for i in range(2, 100))) if n.lower() not in self.names)
        self.names.add(unlike.lower())
        made = Sheet(self, self.book.add_worksheet(unlike), unlike)
        made.text(TITLE, 0, title or name, "title")
        if self.report.watermark:
            made.text(TITLE, 3, f"⚠ {self.report.watermark[0]}", "mark")
            made.drawn.set_header("&C" + _printed(self.report.watermark[0]))
        made.drawn.set_footer("&L" + _printed(self.report.footer_line) + "&R&P/&N")
        made.drawn.set_landscape()
        made.drawn.fit_to_pages(1, 0)
        return made

    def form(self, look: str, number: str = "", *, quoted: bool = False) -> Any:
        """A cell format, made once."""
        key = (look, number, quoted)
        if key not in self.formats:
            wanted = {**self.face, **LOOKS[look], **({"num_format": number} if number else {})}
            self.formats[key] = self.book.add_format({**wanted, **({"quote_prefix": True} if quoted else {})})
        return self.formats[key]

    def saved(self) -> bytes:
        """The file."""
        self.book.close()
        return self.held.getvalue()


@dataclass
class Sheet:
    """One sheet; columns grow with what is written into them."""

    book: Book
    drawn: Any
    name: str
    widths: dict[int, float] = field(default_factory=dict)

    def text(self, row: int, column: int, words: str, look: str = "text") -> None:
        """A text that stays one, whatever it begins with."""
        words = clean(words)[:32_000]
        self.drawn.write_string(row, column, words, self.book.form(look, quoted=words[:1] in tuple("=+-@\t")))
        if row >= HEADER and look != "note":
            self._grow(column, em(words) * (0.6 if look == "header" else 1.0))

    def number(self, row: int, column: int, value: float, form: str, look: str = "number") -> Cell:
        """A number that a user may change."""
        self.drawn.write_number(row, column, value, self.book.form(look, form))
        self._grow(column, 7)
        return self._cell(row, column, value)

    def formula(self, row: int, column: int, formula: str, value: float, form: str, look: str = "number") -> Cell:
        """A formula, without its "=", and what it yields now."""
        self.drawn.write_formula(row, column, f"={formula}", self.book.form(look, form), value)
        self._grow(column, 8)
        return self._cell(row, column, value)

    def value(self, row: int, column: int, value: Value, form: str, look: str = "number") -> None:
        """A cell of a grid; nothing where it is not known."""
        if isinstance(value, bool):
            self.drawn.write_boolean(row, column, value, self.book.form(look))
        elif isinstance(value, str):
            self.text(row, column, value, look if look != "number" else "text")
        elif value is not None and value == value and abs(value) != float("inf"):
            self.number(row, column, float(value), form, look)
        elif look != "number":
            self.drawn.write_blank(row, column, None, self.book.form(look))

    def headers(self, titles: list[str], row: int = HEADER) -> None:
        """The header; rows above stay in sight."""
        for column, title in enumerate(titles):
            self.text(row, column, title, "header")

    def column(self, first: int, last: int, column: int) -> str:
        """A range of rows, absolute, with the sheet's name."""
        ends = (xl_rowcol_to_cell(row, column, row_abs=True, col_abs=True) for row in (first, last))
        return f"{self._quoted}!{':'.join(ends)}"

    def ref(self, row: int, column: int) -> str:
        """A cell, absolute, with the sheet's name."""
        return f"{self._quoted}!{xl_rowcol_to_cell(row, column, row_abs=True, col_abs=True)}"

    def done(self, freeze: int = HEADER + 1, least: float = 9.0, most: float = 60.0) -> None:
        """Set the columns' widths, and freeze the rows above."""
        for column, width in self.widths.items():
            self.drawn.set_column(column, column, min(max(width * 1.9 + 2, least), most))
        self.drawn.freeze_panes(freeze, 1)

    def _grow(self, column: int, width: float) -> None:
        self.widths[column] = max(self.widths.get(column, 0.0), width)

    def _cell(self, row: int, column: int, value: float) -> Cell:
        return Cell(self.ref(row, column), value)

    @property
    def _quoted(self) -> str:
        doubled = self.name.replace("'", "''")
        return f"'{doubled}'"


def _printed(text: str) -> str:
    """A text in a header or footer, where & begins a code."""
    return clean(text).replace("&", "&&")[:200]
