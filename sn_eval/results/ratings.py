"""People's ratings of videos: who gave which video what, read from a file and matched to an evaluation's videos.

CSV (UTF-8, commas) or JSONL with the same keys::

    video,rating,rater[,criterion][,prompt][,note]

rating: a number on any one scale (0 or 1, 1 … 5, 0 … 100) or pass/fail, yes/no, true/false. The columns may also be
called clip, path or name, and label or score. Rows without a rating are passed over: a half filled file is fine.
"""

import csv
import io
import json
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from sn_eval.results.evaluation import Evaluation, VideoResult
from sn_eval.results.files import ResultsError

VIDEO, RATING = ("video", "clip", "path", "name"), ("rating", "label", "score")
OPTIONAL = ("criterion", "prompt", "note")
WORDS = {"pass": 1.0, "yes": 1.0, "true": 1.0, "fail": 0.0, "no": 0.0, "false": 0.0}
ONE_SCALE = 10.0  # a rater whose highest rating is this many times below another's uses another scale …
SURE = 5  # … once there are this many ratings to say so

Row: TypeAlias = dict[str, str]


@dataclass(frozen=True)
class Rating:
    """One judgement. value: pass is 1, fail is 0; else the number that was given."""

    video: str
    rater: str
    value: float
    criterion: str = ""
    prompt: str = ""
    note: str = ""


@dataclass(frozen=True)
class Ratings:
    """All judgements of a file, at most one by a rater of a video on a criterion.

    source: the file. notes: what a reader of the figures must know, in words.
    """

    rows: tuple[Rating, ...]
    source: str
    notes: tuple[str, ...] = ()

    @property
    def criteria(self) -> tuple[str, ...]:
        """What was rated, in order of appearance; "" where the file does not say."""
        return tuple(dict.fromkeys(row.criterion for row in self.rows))

    def table(self, criterion: str = "") -> "RatingTable":
        """The ratings on one criterion; ResultsError names the known ones."""
        rows = [row for row in self.rows if row.criterion == criterion]
        if not rows:
            raise ResultsError(f"{self.source} has no criterion {criterion!r}. Known: {', '.join(self.criteria)}")
        videos = {name: place for place, name in enumerate(dict.fromkeys(row.video for row in rows))}
        raters = {name: place for place, name in enumerate(dict.fromkeys(row.rater for row in rows))}
        values = np.full((len(videos), len(raters)), math.nan)
        for row in rows:
            values[videos[row.video], raters[row.rater]] = row.value
        prompts = {row.video: row.prompt for row in rows if row.prompt}
        return RatingTable(criterion, tuple(videos), tuple(raters), values, prompts)


@dataclass(frozen=True)
class RatingTable:
    """Ratings on one criterion: a row a video, a column a rater, NaN where a rater did not see it.

    prompts: by video, where the file tells.
    """

    criterion: str
    videos: tuple[str, ...]
    raters: tuple[str, ...]
    values: Float[np.ndarray, "videos raters"]
    prompts: Mapping[str, str]

    @property
    def passing(self) -> bool:
        """Whether it is pass or fail: every rating is 1 or 0."""
        return set(self.given.tolist()) <= {0.0, 1.0}

    @property
    def given(self) -> Float[np.ndarray, "given"]:
        """All ratings, one after another."""
        return self.values[~np.isnan(self.values)]


@dataclass(frozen=True)
class Matched:
    """Ratings under the names of an evaluation's videos.

    unmatched: videos in the file that were not evaluated. unrated: evaluated videos without a rating.
    """

    ratings: Ratings
    unmatched: tuple[str, ...]
    unrated: tuple[str, ...]


def read_ratings(path: Path) -> Ratings:
    """All ratings of a file.

    Raises ResultsError, in one line, for a missing, empty or oddly encoded file, missing columns, a rating that is no
    number, two scales on one criterion, and a rater who rated one video twice and differently.
    """
    rows, notes = _rows(path)
    given = [(where, row) for where, row in rows if row["rating"]]
    if len(given) < len(rows):
        notes.append(f"{len(rows) - len(given)} rows without a rating were passed over")
    if not given:
        raise ResultsError(f"{path} holds no ratings: fill in the column rating")
    read = [_rating(where, row) for where, row in given]
    _check_scales(path, [row["rating"] for _, row in given], read)
    once, said = _once(read, str(path))
    return Ratings(once, str(path), (*notes, *said))


