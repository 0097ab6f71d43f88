"""Is a video file whole? What its outermost boxes say that must be there, against what is there; nothing is decoded.

A decoder shows what is left of a cut file without a word, so a video that lost its end would pass for a shorter one.
Sources: ISO/IEC 14496-12 §4.2 (mp4, mov), RFC 8794 (mkv, webm), the RIFF of AVI, the GIF89a specification.
"""

import mmap
import struct
from pathlib import Path

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
MP4_FIRST = (b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")


def missing(path: Path | str) -> str:
    """What is missing at the end, in words; "" where nothing is, or where the format does not say how long it must be.

    Knows mp4 and mov, mkv and webm, avi, gif. Raises OSError for a file that cannot be read.
    """
    with Path(path).open("rb") as file:
        if not file.seek(0, 2):
            return "it is empty (0 bytes)"
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:6] in (b"GIF87a", b"GIF89a"):
                return "" if _gif_ends(data) else "it is cut: its end mark is missing"
            expected, found = _promised(data), len(data)
    return f"it is cut: at least {expected - found:,} bytes are missing" if expected > found else ""


def _promised(data: mmap.mmap) -> int:
    """Bytes that the file must have; 0 where the format does not say."""
    if data[4:8] in MP4_FIRST:
        return _end_of_boxes(data)
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return _end_of_riff(data)
    return _end_of_segment(data) if data[:4] == EBML else 0


def _end_of_boxes(data: mmap.mmap) -> int:
    """Where the last box of an mp4 ends. A size of 1 stands for a longer one behind the name, 0 for "to the end"."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 1:
            size = struct.unpack_from(">Q", data, at + 8)[0] if at + 16 <= len(data) else 16
        if size < 8 or not name.isascii() or not name.decode("ascii").isprintable():
            break  # to the end, or what stands here is no box
        at += size
    return at


def _end_of_riff(data: mmap.mmap) -> int:
    """Where the last RIFF chunk of an AVI ends: long files have several."""
    at = 0
    while data[at : at + 4] == b"RIFF" and at + 8 <= len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        if size in (0, 0xFFFFFFFF):  # was never filled in
            return 0
        at += 8 + size + size % 2
    return at - 1 if at == len(data) + 1 else at  # the last chunk's padding may be left out


def _end_of_segment(data: mmap.mmap) -> int:
    """Where the segment of a Matroska file ends; 0 for one of unknown size, as live streams have."""
    size, start = _ebml_size(data, 4)
    at = start + (size or 0)
    if size is None or data[at : at + 4] != SEGMENT:
        return 0
    size, start = _ebml_size(data, at + 4)
    return 0 if size is None else start + size


def _ebml_size(data: mmap.mmap, at: int) -> tuple[int | None, int]:
    """A size of variable length, and where it ends; None where all its bits are ones: unknown."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()  # leading zeros + 1
    if first == 0 or at + length > len(data):
        return None, at
    value = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    return (None if value == (1 << 7 * length) - 1 else value), at + length


def _gif_ends(data: mmap.mmap) -> bool:
    """Whether a walk along the blocks of a GIF comes to its end mark."""
    at = 13 + _palette(data, 10)
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x21:  # an extension: its label, then blocks
            at += 2
        elif data[at] == 0x2C:  # a picture: its place, perhaps a palette, a code size, then blocks
            at += 11 + _palette(data, at + 9)
        else:
            return True  # no block of a GIF: what is wrong here is no missing end
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return at < len(data)


def _palette(data: mmap.mmap, at: int) -> int:
    """Bytes of the palette that the flags at this place announce."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
