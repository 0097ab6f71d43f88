"""Audits: does a reward fall under known faults and stay under harmless changes? Built-in ones, and one's own."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import figures, grids, state
from dashboard.page import Page, plain
from sn_eval.present.charts import COLOURS
from sn_eval.present.report.model import Column, Grid, Row
from sn_eval.results.audits import Gate, built_in_audit, read_audit
from sn_eval.results.files import ResultsError

REWARD, ALL = "audited", "all"
LOOKS = {"met": (COLOURS[0], "#ffffff"), "missed": (COLOURS[1], "#000000"), "open": ("#c8c8c8", "#000000")}


def show(page: Page) -> None:
    """The table of the built-in rewards, or of an audit that a visitor brings."""
    st.caption(page("lab.audit.rule"))
    given = st.file_uploader(page("lab.audit.upload"), type="json", help=page("lab.audit.command"), max_upload_size=8)
    st.caption(page("lab.audit.how", command="`sn-eval rewards audit NAME --json > audit.json`"))
    try:
        gates = built_in_audit() if given is None else read_audit(given.getvalue())
    except ResultsError as error:
        st.error(page("lab.problem", why=plain(str(error))), icon=":material/error:")
        return
    st.markdown(f"**{plain(told(page, gates, own=given is not None))}**")
    figures.chart(page, "audit_gates", chart(page, gates), counts(page, gates), page("lab.audit.about"))
    names = list(dict.fromkeys(gate.reward for gate in gates))
    options = {ALL: page("lab.audit.all")} | {name: name for name in names}
    chosen = state.pick(page("lab.audit.which"), options, REWARD)
    grids.grid(page, table(page, [gate for gate in gates if chosen in (ALL, gate.reward)]))


def outcome(gate: Gate) -> str:
    """The code of how it came out."""
    return "open" if gate.met is None else "met" if gate.met else "missed"


def told(page: Page, gates: Sequence[Gate], *, own: bool) -> str:
    """How many gates were met, in words."""
    met, missed = (sum(outcome(gate) == code for gate in gates) for code in ("met", "missed"))
    whose = page("lab.audit.own" if own else "lab.audit.built_in")
    return page("lab.audit.told", whose=whose, met=met, of=met + missed, missed=missed, open=len(gates) - met - missed)


def table(page: Page, gates: Sequence[Gate]) -> Grid:
    """A row a gate."""
    columns = (
        Column(page("lab.reward")), Column(page("lab.audit.change")), Column(page("lab.audit.must")),
        Column(page("lab.audit.source")), Column(page("lab.audit.outcome")),
        Column(page("lab.audit.windows"), "integer", digits=0),
        Column(page("lab.audit.monotone"), "number", digits=2), Column(page("lab.audit.wins"), "percent", digits=0),
        Column(page("lab.audit.ratio"), "percent"),
    )  # fmt: skip
    rows = tuple(
        Row((
            gate.reward, gate.change, page(f"lab.audit.kind.{gate.must}"), _source(page, gate),
            page(f"lab.audit.is.{outcome(gate)}"), gate.n, gate.monotone, gate.wins, gate.ratio,
        ))
        for gate in gates
    )  # fmt: skip
    return Grid("audit", page("lab.audit.title"), columns, rows, page("lab.audit.note"))


def _source(page: Page, gate: Gate) -> str:
    known = gate.source in ("tabletop", "real")
    return page(f"lab.audit.windows_of.{gate.source}") if known else gate.source


def counts(page: Page, gates: Sequence[Gate]) -> Grid:
    """A row a reward: how many gates it met, missed, could not be put to."""
    names = list(dict.fromkeys(gate.reward for gate in gates))
    heads = [page(f"lab.audit.is.{code}") for code in LOOKS]
    columns = (Column(page("lab.reward")), *(Column(head, "integer", digits=0) for head in heads))
    rows = tuple(
        Row((name, *(sum(g.reward == name and outcome(g) == code for g in gates) for code in LOOKS))) for name in names
    )
    return Grid("audit_counts", page("lab.audit.title"), columns, rows)


def chart(page: Page, gates: Sequence[Gate]) -> dict[str, Any]:
    """A bar a reward, its gates by outcome; the number stands in each piece."""
    words = {code: page(f"lab.audit.is.{code}") for code in LOOKS}
    names = list(dict.fromkeys(gate.reward for gate in gates))
    values = []
    for name in names:
        begin = 0
        for code in LOOKS:
            count = sum(gate.reward == name and outcome(gate) == code for gate in gates)
            piece = {"reward": name, "outcome": words[code], "count": count, "from": begin, "to": begin + count}
            values += [{**piece, "middle": begin + count / 2, "light": code == "met"}] if count else []
            begin += count
    y = {"field": "reward", "type": "nominal", "title": None, "sort": names, "axis": {"labelLimit": 240}}
    x = {"type": "quantitative", "title": page("lab.audit.gates"), "axis": {"tickMinStep": 1}}
    colour = {"field": "outcome", "type": "nominal", "legend": {"orient": "top", "title": None},
              "scale": {"domain": list(words.values()), "range": [look[0] for look in LOOKS.values()]}}  # fmt: skip
    ink = {"condition": {"test": "datum.light", "value": LOOKS["met"][1]}, "value": LOOKS["open"][1]}
    bar = {"x": {**x, "field": "from"}, "x2": {"field": "to"}, "y": y, "color": colour}
    number = {"x": {**x, "field": "middle"}, "y": y, "text": {"field": "count", "type": "quantitative"}, "color": ink}
    return {
        "width": 520, "height": 26 * len(names),
        "layer": [
            {"data": {"values": values}, "mark": {"type": "bar", "stroke": "white"}, "encoding": bar},
            {"data": {"values": values}, "mark": {"type": "text", "fontSize": 12}, "encoding": number},
        ],
    }  # fmt: skip