def match(ratings: Ratings, evaluation: Evaluation) -> Matched:
    """Find the video that each rating is of: by name, by path, else by file name.

    A file name alone decides only where no better match takes the video, and a note says so. Raises ResultsError where
    a name could be several videos, or several names one video, and where nothing matches.
    """
    found = _places(ratings, evaluation.videos)
    if not found:
        evaluated = f"{evaluation.videos[0].path!r} was" if evaluation.videos else "nothing was"
        raise ResultsError(
            f"no video of {ratings.source} was evaluated: it rates {ratings.rows[0].video!r}, {evaluated} evaluated. "
            "Write the names of the evaluated files into it"
        )
    rows = [replace(row, video=found[row.video].video) for row in ratings.rows if row.video in found]
    once, said = _once(rows, ratings.source)
    unmatched = tuple(dict.fromkeys(row.video for row in ratings.rows if row.video not in found))
    rated = {row.video for row in once}
    notes = (*ratings.notes, *said, *_by_file_name(found))
    unrated = tuple(video.video for video in evaluation.videos if video.video not in rated)
    return Matched(Ratings(once, ratings.source, notes), unmatched, unrated)


# --- rows -------------------------------------------------------------------------------------------------


def _rows(path: Path) -> tuple[list[tuple[str, Row]], list[str]]:
    """The rows as texts, under the names video, rating, rater and the optional ones, each with where it stands."""
    text = _text(path)
    try:
        read = (_jsonl if path.suffix.lower() in (".jsonl", ".ndjson") else _csv)(path, text)
    except csv.Error as error:
        raise ResultsError(f"{path} is no CSV file: {error}. Save it as CSV (UTF-8, commas)") from error
    if not read:
        raise ResultsError(f"{path} holds no rows: give a header such as video,rating,rater and a row a rating")
    columns = list(dict.fromkeys(key for _, row in read for key in row))
    names = {
        "video": _column(path, columns, VIDEO),
        "rating": _column(path, columns, RATING),
        "rater": _column(path, columns, ("rater",)),
    } | {name: name for name in OPTIONAL if name in columns}
    unread = [column for column in columns if column not in names.values()]
    notes = [f"columns that were not read: {', '.join(unread)}"] if unread else []
    return [
        (f"{path}, line {line}", {name: row.get(column, "") for name, column in names.items()}) for line, row in read
    ], notes


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path} is not UTF-8 (byte {error.start}): save it as CSV in UTF-8") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResultsError(f"cannot read {path}: {reason}. Give a CSV file with columns video,rating,rater") from error


def _csv(path: Path, text: str) -> list[tuple[int, Row]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if reader.fieldnames is None:
        return []
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames]
    found = []
    for row in reader:
        if None in row or None in row.values():
            raise ResultsError(
                f"{path}, line {reader.line_num}: it does not hold the header's {len(reader.fieldnames)} fields; "
                "put texts with commas in double quotes"
            )
        found.append((reader.line_num, {key: value.strip() for key, value in row.items()}))
    return [(line, row) for line, row in found if any(row.values())]


def _jsonl(path: Path, text: str) -> list[tuple[int, Row]]:
    found = []
    for line, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        try:
            row = json.loads(written)
        except json.JSONDecodeError as error:
            raise ResultsError(f"{path}, line {line}: {error.msg}. Write one JSON object a line") from error
        if not isinstance(row, Mapping):
            raise ResultsError(
                f'{path}, line {line}: write one object, such as {{"video": "a.mp4", "rating": 4, "rater": "ann"}}'
            )
        found.append((line, {key.lower(): "" if row[key] is None else str(row[key]).strip() for key in row}))
    return found


def _column(path: Path, columns: Sequence[str], names: Sequence[str]) -> str:
    """The column of one of these names; the first for videos, which may be told by name and path."""
    there = [name for name in names if name in columns]
    if len(there) > 1 and names == RATING:
        raise ResultsError(f"{path} has the columns {' and '.join(there)}: which is the rating? Rename the other")
    if there:
        return there[0]
    why = "; any name, the same in all rows where one person judged" if names == ("rater",) else ""
    raise ResultsError(
        f"{path} has the columns {', '.join(columns)} but lacks {' or '.join(names)}{why}: "
        "it needs video,rating,rater, separated by commas"
    )


# --- values -----------------------------------------------------------------------------------------------


def _rating(where: str, row: Row) -> Rating:
    for name in ("video", "rater"):
        if not row[name]:
            raise ResultsError(f"{where}: {name} is empty; every rating needs its video and its rater")
    return Rating(
        row["video"], row["rater"], _value(where, row["rating"]), *(row.get(name, "") for name in OPTIONAL)
    )  # fmt: skip


def _value(where: str, text: str) -> float:
    try:
        value = WORDS[text.lower()] if text.lower() in WORDS else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ResultsError(f"{where}: rating {text!r}; give a number such as 4 or 3.5, or pass or fail")
    return value


def _check_scales(path: Path, texts: Sequence[str], ratings: Sequence[Rating]) -> None:
    """Raise ResultsError where words stand beside numbers, or raters' numbers cannot be of one scale."""
    by_criterion = defaultdict(list)
    for text, rating in zip(texts, ratings, strict=True):
        by_criterion[rating.criterion].append((text, rating))
    for criterion, rows in by_criterion.items():
        of = f" of criterion {criterion!r}" if criterion else ""
        words = [text for text, _ in rows if text.lower() in WORDS]
        numbers = [text for text, row in rows if text.lower() not in WORDS and row.value not in (0, 1)]
        if words and numbers:
            mixed = f"{words[0]!r} and {numbers[0]!r}"
            raise ResultsError(f"{path}: the ratings{of} mix {mixed}: use one scale a criterion")
        _check_raters(path, of, [row for _, row in rows])


