"""The report as Markdown, for wikis and pull requests; charts are SVG files beside it, videos are linked."""

import html
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sn_eval.present import charts
from sn_eval.present.report import media
from sn_eval.present.report.drawing import drawing
from sn_eval.present.report.model import (
    QA,
    Bullets,
    Checklist,
    Clip,
    Facts,
    Figure,
    Form,
    Gallery,
    Grid,
    Paragraph,
    Report,
    Row,
)
from sn_eval.present.report.shown import shown
from sn_eval.present.words import say
from sn_eval.results.files import write_whole

ROWS = 50  # of a long table
RULES = {True: "word.holds", False: "word.fails", None: "word.undecided_rule"}


def write_markdown(report: Report, path: Path) -> Path:
    """Write the text, and its charts into the folder `figures` beside it."""
    page = _Page(report, path)
    lines = [f"# {_plain(report.title)}", "", f"**{_plain(report.headline)}**", ""]
    lines += [f"> {_plain(line)}" for line in report.watermark] + [""] * bool(report.watermark)
    for section in report.sections:
        lines += [f"## {_plain(section.title)}", ""]
        for block in section.blocks:
            lines += [*page.told(block), ""]
    write_whole(path, "\n".join([*lines, "---", "", _plain(report.footer_line), ""]))
    return path


@dataclass(frozen=True)
class _Page:
    """Blocks as lines."""

    report: Report
    path: Path

    def told(self, block: Any) -> Iterator[str]:
        """The lines of a block."""
        return _TOLD[type(block)](self, block)

    def say(self, key: str, **values: Any) -> str:
        return _plain(say(self.report.lang, key, **values))

    def paragraph(self, block: Paragraph) -> Iterator[str]:
        text = _plain(block.text)
        yield {"warning": f"> ⚠ {text}", "lead": f"**{text}**"}.get(block.look, text)

    def bullets(self, block: Bullets) -> Iterator[str]:
        yield from _title(block.title)
        yield from (f"- {_plain(item.text)}" for item in block.items)

    def qa(self, block: QA) -> Iterator[str]:
        for item in block.items:
            yield from (f"**{_plain(item.question)}**  ", _plain(item.answer.text), "")

    def checklist(self, block: Checklist) -> Iterator[str]:
        yield from _title(block.title)
        for item in block.items:
            note = f" ({_plain(item.note)})" if item.note else ""
            box = self.say(RULES[item.done]) + ": " if block.rules else f"[{'x' if item.done else ' '}] "
            yield f"- {box}{_plain(item.text)}{note}"

    def form(self, block: Form) -> Iterator[str]:
        for field in block.fields:
            yield from (f"### {_plain(field.title)}", "")
            yield from (f"- {_plain(line.text)}" for line in field.lines)
            if field.blank:
                yield f"- {self.say('word.to_fill')}: {_plain(field.blank)} ＿＿＿＿"
            yield ""

    def facts(self, block: Facts) -> Iterator[str]:
        for item in block.items:
            more = [_plain(text) for text in (item.interval, item.note, item.mark) if text]
            yield f"- {_plain(item.label)}: **{_plain(item.value)}**" + (f" ({'; '.join(more)})" if more else "")

    def grid(self, block: Grid) -> Iterator[str]:
        yield from _title(block.title)
        yield _row([column.heading for column in block.columns])
        yield "|" + "|".join(" --- " if c.format == "text" else " ---: " for c in block.columns) + "|"
        rows = block.rows[:ROWS] if block.long else block.rows
        yield from (_row([self.cell(row, place, block) for place in range(len(block.columns))]) for row in rows)
        if len(rows) < len(block.rows):
            file = f"tables.{self.report.lang}/{block.key}.csv"
            yield from ("", self.say("page.shown_rows", all=f"{len(block.rows):,}", shown=len(rows), file=file))
        if block.note:
            yield from ("", _plain(block.note))

    def cell(self, row: Row, place: int, block: Grid) -> str:
        return shown(row.cells[place], block.columns[place])

    def figure(self, block: Figure) -> Iterator[str]:
        file = self.path.parent / "figures" / f"{block.key}.{self.report.lang}.svg"
        write_whole(file, charts.svg(drawing(block, self.report.lang)))
        yield f"![{_plain(block.title)}]({self.link(file)})"
        yield from ("", f"{_plain(block.about)} {_plain(block.mark)}".rstrip())

    def gallery(self, block: Gallery) -> Iterator[str]:
        yield from _title(block.title)
        for pair in block.pairs:
            clips = " / ".join(self.clip(clip) for clip in (pair.left, pair.right) if clip is not None)
            yield f"- {_plain(pair.prompt)}: {_plain(pair.caption)} — {clips}"
        if block.note:
            yield from ("", _plain(block.note))

    def clip(self, clip: Clip) -> str:
        path = media.video(self.report, clip)
        name = _plain(f"{clip.name}: {clip.words}" if clip.words else clip.name)
        return f"{name} ({self.say('report.no_file')})" if path is None else f"[{name}]({self.link(path)})"

    def link(self, path: Path) -> str:
        return quote(Path(os.path.relpath(path, self.path.parent)).as_posix())


_TOLD: dict[type, Callable[[_Page, Any], Iterator[str]]] = {
    Paragraph: _Page.paragraph, Bullets: _Page.bullets, QA: _Page.qa, Checklist: _Page.checklist, Form: _Page.form,
    Facts: _Page.facts, Grid: _Page.grid, Figure: _Page.figure, Gallery: _Page.gallery,
}  # fmt: skip


def _title(text: str) -> tuple[str, ...]:
    return (f"### {_plain(text)}", "") if text else ()


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _plain(text: str) -> str:
    r"""Text that Markdown shows as it is, on one line.

    >>> _plain("a_b | <b>*c*")
    'a\\_b \\| &lt;b&gt;\\*c\\*'
    """
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
