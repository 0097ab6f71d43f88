"""What judges said of a video frame by frame: `per_frame.json` beside a cell's record, for curves with a cursor."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from sn_eval.results.files import ResultsError, write_whole

FILE_NAME = "per_frame.json"
DIGITS = 5  # behind the point: a curve shows no more

Curves = Mapping[str, Sequence[float | None]]
"""Key of a score in the record → its values, one a frame; the last one is of the video's last frame, and what a video
starts from is judged only where it was made elsewhere."""


def save_curves(folder: Path, curves: Curves) -> None:
    """Write them, whole or not at all; NaN and infinity become null."""
    rounded = {
        key: [None if value is None else round(value, DIGITS) for value in map(_number, values)]
        for key, values in curves.items()
    }
    write_whole(folder / FILE_NAME, json.dumps(rounded, separators=(",", ":")) + "\n")


def load_curves(folder: Path) -> dict[str, list[float | None]]:
    """The curves of a cell; none where it has no such file. ResultsError where it is damaged."""
    path = folder / FILE_NAME
    try:
        found = json.loads(path.read_bytes())
        return {str(key): [_number(value) for value in values] for key, values in found.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}.") from error
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise ResultsError(f"{path} is damaged: delete it; the cell's video and scores stay.") from error


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
