"""The page says what was measured, shows every curve and the frames of every drop; nothing in it can act."""

import base64
import io
import math
import re
from html.parser import HTMLParser

import pytest
import torch
from evaluations import evaluation, measure, video
from PIL import Image

from rewards.base import UserError
from sn_eval.evaluation import evaluation_page, evaluation_view
from sn_eval.evaluation.evaluation_view import View, remembering
from sn_eval.page import Section, Words
from sn_eval.results.files import ResultsError
from sn_eval.video import VideoWriter

EVIL = "</title><script>alert('x')</script><img src=x onerror=alert(1)>"
FPS, FRAMES = 8.0, 48
GREY, RED = 90, (230, 40, 30)


class Seen(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, path) -> None:
        super().__init__()
        self.tags, self.text, self.source = [], "", path.read_text("utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]

    def pictures(self, kind: str) -> list[bytes]:
        sources = [attrs["src"] for attrs in self.of("img")]
        return [base64.b64decode(s.split(",")[1]) for s in sources if s.startswith(f"data:image/{kind}")]


def dipped(*places: int, depth: float = 0.5) -> tuple[float, ...]:
    return tuple(0.9 + 0.002 * (-1) ** i - depth * (i in places) for i in range(FRAMES))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Grey frames, each a little lighter; the 20th is red."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    frames = torch.full((FRAMES, 3, 48, 64), GREY, dtype=torch.uint8)
    frames[20] = torch.tensor(RED, dtype=torch.uint8)[:, None, None]
    with VideoWriter(path, fps=FPS) as writer:
        writer.write(frames)
    return path


SUBJECT = measure("subject_consistency", "imagenet-lite0", about="Does the subject stay itself?")
LIGHT = measure("light", higher_is_better=False, low=0.0, high=math.inf, families=("pixels", "flow"))


def one(clip, name="clip.mp4", **more):
    curves = {SUBJECT.key: dipped(20), LIGHT.key: tuple(-value for value in dipped(40))}
    told = {"path": str(clip), "frames": FRAMES, "fps": FPS, "curves": curves, "prompt": "a red flash", **more}
    return video(name, {SUBJECT.key: 0.88, LIGHT.key: None}, **told)


def written(tmp_path, found, **more) -> Seen:
    return Seen(evaluation_page.write(found, tmp_path / "page.html", **more))


def test_a_reader_in_a_hurry_learns_what_was_measured_and_what_failed(tmp_path, clip):
    videos = [one(clip, "a.mp4", total=0.25), one(clip, "b.mp4", total=0.75, notes=("light: too dark to tell",))]
    found = evaluation(
        [SUBJECT, LIGHT], videos, failed={"bad.mp4": "cannot read bad.mp4: it holds no frames"}, notes=("a substitute",)
    )  # fmt: skip
    seen = written(tmp_path, found)
    for words in (
        "2 videos measured in 2 ways", "suite bundled; mode fixed",
        "Highest total: b.mp4 (0.750), lowest: a.mp4 (0.250)",
        "In 2 of 2 videos a measure drops clearly", "1 file could not be measured", "cannot read bad.mp4: it holds no",
        "a substitute", "light: too dark to tell", "subject_consistency ↑", "light ↓", "Does the subject stay itself?",
        "0 to 1", "0 and more", "pixels, flow", "“a red flash”", "64 × 48 pixels · 48 frames at 8 fps · 6.0 s",
    ):  # fmt: skip
        assert words in seen.text, words


def test_the_table_has_a_row_a_video_and_their_means(tmp_path, clip):
    a, b = one(clip, "a.mp4"), one(clip, "b.mp4").model_copy(update={"values": {SUBJECT.key: 0.5, LIGHT.key: 7.0}})
    cells = re.findall(r"<td[^>]*>(?:<a[^>]*>)?([^<]*)", written(tmp_path, evaluation([SUBJECT, LIGHT], [a, b])).source)
    assert cells[:9] == ["a.mp4", "0.880", "–", "b.mp4", "0.500", "7.000", "mean of 2", "0.690", "7.000"]


def test_the_frames_of_each_drop_are_shown_before_and_at_it(tmp_path, clip):
    seen = written(tmp_path, evaluation([SUBJECT, LIGHT], [one(clip)]))
    assert len(seen.pictures("svg")) == 1
    shown = [Image.open(io.BytesIO(data)).convert("RGB").getpixel((80, 60)) for data in seen.pictures("jpeg")]
    red = [max(abs(x - y) for x, y in zip(pixel, RED, strict=True)) < 25 for pixel in shown]
    assert red == [False, False, True, False, False]  # first, 19, 20, 39, 40
    for words in (
        "first frame", "1 · 2.50 s", "2 · 5.00 s", "2.38 s, frame 19", "2.50 s, frame 20", "5.00 s, frame 40",
        f"{SUBJECT.key} fell by 0.", "light rose by 0.",
    ):  # fmt: skip
        assert words in seen.text, words
    drawn = seen.pictures("svg")[0].decode()
    assert {">1<", ">2<"} <= set(re.findall(r">\d<", drawn))


def test_a_drop_at_a_chunk_boundary_is_called_so(tmp_path, clip):
    found = evaluation([SUBJECT], [one(clip)])
    assert "2.50 s · a chunk begins" in written(tmp_path, found, frames_per_chunk={"clip.mp4": 10}).text
    assert "Dashed lines" in written(tmp_path, found, frames_per_chunk={"clip.mp4": 10}).text
    assert "a chunk begins" not in written(tmp_path, found).text
    told = evaluation([SUBJECT], [one(clip, frames_per_chunk=7)])
    assert "Dashed lines: a chunk begins" in written(tmp_path, told).text
    assert "2.50 s · a chunk" not in written(tmp_path, told).text


def test_chunk_boundaries_are_where_chunks_begin():
    view = View(evaluation([], []), video("v", {}, frames=25, fps=5.0), 8)
    assert view.boundaries == [1.6, 3.2, 4.8]
    assert View(evaluation([], []), video("v", {}, frames=16, frames_per_chunk=8)).boundaries == [1.0]
    assert View(evaluation([], []), video("v", {}, frames=10_000), 6).boundaries == []


def test_a_video_that_is_gone_keeps_its_curves_and_says_so(tmp_path, clip):
    seen = written(tmp_path, evaluation([SUBJECT], [one("/nowhere/gone.mp4"), one(clip, "short.mp4", frames=99)]))
    assert "No frames are shown: cannot read /nowhere/gone.mp4: No such file or directory" in seen.text
    assert len(seen.pictures("svg")) == 2
    assert len(seen.pictures("jpeg")) == 3


def test_hostile_and_foreign_text_is_harmless(tmp_path, clip):
    evil = measure("m<script>", EVIL, about=EVIL, families=(EVIL,))
    told = one(clip, EVIL, prompt="猫が走る " + EVIL, notes=(EVIL,), curves={evil.key: dipped(20)})
    found = evaluation([evil], [told], failed={EVIL: EVIL}, notes=(EVIL,))
    seen = written(tmp_path, found, more=[Section(EVIL, [Words(EVIL)])])
    assert not seen.of("script")
    assert not [attrs for _, attrs in seen.tags if any(name.startswith("on") for name in attrs)]
    assert all(attrs["src"].startswith("data:") for attrs in seen.of("img"))
    assert all(re.fullmatch(r"#video-\d+", attrs["href"]) for attrs in seen.of("a"))
    assert not re.search(r"url\(|@import", seen.source)
    assert "猫が走る" in seen.text
    assert b"<script" not in seen.pictures("svg")[0]


def test_of_many_videos_the_first_have_parts_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation_page, "DETAILED", 3)
    videos = [one("/nowhere", f"v{i}.mp4", curves={}) for i in range(5)]
    seen = written(tmp_path, evaluation([SUBJECT], videos))
    assert "Only the first 3 videos have such a part" in seen.text
    assert [attrs["href"] for attrs in seen.of("a")] == ["#video-1", "#video-2", "#video-3"]
    assert [attrs["id"] for attrs in seen.of("section") if "id" in attrs] == ["video-1", "video-2", "video-3"]
    assert seen.text.count("No measure has a curve over time.") == 3
    assert "v4.mp4" in seen.text


