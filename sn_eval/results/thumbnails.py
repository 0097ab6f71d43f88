"""What a search looked at, small: one picture with a tile for each candidate, and where each tile lies in it.

`candidates.jpg` and `candidates.json` lie beside a cell's trace; a tile is the last frame of a candidate's preview, or
of the piece that it became. Long videos keep the first steps only (`sn_eval.poc.search_pictures`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sn_eval.results.files import ResultsError, write_whole

PICTURE, INDEX = "candidates.jpg", "candidates.json"

Kind = Literal["preview", "final"]
Name = tuple[str, int, str, int]
"""(kind, step, key of the candidate, its seed): videos that were made side by side share keys, not seeds."""


@dataclass(frozen=True)
class Thumbnails:
    """Tiles of equal size in rows of `columns`. places: number of each tile."""

    picture: Path
    tile: tuple[int, int]
    columns: int
    places: Mapping[Name, int]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture in pixels."""
        rows = -(-len(self.places) // self.columns)
        return self.columns * self.tile[0], rows * self.tile[1]

    def corner(self, kind: Kind, step: int, key: str, seed: int | None = None) -> tuple[int, int] | None:
        """(x, y) of a tile in pixels; None where the candidate has none. seed None: of the first video with one."""
        if seed is None:
            names = (name for name in self.places if name[:3] == (kind, step, key))
            place = self.places.get(next(names, ("", 0, "", 0)))
        else:
            place = self.places.get((kind, step, key, seed))
        return None if place is None else corner(place, self.columns, self.tile)


def corner(place: int, columns: int, tile: tuple[int, int]) -> tuple[int, int]:
    """(x, y) of the upper left corner of a tile by its number.

    >>> corner(5, 4, (64, 48))
    (64, 48)
    """
    return place % columns * tile[0], place // columns * tile[1]


def save_index(folder: Path, tile: tuple[int, int], columns: int, places: Mapping[Name, int]) -> None:
    """Write `candidates.json`, whole or not at all."""
    names = sorted(places, key=lambda name: places[name])
    text = json.dumps({"tile": tile, "columns": columns, "tiles": names}, separators=(",", ":"))
    write_whole(folder / INDEX, text + "\n")


def load_thumbnails(folder: Path) -> Thumbnails | None:
    """The tiles of a cell; None where it has none (videos made elsewhere, older cells). ResultsError where damaged."""
    path = folder / INDEX
    if not path.is_file() or not (folder / PICTURE).is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        width, height = map(int, found["tile"])
        names = [(str(kind), int(step), str(key), int(seed)) for kind, step, key, seed in found["tiles"]]
        columns = int(found["columns"])
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ResultsError(f"{path} is damaged: delete it; the cell's video and scores stay.") from error
    if columns < 1 or min(width, height) < 1:
        raise ResultsError(f"{path} is damaged: tile {width} x {height}, {columns} columns; delete it.")
    return Thumbnails(folder / PICTURE, (width, height), columns, {name: place for place, name in enumerate(names)})
