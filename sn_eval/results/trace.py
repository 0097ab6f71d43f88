"""A search's trace: one JSON object a line, streamed, so a killed run leaves every step that it finished.

Appending whole lines survives a kill at any moment but for a cut last line, which the reader drops.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from sn_eval.results.files import ResultsError, cannot_write


class TraceWriter:
    """Streams rows into a new file, a line a row, each handed to the system at once; use it with `with`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._file: TextIO | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; NaN becomes null, numbers of numpy and torch become plain ones.

        Raises ResultsError when the disk refuses it, TypeError for a value that JSON cannot hold.
        """
        if self._file is None:
            raise ResultsError(f"the trace {self.path} is closed: write inside its `with` block.")
        line = json.dumps(plain(row), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        try:
            self._file.write(line + "\n")
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except ResultsError:
            if kind is None:  # else the first error is the one to show
                raise


def read_trace(path: Path | str) -> Iterator[dict[str, Any]]:
    """Rows of a trace, one by one. A cut last line (a killed run) is dropped; other bad lines are errors."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                yield _parse(line, path, number)
    except OSError as error:
        raise ResultsError(f"cannot read the trace {path}: {error.strerror}.") from error


def plain(value: Any) -> Any:
    """The value as JSON can hold it.

    >>> plain({"score": float("nan"), 3: (1, 2.5)})
    {'score': None, '3': [1, 2.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy and torch, without importing either
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _parse(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        problem = f"{path}, line {number}: not JSON."
        raise ResultsError(f"{problem} Delete the cell's folder and run it again.") from error
    if not isinstance(row, dict):
        raise ResultsError(f"{path}, line {number}: {type(row).__name__}, but a trace holds objects.")
    return row
