"""The page's headline: what the reward says of the run's videos, against what each held-out judge says of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import figures, grids
from dashboard.page import Page, plain
from dashboard.runs import OpenRun
from sn_eval.decision.alignment import Alignment, Dot, aligned, dots, reward_key
from sn_eval.decision.ranks import Estimate
from sn_eval.present.charts import COLOURS
from sn_eval.present.report.model import Column, Grid, Row

SHOWN = 300  # dots of a panel, at most
PANEL, COLUMNS = 225, 3  # pixels of a panel's side; panels in a row
EVEN = {"tickCount": 4, "labelFlush": True, "minExtent": 34}  # labels that would push one panel out of its row
LOOKS = ("baseline", "searched")
COMMAS = {"ja": "、", "en": ", "}


def show(page: Page) -> None:
    """In a sentence, as scatters, as a table; or why there is none."""
    found = agreements(page.open)
    if not any(each.n > 1 for each in found):
        st.info(page("lab.against.none"), icon=":material/info:")
        return
    reward = reward_of(page.open)
    st.markdown(f"#### {plain(headline(page, found, reward))}")
    if told := details(page, found):
        st.markdown("  \n".join(map(plain, told)))
    st.markdown(plain(within_words(page, found)))
    st.caption(page("lab.against.how"))
    panels = [(each, dots(page.open.run.plan, page.open.run.records(), each.judge)) for each in found if each.n > 1]
    about = page("lab.against.about", reward=reward, shown=SHOWN)
    figures.chart(page, "reward_against_judges", scatters(page, panels, reward), _dots_grid(page, panels), about)
    grids.grid(page, table(page, found))


@st.cache_data(max_entries=16, show_spinner=False)
def _agreements(_run: OpenRun, run_id: str, version: str) -> tuple[Alignment, ...]:
    return aligned(_run.run.plan, _run.run.records())


def agreements(run: OpenRun) -> tuple[Alignment, ...]:
    """Rank correlations of the run's reward and each judge."""
    return _agreements(run, run.id, run.version)


def reward_of(run: OpenRun) -> str:
    """The reward's name, as it stands in records; "" where the run has none."""
    return (reward_key(run.run.plan) or "").partition(":")[2] or (reward_key(run.run.plan) or "")


# --- words ------------------------------------------------------------------------------------------------


def headline(page: Page, found: Sequence[Alignment], reward: str) -> str:
    """With how many independent judges the reward agrees over all videos."""
    apart = _independent(found)
    if not apart:
        return page("lab.against.no_independent", reward=reward)
    agrees = sum(each.sign == 1 for each in apart)
    return page("lab.against.agrees", reward=reward, count=agrees, of=len(apart))


def details(page: Page, found: Sequence[Alignment]) -> list[str]:
    """Which judges it agrees with, which it goes against, and which are open, a line each."""
    told = []
    for sign, key in ((1, "lab.against.agreeing"), (-1, "lab.against.opposes"), (0, "lab.against.open")):
        names = [each.judge.label for each in _independent(found) if each.sign == sign]
        told += [page(key, names=COMMAS[page.lang].join(names))] if names else []
    return told


def _independent(found: Sequence[Alignment]) -> list[Alignment]:
    return [each for each in found if not each.judge.searched and each.n > 1]


def within_words(page: Page, found: Sequence[Alignment]) -> str:
    """The same within prompts, which is what a search uses the reward for."""
    apart = [each for each in found if not each.judge.searched and each.n_within > 1]
    signs = {1: 0, 0: 0, -1: 0}
    for each in apart:
        signs[_sign(each.within)] += 1
    return page("lab.against.within", up=signs[1], down=signs[-1], open=signs[0], of=len(apart)) if apart else ""


def _sign(estimate: Estimate) -> int:
    if estimate.low is None or estimate.high is None:
        return 0
    return 1 if estimate.low > 0 else -1 if estimate.high < 0 else 0


# --- table ------------------------------------------------------------------------------------------------


