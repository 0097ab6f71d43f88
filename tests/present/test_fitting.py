"""Texts are never wider than they are taken for, whatever letters they have."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from sn_eval.present.report.fitting import LEADING, clipped, em, height, largest, lines

LETTERS = st.text(
    st.sampled_from("動画の品質は上がり、費用は下がった。ABCWMijlmtxyz 0123456789%¥@.,:-/()「」ー"), max_size=60
)


@pytest.fixture(scope="module")
def font():
    place = Path(find_spec("matplotlib_fontja").submodule_search_locations[0])
    return ImageFont.truetype(str(next(place.rglob("ipaexg.ttf"))), 100)


@given(text=LETTERS)
@settings(max_examples=60, deadline=None)
def test_no_text_is_wider_than_it_is_taken_for(font, text):
    assert font.getlength(text) / 100 <= em(text)


@given(text=LETTERS, width=st.floats(30, 300), most=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_what_is_clipped_fits_and_keeps_the_beginning(text, width, most):
    short = clipped(text, width, 12, most)
    assert lines(short, width, 12) <= most
    assert text.startswith(short.removesuffix("…").rstrip())
    assert short == text or short.endswith("…")


@given(text=LETTERS, width=st.floats(30, 300))
@settings(max_examples=60, deadline=None)
def test_a_narrower_box_never_takes_fewer_lines(text, width):
    assert lines(text, width / 2, 12) >= lines(text, width, 12)
    assert lines(text, width, 12) * width >= em(text.strip()) * 12 * 0.5


def test_the_largest_size_that_fits_is_taken():
    assert largest("x" * 10, 1000, 25, (40, 20)) is None
    assert largest("x" * 10, 1000, 53, (40, 20)) == 40
    assert height("", 100, 10) == 0
    assert height("a\nb", 100, 10) == pytest.approx(20 * LEADING)
