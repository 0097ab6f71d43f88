"""Whiskers stand on the side of zero where they belong; what is clear looks unlike what is not."""

import re
import xml.etree.ElementTree as ET

import pytest

from sn_eval.present.charts import svg
from sn_eval.present.intervals import UNSURE, Interval, intervals

SIDES = {"left": "← A is better", "right": "B is better →"}


def drawn(*shown: Interval, **more) -> str:
    return svg(intervals(shown, **SIDES, **more))


def texts(text: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]


def dots(text: str) -> list[float]:
    """Where the dots stand, from left to right in pixels, row by row."""
    return [float(x) for x in re.findall(r'aria-roledescription="point" transform="translate\(([-\d.]+),', text)]


def test_names_sides_and_figures_are_written():
    known, bare = Interval("subject ↑", 0.2, 0.1, 0.3, "+0.2 (+0.1 to +0.3)"), Interval("x", -1, None, None, "-1")
    shown = texts(drawn(known, bare))
    assert {"← A is better", "B is better →", "subject ↑", "x", "+0.2 (+0.1 to +0.3)", "-1"} <= set(shown)


def test_each_row_has_its_own_scale_unless_one_is_given():
    rows = [Interval("small", 0.001, -0.001, 0.002), Interval("large", 1000.0, -1000.0, 2000.0)]
    first, second = dots(drawn(*rows))
    assert first == pytest.approx(second)
    first, second = dots(drawn(Interval("a", 0.25, None, None), Interval("b", -0.75, None, None), reach=1.0))
    middle = 180.0
    assert (first - middle) / (middle - second) == pytest.approx(0.25 / 0.75)


def test_only_an_interval_that_leaves_zero_out_is_filled():
    clear, open_, unknown = Interval("a", 2, 1, 3), Interval("b", 2, -1, 3), Interval("c", 2, None, None)
    assert [each.clear for each in (clear, open_, unknown)] == [True, False, False]
    assert Interval("d", -2, -3, -1).clear
    assert UNSURE not in drawn(clear)
    assert UNSURE in drawn(open_)
    assert UNSURE in drawn(unknown)
    assert drawn(unknown).count('aria-roledescription="rule mark"') == 1  # zero alone
    assert drawn(clear).count('aria-roledescription="rule mark"') == 2


def test_zero_alone_and_quotes_can_be_drawn():
    assert dots(drawn(Interval("zero", 0.0, 0.0, 0.0))) == [180.0]
    assert "it's \"x\"" in texts(svg(intervals([Interval("a", 1, None, None)], left="it's \"x\"", right="y")))


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="one or more"):
        intervals([], left="", right="")
