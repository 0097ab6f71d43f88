"""What the command line says, and where: results on stdout, progress and one-line errors on stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 partial, 130 stopped by Ctrl-C. Loads no torch.
"""

import errno
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol, runtime_checkable

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sn_eval.results.files import ResultsError

DONE, FAILED, WRONG_INPUT, PARTIAL, STOPPED = 0, 1, 2, 3, 130
DEBUG = "SN_EVAL_DEBUG"
WIDE = 200  # columns of a table that goes to a file or a pipe
SECONDS_BETWEEN_LINES = 15.0  # of progress, where stderr is no terminal

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]


# --- results ----------------------------------------------------------------------------------------------


def say(text: str = "") -> None:
    """One line of result, as it is: no markup, no wrapping."""
    out.print(Text(text), soft_wrap=True)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = "") -> None:
    """A table on stdout; a column that holds only numbers is set flush right. `note` stands below it."""
    table = Table(title=Text(title, style="bold"), title_justify="left")
    for place, name in enumerate(columns):
        cells = [row[place] for row in rows]
        numeric = any(map(_is_number, cells)) and all(c is None or _is_number(c) for c in cells)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell_text(cell)) for cell in row))
    console = out if out.is_terminal else Console(width=WIDE, highlight=False)
    console.print(table)
    if note:
        say(note)


def cell_text(value: Any) -> str:
    """A value as a reader wants it.

    >>> [cell_text(v) for v in (0.12345, 1234567.0, 12, True, None, float("nan"), "a")]
    ['0.123', '1,234,567', '12', 'yes', '–', '–', 'a']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def percent(share: float | None) -> str:
    """A share.

    >>> percent(0.975), percent(None)
    ('97.5%', '–')
    """
    return "–" if share is None else f"{share:.1%}"


def duration(seconds: float) -> str:
    """A length of time.

    >>> duration(40.0), duration(400.0), duration(40000.0), duration(720000.0)
    ('40 s', '6.7 min', '11.1 h', '8.3 days')
    """
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def print_json(data: Any) -> None:
    """Data as JSON on stdout; dataclasses, pydantic models and paths are taken apart, NaN becomes null."""
    sys.stdout.write(json.dumps(plain(data), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def plain(data: Any) -> Any:
    """The same data in what JSON knows.

    >>> plain({"a": (1, float("nan")), 2: Path("x")})
    {'a': [1, None], '2': 'x'}
    """
    if hasattr(data, "model_dump"):
        return plain(data.model_dump())
    if is_dataclass(data) and not isinstance(data, type):
        return plain(asdict(data))
    if isinstance(data, Mapping):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple | set | frozenset):
        return [plain(value) for value in data]
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if data is None or isinstance(data, str | bool | int):
        return data
    return data.item() if hasattr(data, "item") else str(data)  # numpy and torch scalars have item()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- progress ---------------------------------------------------------------------------------------------


@runtime_checkable
class Bar(Protocol):
    """A line of progress, called with (done, total) or (done, total, note): an `interfaces.Progress`."""

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """So much is done; `total` None leaves the total as it was."""
        ...

    def close(self) -> None:
        """Take the line away."""
        ...


@runtime_checkable
class Bars(Protocol):
    """All lines of progress of a command."""

    def add(self, what: str, total: float | None = None) -> Bar:
        """A further line."""
        ...

    def say(self, text: str) -> None:
        """A line that stays, above the bars."""
        ...


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Bars]:
    """Progress on stderr with the time left: bars on a terminal, now and then a line elsewhere, or nothing.

    with progress(quiet=quiet) as bars:
        bar = bars.add("making the video")
        method(…, on_progress=bar)
    """
    if quiet:
        yield SilentBars()
    elif not err.is_terminal:
        yield PlainBars()
    else:
        parts = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("· left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*parts, console=err, transient=True) as live:
            yield LiveBars(live)


@dataclass
class SilentBars:
    """Says nothing."""

    def add(self, what: str, total: float | None = None) -> Bar:
        """A line that is not shown."""
        return SilentBar()

    def say(self, text: str) -> None:
        """Nothing."""


@dataclass
class SilentBar:
    """A line that is not shown."""

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@dataclass
class LiveBars:
    """Bars that move, on a terminal."""

    live: Progress

    def add(self, what: str, total: float | None = None) -> Bar:
        """A further bar."""
        return LiveBar(self.live, self.live.add_task(what, total=total, note=""))

    def say(self, text: str) -> None:
        """A line above the bars."""
        self.live.console.print(Text(text), soft_wrap=True)


@dataclass
class LiveBar:
    """A bar that moves."""

    live: Progress
    task: TaskID

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """Move it."""
        self.live.update(self.task, completed=done, total=total, note=note)  # None: as it was

    def close(self) -> None:
        """Take it away."""
        self.live.remove_task(self.task)


@dataclass
class PlainBars:
    """A line now and then, for logs: the first bar that has waited long enough speaks."""

    spoke: float = -math.inf

    def add(self, what: str, total: float | None = None) -> Bar:
        """A further source of lines."""
        return PlainBar(self, what, total)

    def say(self, text: str) -> None:
        """A line of its own."""
        err.print(Text(text), soft_wrap=True)


@dataclass
class PlainBar:
    """Speaks every SECONDS_BETWEEN_LINES, and when it is done, if it has spoken before: short steps pass in silence."""

    bars: PlainBars
    what: str
    total: float | None
    first: tuple[float, float] | None = None  # time and amount: a resumed run does not begin at 0
    spoke: bool = False

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say so, unless somebody has just spoken."""
        self.total = self.total if total is None else total
        now = time.monotonic()
        self.first = self.first or (now, done)
        if now - self.bars.spoke < SECONDS_BETWEEN_LINES and not (self.spoke and self.total and done >= self.total):
            return
        self.bars.spoke, self.spoke = now, True
        state = f"{done / self.total:.0%}{self._left(now, done)}" if self.total else f"{done:g}"
        self.bars.say(" · ".join(part for part in (f"{self.what}: {state}", note) if part))

    def close(self) -> None:
        """Nothing: what was said stays."""

    def _left(self, now: float, done: float) -> str:
        """The time left, at the pace so far; empty where that is not known."""
        since, before = self.first or (now, done)
        if not self.total or done <= before or done >= self.total:
            return ""
        return f", {_clock((now - since) / (done - before) * (self.total - done))} left"


