"""Money reads as people write it, and is never more precise than it is known."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.present.money import money, plain, rounded
from sn_eval.results.files import ResultsError

AMOUNTS = st.floats(min_value=1e-6, max_value=1e14)
UNITS = {"億": 1e8, "万": 1e4}


@pytest.mark.parametrize(
    ("value", "currency", "lang", "text"),
    [
        (99_950_000, "JPY", "ja", "1.00億円"),  # rounds up into the next unit
        (9_999, "JPY", "ja", "1.00万円"),
        (-2_345_678, "JPY", "ja", "−235万円"),
        (-2_345_678, "JPY", "en", "−¥2,350,000"),
        (0.0, "JPY", "ja", "0円"),
        (12_345.0, "USD", "ja", "1.23万米ドル"),
        (3.99, "CHF", "en", "CHF 3.99"),
        (float("nan"), "JPY", "ja", "–"),
    ],
)
def test_amounts(value, currency, lang, text):
    assert money(value, currency, lang) == text


def test_signs_stand_where_asked():
    assert [money(v, "JPY", "ja", signed=True) for v in (5, -5, 0)] == ["+5円", "−5円", "0円"]


def test_no_currency_is_an_error_of_the_caller():
    with pytest.raises(ResultsError, match="currency"):
        money(1.0, "", "en")


@given(AMOUNTS)
def test_japanese_says_the_same_amount(value):
    text = money(value, "JPY", "ja")
    number, unit = re.fullmatch(r"([\d,.]+)(億|万)?円", text).groups()
    assert float(number.replace(",", "")) * UNITS.get(unit, 1.0) == pytest.approx(value, rel=5.1e-3)
    assert unit == "億" or float(number.replace(",", "")) < 1e4


@given(AMOUNTS)
def test_three_digits_and_no_powers_of_ten(value):
    text = plain(value)
    assert float(text.replace(",", "")) == pytest.approx(rounded(value), rel=1e-9)
    assert len(text.replace(",", "").replace(".", "").strip("0")) <= 3
    assert "e" not in text
