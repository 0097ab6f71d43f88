"""Every kind of block is drawn in both languages, as text of others wrote it, and with words beside every colour."""

import html
import json
from dataclasses import replace
from typing import get_args

import blocks as samples
import findings as runs
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import blocks, grids
from dashboard.page import plain
from dashboard.settings import VARIABLE
from sn_eval.present.report.build import build
from sn_eval.present.report.model import (
    QA,
    Block,
    Bullets,
    Check,
    Checklist,
    Clip,
    Column,
    Fact,
    Facts,
    Field,
    Form,
    Gallery,
    Grid,
    Pair,
    Paragraph,
    Question,
    Row,
)
from sn_eval.present.words import say

HOSTILE = "<script>alert('x')</script> [a](https://b) $x$ {y} | **z** `w`"


@pytest.fixture(autouse=True)
def run(monkeypatch):
    """The pages see the run "complete"."""
    monkeypatch.setenv(VARIABLE, json.dumps({"runs": str(runs.folder("complete"))}))


def page_of(shown, lang):
    """A page with these blocks."""

    def script(shown):
        from dashboard import blocks
        from dashboard.page import begin

        page = begin("decision")
        for block in shown:
            blocks.show(page, block)

    at = AppTest.from_function(script, default_timeout=60, args=(shown,))
    at.query_params["lang"] = lang
    at.run()
    assert not at.exception
    return at


def texts(at) -> tuple[list[str], list[str]]:
    """What the page shows as Markdown, and as HTML."""
    elements = (*at.markdown, *at.caption, *at.warning, *at.info)
    return [each.value for each in elements], [each.proto.body for each in at.get("html")]


def all_kinds(lang, folder):
    """Blocks of every kind, each key once."""
    kept = {}
    for section in samples.written(lang, folder).sections:
        for block in section.blocks:
            kept[getattr(block, "key", id(block))] = block
    return list(kept.values())


def test_every_kind_of_block_has_someone_who_draws_it():
    assert set(blocks.SHOWN) == set(get_args(Block))


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_kind_is_drawn(lang, tmp_path):
    shown = all_kinds(lang, tmp_path)
    assert {type(block) for block in shown} == set(get_args(Block))
    at = page_of(shown, lang)
    assert len(at.dataframe) == sum(isinstance(block, Grid) for block in shown) + len(samples.FIGURES)
    assert len(at.get("vega_lite_chart")) == len(samples.FIGURES)
    assert len(at.expander) == 9 + len(samples.FIGURES)  # questions, and a table below each chart


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_the_report_of_a_run_is_drawn_block_by_block(lang):
    shown = [block for section in build(runs.found("complete"), lang).sections for block in section.blocks]
    at = page_of(shown, lang)
    told = "\n".join(texts(at)[0])
    for block in shown:
        if isinstance(block, Paragraph):
            assert plain(block.text.strip()) in told


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_text_of_others_is_shown_literally(lang):
    text = Paragraph(HOSTILE)
    columns = (Column(HOSTILE), Column("n", "integer"))
    shown = [
        *(replace(text, look=look) for look in ("plain", "lead", "note", "warning")),
        Bullets((text,), HOSTILE),
        QA((Question(HOSTILE, text),)),
        Checklist((Check(HOSTILE, True, HOSTILE), Check(HOSTILE)), HOSTILE),
        Form((Field(HOSTILE, (text,), HOSTILE),)),
        Facts((Fact(HOSTILE, HOSTILE, HOSTILE, note=HOSTILE, mark=HOSTILE, tone="bad"),)),
        Grid("hostile", HOSTILE, columns, (Row((HOSTILE, 1)),), HOSTILE),
        replace(samples.PARETO, title=HOSTILE, about=HOSTILE, mark=HOSTILE),
        Gallery(HOSTILE, (Pair(HOSTILE, HOSTILE, Clip(HOSTILE, HOSTILE, HOSTILE), None),), HOSTILE),
    ]
    at = page_of(shown, lang)
    markdown, pages = texts(at)
    for written in (*markdown, *pages, *(each.label for each in at.expander)):
        assert "<script" not in written
    for written in markdown:
        assert "](" not in written.replace("\\]", "")
    assert any(plain(HOSTILE) in written for written in markdown)
    assert any(html.escape(HOSTILE) in written for written in pages)
    assert at.expander[0].label == plain(HOSTILE)
    assert at.dataframe[0].value["c0"].tolist() == [HOSTILE]


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_how_it_came_out_stands_in_a_sign_and_a_word(lang):
    facts = Facts(tuple(Fact("label", "1", tone=tone) for tone in ("good", "bad", "open", "plain")))
    rules = Checklist((Check("first", True), Check("second", False), Check("third")), rules=True)
    at = page_of([facts, rules, Checklist((Check("mine"),))], lang)
    markdown, [cards] = texts(at)
    for sign, key in (("✓", "word.holds"), ("✗", "word.fails"), ("?", "word.undecided_rule")):
        words = f"{sign} {say(lang, key)}"
        assert words in cards
        assert any(words in each for each in markdown)
    assert cards.count("sn-tone") == 3
    assert any(each.startswith("- ☐ mine") for each in markdown)


