"""A run store: one immutable folder per cell; `record.json` is written last, so its presence means complete.

Resuming, whoever ran the cells before, is asking the store which ids are missing. Everything is on the disk before the
record is, so neither a killed process nor a lost machine leaves a record without its video.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sn_eval.results import error_log
from sn_eval.results import record as records
from sn_eval.results.error_log import Category, ErrorLog
from sn_eval.results.files import ResultsError, cannot_write, sync, write_whole
from sn_eval.results.lock import sole_writer
from sn_eval.results.record import Record

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}")
MARKER = "store.json"
SCHEMA = 1  # of the folders; a newer one is refused, an older one (or none) is read

Stamp = tuple[int, int]
"""Time of the last change in nanoseconds, and size in bytes."""


@dataclass(frozen=True)
class RunStore:
    """`root/cells/<id>/…` and `root/errors.jsonl`; processes that run different cells may share it.

    A store that a newer sn-eval wrote is a ResultsError.
    """

    root: Path

    def __post_init__(self) -> None:
        path = Path(self.root) / MARKER
        try:
            schema = json.loads(path.read_bytes())["schema"]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise ResultsError(f"cannot read {path}: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ResultsError(f"{path} is damaged: delete it; the cells beside it stay.") from error
        if not isinstance(schema, int) or schema > SCHEMA:
            raise ResultsError(
                f"{self.root} is a store of schema {schema}, and this sn-eval knows {SCHEMA}: upgrade sn-eval."
            )

    def folder(self, cell: str) -> Path:
        """Where the cell lives; raises ResultsError for an id that is no plain folder name."""
        if not ID.fullmatch(cell):
            raise ResultsError(f"cell id {cell!r}: use letters, digits and . _ = + - (at most 200), no path.")
        return Path(self.root) / "cells" / cell

    # --- what is there --------------------------------------------------------------------------------------

    def has(self, cell: str) -> bool:
        """Whether the cell is complete."""
        return (self.folder(cell) / records.FILE_NAME).is_file()

    def stamps(self) -> dict[str, Stamp]:
        """Complete cells, sorted, each with the stamp of its record: 10,000 take one system call each."""
        found: dict[str, Stamp] = {}
        try:
            names = os.listdir(Path(self.root) / "cells")
        except (FileNotFoundError, NotADirectoryError):
            return found
        for name in sorted(filter(ID.fullmatch, names)):
            try:
                status = os.stat(f"{self.root}/cells/{name}/{records.FILE_NAME}")
            except (FileNotFoundError, NotADirectoryError):
                continue
            found[name] = (status.st_mtime_ns, status.st_size)
        return found

    def ids(self) -> list[str]:
        """Complete cells, sorted."""
        return list(self.stamps())

    def missing(self, cells: Iterable[str]) -> list[str]:
        """Those of `cells` that still have to run, in the given order."""
        return [cell for cell in cells if not self.has(cell)]

    def record(self, cell: str) -> Record:
        """The record of a complete cell; raises ResultsError when it is missing or damaged."""
        return records.load(self.folder(cell))

    def records(self) -> Iterator[Record]:
        """Records of all complete cells, in the order of their ids; `snapshot.recorded` is made for many."""
        return (self.record(cell) for cell in self.ids())

    # --- writing --------------------------------------------------------------------------------------------

    def locked(self) -> AbstractContextManager[None]:
        """Be the only run that writes here, in a `with` block; ResultsError names the one that already does.

        Its workers need no lock of their own, and readers need none.
        """
        self._mark()
        return sole_writer(Path(self.root))

    def begin(self, cell: str) -> Path:
        """An empty folder for the cell: what a dead run left there is removed; a complete cell is refused."""
        folder = self.folder(cell)
        self._refuse_complete(cell)
        self._mark()
        try:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder

    def finish(self, cell: str, record: Record) -> Path:
        """Commit the cell by writing its record, last; a complete cell is refused.

        The record notes the sizes of the other files. They are forced to the disk before it, so that a record that
        survives a crash of the machine has its video.
        """
        self._refuse_complete(cell)
        folder, files = self.folder(cell), {}
        try:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                sync(path)
                files[path.relative_to(folder).as_posix()] = path.stat().st_size
            for place in (folder, folder.parent, folder.parent.parent):
                sync(place)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return records.save(record.model_copy(update={"files": files}), folder)

    def _mark(self) -> None:
        """Say which schema this is, once."""
        path = Path(self.root) / MARKER
        if not path.is_file():
            write_whole(path, json.dumps({"schema": SCHEMA}) + "\n")

    def _refuse_complete(self, cell: str) -> None:
        if self.has(cell):
            next_step = f"delete {self.folder(cell)} to redo it"
            raise ResultsError(f"cell {cell} is complete, and complete cells never change: {next_step}.")

    # --- what failed ----------------------------------------------------------------------------------------

    def fail(self, cell: str, error: BaseException, *, category: Category = "infrastructure", attempt: int = 1) -> None:
        """Append one line about a failed attempt to `errors.jsonl`. attempt: from 1."""
        self._mark()
        error_log.log_error(Path(self.root) / error_log.FILE_NAME, cell, error, category, attempt)

    def error_log(self) -> ErrorLog:
        """Failed attempts, oldest first, and how many lines about them are damaged."""
        return error_log.read_errors(Path(self.root) / error_log.FILE_NAME)

    def errors(self) -> list[dict[str, Any]]:
        """Failed attempts, oldest first; damaged lines are left out (`error_log` counts them)."""
        return list(self.error_log().lines)

    def last_errors(self) -> dict[str, dict[str, Any]]:
        """The last line of every cell that failed at some time, complete by now or not."""
        return {line["cell"]: line for line in self.error_log().lines}

    # --- what was damaged -----------------------------------------------------------------------------------

    def problems(self, cell: str) -> str | None:
        """What is wrong with a complete cell, in one line: its record, or a missing or cut file. None for the others.

        `snapshot.damaged` asks this of all cells at once.
        """
        if not self.has(cell):
            return None
        try:
            return self.changed(cell, self.record(cell))
        except ResultsError as error:
            return str(error)

    def changed(self, cell: str, record: Record) -> str | None:
        """Which file beside the record no longer is as it was noted there, in one line; None where all are.

        Records from before sizes were noted name no files, so nothing is known about theirs.
        """
        for name, size in record.files.items():
            path = f"{self.root}/cells/{cell}/{name}"
            try:
                found = os.stat(path).st_size
            except OSError as error:
                return f"{path} cannot be found: {error.strerror}."
            if found != size:
                return f"{path} has {found:,} bytes, not the {size:,} that were written."
        return None

    def set_aside(self, cell: str) -> Path:
        """Move a damaged cell to `damaged/<id>-<n>`, so that it runs again; nothing is deleted.

        ResultsError where the cell is not damaged.
        """
        if self.problems(cell) is None:
            raise ResultsError(f"cell {cell} is not damaged, so it stays where it is.")
        folder, aside = self.folder(cell), Path(self.root) / "damaged"
        try:
            aside.mkdir(exist_ok=True)
            number = 1
            while (place := aside / f"{cell}-{number}").exists():
                number += 1
            folder.rename(place)
            sync(aside)
            sync(folder.parent)
        except OSError as error:
            raise cannot_write(aside, error) from error
        return place
