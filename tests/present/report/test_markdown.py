"""Markdown that says the same, with tables that stay tables and links that lead somewhere."""

import re
from urllib.parse import unquote

import findings as runs
import pytest

from sn_eval.present.report.build import build
from sn_eval.present.report.markdown import write_markdown


@pytest.mark.parametrize("variant", ["complete", "empty", "imported", "awkward"])
def test_tables_have_as_many_cells_in_every_row(variant, tmp_path):
    text = write_markdown(build(runs.found(variant), "ja"), tmp_path / "report.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert blocks
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_links_lead_to_files(tmp_path):
    text = write_markdown(build(runs.found("complete"), "en"), tmp_path / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert sum(link.endswith(".mp4") for link in links) >= 2
    assert sum(link.endswith(".svg") for link in links) >= 4
    assert all((tmp_path / unquote(link)).is_file() for link in links)


def test_texts_of_others_stay_texts(tmp_path):
    text = write_markdown(build(runs.found("awkward"), "en"), tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_all_sections_are_there(tmp_path):
    report = build(runs.found("complete"), "en")
    text = write_markdown(report, tmp_path / "report.md").read_text(encoding="utf-8")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [s.title for s in report.sections]
    assert report.footer_line.split(" · ")[-1] in text
