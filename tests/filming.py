"""Video files of every sort for tests, made with PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def pictures(count: int = 12, h: int = 48, w: int = 64, seed: int = 0) -> list[np.ndarray]:
    """Coarse random RGB pictures that wander sideways, uint8 [h w 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (-(-h // 8), -(-w // 8), 3))
    base = np.kron(coarse, np.ones((8, 8, 1), int)).astype(np.uint8)[:h, :w]
    return [np.roll(base, 3 * i, axis=1) for i in range(count)]


def film(
    path: Path,
    frames: Sequence[np.ndarray],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    *,
    shape: str = "rgb24",
    rate: float = 8,
    ticks: Sequence[int] | None = None,
    tick: Fraction = Fraction(1, 1000),
    options: dict[str, str] | None = None,
    tags: dict[str, Any] | None = None,
) -> Path:
    """Encode arrays of the layout `shape`. ticks: when each is shown, in `tick` seconds; else at an even rate.

    tags: what is written into the stream about its colours.
    """
    written = [av.VideoFrame.from_ndarray(frame, format=shape) for frame in frames]
    return film_frames(path, written, codec, pix_fmt, rate=rate, ticks=ticks, tick=tick, options=options, tags=tags)


def film_frames(
    path: Path,
    frames: Sequence[Any],
    codec: str,
    pix_fmt: str,
    *,
    rate: float = 8,
    ticks: Sequence[int] | None = None,
    tick: Fraction = Fraction(1, 1000),
    options: dict[str, str] | None = None,
    tags: dict[str, Any] | None = None,
) -> Path:
    """The same for PyAV's own frames."""
    even = Fraction(rate).limit_denominator(1001)
    base = 1 / even if ticks is None else tick
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=even, options=options or {})
        if frames:
            stream.width, stream.height = frames[0].width, frames[0].height
        else:
            stream.width = stream.height = 16
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = base
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if not frames:
            container.start_encoding()
            return path
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number if ticks is None else ticks[number], base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def jpeg(w: int, h: int) -> bytes:
    """A grey picture as JPEG."""
    context: Any = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = w, h, "yuvj420p", Fraction(1, 8)
    frame = av.VideoFrame.from_ndarray(np.full((h, w, 3), 128, np.uint8), format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def raw_packets(path: Path, packets: Sequence[bytes], codec: str, w: int, h: int, rate: int = 8) -> Path:
    """Packets as they are, one a frame."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height = w, h
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, rate)
            packet.is_keyframe = True
            container.mux(packet)
    return path


def sound(path: Path, cover: bytes | None = None) -> Path:
    """A second of silence, with a cover picture on request."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac" if path.suffix != ".mp3" else "libmp3lame", rate=16000)
        if cover is not None:
            picture: Any = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        layout = "fltp"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format=layout, layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        if cover is not None:
            packet = av.Packet(cover)
            packet.stream, packet.pts, packet.dts = picture, 0, 0
            container.mux(packet)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
