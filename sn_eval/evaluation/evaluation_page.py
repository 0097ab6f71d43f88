"""What an evaluation found, to look at: a page of tables and curves with the frames where a measure falls; PNGs of it.

The page is one file without scripts that can be mailed (`sn_eval.page`); a PNG shows one video's curves and frames.
"""

import io
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap

from PIL import Image

from rewards.base import UserError
from sn_eval.evaluation.evaluation_view import ARROWS, Pictures, Reader, View, read_frames
from sn_eval.page import Block, Chart, Moment, Moments, Section, Still, Table, Words, fitted, write_page
from sn_eval.present.charts import COLOURS, png, svg
from sn_eval.results.evaluation import Evaluation, Measure, VideoResult
from sn_eval.video import SheetRow, contact_sheet, save_image

DETAILED = 40  # videos with curves and frames on a page; the others are in the table alone
PICTURES = 20  # videos that get a PNG
TILES = 7  # frames beside each other in a PNG
GAP = 8  # pixels between tiles
LETTERS = 128  # of a line of words above the curves
TOLD = 3  # measures that are named for an incident
MODES = {
    "fixed": "the published formulas with their known faults mended",
    "reference": "the formulas as published, to stand beside published tables; they reward standing still",
}


def write(
    evaluation: Evaluation,
    path: Path,
    *,
    frames: Reader | None = None,
    frames_per_chunk: Mapping[str, int] | None = None,
    more: Sequence[Section] = (),
) -> Path:
    """Write the page; ResultsError where it cannot be written.

    frames: gives a video's frames by number; without it they are read from its file, and where that is gone the page
    says so. frames_per_chunk: by video, for those that do not say it; chunk boundaries are drawn. more: sections to
    stand behind the tables, of a comparison or of human labels.
    """
    chunks, shown = frames_per_chunk or {}, evaluation.videos[:DETAILED]
    views = [View(evaluation, video, chunks.get(video.video)) for video in shown]
    details = [video_section(view, _anchor(i), frames or read_frames) for i, view in enumerate(views)]
    return write_page(path, "Evaluation of videos", [overview(evaluation, views), *more, *details])


def picture(
    evaluation: Evaluation,
    video: VideoResult,
    path: Path,
    *,
    frames: Reader | None = None,
    frames_per_chunk: int | None = None,
) -> Path:
    """Write one video's curves, and the frames where they fall, as PNG; UserError for a video without a curve."""
    view = View(evaluation, video, frames_per_chunk)
    if not view.measures:
        raise UserError(f"{video.video}: no measure has a curve over time, so there is nothing to draw")
    return save_image(_drawn(view, frames or read_frames), path)


def pictures(
    evaluation: Evaluation,
    folder: Path,
    *,
    frames: Reader | None = None,
    frames_per_chunk: Mapping[str, int] | None = None,
    most: int = PICTURES,
) -> list[Path]:
    """A PNG of each of the first `most` videos that have curves, named after them; returns where they are."""
    chunks, names = frames_per_chunk or {}, file_names([video.video for video in evaluation.videos])
    drawn = [pair for pair in zip(evaluation.videos, names, strict=True) if View(evaluation, pair[0]).measures][:most]
    return [
        picture(evaluation, video, folder / name, frames=frames, frames_per_chunk=chunks.get(video.video))
        for video, name in drawn
    ]


def file_names(videos: Sequence[str]) -> list[str]:
    """Names of PNGs for videos: no two alike, and without what a file system may refuse.

    >>> file_names(["a/b c.mp4", "a/b_c.mp4", "猫"])
    ['a_b_c.mp4.png', 'a_b_c.mp4-2.png', '猫.png']
    """
    names: list[str] = []
    for video in videos:
        stem = re.sub(r"[^\w.-]+", "_", video).strip(".")[:60] or "video"
        tries = (f"{stem}{f'-{i}' if i > 1 else ''}.png" for i in range(1, len(videos) + 1))
        names.append(next(name for name in tries if name not in names))
    return names


# --- the page ---------------------------------------------------------------------------------------------


def overview(evaluation: Evaluation, views: Sequence[View] = ()) -> Section:
    """What was measured, the table, and what its columns mean. views: the videos that have sections of their own."""
    blocks: list[Block] = [Words(_summary(evaluation, views)), *map(Words, evaluation.notes)]
    if evaluation.videos:
        blocks += [_values(evaluation, len(views)), _legend(evaluation.measures)]
    if evaluation.failed:
        blocks.append(Table(("could not be measured", "why"), list(evaluation.failed.items())))
    return Section("What was measured", blocks)


def video_section(view: View, anchor: str, reader: Reader) -> Section:
    """One video: what it is, its curves, the frames where they fall."""
    video = view.video
    blocks: list[Block] = [Words(f"“{video.prompt}”")] if video.prompt else []
    blocks += [Words(view.size), *map(Words, video.notes)]
    if view.measures:
        about = f"{video.video} over time: {', '.join(measure.key for measure in view.measures)}"
        blocks += [Chart(svg(view.chart()), about), Words(view.reading)]
    else:
        blocks.append(Words("No measure has a curve over time."))
    pixels, why = view.frames(reader)
    return Section(video.video, [*blocks, Words(why) if pixels is None else _moments(view, pixels)], anchor)


