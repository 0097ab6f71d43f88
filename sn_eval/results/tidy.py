"""An evaluation as tidy tables, one number a row: what pandas, R, a spreadsheet or a database takes as it is."""

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sn_eval.results.evaluation import Evaluation, Measure
from sn_eval.results.files import ResultsError, write_whole

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "video", "path", "prompt", "measure", "name", "encoder", "mode", "family", "higher_is_better", "low", "high",
    "part", "value",
)  # fmt: skip
CURVE_COLUMNS = ("video", "frame", "seconds", "measure", "value")
TOTAL = "total"
SUFFIXES = (".csv", ".parquet", ".json")


def tidy(evaluation: Evaluation) -> "pd.DataFrame":
    """A row for each video, measure and part (COLUMNS); the value itself has the part "", not scored is NaN.

    low, high and higher_is_better speak of the value; parts have none of their own. The suite's total is a measure.
    """
    import pandas as pd

    frame = pd.DataFrame(list(_rows(evaluation)), columns=list(COLUMNS))
    kinds = {"higher_is_better": "boolean", "low": "float64", "high": "float64", "value": "float64"}
    return frame.astype(kinds)


def curves_table(evaluation: Evaluation) -> "pd.DataFrame":
    """A row for each video, measure and frame (CURVE_COLUMNS); frames that have no number are NaN.

    seconds: where the frame begins. Measures that have no curve have no rows.
    """
    import pandas as pd

    rows = [
        (video.video, number, number / video.fps, key, value)
        for video in evaluation.videos
        for key, curve in video.curves.items()
        for number, value in enumerate(curve)
    ]
    frame = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
    return frame.astype({"frame": "int64", "seconds": "float64", "value": "float64"})


def write_table(evaluation: Evaluation, path: Path) -> Path:
    """Write `tidy`, whole or not at all, as .csv (UTF-8 with BOM), .parquet or .json; ResultsError where it cannot."""
    return _write(tidy(evaluation), path)


def write_curves(evaluation: Evaluation, path: Path) -> Path:
    """Write `curves_table` in the same way."""
    return _write(curves_table(evaluation), path)


def _rows(evaluation: Evaluation) -> Iterator[tuple[Any, ...]]:
    """In the order of COLUMNS."""
    with_total = any(video.total is not None for video in evaluation.videos)
    for video in evaluation.videos:
        about = (video.video, video.path, video.prompt)
        for measure in evaluation.measures:
            what = _described(measure)
            known = (measure.higher_is_better, measure.low, measure.high)
            yield (*about, *what, *known, "", video.values.get(measure.key))
            for part, value in video.parts.get(measure.key, {}).items():
                yield (*about, *what, None, None, None, part, value)
        if with_total:
            yield (*about, TOTAL, TOTAL, "", evaluation.mode, "", True, None, None, "", video.total)


def _described(measure: Measure) -> tuple[str, str, str, str, str]:
    """From `measure` to `family`."""
    return measure.key, measure.name, measure.encoder or "", measure.mode, " + ".join(measure.families)


def _write(frame: "pd.DataFrame", path: Path) -> Path:
    """By the path's suffix."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        # both signs end a line: a text that holds one of them is quoted, so that it does not end its row
        write_whole(path, "\ufeff" + frame.to_csv(index=False, lineterminator="\r\n"))
    elif suffix == ".json":
        columns = [[_plain(value) for value in frame[name]] for name in frame.columns]
        rows = [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]
        write_whole(path, json.dumps(rows, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    elif suffix == ".parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        write_whole(path, buffer.getvalue())
    else:
        raise ResultsError(f"cannot write {path}: a table's name must end in {', '.join(SUFFIXES)}")
    return path


def _plain(value: Any) -> Any:
    """For JSON, which has neither NaN nor infinity nor numpy's numbers."""
    import pandas as pd

    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value
