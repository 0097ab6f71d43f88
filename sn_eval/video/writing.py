"""Videos written frame by frame: H.264 yuv420p with the index in front (+faststart), which every browser plays.

While one is being made it is a fragmented mp4, which plays up to its last second even after a power cut.
"""

import hashlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import torch
from av.video.reformatter import Colorspace
from jaxtyping import UInt8
from torch import Tensor

from rewards.base import UserError
from sn_eval.video.frames import Frames, Resample, to_uint8, upscale
from sn_eval.video.interrupting import whole_before_ctrl_c


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
            raise cannot_write(self.path, error) from error

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
                with whole_before_ctrl_c():  # a packet lost between the two would spoil the frames behind it
                    self._container.mux(self._stream.encode(frame))
        except OSError as error:
            raise cannot_write(self.path, error) from error


def _index_in_front(source: Path, target: Path) -> None:
    """The same packets as an ordinary mp4 whose index comes first; the target appears whole or not at all."""
    unfinished = target.with_name(f".{target.name}.partial")
    try:
        with (
            av.open(str(source)) as old,
            av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}) as new,
        ):
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


def cannot_write(path: Path, error: OSError) -> UserError:
    """The one-line error for a file that the system refused to write."""
    reason = error.strerror or str(error)
    return UserError(f"cannot write {path}: {reason}. Choose a writable folder with free space (--out)")