def _summary(evaluation: Evaluation, views: Sequence[View]) -> str:
    """The paragraph that a reader in a hurry reads."""
    said = [
        f"{_count(len(evaluation.videos), 'video')} measured in {_count(len(evaluation.measures), 'way')} "
        f"(suite {evaluation.suite}; mode {evaluation.mode}: {MODES[evaluation.mode]})."
    ]
    ranked = sorted((video for video in evaluation.videos if video.total is not None), key=lambda v: v.total or 0.0)
    if len(ranked) > 1:
        worst, best = ranked[0], ranked[-1]
        said.append(f"Highest total: {best.video} ({best.total:.3f}), lowest: {worst.video} ({worst.total:.3f}).")
    if views:
        fallen = sum(1 for view in views if view.falls)
        said.append(
            f"In {fallen} of {_count(len(views), 'video')} a measure drops clearly at some moment; each video's part "
            "shows when, and the frames."
        )
    if len(evaluation.videos) > len(views) > 0:
        said.append(f"Only the first {len(views)} videos have such a part: to see others, evaluate fewer at a time.")
    if evaluation.failed:
        said.append(f"{_count(len(evaluation.failed), 'file')} could not be measured; the last table here says why.")
    return " ".join(said)


def _values(evaluation: Evaluation, detailed: int) -> Table:
    """A row a video, a column a measure."""
    measures, totals = evaluation.measures, [video.total for video in evaluation.videos]
    known = [total for total in totals if total is not None]
    columns = ["video", *(f"{m.name} {ARROWS[m.higher_is_better]}\n{m.encoder or ''}" for m in measures)]
    rows = [[video.video, *(video.values.get(m.key) for m in measures)] for video in evaluation.videos]
    mean = [f"mean of {len(rows)}", *(evaluation.mean(m.key) for m in measures)]
    note = "↑ higher is better, ↓ lower is better. A dash: not scored, or not known; the video's own part says why."
    if known:
        columns.append("total ↑\nranks these videos")
        rows = [[*row, total] for row, total in zip(rows, totals, strict=True)]
        mean.append(sum(known) / len(known))
        note += " The total (0 to 1) weighs the measures as the suite says; it is no VBench score."
    return Table(columns, rows, note, [mean] if len(rows) > 1 else [], [_anchor(i) for i in range(detailed)])


def _legend(measures: Sequence[Measure]) -> Table:
    """What the columns mean."""
    columns = ["measure", "what it asks", "better", "range", "measures with", "encoder"]
    rows = [
        [
            m.key, m.about, "higher" if m.higher_is_better else "lower", _range(m.low, m.high), ", ".join(m.families),
            m.encoder,
        ]
        for m in measures
    ]  # fmt: skip
    if len({m.mode for m in measures}) > 1:
        columns, rows = [*columns, "mode"], [[*row, m.mode] for row, m in zip(rows, measures, strict=True)]
    return Table(columns, rows)


def _range(low: float, high: float) -> str:
    """Bounds in words.

    >>> _range(0, 1), _range(0, math.inf), _range(-math.inf, math.inf)
    ('0 to 1', '0 and more', 'any')
    """
    if math.isfinite(low) and math.isfinite(high):
        return f"{low:g} to {high:g}"
    return f"{low:g} and more" if math.isfinite(low) else f"up to {high:g}" if math.isfinite(high) else "any"


def _moments(view: View, pixels: Pictures) -> Moments:
    """The first frame, then each incident: before, after, and what fell."""
    stills = [
        Still(f"{shot.time / view.video.fps:.2f} s, frame {shot.time}", frame)
        for shot, frame in zip(view.shots, pixels, strict=True)
    ]
    shown = [
        Moment(view.title(i + 1), stills[1 + 2 * i : 3 + 2 * i], [fall.words for fall in incident.falls])
        for i, incident in enumerate(view.incidents)
    ]
    return Moments([Moment("first frame", stills[:1]), *shown])


def _anchor(number: int) -> str:
    return f"video-{number + 1}"


def _count(number: int, word: str) -> str:
    """A number with its noun.

    >>> _count(1, "video"), _count(2, "video")
    ('1 video', '2 videos')
    """
    return f"{number} {word}{'' if number == 1 else 's'}"


# --- the PNG ----------------------------------------------------------------------------------------------


def _drawn(view: View, reader: Reader) -> Image.Image:
    """What fell, in words; the curves; the frames. The chart draws the words: it knows more letters than PIL's font."""
    pixels, why = view.frames(reader)
    fallen = [
        f"{view.title(number)}: {'; '.join(fall.words for fall in incident.falls[:TOLD])}"
        + (f"; and {len(incident.falls) - TOLD} more" if len(incident.falls) > TOLD else "")
        for number, incident in enumerate(view.incidents, 1)
    ]
    words = [*_lines(view.video.prompt)[:2], view.size, *(line for text in (*fallen, why) for line in _lines(text))]
    title = wrap(view.video.video, LETTERS * 3 // 4, max_lines=2, placeholder=" …")
    chart = Image.open(io.BytesIO(png(view.chart(title, words))))
    sheets = [] if pixels is None else _sheets(view, pixels, chart.width)
    return _stacked([chart.convert("RGB"), *sheets])


def _lines(text: str) -> list[str]:
    """The text in lines that are as wide as the chart; letters of East Asia are twice as wide."""
    wide = any(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return wrap(text, LETTERS // 2 if wide else LETTERS)


def _sheets(view: View, pixels: Pictures, width: int) -> list[Image.Image]:
    """Rows of frames; a coloured border and a note mark those where a measure has fallen."""
    tiles = fitted(pixels, (width - 2 * GAP) // TILES - GAP)
    sheets = []
    for start in range(0, len(view.shots), TILES):
        shots = view.shots[start : start + TILES]
        marks = {i: COLOURS[1] for i, shot in enumerate(shots) if shot.drop}
        row = SheetRow("", tiles[start : start + TILES], marks, {i: shot.words for i, shot in enumerate(shots)})
        sheets.append(contact_sheet([row], [shot.time for shot in shots], fps=view.video.fps, tile=1))
    return sheets


def _stacked(parts: Sequence[Image.Image]) -> Image.Image:
    """Pictures below each other, on white."""
    whole = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole
