"""Videos and contact sheets on disk: frames stream in and out, so length costs no memory.

Videos are H.264 yuv420p with the index in front (+faststart): what every browser plays while it loads. While
one is being made it is a fragmented mp4, which plays up to its last second even after a power cut.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import av
import torch
import torch.nn.functional as nnf
from av.video.reformatter import Colorspace
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError
from torch import Tensor

from rewards.base import UserError

Frames: TypeAlias = UInt8[Tensor, "t c h w"] | Float[Tensor, "t c h w"]
Resample: TypeAlias = Literal["nearest", "bicubic"]


# --- frames in memory -------------------------------------------------------------------------------------


def to_uint8(frames: Frames) -> UInt8[Tensor, "t c h w"]:
    """RGB frames as bytes: float 0..1 is rounded (values outside are clipped), bytes stay as they are.

    Raises UserError for frames that hold NaN or infinity.

    >>> to_uint8(torch.tensor([0.0, 0.5, 2.0]).view(1, 3, 1, 1)).flatten().tolist()
    [0, 128, 255]
    """
    if frames.dtype == torch.uint8:
        return frames
    if not bool(torch.isfinite(frames).all()):
        bad = (~torch.isfinite(frames)).flatten(1).any(1).nonzero()[0].item()
        raise UserError(f"frame {bad} of {len(frames)} holds NaN or infinity: check the model and its dtype")
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8)


def upscale(frames: UInt8[Tensor, "t c h w"], factor: int, how: Resample = "nearest") -> Tensor:
    """Frames `factor` times as wide and high, uint8: small pixels become visible.

    >>> upscale(torch.zeros(2, 3, 4, 5, dtype=torch.uint8), 3).shape
    torch.Size([2, 3, 12, 15])
    """
    if factor < 1:
        raise UserError(f"upscale {factor}: must be a whole number of at least 1")
    if factor == 1:
        return frames
    if how == "nearest":
        return frames.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    larger = nnf.interpolate(frames.float(), scale_factor=factor, mode="bicubic", align_corners=False)
    return larger.round().clamp(0, 255).to(torch.uint8)


# --- writing ----------------------------------------------------------------------------------------------


class VideoWriter:
    """Streams frames into an mp4; use it in a `with` block.

    While it is written the file is called `name.partial.mp4`; leaving the block turns it into `name.mp4`.
    After an exception or Ctrl-C what was written so far stays as a playable `name.partial.mp4` (after a kill,
    all but the last second or so). Raises UserError, in one line, for an unwritable folder or a full disk.

    path: ends in .mp4. scale: whole-number upscaling. crf: 0 (lossless) … 51; 14 keeps measured colours.
    """

    def __init__(
        self, path: Path | str, *, fps: float, scale: int = 1, how: Resample = "nearest", crf: int = 14
    ) -> None:
        self.path = Path(path)
        if self.path.suffix != ".mp4":
            raise UserError(f"video {self.path}: the name must end in .mp4")
        if not fps > 0:
            raise UserError(f"fps {fps}: must be above 0")
        self.partial = self.path.with_suffix(".partial.mp4")
        self.frames = 0
        self._fps = Fraction(fps).limit_denominator(1001)
        self._scale, self._how, self._crf = scale, how, crf
        self._hash = hashlib.sha256()
        self._size: tuple[int, int] | None = None
        self._container: Any = None
        self._stream: Any = None

    @property
    def frames_sha256(self) -> str:
        """Hash of all frames so far, as RGB bytes [t h w c] before upscaling and encoding."""
        return self._hash.hexdigest()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frames before upscaling; (0, 0) before the first."""
        return self._size or (0, 0)

    def write(self, frames: Frames) -> None:
        """Append frames: RGB, [t 3 h w], uint8 or float 0..1; all calls have one h and w."""
        if frames.shape[0] == 0:
            return
        pixels = to_uint8(frames).cpu()
        _, channels, height, width = pixels.shape
        if channels != 3 or self._size not in (None, (width, height)):
            raise UserError(
                f"{self.path}: frames of shape {list(pixels.shape)}; this video holds [t, 3, h, w] "
                f"with {'one' if self._size is None else self._size} size"
            )
        self._size = (width, height)
        shown = _even(upscale(pixels, self._scale, self._how))
        self._encode(shown.permute(0, 2, 3, 1).contiguous())
        self._hash.update(pixels.permute(0, 2, 3, 1).contiguous().numpy().data)
        self.frames += len(pixels)

    def close(self, *, complete: bool = True) -> None:
        """End the video; `complete=False` keeps the partial name. A second call does nothing."""
        container, self._container = self._container, None
        if container is None:
            return
        try:
            try:
                container.mux(self._stream.encode(None))
            finally:
                container.close()
            if complete:
                _index_in_front(self.partial, self.path)
                self.partial.unlink()
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close(complete=kind is None)
        except UserError:
            if kind is None:  # else the first error is the one to show
                raise

    def _open(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # flush_packets: a finished fragment goes to the system at once, so a killed process loses none
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
        self._container = av.open(str(self.partial), "w", options=options)
        self._stream = self._container.add_stream("libx264", rate=self._fps)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.gop_size = max(1, round(self._fps))  # a key frame a second: quick seeking, small loss
        self._stream.codec_context.colorspace = Colorspace.ITU601  # what the conversion to yuv420p uses
        # threads=1: the same frames give the same file on every machine
        self._stream.options = {"crf": str(self._crf), "preset": "veryfast", "threads": "1"}

    def _encode(self, pixels: UInt8[Tensor, "t h w c"]) -> None:
        try:
            if self._container is None:
                if self.frames:
                    raise UserError(f"{self.path} is closed: write inside its `with` block")
                self._open(pixels.shape[2], pixels.shape[1])
            for number, picture in enumerate(pixels.numpy(), self.frames):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = number
                frame.time_base = 1 / self._fps
                self._container.mux(self._stream.encode(frame))
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def _index_in_front(source: Path, target: Path) -> None:
    """The same packets as an ordinary mp4 whose index comes first; the target appears whole or not at all."""
    unfinished = target.with_name(f".{target.name}.partial")
    try:
        with av.open(str(source)) as old, av.open(
            str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}
        ) as new:
            stream = new.add_stream_from_template(old.streams.video[0])
            for packet in old.demux(video=0):
                if packet.dts is not None:  # the last, empty packet only marks the end
                    packet.stream = stream
                    new.mux(packet)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _even(frames: UInt8[Tensor, "t c h w"]) -> UInt8[Tensor, "t c h2 w2"]:
    """Frames with even sides, as yuv420p needs: the last column and row are repeated, nothing is resized."""
    *_, height, width = frames.shape
    if width % 2:
        frames = torch.cat([frames, frames[..., -1:]], -1)
    return torch.cat([frames, frames[..., -1:, :]], -2) if height % 2 else frames


