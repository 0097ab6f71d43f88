"""Charts are whole SVG files with their words in them, and tell series apart without colour."""

import re
import xml.etree.ElementTree as ET

import pytest
import vl_convert

from sn_eval.present.charts import COLOURS, DASHES, SHAPES, curves

ROWS = [
    {"score": name, "n": 2**i, "d": float(i), "gain": sign * i, "low": sign * i - 0.5, "high": sign * i + 0.5}
    for name, sign in (("proxy", 1), ("held out", -1))
    for i in range(4)
]  # fmt: skip
AXES = {"x": ("d", "distance √KL"), "y": ("gain", "gain in sd"), "series": "score", "title": "Best of n & more"}


def texts(drawn: str) -> list[str]:
    root = ET.fromstring(drawn)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_words_are_drawn_as_text():
    shown = texts(curves(ROWS, band=("low", "high"), label=("n", "n = "), **AXES))
    assert {"Best of n & more", "distance √KL", "gain in sd", "proxy", "held out"} <= set(shown)
    assert [f"n = {n}" for n in (1, 2, 4, 8)] == [text for text in shown if text.startswith("n = ")]


def test_words_leave_ink_in_a_picture():
    """Without a font the renderer draws no letter and says nothing."""
    with_words = vl_convert.svg_to_png(curves(ROWS, **AXES))
    without = vl_convert.svg_to_png(re.sub(r"<text.*?</text>", "", curves(ROWS, **AXES)))
    assert with_words.startswith(b"\x89PNG")
    assert with_words != without


def test_series_differ_in_dash_and_mark_too():
    drawn = curves(ROWS, **AXES)
    assert "stroke-dasharray" in drawn
    assert {COLOURS[0].lower(), COLOURS[1].lower()} <= {c.lower() for c in re.findall("#[0-9a-fA-F]{6}", drawn)}
    points = r'<path aria-label="[^"]*score: (proxy|held out)"[^>]*"point"[^>]* d="([^"]*)"'
    shapes = {series: re.sub(r"[-0-9.,]+", "", drawn_as) for series, drawn_as in re.findall(points, drawn)}
    assert shapes["proxy"] != shapes["held out"]
    assert len(COLOURS) == len(DASHES) == len(SHAPES) == len(set(SHAPES))


def test_a_band_is_drawn_where_both_bounds_are_known():
    def areas(rows):
        return curves(rows, band=("low", "high"), **AXES).count('aria-roledescription="area mark"')

    assert areas(ROWS) == 2
    assert areas([{**row, "low": None} if row["score"] == "proxy" else row for row in ROWS]) == 1


def test_nothing_outside_is_named_and_markup_is_harmless():
    rows = [{**row, "score": "</text><script>alert(1)</script>"} for row in ROWS[:4]]
    drawn = curves(rows, **{**AXES, "title": "<script>x</script>"})
    assert "<script" not in drawn
    assert "<script>x</script>" in texts(drawn)
    assert not re.search(r'(href|src)="(?!#)', drawn)
    assert "@import" not in drawn


def test_the_same_rows_give_the_same_file():
    assert curves(ROWS, band=("low", "high"), **AXES) == curves(ROWS, band=("low", "high"), **AXES)


@pytest.mark.parametrize("count", [0, 8])
def test_too_many_series_are_refused(count):
    with pytest.raises(ValueError, match="can be told apart"):
        curves([{"score": str(i), "d": 0, "gain": 0} for i in range(count)], **AXES)
