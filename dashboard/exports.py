"""The report of the run that is shown as files to take away, made when they are asked for; none stays on the server."""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard.page import Page
from sn_eval.decision.findings import Findings
from sn_eval.present.money import Lang
from sn_eval.present.report import media
from sn_eval.present.report.build import build
from sn_eval.present.report.model import Gallery, Report
from sn_eval.present.report.write import write_reports

MEDIA = 64 * 2**20  # bytes of videos and pictures in one file
RUN = "run"  # what the run's folder is called beside the files, so that no path of the server stands in them


@dataclass(frozen=True)
class Kind:
    """A file to take away. ending: of its name; icon: of its button; words: key of what it is called."""

    ending: str
    mime: str
    icon: str
    words: str


KINDS = {
    "pptx": Kind(
        "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", ":material/slideshow:",
        "exports.as_pptx",
    ),
    "docx": Kind(
        "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ":material/description:",
        "exports.as_docx",
    ),
    "xlsx": Kind(
        "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ":material/table:",
        "exports.as_xlsx",
    ),
    "html": Kind("html", "text/html", ":material/web:", "exports.as_html"),
    "md": Kind("md.zip", "application/zip", ":material/article:", "exports.as_md"),
    "csv": Kind("csv.zip", "application/zip", ":material/folder_zip:", "exports.as_csv"),
    "json": Kind("evidence.json", "application/json", ":material/data_object:", "exports.as_json"),
}  # fmt: skip
"""By format of `write_reports`, the deck first."""


def bar(page: Page) -> None:
    """The downloads behind an expander, for the foot of every page; nothing on the page that shows them anyway."""
    if page.key == "decision" or page.open.state == "empty":
        return
    with st.expander(page("exports.title"), icon=":material/download:"):
        downloads(page)


def downloads(page: Page, findings: Findings | None = None, *, key: str = "report") -> None:
    """A button for each format, in the language of the page.

    findings: in place of the run's own, e.g. under edited assumptions. key: stands once on a page.
    """
    told = findings or page.open.findings
    with st.container(horizontal=True):
        for name, kind in KINDS.items():
            st.download_button(
                page(kind.words), partial(made, told, name, page.lang), file_name(told, name, page.lang), kind.mime,
                key=f"{key}-{name}", on_click="ignore", icon=kind.icon,
                type="primary" if name == "pptx" else "secondary",
            )  # fmt: skip
    st.caption(page("exports.note"))


def file_name(findings: Findings, name: str, lang: Lang) -> str:
    """What the file is called where it is saved; evidence has no language."""
    return f"{findings.run.name}.{KINDS[name].ending}" if name == "json" else (
        f"{findings.run.name}.{lang}.{KINDS[name].ending}"
    )  # fmt: skip


def made(findings: Findings, name: str, lang: Lang) -> bytes:
    """The file of a format; several files are zipped. Raises ResultsError where it cannot be written."""
    with tempfile.TemporaryDirectory(prefix="sn-eval-report-") as place:
        folder = Path(place)
        (folder / RUN).symlink_to(Path(findings.run.folder).resolve(), target_is_directory=True)
        told = replace(findings, run=replace(findings.run, folder=str(folder / RUN)))
        [(_, path)] = write_reports(told, folder, langs=[lang], formats=[name], embedded=MEDIA)
        if name == "json":
            return _without_folder(path.read_text(encoding="utf-8"), findings.run.name)
        if name in ("csv", "md"):
            shown = _shown(build(told, lang)) if name == "md" else ()
            return _zipped(folder, [*_written(folder), *shown])
        return path.read_bytes()


def _without_folder(text: str, name: str) -> bytes:
    """Evidence that names the run, and no folder of the server."""
    told = json.loads(text)
    told["run"]["folder"] = name
    return (json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _written(folder: Path) -> Iterator[Path]:
    """What was written, the run left out."""
    for path in sorted(folder.iterdir()):
        if path.name != RUN:
            yield from sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _shown(report: Report) -> Iterator[Path]:
    """Videos and pictures that the report links, while there is room."""
    left = MEDIA
    pairs = [pair for section in report.sections for block in section.of(Gallery) for pair in block.pairs]
    clips = [clip for pair in pairs for clip in (pair.left, pair.right)]
    for path in dict.fromkeys(find(report, clip) for clip in clips for find in (media.video, media.sheet)):
        if path is not None and (left := left - path.stat().st_size) >= 0:
            yield path


def _zipped(folder: Path, paths: list[Path]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for path in dict.fromkeys(paths):
            file.write(path, path.relative_to(folder).as_posix())
    return held.getvalue()
