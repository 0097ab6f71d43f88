"""A report whose texts an XML file can hold: prompts come from anywhere, and control characters break a document."""

import dataclasses
import re
from typing import Any

from sn_eval.present.report.model import Report

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(report: Report) -> Report:
    """The report without them; line breaks and tabs stay."""
    cleaned: Report = _clean(report)
    return cleaned


def clean(text: str) -> str:
    """A text without control characters.

    >>> clean("a\\x00b\\nc")
    'ab\\nc'
    """
    return _CONTROL.sub("", text)


def _clean(part: Any) -> Any:
    if isinstance(part, str):
        return clean(part)
    if isinstance(part, tuple):
        return tuple(map(_clean, part))
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        return dataclasses.replace(part, **{f.name: _clean(getattr(part, f.name)) for f in dataclasses.fields(part)})
    return part
