"""Videos and pictures by id: a URL names a run, a cell of its plan, and one of a few files; never a path.

They are sent from the disk, piece by piece as a player asks, so memory does not grow with them.
"""

import os
import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard import runs
from sn_eval.results import thumbnails
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import FILE_NAME as PLAN
from sn_eval.results.plan import Plan
from sn_eval.results.store import ID

PREFIX = "/cells"
BLIND = "/blind"
BLIND_MOST = 4096  # addresses of videos whose makers are not told; the oldest are forgotten
FILES = ("video.mp4", "contact_sheet.png", "search.png", thumbnails.PICTURE)
TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".qt": "video/quicktime",
    ".webm": "video/webm", ".mkv": "video/x-matroska", ".avi": "video/x-msvideo", ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg", ".gif": "image/gif", ".apng": "image/apng", ".png": "image/png", ".jpg": "image/jpeg",
}  # fmt: skip
"""By suffix; Python's own table differs between machines."""


def url(run_id: str, cell: str, name: str = "video.mp4") -> str:
    """Where a browser finds a file of a cell, from the dashboard's own root."""
    return f"{PREFIX}/{quote(run_id, safe='')}/{quote(cell, safe='')}/{name}"


def there(run: runs.OpenRun, cell: str, name: str = "video.mp4") -> bool:
    """Whether the cell has this file."""
    return name in FILES and run.cell(cell) is not None and (run.run.store.folder(cell) / name).is_file()


def _send(request: Request) -> Response:
    """Not async, since it looks at the disk: Starlette then runs it beside the loop that serves everybody."""
    return _answer(_path(**request.path_params))


def _answer(path: Path | None) -> Response:
    """The file, whole or the range that was asked for; the same few words for whatever is not there."""
    kind = _kind(path) if path is not None else ""
    if path is None or not kind:
        return PlainTextResponse("no such file", status_code=404)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return FileResponse(path, media_type=kind, headers=headers)


def _path(run: str, cell: str, name: str) -> Path | None:
    """The file of a known run, a cell that its plan names, and a known name; None for everything else."""
    try:
        folder = runs.run_ids().get(run)
        if folder is None or name not in FILES or not ID.fullmatch(cell) or cell not in _cells(folder):
            return None
        path = folder / "cells" / cell / name
        return path if path.is_file() and os.access(path, os.R_OK) else None
    except (OSError, ResultsError):
        return None


def _kind(path: Path) -> str:
    """Its media type by its own name; "" where it is no video or picture.

    `poc import --no-copy` leaves a symbolic link to a video that lies elsewhere. It is followed, but only to a video:
    a run from somebody else must not show what else lies on this machine.
    """
    return TYPES.get(path.resolve().suffix.lower(), "")


_plans: dict[Path, tuple[int, frozenset[str]]] = {}


def _cells(folder: Path) -> frozenset[str]:
    """Cells of the plan, read again where it has changed."""
    changed = (folder / PLAN).stat().st_mtime_ns
    known = _plans.get(folder)
    if known is None or known[0] != changed:
        known = _plans[folder] = changed, frozenset(cell.cell for cell in Plan.load(folder).cells)
    return known[1]


# --- without the cell's name ------------------------------------------------------------------------------

_tokens: OrderedDict[tuple[str, str, str], str] = OrderedDict()
_blind: dict[str, tuple[str, str]] = {}
_lock = threading.Lock()


def blind_url(run_id: str, cell: str, rater: str) -> str:
    """Where a rater's browser finds a cell's video without being told whose it is; the same while it lasts."""
    with _lock:
        token = _tokens.setdefault((run_id, cell, rater), secrets.token_urlsafe(16))
        _tokens.move_to_end((run_id, cell, rater))
        _blind[token] = run_id, cell
        while len(_tokens) > BLIND_MOST:
            del _blind[_tokens.popitem(last=False)[1]]
    return f"{BLIND}/{token}/video.mp4"


def _send_blind(request: Request) -> Response:
    with _lock:
        known = _blind.get(request.path_params["token"])
    return _answer(_path(*known, "video.mp4") if known else None)


ROUTES = [
    Route(f"{PREFIX}/{{run}}/{{cell}}/{{name}}", _send),
    Route(f"{BLIND}/{{token}}/video.mp4", _send_blind),
]
