"""Blind preferences: which of two videos a person found better, and which ones acceptable, in CSVs that only grow.

Two files, since no reader knows both kinds of row. The one that was named holds the pairs, for `sn-eval rewards fit`::

    clip_a,clip_b,preference,prompt,rater,note
    run/cells/x/video.mp4,run/cells/y/video.mp4,a,a cup of tea,ann,2026-11-25T09:00:00+00:00

and `<name>.labels.csv` beside it what was acceptable, for an experiment's `labels:`, `evaluate --labels` and, as single
clips, `rewards fit`::

    clip,label,prompt,rater,note
    run/cells/x/video.mp4,pass,a cup of tea,ann,2026-11-25T09:00:00+00:00

clip_a is the video that was shown as A, on the left. preference: a, b, tie, or nothing where it could not be judged
(the note says so). Paths count from the file's folder. The time stands in the note, since readers know no column for
it; they refuse a rater who says both pass and fail of one video, so a rater's first word on it stays.
"""

import csv
import io
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from sn_eval.results.files import ResultsError, append_line, cannot_write

PAIRS = ("clip_a", "clip_b", "preference", "prompt", "rater", "note")
LABELS = ("clip", "label", "prompt", "rater", "note")
BOM = "\ufeff".encode()  # tells spreadsheets that it is UTF-8
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the beginning of a formula
LONGEST = 40  # characters of a rater's id
UNSURE = "cannot judge"

Choice = Literal["a", "b", "tie", ""]
"""Which is better; "" where it cannot be judged."""

Problem = Literal["empty", "long", "formula", "sign"]


@dataclass(frozen=True)
class Preference:
    """One judgement of a pair. clip_a, clip_b: the videos, as paths from the file's folder, A on the left.

    accept_a, accept_b: whether each is acceptable; None where the rater did not say. at: UTC, ISO 8601.
    """

    clip_a: str
    clip_b: str
    choice: Choice
    rater: str
    prompt: str = ""
    accept_a: bool | None = None
    accept_b: bool | None = None
    at: str = ""

    @property
    def pair(self) -> frozenset[str]:
        """Both videos, whichever was on the left."""
        return frozenset((self.clip_a, self.clip_b))


def rater_problem(rater: str) -> Problem | None:
    """What is wrong with a rater's id; None for a good one.

    >>> rater_problem("ann"), rater_problem("田中 2"), rater_problem(" "), rater_problem("=1+1"), rater_problem("a\\tb")
    (None, None, 'empty', 'formula', 'sign')
    """
    if not rater.strip():
        return "empty"
    if rater.strip().startswith(FORMULA) or unicodedata.normalize("NFKC", rater).strip().startswith(FORMULA):
        return "formula"
    if not rater.strip().isprintable():
        return "sign"
    return "long" if len(rater.strip()) > LONGEST else None


def clean_rater(rater: str) -> str:
    """The id as it is written; ResultsError for one that is none."""
    problem = rater_problem(rater)
    if problem:
        rule = f"1 to {LONGEST} printable characters that do not begin with {' '.join(FORMULA)}"
        raise ResultsError(f"rater {rater[:LONGEST]!r} is no id ({problem}): use {rule}")
    return unicodedata.normalize("NFC", " ".join(rater.split()))


def clip_path(video: Path, csv_file: Path) -> str:
    """A video as the file names it: from the file's folder, with slashes; a link keeps its own name."""
    there = video.parent.resolve() / video.name
    try:
        found = Path(os.path.relpath(there, csv_file.resolve().parent)).as_posix()
    except ValueError:  # another drive
        found = there.as_posix()
    return f"./{found}" if found.startswith(FORMULA) else found


def labels_beside(path: Path) -> Path:
    """Where the labels lie.

    >>> labels_beside(Path("blind.csv")).name
    'blind.labels.csv'
    """
    return path.with_name(f"{path.stem}.labels.csv")


# --- reading ----------------------------------------------------------------------------------------------


def read_preferences(path: Path) -> tuple[Preference, ...]:
    """Every judgement in the file, with the rater's labels of its videos; () for a file that does not exist yet.

    Raises ResultsError for a file of other columns or in another encoding. A row that a crash cut is left out.
    """
    labels = {(row["rater"], row["clip"]): row["label"] == "pass" for row in _rows(labels_beside(path), LABELS)}
    return tuple(
        Preference(
            clip_a=row["clip_a"],
            clip_b=row["clip_b"],
            choice=row["preference"],  # type: ignore[arg-type]  # one of them
            rater=row["rater"],
            prompt=row["prompt"],
            accept_a=labels.get((row["rater"], row["clip_a"])),
            accept_b=labels.get((row["rater"], row["clip_b"])),
            at=row["note"].partition(" ")[0],
        )
        for row in _rows(path, PAIRS)
        if row["clip_a"] and row["clip_b"] and row["preference"] in get_args(Choice)
    )


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path} is not UTF-8: save it as CSV in UTF-8, or name another file") from error
    except csv.Error as error:
        raise ResultsError(f"{path} is no CSV file: {error}. Mend it, or name another file") from error
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}. Mend it, or name another file") from error
    if lines and lines[0] != list(columns):
        found = ",".join(lines[0])[:80]
        raise ResultsError(f"{path} has the columns {found}, not {','.join(columns)}: name another file")
    return [dict(zip(columns, line, strict=True)) for line in lines[1:] if len(line) == len(columns)]


