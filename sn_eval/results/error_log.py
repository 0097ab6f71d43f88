"""What failed, a line of JSON an attempt, in `errors.jsonl`: read as far as it can be, whatever a crash left of it."""

import json
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from sn_eval.results.files import ResultsError, append_line

FILE_NAME = "errors.jsonl"

Category = Literal["infrastructure", "quality", "evaluator", "input"]
"""infrastructure: may work next time. quality: the method made no usable video. evaluator: one judge failed on one
video. input: the user's files."""


@dataclass(frozen=True)
class ErrorLog:
    """lines: {cell, time, kind, message, traceback, category, attempt}, oldest first. damaged: lines that are none."""

    lines: tuple[dict[str, Any], ...] = ()
    damaged: int = 0


def log_error(path: Path, cell: str, error: BaseException, category: Category, attempt: int) -> None:
    """Append one line, durably; ResultsError where the disk refuses it."""
    line = {
        "cell": cell,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "kind": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
        "category": category,
        "attempt": attempt,
    }
    append_line(path, json.dumps(line, ensure_ascii=False))


def read_errors(path: Path) -> ErrorLog:
    """All lines that can be read; none where there is no file. Lines of before categories get the usual one.

    A cut last line is what a killed process was writing: it is dropped, and is no damage.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ErrorLog()
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}.") from error
    whole = data[: data.rfind(b"\n") + 1].splitlines()
    parsed = [_parsed(line) for line in whole if line.strip()]
    lines = tuple(line for line in parsed if line is not None)
    return ErrorLog(lines, len(parsed) - len(lines))


def _parsed(data: bytes) -> dict[str, Any] | None:
    """The line, None where it is damaged."""
    try:
        line = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not isinstance(line.get("cell"), str):
        return None
    line = {"category": "infrastructure", "attempt": 1, "time": "", "kind": "", "message": "", "traceback": "", **line}
    return line if line["category"] in get_args(Category) else None
