"""Videos read as a stream: whatever lies in the file comes out as upright RGB bytes, or as an error of one line.

What cannot be mended but must be known (uneven spacing, HDR, interlacing, …) is said in `VideoInfo.notes`.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import torch
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from torch import Tensor

from rewards.base import UserError
from sn_eval.video.whole import missing

UNEVEN = 0.1  # share of the usual gap between frames by which one may differ
UNFINISHED = ".partial.mp4"  # how `VideoWriter` calls what is not complete
NO_TIMES = 0x80  # AVFMT_NOTIMESTAMPS: FFmpeg then makes up 25 frames a second
SEES_THROUGH = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders of these drop transparency
HDR = {16: "PQ", 18: "HLG"}  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67


@dataclass(frozen=True)
class VideoInfo:
    """What was found about a video file; no more than its first frame is decoded for it.

    frames: how many there are, by counting (what a container says of itself may be wrong). fps: their mean rate, 0
    where the file does not say. width, height: upright, as the frames are read. gaps: the shortest and the longest time
    between frames in ms, where they are not evenly spaced. notes: what a reader of its scores must know.
    """

    frames: int
    fps: float
    width: int
    height: int
    gaps: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def probe(path: Path | str) -> VideoInfo:
    """Size, rate and exact length of a video; UserError, in one line, for one that is cut, empty or no video."""
    with _opened(path) as container:
        stream = _stream(path, container)
        decoder, times = _decoder(stream), array("q")
        frames, first = 0, None
        try:
            for packet in _packets(path, container, stream):
                if first is None:
                    first = next(iter(decoder.decode(packet)), None)
                if _is_shown(packet, stream):
                    frames += 1
                    times.extend([time for time in (packet.pts, packet.dts) if time is not None][:1])
            if first is None:
                first = next(iter(decoder.decode(None)), None)
        except av.FFmpegError as error:
            raise _cannot_read(path, error) from error
        if first is None:
            raise _no_frames(path)
        spacing = space(times, float(stream.time_base or 0))
        rate = _rate(container, stream, spacing)
        turned = _turn(first)
        size = (first.height, first.width) if turned and turned.swap else (first.width, first.height)
        return VideoInfo(frames, rate, *size, spacing.gaps, tuple(_notes(path, container, first, spacing)))


def stream_video(path: Path | str, chunk: int = 32) -> Iterator[UInt8[Tensor, "t 3 h w"]]:
    """All frames of a video, at most `chunk` at a time: upright RGB, transparent parts white.

    Grey, more than 8 bits, limited and full range all become 0..255. Raises UserError, in one line, for a file that
    cannot be read or is cut, for a damaged frame, and for a size that changes on the way.
    """
    with _opened(path) as container:
        held: list[Tensor] = []
        try:
            converter = VideoReformatter()  # one for all frames: making it costs more than a small frame
            for frame in _frames(path, container):
                held.append(_rgb(frame, converter))
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
        raise _no_frames(path)
    return torch.cat(chunks)


def frames_at(path: Path | str, times: Sequence[int]) -> UInt8[Tensor, "n 3 h w"]:
    """The frames with these numbers (from 0), in the order asked for; UserError for one behind the end."""
    wanted, seen = set(times), 0
    found: dict[int, Tensor] = {}
    for frames in stream_video(path):
        found |= {seen + i: frames[i].clone() for i in range(len(frames)) if seen + i in wanted}
        seen += len(frames)
        if len(found) == len(wanted):
            break
    if missing := sorted(wanted - found.keys()):
        raise UserError(f"{path} has no frame {missing[0]}: it has {seen} frames, numbered from 0")
    return torch.stack([found[time] for time in times])


# --- from the file to frames ------------------------------------------------------------------------------


def _opened(path: Path | str) -> Any:
    """The container, once it is known to be whole; one that its writer left unfinished need not be."""
    try:
        if not str(path).endswith(UNFINISHED) and (lost := missing(path)):
            raise UserError(f"cannot read {path}: {lost}. Copy or make it anew")
        return av.open(str(path))
    except av.EOFError as error:  # headers, and nothing behind them
        raise _no_frames(path) from error
    except (av.FFmpegError, OSError) as error:
        raise _cannot_read(path, error) from error


def _stream(path: Path | str, container: Any) -> Any:
    """The first moving picture in it: the cover of a music file is none."""
    if streams := _moving(container):
        return streams[0]
    raise UserError(f"cannot read {path}: it holds no video. Choose a video that plays")


def _moving(container: Any) -> list[Any]:
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def _packets(path: Path | str, container: Any, stream: Any) -> Iterator[Any]:
    """Its packets; an unfinished file ends where the first one is incomplete, any other is refused there."""
    number = 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            if str(path).endswith(UNFINISHED):
                return
            raise UserError(f"cannot read {path}: it is cut or damaged at frame {number}. Copy or make it anew")
        if packet.size:  # an empty one only marks the end, or a frame that was never written
            number += 1
            yield packet


def _decoder(stream: Any) -> Any:
    """What decodes its packets."""
    name = SEES_THROUGH.get(stream.codec_context.name) if stream.metadata.get("alpha_mode") == "1" else None
    return av.CodecContext.create(name, "r") if name else stream.codec_context


def _frames(path: Path | str, container: Any) -> Iterator[Any]:
    """Its decoded frames, all whole and of one size."""
    stream = _stream(path, container)
    decoder = _decoder(stream)
    size, number = None, 0
    for packet in chain(_packets(path, container, stream), [None]):
        for frame in decoder.decode(packet):
            now = (frame.width, frame.height)
            if frame.is_corrupt:
                raise UserError(f"cannot read {path}: frame {number} is damaged. Copy or make it anew")
            if size not in (None, now):
                raise UserError(
                    f"cannot read {path}: from frame {number} on it is {now[0]}x{now[1]}, before {size[0]}x{size[1]}. "
                    "Give a video of one size"
                )
            size, number = now, number + 1
            yield frame


def _is_shown(packet: Any, stream: Any) -> bool:
    """Whether a frame comes out of it: an edit list cuts some away, and VP8 has hidden ones (RFC 6386 §9.1)."""
    return not packet.is_discard and (stream.codec_context.name != "vp8" or bool(bytes(packet)[0] & 0x10))


# --- from frames to RGB -----------------------------------------------------------------------------------


def _rgb(frame: Any, converter: Any) -> UInt8[Tensor, "3 h w"]:
    """A frame as RGB bytes, upright; transparent parts white."""
    if _may_be_transparent(frame):
        pixels = torch.from_numpy(converter.reformat(frame, format="rgba").to_ndarray()).int()
        colour, alpha = pixels[..., :3], pixels[..., 3:]
        pixels = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).byte()
    else:
        pixels = torch.from_numpy(converter.reformat(frame, format="rgb24").to_ndarray())
    return (_turn(frame) or Turn()).apply(pixels).permute(2, 0, 1)


def _may_be_transparent(frame: Any) -> bool:
    return frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)


class Turn(NamedTuple):
    """How a stored picture is brought upright: rows and columns swapped first, then mirrored."""

    swap: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def apply(self, pixels: UInt8[Tensor, "h w c"]) -> UInt8[Tensor, "h2 w2 c"]:
        """The picture upright."""
        if self.swap:
            pixels = pixels.transpose(0, 1)
        return pixels.flip([axis for axis, mirrored in enumerate((self.mirror_y, self.mirror_x)) if mirrored])


def _turn(frame: Any) -> Turn | None:
    """What the display matrix of the file asks for; None where it is no quarter turn or mirroring.

    The matrix maps stored (x, y) to shown (a x + c y, b x + d y): ISO/IEC 14496-12 §8.3.2.
    """
    stored = frame.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return Turn()
    a, b, _, c, d = np.frombuffer(bytes(stored), dtype=np.int32)[:5].tolist()
    if a and d and not (b or c):
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0) if b and c and not (a or d) else None


# --- what is said about it --------------------------------------------------------------------------------


class Spacing(NamedTuple):
    """How frames lie in time: their mean rate (0 where unknown), how exactly it is known, uneven gaps in ms."""

    rate: float = 0.0
    error: float = 0.0
    gaps: tuple[float, float] | None = None


def space(times: Sequence[int], tick: float) -> Spacing:
    """Spacing of frames by their times in ticks of so many seconds; the order of the times is free.

    Times are rounded to ticks, so gaps may differ by one; by more than that and UNEVEN of the usual gap they are
    uneven.

    >>> space([0, 33, 67, 100], 0.001).gaps, space([0, 100, 200, 400], 0.001)
    (None, Spacing(rate=7.5, error=0.01875, gaps=(100.0, 200.0)))
    """
    gaps = np.diff(np.sort(np.asarray(times, dtype=np.int64))).astype(np.float64)
    span = float(gaps.sum())
    if span == 0 or tick <= 0:
        return Spacing()
    usual = float(np.median(gaps))
    uneven = float(np.abs(gaps - usual).max()) > max(1.0, UNEVEN * usual)
    rate = len(gaps) / (span * tick)
    ends = (float(gaps.min()) * tick * 1000, float(gaps.max()) * tick * 1000)
    return Spacing(rate, rate / span, ends if uneven else None)


def _rate(container: Any, stream: Any, spacing: Spacing) -> float:
    """Frames a second: what the file says where its frames bear that out, else what they show; 0 where neither does."""
    if container.format.flags & NO_TIMES:
        return float(stream.codec_context.framerate or 0)
    said = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    if not spacing.rate:
        return said[0] if said else 0.0
    nearest = min(said, key=lambda rate: abs(rate - spacing.rate), default=0.0)
    close = abs(nearest - spacing.rate) <= 0.01 * spacing.rate + spacing.error
    return nearest if close else spacing.rate


def uneven_note(gaps: tuple[float, float], taken: str = "the mean rate") -> str:
    """What is said of frames that are not evenly spaced.

    >>> uneven_note((40.0, 120.5))
    'frames are not evenly spaced (40 … 120 ms): measures per second take the mean rate'
    """
    return f"frames are not evenly spaced ({gaps[0]:.0f} … {gaps[1]:.0f} ms): measures per second take {taken}"


def _notes(path: Path | str, container: Any, first: Any, spacing: Spacing) -> Iterator[str]:
    """What a reader of the scores must know, one line each."""
    stream = _stream(path, container)
    if str(path).endswith(UNFINISHED):
        yield "unfinished: the run that wrote it was stopped"
    if spacing.gaps:
        yield uneven_note(spacing.gaps)
    turn = _turn(first)
    if turn is None:
        yield "its display matrix is no quarter turn: frames are read as they are stored"
    elif any(turn):
        yield "turned or mirrored, as its display matrix says"
    if _may_be_transparent(first) and (first.to_ndarray(format="rgba")[..., 3] < 255).any():
        yield "transparent parts are read as white"
    if curve := HDR.get(first.color_trc):
        yield f"HDR ({curve}) is read as it is stored, without tone mapping"
    if first.interlaced_frame:
        yield "interlaced: a frame shows two moments"
    if (ratio := stream.codec_context.sample_aspect_ratio or 1) != 1:
        yield f"pixels are not square ({ratio.numerator}:{ratio.denominator}): frames are read as they are stored"
    if (count := len(_moving(container))) > 1:
        yield f"holds {count} video streams: the first is read"


# --- errors -----------------------------------------------------------------------------------------------


def _cannot_read(path: Path | str, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error)
    return UserError(f"cannot read {path}: {reason}. Choose a video that plays")


def _no_frames(path: Path | str) -> UserError:
    return UserError(f"cannot read {path}: it holds no frames. Choose a video that plays")
