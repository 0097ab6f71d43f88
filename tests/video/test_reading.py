"""Whatever lies in a video file: its frames come out right, or it is refused in one line."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from filming import film, film_frames, jpeg, pictures, raw_packets, sound
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rewards.base import UserError
from sn_eval.video import frames_at, probe, read_image, read_video, stream_video
from sn_eval.video.reading import space


def rgb(frames) -> torch.Tensor:
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def difference(path, expected) -> int:
    found = read_video(path)
    assert found.dtype == torch.uint8
    assert found.shape == expected.shape
    return (found.int() - expected.int()).abs().max().item()


# --- colours ----------------------------------------------------------------------------------------------

MATRICES = {"601": (6, 0.299, 0.114), "709": (1, 0.2126, 0.0722), "2020": (9, 0.2627, 0.0593)}


def as_yuv(rgb, bits, full, red, blue):
    """The textbook conversion (ITU-R BT.601, 709, 2020) of RGB 0..1 to whole numbers."""
    r, g, b = rgb
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    top, step = 2**bits - 1, 2 ** (bits - 8)
    if full:
        return np.stack([y * top, u * top + 128 * step, v * top + 128 * step]).round().clip(0, top)
    return np.stack([(16 + 219 * y) * step, (128 + 224 * u) * step, (128 + 224 * v) * step]).round()


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_depth_range_and_matrix_are_heeded(tmp_path, bits, full, matrix):
    number, red, blue = MATRICES[matrix]
    colours = np.random.default_rng(0).random((3, 16, 16))
    colours[:, 0], colours[:, 1] = 0, 1
    frame = av.VideoFrame(16, 16, "yuv444p" if bits == 8 else f"yuv444p{bits}le")
    for plane, values in zip(frame.planes, as_yuv(colours, bits, full, red, blue), strict=True):
        padded = np.zeros((16, plane.line_size // (1 if bits == 8 else 2)), "<u1" if bits == 8 else "<u2")
        padded[:, :16] = values
        plane.update(padded.tobytes())
    frame.color_range, frame.colorspace = 2 if full else 1, number
    tags = {"color_range": 2 if full else 1, "colorspace": number}
    path = film_frames(tmp_path / "v.mkv", [frame], "ffv1", frame.format.name, tags=tags)
    tolerance = 2.6 if bits == 8 else 1.6  # 8 bits of YUV are coarser than those of RGB
    assert np.abs(read_video(path)[0].numpy() - 255 * colours).max() < tolerance


def test_grey_of_8_and_16_bits(tmp_path):
    ramp = np.linspace(0, 65535, 32 * 48).reshape(32, 48)
    for name, values, pix_fmt in (("8", ramp / 257, "gray"), ("16", ramp, "gray16le")):
        grey = values.round().astype(np.uint16 if name == "16" else np.uint8)
        path = film(tmp_path / f"{name}.mkv", [grey], "ffv1", pix_fmt, shape=pix_fmt)
        expected = torch.from_numpy((ramp / 257).round()).expand(1, 3, 32, 48)
        assert difference(path, expected) <= 1
    path = film(tmp_path / "v.mov", [ramp.astype(np.uint16)], "png", "gray16be", shape="gray16le")
    assert difference(path, expected) <= 1


SEE_THROUGH = {
    "ffv1.mkv": ("ffv1", "bgra", 0), "png.mov": ("png", "rgba", 0), "qtrle.mov": ("qtrle", "argb", 0),
    "a.apng": ("apng", "rgba", 0), "prores.mov": ("prores_ks", "yuva444p10le", 12),
    "vp9.webm": ("libvpx-vp9", "yuva420p", 40),
}  # fmt: skip


@pytest.mark.parametrize("name", SEE_THROUGH)
def test_transparent_parts_become_white(tmp_path, name):
    codec, pix_fmt, tolerance = SEE_THROUGH[name]
    colour = np.full((48, 64, 3), (200, 40, 90), np.uint8)
    alpha = np.zeros((48, 64, 1), np.uint8)
    alpha[:, 32:] = 255
    alpha[:24] = 128
    path = film(
        tmp_path / name, [np.concatenate([colour, alpha], -1)] * 3, codec, pix_fmt, shape="rgba", options={"crf": "4"}
    )
    share = alpha / 255
    expected = rgb([(colour * share + 255 * (1 - share)).round()] * 3)
    found = read_video(path)
    assert (found - expected).abs().mean((0, 2, 3)).max() <= max(0.5, tolerance / 4)
    for y, x in ((8, 8), (8, 56), (40, 8), (40, 56)):
        assert (found[:, :, y, x] - expected[:, :, y, x]).abs().max() <= max(1, tolerance)
    assert "transparent parts are read as white" in probe(path).notes


def test_an_opaque_gif_says_nothing_of_transparency(tmp_path):
    path = film(tmp_path / "v.gif", pictures(), "gif", "rgb8")
    assert probe(path).notes == ()
    assert len(read_video(path)) == 12


@pytest.mark.parametrize(("h", "w"), [(33, 47), (1, 1), (31, 64), (48, 7)])
def test_odd_sizes_stay_as_they_are(tmp_path, h, w):
    frames = pictures(3, h, w)
    path = film(tmp_path / "v.mkv", frames, "ffv1", "bgr0")
    assert difference(path, rgb(frames)) == 0
    assert (probe(path).height, probe(path).width) == (h, w)


def test_hdr_is_said(tmp_path):
    path = film(tmp_path / "v.mkv", pictures(2), "ffv1", "yuv444p10le", tags={"color_trc": 16})
    assert probe(path).notes == ("HDR (PQ) is read as it is stored, without tone mapping",)


# --- upright ----------------------------------------------------------------------------------------------

TURNS = {
    # (a, b, c, d) of the display matrix: what a viewer sees, of the stored picture [h w c]
    (1, 0, 0, 1): lambda p: p,
    (0, 1, -1, 0): lambda p: np.rot90(p, -1),  # clockwise
    (-1, 0, 0, -1): lambda p: np.rot90(p, 2),
    (0, -1, 1, 0): lambda p: np.rot90(p, 1),
    (-1, 0, 0, 1): lambda p: p[:, ::-1],
    (1, 0, 0, -1): lambda p: p[::-1],
    (0, 1, 1, 0): lambda p: p.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda p: np.rot90(p, 2).transpose(1, 0, 2),
}


def with_matrix(path, matrix):
    """The file with another display matrix in its track header (version 0: 36 bytes, 48 behind the box's name)."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 4 + 40
    assert struct.unpack_from(">9i", data, at) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    a, b, c, d = (round(65536 * value) for value in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("matrix", TURNS)
def test_frames_come_out_upright(tmp_path, matrix):
    frames = pictures(2, 48, 32)
    path = with_matrix(film(tmp_path / "v.mov", frames, "png", "rgb24"), matrix)
    expected = rgb([TURNS[matrix](frame) for frame in frames])
    assert difference(path, expected) == 0
    info = probe(path)
    assert (info.height, info.width) == tuple(expected.shape[-2:])
    assert bool(info.notes) == (matrix != (1, 0, 0, 1))


def test_a_matrix_that_is_no_quarter_turn_is_said(tmp_path):
    path = with_matrix(film(tmp_path / "v.mov", pictures(2), "png", "rgb24"), (0.9, 0.4, -0.4, 0.9))
    assert difference(path, rgb(pictures(2))) == 0
    assert probe(path).notes == ("its display matrix is no quarter turn: frames are read as they are stored",)


# --- how many, how fast -----------------------------------------------------------------------------------

CONTAINERS = {
    "v.mp4": ("libx264", "yuv420p"), "v.mkv": ("libx264", "yuv420p"), "h.avi": ("libx264", "yuv420p"),
    "v.avi": ("mpeg4", "yuv420p"), "v.mov": ("prores_ks", "yuv422p10le"), "v.webm": ("libvpx-vp9", "yuv420p"),
    "v8.webm": ("libvpx", "yuv420p"), "v.gif": ("gif", "rgb8"), "v.ts": ("libx264", "yuv420p"),
    "v.y4m": ("rawvideo", "yuv420p"), "v.h264": ("libx264", "yuv420p"), "v.flv": ("flv", "yuv420p"),
    "v.apng": ("apng", "rgb24"), "v.wmv": ("wmv2", "yuv420p"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_count_is_that_of_decoded_frames(tmp_path, name):
    path = film(tmp_path / name, pictures(37), *CONTAINERS[name], rate=12)
    info = probe(path)
    assert info.frames == len(read_video(path)) == 37
    assert info.fps == pytest.approx(12, rel=0.005)
    assert (info.height, info.width) == (48, 64)
    assert info.gaps is None
    assert info.notes == ()


def test_a_container_that_lies_is_not_believed(tmp_path):
    path = film(tmp_path / "v.avi", pictures(9), "mpeg4", "yuv420p")
    data = bytearray(path.read_bytes())
    for name, offset in ((b"avih", 24), (b"strh", 40)):  # total frames of the file, and of its stream
        struct.pack_into("<I", data, data.find(name) + offset, 700)
    path.write_bytes(data)
    with av.open(str(path)) as container:
        said = container.streams.video[0].frames
    assert said != 9, "the test's own premise"
    assert probe(path).frames == len(read_video(path)) == 9


def test_hidden_frames_of_vp8_are_not_counted(tmp_path):
    with av.open(str(film(tmp_path / "v.webm", pictures(6), "libvpx", "yuv420p"))) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    hidden = bytes([packets[0][0] & ~0x10]) + packets[0][1:]
    path = raw_packets(tmp_path / "hidden.webm", [*packets[:3], hidden, *packets[3:]], "libvpx", 64, 48)
    assert probe(path).frames == len(read_video(path)) == 6


def test_uneven_frames_are_said_and_their_mean_rate_taken(tmp_path):
    ticks = [0, 100, 200, 500, 600, 900, 1000, 1100, 2000, 2100]
    for name in ("v.mp4", "v.mkv"):
        path = film(tmp_path / name, pictures(10), ticks=ticks)
        info = probe(path)
        assert info.gaps == pytest.approx((100, 900))
        assert info.fps == pytest.approx(9 / 2.1)
        assert info.notes == ("frames are not evenly spaced (100 … 900 ms): measures per second take the mean rate",)
        assert len(read_video(path)) == 10


def test_a_rate_that_is_not_known_is_0(tmp_path):
    path = tmp_path / "v.mjpeg"
    path.write_bytes(jpeg(64, 48) * 5)
    assert (probe(path).fps, probe(path).frames) == (0, 5)


@given(
    st.fractions(1, 240), st.integers(2, 400), st.sampled_from([1e-3, 1e-2, 1 / 90000, 1 / 16384]), st.integers(0, 9**9)
)
def test_even_frames_are_even_however_their_times_are_rounded(rate, count, tick, start):
    times = [start + round(number / float(rate) / tick) for number in range(count)]
    found = space(times[::-1], tick)
    if times[0] == times[-1]:
        assert found.rate == 0
        return
    assert found.gaps is None or 1 / float(rate) < 2 * tick, "faster than the clock ticks, some gaps are doubled"
    assert abs(found.rate - float(rate)) <= found.error * 1.01


@given(st.lists(st.integers(1, 1000), min_size=3, max_size=50))
def test_uneven_is_more_than_a_tenth_off_the_usual_gap(gaps):
    times = np.cumsum([0, *(gap * 20 for gap in gaps)]).tolist()
    usual = float(np.median(gaps))
    expected = any(abs(gap - usual) > max(0.1 * usual, 1 / 20) for gap in gaps)
    assert (space(times, 0.001).gaps is not None) == expected


def test_one_frame_is_a_video(tmp_path):
    info = probe(film(tmp_path / "v.mp4", pictures(1)))
    assert (info.frames, info.fps, info.notes) == (1, 8, ())


# --- refused ----------------------------------------------------------------------------------------------


def refused(path, match):
    for read in (probe, read_video):
        with pytest.raises(UserError, match=match) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "name", [name for name in CONTAINERS if name.split(".")[1] in ("mp4", "mkv", "avi", "gif", "mov")]
)
def test_no_cut_file_passes_for_a_shorter_video(tmp_path, name):
    data = film(tmp_path / name, pictures(37), *CONTAINERS[name]).read_bytes()
    for share in (0.02, 0.3, 0.5, 0.7, 0.9, 0.99):
        (tmp_path / f"cut_{name}").write_bytes(data[: int(share * len(data))])
        refused(tmp_path / f"cut_{name}", "cannot read .*(cut|Invalid data|no video|no frames)")


def test_a_frame_that_was_damaged_is_named(tmp_path):
    path = film(tmp_path / "v.avi", pictures(9), "mpeg4", "yuv420p", options={"g": "1"})
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][5]
        at, size = packet.pos + 8, packet.size
    data = bytearray(path.read_bytes())
    data[at + size // 3 : at + size // 2] = b"\xff" * (size // 2 - size // 3)
    path.write_bytes(data)
    with pytest.raises(UserError, match="(frame 5 is damaged|Invalid data)"):
        read_video(path)


def test_a_size_that_changes_is_refused(tmp_path):
    path = raw_packets(tmp_path / "v.avi", [jpeg(64, 48)] * 3 + [jpeg(32, 24)] * 3, "mjpeg", 64, 48)
    with pytest.raises(UserError, match="from frame 3 on it is 32x24, before 64x48. Give a video of one size"):
        read_video(path)


def test_what_holds_no_video_is_refused(tmp_path):
    refused(sound(tmp_path / "s.mp4"), "holds no video")
    refused(sound(tmp_path / "s.mp3", jpeg(64, 48)), "holds no video")
    (tmp_path / "text.mp4").write_text("hello")
    refused(tmp_path / "text.mp4", "Invalid data")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "it is empty")
    refused(tmp_path, "Is a directory")
    refused(tmp_path / "nowhere.mp4", "No such file")


@pytest.mark.parametrize(("name", "codec"), [("v.mkv", "libx264"), ("v.avi", "mpeg4"), ("v.mp4", "libx264")])
def test_no_frames_are_refused(tmp_path, name, codec):
    refused(film(tmp_path / name, [], codec), "(holds no frames|holds no video)")


def test_an_unfinished_file_is_read_as_far_as_it_goes_and_said(tmp_path):
    whole = film(tmp_path / "v.avi", pictures(30), "mjpeg", "yuvj420p")
    path = tmp_path / "v.partial.mp4"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    info = probe(path)
    assert 10 < info.frames == len(read_video(path)) < 30
    assert "unfinished: the run that wrote it was stopped" in info.notes


# --- streaming --------------------------------------------------------------------------------------------


def test_blocks_come_before_the_end_is_read(tmp_path):
    """Whatever stands at the end is not met until it is asked for, so no more than a block is held."""
    path = raw_packets(tmp_path / "v.avi", [jpeg(64, 48)] * 100 + [jpeg(32, 24)], "mjpeg", 64, 48)
    stream = stream_video(path, chunk=8)
    assert len(next(stream)) == 8
    with pytest.raises(UserError, match="from frame 100 on"):
        list(stream)


def test_frames_are_the_same_in_blocks_of_any_size(tmp_path):
    path = film(tmp_path / "v.mp4", pictures(23))
    whole = read_video(path)
    for chunk in (1, 7, 23, 64):
        assert torch.equal(torch.cat(list(stream_video(path, chunk))), whole)
    assert torch.equal(frames_at(path, [22, 3]), whole[[22, 3]])


# --- pictures ---------------------------------------------------------------------------------------------


def test_grey_pictures_of_16_bits_keep_their_tones(tmp_path):
    ramp = np.linspace(0, 65535, 16 * 16).reshape(16, 16)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "g.png")
    found = read_image(tmp_path / "g.png")
    assert found.shape == (3, 16, 16)
    assert np.abs(found.numpy() - ramp / 65535).max() <= 0.5 / 255 + 1e-6
    assert Fraction(round(float(found.max()) * 255), 255) == 1