def _clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> _clock(75), _clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- errors -----------------------------------------------------------------------------------------------


@contextmanager
def friendly(kept: Path | str | None = None) -> Iterator[None]:
    """Whatever goes wrong inside becomes one line on stderr and an exit code (SystemExit); see the module.

    kept: where finished work lies, told on Ctrl-C. The whole command line runs inside one already; a command
    nests its own only to name `kept`. With SN_EVAL_DEBUG=1 the traceback is shown too.
    """
    try:
        yield
    except (typer.Exit, SystemExit):
        raise
    except (KeyboardInterrupt, typer.Abort):
        where = f"; finished work is kept in {kept}" if kept is not None else ""
        _leave(f"stopped{where}", STOPPED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `… | head`: the reader had enough
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001  the last line of defence: a user never sees a traceback unasked
        _leave(*_in_words(error))


def fail(message: str, code: int = FAILED) -> NoReturn:
    """End the command with one line on stderr."""
    _leave(f"error: {message}", code)


def _leave(line: str, code: int) -> NoReturn:
    if os.environ.get(DEBUG) and sys.exc_info()[0]:
        sys.stderr.write(traceback.format_exc())
    err.print(Text(" ".join(line.split())), soft_wrap=True)
    sys.exit(code)


def _in_words(error: Exception) -> tuple[str, int]:
    """The line and the exit code for an error."""
    if _is_input_error(error):
        return f"error: {error}", WRONG_INPUT
    if hasattr(error, "format_message"):  # typer's own: wrong usage
        return f"error: {error.format_message()}{_where_help_is(error)}", WRONG_INPUT
    if isinstance(error, OSError):
        return f"error: {_os_error(error)}", FAILED
    kind, text = type(error).__name__, str(error) or "no message"
    if isinstance(error, MemoryError) or "OutOfMemory" in kind:
        return "error: out of memory. Use fewer candidates or a smaller --max-batch.", FAILED
    return f"error: unexpected {kind}: {text}; run with {DEBUG}=1 for the traceback", FAILED


def _is_input_error(error: Exception) -> bool:
    """UserError or ResultsError. The former's module loads torch: who raised it has loaded it already."""
    base = sys.modules.get("rewards.base")
    return isinstance(error, ResultsError) or (base is not None and isinstance(error, base.UserError))


def _where_help_is(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f" See `{context.command_path} --help`." if context is not None else ""


def _os_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    where = f" {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"cannot write{where}: {reason}. Free some space, or choose another folder."
    return f"cannot use{where}: {reason}. Choose a file or folder that exists and that you may use."