def _cannot_write(path: Path, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    return UserError(f"cannot write {path}: {reason}. Choose a writable folder with free space (--out)")


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself; `frames` is 0 where the container does not say."""

    frames: int
    fps: float
    width: int
    height: int


def probe(path: Path | str) -> VideoInfo:
    """Size, rate and length of a video, without decoding it; UserError for a file that is none."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate or 0
        return VideoInfo(stream.frames, float(rate), stream.width, stream.height)


def stream_video(path: Path | str, chunk: int = 32) -> Iterator[UInt8[Tensor, "t 3 h w"]]:
    """All frames of a video in RGB, at most `chunk` at a time; UserError for an unreadable or cut file."""
    with _opened(path) as container:
        held: list[Tensor] = []
        try:
            for frame in container.decode(video=0):
                held.append(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1))
                if len(held) == chunk:
                    yield torch.stack(held)
                    held = []
        except av.FFmpegError as error:
            raise _cannot_read(path, error) from error
        if held:
            yield torch.stack(held)


def read_video(path: Path | str) -> UInt8[Tensor, "t 3 h w"]:
    """A whole video at once; for long ones use `stream_video`."""
    chunks = list(stream_video(path))
    if not chunks:
        raise UserError(f"cannot read {path}: it holds no frames. Choose a video that plays")
    return torch.cat(chunks)


def frames_at(path: Path | str, times: Sequence[int]) -> UInt8[Tensor, "n 3 h w"]:
    """The frames with these numbers (from 0), in the order asked for; UserError for one behind the end."""
    wanted, seen = set(times), 0
    found: dict[int, Tensor] = {}
    for frames in stream_video(path):
        found |= {seen + i: frames[i] for i in range(len(frames)) if seen + i in wanted}
        seen += len(frames)
    if missing := sorted(wanted - found.keys()):
        raise UserError(f"{path} has no frame {missing[0]}: it has {seen} frames, numbered from 0")
    return torch.stack([found[time] for time in times])


def _opened(path: Path | str) -> Any:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise _cannot_read(path, error) from error
    if not container.streams.video:
        container.close()
        raise UserError(f"cannot read {path}: it holds no video. Choose a video that plays")
    return container


def _cannot_read(path: Path | str, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error)
    return UserError(f"cannot read {path}: {reason}. Choose a video that plays")


# --- pictures ---------------------------------------------------------------------------------------------


def read_image(path: Path | str, size: tuple[int, int] | None = None) -> Float[Tensor, "3 h w"]:
    """A picture in RGB 0..1, upright (EXIF); with `size` (width, height) it is cropped centrally to fill it.

    Transparent parts become white. Raises UserError for a missing file or one that is no picture.
    """
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert("RGBA")
    except FileNotFoundError as error:
        raise UserError(f"image {path} does not exist. Give the path of a PNG or JPEG") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise UserError(f"image {path} cannot be read: {error}. Give a PNG or JPEG that opens") from error
    white = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(white, picture).convert("RGB")
    if size is not None and size != picture.size:
        picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    return _pixels(picture).float() / 255


Picture: TypeAlias = Image.Image | UInt8[Tensor, "3 h w"] | Float[Tensor, "3 h w"]


def save_image(image: Picture, path: Path | str) -> Path:
    """Write a picture as PNG, whole or not at all; UserError when it cannot be written."""
    path = Path(path)
    picture = image if isinstance(image, Image.Image) else _picture(to_uint8(image[None])[0])
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(partial, format="PNG")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _cannot_write(path, error) from error
    return path


def _pixels(picture: Image.Image) -> UInt8[Tensor, "3 h w"]:
    data = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return data.view(picture.height, picture.width, 3).permute(2, 0, 1)


def _picture(pixels: UInt8[Tensor, "3 h w"]) -> Image.Image:
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


# --- contact sheets ---------------------------------------------------------------------------------------


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
            sheet.paste(_picture(frame), corner)
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
