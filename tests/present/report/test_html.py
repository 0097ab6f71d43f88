"""One file that can be mailed: nothing runs in it, nothing is fetched, and texts of others are texts."""

import base64
import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import findings as runs
import pytest

from sn_eval.present.report import media
from sn_eval.present.report.build import build
from sn_eval.present.report.html import ROWS, write_html
from sn_eval.present.report.model import Figure, Gallery, Grid, Report

VOID = {"meta", "img", "br", "link", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Tags with their attributes, and whether they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def sources(self, tag: str) -> list[str]:
        return [attrs["src"] or "" for name, attrs in self.tags if name == tag]


def written(variant: str, lang: str, folder: Path, **options) -> tuple[Report, str, Page]:
    report = build(runs.found(variant), lang)
    text = write_html(report, folder / "report.html", **options).read_text(encoding="utf-8")
    return report, text, Page(text)


@pytest.mark.parametrize("variant", ["complete", "empty", "minimal", "imported", "failing", "awkward"])
def test_a_page_is_whole_and_runs_nothing(variant, tmp_path):
    report, text, page = written(variant, "en", tmp_path)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "link", "embed"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "default-src 'none'" in text
    for source in page.sources("img") + page.sources("video"):
        assert source.startswith("data:"), source[:60]
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == [s.key for s in report.sections]
    assert report.footer_line.split(" · ")[0] in text


def test_texts_of_others_are_texts(tmp_path):
    _, text, _ = written("awkward", "ja", tmp_path)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(&#39;お茶&#39;)" in text
    assert "{braces}" in text


def test_losing_videos_play_from_inside_the_page(tmp_path):
    report, _, page = written("complete", "en", tmp_path)
    pairs = next(report.section("failures").of(Gallery)).pairs
    videos = page.sources("video")
    assert len(videos) == 2 * len(pairs)
    content = base64.b64decode(videos[0].partition(",")[2])
    assert content == media.video(report, pairs[0].left).read_bytes()


def test_large_videos_are_linked_beside_the_page(tmp_path):
    report, _, page = written("complete", "en", tmp_path, embedded=0)
    for source in page.sources("video"):
        assert not source.startswith(("data:", "/"))
        assert (tmp_path / source).resolve().is_file()
    assert len(page.sources("video")) == 2 * len(next(report.section("failures").of(Gallery)).pairs)


def test_a_video_that_is_gone_is_said(tmp_path):
    report = dataclasses.replace(build(runs.found("complete"), "en"), folder=str(tmp_path / "moved"))
    text = write_html(report, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The video file is gone" in text


def test_examples_are_marked_on_every_page(tmp_path):
    _, text, _ = written("illustrative", "ja", tmp_path)
    assert 'class="watermark"' in text
    assert "意思決定には使えません" in text
    assert "※例示" in text
    assert 'class="watermark"' not in written("complete", "ja", tmp_path)[1]


def test_every_figure_says_what_it_shows(tmp_path):
    _, _, page = written("complete", "ja", tmp_path)
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")


def test_long_tables_end_where_a_file_goes_on(tmp_path):
    report, text, _ = written("complete", "en", tmp_path)
    attempts = next(grid for grid in report.section("appendix").of(Grid) if grid.key == "attempts")
    assert len(attempts.rows) > ROWS
    assert f"{ROWS} of {len(attempts.rows)} rows are shown; all of them are in tables.en/attempts.csv" in text


def test_numbers_name_their_evidence(tmp_path):
    found = runs.found("complete")
    _, text, _ = written("complete", "en", tmp_path)
    keys = set(re.findall(r'data-evidence="([^"]+)"', text))
    assert len(keys) > 30
    assert keys <= set(found.numbers)


def test_what_nobody_could_measure_is_not_drawn(tmp_path):
    found = runs.found("complete")
    unknown = [
        dataclasses.replace(each, difference=dataclasses.replace(each.difference, mean=None, low=None, high=None))
        for each in found.comparisons
    ]
    flat = [dataclasses.replace(fit, points=()) for fit in found.scaling]
    report = build(dataclasses.replace(found, comparisons=tuple(unknown), scaling=tuple(flat)), "en")
    write_html(report, tmp_path / "report.html")
    for key in ("comparisons", "scaling"):
        assert report.section(key).blocks
        assert not list(report.section(key).of(Figure))
