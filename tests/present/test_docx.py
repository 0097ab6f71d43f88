"""The decision paper: A4, real headings, repeated headers, both fonts, blanks, a foot with page numbers."""

import zipfile

import pytest
from docx import Document
from docx.oxml.ns import qn
from findings import found

from sn_eval.present.report.build import build
from sn_eval.present.report.docx import write_docx
from sn_eval.present.report.model import Form, Grid
from sn_eval.present.report.shown import shown
from sn_eval.present.words import say


@pytest.mark.parametrize(("variant", "lang"), [("illustrative", "ja"), ("minimal", "en"), ("provisional", "ja")])
def test_the_paper_has_the_frame_in_order(variant, lang, tmp_path):
    report = build(found(variant), lang)
    path = write_docx(report, tmp_path / "report.docx")
    paper = Document(path)
    headings = [p.text for p in paper.paragraphs if p.style.name == "Heading 1"]
    fields = [field for section in report.sections for form in section.of(Form) for field in form.fields]
    assert headings[: len(fields)] == [f"{i}. {field.title}" for i, field in enumerate(fields, 1)]
    cells = [cell.text for table in paper.tables for cell in table._cells]
    assert all(say(lang, "office.to_fill", blank=field.blank) in cells for field in fields if field.blank)
    page = paper.sections[0]
    assert (round(page.page_width.mm), round(page.page_height.mm)) == (210, 297)
    foot = page.footer.paragraphs[0]
    assert report.footer_line in foot.text
    assert [t.text for t in foot._p.iter(qn("w:instrText"))] == ["PAGE", "NUMPAGES"]
    assert bool(page.header.paragraphs[0].text) == bool(report.watermark)
    assert page.left_margin.mm == pytest.approx(25, abs=0.1)
    for names in paper.styles.element.iter(qn("w:rFonts")):
        assert names.get(qn("w:eastAsia")) == "Yu Gothic"
        assert names.get(qn("w:eastAsiaTheme")) is None


def test_tables_repeat_their_header_and_hold_the_reports_numbers(tmp_path):
    report = build(found("complete"), "ja")
    paper = Document(write_docx(report, tmp_path / "report.docx"))
    grids = {grid.key: grid for section in report.sections for grid in section.of(Grid)}
    rows = [[cell.text for cell in row.cells] for table in paper.tables for row in table.rows]
    for key in ("scenarios", "unit_cost", "arms", "inputs"):
        for row in grids[key].rows:
            assert [shown(v, c) for v, c in zip(row.cells, grids[key].columns, strict=True)] in rows
    repeated = [table for table in paper.tables if table._tbl.findall(f".//{qn('w:tblHeader')}")]
    assert len(repeated) == 4


def test_figures_are_pictures_with_words(tmp_path):
    path = write_docx(build(found("complete"), "ja"), tmp_path / "report.docx")
    with zipfile.ZipFile(path) as held:
        pictures = [held.read(name) for name in held.namelist() if name.startswith("word/media/")]
    assert len(pictures) == 3
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    described = [shape._inline.docPr.get("descr") for shape in Document(path).inline_shapes]
    assert all(described)
