"""Where cells run: in this process, in processes of this machine, or on a Ray cluster. One protocol; each file is one.

An executor moves names and results, never objects: a worker makes model, reward and evaluators itself. What is finished
is what the store holds, whatever an executor says. Nothing here needs torch, so a finished run loads none.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sn_eval.results.error_log import Category
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError


@dataclass(frozen=True)
class Crew:
    """What every worker is told. store: absolute. home: folder that relative paths count from.

    threads: of torch, in each worker; None leaves them as they are.
    """

    experiment: Experiment
    store: Path
    home: Path
    threads: int | None = None


@dataclass(frozen=True)
class Failure:
    """Why a call failed, in words: exceptions themselves may not survive the way between processes.

    lost: the worker ended without an answer, so it has not logged the failure either.
    """

    category: Category
    kind: str
    message: str
    lost: bool = False

    @property
    def line(self) -> str:
        """The message in one line; the kind in front where it is not for the user's eyes alone."""
        text = " ".join(self.message.split()) or "no message"
        return text if self.kind in ("UserError", "ResultsError", "NoVideo") else f"{self.kind}: {text}"


@dataclass(frozen=True)
class Result:
    """What a worker's method returned, or why it failed, and after how many seconds."""

    value: Any = None
    failure: Failure | None = None
    seconds: float = 0.0


@runtime_checkable
class Executor(Protocol):
    """Up to `slots` calls of a `poc.worker.Worker` at once. `submit` only while fewer are under way."""

    slots: int

    def start(self, crew: Crew, steps: Callable[[int, int], None]) -> None:
        """Be ready; workers may be made later, when first needed. steps: is told of a cell's steps, where it can be."""
        ...

    def submit(self, ticket: str, method: str, *args: Any) -> None:
        """Have a worker call one of its methods; the ticket names the answer."""
        ...

    def next(self) -> tuple[str, Result]:
        """The next answer; waits for it."""
        ...

    def close(self) -> None:
        """End all workers at once, whatever they are doing."""
        ...


class WorkerLost(OSError):
    """A worker ended without an answer."""


def lost(why: str) -> Failure:
    """The failure of a call whose worker ended without an answer."""
    return Failure("infrastructure", WorkerLost.__name__, why, lost=True)


def names() -> list[str]:
    """Every executor: the modules of this folder."""
    return sorted(info.name for info in pkgutil.iter_modules(__path__))


def create(name: str, **options: Any) -> Executor:
    """The executor of that name; ResultsError for an unknown name or an option that it has not."""
    if name not in names():
        raise ResultsError(f"unknown executor {name!r}: choose one of {', '.join(names())}")
    made: Any = importlib.import_module(f"{__name__}.{name}").Workers
    given = {key: value for key, value in options.items() if value is not None}
    known = made.__dataclass_fields__
    for key in given:
        if key not in known or not known[key].init:
            raise ResultsError(f"executor {name!r} takes no --{key.replace('_', '-')}: leave it out")
    executor: Executor = made(**given)
    return executor