def table(page: Page, found: Sequence[Alignment]) -> Grid:
    """A row a judge: rho over all videos and within prompts, with intervals and n."""
    columns = (
        Column(page("lab.against.judge")), Column(page("lab.against.better")), Column("n", "integer", digits=0),
        Column(page("lab.against.overall"), "number", digits=2), Column(page("lab.against.interval")),
        Column(page("lab.against.inside"), "number", digits=2), Column(page("lab.against.interval")),
        Column(page("lab.against.verdict"), wide=True),
    )  # fmt: skip
    rows = tuple(_row(page, each) for each in found)
    return Grid("reward_and_judges", page("lab.against.title"), columns, rows, page("lab.against.note"))


def _row(page: Page, each: Alignment) -> Row:
    better = page("lab.against.higher" if each.judge.higher_is_better else "lab.against.lower")
    words = page(f"lab.against.sign.{ {1: 'up', 0: 'open', -1: 'down'}[each.sign] }")
    if each.judge.searched:
        words = f"{words} {page('lab.against.same_family')}"
    return Row(
        (each.judge.label, better, each.n, each.overall.value, _interval(each.overall), each.within.value,
         _interval(each.within), words), look="searched" if each.judge.searched else "plain",
    )  # fmt: skip


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "–"
    return f"{estimate.low:+.2f} … {estimate.high:+.2f}".replace("-", "−")


def _dots_grid(page: Page, panels: Sequence[tuple[Alignment, Sequence[Dot]]]) -> Grid:
    columns = (
        Column(page("lab.against.judge")), Column(page("lab.arm")), Column(page("lab.prompt"), wide=True),
        Column(page("lab.against.reward"), "number", digits=3),
        Column(page("lab.against.value"), "number", digits=3), Column("id"),
    )  # fmt: skip
    rows = tuple(
        Row((each.judge.label, dot.arm, dot.prompt, dot.reward, dot.judge, dot.cell))
        for each, found in panels
        for dot in found
    )
    return Grid("reward_and_judges_videos", page("lab.against.title"), columns, rows)


# --- chart ------------------------------------------------------------------------------------------------


def scatters(page: Page, panels: Sequence[tuple[Alignment, Sequence[Dot]]], reward: str) -> dict[str, Any]:
    """A panel a judge; dots of the baseline and of searches have a colour and a shape each."""
    names = {look: page(f"lab.against.{look}") for look in LOOKS}
    baseline = page.open.run.plan.baseline
    made = [_panel(each, found, reward, baseline, names) for each, found in panels]
    rows = [{"hconcat": made[begin : begin + COLUMNS]} for begin in range(0, len(made), COLUMNS)]
    return {"vconcat": rows}  # Streamlit draws nothing of a "concat" in columns


def _panel(
    each: Alignment, found: Sequence[Dot], reward: str, baseline: str, names: Mapping[str, str]
) -> dict[str, Any]:
    step = -(-len(found) // SHOWN)
    values = [
        {"x": dot.reward, "y": dot.judge, "look": names["baseline" if dot.arm == baseline else "searched"]}
        for dot in found[::step]
    ]
    rho = "–" if each.overall.value is None else f"{each.overall.value:+.2f}".replace("-", "−")
    legend = {"orient": "bottom", "title": None}
    looks = [names[look] for look in LOOKS]
    axis: dict[str, Any] = {"type": "quantitative", "scale": {"zero": False}}
    return {
        "title": {"text": each.judge.label, "subtitle": f"ρ = {rho}, n = {each.n}", "fontSize": 13, "limit": 220},
        "width": PANEL, "height": PANEL, "data": {"values": values},
        "mark": {"type": "point", "filled": True, "size": 28, "opacity": 0.65},
        "encoding": {
            "x": {"field": "x", **axis, "title": reward, "axis": {"tickCount": 4, "titleFontSize": 11}},
            "y": {"field": "y", **axis, "title": None, "axis": EVEN},
            "color": {"field": "look", "type": "nominal", "legend": legend,
                      "scale": {"domain": looks, "range": [COLOURS[6], COLOURS[1]]}},
            "shape": {"field": "look", "type": "nominal", "legend": legend,
                      "scale": {"domain": looks, "range": ["circle", "triangle-up"]}},
        },
    }  # fmt: skip
