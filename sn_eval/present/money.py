"""Money as people read it: 万円 and 億円 in Japanese, separators and a sign in English, and no false precision."""

import math
from typing import Literal

from sn_eval.results.files import ResultsError

SYMBOLS = {"JPY": "¥", "USD": "US$", "EUR": "€", "GBP": "£"}
DIGITS = 3  # significant ones; inputs of a business case are rarely known better

Lang = Literal["ja", "en"]


def symbol(currency: str) -> str:
    """What stands before an amount.

    >>> symbol("JPY"), symbol("CHF")
    ('¥', 'CHF ')
    """
    return SYMBOLS.get(currency, f"{currency} ")


def rounded(value: float, digits: int = DIGITS) -> float:
    """To so many significant digits.

    >>> rounded(123456), rounded(-0.0012345), rounded(0.0)
    (123000.0, -0.00123, 0.0)
    """
    if value == 0 or not math.isfinite(value):
        return value
    return float(f"{value:.{digits - 1}e}")


def money(value: float | None, currency: str, lang: Lang, *, signed: bool = False) -> str:
    """An amount in words of the language; signed: with + before gains. None is a dash.

    >>> money(123456789, "JPY", "ja"), money(4567890, "JPY", "ja"), money(-12345, "JPY", "ja", signed=True)
    ('1.23億円', '457万円', '−1.23万円')
    >>> money(9876.4, "JPY", "ja"), money(12.345, "JPY", "ja"), money(0.04321, "JPY", "ja")
    ('9,880円', '12.3円', '0.0432円')
    >>> money(1234567, "JPY", "en"), money(0.5, "USD", "en", signed=True), money(1234, "USD", "ja")
    ('¥1,230,000', '+US$0.5', '1,230米ドル')
    >>> money(None, "JPY", "en")
    '–'
    """
    if value is None or not math.isfinite(value):
        return "–"
    if not currency:
        raise ResultsError("an amount of money without a currency: give prices.currency, e.g. JPY")
    amount = abs(value)
    sign = "−" if value < 0 and amount else "+" if signed and amount else ""
    return sign + (_japanese(amount, currency) if lang == "ja" else symbol(currency) + plain(amount))


def _japanese(amount: float, currency: str) -> str:
    """万 and 億 are what large amounts are counted in, whatever the currency."""
    name = {"JPY": "円", "USD": "米ドル", "EUR": "ユーロ", "GBP": "ポンド"}.get(currency, f" {currency}")
    if rounded(amount) >= 1e8:
        return f"{plain(amount / 1e8)}億{name.strip()}"
    if rounded(amount) >= 1e4:
        return f"{plain(amount / 1e4)}万{name.strip()}"
    return f"{plain(amount)}{name}"


def plain(amount: float) -> str:
    """Digits with separators, to three significant ones, never in powers of ten.

    >>> plain(1234567.0), plain(12.0), plain(11.99), plain(0.00012345)
    ('1,230,000', '12', '12.0', '0.000123')
    """
    near = rounded(amount)
    if near == 0:
        return "0"
    decimals = max(0, DIGITS - 1 - math.floor(math.log10(abs(near))))
    text = f"{near:,.{decimals}f}"
    exact = math.isclose(near, amount, rel_tol=1e-9)  # 12 stays 12, and 11.99 is 12.0
    return text.rstrip("0").rstrip(".") if exact and "." in text else text
