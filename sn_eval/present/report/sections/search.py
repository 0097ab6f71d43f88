"""What the search itself did: what choosing is worth, whether previews foretell, whether the reward was gamed."""

from collections.abc import Iterator

from sn_eval.present.report.model import Block, Column, Fact, Facts, Grid, Paragraph, Row, Section
from sn_eval.present.report.teller import Teller
from sn_eval.results.experiment import ACCEPTANCE


def search(t: Teller) -> Section:
    """Selector regret, preview correlation, hacking."""
    blocks = (*_regret(t), *_previews(t), *_hacking(t))
    return Section("search", t("section.search"), blocks, "engineer")


def _regret(t: Teller) -> Iterator[Block]:
    found = t.findings.selection
    if not found:
        yield Paragraph(t("search.no_regret"))
        return
    columns = (
        Column(t("column.outcome")),
        Column(t("column.candidates"), "integer"),
        Column(t("column.random"), "number", digits=3),
        Column(t("column.chosen"), "number", digits=3),
        Column(t("column.oracle"), "number", digits=3),
        Column(t("column.captured"), "percent", digits=0),
        Column(t("column.prompts"), "integer"),
    )
    rows = []
    for each in found:
        path = f"selection/{each.outcome}/{each.candidates}"
        keys = tuple(t.key(f"{path}/{name}") for name in ("random", "chosen", "oracle", "captured"))
        cells = (each.random, each.chosen, each.oracle, each.captured, each.prompts)
        rows.append(Row((t.outcome(each.outcome), each.candidates, *cells), ("", "", *keys, "")))
    yield Grid("selection", t("search.regret"), columns, tuple(rows), t("search.regret_note"))


def _previews(t: Teller) -> Iterator[Block]:
    if not t.findings.previews:
        yield Paragraph(t("search.no_previews"))
        return
    columns = (
        Column(t("column.arm")),
        Column(t("column.look")),
        Column(t("column.correlation"), "number", digits=2),
        Column(t("column.low"), "number", digits=2),
        Column(t("column.high"), "number", digits=2),
        Column(t("column.videos"), "integer"),
    )
    rows = tuple(
        Row(
            (each.arm, each.look, each.rho.value, each.rho.low, each.rho.high, each.videos),
            ("", "", t.key(f"preview/{each.arm}/{each.look}"), "", "", ""),
        )
        for each in t.findings.previews
    )
    yield Grid("previews", t("search.previews"), columns, rows, t("search.previews_note"))


def _hacking(t: Teller) -> Iterator[Block]:
    found = t.findings.hacking
    if found is None:
        yield Paragraph(t("search.no_hacking"))
        return
    if found.searched_gain is None:
        yield Paragraph(t("answer.reward_unknown"))
        return
    yield Paragraph(t("search.alarm" if found.alarm else "search.no_alarm"), look="warning" if found.alarm else "plain")
    searched = Fact(
        t("search.searched_gain"), t.number(found.searched_gain, signed=True), key=t.key("hacking/searched_gain"),
        number=found.searched_gain,
    )  # fmt: skip
    judges = [
        Fact(
            t.outcome(name),
            t.number(gain, signed=True),
            tone="bad" if gain < 0 and found.alarm else "plain",
            number=gain,
        )
        for name, gain in found.judges.items()
    ]
    yield Facts((searched, *judges))
    yield Paragraph(t("search.gain_note", acceptance=t.outcome(ACCEPTANCE)), look="note")
