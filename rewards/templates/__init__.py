"""Starting points for a business: a composite reward, what it cannot see, and when its videos are good enough.

Each template is one commented YAML file in this folder, to be copied and changed (`sn-eval rewards new`);
`rewards.create("composite", file="mine.yaml")` makes the reward that such a file describes. Thresholds and
weights are where to begin, not findings: labels of your own decide (`sn-eval rewards fit`).
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal

from rewards.base import UserError
from rewards.composite import part_of
from rewards.registry import did_you_mean, fits

FOLDER = Path(__file__).parent
COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
RULE = re.compile(r"(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Criterion:
    """One thing that videos must fulfil to be accepted.

    measure: "value" (the whole reward), a part by its name, or a part's part ("motion_floor/motion").
    rule: what one video must reach, such as ">= 0.8". share: of the videos that must reach it, above 0, up to
    1. stands_for: the business number that it is a stand-in for, in words; no sum of money.
    """

    measure: str
    rule: str
    share: float
    stands_for: str

    def passes(self, value: float) -> bool:
        """Does a video with this value keep the rule?

        >>> Criterion("value", ">= 0.8", 0.9, "re-shoot rate").passes(0.85)
        True
        """
        match = RULE.fullmatch(self.rule)
        assert match is not None  # checked when the file was read
        return COMPARE[match[1]](value, float(match[2]))

    def share_of(self, values: Iterable[float]) -> float | None:
        """The share of scored videos that keep the rule; NaN is not scored, None when none was.

        >>> Criterion("value", ">= 0.8", 0.9, "re-shoot rate").share_of([0.9, 0.5, float("nan")])
        0.5
        """
        scored = [self.passes(value) for value in values if not isnan(value)]
        return sum(scored) / len(scored) if scored else None


@dataclass(frozen=True)
class Template:
    """A composite reward as its YAML file describes it.

    name: how it is called in records. about: what it is for, in a sentence. parts: rows for
    `rewards.composite.Part`. combine: how they become one number (see `Composite`). failure_modes: what it
    cannot see, or can be fooled by. acceptance: when videos are good enough.
    """

    name: str
    parts: Sequence[Mapping[str, Any]]
    about: str = ""
    combine: Literal["mean", "mean_rank"] = "mean"
    failure_modes: Sequence[str] = ()
    acceptance: tuple[Criterion, ...] = ()


def names() -> list[str]:
    """The templates that `load` knows.

    >>> "product_tabletop" in names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Template:
    """The template `name`; UserError names the known ones."""
    return read(path_of(name))


def path_of(name: str) -> Path:
    """The YAML file of a template; UserError names the known ones."""
    if name not in names():
        raise UserError(f"unknown template {name!r}.{did_you_mean(name, names())} Known: {', '.join(names())}")
    return FOLDER / f"{name}.yaml"


def read(path: Path | str) -> Template:
    """What a YAML file describes; UserError names the file, the key, the rule and what is allowed.

    A reward of the user's own, `use: file.py:attr`, is looked for beside the YAML file first.
    """
    path = Path(path)
    data = _yaml(path)
    _check_keys(data, Template, f"{path}", needed=("name", "parts"))
    if not data["parts"] or not data["name"].strip():
        raise UserError(f"{path}: name and parts must not be empty")
    try:
        for number, row in enumerate(data["parts"]):
            part_of(row, number)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    parts = [{**row, "use": _beside(path, str(row["use"]))} for row in data["parts"]]
    rows = data.get("acceptance", ())
    criteria = tuple(_criterion(row, f"{path}: acceptance {i + 1}", parts) for i, row in enumerate(rows))
    return Template(**{**data, "parts": parts, "acceptance": criteria})


def _yaml(path: Path) -> Any:
    """The mapping that a YAML file holds."""
    import yaml  # only for those who use files

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}. Name a YAML file that exists") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    return data


def _check_keys(data: Any, form: type, where: str, needed: Sequence[str]) -> None:
    """Raise UserError unless `data` is a mapping with keys and types of the dataclass `form`."""
    allowed = {name: field.type for name, field in form.__dataclass_fields__.items()}  # type: ignore[attr-defined]
    if not isinstance(data, Mapping) or any(key not in data for key in needed):
        raise UserError(f"{where}: must be a mapping with {', '.join(needed)}; given {str(data)[:80]!r}")
    for key, value in data.items():
        if key not in allowed:
            guess = did_you_mean(str(key), list(allowed))
            raise UserError(f"{where}: unknown key {key!r}.{guess} Allowed: {', '.join(allowed)}")
        if not fits(value, allowed[key]):
            raise UserError(f"{where}: {key} cannot be {value!r}")


def _criterion(row: Any, where: str, parts: Sequence[Mapping[str, Any]]) -> Criterion:
    """A criterion from its YAML mapping."""
    _check_keys(row, Criterion, where, needed=("measure", "rule", "share", "stands_for"))
    criterion = Criterion(**row)
    known = ["value", *(part["use"].rpartition(":")[2] for part in parts)]
    measure = criterion.measure.split("/")[0]
    if measure not in known:
        raise UserError(
            f"{where}: unknown measure {measure!r}.{did_you_mean(measure, known)} Known: {', '.join(known)}"
        )
    if not RULE.fullmatch(criterion.rule):
        raise UserError(f"{where}: rule {criterion.rule!r} must be like '>= 0.8', with one of >= <= > <")
    if not 0 < criterion.share <= 1:
        raise UserError(f"{where}: share must lie above 0 and up to 1; given {criterion.share}")
    return criterion


def _beside(path: Path, use: str) -> str:
    """`use`, with a file that stands beside the YAML file by its full path."""
    file, _, name = use.rpartition(":")
    found = path.parent / file
    return f"{found.resolve()}:{name}" if file.endswith(".py") and found.is_file() else use
