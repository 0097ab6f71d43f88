"""Contact sheets: one row a video, one column a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from rewards.base import UserError
from sn_eval.video.frames import Frames, to_uint8, upscale
from sn_eval.video.pictures import picture_of

SHEET_TILES = 9  # frames that show a video


@dataclass(frozen=True)
class SheetRow:
    """One row of a contact sheet: `frames[i]` is shown under `times[i]` of the sheet.

    label: stands left of the row, lines split by newlines. marks: tile index → colour of a border around it.
    notes: tile index → a short text in the tile's corner (a score, "kept").
    """

    label: str
    frames: Frames
    marks: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)


def spread(total: int, count: int) -> list[int]:
    """At most `count` frame numbers, evenly spread over `total` frames, first and last among them.

    >>> spread(25, 4), spread(3, 8), spread(9, 1)
    ([0, 8, 16, 24], [0, 1, 2], [0])
    """
    if count >= total:
        return list(range(total))
    return [round(i * (total - 1) / (count - 1)) for i in range(count)] if count > 1 else [0]


class Strip:
    """Frames for a row of a contact sheet, spread evenly over a video of known length, as it streams by.

    times, frames: numbers of all that are wanted, and those that came so far. shrink: makes each smaller, since what is
    kept of a long video should not be large.
    """

    def __init__(self, total: int, count: int, shrink: Callable[[Tensor], Tensor] = torch.clone) -> None:
        self.times, self.frames, self._shrink, self._seen = spread(total, count), list[Tensor](), shrink, 0

    def add(self, pixels: UInt8[Tensor, "t 3 h w"]) -> None:
        """Take those that are due."""
        for time in self.times[len(self.frames) :]:
            if time < self._seen + len(pixels):
                self.frames.append(self._shrink(pixels[time - self._seen]))
        self._seen += len(pixels)


def contact_sheet(
    rows: Sequence[SheetRow],
    times: Sequence[int],
    *,
    caption: str = "",
    fps: float | None = None,
    tile: int = 128,
) -> Image.Image:
    """A picture with one row a video and one column a time; tiny frames are enlarged to about `tile` pixels.

    times: frame numbers for the column heads (with `fps`, seconds stand beside them). All frames have one
    size. Raises UserError for no rows, or a row whose number of frames is not that of the times.
    """
    _check_rows(rows, times)
    scale = max(1, tile // max(rows[0].frames.shape[-2:]))
    layout = _Layout.of(rows, times, scale, caption)
    sheet = Image.new("RGB", layout.size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((layout.gap, layout.gap), caption, fill="black", font=layout.font, spacing=4)
    for column, time in enumerate(times):
        head = f"{time}" if fps is None else f"{time} · {time / fps:.1f} s"
        x, y = layout.corner(0, column)
        middle = (x + layout.tile[0] / 2, y - layout.gap)
        draw.text(middle, head, fill="#444444", font=layout.small, anchor="mb")
    for number, row in enumerate(rows):
        start = (layout.gap, layout.corner(number, 0)[1] + layout.tile[1] / 2)
        draw.multiline_text(start, row.label, fill="black", font=layout.font, anchor="lm", spacing=4)
        for column, frame in enumerate(upscale(to_uint8(row.frames), scale)):
            corner = layout.corner(number, column)
            sheet.paste(picture_of(frame), corner)
            _decorate(draw, layout, corner, row.marks.get(column), row.notes.get(column))
    return sheet


@dataclass(frozen=True)
class _Layout:
    """Where everything on a contact sheet stands, in pixels."""

    size: tuple[int, int]
    tile: tuple[int, int]
    left: int
    top: int
    font: Any
    small: Any
    gap: int = 8

    @classmethod
    def of(cls, rows: Sequence[SheetRow], times: Sequence[int], scale: int, caption: str) -> "_Layout":
        """Measures labels and caption, so that no text is cut."""
        font, small, gap = ImageFont.load_default(15), ImageFont.load_default(12), cls.gap
        ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
        left = max(_text_size(ruler, row.label, font)[0] for row in rows) + 2 * gap
        caption_width, caption_height = _text_size(ruler, caption, font)
        top = caption_height + (2 * gap if caption else 0) + 3 * gap
        height, width = (side * scale for side in rows[0].frames.shape[-2:])
        full = max(left + len(times) * (width + gap), caption_width + 2 * gap)
        return cls((full, top + len(rows) * (height + gap)), (width, height), left, top, font, small)

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Upper left corner of a tile."""
        return self.left + column * (self.tile[0] + self.gap), self.top + row * (self.tile[1] + self.gap)


def _check_rows(rows: Sequence[SheetRow], times: Sequence[int]) -> None:
    if not rows or not times:
        raise UserError("a contact sheet needs at least one row and one time; given none")
    sizes = {tuple(row.frames.shape[1:]) for row in rows}
    if len(sizes) > 1:
        raise UserError(f"a contact sheet needs frames of one size; given {sorted(sizes)}")
    for row in rows:
        if len(row.frames) != len(times):
            raise UserError(f"row {row.label!r} has {len(row.frames)} frames for {len(times)} times")


def _decorate(
    draw: ImageDraw.ImageDraw, layout: _Layout, corner: tuple[int, int], mark: str | None, note: str | None
) -> None:
    """The border and the note of one tile."""
    (x, y), (width, height) = corner, layout.tile
    if mark:
        draw.rectangle((x - 4, y - 4, x + width + 3, y + height + 3), outline=mark, width=4)
    if note:
        box = draw.textbbox((x + 3, y + 2), note, font=layout.small)
        draw.rectangle((x, y, box[2] + 3, box[3] + 3), fill="black")
        draw.text((x + 3, y + 2), note, fill="white", font=layout.small)


def _text_size(draw: ImageDraw.ImageDraw, text: str, font: Any) -> tuple[int, int]:
    """(width, height) of text of several lines; (0, 0) without text."""
    if not text:
        return 0, 0
    box = draw.multiline_textbbox((0, 0), text, font=font, spacing=4)
    return int(box[2]) + 1, int(box[3]) + 1
