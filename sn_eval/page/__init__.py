"""What was found, as one HTML file that can be mailed: tables, charts and videos are inside, nothing is fetched.

Every text is escaped, and the page forbids scripts and outside resources by its own policy.
"""

import base64
import io
import math
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from jaxtyping import Float, UInt8
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image
from torch import Tensor

from rewards.functional import fit_within
from sn_eval.results.files import write_whole
from sn_eval.video import SheetRow, VideoWriter, contact_sheet, spread, to_uint8, upscale

SIDE = 224  # pixels that a small video is enlarged to, at most
TILES = 8  # pictures of a strip
BROAD = 9  # columns that fit beside each other in the width of the text
LONG = 40  # letters of a sentence in a cell that is not to be squeezed
STILL = 168  # pixels that a still picture is wide and high, at most
QUALITY = 85  # of stills, as JPEG
LOOKS = {
    "pass": "good", "no alarm": "good", "miss": "bad", "alarm": "bad", "not evaluable": "open", "not resolved": "open",
    "B better": "good", "A better": "bad",
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

    The words of LOOKS ("pass", "miss", "not evaluable", "alarm", …) get a colour besides. A column's name may have a
    second line, in small print, and may then break behind "_". foot: rows that sum up the others. links: anchor of the
    section that a row's first cell leads to, "" for none. A table of many columns may be wider than the text; its first
    column then stays in view.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    foot: Sequence[Sequence[Cell]] = ()
    links: Sequence[str] = ()
    kind: ClassVar[str] = "table"

    @property
    def head(self) -> list[tuple[str, str, str]]:
        """(name, small print, class) of every column."""
        parted = [name.partition("\n") for name in self.columns]
        return [
            (name, small, " ".join([*["number"] * self._numeric(i), *["tall"] * bool(two)]))
            for i, (name, two, small) in enumerate(parted)
        ]

    @property
    def body(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """(anchor, (text, class) of every cell) of every row."""
        anchors = [*self.links, *[""] * (len(self.rows) - len(self.links))]
        return list(zip(anchors, self._texts(self.rows), strict=True))

    @property
    def sums(self) -> list[list[tuple[str, str]]]:
        """(text, class) of every cell of the foot."""
        return self._texts(self.foot)

    @property
    def broad(self) -> bool:
        """Whether it needs more than the width of the text."""
        return len(self.columns) > BROAD

    def _texts(self, rows: Sequence[Sequence[Cell]]) -> list[list[tuple[str, str]]]:
        looks = ["number" if self._numeric(i) else "" for i in range(len(self.columns))]
        return [[_cell(value, look) for value, look in zip(row, looks, strict=True)] for row in rows]

    def _numeric(self, column: int) -> bool:
        values = [row[column] for row in self.rows if row[column] is not None]
        return bool(self.rows) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


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


@dataclass(frozen=True)
class Still:
    """One picture of a video with a few words, RGB uint8."""

    caption: str
    picture: UInt8[Tensor, "3 h w"]

    @property
    def source(self) -> str:
        """As JPEG, so large that it fits."""
        pixels = fitted(self.picture[None], STILL)[0].permute(1, 2, 0).contiguous().numpy()
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="JPEG", quality=QUALITY, optimize=True)
        return _data("image/jpeg", file.getvalue())


@dataclass(frozen=True)
class Moment:
    """Stills of one moment, under a title, with what happened there."""

    title: str
    stills: Sequence[Still]
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Moments:
    """Moments of one video, side by side."""

    moments: Sequence[Moment]
    kind: ClassVar[str] = "moments"


Block: TypeAlias = Words | Table | Chart | Clips | Moments


@dataclass(frozen=True)
class Section:
    """What belongs together under a heading. anchor: by which the links of a table find it."""

    heading: str
    blocks: Sequence[Block]
    anchor: str = ""


def write_page(path: Path | str, title: str, sections: Sequence[Section]) -> Path:
    """Write the page (its folder is made), whole or not at all; ResultsError where it cannot be written.

    A pair of 16 frames of 64 px adds about 0.1 MB.
    """
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    jinja.filters["breakable"] = _breakable
    write_whole(Path(path), jinja.get_template("page.html.jinja").render(title=title, sections=sections))
    return Path(path)


def fitted(frames: UInt8[Tensor, "t 3 h w"], side: int) -> UInt8[Tensor, "t 3 h2 w2"]:
    """Frames whose longer side is about `side` pixels: large ones averaged down, tiny ones enlarged by a whole factor.

    >>> import torch
    >>> fitted(torch.zeros(1, 3, 64, 48, dtype=torch.uint8), 200).shape
    torch.Size([1, 3, 192, 144])
    """
    scale = max(1, side // max(frames.shape[-2:]))
    return upscale(to_uint8(fit_within(frames.cpu().float() / 255, side)), scale)


def _breakable(text: str) -> Markup:
    """A line may end within a long name: behind "_", "/" or ":", and before "[".

    >>> _breakable("a_b[c/] < d: e")
    Markup('a_<wbr>b<wbr>[c/<wbr>] &lt; d: e')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[_/:])(?=[^\s\[])|(?<=\S)(?=\[)", text))


def _cell(value: Cell, look: str) -> tuple[str, str]:
    if isinstance(value, bool):
        value = "pass" if value else "miss"
    if isinstance(value, str):
        return value, LOOKS.get(value, look or ("long" if len(value) > LONG and " " in value else ""))
    return _number(value), look


def _number(value: float | None) -> str:
    """Three decimals, none for whole and large numbers, a dash for what is not known; tiny ones as 1.2e-05.

    >>> [_number(x) for x in (0.12345, 3, 3.0, -1234.5, None, math.nan, 0.000012, 0.0)]
    ['0.123', '3', '3.000', '-1,234', '–', '–', '1.2e-05', '0.000']
    """
    if value is None or math.isnan(value):
        return "–"
    if 0 < abs(value) < 0.001:
        return f"{value:.1e}"
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
