"""Whole or absent: a file is written beside its place, forced to the disk, then renamed (atomic in POSIX).

Logs grow by whole lines instead, one system call each.
"""

import os
import tempfile
from pathlib import Path


class ResultsError(ValueError):
    """A results folder or file that cannot be used, in one line for the user: value, rule, next step.

    The twin of `rewards.base.UserError` for packages that must not load torch: the CLI prints both alike.
    """


def write_whole(path: Path, text: str | bytes) -> None:
    """Write `text` (as UTF-8, or bytes as they are) so that a reader, or a crash at any moment, finds old or new whole.

    Raises ResultsError when the folder cannot be written or the disk is full; the old file then stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8") if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp's 0600 would hide the file from a shared dashboard
        os.replace(name, path)
        sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> ResultsError:
    """The one-line error for a file that the system refused to write."""
    reason = error.strerror or str(error)
    return ResultsError(f"cannot write {path}: {reason}. Choose a writable folder with free space.")


def append_line(path: Path, line: str) -> None:
    """Add one line to a file, durably, and in one piece where several processes append.

    What a killed writer left without an end of line is ended first, so that only its own line is lost. Raises
    ResultsError when the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b", buffering=0) as file:  # unbuffered: a line is one call, and append mode places it
            cut = False
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                cut = file.read(1) != b"\n"
            data = (b"\n" if cut else b"") + line.encode("utf-8", "backslashreplace") + b"\n"
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def sync(path: Path) -> None:
    """Force a file's bytes, or a folder's list of names, to the disk. Raises OSError where that fails.

    A folder is left alone where the system does not let it be opened (Windows).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
