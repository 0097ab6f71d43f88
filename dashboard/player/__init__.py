"""Two videos under one set of controls, on one clock, with a judge's values for every frame below.

`pair` and `one` draw them. The browser's part is a component of Streamlit, whose scripts are joined here: sync.js keeps
the videos together, curve.js draws the values, player.js has the controls. Nothing comes from another host.

For tests in a browser: the root is `.player` (in an open shadow root, which Playwright looks into). Its attributes:
`data-state` (loading, ready, playing, waiting, paused, ended, broken), `data-left-time` and `data-right-time` (seconds,
of every picture of the screen; "" for a video that cannot be shown), `data-frame` (of the leading video, from 0).
Buttons: `.play`, `.back`, `.forward`, `.loop`, `.speeds [data-speed="0.5"]`; the seek bar is `.seek`, a side is
`figure[data-side="left"]` with its `video` and `.message`, the curve `.curve svg`, the values `.readout dd`.
"""

from pathlib import Path

import streamlit as st

from dashboard import state
from dashboard.page import Page
from dashboard.player.sides import BLIND_NAMES, Side, chart, choices, side, table
from sn_eval.present.words import UNKNOWN

HERE = Path(__file__).parent
SCRIPTS = ("sync.js", "curve.js", "player.js")
WORDS = (
    "player.play", "player.pause", "player.back", "player.forward", "player.seek", "player.speed", "player.loop",
    "player.loading", "player.waiting", "player.unplayable", "player.hint",
)  # fmt: skip


def _read(*names: str) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


_component = st.components.v2.component(
    "sn_eval_player", html=_read("player.html"), css=_read("player.css"), js=_read(*SCRIPTS), isolate_styles=True
)


def pair(page: Page, left: str, right: str, *, key: str, blind: bool = False, rater: str = "") -> None:
    """Two cells' videos side by side; below, values by frame of a judge that the reader chooses, and their table.

    left, right: ids of cells, also such as come from a URL. key: of the page's elements, and of the choice in the URL
    (`<key>-judge`). blind: neither names nor values are shown or sent, and addresses tell nothing; rater: whose they
    are then.
    """
    names = BLIND_NAMES if blind else _names(page, left, right)
    sides = [side(page, cell, name, rater if blind else None) for cell, name in zip((left, right), names, strict=True)]
    _show(page, sides, key, blind)


def one(page: Page, cell: str, key: str) -> None:
    """A single cell's video with its values; as `pair`."""
    planned = page.open.cell(cell)
    _show(page, [side(page, cell, planned.arm if planned else cell)], key, False)


def _names(page: Page, left: str, right: str) -> tuple[str, str]:
    """The cells' arms, with the repeat where they are of one arm."""
    found = [page.open.cell(cell) for cell in (left, right)]
    arms = [cell.arm if cell else name for cell, name in zip(found, (left, right), strict=True)]
    if arms[0] == arms[1]:
        arms = [f"{arm} #{cell.repeat}" if cell else arm for arm, cell in zip(arms, found, strict=True)]
    return arms[0], arms[1]


def _show(page: Page, sides: list[Side], key: str, blind: bool) -> None:
    """The component with what it needs to know, then the table."""
    names = {} if blind else choices(page, sides)
    judge = state.pick(page("player.judge"), names, f"{key}-judge") if names else ""
    words = {name.partition(".")[2]: page(name) for name in WORDS} | {
        "position": page("player.position", frame="{frame}", frames="{frames}", seconds="{seconds}"),
        "times": page("player.times", speed="{speed}"),
    }
    curve = chart(page, sides, judge, names[judge]) if judge else None
    data = {
        "label": page("player.both" if len(sides) > 1 else "player.single"),
        "words": words,
        "sides": [each.sent(judge) for each in sides],
        "curve": curve,
        "stamp": f"{judge} {page.lang}",
    }
    _component(key=f"player-{key}", data=data)
    if blind:
        return
    for each in sides:
        if each.no_curves:
            st.caption(page("player.no_curves", name=each.plain_label, why=each.no_curves))
    if curve:
        with st.expander(page("player.table")):
            st.dataframe(table(page, sides, judge), hide_index=True, placeholder=UNKNOWN, alt=curve["title"])
