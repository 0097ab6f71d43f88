"""Reads an experiment file so strictly that a mistake is found at its line, before anything runs.

Line numbers come from PyYAML's composed nodes: every key path of the file is remembered with the line it stands on, and
every problem that pydantic finds is looked up there. Keys are taken as written: YAML 1.1 reads a bare `on` as true.
"""

import difflib
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from sn_eval.results.experiment import Experiment, Misfit, Sourced
from sn_eval.results.files import ResultsError
from sn_eval.results.record import Component

MOST_VALUES = 20_000  # an experiment of thousands of prompts has fewer; a few nested aliases have more
SHOWN = 60  # characters of a wrong value
NEW = "sn-eval poc new FILE writes one that is explained"

KeyPath = tuple[int | str, ...]


def load_experiment(path: Path) -> Experiment:
    """The experiment of a YAML file. ResultsError, in one line, names file, line, key, rule and next step."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ResultsError(f"no experiment at {path}: name a YAML file; {NEW}") from error
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}. Name a YAML file that you may read") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} is no UTF-8"
        raise ResultsError(f"{path}, line {line}: {byte}; save the file as UTF-8 text") from error
    return parse_experiment(text, str(path))


def parse_experiment(text: str, name: str) -> Experiment:
    """The experiment that a YAML text declares; `name` stands for it in errors. Raises as `load_experiment` does."""
    read = _Reading()
    try:
        data = read.document(text)
    except yaml.MarkedYAMLError as error:
        raise ResultsError(f"{name}, {_no_yaml(error)}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ResultsError(f"{name}, line {line}: a control character; delete it and save as plain text") from error
    except RecursionError as error:
        raise ResultsError(f"{name}: nested too deeply to be an experiment; {NEW}") from error
    if not isinstance(data, dict):
        raise ResultsError(f"{name}, line {read.line(())}: {_no_keys(data)}; {NEW}")
    problems = read.problems
    if not problems:
        try:
            experiment = Experiment.model_validate(data)
        except ValidationError as error:
            problems = _problems(error, read)
        else:
            problems = [_Problem(read.line(path), path, _NO_TRUTH) for path in _truths(experiment, data)]
            if not problems:
                return experiment
    raise ResultsError(f"{name}, {_in_words(problems)}")


# --- the text ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Problem:
    """One mistake. unknown: an unknown key, which explains what is missing beside it."""

    line: int
    path: KeyPath
    rule: str
    unknown: bool = False

    @property
    def where(self) -> str:
        """The line and the key, as in `line 3, prompts[0].text`."""
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")
        return f"line {self.line}" + (f", {key}" if key else "")


@dataclass
class _Reading:
    """The data of one YAML document, and the line of every key path. problems: what YAML allows and we do not."""

    lines: dict[KeyPath, int] = field(default_factory=dict)
    texts: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[_Problem] = field(default_factory=list)

    def document(self, text: str) -> Any:
        """The one document of the text, None where it is empty."""
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            return None if node is None else self._value(loader, node, (), node.start_mark.line + 1, ())
        finally:
            loader.dispose()

    def line(self, path: KeyPath) -> int:
        """Line of the nearest part of the path that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def _value(self, loader: Any, node: Any, path: KeyPath, line: int, above: tuple[int, ...]) -> Any:
        self.lines[path] = line
        if id(node) in above or len(self.lines) > MOST_VALUES:
            what = "refers to itself" if id(node) in above else f"more than {MOST_VALUES:,} values"
            raise yaml.constructor.ConstructorError(None, None, f"{what}: write it out", node.start_mark)
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(loader, node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._value(loader, item, (*path, place), item.start_mark.line + 1, above)
                for place, item in enumerate(node.value)
            ]
        return self._scalar(loader, node, path, line)

    def _mapping(self, loader: Any, node: Any, path: KeyPath, above: tuple[int, ...]) -> dict[str, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                rule = "a list or mapping stands where a key should; put text that holds [ or { in quotes"
                raise yaml.constructor.ConstructorError(None, None, rule, key.start_mark)
            if key.value in seen:
                rule = f"stands twice, first on line {seen[key.value]}; delete one"
                self.problems.append(_Problem(line, (*path, key.value), rule))
            seen.setdefault(key.value, line)
        loader.flatten_mapping(node)  # `<<: *shared`; own keys come later, so they win
        return {
            key.value: self._value(loader, value, (*path, key.value), key.start_mark.line + 1, above)
            for key, value in node.value
        }

    def _scalar(self, loader: Any, node: Any, path: KeyPath, line: int) -> Any:
        self.texts[path] = node.value
        try:
            value = loader.construct_object(node)
        except ValueError:  # of Python's own types, e.g. a thirteenth month
            self.problems.append(_Problem(line, path, f"{node.value!r} is no value that exists; correct it"))
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.problems.append(_Problem(line, path, f"{node.value} is no number; write null where it is unknown"))
        return node.value if isinstance(value, date) else value  # JSON, which notes and params are, has no dates


def _no_yaml(error: yaml.MarkedYAMLError) -> str:
    """What YAML itself objects to, with its line."""
    mark = error.problem_mark or error.context_mark
    line = f"line {mark.line + 1}" if mark else "somewhere"
    problem = error.problem or error.context or "no YAML"
    if r"'\t'" in problem:
        return f"{line}: a tab; YAML is indented by spaces: replace it"
    if "could not determine a constructor" in problem:
        return f"{line}: {problem.split('tag ')[-1]} is a YAML tag, and plain values are enough here; delete it"
    if isinstance(error, yaml.constructor.ConstructorError):
        return f"{line}: {problem}"
    since = error.context_mark
    began = f" ({error.context} on line {since.line + 1})" if since and error.context else ""
    return f"{line}: no YAML: {problem}{began}; check indentation, quotes and the ': ' behind keys"


def _no_keys(data: Any) -> str:
    if data is None:
        return "the file is empty"
    if isinstance(data, list):
        return "a list, and an experiment is keys with values (name: …)"
    return "plain text, and an experiment is keys with values: each key needs ': ' (half-width) behind it"


# --- the rules --------------------------------------------------------------------------------------------

_NO_TRUTH = "true or false stands where a number should; write the number"


def _truths(model: Any, data: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Where the file has a truth value and the experiment a number (pydantic takes true for 1)."""
    if isinstance(data, bool):
        return [] if isinstance(model, bool) else [path]
    if isinstance(data, dict) and isinstance(model, BaseModel):
        return [found for key, value in data.items() for found in _truths(getattr(model, key), value, (*path, key))]
    if isinstance(data, list) and isinstance(model, tuple):
        return [
            found
            for place, (mine, theirs) in enumerate(zip(model, data, strict=True))
            for found in _truths(mine, theirs, (*path, place))
        ]
    return []


def _problems(error: ValidationError, read: _Reading) -> list[_Problem]:
    """Every problem with its line; what is missing beside a misspelt key is no problem of its own."""
    found = []
    errors = error.errors(include_url=False)
    misspelt = {
        (each["loc"][:-1], near)
        for each in errors
        if each["type"] == "extra_forbidden"
        for near in _near(str(each["loc"][-1]), _keys(each["loc"][:-1]))
    }
    for each in errors:
        path = each["loc"]
        if each["type"] == "missing" and (path[:-1], path[-1]) in misspelt:
            continue
        reason = each.get("ctx", {}).get("error")
        if isinstance(reason, Misfit):
            path = (*path, *reason.at)
        rule = _rule(dict(each), read.texts.get(path))
        found.append(_Problem(read.line(path), path, rule, each["type"] == "extra_forbidden"))
    return [whole for whole in found if not any(_inside(part.path, whole.path) for part in found)]


def _inside(path: KeyPath, whole: KeyPath) -> bool:
    """Whether `path` lies within `whole`: a list that lacks its one wrong entry is not wrong for itself."""
    return len(path) > len(whole) and path[: len(whole)] == whole


def _in_words(problems: list[_Problem]) -> str:
    """The first problem, and the lines of the others: unknown keys first, since they explain what is missing."""
    first, *others = sorted(problems, key=lambda problem: (not problem.unknown, problem.line))
    more = f"; and {len(others)} more: " + ", ".join(problem.where for problem in others[:5]) if others else ""
    return f"{first.where}: {first.rule}{more}" + (", …" if len(others) > 5 else "")


_WORDS: Mapping[str, str] = {
    "string_type": "must be text; put it in quotes",
    "float_type": "must be a number",
    "float_parsing": "must be a number, without unit, % or thousands separators",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number, without unit or separators",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "too_short": "must hold at least {min_length}",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list: [a, b], or lines that begin with '- '",
    "dict_type": "must be keys with values",
    "date_type": "must be a date, e.g. 2026-04-01",
    "date_parsing": "must be a date, e.g. 2026-04-01",
    "date_from_datetime_parsing": "must be a date, e.g. 2026-04-01",
    "date_from_datetime_inexact": "must be a date without a time, e.g. 2026-04-01",
}

_PATTERNS: Mapping[str, str] = {
    r"^[A-Z]{3}$": "must be a currency of three capital letters, e.g. JPY",
    r"\S": "must not be blank",
}


def _rule(error: dict[str, Any], written: str | None) -> str:
    """The rule that a value breaks, and what to write instead. written: the value as it stands in the file."""
    kind, path, context = error["type"], error["loc"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return f"is missing; add {_example(path)}"
    if kind == "value_error":
        return str(context["error"])
    if isinstance(error["input"], bool) and ("than" in kind or kind.startswith(("float", "int"))):
        return _NO_TRUTH
    given = _shown(error["input"], written)
    if kind == "model_type":
        return _no_part(path, error["input"], given)
    if kind == "literal_error":
        expected = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{given} is none of {', '.join(expected)}{_did_you_mean(given, expected)}"
    if kind == "string_pattern_mismatch":
        name = "must be letters, digits and . _ - (at most 64, the first a letter or digit)"
        return f"{given} {_PATTERNS.get(context['pattern'], name)}"
    rule = f"{given} " + (_WORDS[kind].format(**context) if kind in _WORDS else error["msg"])
    most, number = context.get("lt", context.get("le")), error["input"]
    if most == 1 and isinstance(number, int | float) and 1 < number <= 100:
        return f"{rule}: a share, so {number:g} % is {number / 100:g}"
    return rule


def _shown(value: Any, written: str | None) -> str:
    """A wrong value, short."""
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return "keys with values" if isinstance(value, dict) else "a list"
    text = str(value) if written is None else written
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def _unknown_key(path: KeyPath) -> str:
    """An unknown key, what it may have been, and the keys of that place."""
    name, known = str(path[-1]), _keys(path[:-1])
    part = _part(path[:-1])
    knob = "; what belongs to the component itself goes under params" if issubclass(part, Component) else ""
    return f"unknown key{_did_you_mean(name, known)}; known here: {', '.join(known)}{knob}"


def _no_part(path: KeyPath, value: Any, given: str) -> str:
    """A part that should have keys and has not; a bare amount does not say where it comes from."""
    if issubclass(_part(path), Sourced):
        amount = value if isinstance(value, int | float) and not isinstance(value, bool) else "…"
        return f'{given} does not say where it comes from; write {{value: {amount}, source: "who says so"}}'
    return f"{given} must be keys with values: {', '.join(_keys(path))}"


def _example(path: KeyPath) -> str:
    """How a missing key may be written."""
    name, owner = str(path[-1]), _part(path[:-1])
    annotation = owner.model_fields[name].annotation if name in owner.model_fields else None
    if _model_in(annotation) is Sourced:
        return f'{name}: {{value: …, source: "who says so"}} (value: null where nobody knows)'
    return f"{name}: true or false" if annotation is bool else f"{name}: …"


def _keys(path: KeyPath) -> list[str]:
    return list(_part(path).model_fields)


def _part(path: KeyPath) -> type[BaseModel]:
    """The part of an experiment that a key path leads to; the last known one where it leads out of the model."""
    part: type[BaseModel] = Experiment
    for key in path:
        if isinstance(key, str) and key in part.model_fields:
            part = _model_in(part.model_fields[key].annotation) or part
    return part


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The part that an annotation holds: `tuple[Prompt, ...]` holds Prompt."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)


def _near(name: str, known: list[str]) -> list[str]:
    return difflib.get_close_matches(name, known, n=1)


def _did_you_mean(name: str, known: list[str]) -> str:
    near = _near(name.strip("'\"").lower(), known)
    return f"; did you mean '{near[0]}'?" if near else ""
