"""What the player must know of a cell: address or reason, frames, values by frame; and the chart and table of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard import media
from dashboard.page import Page, plain
from sn_eval.results.files import ResultsError
from sn_eval.results.per_frame import load_curves
from sn_eval.results.plan import Judge
from sn_eval.results.record import WHOLE, Record

BLIND_NAMES = ("A", "B")
FPS = 8.0  # of a video whose record cannot be read: only the step of the buttons hangs on it
LONGEST = 80  # of an unknown id that is shown
ROOM = 0.06  # of the range of the values, above and below them

Values = Sequence[float | None]


@dataclass(frozen=True)
class Side:
    """One video. url: "" where there is none, then `message` says why. chunks: seconds at which chunks begin.

    curves: key of a score → values by frame, the last of the last frame. no_curves: why there are none, as Markdown.
    """

    label: str
    url: str
    message: str
    fps: float
    frames: int
    chunks: tuple[float, ...] = ()
    curves: Mapping[str, Values] = field(default_factory=dict)
    no_curves: str = ""

    @property
    def plain_label(self) -> str:
        """The label for Markdown."""
        return plain(self.label)

    def sent(self, judge: str) -> dict[str, Any]:
        """What goes to the browser; values of one judge, "" for none."""
        values = self.curves.get(judge)
        return {
            "label": self.label, "url": self.url, "message": self.message, "fps": self.fps, "frames": self.frames,
            "chunks": list(self.chunks), "values": values and list(values),
            "first": first_frame(self.frames, len(values or ())),
        }  # fmt: skip


def side(page: Page, cell: str, label: str, rater: str | None = None) -> Side:
    """What there is of a cell. rater: for whom it is blind: no values, an address that tells nothing."""
    record = _record(page, cell)
    there = media.there(page.open, cell)
    fps, frames = (record.fps, record.frames) if record else (FPS, 0)
    if rater is not None:
        url = media.blind_url(page.open.id, cell, rater) if there else ""
        return Side(label, url, "" if there else page("player.missing.blind"), fps, frames)
    url = media.url(page.open.id, cell) if there else ""
    curves, why = _curves(page, cell)
    chunks = chunk_starts(record.parameters, frames, fps) if record else ()
    return Side(label, url, "" if there else _missing(page, cell, record), fps, frames, chunks, curves, why)


def first_frame(frames: int, values: int) -> int:
    """The frame of the first value, from 0: the last value is of the last frame.

    >>> first_frame(39, 36), first_frame(39, 39), first_frame(0, 36)
    (3, 0, 0)
    """
    return max(0, frames - values)


def chunk_starts(parameters: Mapping[str, Any], frames: int, fps: float) -> tuple[float, ...]:
    """Seconds at which chunks begin, behind the frames that a video starts from; () where the record does not tell.

    >>> chunk_starts({"frames_per_chunk": 6, "start_frames": 3}, 15, 8.0)
    (0.375, 1.125)
    >>> chunk_starts({}, 15, 8.0), chunk_starts({"frames_per_chunk": 0}, 15, 8.0)
    ((), ())
    """
    length, start = parameters.get("frames_per_chunk"), parameters.get("start_frames", 0)
    if not isinstance(length, int) or not isinstance(start, int) or length < 1 or start < 0:
        return ()
    return tuple(frame / fps for frame in range(start, frames, length) if frame > 0)


# --- values -----------------------------------------------------------------------------------------------


def choices(page: Page, sides: Sequence[Side]) -> dict[str, str]:
    """Judges with values of either side, key → words; those of the experiment first, in its order."""
    there = list(dict.fromkeys(key for each in sides for key in each.curves))
    judges = {judge.key: judge for judge in page.open.run.plan.judges}
    return {key: _judge_words(page, key, judges.get(key)) for key in [*judges, *there] if key in there}


def domain(values: Sequence[Values]) -> tuple[float, float]:
    """The ends of the axis: of all values, with room around; of equal ones, something on both sides.

    >>> domain([[0.0, None, 1.0], []]), domain([[0.5]]), domain([])
    ((-0.06, 1.06), (0.45, 0.55), (0.0, 1.0))
    """
    known = [value for each in values for value in each if value is not None]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = ROOM * (high - low) or 0.1 * abs(high) or 0.1
    return round(low - room, 9), round(high + room, 9)


def chart(page: Page, sides: Sequence[Side], judge: str, name: str) -> dict[str, Any]:
    """Of the curve: title, axis, its ends, and what it shows in one sentence."""
    low, high = domain([each.curves.get(judge, ()) for each in sides])
    thin = any(each.chunks for each in sides)
    return {
        "title": page("player.curve.title", judge=name), "time": page("player.curve.time" if not thin else
        "player.curve.time_and_chunks"), "low": low, "high": high,
        "about": page("player.curve.about", judge=name, names=page("player.curve.and").join(s.label for s in sides)),
    }  # fmt: skip


def table(page: Page, sides: Sequence[Side], judge: str) -> dict[str, list[Any]]:
    """The curve as columns: frame (from 1), seconds of the longer video, a column a side; None for no value."""
    longest = max(sides, key=lambda each: each.frames / each.fps)
    count = max(longest.frames, *(len(each.curves.get(judge, ())) for each in sides), 0)
    found: dict[str, list[Any]] = {
        page("player.column.frame"): list(range(1, count + 1)),
        page("player.column.seconds"): [round(frame / longest.fps, 3) for frame in range(count)],
    }
    for each in sides:
        values = list(each.curves.get(judge, ()))
        whole = [None] * first_frame(each.frames, len(values)) + values
        found[each.label] = [*whole, *[None] * count][:count]
    return found


def _judge_words(page: Page, key: str, judge: Judge | None) -> str:
    """A judge's name, which way is better, and whether it is what the search maximised."""
    if judge is None:
        name = key.removeprefix(WHOLE)
        return page("player.searched", name=name) if key.startswith(WHOLE) else name
    return page("player.higher" if judge.higher_is_better else "player.lower", name=judge.label)


# --- what lies on the disk --------------------------------------------------------------------------------


def _record(page: Page, cell: str) -> Record | None:
    """The record of a planned cell that is finished and undamaged."""
    if page.open.cell(cell) is None:
        return None
    try:
        return page.open.run.store.record(cell)
    except ResultsError:
        return None


def _missing(page: Page, cell: str, record: Record | None) -> str:
    """Why there is no video, as plain text."""
    if page.open.cell(cell) is None:
        return page("player.missing.unknown", cell=cell[:LONGEST])
    if record is not None:
        return page("player.missing.video")
    last = page.open.run.store.last_errors().get(cell)
    if last is None:
        return page("player.missing.waiting")
    quality = last.get("category") == "quality"
    return page("player.missing.unusable" if quality else "player.missing.failed", why=last.get("message", ""))


def _curves(page: Page, cell: str) -> tuple[dict[str, list[float | None]], str]:
    """Values by frame; or why there are none, as Markdown ("" for a cell that cannot have any)."""
    if page.open.cell(cell) is None:
        return {}, ""
    store = page.open.run.store
    try:
        found = load_curves(store.folder(cell))
    except ResultsError as error:
        return {}, plain(str(error))
    return found, "" if found or not store.has(cell) else page("player.none_kept")
