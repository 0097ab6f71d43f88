"""Where the videos of a report lie: a cell's folder, found by its id."""

from pathlib import Path

from sn_eval.present.report.model import Clip, Report
from sn_eval.results.store import RunStore


def video(report: Report, clip: Clip | None) -> Path | None:
    """The clip's video; None where it is gone."""
    return _file(report, clip, "video.mp4")


def sheet(report: Report, clip: Clip | None) -> Path | None:
    """The clip's contact sheet (frames of it in a row, as PNG); None where there is none."""
    return _file(report, clip, "contact_sheet.png")


def _file(report: Report, clip: Clip | None, name: str) -> Path | None:
    if clip is None:
        return None
    path = RunStore(Path(report.folder)).folder(clip.cell) / name
    return path if path.is_file() else None
