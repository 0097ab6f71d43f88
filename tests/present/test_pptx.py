"""The deck: every slide carries its footer, charts can be edited, and no text runs out of its box."""

from functools import cache

import pytest
from blocks import LONG, written
from findings import VARIANTS, found
from pptx import Presentation
from pptx.oxml.ns import qn
from pptx.util import Pt

from sn_eval.present.report.build import build
from sn_eval.present.report.fitting import LEADING, clipped, lines
from sn_eval.present.report.model import Figure, Grid, Report
from sn_eval.present.report.pptx import write_pptx
from sn_eval.present.report.shown import shown
from sn_eval.results.files import ResultsError

EDGE = Pt(1)
QUICK = ("minimal", "empty", "awkward")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The handwritten report's deck by language: (report, presentation)."""

    @cache
    def deck(lang, marked=True):
        folder = tmp_path_factory.mktemp(lang)
        report = written(lang, folder, marked=marked)
        return report, Presentation(write_pptx(report, folder / "report.pptx"))

    return deck


def frames(slide):
    """(text frame, width, height) of every box and cell of a slide, in points."""
    for shape in slide.shapes:
        if shape.has_text_frame and shape.text_frame.text:
            yield shape.text_frame, shape.width.pt, shape.height.pt
        if shape.has_table:
            table = shape.table
            for row in table.rows:
                for cell, column in zip(row.cells, table.columns, strict=True):
                    yield cell.text_frame, column.width.pt, row.height.pt


def needed(frame, width):
    """Points that the text of a frame takes from top to bottom."""
    inner = width - frame.margin_left.pt - frame.margin_right.pt
    total = frame.margin_top.pt + frame.margin_bottom.pt
    for paragraph in frame.paragraphs:
        sizes = [run.font.size.pt for run in paragraph.runs if run.font.size]
        if sizes:
            indent = sizes[0] if paragraph._p.pPr is not None and paragraph._p.pPr.get("marL") else 0
            total += lines(paragraph.text, inner - indent, sizes[0]) * sizes[0] * LEADING
            total += paragraph.space_after.pt if paragraph.space_after else 0
    return total


def check_slide(slide, deck, report: Report):
    """What holds for every slide of every deck."""
    assert slide.shapes.title.text_frame.text.strip()
    held = {str(holder.placeholder_format.type): holder for holder in slide.placeholders}
    footer = next(holder.text_frame.text for kind, holder in held.items() if "FOOTER" in kind)
    assert footer == clipped(report.footer_line, 820, 10, 1)
    number = next(holder for kind, holder in held.items() if "SLIDE_NUMBER" in kind)
    assert next(number._element.iter(qn("a:fld"))).get("type") == "slidenum"
    marks = [shape.text_frame.text for shape in slide.shapes if shape.name == "watermark"]
    assert [report.watermark[0] in mark for mark in marks] == [True] * bool(report.watermark)
    for shape in slide.shapes:
        assert shape.left >= 0
        assert shape.top >= 0
        assert shape.left + shape.width <= deck.slide_width + EDGE, shape.name
        assert shape.top + shape.height <= deck.slide_height + EDGE, shape.name
        if not shape.is_placeholder and shape.name != "watermark":
            assert shape.top + shape.height <= Pt(488), (shape.name, shape.has_text_frame and shape.text_frame.text)
    for frame, width, height in frames(slide):
        assert needed(frame, width) <= height + 1, frame.text
    for run in slide._element.iter(qn("a:r")):
        assert run.find(qn("a:rPr")).find(qn("a:ea")).get("typeface") == "Yu Gothic"
    assert slide.notes_slide.notes_text_frame.text


def texts(deck):
    return [frame.text for slide in deck.slides for frame, _, _ in frames(slide)]


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_slide_has_its_footer_and_no_text_runs_over(made, lang):
    report, deck = made(lang)
    assert (deck.slide_width, deck.slide_height) == (Pt(960), Pt(540))
    for slide in deck.slides:
        check_slide(slide, deck, report)


