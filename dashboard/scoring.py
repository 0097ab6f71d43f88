"""Scores of clips, made by `sn-eval rewards score` in a process of its own: one job at a time, which can be stopped.

The dashboard loads no torch and runs no code of a visitor's: the process does, and only when the dashboard was started
with --allow-code may a reward be anything but a built-in one. Files that a visitor uploads live in a private folder, by
numbers and never by their names, until the job ends.
"""

import atexit
import contextlib
import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from dashboard.settings import settings
from sn_eval.results.files import ResultsError

MOST = 8  # clips of a job
LARGEST = 50 * 2**20  # bytes of an uploaded clip
LIMIT = 600.0  # seconds of a job
OUTPUT = 16 * 2**20  # bytes of a result that are read, at most
LISTING = 180.0  # seconds within which the list of rewards must come
COMMAND = (sys.executable, "-m", "sn_eval", "rewards")

State = Literal["running", "done", "failed", "timed_out", "cancelled"]


@dataclass(frozen=True)
class BuiltIn:
    """A reward that needs no parameter. summary: its first sentence. cost: "pixels" or "small network"."""

    name: str
    summary: str
    cost: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Clip:
    """What is scored: a video of the run by its path, or what a visitor uploaded as bytes. name: what it is called."""

    name: str
    prompt: str
    video: Path | bytes


@dataclass(frozen=True)
class Request:
    """A job. use: a built-in reward, or, where code is allowed, "file.py:attr". params: key=value, likewise."""

    use: str
    clips: tuple[Clip, ...]
    params: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """Of one clip; None is not scored. per_frame: of every frame, None where the reward has no such values."""

    name: str
    value: float | None
    parts: Mapping[str, float | None]
    per_frame: Sequence[float | None] | None
    fps: float | None


@dataclass(frozen=True)
class Result:
    """Scores in the order of the clips. failed: clips that cannot be read, and why."""

    reward: str
    scores: tuple[Score, ...]
    failed: Mapping[str, str]


# --- what may be asked ------------------------------------------------------------------------------------


def built_in() -> tuple[BuiltIn, ...]:
    """The rewards that anybody may score with, asked for once. ResultsError where the list cannot be had."""
    with _listing:
        return _listed()


def prefetch() -> None:
    """Ask for the list behind the visitor's back: it takes seconds, since every reward must be loaded."""
    if not _listed.cache_info().currsize and not _listing.locked():
        threading.Thread(target=_quietly, daemon=True).start()


def _quietly() -> None:
    with contextlib.suppress(ResultsError):  # whoever needs the list asks again, and is told
        built_in()


_listing = threading.Lock()


@cache
def _listed() -> tuple[BuiltIn, ...]:
    try:
        done = subprocess.run(
            [*COMMAND, "list", "--json"], capture_output=True, timeout=LISTING, check=True, env=_environment()
        )
        rows = json.loads(done.stdout)
        return tuple(_built_in(row) for row in rows if row["spec"])
    except (OSError, subprocess.SubprocessError) as error:
        raise ResultsError("the list of rewards cannot be had: try sn-eval rewards list on the server") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ResultsError("the list of rewards cannot be read: install one version of sn-eval") from error


def _built_in(row: Mapping[str, Any]) -> BuiltIn:
    low, high = row["spec"]["range"]
    return BuiltIn(str(row["name"]), str(row["summary"]), str(row["spec"]["cost"]), _number(low), _number(high))


def check(request: Request) -> None:
    """Refuse, in one line, what this server does not do; whatever a page or a URL says, this is asked last."""
    allowed = settings().allow_code
    if not allowed and (request.use not in {each.name for each in built_in()} or request.params):
        raise ResultsError(
            f"reward {request.use!r} with parameters or code of its own: this dashboard runs built-in rewards as they "
            "are. Start it with --allow-code to allow others"
        )
    if not request.use.strip() or "\0" in "".join((request.use, *request.params)):
        raise ResultsError("no reward is named: give a built-in name, or path/file.py:attr")
    if not 1 <= len(request.clips) <= MOST:
        raise ResultsError(f"{len(request.clips)} clips: choose 1 to {MOST}")
    for clip in request.clips:
        if isinstance(clip.video, bytes) and not 0 < len(clip.video) <= LARGEST:
            raise ResultsError(
                f"{clip.name}: {len(clip.video):,} bytes; a clip has at most {LARGEST:,}. Cut it, or scale it down"
            )
        if isinstance(clip.video, Path) and not clip.video.is_file():
            raise ResultsError(f"{clip.name} has no video here: choose another")


# --- a job ------------------------------------------------------------------------------------------------


