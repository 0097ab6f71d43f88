"""Every file opens in the program it is for, tells the run in the language asked for, and leaves nothing behind."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import docx
import findings as runs
import openpyxl
import pytest
from pptx import Presentation
from streamlit.testing.v1 import AppTest

from dashboard import exports
from dashboard.settings import VARIABLE
from sn_eval.present.report.build import build


@pytest.fixture(scope="module", params=["ja", "en"])
def files(request) -> tuple[str, dict[str, bytes]]:
    """Every file of the run "complete" in one language."""
    found = runs.found("complete")
    return request.param, {name: exports.made(found, name, request.param) for name in exports.KINDS}


def test_slides_open_and_begin_with_the_verdict(files):
    lang, made = files
    deck = Presentation(io.BytesIO(made["pptx"]))
    words = " ".join(shape.text_frame.text for slide in deck.slides for shape in slide.shapes if shape.has_text_frame)
    assert len(deck.slides) > 5
    assert build(runs.found("complete"), lang).headline in words


def test_the_paper_opens(files):
    lang, made = files
    paper = docx.Document(io.BytesIO(made["docx"]))
    assert build(runs.found("complete"), lang).section("paper").title
    assert len(paper.tables) + len(paper.paragraphs) > 10


def test_the_workbook_opens_and_counts(files):
    _, made = files
    book = openpyxl.load_workbook(io.BytesIO(made["xlsx"]))
    cells = [cell.value for sheet in book for row in sheet.iter_rows() for cell in row]
    assert any(isinstance(value, str) and value.startswith("=") for value in cells)


def test_the_page_needs_nothing_beside_it(files):
    lang, made = files
    page = made["html"].decode()
    assert build(runs.found("complete"), lang).headline in page
    assert 'src="data:video/mp4;base64,' in page
    assert str(runs.folder("complete")) not in page
    assert 'src="run/' not in page


def test_the_text_finds_its_charts_and_videos_in_the_same_archive(files):
    lang, made = files
    with zipfile.ZipFile(io.BytesIO(made["md"])) as archive:
        names = archive.namelist()
        text = archive.read(f"report.{lang}.md").decode()
    losing = runs.found("complete").losing[0]
    assert f"run/cells/{losing.cells[1][0]}/video.mp4" in names
    assert f"run/cells/{losing.cells[1][0]}/video.mp4" in text
    assert any(name.startswith("figures/") for name in names)
    assert tempfile.gettempdir() not in text


def test_tables_open_in_a_spreadsheet(files):
    lang, made = files
    with zipfile.ZipFile(io.BytesIO(made["csv"])) as archive:
        assert f"tables.{lang}/arms.csv" in archive.namelist()
        assert archive.read(f"tables.{lang}/arms.csv").startswith(b"\xef\xbb\xbf")


def test_evidence_names_no_folder_of_the_server(files):
    _, made = files
    told = json.loads(made["json"])
    assert told["run"]["folder"] == told["run"]["name"]
    assert told["sha256"]["records"]
    assert tempfile.gettempdir() not in made["json"].decode()


def test_nothing_is_left_on_the_server_and_the_run_is_as_it_was():
    def listing(folder):
        return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    found, run = runs.found("illustrative"), runs.folder("illustrative")
    place, before = Path(tempfile.gettempdir()), listing(run)
    exports.made(found, "html", "en")
    assert listing(run) == before
    assert not list(place.glob("sn-eval-report-*/report.en.html"))


def test_an_export_of_an_awkward_prompt_is_text():
    page = exports.made(runs.found("awkward"), "html", "en").decode()
    assert "<script" not in page


@pytest.mark.parametrize(("key", "state", "there"), [
    ("compare", "complete", True), ("decision", "complete", False), ("runs", "empty", False),
])  # fmt: skip
def test_the_foot_of_a_page_offers_them(monkeypatch, key, state, there):
    monkeypatch.setenv(VARIABLE, json.dumps({"runs": str(runs.folder(state))}))

    def script(key):
        from dashboard import exports
        from dashboard.page import begin

        exports.bar(begin(key, needs_cells=False))

    at = AppTest.from_function(script, default_timeout=60, args=(key,)).run()
    assert not at.exception
    assert len(at.get("download_button")) == (len(exports.KINDS) if there else 0)
