"""Names to components: one registry finds rewards, metrics, search methods, proposals, models and rollouts.

A component is a class or a factory function that makes the object from keyword parameters, marked with its
name::

    @component("best_of_n")
    def best_of_n(videos: int = 4) -> WholeVideo:
        '''N whole videos, the best is kept.'''

The file is the registration: every module of the registry's package is scanned when a name is first needed,
so adding a file is enough and no list is edited. A file named after its component is found without importing
the others. `use` is a built-in name, an installed plugin's entry point, "pkg.mod:attr" or
"path/file.py:attr".
"""

import collections.abc
import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import sys
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from rewards.base import UserError

Made = TypeVar("Made", bound=Callable[..., Any])


def component(name: str) -> Callable[[Made], Made]:
    """Mark a class or factory function as the component `name`. Subclasses do not inherit the mark."""

    def mark(target: Made) -> Made:
        target.component_name = name  # type: ignore[attr-defined]
        return target

    return mark


@dataclass(frozen=True)
class Parameter:
    """A component's parameter: its name, its type in words, its default in words (None when it must be
    given).
    """

    name: str
    type: str
    default: str | None

    def __str__(self) -> str:
        return f"{self.name}: {self.type}" + ("" if self.default is None else f" = {self.default}")


@dataclass(frozen=True)
class Description:
    """What help pages show: name, first line of the docstring, all of it, parameters, and where it is
    defined.
    """

    name: str
    summary: str
    text: str
    parameters: tuple[Parameter, ...]
    module: str