def _check_raters(path: Path, of: str, rows: Sequence[Rating]) -> None:
    """Raise ResultsError where one rater's highest of SURE ratings is ONE_SCALE times below another's highest."""
    by_rater: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        by_rater[row.rater].append(abs(row.value))
    tops = {rater: max(values) for rater, values in by_rater.items() if len(values) >= SURE and max(values) > 0}
    if not tops:
        return
    low, high = min(tops, key=tops.__getitem__), max(by_rater, key=lambda rater: max(by_rater[rater]))
    if max(by_rater[high]) >= ONE_SCALE * tops[low]:
        raise ResultsError(
            f"{path}: the ratings{of} go up to {tops[low]:g} by {low!r} and {max(by_rater[high]):g} by {high!r}: "
            "use one scale a criterion"
        )


def _once(rows: Iterable[Rating], source: str) -> tuple[tuple[Rating, ...], list[str]]:
    """Each rater's rating of a video once; ResultsError where two differ."""
    known: dict[tuple[str, str, str], Rating] = {}
    twice = 0
    for row in rows:
        first = known.setdefault((row.criterion, row.rater, row.video), row)
        if first.value != row.value:
            on = f" on {row.criterion!r}" if row.criterion else ""
            raise ResultsError(
                f"{source}: {row.rater!r} rated {row.video!r}{on} twice, {first.value:g} and {row.value:g}: keep one"
            )
        twice += first is not row
    notes = [f"{twice} ratings stand twice with the same value and were counted once"] if twice else []
    return tuple(known.values()), notes


# --- which video ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A video that a name may mean. level: 0 by name or path, 1 by file name and no folder against it, 2 against it."""

    video: str
    path: str
    level: int


def _places(ratings: Ratings, videos: Sequence[VideoResult]) -> dict[str, _Place]:
    """Written name → video; one that fits by file name alone leaves the video to one that fits better."""
    by_last: dict[str, list[VideoResult]] = defaultdict(list)
    for video in videos:
        last = _parts(video.path)[-1:] or ("",)
        for key in {*last, Path(*last).stem, *_parts(video.video)[-1:]}:
            by_last[key].append(video)
    found = {}
    for written in dict.fromkeys(row.video for row in ratings.rows):
        place = _place(written, by_last.get((_parts(written) or ("",))[-1], []), ratings.source)
        if place is not None:
            found[written] = place
    claims: dict[str, list[str]] = defaultdict(list)
    for written, place in found.items():
        claims[place.video].append(written)
    for claimed, names in claims.items():
        weak = [name for name in names if found[name].level == 2]
        if len(names) > len(weak):
            for name in weak:
                del found[name]
        elif len(weak) > 1:
            raise ResultsError(
                f"{ratings.source}: {weak[0]!r} and {weak[1]!r} could both be {claimed!r} ({found[weak[0]].path}): "
                "write its path as it was evaluated"
            )
    return found


def _place(written: str, videos: Sequence[VideoResult], source: str) -> _Place | None:
    """The one video of the best level; ResultsError where there are several."""
    levels = [_level(written, video) for video in videos]
    best = [video for video, level in zip(videos, levels, strict=True) if level == min(levels)]
    if len(best) > 1:
        raise ResultsError(
            f"{source}: {written!r} could be {best[0].path} or {best[1].path}: write the path as it was evaluated"
        )
    return _Place(best[0].video, best[0].path, min(levels)) if best else None


def _level(written: str, video: VideoResult) -> int:
    """How well the name fits a video that shares its last part (see _Place)."""
    if _parts(written) in (_parts(video.video), _parts(video.path)):
        return 0
    ours, theirs = _parts(written)[:-1], _parts(video.path)[:-1]
    shared = min(len(ours), len(theirs))
    return 1 if not shared or ours[-shared:] == theirs[-shared:] else 2


def _parts(path: str) -> tuple[str, ...]:
    """A path's parts, however it was written: "a\\b", "./a/b" and "a/b" are the same.

    >>> _parts("clips\\\\a.mp4"), _parts("/clips/./a.mp4")
    (('clips', 'a.mp4'), ('clips', 'a.mp4'))
    """
    whole = unicodedata.normalize("NFC", path).replace("\\", "/")
    return tuple(part for part in whole.split("/") if part not in ("", "."))


def _by_file_name(found: Mapping[str, _Place]) -> list[str]:
    weak = [(written, place.path) for written, place in found.items() if place.level == 2]
    if not weak:
        return []
    return [
        f"{len(weak)} of {len(found)} rated videos were matched by file name alone: rated {weak[0][0]}, "
        f"evaluated {weak[0][1]}; make sure that they are the same videos"
    ]
