"""Whole or absent: a file is written beside its place, forced to the disk, then renamed (atomic in POSIX)."""

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
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> ResultsError:
    """The one-line error for a file that the system refused to write."""
    reason = error.strerror or str(error)
    return ResultsError(f"cannot write {path}: {reason}. Choose a writable folder with free space.")


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to the disk, where the system lets a folder be opened (Windows does not)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
