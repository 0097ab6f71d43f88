"""One writer a folder: a lock of the kernel, which ends with its process, and a note that says who holds it."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sn_eval.results.files import ResultsError, cannot_write, write_whole

FILE_NAME = "run.lock"
HOLDER = "run.lock.json"


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock in a `with` block; it is not waited for.

    ResultsError names the process that holds it. A killed process holds nothing: what stays of it is the note, which
    is read only while the lock is held.
    """
    from filelock import FileLock, Timeout

    # Soft locks (a file's presence) outlive a killed process, so a file system without kernel locks is refused.
    lock = FileLock(folder / FILE_NAME, timeout=0, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise ResultsError(
            f"{folder} is in use by {_holder(folder)}: two runs must not write one folder. Wait until it ends, or stop "
            "it and run again; finished cells stay."
        ) from error
    except OSError as error:
        raise cannot_write(folder / FILE_NAME, error) from error
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        write_whole(folder / HOLDER, json.dumps(holder) + "\n")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    """Who holds the lock, as far as the note says so: it is written just after the lock is taken."""
    try:
        holder = json.loads((folder / HOLDER).read_bytes())
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
