"""A file that lost its end is known as such wherever its format says how long it is."""

import random

import pytest
from filming import film, pictures, sound

from sn_eval.video.whole import missing

FORMATS = {
    "v.mp4": ("libx264", "yuv420p"), "v.mov": ("qtrle", "rgb24"), "v.mkv": ("libx264", "yuv420p"),
    "v.webm": ("libvpx-vp9", "yuv420p"), "v.avi": ("mpeg4", "yuv420p"), "v.gif": ("gif", "rgb8"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_misses_nothing_and_any_shorter_one_does(tmp_path, name):
    data = film(tmp_path / name, pictures(), *FORMATS[name]).read_bytes()
    assert missing(tmp_path / name) == ""
    cut = tmp_path / f"cut_{name}"
    boxes = box_ends(data) if name.endswith(("mp4", "mov")) else {0}
    for length in (*random.Random(0).sample(range(100, len(data)), 60), len(data) - 2, len(data) - 20):
        cut.write_bytes(data[:length])
        if length not in boxes:
            assert missing(cut).startswith("it is cut"), length


def box_ends(data: bytes) -> set[int]:
    """Where the outermost boxes of an mp4 end: cut there it looks whole, but lacks its index and cannot be opened."""
    ends, at = set(), 0
    while at < len(data):
        at += int.from_bytes(data[at : at + 4], "big")
        ends |= {at, *range(at + 1, at + 8)}  # nor can a name be read off fewer than 8 bytes
    return ends


def test_how_much_is_missing_is_said(tmp_path):
    data = film(tmp_path / "v.mkv", pictures(), "ffv1", "bgra").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[:-1234])
    assert missing(tmp_path / "cut.mkv") == "it is cut: at least 1,234 bytes are missing"
    (tmp_path / "empty.mp4").touch()
    assert missing(tmp_path / "empty.mp4") == "it is empty (0 bytes)"


def test_what_does_not_say_its_length_is_left_alone(tmp_path):
    film(tmp_path / "v.ts", pictures(), "libx264", "yuv420p")
    (tmp_path / "text.mp4").write_text("hello, this is no video at all")
    sound(tmp_path / "s.mp3")
    for name in ("v.ts", "text.mp4", "s.mp3"):
        assert missing(tmp_path / name) == ""


def test_boxes_of_64_bits_and_up_to_the_end(tmp_path):
    start = b"\0\0\0\x10ftypisom\0\0\0\0"
    large = b"\0\0\0\x01mdat" + (1000).to_bytes(8, "big")
    (tmp_path / "large.mp4").write_bytes(start + large + bytes(984))
    assert missing(tmp_path / "large.mp4") == ""
    (tmp_path / "large.mp4").write_bytes(start + large + bytes(900))
    assert missing(tmp_path / "large.mp4") == "it is cut: at least 84 bytes are missing"
    (tmp_path / "open.mp4").write_bytes(start + b"\0\0\0\0mdat" + bytes(50))
    assert missing(tmp_path / "open.mp4") == ""
    (tmp_path / "tail.mp4").write_bytes(start + bytes(300))
    assert missing(tmp_path / "tail.mp4") == "", "zeros behind the last box are no box"


def test_a_live_stream_of_unknown_length_may_end_anywhere(tmp_path):
    header = b"\x1a\x45\xdf\xa3\x84abcd"
    endless = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
    (tmp_path / "live.mkv").write_bytes(header + endless + bytes(20))
    assert missing(tmp_path / "live.mkv") == ""
    (tmp_path / "short.mkv").write_bytes(header + b"\x18\x53\x80\x67\x94" + bytes(19))
    assert missing(tmp_path / "short.mkv") == "it is cut: at least 1 bytes are missing"
