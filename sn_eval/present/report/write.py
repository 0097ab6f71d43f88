"""A report into files: one for each format, named by language."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sn_eval.decision.findings import Findings
from sn_eval.present.report.build import build
from sn_eval.present.report.model import Lang, Report
from sn_eval.results.files import ResultsError

FORMATS = ("html", "pptx", "docx", "xlsx", "csv", "md", "json")
"""csv: a folder of tables. json: the evidence, which has no language."""


def known_formats(names: Iterable[str]) -> tuple[str, ...]:
    """The formats of these names, each once; ResultsError for an unknown one, or none at all.

    >>> known_formats(["html", " PPTX ", "html"])
    ('html', 'pptx')
    """
    found = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))
    unknown = [name for name in found if name not in FORMATS]
    if unknown or not found:
        raise ResultsError(f"format {(unknown or [''])[0]!r}: choose among {', '.join(FORMATS)}, with commas between")
    return found


def write_reports(
    findings: Findings,
    folder: Path,
    *,
    langs: Iterable[Lang],
    formats: Iterable[str],
    used: Mapping[str, Path] | None = None,
    embedded: int | None = None,
) -> tuple[tuple[str, Path], ...]:
    """Write `folder`/report.<lang>.<format> for each; returns (format, path).

    used: as in `write_evidence`. embedded: bytes of videos inside the HTML file, in place of its own limit.
    """
    asked = tuple(formats)
    written: list[tuple[str, Path]] = []
    for lang in langs:
        report = build(findings, lang)
        written += [(name, _write(report, findings, name, folder, embedded)) for name in asked if name != "json"]
    if "json" in asked:
        from sn_eval.present.report.evidence import FILE_NAME, write_evidence

        written.append(("json", write_evidence(findings, folder / FILE_NAME, used=used)))
    return tuple(written)


def _write(report: Report, findings: Findings, name: str, folder: Path, embedded: int | None) -> Path:
    """One format of one language; what only this one needs is imported here."""
    path = folder / f"report.{report.lang}.{name}"
    if name == "html":
        from sn_eval.present.report.html import EMBEDDED, write_html

        return write_html(report, path, embedded=EMBEDDED if embedded is None else embedded)
    if name == "md":
        from sn_eval.present.report.markdown import write_markdown

        return write_markdown(report, path)
    if name == "csv":
        from sn_eval.present.report.tables import write_tables

        write_tables(report, folder / f"tables.{report.lang}")
        return folder / f"tables.{report.lang}"
    if name == "pptx":
        from sn_eval.present.report.pptx import write_pptx

        return write_pptx(report, path)
    if name == "docx":
        from sn_eval.present.report.docx import write_docx

        return write_docx(report, path)
    from sn_eval.present.report.xlsx import write_xlsx

    return write_xlsx(report, findings, path)
