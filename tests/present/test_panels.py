"""Panels keep dips and gaps, share the time, and say what they show in words."""

import math
import re
import xml.etree.ElementTree as ET

import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.present.charts import COLOURS, png, svg
from sn_eval.present.panels import Mark, Panel, panels, thinned

TIME = [i / 8 for i in range(40)]
FLAT = [0.9 + 0.01 * (i % 2) for i in range(40)]
values = st.lists(st.one_of(st.none(), st.floats(-9, 9), st.just(math.nan)), min_size=1, max_size=300)


def texts(drawn: str) -> list[str]:
    root = ET.fromstring(drawn)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


@given(values, st.integers(2, 60))
def test_thinning_keeps_extremes_order_and_count(curve, points):
    kept = thinned(range(len(curve)), curve, points)
    assert len(kept) <= max(points, 2)
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)
    known = [y for y in curve if y is not None and not math.isnan(y)]
    seen = [y for _, y in kept if y is not None]
    assert (min(seen, default=None), max(seen, default=None)) == (min(known, default=None), max(known, default=None))
    assert all(y == curve[x] for x, y in kept if y is not None)


def test_a_dip_of_one_frame_in_ten_thousand_is_drawn_and_a_long_gap_too():
    curve = [0.9] * 10_000
    curve[7_777] = 0.1
    curve[2_000:3_000] = [None] * 1_000
    kept = thinned(range(10_000), curve)
    assert (7_777, 0.1) in kept
    assert sum(1 for _, y in kept if y is None) >= 19
    drawn = svg(panels([Panel("m", list(range(10_000)), curve)], "time"))
    assert len(drawn) < 60_000


def test_every_curve_has_its_title_and_the_time_stands_once():
    shown = texts(svg(panels([Panel(f"measure {i} ↑", TIME, FLAT) for i in range(4)], "time in s", columns=2)))
    assert [text for text in shown if text.startswith("measure")] == [f"measure {i} ↑" for i in range(4)]
    assert shown.count("time in s") == 1
    assert shown.count("0") >= 2  # both columns have their numbers


def test_marks_carry_their_words_and_lines_are_drawn():
    marked = Panel("m", TIME, FLAT, [Mark(1.0, 0.9, "1"), Mark(2.0, 0.9, "2")])
    drawn = svg(panels([marked, Panel("n", TIME, FLAT)], "t", lines=[1.0, 2.0, 3.0]))
    assert {"1", "2"} <= set(texts(drawn))
    assert drawn.count('aria-roledescription="rule mark"') == 2 * 3
    assert COLOURS[1] in drawn


def test_a_gap_parts_the_line_and_a_lonely_point_is_seen():
    curve = [*FLAT[:10], *[None] * 5, 0.9, *[math.nan] * 5, *FLAT[:19]]
    drawn = svg(panels([Panel("m", TIME, curve)], "t"))
    (line,) = re.findall(r'aria-roledescription="line mark"[^>]* d="([^"]*)"', drawn)
    assert line.count("M") == 3
    assert drawn.count('aria-roledescription="point"') == 1


def test_noise_is_not_blown_up_and_what_is_small_is_readable():
    low, high = Panel("m", TIME, FLAT, least=0.2).covered
    assert high - low >= 0.2
    assert low < 0.9 < 0.91 < high
    low, high = Panel("m", TIME, FLAT).covered
    assert high - low < 0.02
    tiny = texts(svg(panels([Panel("m", TIME, [-1e-5 * y for y in FLAT])], "t")))
    assert any(re.fullmatch(r"−9\.\de−6|−9\.\de-6", text) for text in tiny)


@pytest.mark.parametrize("curve", [[None] * 40, [0.0] * 40, [5.0] * 40, [math.nan] * 40, [1e9] * 40])
def test_nothing_and_constants_can_be_drawn(curve):
    drawn = svg(panels([Panel("m", TIME, curve)], "t"))
    assert "m" in texts(drawn)
    assert "NaN" not in drawn


def test_long_and_hostile_titles_stay_inside_as_text():
    hostile = "<script>alert(1)</script>" + "subject_consistency[" + "x" * 300 + "]"
    drawn = svg(panels([Panel(hostile, TIME, FLAT)] * 8, "t", columns=2, title=[hostile], subtitle=["日本語"]))
    assert "<script" not in drawn
    assert "日本語" in texts(drawn)
    assert any(text.endswith("…") for text in texts(drawn))
    untitled = svg(panels([Panel(hostile, TIME, FLAT)] * 8, "t", columns=2))
    assert int(re.search(r'viewBox="0 0 (\d+)', untitled)[1]) < 900


def test_a_png_has_its_words():
    spec = panels([Panel("measure", TIME, FLAT)], "time in s")
    assert png(spec).startswith(b"\x89PNG")
    without = vl_convert.svg_to_png(re.sub(r"<text.*?</text>", "", svg(spec)))
    assert vl_convert.svg_to_png(svg(spec)) != without


def test_no_panels_are_refused():
    for shown in ([], [Panel("m", [], [])]):
        with pytest.raises(ValueError, match="one curve or more"):
            panels(shown, "t")
