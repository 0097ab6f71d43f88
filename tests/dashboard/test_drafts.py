"""What people type into a field of the editor is a number, or is refused at the field; nothing is guessed."""

import pytest

from dashboard.drafts import number
from sn_eval.results.assumption import Unfit


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,500,000", 1.5e6), ("1500.5", 1500.5), ("−3", -3.0), (".5", 0.5), ("2e3", 2000.0), ("3億", 3e8), ("１２", 12)],
)
def test_numbers_as_people_write_them(text, value):
    assert number("business.review", text) == value


@pytest.mark.parametrize("text", ["1,5", "1,,500", ",5", "1,5000", "30%", "1e9999", "abc", "1 000", "--1"])
def test_what_is_no_amount_of_money_is_refused(text):
    with pytest.raises(Unfit):
        number("business.review", text)


@pytest.mark.parametrize("key", ["business.discount", "business.tax", "prices.utilisation", "business.ramp"])
def test_shares_are_written_in_percent(key):
    assert (number(key, "12.5 %"), number(key, "5%"), number(key, "5 ％")) == (0.125, 0.05, 0.05)
