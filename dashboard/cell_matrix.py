"""Cells as small squares, each with a sign: prompts by arms; of many prompts, counts by group and arm."""

from collections.abc import Mapping
from html import escape

from dashboard.following import FATES, Fate, MatrixRow
from dashboard.page import Page

SIGNS: Mapping[Fate, str] = {
    "done": "✓", "quality": "✗", "infrastructure": "!", "input": "?", "damaged": "▲", "waiting": "·",
}  # fmt: skip
WORDS: Mapping[Fate, str] = {
    "done": "runs_page.fate_done", "quality": "runs_page.fate_quality",
    "infrastructure": "runs_page.fate_infrastructure", "input": "runs_page.fate_input",
    "damaged": "runs_page.fate_damaged", "waiting": "runs_page.fate_waiting",
}  # fmt: skip
SPLITS = {"confirm": "runs_page.confirm", "dev": "runs_page.dev"}

CSS = """
.sn-cells {max-height: 30rem; overflow: auto; border: 1px solid #d0d0d0; border-radius: .4rem; background: #fff;}
.sn-cells table, .sn-arms {border-collapse: collapse; width: 100%; font-size: .85rem; color: #1a1a1a;}
.sn-cells th, .sn-cells td, .sn-arms th, .sn-arms td {padding: .25rem .6rem; border: 0;
  border-bottom: 1px solid #ececec; text-align: left; vertical-align: middle;}
.sn-cells thead th {position: sticky; top: 0; background: #f2f2f2; z-index: 1;}
.sn-cells tbody th {font-weight: 400; max-width: 26rem; overflow-wrap: anywhere;}
.sn-arms td.n, .sn-arms th.n {text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap;}
.sn-cells td + td {min-width: 4.2rem;}
.sn-facts.sn-five {grid-template-columns: repeat(auto-fit, minmax(9.2rem, 1fr));}
.sn-small {color: #444; font-size: .78rem; white-space: nowrap;}
.sn-sq {display: inline-grid; place-items: center; width: 1.15rem; height: 1.15rem; margin: .06rem; font-size: .78rem;
  font-weight: 700; line-height: 1; border-radius: .2rem; color: #fff; border: 1px solid transparent;}
.sn-sq.f-done {background: #00735a} .sn-sq.f-quality {background: #a63c00}
.sn-sq.f-infrastructure {background: #8a5a00} .sn-sq.f-input {background: #0067a3}
.sn-sq.f-damaged {background: #1a1a1a}
.sn-sq.f-waiting {background: #fff; color: #444; border-color: #8a8a8a}
.sn-legend {display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .85rem; color: #1a1a1a;
  margin: .2rem 0 .5rem;}
.sn-count {white-space: nowrap; margin-right: .7rem;}
.sn-bar {display: flex; height: .9rem; min-width: 8rem; border: 1px solid #8a8a8a; border-radius: .2rem;
  overflow: hidden; background: #fff;}
.sn-bar .f-done {background: #00735a}
.sn-bar .f-failed {background: repeating-linear-gradient(45deg, #a63c00 0 4px, #fbe6dc 4px 8px);}
@media print {.sn-cells {max-height: none;}}
"""


def square(page: Page, fate: Fate, about: str = "") -> str:
    """One cell: a sign on its colour, and words for those who point at it or cannot see it."""
    words = escape(f"{about}: {page(WORDS[fate])}" if about else page(WORDS[fate]))
    return f'<span class="sn-sq f-{fate}" role="img" title="{words}" aria-label="{words}">{SIGNS[fate]}</span>'


def legend(page: Page, counts: Mapping[Fate, int]) -> str:
    """Every sign with its words and its count."""
    words = {fate: f"{escape(page(WORDS[fate]))} ({counts.get(fate, 0):,})" for fate in FATES}
    parts = [f"<span>{square(page, fate)} {told}</span>" for fate, told in words.items()]
    return f'<div class="sn-legend">{"".join(parts)}</div>'


def table(page: Page, rows: tuple[MatrixRow, ...], arms: tuple[str, ...], *, by_prompt: bool) -> str:
    """The matrix as HTML; names and prompts are shown literally."""
    first = page("runs_page.prompt") if by_prompt else page("runs_page.group")
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in (first, page("runs_page.split"), *arms))
    body = "".join(_row(page, row, arms, by_prompt) for row in rows)
    about = escape(page("runs_page.matrix"))
    return (
        f'<div class="sn-cells" tabindex="0" role="region" aria-label="{about}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(page: Page, row: MatrixRow, arms: tuple[str, ...], by_prompt: bool) -> str:
    name = escape(row.name or ("" if by_prompt else page("runs_page.no_group")))
    if not by_prompt:
        size = escape(page("runs_page.group_size", prompts=f"{row.prompts:,}"))
        name += f' <span class="sn-small">{size}</span>'
    split = escape(page(SPLITS[row.split]))
    draw = _squares if by_prompt else _counts
    cells = "".join(f"<td>{draw(page, row, arm)}</td>" for arm in arms)
    return f'<tr><th scope="row">{name}</th><td class="sn-small">{split}</td>{cells}</tr>'


def _squares(page: Page, row: MatrixRow, arm: str) -> str:
    return "".join(square(page, fate, cell) for cell, fate in row.cells.get(arm, ()))


def _counts(page: Page, row: MatrixRow, arm: str) -> str:
    found = row.counts(arm)
    return "".join(f'<span class="sn-count">{square(page, fate)} {count:,}</span>' for fate, count in found.items())
