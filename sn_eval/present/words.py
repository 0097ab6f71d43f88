"""Every sentence that people read, by key and language: the files of `catalogue/` beside this one hold them all.

A key is a path, e.g. "verdict.go.title"; its text may hold names in braces that `say` fills.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from sn_eval.present.money import Lang
from sn_eval.results.files import ResultsError

LANGUAGES: tuple[Lang, ...] = ("ja", "en")
FOLDER = Path(__file__).with_name("catalogue")
UNKNOWN = "–"  # stands for a value that is not known


def say(lang: Lang, key: str, **values: Any) -> str:
    """The sentence of this key, its names filled; a value that is None or not given is a dash.

    Raises KeyError for an unknown key.

    >>> say("en", "unit.months", value=3), say("ja", "unit.months", value=None)
    ('3 months', '–か月')
    """
    return Formatter().vformat(catalogue()[key][lang], (), _Dashes(values))


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Key → language → text. Raises ResultsError where a file is damaged."""
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        found |= _flat(_parts(path))
    return found


def _parts(path: Path) -> Mapping[str, Any]:
    try:
        parts: Mapping[str, Any] = yaml.load(
            path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
    except (OSError, yaml.YAMLError) as error:
        raise ResultsError(f"cannot read {path}: {error}. Install sn-eval again") from error
    return parts


def placeholders(text: str) -> set[str]:
    """Names in braces.

    >>> sorted(placeholders("{a} of {b}"))
    ['a', 'b']
    """
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def _flat(parts: Mapping[str, Any], above: str = "") -> dict[str, Mapping[str, str]]:
    """Nested parts as paths; a part with a text for each language is a leaf."""
    found: dict[str, Mapping[str, str]] = {}
    for name, part in parts.items():
        key = f"{above}.{name}".lstrip(".")
        found |= {key: part} if set(part) == set(LANGUAGES) else _flat(part, key)
    return found


class _Dashes(dict[str, Any]):
    """A value that is not known is a dash."""

    def __missing__(self, key: str) -> str:
        return UNKNOWN

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return UNKNOWN if value is None else value