class Registry:
    """Finds, describes and makes the components of one kind.

    kind: the word for error messages ("reward"). package: whose modules hold the built-in ones ("rewards").
    entry_point_group: where installed plugins announce theirs ("sn_eval.rewards").
    makes: a class or runtime-checkable protocol which everything created must satisfy, or None.
    hint: how a user marks a component of this kind, for error messages.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        entry_point_group: str,
        *,
        makes: type | None = None,
        hint: str = '@component("name") from rewards.registry',
    ) -> None:
        self.kind, self.package, self.group = kind, package, entry_point_group
        self.makes, self.hint = makes, hint
        self._found: dict[str, Callable[..., Any]] | None = None

    def names(self) -> list[str]:
        """All names that `create` knows without a path: built-in ones and installed plugins, sorted."""
        return sorted({*self._builtin(), *(point.name for point in self._entry_points())})

    def create(self, use: str, /, **params: Any) -> Any:
        """Make the component `use` with these parameters; UserError names what is allowed when they do not
        fit.
        """
        target = self.resolve(use)
        self._check_params(use, target, params)
        made = target(**params)
        if self.makes is not None and not isinstance(made, self.makes):
            raise UserError(
                f"{self.kind} {use!r} makes a {type(made).__name__}, which is not a {self.makes.__name__}: "
                f"see the docstring of {self.makes.__module__}.{self.makes.__name__}"
            )
        return made

    def resolve(self, use: str) -> Callable[..., Any]:
        """The class or factory behind `use`; UserError with the file, the line and the next step when there
        is none.
        """
        if not isinstance(use, str) or not use.strip():
            raise UserError(f"a {self.kind} is named by a text such as {self.names()[0]!r}; given {use!r}")
        if ":" in use:
            return self._attribute(use)
        if use.endswith(".py"):
            raise UserError(f"{use!r} names a file but not the {self.kind} in it: write {use}:NAME")
        quick = self._module_of_that_name(use)
        if quick is not None:
            return quick
        if use in self._builtin():
            return self._builtin()[use]
        for point in self._entry_points():
            if point.name == use:
                return self._marked(use, self._guard(use, point.load))
        raise UserError(
            f"unknown {self.kind} {use!r}.{did_you_mean(use, self.names())} Known: {', '.join(self.names())}"
        )

    def describe(self, use: str) -> Description:
        """Name, docstring and parameters of `use`, without making it."""
        target = self.resolve(use)
        text = inspect.getdoc(target) or ""
        summary = text.strip().split("\n")[0]
        return Description(use, summary, text, parameters_of(target), target.__module__)

    def _builtin(self) -> dict[str, Callable[..., Any]]:
        """Every component of the package, by name; modules are imported once, when first needed."""
        if self._found is None:
            found: dict[str, Callable[..., Any]] = {}
            for info in pkgutil.iter_modules(
                importlib.import_module(self.package).__path__, f"{self.package}."
            ):
                if info.name.rpartition(".")[2].startswith("_"):
                    continue
                for name, target in _components(
                    self._guard(info.name, partial(importlib.import_module, info.name))
                ):
                    if name in found:
                        raise UserError(
                            f"{self.kind} {name!r} is defined twice, in {found[name].__module__} "
                            f"and in {info.name}: rename one"
                        )
                    found[name] = target
            self._found = found
        return self._found

    def _module_of_that_name(self, name: str) -> Callable[..., Any] | None:
        """The component in the file of the same name, so that one name does not import all others."""
        if self._found is not None or not name.isidentifier():
            return None
        module = f"{self.package}.{name}"
        if importlib.util.find_spec(module) is None:
            return None
        return dict(_components(self._guard(module, partial(importlib.import_module, module)))).get(name)

    def _entry_points(self) -> list[importlib.metadata.EntryPoint]:
        """Installed plugins of this kind."""
        return list(importlib.metadata.entry_points(group=self.group))

    def _attribute(self, use: str) -> Callable[..., Any]:
        """The component behind "pkg.mod:attr" or "file.py:attr"."""
        where, _, attribute = use.rpartition(":")
        if where.endswith(".py") or "/" in where:
            module = self._from_file(use, Path(where))
        else:
            module = self._guard(use, partial(importlib.import_module, where))
        if not attribute or not hasattr(module, attribute):
            inside = [target.__name__ for _, target in _components(module)]
            known = (
                f" It holds: {', '.join(inside)}"
                if inside
                else f" It holds no {self.kind}: mark one with {self.hint}"
            )
            raise UserError(f"{where} has no {attribute!r}.{did_you_mean(attribute, inside)}{known}")
        return self._marked(use, getattr(module, attribute))

    def _from_file(self, use: str, path: Path) -> ModuleType:
        """Load a user's file as a module; loaded anew only when its content has changed."""
        if not path.is_file():
            raise UserError(
                f"{self.kind} {use!r}: there is no file {path}; the path counts from {Path.cwd()}"
            )
        source = path.read_bytes()
        name = f"user_{path.stem}_{hashlib.sha256(str(path.resolve()).encode() + source).hexdigest()[:12]}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UserError(f"{self.kind} {use!r}: {path} is not a Python file")
        module, loader = importlib.util.module_from_spec(spec), spec.loader
        sys.modules[name] = module  # dataclasses and pickle look their module up by name
        try:
            self._guard(use, lambda: loader.exec_module(module), path)
        except UserError:
            del sys.modules[name]
            raise
        return module

    def _guard(self, use: str, load: Callable[[], Any], path: Path | None = None) -> Any:
        """Run an import; whatever it raises becomes one line with file, line and next step."""
        try:
            return load()
        except UserError:
            raise
        except SyntaxError as error:
            raise UserError(
                f"{error.filename}, line {error.lineno}: {error.msg}. Correct that line"
            ) from error
        except ModuleNotFoundError as error:
            raise UserError(
                f"{self.kind} {use!r}{_place(error, path)}: there is no module {error.name!r}. "
                "Install it, add its folder to PYTHONPATH, or name the file as path/file.py:NAME"
            ) from error
        except Exception as error:  # a user's file may raise anything
            raise UserError(
                f"{self.kind} {use!r}{_place(error, path)}: {type(error).__name__}: {error}. Correct the file"
            ) from error

    def _marked(self, use: str, target: Any) -> Callable[..., Any]:
        """The target, if it was marked as a component."""
        if not callable(target) or "component_name" not in vars(target):
            raise UserError(f"{use!r} is not a {self.kind}: mark it with {self.hint}")
        return target  # type: ignore[no-any-return]

    def _check_params(self, use: str, target: Callable[..., Any], params: Mapping[str, Any]) -> None:
        """Raise UserError on unknown, missing or badly typed parameters, naming those that are allowed."""
        signature = inspect.signature(target)
        allowed = "; ".join(str(p) for p in parameters_of(target)) or "none"
        open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
        hints = _hints(target)
        for name, value in params.items():
            if name not in signature.parameters and not open_ended:
                guess = did_you_mean(name, list(signature.parameters))
                raise UserError(f"{self.kind} {use!r} has no parameter {name!r}.{guess} Allowed: {allowed}")
            if name in hints and not fits(value, hints[name]):
                raise UserError(
                    f"{self.kind} {use!r}: {name} must be {_type_words(hints[name])}; given {value!r}. "
                    f"Allowed: {allowed}"
                )
        missing = [p.name for p in signature.parameters.values() if _required(p) and p.name not in params]
        if missing:
            raise UserError(f"{self.kind} {use!r} needs {', '.join(missing)}. Allowed: {allowed}")


