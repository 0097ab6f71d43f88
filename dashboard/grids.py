"""Tables on a page: numbers stay numbers to be sorted by, and are written as the report writes them."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.page import Page, plain
from sn_eval.present.money import Lang, money
from sn_eval.present.report.model import Column, Format, Grid, Row, Value
from sn_eval.present.report.shown import UNKNOWN, shown
from sn_eval.present.report.tables import table_text
from sn_eval.present.words import say

STYLED = 20_000  # cells that are written one by one as the report does; larger tables get a plain format
WHOLE = 20  # rows that are shown without scrolling
LOOKS = {
    "chosen": "word.chosen", "baseline": "word.baseline", "searched": "blocks.searched", "example": "example.mark",
    "total": "blocks.total",
}  # fmt: skip
ALSO = {"example": "example.word"}  # what a cell may say instead
MANY, WIDE = 7, 320  # columns from which a wide one takes so many pixels, so that those behind it stay in sight
LETTER, MARGIN = 8, 22  # pixels of a digit, and around a number
PRINTF: dict[Format, str] = {"percent": "%.{digits}f %%", "points": "%+.{digits}f pt", "p": "%.3f", "integer": "%.0f"}
HUNDREDS = ("percent", "points")


def grid(page: Page, told: Grid) -> None:
    """A table under its title, its note below, and a CSV file of it. Its key stands once on a page."""
    st.markdown(f"**{plain(told.title)}**")
    table(page, told)
    if told.note:
        st.caption(plain(told.note))
    csv_button(page, told)


def table(page: Page, told: Grid) -> None:
    """The rows alone."""
    told = with_looks(told, page.lang)
    frame, config = frame_of(told), columns_of(told, page.lang)
    height = {"height": "content"} if len(told.rows) <= WHOLE else {}
    data: Any = frame
    if frame.size <= STYLED:
        data = frame.style.format(writers(told, page.report.currency, page.lang))
    else:
        for place, column in enumerate(told.columns):
            if column.format in HUNDREDS and is_numeric(told, place):
                frame[name_of(place)] *= 100
    st.dataframe(data, hide_index=True, column_config=config, placeholder=UNKNOWN, alt=told.title, **height)  # type: ignore[arg-type]


def csv_button(page: Page, told: Grid) -> None:
    """All rows to take away, numbers in full."""
    st.download_button(
        page("blocks.table_csv"), lambda: csv_of(told), f"{told.key}.csv", "text/csv", key=f"csv-{told.key}",
        on_click="ignore", icon=":material/table:",
    )  # fmt: skip


def csv_of(told: Grid) -> bytes:
    """As spreadsheets open it: UTF-8 with its mark."""
    return ("\ufeff" + table_text(told)).encode()


# --- as data ----------------------------------------------------------------------------------------------


def name_of(place: int) -> str:
    """A column's name in the data: its title may stand twice, so the place tells them apart."""
    return f"c{place}"


def is_numeric(told: Grid, place: int) -> bool:
    """Whether all that is known of a column are numbers, so that it can be sorted as such."""
    values = [row.cells[place] for row in told.rows if row.cells[place] is not None]
    return told.columns[place].format != "text" and not any(isinstance(value, str | bool) for value in values)


def frame_of(told: Grid) -> pd.DataFrame:
    """The cells: numbers as they are, everything else as text."""
    made = {}
    for place, column in enumerate(told.columns):
        values = [row.cells[place] for row in told.rows]
        if is_numeric(told, place):
            made[name_of(place)] = pd.Series(values, dtype=float)
        else:
            made[name_of(place)] = pd.Series([shown(value, column) for value in values], dtype=object)
    return pd.DataFrame(made)


def writers(told: Grid, currency: str, lang: Lang) -> dict[str, Any]:
    """How the numbers of each column are written."""

    def writer(column: Column) -> Any:
        return lambda value: written(value, column, currency, lang)

    return {name_of(i): writer(column) for i, column in enumerate(told.columns) if is_numeric(told, i)}


def written(value: Value, column: Column, currency: str, lang: Lang) -> str:
    """A cell in words of the language.

    >>> written(0.1234, Column("a", "percent"), "", "ja"), written(4567890.0, Column("b", "money"), "JPY", "ja")
    ('12.3%', '457万円')
    >>> written(None, Column("a", "money"), "JPY", "en"), written(0.05, Column("a", "points"), "", "en")
    ('–', '+5.0 pt')
    """
    if column.format == "money" and currency and isinstance(value, float | int):
        return money(float(value), currency, lang)
    text = shown(value, column)
    return text.replace(" %", "%") if lang == "ja" and column.format == "percent" else text


def columns_of(told: Grid, lang: Lang) -> dict[str, Any]:
    """Titles and widths; a plain format for tables whose cells are not written one by one."""
    styled, found = len(told.rows) * len(told.columns) <= STYLED, {}
    for place, column in enumerate(told.columns):
        width: Any = (WIDE if len(told.columns) >= MANY else "large") if column.wide else None
        if is_numeric(told, place):
            pattern = None if styled else PRINTF.get(column.format, "%.{digits}f").format(digits=column.digits)
            width = width or _room(told, place)
            found[name_of(place)] = st.column_config.NumberColumn(column.heading, format=pattern, width=width)
        else:
            found[name_of(place)] = st.column_config.TextColumn(column.heading, width=width)
    return found


def _room(told: Grid, place: int) -> int | None:
    """Pixels for figures that are longer than their title: else a wide column beside them cuts them off."""
    column = told.columns[place]
    longest = max((len(shown(row.cells[place], column)) for row in told.rows[:STYLED]), default=0)
    return LETTER * longest + MARGIN if longest > len(column.heading) else None


def with_looks(told: Grid, lang: Lang) -> Grid:
    """Rows that differ from the others say so in words, in a first column, where none of their cells does already."""
    words = [say(lang, LOOKS[row.look]) if row.look in LOOKS else "" for row in told.rows]
    other = {look: say(lang, key) for look, key in ALSO.items()}
    if all({word, other.get(row.look)} & {*row.cells, ""} for word, row in zip(words, told.rows, strict=True)):
        return told
    rows = tuple(Row((word, *row.cells), look=row.look) for word, row in zip(words, told.rows, strict=True))
    return Grid(told.key, told.title, (Column(say(lang, "blocks.mark")), *told.columns), rows, told.note, told.long)
