"""The workbook: the verdict, an ROI that recomputes when an input is changed, and every table of the report."""

from pathlib import Path
from typing import Any

from sn_eval.decision.findings import Findings
from sn_eval.present.report.model import Column, Facts, Figure, Grid, Paragraph, Report
from sn_eval.present.report.printable import printable
from sn_eval.present.report.shown import sheet_format
from sn_eval.present.report.teller import Teller
from sn_eval.present.report.workbook.book import HEADER, Book, Sheet
from sn_eval.present.report.workbook.roi import write_roi
from sn_eval.results.files import write_whole

CHARTED = "scatter"
"""Kind of the figures that are drawn in the workbook, too: cost against acceptance."""


def write_xlsx(report: Report, findings: Findings, path: Path) -> Path:
    """Write the workbook whole or not at all; ResultsError, in one line, where the folder cannot be written."""
    report = printable(report)
    book, t = Book(report), Teller(findings, report.lang)
    _verdict(book, report, t)
    write_roi(book, t)
    for section in report.sections:
        for figure in section.of(Figure):
            if figure.kind == CHARTED:
                _chart(book, figure, t)
        for grid in section.of(Grid):
            _grid(book, grid, report.currency)
    write_whole(path, book.saved())
    return path


def _verdict(book: Book, report: Report, t: Teller) -> None:
    """The first sheet: what was decided and the figures behind it."""
    sheet = book.sheet(t("office.sheet.verdict"), report.title)
    sheet.headers([t("office.column.item"), t("office.column.value"), t("office.column.interval")])
    row = HEADER + 1
    sheet.text(row, 0, t("office.row.verdict"), "label")
    sheet.text(row, 1, report.headline, "label")
    row += 1
    for section in report.sections[:1]:
        for facts in section.of(Facts):
            for fact in facts.items:
                sheet.text(row, 0, f"{fact.label} {fact.mark}".strip())
                sheet.text(row, 1, fact.value)
                sheet.text(row, 2, fact.interval)
                row += 1
        for paragraph in section.of(Paragraph):
            sheet.text(row, 0, paragraph.text, "note")
            row += 1
    for line in (*report.watermark, *report.footer):
        sheet.text(row + 1, 0, line, "note")
        row += 1
    sheet.done()


def _grid(book: Book, grid: Grid, currency: str) -> None:
    """A table with its numbers as numbers, below a header that stays in sight."""
    sheet = book.sheet(grid.title)
    sheet.headers([column.heading for column in grid.columns])
    forms = [sheet_format(column, currency) for column in grid.columns]
    for row, line in enumerate(grid.rows, start=HEADER + 1):
        for column, value in enumerate(line.cells):
            sheet.value(row, column, value, forms[column], "chosen" if line.look == "chosen" else "number")
    last = HEADER + len(grid.rows)
    if grid.rows:
        sheet.drawn.autofilter(HEADER, 0, last, len(grid.columns) - 1)
    if grid.note:
        sheet.text(last + 2, 0, grid.note, "note")
    sheet.done()


def _chart(book: Book, figure: Figure, t: Teller) -> None:
    """A figure's points as a table, and a native chart of them with their intervals."""
    sheet = book.sheet(figure.title)
    names = ("series", "label", "x", "y", "low", "high", "below", "above")
    sheet.headers([
        t("office.column.series"), t("office.column.label"), figure.x.title, figure.y.title,
        *(t(f"office.column.{name}") for name in names[4:]),
    ])  # fmt: skip
    across, upward = (sheet_format(Column("", axis.format, digits=2)) for axis in (figure.x, figure.y))
    chart = book.book.add_chart({"type": "scatter", "subtype": "straight_with_markers"})
    row = HEADER + 1
    for series in figure.series:
        first = row
        for point in series.points:
            sheet.text(row, 0, series.name)
            sheet.text(row, 1, point.label)
            for column, value in enumerate((point.x, point.y, point.low, point.high), start=2):
                sheet.value(row, column, value, across if column == 2 else upward)
            if point.y is not None and point.low is not None and point.high is not None:
                sheet.number(row, 6, max(point.y - point.low, 0.0), upward)
                sheet.number(row, 7, max(point.high - point.y, 0.0), upward)
            row += 1
        if series.points:
            chart.add_series(_series(sheet, series.name, first, row - 1, series.draw))
    for axis, about in ((chart.set_x_axis, figure.x), (chart.set_y_axis, figure.y)):
        ends = {name: value for name, value in (("min", about.low), ("max", about.high)) if value is not None}
        form = {"percent": "0%", "money": "#,##0", "integer": "0"}.get(about.format, "General")
        axis({"name": about.title, "num_format": form, "major_gridlines": {"visible": True}, **ends})
    chart.set_title({"name": figure.title, "name_font": {"size": 12}})
    chart.set_size({"width": 760, "height": 420})
    sheet.text(row + 1, 0, figure.about, "note")
    sheet.drawn.insert_chart(row + 3, 0, chart, {"description": f"{figure.title}. {figure.about}"})
    sheet.done()


def _series(sheet: Sheet, name: str, first: int, last: int, draw: str) -> dict[str, Any]:
    """A series by its cells; steps are drawn with straight lines here."""
    ranges = [f"={sheet.column(first, last, column)}" for column in (2, 3, 7, 6)]
    joined = draw in ("line", "step", "marks+line")
    return {
        "name": name, "categories": ranges[0], "values": ranges[1],
        "line": {"width": 1.5} if joined else {"none": True},
        "marker": {"type": "none"} if draw in ("line", "step") else {"type": "automatic", "size": 8},
        **({} if joined else {"y_error_bars": {"type": "custom", "plus_values": ranges[2], "minus_values": ranges[3]}}),
    }  # fmt: skip
