"""What people know of their videos, as a table: CSV or JSON lines, one row a video.

Columns: path (or video, or file), prompt, fps, anchor (the picture that the video was made from), name; all others are
kept as metadata. Relative paths count from the folder of the table.
"""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewards.base import UserError

PATH_COLUMNS = ("path", "video", "file")
KNOWN = ("prompt", "fps", "anchor", "name")
CHUNK = "frames_per_chunk"
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Row:
    """One video as its author describes it; the file need not be there."""

    path: Path
    prompt: str = ""
    fps: float | None = None
    anchor: Path | None = None
    name: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """Rows in their order, and what is wrong with others: where → why, in one line."""

    rows: tuple[Row, ...]
    failed: Mapping[str, str]


def read_manifest(path: Path | str) -> Manifest:
    """Read a .csv, .tsv or .jsonl; UserError where the file as a whole cannot be used.

    CSV may start with a BOM and be split by commas, semicolons or tabs; its cells that are numbers, true or false
    become such.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")  # as it is: line ends may stand inside of texts
    except UnicodeDecodeError as error:
        raise UserError(f"manifest {path} is not UTF-8 (byte {error.start}): save it as CSV UTF-8") from error
    except OSError as error:
        raise UserError(f"cannot read manifest {path}: {error.strerror}. Give a CSV or JSONL file") from error
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        raw = _json_lines(path, text)
    elif path.suffix.lower() in (".csv", ".tsv"):
        raw = _csv(path, text)
    else:
        raise UserError(f"manifest {path}: its name must end in .csv, .tsv or .jsonl")
    rows, failed = [], {}
    for line, found in raw:
        try:
            rows.append(_row(found, path.parent))
        except UserError as error:
            failed[f"{path}:{line}"] = f"{path}:{line} {error}"
    return Manifest(tuple(rows), failed)


Raw = Iterator[tuple[int, Mapping[str, Any] | UserError]]  # (line, cells, or what is wrong with it)


def _csv(path: Path, text: str) -> Raw:
    """Rows of a CSV, numbered by the line where they end, as a text editor counts."""
    head = (text.lstrip().splitlines() or [""])[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        _check_columns(path, columns)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(columns):
                why = f"has {len(cells)} cells for {len(columns)} columns: put texts that hold commas in quotes"
                yield reader.line_num, UserError(why)
            else:
                yield reader.line_num, dict(zip(columns, cells, strict=False))
    except csv.Error as error:
        raise UserError(f"manifest {path} is no CSV: {error} (line {reader.line_num})") from error


def _check_columns(path: Path, columns: list[str]) -> None:
    """UserError unless the columns say where the videos are, each once."""
    if not set(columns) & set(PATH_COLUMNS):
        there = ", ".join(columns) or "none"
        raise UserError(f"manifest {path} has no column path (or video, or file); it has {there}")
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise UserError(f"manifest {path} has the column {twice[0]} twice: keep one")


def _json_lines(path: Path, text: str) -> Raw:
    """One object a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            yield number, UserError(f"is no JSON: {error.msg}, column {error.colno}")
            continue
        if isinstance(found, dict):
            yield number, {str(key).strip().lower(): value for key, value in found.items()}
        else:
            yield number, UserError('is no JSON object such as {"path": "clip.mp4", "prompt": "…"}')


def _row(found: Mapping[str, Any] | UserError, folder: Path) -> Row:
    """A row with its cells understood; UserError says what is wrong with it."""
    if isinstance(found, UserError):
        raise found
    cells = {key: value for key, value in found.items() if value is not None and str(value).strip()}
    paths = [cells[column] for column in PATH_COLUMNS if column in cells]
    if not paths:
        raise UserError("names no video: fill in its column path")
    anchor = folder / _text(cells["anchor"]) if "anchor" in cells else None
    if anchor is not None and not os.path.isfile(anchor):
        raise UserError(f"has the anchor {anchor}, which is no file")
    used = {*KNOWN, next(column for column in PATH_COLUMNS if column in cells)}
    metadata = {key: _parsed(value) for key, value in cells.items() if key and key not in used}
    if CHUNK in metadata:
        metadata[CHUNK] = _frames(metadata[CHUNK])
    return Row(
        folder / _text(paths[0]), _text(cells.get("prompt", "")), _fps(cells.get("fps")), anchor,
        _text(cells.get("name", "")), metadata,
    )  # fmt: skip


def _text(value: Any) -> str:
    """A cell as text; UserError where it is a list or the like."""
    if not isinstance(value, str | int | float) or "\0" in str(value):
        raise UserError(f"has {value!r} where a text must stand")
    return str(value).strip()


def _fps(value: Any) -> float | None:
    """A rate; None where none is given."""
    if value is None:
        return None
    try:
        rate = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not 0 < rate < math.inf:
        raise UserError(f"has fps {value!r}: it must be a number above 0")
    return rate


def _frames(value: Any) -> int:
    """A whole number of frames."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < 1e9 or value % 1:
        raise UserError(f"has {CHUNK} {value!r}: it must be a whole number of at least 1")
    return int(value)


def _parsed(value: Any) -> Any:
    """A cell of a CSV as the number or truth value that it is.

    >>> _parsed("7"), _parsed("0.50"), _parsed("true"), _parsed("1e3"), _parsed("7 cups"), _parsed("nan")
    (7, 0.5, True, 1000.0, '7 cups', 'nan')
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not NUMBER.fullmatch(text) or len(text) > 40:  # what is longer is an identifier
        return text
    number = float(text)
    if text.lstrip("+-").isdigit():
        return int(text)
    return number if math.isfinite(number) else text
