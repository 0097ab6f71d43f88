"""All tables of a report as CSV that spreadsheets open as they are: UTF-8 with its mark, numbers in full."""

import csv
import io
from pathlib import Path

from sn_eval.present.report.model import Grid, Report, Value
from sn_eval.results.files import write_whole

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of a formula


def write_tables(report: Report, folder: Path) -> tuple[Path, ...]:
    """A file for each table, `<folder>/<key>.csv`; returns their paths."""
    paths = []
    for section in report.sections:
        for grid in section.of(Grid):
            path = folder / f"{grid.key}.csv"
            write_whole(path, "\ufeff" + table_text(grid))
            paths.append(path)
    return tuple(paths)


def table_text(grid: Grid) -> str:
    """A table as CSV, its titles first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([harmless(each.heading) for each in grid.columns])
    writer.writerows([harmless(cell) for cell in row.cells] for row in grid.rows)
    return text.getvalue()


def harmless(value: Value) -> Value:
    """Text that would run as a formula gets an apostrophe before it; unknown is empty.

    >>> harmless("=1+1"), harmless(-1.5), harmless(None), harmless("tea")
    ("'=1+1", -1.5, '', 'tea')
    """
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