def test_numbers_of_a_table_stay_numbers_and_are_written_in_the_language():
    columns = (Column("name"), Column("share", "percent"), Column("gain", "points"), Column("cost", "money", "JPY", 0))
    told = Grid("t", "t", columns, (Row(("a", 0.123, 0.05, 4_567_890.0)), Row(("b", None, None, None))))
    frame = grids.frame_of(told)
    assert frame["c1"].tolist()[0] == 0.123
    words = {
        lang: [writer(value) for writer, value in zip(
            grids.writers(told, "JPY", lang).values(), frame.iloc[0].tolist()[1:], strict=True)]
        for lang in ("ja", "en")
    }  # fmt: skip
    assert words == {"ja": ["12.3%", "+5.0 pt", "457万円"], "en": ["12.3 %", "+5.0 pt", "¥4,570,000"]}
    assert grids.writers(told, "JPY", "en")["c1"](float("nan")) == "–"


def test_rows_that_differ_say_so_in_words():
    columns = (Column("name"), Column("n", "integer"))
    rows = tuple(Row((look, 1), look=look) for look in ("plain", *grids.LOOKS))
    told = grids.with_looks(Grid("t", "t", columns, rows), "en")
    assert [row.cells[0] for row in told.rows] == [
        "", "judged arm", "baseline", "searched on, not to be relied on", say("en", "example.mark"), "total",
    ]  # fmt: skip
    named = Grid("t", "t", columns, (Row(("judged arm", 1), look="chosen"), Row(("other", 1))))
    assert grids.with_looks(named, "en") is named  # a cell says it already


def test_a_long_table_is_shown_whole_and_taken_away_as_csv():
    long = samples.grid(10_000, key="long", long=True)
    at = page_of([long], "en")
    assert len(at.dataframe[0].value) == 10_000
    written = grids.csv_of(long)
    assert written.startswith(b"\xef\xbb\xbf")
    lines = written.decode("utf-8-sig").splitlines()
    assert len(lines) == 10_001
    assert lines[1].startswith("arm 0,a prompt of some words,0,0.5,0.05,1234.5,")


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_a_pair_is_played_from_addresses_by_id_and_only_when_it_is_there(lang):
    found = runs.found("complete")
    losing = found.losing[0]
    left, right = losing.cells[0][0], losing.cells[1][0]
    gone = Clip("no-such-cell", "gone")
    gallery = Gallery("g", (Pair("p", "", Clip(left, "plain"), Clip(right, "search")), Pair("q", "", gone, None)))
    pages = texts(page_of([gallery], lang))[1]
    assert f'src="/cells/complete/{left}/video.mp4"' in pages[0]
    assert f'src="/cells/complete/{right}/contact_sheet.png"' in pages[0]
    assert "<video" not in pages[1]
    assert "sn-gone" in pages[1]