def did_you_mean(given: str, known: list[str]) -> str:
    """A hint for a misspelt name, or nothing.

    >>> did_you_mean("persistance", ["object_persistence", "motion_floor"])
    " Did you mean 'object_persistence'?"
    >>> did_you_mean("x", ["object_persistence"])
    ''
    """
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    tails = [name for name in known if difflib.get_close_matches(given, name.split("_"), n=1, cutoff=0.8)]
    best = (close or tails)[:1]
    return f" Did you mean {best[0]!r}?" if best else ""


def fits(value: object, annotation: Any) -> bool:
    """Does a value from YAML or a command line fit a type? Types that are not plain data always fit.

    >>> fits(1, float), fits("a", float), fits(None, int | None), fits([1, 2], tuple[int, ...])
    (True, False, True, True)
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, choice) for choice in arguments)
    if origin is typing.Literal:
        return value in arguments
    if annotation in (int, float):
        return isinstance(value, int | (float if annotation is float else int)) and not isinstance(
            value, bool
        )
    if annotation in (str, bool, type(None)):
        return isinstance(value, annotation)
    if (origin or annotation) in (list, tuple, collections.abc.Sequence):
        return isinstance(value, list | tuple) and (
            not arguments or all(fits(v, arguments[0]) for v in value)
        )
    if (origin or annotation) in (dict, collections.abc.Mapping):
        return isinstance(value, Mapping)
    return True


def parameters_of(target: Callable[..., Any]) -> tuple[Parameter, ...]:
    """A component's parameters in words."""
    hints = _hints(target)
    return tuple(
        Parameter(
            p.name, _type_words(hints.get(p.name, p.annotation)), None if _required(p) else repr(p.default)
        )
        for p in inspect.signature(target).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    )


def _required(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    return parameter.default is parameter.empty and not variadic


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    """Parameter types; text annotations are resolved where they can be."""
    raw = {
        p.name: p.annotation
        for p in inspect.signature(target).parameters.values()
        if p.annotation is not p.empty
    }
    if not any(isinstance(annotation, str) for annotation in raw.values()):
        return raw
    try:
        holder = target.__init__ if inspect.isclass(target) else target  # type: ignore[misc]
        return {key: hint for key, hint in typing.get_type_hints(holder).items() if key in raw}
    except (NameError, TypeError):
        return {}


def _type_words(annotation: Any) -> str:
    """A type as a reader wants it: "one of 'a', 'b'", "float", "int or None"."""
    if annotation is inspect.Parameter.empty:
        return "any"
    if typing.get_origin(annotation) is typing.Literal:
        return "one of " + ", ".join(repr(choice) for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " or ".join(_type_words(choice) for choice in typing.get_args(annotation))
    if annotation is type(None):
        return "None"
    return (
        annotation.__name__
        if isinstance(annotation, type) and not typing.get_args(annotation)
        else str(annotation)
    )


def _components(module: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    """Name and target of the components that this very module defines."""
    return [
        (vars(target)["component_name"], target)
        for target in vars(module).values()
        if hasattr(target, "__dict__")
        and "component_name" in vars(target)
        and getattr(target, "__module__", None) == module.__name__
    ]


def _place(error: BaseException, path: Path | None) -> str:
    """Where the user's own file failed, as ` (file, line n)`."""
    if path is None:
        return ""
    lines = [
        f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == path.name
    ]
    return f" ({path}, line {lines[-1]})" if lines else f" ({path})"
