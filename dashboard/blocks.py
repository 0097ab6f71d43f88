"""The report's blocks on a page: the same words and numbers, drawn by Streamlit."""

from collections.abc import Callable
from html import escape
from typing import Any

import streamlit as st

from dashboard import figures, grids, links, media
from dashboard.page import Page, plain
from sn_eval.present.report.html import tied
from sn_eval.present.report.model import (
    QA,
    Block,
    Bullets,
    Check,
    Checklist,
    Clip,
    Fact,
    Facts,
    Figure,
    Form,
    Gallery,
    Grid,
    Pair,
    Paragraph,
)

BESIDE = 2  # pairs of a gallery in a row
SIGNS = {"good": ("✓", "word.holds"), "bad": ("✗", "word.fails"), "open": ("?", "word.undecided_rule")}
RULES: dict[bool | None, tuple[str, str]] = {True: SIGNS["good"], False: SIGNS["bad"], None: SIGNS["open"]}
CHECKS: dict[bool | None, tuple[str, str]] = {True: ("✓", "word.done"), False: ("✗", "word.not_yet")}


def show(page: Page, block: Block) -> None:
    """Draw one block; text of others (prompts, names) is shown literally. KeyError for a kind that nobody draws."""
    SHOWN[type(block)](page, block)


def _paragraph(page: Page, block: Paragraph) -> None:
    text = plain(block.text.strip())
    if block.look == "warning":
        st.warning(text, icon=":material/warning:")
    elif block.look == "note":
        st.caption(text)
    else:
        st.markdown(f"**{text}**" if block.look == "lead" else text)


def _bullets(page: Page, block: Bullets) -> None:
    _title(block.title)
    st.markdown("\n".join(f"- {plain(item.text)}" for item in block.items))


def _qa(page: Page, block: QA) -> None:
    for item in block.items:
        with st.expander(plain(item.question)):
            _paragraph(page, item.answer)


def _checklist(page: Page, block: Checklist) -> None:
    _title(block.title)
    st.markdown("\n".join(f"- {check_words(page, item, rules=block.rules)}" for item in block.items))


def check_words(page: Page, item: Check, *, rules: bool) -> str:
    """Sign, word and text of a check, as Markdown."""
    note = f" ({plain(item.note)})" if item.note else ""
    if not rules and item.done is None:
        return f"☐ {plain(item.text)}{note}"
    sign, key = (RULES if rules else CHECKS)[item.done]
    return f"**{sign} {page(key)}** — {plain(item.text)}{note}"


def _form(page: Page, block: Form) -> None:
    for part in block.fields:
        with st.container(border=True):
            st.markdown(f"**{plain(part.title)}**")
            for line in part.lines:
                _paragraph(page, line)
            if part.blank:
                st.caption(f"☐ {page('word.to_fill')}: {plain(part.blank)}")


def _facts(page: Page, block: Facts) -> None:
    cards = "".join(card(page, item) for item in block.items)
    st.html(f'<div class="sn-facts" lang="{page.lang}">{cards}</div>')  # lines end between phrases of the language


def card(page: Page, item: Fact) -> str:
    """A headline number as HTML: label, value, interval, what it means, and how it came out in a word and a sign."""
    mark = f' <span class="sn-mark">{escape(item.mark)}</span>' if item.mark else ""
    lines = [f'<div class="sn-more">{tied(text)}</div>' for text in (item.interval, item.note) if text]
    if item.tone in SIGNS:
        sign, key = SIGNS[item.tone]
        lines.append(f'<div class="sn-tone">{sign} {escape(page(key))}</div>')
    head = f'<div class="sn-label">{escape(item.label)}</div><div class="sn-value">{escape(item.value)}{mark}</div>'
    return f'<div class="sn-fact sn-{item.tone}">{head}{"".join(lines)}</div>'


# --- videos -----------------------------------------------------------------------------------------------


def _gallery(page: Page, block: Gallery) -> None:
    _title(block.title)
    if not block.pairs:
        st.caption(page("blocks.no_pairs"))
    for first in range(0, len(block.pairs), BESIDE):
        for column, pair in zip(st.columns(BESIDE), block.pairs[first : first + BESIDE], strict=False):
            with column.container(border=True):
                _pair(page, pair)
    if block.note:
        st.caption(plain(block.note))


def _pair(page: Page, pair: Pair) -> None:
    st.markdown(f"**{plain(pair.prompt)}**  \n{plain(pair.caption)}")
    clips = [clip for clip in (pair.left, pair.right) if clip is not None]
    st.html(f'<div class="sn-pair">{"".join(film(page, clip) for clip in clips)}</div>')
    if pair.left is not None and pair.right is not None:
        links.to(page, "compare", page("blocks.compare"), left=pair.left.cell, right=pair.right.cell)


def film(page: Page, clip: Clip) -> str:
    """A clip as HTML: its video, its frames in a row, and its score.

    No more than a video's first frame is fetched before it plays.
    """
    run, sheet = page.open, ""
    if media.there(run, clip.cell, "contact_sheet.png"):
        source = escape(media.url(run.id, clip.cell, "contact_sheet.png"))
        sheet = f'<img src="{source}" loading="lazy" alt="{escape(page("page.frames"))}: {escape(clip.name)}">'
    if media.there(run, clip.cell):
        source = escape(media.url(run.id, clip.cell))
        video = (
            f'<video src="{source}" preload="metadata" controls loop muted playsinline '
            f'aria-label="{escape(clip.name)}"></video>'
        )
    else:
        video = f'<div class="sn-gone">{escape(page("blocks.no_video"))}</div>'
    words = f": {escape(clip.words)}" if clip.words else ""
    caption = f"<figcaption><b>{escape(clip.name)}</b>{words}<br><code>{escape(clip.cell)}</code></figcaption>"
    return f'<figure class="sn-film">{video}{sheet}{caption}</figure>'


def _title(text: str) -> None:
    if text:
        st.markdown(f"**{plain(text)}**")


SHOWN: dict[type[Any], Callable[[Page, Any], None]] = {
    Paragraph: _paragraph, Bullets: _bullets, QA: _qa, Checklist: _checklist, Form: _form, Facts: _facts,
    Grid: grids.grid, Figure: figures.figure, Gallery: _gallery,
}  # fmt: skip