@pytest.mark.parametrize("variant", [v if v in QUICK else pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS])
def test_decks_of_all_findings(variant, tmp_path):
    lang = "en" if len(variant) % 2 else "ja"
    report = build(found(variant), lang)
    deck = Presentation(write_pptx(report, tmp_path / "report.pptx"))
    for slide in deck.slides:
        check_slide(slide, deck, report)
    assert report.headline in texts(deck)
    titles = " ".join(slide.shapes.title.text_frame.text for slide in deck.slides)
    assert all(section.title in titles for section in report.sections if section.key != "paper" and section.blocks)
    drawable = [figure for section in report.sections for figure in section.of(Figure) if figure.drawable]
    assert sum(shape.has_chart for slide in deck.slides for shape in slide.shapes) == len(drawable)


def test_without_examples_there_is_no_mark(made):
    report, deck = made("en", marked=False)
    check_slide(deck.slides[1], deck, report)
    assert not [shape for slide in deck.slides for shape in slide.shapes if shape.name == "watermark"]


def test_tables_hold_the_reports_numbers_and_long_ones_end_with_a_word(made):
    report, deck = made("ja")
    tables = [shape.table for slide in deck.slides for shape in slide.shapes if shape.has_table]
    rows = {tuple(cell.text for cell in row.cells) for table in tables for row in table.rows}
    for section in report.sections:
        for grid in section.of(Grid):
            for row in grid.rows[:12] if grid.long else grid.rows:
                assert tuple(shown(v, c) for v, c in zip(row.cells, grid.columns, strict=True)) in rows
    assert "全300行のうち先頭の12行。すべての行は report.xlsx にあります。" in texts(deck)


def test_managers_come_first_and_the_rest_is_an_appendix(made):
    _, deck = made("en")
    titles = [slide.shapes.title.text_frame.text for slide in deck.slides]
    behind = [title.startswith("Appendix · ") for title in titles]
    assert behind == sorted(behind)
    assert 0 < sum(behind) < len(titles)
    assert "稟議書 Decision paper" not in " ".join(titles)  # a document of its own


def test_contact_sheets_keep_their_proportions_and_missing_ones_are_said(made):
    _, deck = made("en")
    pictures = [shape for slide in deck.slides for shape in slide.shapes if shape.shape_type == 13]
    assert len(pictures) == 3  # of cells a, b and a again; the fourth is gone
    for picture in pictures:
        assert picture.width / picture.height == pytest.approx(900 / 120, rel=0.01)
        assert "plain" in picture._element.nvPicPr.cNvPr.get(
            "descr"
        ) or "scaling" in picture._element.nvPicPr.cNvPr.get("descr")
    assert "scaling_noise · 0.5 · no video" in texts(deck)
    assert texts(deck).count("no video") == 2


def test_notes_name_the_evidence_and_the_cells(made):
    _, deck = made("en")
    notes = {slide.shapes.title.text_frame.text: slide.notes_slide.notes_text_frame.text for slide in deck.slides}
    assert "uplift, roi/npv, roi/payback" in notes["判断 Decision"]
    assert "cell-a" in next(text for title, text in notes.items() if title.startswith("失敗例"))


def test_headline_numbers_are_large_and_carry_a_sign(made):
    _, deck = made("ja")
    large = [
        run.text
        for slide in deck.slides
        for frame, _, _ in frames(slide)
        for paragraph in frame.paragraphs
        for run in paragraph.runs
        if run.font.size and run.font.size >= Pt(24)
    ]
    assert {"▲ +12.3 pt", "▼ 1.23億円", "? 14"} <= set(large)


def test_control_characters_in_prompts_break_no_file(made):
    _, deck = made("ja")
    assert any(LONG["ja"] in text for text in texts(deck))
    assert "\x0b" not in "".join(texts(deck))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(ResultsError, match="cannot write") as error:
        write_pptx(written("en", tmp_path, rows=2), blocked / "report.pptx")
    assert "\n" not in str(error.value)
