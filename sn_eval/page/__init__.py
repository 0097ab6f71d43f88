"""What was found, as one HTML file that can be mailed: tables, charts and videos are inside, nothing is fetched.

Every text is escaped, and the page forbids scripts and outside resources by its own policy.
"""

import base64
import io
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from jaxtyping import Float, UInt8
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from torch import Tensor

from sn_eval.results.files import write_whole
from sn_eval.video import SheetRow, VideoWriter, contact_sheet, spread, to_uint8

SIDE = 224  # pixels that a small video is enlarged to, at most
TILES = 8  # pictures of a strip
LOOKS = {
    "pass": "good", "no alarm": "good", "miss": "bad", "alarm": "bad", "not evaluable": "open", "not resolved": "open",
}  # fmt: skip

Cell: TypeAlias = str | float | bool | None
Frames: TypeAlias = Float[Tensor, "t 3 h w"] | UInt8[Tensor, "t 3 h w"]
Frames2: TypeAlias = Float[Tensor, "t2 3 h2 w2"] | UInt8[Tensor, "t2 3 h2 w2"]


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "words"


@dataclass(frozen=True)
class Table:
    """Rows under columns; numbers stand right, None and NaN are dashes, True and False are "pass" and "miss".

    The words of LOOKS ("pass", "miss", "not evaluable", "alarm", …) get a colour besides.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    kind: ClassVar[str] = "table"

    @property
    def head(self) -> list[tuple[str, str]]:
        """(name, class) of every column."""
        return [(name, "number" if self._numeric(i) else "") for i, name in enumerate(self.columns)]

    @property
    def body(self) -> list[list[tuple[str, str]]]:
        """(text, class) of every cell."""
        return [
            [_cell(value, look) for value, (_, look) in zip(row, self.head, strict=True)] for row in self.rows
        ]  # fmt: skip

    def _numeric(self, column: int) -> bool:
        values = [row[column] for row in self.rows if row[column] is not None]
        return bool(values) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


@dataclass(frozen=True)
class Chart:
    """A drawing as SVG text; about: what it shows, for those who cannot see it."""

    svg: str
    about: str
    kind: ClassVar[str] = "chart"

    @property
    def source(self) -> str:
        """As an image, in which no script can run."""
        return _data("image/svg+xml", self.svg.encode())


@dataclass(frozen=True)
class Pair:
    """A clip before and after a change, RGB uint8 or float 0..1, with its scores (None or NaN: not scored)."""

    label: str
    clean: Frames
    changed: Frames2
    before: float | None
    after: float | None
    fps: float = 8.0

    @property
    def sides(self) -> list[dict[str, Any]]:
        """Both videos, ready for the page."""
        both = (("before", self.clean, self.before), ("after", self.changed, self.after))
        return [_side(name, to_uint8(frames).cpu(), self.fps, score) for name, frames, score in both]


@dataclass(frozen=True)
class Clips:
    """Pairs under a title, each as two looping videos and their frames side by side."""

    title: str
    pairs: Sequence[Pair]
    kind: ClassVar[str] = "clips"


Block: TypeAlias = Words | Table | Chart | Clips


@dataclass(frozen=True)
class Section:
    """What belongs together under a heading."""

    heading: str
    blocks: Sequence[Block]


def write_page(path: Path | str, title: str, sections: Sequence[Section]) -> Path:
    """Write the page (its folder is made), whole or not at all; ResultsError where it cannot be written.

    A pair of 16 frames of 64 px adds about 0.1 MB.
    """
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    write_whole(Path(path), jinja.get_template("page.html.jinja").render(title=title, sections=sections))
    return Path(path)


def _cell(value: Cell, look: str) -> tuple[str, str]:
    if isinstance(value, bool):
        value = "pass" if value else "miss"
    if isinstance(value, str):
        return value, LOOKS.get(value, look)
    return _number(value), look


def _number(value: float | None) -> str:
    """Three decimals, none for whole and large numbers, a dash for what is not known.

    >>> [_number(x) for x in (0.12345, 3, 3.0, -1234.5, None, math.nan)]
    ['0.123', '3', '3.000', '-1,234', '–', '–']
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3f}"


def _side(name: str, frames: UInt8[Tensor, "t 3 h w"], fps: float, score: float | None) -> dict[str, Any]:
    """A video, its strip and its score."""
    *_, height, width = frames.shape
    scale = max(1, SIDE // max(height, width))
    return {
        "name": name, "score": _number(score), "width": width * scale, "height": height * scale,
        "video": _data("video/mp4", _mp4(frames, fps, scale)), "strip": _data("image/png", _strip(frames, fps)),
    }  # fmt: skip


def _mp4(frames: UInt8[Tensor, "t 3 h w"], fps: float, scale: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with VideoWriter(path, fps=fps, scale=scale) as video:
            video.write(frames)
        return path.read_bytes()


def _strip(frames: UInt8[Tensor, "t 3 h w"], fps: float) -> bytes:
    """Frames of a clip in a row, as PNG."""
    times, picture = spread(len(frames), TILES), io.BytesIO()
    contact_sheet([SheetRow("", frames[times])], times, fps=fps).save(picture, format="PNG", optimize=True)
    return picture.getvalue()


def _data(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