def test_nothing_measured_is_a_page_too(tmp_path):
    seen = written(tmp_path, evaluation([SUBJECT], [], failed={"a.mp4": "broken"}))
    assert "0 videos measured" in seen.text
    assert "broken" in seen.text
    assert not seen.of("img")


def test_more_sections_stand_between_table_and_videos(tmp_path, clip):
    seen = written(tmp_path, evaluation([SUBJECT], [one(clip)]), more=[Section("B against A", [Words("equal")])])
    assert re.findall(r"<h2>([^<]*)", seen.source) == ["What was measured", "B against A", "clip.mp4"]


@pytest.mark.parametrize(
    "curve", [(), (None,) * FRAMES, (None,) * 20 + (0.5,) + (None,) * 27, (0.5,), (0.0,) * FRAMES, (1e-9, None) * 24]
)  # fmt: skip
def test_odd_curves_can_be_shown(tmp_path, clip, curve):
    seen = written(tmp_path, evaluation([SUBJECT], [one(clip, curves={SUBJECT.key: curve})]))
    assert len(seen.pictures("svg")) == any(value is not None for value in curve)
    assert "got clearly worse than just before." in seen.text or not seen.pictures("svg")


def test_a_short_video_says_that_it_is_short(tmp_path, clip):
    seen = written(tmp_path, evaluation([SUBJECT], [one(clip, frames=6, curves={SUBJECT.key: dipped(3)[:6]})]))
    assert "Drops are looked for in videos of 12 frames and more." in seen.text


