"""Videos and pictures by id: a URL names a run, a cell of its plan, and one of a few files; never a path.

They are sent from the disk, piece by piece as a player asks, so memory does not grow with them.
"""

import mimetypes
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
from sn_eval.results.plan import Plan

PREFIX = "/cells"
BLIND = "/blind"
BLIND_MOST = 4096  # addresses of videos whose makers are not told; the oldest are forgotten
FILES = ("video.mp4", "contact_sheet.png", "search.png", thumbnails.PICTURE)


def url(run_id: str, cell: str, name: str = "video.mp4") -> str:
    """Where a browser finds a file of a cell, from the dashboard's own root."""
    return f"{PREFIX}/{quote(run_id, safe='')}/{quote(cell, safe='')}/{name}"


def there(run: runs.OpenRun, cell: str, name: str = "video.mp4") -> bool:
    """Whether the cell has this file."""
    return name in FILES and run.cell(cell) is not None and (run.run.store.folder(cell) / name).is_file()


async def _send(request: Request) -> Response:
    path = _path(**request.path_params)
    if path is None:
        return PlainTextResponse("no such file", status_code=404)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return FileResponse(path, media_type=kind, headers=headers)


def _path(run: str, cell: str, name: str) -> Path | None:
    """The file of a known run, a cell that its plan names, and a known name; None for everything else."""
    folder = runs.run_ids().get(run)
    if folder is None or name not in FILES or cell not in _cells(folder):
        return None
    path = folder / "cells" / cell / name
    return path if path.is_file() else None


_plans: dict[Path, tuple[int, frozenset[str]]] = {}


def _cells(folder: Path) -> frozenset[str]:
    """Cells of the plan, read again where it has changed."""
    try:
        changed = (folder / "plan.json").stat().st_mtime_ns
        if folder not in _plans or _plans[folder][0] != changed:
            _plans[folder] = changed, frozenset(cell.cell for cell in Plan.load(folder).cells)
    except (OSError, ResultsError):
        return frozenset()
    return _plans[folder][1]


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


async def _send_blind(request: Request) -> Response:
    with _lock:
        known = _blind.get(request.path_params["token"])
    path = _path(*known, "video.mp4") if known else None
    if path is None:
        return PlainTextResponse("no such file", status_code=404)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return FileResponse(path, media_type="video/mp4", headers=headers)


ROUTES = [
    Route(f"{PREFIX}/{{run}}/{{cell}}/{{name}}", _send),
    Route(f"{BLIND}/{{token}}/video.mp4", _send_blind),
]
