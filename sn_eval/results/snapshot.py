"""All records of a store at once: a Parquet file beside the cells spares opening 10,000 files to know them again.

The file is a cache, and nothing else: each of its records counts only while the cell's own `record.json` has the time
and size that were seen. Delete it at any time; where it is damaged or cannot be written, the cells are read.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sn_eval.results.files import ResultsError, write_whole
from sn_eval.results.record import FILE_NAME as RECORD
from sn_eval.results.record import Record
from sn_eval.results.store import RunStore, Stamp
from sn_eval.results.table import table

if TYPE_CHECKING:
    import pandas as pd

FILE_NAME = "snapshot.parquet"
REWRITTEN = 20  # once a cell in so many is not in it: reading the few that lack is cheaper than writing all

READERS = 8  # threads: a cold disk serves several at once

Kept = dict[str, tuple[Stamp, str]]
"""By cell: stamp of its record, and the text of its record."""


@dataclass(frozen=True)
class Recorded:
    """Complete cells, in the order of their ids. unreadable: those whose record is damaged, and why, in one line.

    stamps: of all of them, as they were read.
    """

    records: dict[str, Record]
    unreadable: dict[str, str]
    stamps: dict[str, Stamp] = field(default_factory=dict)


def recorded(store: RunStore, *, before: Recorded | None = None, renew: bool = True) -> Recorded:
    """Every record of the store. before: what was read of it earlier; of cells that stand as then, nothing is read.

    renew: whether to write the snapshot anew where enough of it is missing.
    """
    with _uncollected():
        stamps = store.stamps()
        had = _unchanged(before, stamps)
        kept = {} if len(had) == len(stamps) and not renew else _read(Path(store.root) / FILE_NAME)
        known = {cell: kept[cell][1] for cell, stamp in stamps.items() if cell in kept and kept[cell][0] == stamp}
        texts = known | _texts(store, [cell for cell in stamps if cell not in known and (cell not in had or renew)])
        records: dict[str, Record] = {}
        unreadable: dict[str, str] = {}
        for cell in stamps:
            try:
                records[cell] = had.get(cell) or _record(store, cell, texts.get(cell, ""))
            except ResultsError as error:
                unreadable[cell] = str(error)
        fresh = {cell: (stamps[cell], texts[cell]) for cell in records if cell in texts}
        if renew and len(fresh.items() ^ kept.items()) * REWRITTEN > len(fresh):
            _write(Path(store.root) / FILE_NAME, fresh)
        return Recorded(records, unreadable, stamps)


def _unchanged(before: Recorded | None, stamps: Mapping[str, Stamp]) -> dict[str, Record]:
    """Records that were read before, of cells with the same stamp still."""
    if before is None:
        return {}
    return {cell: record for cell, record in before.records.items() if before.stamps.get(cell) == stamps.get(cell)}


def tabulate(store: RunStore) -> "pd.DataFrame":
    """One row a complete, readable cell: `results.table.row` of its record."""
    with _uncollected():
        return table(recorded(store).records.values())


def damaged(store: RunStore, found: Recorded | None = None) -> dict[str, str]:
    """Complete cells with an unreadable record, or a missing or cut file, and why; `RunStore.problems` of all.

    found: what `recorded` just gave, where it is at hand.
    """
    found = found or recorded(store)
    changed = {cell: store.changed(cell, record) for cell, record in found.records.items()}
    return found.unreadable | {cell: why for cell, why in changed.items() if why is not None}


def _record(store: RunStore, cell: str, text: str) -> Record:
    """The record that a text is; else the cell's own, or its ResultsError, which says what is wrong with it."""
    try:
        return Record.model_validate_json(text)
    except ValidationError:
        return store.record(cell)


def _texts(store: RunStore, cells: Sequence[str]) -> dict[str, str]:
    """Texts of records as they lie in the cells, of those that can be read."""

    def read(part: Sequence[str]) -> dict[str, str]:
        found = {}
        for cell in part:
            try:
                with open(f"{store.root}/cells/{cell}/{RECORD}", encoding="utf-8") as file:
                    found[cell] = file.read()
            except (OSError, UnicodeDecodeError):
                continue
        return found

    with ThreadPoolExecutor(READERS) as pool:
        parts = pool.map(read, [cells[first::READERS] for first in range(READERS)])
        return {cell: text for part in parts for cell, text in part.items()}


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the garbage collector: records by the thousand are all kept, and looking through them takes most time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


# --- the file ---------------------------------------------------------------------------------------------


def _read(path: Path) -> Kept:
    """What the snapshot holds: nothing where there is none, or where it is damaged (pages have checksums)."""
    if not path.is_file():
        return {}
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:  # read_table would load pandas
            columns = file.read().to_pydict()
        stamps = zip(columns["mtime_ns"], columns["size"], strict=True)
        return dict(zip(columns["cell"], zip(stamps, columns["record"], strict=True), strict=True))
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return {}


def _write(path: Path, kept: Mapping[str, tuple[Stamp, str]]) -> None:
    """Write it, whole; a folder that cannot be written goes without."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = pa.table(
        {
            "cell": pa.array(kept, pa.string()),
            "mtime_ns": pa.array([stamp[0] for stamp, _ in kept.values()], pa.int64()),
            "size": pa.array([stamp[1] for stamp, _ in kept.values()], pa.int64()),
            "record": pa.array([text for _, text in kept.values()], pa.string()),
        }
    )
    sink = pa.BufferOutputStream()
    parquet.write_table(columns, sink, compression="zstd", write_page_checksum=True)
    try:
        write_whole(path, sink.getvalue().to_pybytes())
    except ResultsError:
        return