def test_at_most_six_incidents_have_frames_and_the_others_are_marked():
    measures = [measure(f"m{i}") for i in range(4)]
    curves = {f"m{i}": dipped(10 + 2 * i, 22 + 2 * i, 36 + 2 * i, depth=0.3 + 0.1 * i) for i in range(4)}
    view = View(evaluation(measures, []), video("v", {}, frames=FRAMES, curves=curves))
    assert len(view.falls) == 12
    assert len(view.incidents) <= evaluation_view.INCIDENTS
    assert [shot.time for shot in view.shots][1:] == [t for i in view.incidents for t in (i.before, i.at)]
    shown = sum(len(incident.falls) for incident in view.incidents)
    assert (f"{12 - shown} less clear without a number" in view.reading) == (shown < 12)
    marks = [layer["data"]["values"] for panel in view.chart()["concat"] for layer in panel["layer"][3:4]]
    words = [mark["word"] for panel in marks for mark in panel]
    assert len(words) == 12
    assert words.count("") == 12 - shown


def test_an_unwritable_place_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot write"):
        evaluation_page.write(evaluation([], []), tmp_path / "file" / "page.html")


# --- PNG ---------------------------------------------------------------------------------------------------


def test_a_picture_shows_curves_above_frames(tmp_path, clip):
    found = evaluation([SUBJECT, LIGHT], [one(clip)])
    (path,) = evaluation_page.pictures(found, tmp_path / "pictures")
    assert path.name == "clip.mp4.png"
    shown = Image.open(path).convert("RGB")
    width, height = shown.size
    red = [
        (x, y) for x in range(0, width, 4) for y in range(0, height, 4)
        if max(abs(a - b) for a, b in zip(shown.getpixel((x, y)), RED, strict=True)) < 25
    ]  # fmt: skip
    assert len(red) > 100
    assert min(y for _, y in red) > 0.5 * height
    third = 16 + 2 * (64 + evaluation_page.GAP)
    assert third <= min(x for x, _ in red) < max(x for x, _ in red) < third + 64
    without = evaluation_page.picture(found, one("/nowhere"), tmp_path / "gone.png")
    assert Image.open(without).height < height


def test_every_video_with_curves_gets_its_own_picture(tmp_path, clip):
    videos = [one(clip, name) for name in ("a/b c", "a_b_c", "猫")] + [one(clip, "none", curves={})]
    found = evaluation([SUBJECT], videos)
    made = evaluation_page.pictures(found, tmp_path, most=9)
    assert [path.name for path in made] == ["a_b_c.png", "a_b_c-2.png", "猫.png"]
    assert all(path.is_file() for path in made)
    assert [path.name for path in evaluation_page.pictures(found, tmp_path, most=1)] == ["a_b_c.png"]
    with pytest.raises(UserError, match="none: no measure has a curve"):
        evaluation_page.picture(found, videos[-1], tmp_path / "x.png")


def test_page_and_picture_can_read_a_video_once(tmp_path, clip):
    asked = []

    def reader(shown, times):
        asked.append(tuple(times))
        return evaluation_view.read_frames(shown, times)

    found, frames = evaluation([SUBJECT], [one(clip)]), remembering(reader)
    evaluation_page.write(found, tmp_path / "page.html", frames=frames)
    evaluation_page.pictures(found, tmp_path, frames=frames)
    assert asked == [(0, 19, 20)]
