"""A run store: one immutable folder per cell; `record.json` is written last, so its presence means complete.

Resuming, whoever ran the cells before, is asking the store which ids are missing.
"""

import json
import re
import shutil
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sn_eval.results import record as records
from sn_eval.results.files import ResultsError, cannot_write
from sn_eval.results.record import Record
from sn_eval.results.trace import read_trace

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}")


@dataclass(frozen=True)
class RunStore:
    """`root/cells/<id>/…` and `root/errors.jsonl`; processes that run different cells may share it."""

    root: Path

    def folder(self, cell: str) -> Path:
        """Where the cell lives; raises ResultsError for an id that is no plain folder name."""
        if not ID.fullmatch(cell):
            raise ResultsError(f"cell id {cell!r}: use letters, digits and . _ = + - (at most 200), no path.")
        return Path(self.root) / "cells" / cell

    def has(self, cell: str) -> bool:
        """Whether the cell is complete."""
        return (self.folder(cell) / records.FILE_NAME).is_file()

    def ids(self) -> list[str]:
        """Complete cells, sorted."""
        found = (Path(self.root) / "cells").glob(f"*/{records.FILE_NAME}")
        return sorted(path.parent.name for path in found)

    def missing(self, cells: Iterable[str]) -> list[str]:
        """Those of `cells` that still have to run, in the given order."""
        return [cell for cell in cells if not self.has(cell)]

    def begin(self, cell: str) -> Path:
        """An empty folder for the cell: what a dead run left there is removed; a complete cell is refused."""
        folder = self.folder(cell)
        self._refuse_complete(cell)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder

    def finish(self, cell: str, record: Record) -> Path:
        """Commit the cell by writing its record, last; a complete cell is refused."""
        self._refuse_complete(cell)
        return records.save(record, self.folder(cell))

    def record(self, cell: str) -> Record:
        """The record of a complete cell; raises ResultsError when it is missing or damaged."""
        return records.load(self.folder(cell))

    def records(self) -> Iterator[Record]:
        """Records of all complete cells, in the order of their ids."""
        return (self.record(cell) for cell in self.ids())

    def fail(self, cell: str, error: BaseException) -> None:
        """Append one line about a failed attempt to `errors.jsonl`."""
        line = {
            "cell": cell,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "kind": type(error).__name__,
            "message": str(error),
            "traceback": "".join(traceback.format_exception(error)),
        }
        path = Path(self.root) / "errors.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:  # append mode: a line stays whole among processes
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as problem:
            raise cannot_write(path, problem) from problem

    def errors(self) -> list[dict[str, Any]]:
        """Failed attempts, oldest first."""
        path = Path(self.root) / "errors.jsonl"
        return list(read_trace(path)) if path.is_file() else []

    def _refuse_complete(self, cell: str) -> None:
        if self.has(cell):
            next_step = f"delete {self.folder(cell)} to redo it"
            raise ResultsError(f"cell {cell} is complete, and complete cells never change: {next_step}.")
