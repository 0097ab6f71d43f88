"""How a value of a grid or an axis is written, on a page and in a sheet."""

import math

from sn_eval.present.money import plain, symbol
from sn_eval.present.report.model import Column, Format, Value

YES, NO, UNKNOWN = "✓", "✗", "–"


def shown(value: Value, column: Column) -> str:
    """A cell as text; money carries no sign of its currency (the column's unit names it).

    >>> shown(0.1234, Column("a", "percent")), shown(0.05, Column("a", "points")), shown(None, Column("a", "number"))
    ('12.3 %', '+5.0 pt', '–')
    >>> shown(1234.5, Column("a", "money", digits=0)), shown(0.0001, Column("a", "p")), shown(12, Column("a", "number"))
    ('1,230', '< 0.001', '12.0')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNKNOWN
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, str):
        return value
    return _number(float(value), column.format, column.digits)


def _number(value: float, form: Format, digits: int) -> str:
    """A number in its format, with a proper minus."""
    match form:
        case "percent":
            text = f"{100 * value:.{digits}f} %"
        case "points":
            text = f"{100 * value:+.{digits}f} pt"
        case "p":
            text = "< 0.001" if value < 0.001 else f"{value:.3f}"
        case "integer":
            text = f"{value:,.0f}"
        case "money":
            text = plain(value)
        case "general":
            text = f"{value:,.10g}"
        case _:
            text = f"{value:,.{digits}f}"
    return text.replace("-", "−")


def sheet_format(column: Column, currency: str = "") -> str:
    """The same as a number format of a spreadsheet.

    >>> sheet_format(Column("a", "percent")), sheet_format(Column("a", "points")), sheet_format(Column("a", "integer"))
    ('0.0%', '+0.0%;-0.0%;0.0%', '#,##0')
    >>> sheet_format(Column("a", "money", digits=0), "JPY")
    '"¥"#,##0'
    """
    decimals = "." + "0" * column.digits if column.digits else ""
    match column.format:
        case "percent":
            return f"0{decimals}%"
        case "points":
            return f"+0{decimals}%;-0{decimals}%;0{decimals}%"
        case "integer":
            return "#,##0"
        case "money":
            return f'"{symbol(currency)}"#,##0{decimals}' if currency else f"#,##0{decimals}"
        case "p":
            return "0.000"
        case "general":
            return "General"
        case "number":
            return f"#,##0{decimals}"
        case _:
            return "@"
