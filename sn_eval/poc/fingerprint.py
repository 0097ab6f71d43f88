"""What stands behind a cell's names now, as a hash in its id: other weights, files or defaults are another cell."""

import hashlib
import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from sn_eval.interfaces import VideoModel
from sn_eval.poc.cell import Cell, make_method
from sn_eval.poc.sources import named_files


class Fingerprints:
    """Hashes for many cells of one model: weights, files and folders are read once."""

    def __init__(self, model: VideoModel) -> None:
        self._model = getattr(model, "fingerprint", "")
        self._hash = cache(_content)  # of one planning: a file may change between two

    def of(self, cell: Cell) -> Cell:
        """The cell, with the hash of what its names stand for."""
        parts = tuple(part for part in (cell.model, cell.rollout, cell.method, cell.reward, *cell.judges) if part)
        texts = (*named_files(parts), *((cell.image,) if cell.image else ()))
        behind = [found for text in texts if (found := self._hash(text))]
        knobs = sorted((k, repr(v)) for k, v in vars(make_method(cell.method)).items() if k != "proposals")
        named = json.dumps([self._model, behind, knobs])
        return replace(cell, fingerprint=hashlib.sha256(named.encode()).hexdigest()[:16])


def fingerprinted(cell: Cell, model: VideoModel) -> Cell:
    """One cell, with the hash of what its names stand for."""
    return Fingerprints(model).of(cell)


def _content(name: str) -> str:
    """Hash of a file, or of all files of a folder with their names; "" where there is neither."""
    if os.path.isfile(name):
        with open(name, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not os.path.isdir(name):
        return ""
    inside = [path for path in sorted(Path(name).rglob("*")) if path.is_file()]
    listed = [(path.relative_to(name).as_posix(), _content(str(path))) for path in inside]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
