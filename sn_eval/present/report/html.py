"""The report as one HTML file that can be mailed: no scripts, nothing fetched, charts and short videos inside.

Every text is escaped, and the page forbids scripts by its own policy. Videos beyond the limit are linked beside it.
"""

import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from sn_eval.present import charts
from sn_eval.present.report import media
from sn_eval.present.report.drawing import drawing
from sn_eval.present.report.model import Block, Clip, Figure, Grid, Lang, Pair, Report, Row
from sn_eval.present.report.shown import shown
from sn_eval.present.words import say
from sn_eval.results.files import write_whole

EMBEDDED = 12 * 2**20  # bytes of videos and pictures inside the page, before base64 adds a third
ROWS = 200  # of a long table; the CSV beside the page has all
TEMPLATES = Path(__file__).parent


def write_html(report: Report, path: Path, *, embedded: int = EMBEDDED) -> Path:
    """Write the page, whole or not at all. embedded: bytes of media inside it; others are linked, relative to it."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = _Page(report, path, embedded)
    jinja.globals.update(page.helpers())
    jinja.filters["tied"] = tied
    macros: Any = jinja.get_template("blocks.html.jinja").module

    def render(block: Block) -> Markup:
        return Markup(getattr(macros, type(block).__name__.lower())(block))

    write_whole(path, jinja.get_template("report.html.jinja").render(report=report, render=render))
    return path


@dataclass
class _Page:
    """What the template asks for. left: bytes of media that may still be put inside."""

    report: Report
    path: Path
    left: int
    seen: dict[Path, str] = field(default_factory=dict)

    def helpers(self) -> dict[str, Callable[..., Any] | dict[str, str]]:
        """Names in the template."""
        lang = self.report.lang
        tones = {"good": "word.holds", "bad": "word.fails", "open": "word.undecided_rule"}
        return {
            "say": lambda key: say(lang, key), "shown": shown, "rows": _rows, "left_out": self.left_out,
            "chart": self.chart, "video": self.video, "sheets_of": self.sheets_of, "tone": _tone, "box": self.box,
            "tones": {"plain": "", **{tone: f"{SIGNS[tone]} {say(lang, key)}" for tone, key in tones.items()}},
        }  # fmt: skip

    def chart(self, figure: Figure) -> str:
        """As an image, in which no script can run."""
        return _data("image/svg+xml", charts.svg(drawing(figure, self.report.lang)).encode())

    def video(self, clip: Clip) -> str | None:
        """Source of a clip's video: inside the page while there is room, else a link."""
        return self._source(media.video(self.report, clip), "video/mp4")

    def sheets_of(self, pair: Pair) -> list[tuple[Clip, str]]:
        """Contact sheets of a pair, where there are any."""
        clips = [clip for clip in (pair.left, pair.right) if clip is not None]
        found = [(clip, self._source(media.sheet(self.report, clip), "image/png")) for clip in clips]
        return [(clip, source) for clip, source in found if source is not None]

    def _source(self, path: Path | None, mime: str) -> str | None:
        if path is None:
            return None
        if path not in self.seen:
            size = path.stat().st_size
            if size <= self.left:
                self.left -= size
                self.seen[path] = _data(mime, path.read_bytes())
            else:
                self.seen[path] = quote(Path(os.path.relpath(path, self.path.parent)).as_posix())
        return self.seen[path]

    def box(self, done: bool | None, named: bool) -> str:
        """How a rule came out, or a box to tick."""
        lang: Lang = self.report.lang
        if not named and done is None:
            return "☐"
        key = (RULES if named else CHECKS)[done]
        return f"{SIGNS[_tone(done)]} {say(lang, key)}"

    def left_out(self, grid: Grid) -> str:
        """How many rows are not shown, and where they are."""
        count = len(grid.rows)
        if not grid.long or count <= ROWS:
            return ""
        file = f"tables.{self.report.lang}/{grid.key}.csv"
        return say(self.report.lang, "page.shown_rows", all=f"{count:,}", shown=ROWS, file=file)


RULES: dict[bool | None, str] = {True: "word.holds", False: "word.fails", None: "word.undecided_rule"}
CHECKS: dict[bool | None, str] = {True: "word.done", False: "word.not_yet"}
SIGNS = {"good": "✓", "bad": "✗", "open": "?"}


def _tone(done: bool | None) -> str:
    return {True: "good", False: "bad", None: "open"}[done]


def tied(text: str) -> Markup:
    """No line ends between a sign and its amount.

    >>> tied("from +¥1 to <b>")
    Markup('from <span class="tied">+¥1</span> to &lt;b&gt;')
    """
    parts = re.split(r"([+−]?[¥€£$](?:[\d,.]*\d)|[+−]US\$(?:[\d,.]*\d))", text)
    tied = [
        Markup('<span class="tied">{}</span>').format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    ]
    return Markup("").join(tied)


def _rows(grid: Grid) -> tuple[Row, ...]:
    return grid.rows[:ROWS] if grid.long else grid.rows


def _data(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
