"""Videos on disk: what comes back is what was written, and nothing that was written is lost."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from PIL import Image

from rewards.base import UserError
from sn_eval.video import (
    SheetRow,
    VideoWriter,
    contact_sheet,
    frames_at,
    probe,
    read_image,
    read_video,
    save_image,
    spread,
    stream_video,
    to_uint8,
    upscale,
)


def clip(t: int = 12, h: int = 32, w: int = 48, seed: int = 0) -> torch.Tensor:
    """Smooth frames (a codec keeps them) that differ in time, uint8."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(t, 3, 3, 4, generator=g)
    return (torch.nn.functional.interpolate(coarse, size=(h, w), mode="bilinear") * 255).round().byte()


def write(path, frames, **options):
    with VideoWriter(path, fps=8, **options) as writer:
        for part in frames.split(5):
            writer.write(part)
    return writer


def test_round_trip(tmp_path):
    frames = clip()
    writer = write(tmp_path / "v.mp4", frames, crf=1)
    back = read_video(tmp_path / "v.mp4")
    assert back.shape == frames.shape
    assert (back.float() - frames.float()).abs().mean() < 5
    info = probe(tmp_path / "v.mp4")
    assert (info.frames, info.fps, info.width, info.height) == (12, 8, 48, 32)
    assert os.listdir(tmp_path) == ["v.mp4"]
    assert writer.frames == 12


def test_default_quality_keeps_colours(tmp_path):
    flat = torch.tensor([200, 30, 60, 20, 200, 90, 250, 250, 250], dtype=torch.uint8).view(3, 3, 1, 1)
    frames = flat.repeat_interleave(4, 0).expand(-1, -1, 64, 64)
    write(tmp_path / "v.mp4", frames)
    error = (read_video(tmp_path / "v.mp4").float() - frames.float()).mean((-1, -2)).abs()
    assert error.max() < 4


def test_browsers_can_play_it(tmp_path):
    """H.264, yuv420p, index before data."""
    import av

    write(tmp_path / "v.mp4", clip())
    with av.open(str(tmp_path / "v.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    data = (tmp_path / "v.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    assert b"moof" not in data


def test_hash_is_of_the_frames_not_of_their_chunks_scale_or_type(tmp_path):
    frames = clip()
    expected = hashlib.sha256(frames.permute(0, 2, 3, 1).contiguous().numpy().tobytes()).hexdigest()
    assert write(tmp_path / "a.mp4", frames).frames_sha256 == expected
    assert write(tmp_path / "b.mp4", frames.float() / 255, scale=2, crf=40).frames_sha256 == expected
    with VideoWriter(tmp_path / "c.mp4", fps=30) as whole:
        whole.write(frames)
    assert whole.frames_sha256 == expected
    changed = frames.clone()
    changed[7, 1, 3, 3] ^= 1
    assert write(tmp_path / "d.mp4", changed).frames_sha256 != expected


def test_same_frames_same_file(tmp_path):
    write(tmp_path / "a.mp4", clip())
    write(tmp_path / "b.mp4", clip())
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(("h", "w"), [(33, 48), (32, 47), (31, 31), (1, 1)])
def test_odd_sizes_are_padded_not_resized(tmp_path, h, w):
    frames = clip(h=h, w=w)
    write(tmp_path / "v.mp4", frames, crf=1)
    back = read_video(tmp_path / "v.mp4")
    assert back.shape[-2:] == (h + h % 2, w + w % 2)
    assert (back[..., :h, :w].float() - frames.float()).abs().mean() < 5


@pytest.mark.parametrize("how", ["nearest", "bicubic"])
def test_scale_enlarges(tmp_path, how):
    frames = clip()
    write(tmp_path / "v.mp4", frames, scale=3, how=how, crf=1)
    back = read_video(tmp_path / "v.mp4").float()
    assert back.shape[-2:] == (96, 144)
    small = torch.nn.functional.avg_pool2d(back, 3)
    assert (small - frames.float()).abs().mean() < 5


def test_upscale_nearest_repeats_pixels():
    frames = torch.arange(6, dtype=torch.uint8).view(1, 1, 2, 3)
    assert upscale(frames, 2)[0, 0].tolist() == [
        [0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5], [3, 3, 4, 4, 5, 5],
    ]  # fmt: skip
    with pytest.raises(UserError, match="upscale 0"):
        upscale(frames, 0)


def test_long_fractional_rate(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", fps=29.97) as writer:
        writer.write(clip(40))
    assert probe(tmp_path / "v.mp4").fps == pytest.approx(29.97, abs=1e-3)
    assert len(read_video(tmp_path / "v.mp4")) == 40


def test_no_frames_no_file(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", fps=8) as writer:
        writer.write(clip()[:0])
    assert os.listdir(tmp_path) == []
    assert writer.size == (0, 0)


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt()])
def test_an_interrupted_video_is_kept_and_plays(tmp_path, error):
    frames = clip()

    def interrupted():
        with VideoWriter(tmp_path / "v.mp4", fps=8, crf=1) as writer:
            writer.write(frames[:7])
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert os.listdir(tmp_path) == ["v.partial.mp4"]
    back = read_video(tmp_path / "v.partial.mp4")
    assert len(back) == 7
    assert (back.float() - frames[:7].float()).abs().mean() < 5
    write(tmp_path / "v.mp4", frames)
    assert os.listdir(tmp_path) == ["v.mp4"], "the next complete run clears the partial one away"


def in_child(code: str, *arguments, **options) -> subprocess.Popen:
    program = textwrap.dedent(code)
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], text=True, **options)


