"""A run as one file to hand on: records of every cell, and the videos, traces and pictures of some."""

import json
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from sn_eval.results.files import ResultsError
from sn_eval.results.record import FILE_NAME as RECORD
from sn_eval.results.record import Record
from sn_eval.results.run_folder import RunFolder

MEDIA = ("video.mp4", "trace.jsonl", "candidates.jpg", "candidates.json", "per_frame.json")  # of a cell in full
BESIDE = ("spec.yaml", "prices.yaml", "store.json", "spent.json", "errors.jsonl")
LARGEST = 2**30  # bytes that a bundle may unpack to
STAMP = (2020, 1, 1, 0, 0, 0)  # of every file, so that the same run packs to the same bytes


def pack(run: RunFolder, path: Path, full: Collection[str], *, note: str) -> Path:
    """Write the bundle, whole or not at all. full: cells whose files go with them; of others only the record does.

    note: is added to the plan's notes, which every reader of the run sees.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
            for name in BESIDE:
                if (run.folder / name).is_file():
                    _add(bundle, name, (run.folder / name).read_bytes())
            plan = json.loads((run.folder / "plan.json").read_bytes())
            _add(bundle, "plan.json", json.dumps({**plan, "notes": [*plan["notes"], note]}).encode())
            for cell, record in run.records().items():
                folder, kept = run.store.folder(cell), _kept(record, cell in full)
                for name in kept:
                    _add(bundle, f"cells/{cell}/{name}", (folder / name).read_bytes())
                text = record.model_copy(update={"files": dict(kept)}).model_dump_json()
                _add(bundle, f"cells/{cell}/{RECORD}", text.encode())
        partial.replace(path)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def unpack(path: Path, folder: Path) -> Path:
    """The run's folder, which is made. ResultsError for a file that is no bundle, or that would leave the folder."""
    try:
        with zipfile.ZipFile(path) as bundle:
            infos = bundle.infolist()
            if sum(info.file_size for info in infos) > LARGEST:
                raise ResultsError(f"{path} unpacks to more than {LARGEST:,} bytes: that is no bundle of ours")
            for info in infos:
                place = PurePosixPath(info.filename)
                if place.is_absolute() or ".." in place.parts or "\\" in info.filename:
                    raise ResultsError(f"{path} holds {info.filename!r}, which leads out of it: do not trust this file")
            folder.mkdir(parents=True, exist_ok=True)
            bundle.extractall(folder)
    except FileNotFoundError as error:
        raise ResultsError(f"{path} does not exist: install sn-eval again, or name a run of your own") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ResultsError(f"cannot unpack {path}: {error}") from error
    return folder


def _kept(record: Record, full: bool) -> dict[str, int]:
    """Files that go along, with their sizes: pictures that the others can make again stay."""
    return {name: size for name, size in record.files.items() if full and name in MEDIA}


def _add(bundle: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, STAMP)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    bundle.writestr(info, content)
