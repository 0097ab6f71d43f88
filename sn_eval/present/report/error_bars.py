"""Intervals in native charts: error bars, and a data sheet behind the chart that holds their bounds, too.

python-pptx writes charts that one can edit, but knows no error bars. They are `c:errBars` with custom amounts (ECMA-376
part 1, 21.2.2.55), and refer to cells of the chart's own sheet, which is therefore written anew from what the chart
refers to: every reference in the chart's XML carries a copy of its cells.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

import xlsxwriter
from lxml import etree
from pptx.oxml.ns import qn

Bounds = Sequence[tuple[float | None, float | None]]
"""(below, above) for each point of a series, as distances from the point; None for a point without an interval."""

_CELLS = re.compile(r"^(?P<sheet>[^!]+)!\$(?P<column>[A-Z]+)\$(?P<first>\d+)(?::\$[A-Z]+\$(?P<last>\d+))?$")


def add_error_bars(chart: Any, bounds: Sequence[Bounds], *, colour: str = "404040") -> None:
    """Give each series of a python-pptx chart its intervals; a series with empty or all-None bounds gets none.

    Points of a scatter series may be None: the line breaks there. The sheet behind the chart is laid out anew, with two
    columns of bounds a series, right of all others.
    """
    space = chart._chartSpace
    _apart(space)
    free = 1 + max(_number(_place(ref)["column"]) for ref in space.iter(qn("c:f")))
    for series, given in zip(space.iter(qn("c:ser")), bounds, strict=True):
        if not any(below is not None for below, _ in given):
            continue
        x, y = series.find(qn("c:xVal")), series.find(qn("c:yVal"))
        place = _place(next((y if y is not None else series.find(qn("c:val"))).iter(qn("c:f"))))
        bars = _bars(place, (_letters(free), _letters(free + 1)), given, x is not None, colour)
        (x if x is not None else series.find(qn("c:cat"))).addprevious(bars)
        free += 2
    chart.part.chart_workbook.update_from_xlsx_blob(data_sheet(space))


def _apart(space: Any) -> None:
    """Two columns for each series of a scatter chart, all of the same rows; those of a shorter one end blank.

    python-pptx puts series below each other, of which LibreOffice draws only the longest.
    """
    all_series = [series for series in space.iter(qn("c:ser")) if series.find(qn("c:xVal")) is not None]
    longest = max((int(count.get("val")) for s in all_series for count in s.iter(qn("c:ptCount"))), default=0)
    for index, series in enumerate(all_series):
        x, y = _letters(2 * index), _letters(2 * index + 1)
        next(series.find(qn("c:tx")).iter(qn("c:f"))).text = f"Sheet1!${y}$1"
        for part, column in (("c:xVal", x), ("c:yVal", y)):
            values = series.find(qn(part))
            next(values.iter(qn("c:f"))).text = f"Sheet1!${column}$2:${column}${longest + 1}"
            next(values.iter(qn("c:ptCount"))).set("val", str(longest))
            for point in [p for p in values.iter(qn("c:pt")) if p.findtext(qn("c:v")) == "None"]:
                point.getparent().remove(point)


def data_sheet(space: Any) -> bytes:
    """The workbook behind a chart: all cells that its XML refers to, with the values that the XML carries."""
    held = io.BytesIO()
    with xlsxwriter.Workbook(held, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheets: dict[str, Any] = {}
        for ref in space.iter(qn("c:f")):
            place = _place(ref)
            name = place["sheet"].strip("'")
            if name not in sheets:
                sheets[name] = book.add_worksheet(name)
            for point in ref.getparent().iter(qn("c:pt")):
                row, column = int(place["first"]) - 1 + int(point.get("idx")), _number(place["column"])
                text = point.findtext(qn("c:v")) or ""
                if ref.getparent().tag == qn("c:numRef"):
                    sheets[name].write_number(row, column, float(text))
                else:
                    sheets[name].write_string(row, column, text)
    return held.getvalue()


def _bars(place: re.Match[str], columns: Sequence[str], given: Bounds, standing: bool, colour: str) -> Any:
    """The `c:errBars` element with both sides."""
    bars = etree.Element(qn("c:errBars"), nsmap={"c": _space("c"), "a": _space("a")})
    if standing:  # scatter charts have both directions
        _value(bars, "c:errDir", "y")
    _value(bars, "c:errBarType", "both")
    _value(bars, "c:errValType", "cust")
    _value(bars, "c:noEndCap", "0")
    last = place["last"] or place["first"]
    for tag, column, side in (("c:plus", columns[1], 1), ("c:minus", columns[0], 0)):
        ref = etree.SubElement(etree.SubElement(bars, qn(tag)), qn("c:numRef"))
        etree.SubElement(ref, qn("c:f")).text = f"{place['sheet']}!${column}${place['first']}:${column}${last}"
        cache = etree.SubElement(ref, qn("c:numCache"))
        etree.SubElement(cache, qn("c:formatCode")).text = "General"
        _value(cache, "c:ptCount", str(1 + int(last) - int(place["first"])))
        for index, pair in enumerate(given):
            point = etree.SubElement(cache, qn("c:pt"), idx=str(index))
            etree.SubElement(point, qn("c:v")).text = repr(float(pair[side] or 0.0))
    line = etree.SubElement(etree.SubElement(bars, qn("c:spPr")), qn("a:ln"), w="15875")
    fill = etree.SubElement(line, qn("a:solidFill"))
    etree.SubElement(fill, qn("a:srgbClr"), val=colour)
    return bars


def _value(parent: Any, tag: str, value: str) -> None:
    etree.SubElement(parent, qn(tag)).set("val", value)


def _space(prefix: str) -> str:
    return qn(f"{prefix}:x")[1:].partition("}")[0]


def _place(ref: Any) -> re.Match[str]:
    """Sheet, column and rows of a `c:f`; python-pptx writes single columns only."""
    place = _CELLS.match(ref.text)
    assert place is not None, ref.text
    return place


def _number(column: str) -> int:
    """Column letters counted from 0: "A" is 0, "AA" 26."""
    count = 0
    for letter in column:
        count = count * 26 + ord(letter) - ord("A") + 1
    return count - 1


def _letters(number: int) -> str:
    return str(xlsxwriter.utility.xl_col_to_name(number))