@dataclass
class Job:
    """One scoring, from its start to its end. problem: why it failed, in one line."""

    request: Request
    limit: float = LIMIT
    state: State = "running"
    result: Result | None = None
    problem: str = ""
    begun: float = field(default_factory=time.monotonic)
    took: float = 0.0
    _folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sn-eval-scoring-")))
    _process: "subprocess.Popen[bytes] | None" = None
    _stopped: bool = False
    _watch: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        """Since it began, or that it took."""
        return self.took or time.monotonic() - self.begun

    @property
    def share(self) -> float:
        """How much of it is done, 0..1; the first clip takes longest, since programs and weights are loaded then."""
        found = re.findall(r"(\d+) ?%", self._said()) if self.state == "running" else ["100"]
        return min(int(found[-1]) if found else 0, 100) / 100

    def cancel(self) -> None:
        """Stop it, and whatever it started."""
        if self.state == "running":
            self._stopped = True
            self._kill()
            self.wait(10.0)

    def wait(self, seconds: float | None = None) -> None:
        """Until it has ended."""
        if self._watch is not None:
            self._watch.join(seconds)

    def run(self) -> None:
        """Start the process and watch over it. ResultsError where it cannot be started."""
        try:
            arguments = self._arguments()
            with (self._folder / "out").open("wb") as out, (self._folder / "err").open("wb") as err:
                self._process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_environment(),
                    start_new_session=True,
                )  # fmt: skip
        except (OSError, ValueError) as error:
            self._clean()
            raise ResultsError(f"scoring cannot start: {error}. Free memory or disk space on the server") from error
        self._watch = threading.Thread(target=self._wait, daemon=True)
        self._watch.start()

    def _arguments(self) -> list[str]:
        """The command; everything that a visitor chose stands behind `--`, or as a value of an option."""
        paths = self._paths()
        table = self._folder / "prompts.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(("clip", "prompt"))
            pairs = zip(paths, self.request.clips, strict=True)
            lines.writerows((path, " ".join(clip.prompt.split())) for path, clip in pairs)
        asked = ["--prompts-from", str(table)] if all(clip.prompt.strip() for clip in self.request.clips) else []
        params = [f"--param={each}" for each in self.request.params]
        return [*COMMAND, "score", "--json", "--per-frame", *asked, *params, "--", self.request.use, *map(str, paths)]

    def _paths(self) -> list[Path]:
        paths = []
        for number, clip in enumerate(self.request.clips):
            path = clip.video
            if isinstance(path, bytes):
                path = self._folder / f"clip-{number}.mp4"
                path.write_bytes(clip.video)  # type: ignore[arg-type]
            paths.append(path.resolve())
        return paths

    def _wait(self) -> None:
        assert self._process is not None
        try:
            code: int | None = self._process.wait(self.limit)
        except subprocess.TimeoutExpired:
            code = None
        self._kill()  # what it started, too
        state: State = "failed"  # unless it ends well: a job that never ended would keep others waiting
        try:
            state = self._ended(code)
        finally:
            self.took = time.monotonic() - self.begun
            self._clean()
            kept = tuple(replace(c, video=b"" if isinstance(c.video, bytes) else c.video) for c in self.request.clips)
            self.request, self.state = replace(self.request, clips=kept), state

    def _ended(self, code: int | None) -> State:
        if self._stopped:
            return "cancelled"
        if code is None:
            return "timed_out"
        try:
            with (self._folder / "out").open("rb") as file:
                self.result = read_result(file.read(OUTPUT), self._names())
        except (OSError, ResultsError) as error:
            said = [line.strip() for line in self._said().splitlines() if line.strip() and not line.endswith("%")]
            self.problem = self._named(said[-1] if said else f"{error}")
            return "failed"
        return "done"

    def _kill(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _names(self) -> dict[str, str]:
        """Clips' names by the paths that they have there."""
        found = {}
        for number, clip in enumerate(self.request.clips):
            path = self._folder / f"clip-{number}.mp4" if isinstance(clip.video, bytes) else clip.video
            found[str(path.resolve())] = clip.name
        return found

    def _named(self, text: str) -> str:
        """Text with clips' names in place of paths."""
        for path, name in self._names().items():
            text = text.replace(path, name)
        return text

    def _said(self) -> str:
        """The end of what it says about itself."""
        try:
            with (self._folder / "err").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 20_000))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _clean(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """One thread, so that a job leaves room for the pages; and words without colours."""
    kept = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "SN_EVAL_DEBUG")}
    return {**kept, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONUTF8": "1"}


# --- its result -------------------------------------------------------------------------------------------


def read_result(text: bytes, names: Mapping[str, str]) -> Result:
    """The JSON of `rewards score`. names: of clips, by the paths that it knows. ResultsError for anything else.

    Only clips that were asked for are taken, and of them only numbers.
    """
    try:
        found = json.loads(text)
        rows = {str(row["clip"]): row for row in found["clips"]}
        failed = {names[path]: _renamed(str(why), names) for path, why in found["failed"].items() if path in names}
        scores = tuple(_score(rows[path], name) for path, name in names.items() if path in rows)
        reward = str(found["reward"]["name"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ResultsError("the scores that came back cannot be read: try again, or another reward") from error
    if not scores and not failed:
        raise ResultsError("no scores came back: try again, or another reward")
    return Result(reward, scores, failed)


def _score(row: Mapping[str, Any], name: str) -> Score:
    curve = row.get("per_frame")
    return Score(
        name, _number(row["value"]), {str(key): _number(value) for key, value in row["parts"].items()},
        [_number(value) for value in curve] if isinstance(curve, list) else None, _number(row.get("fps")),
    )  # fmt: skip


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for path, name in names.items():
        text = text.replace(path, name)
    return text


def _number(value: Any) -> float | None:
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if right else None


# --- one at a time ----------------------------------------------------------------------------------------

_lock = threading.Lock()
_last: list[Job] = []


def start(request: Request, limit: float = LIMIT) -> Job:
    """Begin. ResultsError, in one line, for what is not allowed, and while another job runs."""
    check(request)
    with _lock:
        running = current()
        if running is not None:
            so_far = f"another scoring is running ({running.seconds:.0f} s so far)"
            raise ResultsError(f"{so_far}: wait until it ends, {running.limit:.0f} s at most")
        job = Job(request, limit)
        job.run()
        _last[:] = [job]
    return job


def current() -> Job | None:
    """The job that is running on this server."""
    return _last[0] if _last and _last[0].state == "running" else None


@atexit.register
def _stop() -> None:
    job = current()
    if job is not None:
        job.cancel()
