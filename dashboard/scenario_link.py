"""A scenario's changes as a short text for a URL, so that a link reproduces the numbers; read as warily as a file.

`business.review:300~200~400~2026-11-25~HR~n` is value, low, high, day, source, and x (an example) or n (none); what is
at the end and empty is left out.
"""

from datetime import date
from urllib.parse import quote, unquote

from sn_eval.results.assumption import AMOUNTS, Amount, Change, Unfit
from sn_eval.results.files import ResultsError
from sn_eval.results.scenario import Scenario, read

MOST = 8000  # letters
FLAGS = {None: "", True: "x", False: "n"}
FIELDS = ("value", "low", "high", "as_of", "source", "illustrative")


def encode(scenario: Scenario) -> str:
    """The changes as text.

    >>> encode(Scenario("", {"business.review": Amount(value=300.0), "business.attempts_cap": 4}))
    'business.review:300,business.attempts_cap:4'
    """
    return ",".join(f"{key}:{_written(change)}" for key, change in scenario.changes.items())


def decode(text: str, name: str = "") -> Scenario:
    """The scenario of a URL's text. ResultsError, in one line, for one that cannot be."""
    if len(text) > MOST:
        raise ResultsError(f"a link of {len(text):,} letters: at most {MOST:,}; upload the scenario as a file")
    changes: dict[str, Change] = {}
    for item in filter(None, text.split(",")):
        key, colon, value = item.partition(":")
        if not colon or key in changes:
            raise ResultsError(f"{_short(item)!r}: must be key:value, each key once; open the link again")
        changes[key] = _read(key, value)
    return Scenario(name, changes)


def _written(change: Change) -> str:
    if isinstance(change, Amount):
        numbers = ["" if each is None else _number(each) for each in (change.value, change.low, change.high)]
        day = change.as_of.isoformat() if change.as_of else ""
        return "~".join([*numbers, day, _quoted(change.source), FLAGS[change.illustrative]]).rstrip("~")
    if isinstance(change, tuple):
        return "~".join(map(_number, change))
    return str(change).lower() if isinstance(change, bool) else _quoted(str(change))


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _quoted(text: str) -> str:
    return quote(text, safe=" ").replace("~", "%7E")


def _read(key: str, value: str) -> Change:
    if key not in AMOUNTS:
        if key == "business.ramp":
            return read(key, [_parsed(key, each) for each in value.split("~")])
        return read(key, {"true": True, "false": False}.get(value, int(value) if _whole(value) else unquote(value)))
    parts = dict(zip(FIELDS, value.split("~"), strict=False))
    if value.count("~") >= len(FIELDS):
        raise Unfit(key, _short(value), "field")
    data: dict[str, object] = {name: _parsed(key, parts[name]) for name in FIELDS[:3] if parts.get(name)}
    if parts.get("as_of"):
        data["as_of"] = _day(key, parts["as_of"])
    if parts.get("source"):
        data["source"] = unquote(parts["source"])
    if parts.get("illustrative"):
        data["illustrative"] = {"x": True, "n": False}.get(parts["illustrative"], parts["illustrative"])
    return read(key, data)


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _parsed(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Unfit(key, _short(text), "number") from error


def _day(key: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Unfit(f"{key}.as_of", _short(text), "date") from error


def _short(text: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in text[:60])