ENDLESS = """
    import sys, torch
    from sn_eval.video import VideoWriter
    frames = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with VideoWriter(sys.argv[1], fps=8) as writer:
        while True:
            writer.write(frames)
            print(writer.frames, flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_process_leaves_what_plays(tmp_path, how):
    child = in_child(ENDLESS, tmp_path / "v.mp4", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    written = 0
    while written < 96:
        written = int(child.stdout.readline())
    child.send_signal(how)
    child.wait(timeout=60)
    assert os.listdir(tmp_path) == ["v.partial.mp4"]
    kept = len(read_video(tmp_path / "v.partial.mp4"))
    assert kept >= written - (0 if how == signal.SIGINT else 48)


@pytest.mark.parametrize("batches", [1, 40])
def test_a_full_disk_is_one_line(tmp_path, batches):
    """The size limit of a process stands for the disk: the system refuses to write on, as when it is full."""
    child = in_child(
        """
        import resource, sys, torch
        from sn_eval.video import VideoWriter
        from rewards.base import UserError
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            with VideoWriter(sys.argv[1], fps=8) as writer:
                for _ in range(int(sys.argv[2])):
                    writer.write(torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
        except UserError as error:
            print(error)
        """,
        tmp_path / "v.mp4", batches, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert out == f"cannot write {tmp_path / 'v.mp4'}: File too large. " \
        "Choose a writable folder with free space (--out)\n"
    assert "v.mp4" not in os.listdir(tmp_path)


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*(Not a directory|File exists).*--out"):
        write(tmp_path / "file" / "v.mp4", clip())


def test_wrong_use_is_named(tmp_path):
    with pytest.raises(UserError, match=r"must end in \.mp4"):
        VideoWriter(tmp_path / "v.avi", fps=8)
    with pytest.raises(UserError, match="fps 0"):
        VideoWriter(tmp_path / "v.mp4", fps=0)
    with VideoWriter(tmp_path / "v.mp4", fps=8) as writer:
        writer.write(clip())
        with pytest.raises(UserError, match="this video holds"):
            writer.write(clip(h=64))
    with pytest.raises(UserError, match="closed"):
        writer.write(clip())


def test_nan_from_the_model_names_the_frame():
    frames = torch.zeros(4, 3, 2, 2)
    frames[2, 1, 0, 1] = torch.nan
    with pytest.raises(UserError, match="frame 2 of 4 holds NaN"):
        to_uint8(frames)


def test_streaming_reader_holds_one_chunk(tmp_path):
    write(tmp_path / "v.mp4", clip(23))
    parts = list(stream_video(tmp_path / "v.mp4", chunk=10))
    assert [len(p) for p in parts] == [10, 10, 3]
    assert torch.equal(torch.cat(parts), read_video(tmp_path / "v.mp4"))


def test_frames_at_picks_in_the_order_asked_for(tmp_path):
    write(tmp_path / "v.mp4", clip(40))
    every = read_video(tmp_path / "v.mp4")
    assert torch.equal(frames_at(tmp_path / "v.mp4", [39, 0, 33]), every[[39, 0, 33]])
    with pytest.raises(UserError, match="no frame 40: it has 40 frames"):
        frames_at(tmp_path / "v.mp4", [0, 40])


def test_unreadable_videos_are_one_line(tmp_path):
    write(tmp_path / "v.mp4", clip(40))
    data = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 3])
    (tmp_path / "text.mp4").write_text("hello")
    save_image(clip()[0], tmp_path / "still.png")
    for name in ("missing.mp4", "text.mp4"):
        with pytest.raises(UserError, match=f"cannot read .*{name}: .*"):
            read_video(tmp_path / name)
        with pytest.raises(UserError, match=f"cannot read .*{name}: .*"):
            probe(tmp_path / name)
    with pytest.raises(UserError, match=r"cut\.mp4"):
        read_video(tmp_path / "cut.mp4")


def test_read_image_is_upright_opaque_and_fitted(tmp_path):
    wide = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    wide.paste((0, 0, 255, 0), (20, 0, 40, 20))
    wide.save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png")
    assert pixels.shape == (3, 20, 40)
    assert pixels[:, 0, 0].tolist() == [1, 0, 0]
    assert pixels[:, 0, 39].tolist() == [1, 1, 1], "transparent is white"
    assert read_image(tmp_path / "a.png", (16, 16)).shape == (3, 16, 16)
    turned = Image.Exif()
    turned[0x0112] = 6
    wide.convert("RGB").save(tmp_path / "b.jpg", exif=turned)
    assert read_image(tmp_path / "b.jpg").shape == (3, 40, 20)


def test_unreadable_images_are_one_line(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    save_image(clip(h=64, w=64)[0], tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    with pytest.raises(UserError, match="does not exist"):
        read_image(tmp_path / "missing.png")
    for name in ("text.png", "cut.png"):
        with pytest.raises(UserError, match=f"image .*{name} cannot be read") as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_image(tmp_path)


def test_contact_sheet_shows_every_tile_and_marks_the_right_one(tmp_path):
    colours = torch.tensor([[250, 0, 0], [0, 250, 0], [0, 0, 250]], dtype=torch.uint8)
    frames = colours[:, :, None, None].expand(3, 3, 16, 16)
    rows = [SheetRow("plain", frames), SheetRow("search\nk = 4", frames.flip(0), {1: "magenta"}, {2: ".83"})]
    sheet = contact_sheet(rows, [0, 8, 16], caption="two videos of one prompt", fps=8, tile=64)
    path = save_image(sheet, tmp_path / "sheet.png")
    pixels = (read_image(path) * 255).round().long()
    count = {c: (pixels == torch.tensor(c)[:, None, None]).all(0).sum().item()
             for c in [(250, 0, 0), (0, 250, 0), (0, 0, 250), (255, 0, 255), (0, 0, 0)]}  # fmt: skip
    assert count[0, 250, 0] == 2 * 64 * 64
    assert count[0, 0, 250] == 2 * 64 * 64
    assert 64 * 64 < count[250, 0, 0] < 2 * 64 * 64, "the note covers a part of one red tile"
    assert count[255, 0, 255] == 72 * 72 - 64 * 64
    assert count[0, 0, 0] > 200, "labels and caption"


def test_contact_sheet_grows_with_its_text_and_never_shrinks_frames():
    frames = clip(2, h=200, w=300)
    short = contact_sheet([SheetRow("a", frames)], [0, 1])
    row = SheetRow("a very long label of a row", frames)
    long = contact_sheet([row], [0, 1], caption="two\nlines\nand more")
    assert long.width > short.width > 600
    assert long.height > short.height > 200


def test_contact_sheet_wrong_use():
    with pytest.raises(UserError, match="at least one row"):
        contact_sheet([], [0])
    with pytest.raises(UserError, match="row 'a' has 3 frames for 2 times"):
        contact_sheet([SheetRow("a", clip(3))], [0, 1])
    with pytest.raises(UserError, match="one size"):
        contact_sheet([SheetRow("a", clip(1)), SheetRow("b", clip(1, h=64))], [0])


def test_spread_has_both_ends_and_no_repeats():
    for total in range(1, 40):
        for count in range(1, 12):
            times = spread(total, count)
            assert len(set(times)) == len(times) == min(total, count)
            assert times[0] == 0
            assert count == 1 or times[-1] == total - 1


def test_writing_is_fast_enough_to_forget(tmp_path):
    frames = clip(100, 64, 64)
    start = time.perf_counter()
    write(tmp_path / "v.mp4", frames, scale=4)
    assert time.perf_counter() - start < 10
