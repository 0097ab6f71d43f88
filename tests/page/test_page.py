"""The page is one file: nothing outside is named, nothing in a text can act, videos play, tables read well."""

import base64
import io
import re
from html.parser import HTMLParser

import pytest
import rewarding
import torch
from PIL import Image

from sn_eval.page import Chart, Clips, Moment, Moments, Pair, Section, Still, Table, Words, write_page
from sn_eval.results.files import ResultsError
from sn_eval.video import read_video, upscale

EVIL = "</title><script>alert('x')</script><img src=x onerror=alert(1)>"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><text>words</text></svg>'


class Seen(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]


def page(tmp_path, *blocks, title="Audit", heading="Part") -> Seen:
    return Seen(write_page(tmp_path / "page.html", title, [Section(heading, blocks)]).read_text("utf-8"))


@pytest.fixture(scope="module")
def pair() -> Pair:
    clean = rewarding.video(12)[0]
    return Pair("blurred", clean, (255 * clean.roll(5, 3)).to(torch.uint8)[:9, :, :, :51], 0.9, None, fps=8.0)


def test_hostile_text_is_harmless_everywhere(tmp_path, pair):
    evil = Pair(EVIL, pair.clean, pair.changed, 1.0, 0.5)
    seen = page(
        tmp_path, Words(EVIL), Table([EVIL], [[EVIL]], EVIL), Chart(SVG, '"' + EVIL), Clips(EVIL, [evil]),
        title=EVIL, heading=EVIL,
    )  # fmt: skip
    assert not seen.of("script")
    assert not [attrs for _, attrs in seen.tags if any(name.startswith("on") for name in attrs)]
    assert all(attrs["src"].startswith("data:") for attrs in seen.of("img"))
    assert seen.text.count("<script>alert('x')</script>") >= 7
    assert seen.of("img")[0]["alt"] == '"' + EVIL


def test_nothing_outside_is_named(tmp_path, pair):
    seen = page(tmp_path, Chart(SVG, "a chart"), Clips("moved most", [pair]))
    sources = [attrs[key] for _, attrs in seen.tags for key in ("src", "href", "poster", "srcset") if key in attrs]
    assert len(sources) == 1 + 2 * 2
    assert all(source.startswith("data:") for source in sources)
    assert not seen.of("link")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert not re.search(r"url\(|@import|https?://", text)
    policy = next(attrs["content"] for attrs in seen.of("meta") if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'")


def test_an_svg_with_a_script_is_only_an_image(tmp_path):
    seen = page(tmp_path, Chart(SVG.replace("<text>", "<script>alert(1)</script><text>"), "a chart"))
    assert not seen.of("script")
    assert base64.b64decode(seen.of("img")[0]["src"].split(",")[1]).decode().startswith("<svg")


def test_both_videos_play_enlarged_and_loop(tmp_path, pair):
    seen = page(tmp_path, Clips("moved most", [pair]))
    videos = seen.of("video")
    assert [(v["width"], v["height"]) for v in videos] == [("192", "192"), ("153", "192")]
    assert all({"loop", "muted", "autoplay"} <= v.keys() for v in videos)
    path = tmp_path / "clip.mp4"
    path.write_bytes(base64.b64decode(videos[0]["src"].split(",")[1]))
    shown = read_video(path)
    truth = upscale((255 * pair.clean).round().to(torch.uint8), 3)
    assert shown.shape == truth.shape
    assert (shown.float() - truth.float()).abs().mean() < 3
    assert "before, score 0.900" in seen.text
    assert "after, score –" in seen.text


def test_every_clip_has_its_strip_for_print(tmp_path, pair):
    strips = page(tmp_path, Clips("moved most", [pair])).of("img")
    assert len(strips) == 2
    assert all(base64.b64decode(s["src"].split(",")[1]).startswith(b"\x89PNG") for s in strips)
    assert strips[0]["alt"] == "Frames of before: blurred"


def test_a_table_aligns_numbers_and_says_pass_and_miss_in_words(tmp_path):
    rows = [["vanish", 0.98765, True, 12, None], ["blur", float("nan"), False, 1234, "not evaluable"],
            ["long " * 30, None, True, 5, "alarm"]]  # fmt: skip
    seen = page(tmp_path, Table(["corruption", "share", "gate", "clips", "more"], rows, "a note"))
    assert [th.get("class") for th in seen.of("th")] == [None, "number", None, "number", None]
    looks = [td.get("class") for td in seen.of("td")]
    assert looks[:5] == [None, "number", "good", "number", None]
    assert looks[5:10] == [None, "number", "bad", "number", "open"]
    assert looks[14] == "bad"
    for word in ("0.988", "pass", "miss", "1,234", "–", "a note"):
        assert word in seen.text


def test_an_unwritable_place_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot write"):
        write_page(tmp_path / "file" / "page.html", "Audit", [])


def test_a_table_sums_up_links_and_breaks_long_names(tmp_path):
    rows = [["a_long/name.mp4", 0.5, None], ["b.mp4", 0.00004, None]]
    table = Table(["video", "subject_consistency ↑\nimagenet-lite0", "none"], rows, foot=[["mean", 0.25, None]],
                  links=["video-1"])  # fmt: skip
    path = write_page(tmp_path / "page.html", "T", [Section("Values", [table]), Section("A", [], anchor="video-1")])
    text = path.read_text("utf-8")
    seen = Seen(text)
    assert [a["href"] for a in seen.of("a")] == ["#video-1"]
    assert [s.get("id") for s in seen.of("section")] == [None, "video-1"]
    assert "a_<wbr>long/<wbr>name.mp4" in text
    assert [th.get("class") for th in seen.of("th")] == [None, "number tall", "number"]
    assert "<small>imagenet-lite0</small>" in text
    foot = text[text.index("<tfoot>") :]
    assert ">mean<" in foot
    assert ">0.250<" in foot
    assert "4.0e-05" in text
    assert 'class="wide"' in text


def test_a_table_of_many_columns_may_be_wider_than_the_text(tmp_path):
    write_page(tmp_path / "page.html", "T", [Section("S", [Table(["m"] * 20, [[0.5] * 20])])])
    assert 'class="wide broad"' in (tmp_path / "page.html").read_text("utf-8")


def test_moments_show_pictures_that_fit_with_their_words(tmp_path):
    large, tiny = torch.zeros(3, 90, 1000, dtype=torch.uint8), torch.full((3, 20, 16), 255, dtype=torch.uint8)
    moment = Moment("1 · 2.5 s", [Still("frame 19", large), Still(EVIL, tiny)], ["subject fell", EVIL])
    seen = page(tmp_path, Moments([moment, Moment("2", [])]))
    pictures = [Image.open(io.BytesIO(base64.b64decode(img["src"].split(",")[1]))) for img in seen.of("img")]
    assert [(p.format, p.size) for p in pictures] == [("JPEG", (168, 15)), ("JPEG", (128, 160))]
    assert [p.getpixel((5, 5)) for p in pictures] == [(0, 0, 0), (255, 255, 255)]
    assert seen.of("img")[0]["alt"] == "frame 19: 1 · 2.5 s"
    for words in ("1 · 2.5 s", "frame 19", "subject fell", "2"):
        assert words in seen.text
    assert not seen.of("script")