# --- writing ----------------------------------------------------------------------------------------------


def check_ratings(path: Path) -> None:
    """Raise ResultsError unless judgements can be added to this file; nothing is written."""
    for each, columns in ((path, PAIRS), (labels_beside(path), LABELS)):
        _rows(each, columns)
        if not os.access(each if each.exists() else _nearest(each), os.W_OK):
            raise ResultsError(f"cannot write {each}. Choose a writable folder with free space.")


def append_preference(path: Path, given: Preference) -> bool:
    """Add a judgement, durably and whole, whoever else adds to the file.

    False, and nothing is added, where this rater judged this pair before. Labels that the rater gave to a video before
    stay as they are. Raises ResultsError for a bad rater or file.
    """
    given = replace(given, rater=clean_rater(given.rater))
    labels = labels_beside(path)
    with _alone(path):
        _drop_cut_line(path, PAIRS)
        _drop_cut_line(labels, LABELS)
        if any(given.pair == known.pair and given.rater == known.rater for known in read_preferences(path)):
            return False
        labelled = {(row["rater"], row["clip"]) for row in _rows(labels, LABELS)}
        new = [row for row in label_rows(given) if (row["rater"], row["clip"]) not in labelled]
        _append(labels, LABELS, new)  # first: a pair that is there is done
        _append(path, PAIRS, [pair_row(given)])
    return True


def pair_row(given: Preference) -> dict[str, str]:
    """A judgement as a row of PAIRS."""
    note = given.at if given.choice else f"{given.at} {UNSURE}".strip()
    judged = {"clip_a": given.clip_a, "clip_b": given.clip_b, "preference": given.choice}
    return {**judged, "prompt": _one_line(given.prompt), "rater": given.rater, "note": note}


def label_rows(given: Preference) -> list[dict[str, str]]:
    """A row of LABELS for each video that the rater said something of."""
    said = {"prompt": _one_line(given.prompt), "rater": given.rater, "note": given.at}
    videos = ((given.clip_a, given.accept_a), (given.clip_b, given.accept_b))
    return [
        {"clip": clip, "label": "pass" if accepted else "fail", **said}
        for clip, accepted in videos
        if accepted is not None
    ]


def pairs_csv(given: Sequence[Preference]) -> str:
    """A whole file of these pairs, for a download."""
    return BOM.decode() + _csv(PAIRS, [pair_row(each) for each in given], header=True)


def labels_csv(given: Sequence[Preference]) -> str:
    """A whole file of these labels, for a download: a rater's first of each video."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in (row for each in given for row in label_rows(each)):
        rows.setdefault((row["rater"], row["clip"]), row)
    return BOM.decode() + _csv(LABELS, list(rows.values()), header=True)


def _append(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    if not rows:
        return
    empty = not path.exists() or path.stat().st_size == 0
    append_line(path, (BOM.decode() if empty else "") + _csv(columns, rows, header=empty).rstrip("\n"))


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]], *, header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _one_line(text: str) -> str:
    """A prompt without line breaks; one that a spreadsheet would run gets an apostrophe before it."""
    text = " ".join(text.split())
    return f"'{text}" if text.startswith(FORMULA) else text


def _nearest(path: Path) -> Path:
    """The folder, or the first above it that exists."""
    return next((folder for folder in path.absolute().parents if folder.exists()), path.parent)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the file's own lock, so that what is read before a line is added is still true then; without a second file.

    Where the system has no such locks (Windows), lines are still whole, but a rater's two windows are not told apart.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise cannot_write(path, error) from error


def _drop_cut_line(path: Path, columns: Sequence[str]) -> None:
    """Take away what a killed writer left of its last line: an open quote would swallow the lines after it.

    A last line that only lacks its end, as an editor leaves it, is whole and stays; so does a file of other columns.
    """
    if not path.exists():
        return
    content, header = path.read_bytes(), ",".join(columns).encode()
    start = content.rfind(b"\n") + 1
    told = content.removeprefix(BOM)
    ours = told.startswith(header) if start else header.startswith(told)
    if not ours or _whole(content[start:], len(columns)):
        return
    with open(path, "r+b") as file:
        file.truncate(start)


def _whole(line: bytes, columns: int) -> bool:
    """Whether it is nothing, or a row of so many columns with its quotes closed."""
    try:
        rows = list(csv.reader(io.StringIO(line.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return False
    return not line or (len(rows) == 1 and len(rows[0]) == columns)
