"""Whatever a run holds, there is a report of it that says what is missing, in both languages alike."""

import dataclasses
import re

import findings as runs
import pytest

from sn_eval.decision.findings import Findings
from sn_eval.present.report.build import build
from sn_eval.present.report.model import Bullets, Checklist, Facts, Figure, Gallery, Grid, Paragraph, Report
from sn_eval.present.report.shown import shown

BOTH = [(variant, lang) for variant in runs.VARIANTS for lang in ("ja", "en")]
MONEY = re.compile(r"[¥$円]|万|億")


def facts(report: Report):
    return next(report.section("verdict").of(Facts)).items


def texts(report: Report) -> str:
    return repr(report.sections)


def grid(report: Report, key: str) -> Grid:
    return next(g for s in report.sections for g in s.of(Grid) if g.key == key)


@pytest.mark.parametrize(("variant", "lang"), BOTH)
def test_every_run_has_a_report_of_the_same_shape(variant, lang):
    report = build(runs.found(variant), lang)
    assert [s.key for s in report.sections] == [s.key for s in build(runs.found("complete"), "en").sections]
    assert len(facts(report)) == 3
    assert report.footer_line.count(" · ") >= 2
    for section in report.sections:
        assert section.title
        assert section.blocks
        for table in section.of(Grid):
            assert all(len(row.cells) == len(table.columns) for row in table.rows), table.key
            assert all(len(row.keys) in (0, len(table.columns)) for row in table.rows), table.key


@pytest.mark.parametrize("variant", runs.VARIANTS)
def test_both_languages_show_the_same_numbers(variant):
    first, second = (build(runs.found(variant), lang) for lang in ("ja", "en"))
    for one, other in zip(first.sections, second.sections, strict=True):
        assert [type(block) for block in one.blocks] == [type(block) for block in other.blocks]
        for ours, theirs in zip(one.of(Grid), other.of(Grid), strict=True):
            numbers = [[[c for c in row.cells if isinstance(c, float)] for row in g.rows] for g in (ours, theirs)]
            assert numbers[0] == numbers[1]
    assert [fact.number for fact in facts(first)] == [fact.number for fact in facts(second)]


@pytest.mark.parametrize("variant", runs.VARIANTS)
def test_every_evidence_key_is_one_and_has_the_shown_value(variant):
    found = runs.found(variant)
    report = build(found, "en")
    seen = 0
    for section in report.sections:
        for block in section.of(Facts):
            for fact in block.items:
                if fact.key:
                    assert fact.number == pytest.approx(found.numbers[fact.key][0])
        for table in section.of(Grid):
            for row in table.rows:
                for cell, key in zip(row.cells, row.keys, strict=False):
                    if key and isinstance(cell, float | int):
                        assert cell == pytest.approx(found.numbers[key][0], rel=1e-9), key
                        seen += 1
        for block in section.blocks:
            for paragraph in block.items if isinstance(block, Bullets) else [block]:
                assert all(key in found.numbers for key in getattr(paragraph, "keys", ()))
    assert seen or variant == "empty"


def test_the_first_page_holds_the_three_figures_and_why():
    found = runs.found("complete")
    report = build(found, "en")
    uplift, cost, profit = facts(report)
    assert report.headline == "Go"
    assert uplift.value == f"{100 * found.verdict.uplift.value:+.1f} points"
    assert "95 % interval" in uplift.interval
    assert "Break-even" in uplift.note
    assert cost.value.startswith("¥")
    assert profit.number == found.roi.chance_of_profit
    assert [section.key for section in report.sections[:2]] == ["verdict", "failures"]
    assert "lower bound" in report.sections[0].blocks[0].text


def test_the_first_page_in_japanese():
    report = build(runs.found("complete"), "ja")
    assert report.headline == "採用を推奨（Go）"
    assert "ポイント" in facts(report)[0].value
    assert "円" in facts(report)[1].value


def test_every_losing_prompt_is_shown_with_both_videos():
    found = runs.found("complete")
    section = build(found, "en").section("failures")
    pairs = next(section.of(Gallery)).pairs
    assert [pair.prompt for pair in pairs] == [each.prompt for each in found.losing[: len(pairs)]]
    for pair in pairs:
        assert pair.left.cell in found.cells["confirm/plain"]
        assert pair.right.cell in found.cells[f"confirm/{found.verdict.arm}"]


def test_attempts_without_a_video_are_told():
    found = runs.found("failing")
    table = grid(build(found, "en"), "unusable")
    assert len(table.rows) == sum(a.failed and a.split == "confirm" for a in found.attempts) > 0
    assert all("NaN" in row.cells[2] for row in table.rows)


def test_the_frontier_holds_what_nothing_beats():
    report = build(runs.found("complete"), "en")
    figure = next(report.section("pareto").of(Figure))
    marks = [p for series in figure.series if series.draw == "marks" for p in series.points]
    edge = next(series for series in figure.series if series.draw == "step").points
    beaten = {(p.x, p.y) for p in marks if any(q.x <= p.x and q.y >= p.y and (q.x, q.y) != (p.x, p.y) for q in marks)}
    assert {(p.x, p.y) for p in edge} == {(p.x, p.y) for p in marks} - beaten
    assert (figure.x.low, figure.y.low, figure.y.high) == (0.0, 0.0, 1.0)
    dominated = [p.label for series in figure.series if series.role == "muted" for p in series.points]
    assert set(dominated) <= {p.label for p in marks if (p.x, p.y) in beaten}


def test_without_a_searched_reward_on_record_nothing_is_said_of_an_alarm():
    found = runs.found("complete")
    assert found.hacking is not None
    blind = dataclasses.replace(found, hacking=dataclasses.replace(found.hacking, searched_gain=None, alarm=False))
    said = repr(build(blind, "en").section("search"))
    assert "It could not be checked" in said
    assert "No alarm" not in said


def test_rows_of_a_searched_family_are_marked():
    table = grid(build(runs.found("complete"), "en"), "differences_all_evaluators")
    looks = {row.cells[0]: row.look for row in table.rows}
    assert looks["likeness"] == "searched"
    assert looks["steadiness"] != "searched"


def test_lower_is_better_reads_as_better():
    table = grid(build(runs.found("complete"), "en"), "differences_all_evaluators")
    flicker = next(row for row in table.rows if row.cells[0] == "flicker" and row.cells[2] == "plain")
    assert flicker.cells[3] < 0
    assert flicker.cells[6] == "▲ better"


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_examples_are_marked_beside_every_amount(lang):
    report = build(runs.found("illustrative"), lang)
    mark = {"ja": "※例示", "en": "(example)"}[lang]
    assert report.watermark
    assert report.decision != "go"
    for section in report.sections:
        for block in section.of(Facts):
            assert all(fact.mark for fact in block.items if MONEY.search(fact.value))
        for table in section.of(Grid):
            assert all(
                mark in column.title for column in table.columns if column.format == "money" and _value(column, lang)
            )
        for figure in section.of(Figure):
            assert figure.mark or "money" not in (figure.x.format, figure.y.format)
        for block in section.blocks:
            for item in block.items if isinstance(block, Bullets | Checklist) else []:
                assert mark in item.text or not MONEY.search(item.text) or "USD" in item.text


def _value(column, lang) -> bool:
    """Whether a column is an amount, and not a bound beside one."""
    return column.title not in {"ja": ("区間の下限", "区間の上限"), "en": ("Lower bound", "Upper bound")}[lang]


def test_sourced_inputs_carry_no_mark():
    report = build(runs.found("complete"), "en")
    assert report.watermark == ()
    assert "(example)" not in texts(report)


def test_a_run_that_is_not_finished_says_so_and_decides_nothing():
    report = build(runs.found("provisional"), "en")
    warnings = [block.text for block in report.section("verdict").of(Paragraph) if block.look == "warning"]
    assert report.decision == "provisional"
    assert any("16 of 32 cells" in text for text in warnings)


def test_without_prices_nothing_is_money():
    report = build(runs.found("unpriced"), "en")
    assert report.currency == ""
    assert "no ROI" in texts(report)
    assert facts(report)[2].value == "not computed"
    assert "device-seconds" in facts(report)[1].value
    assert not any(column.format == "money" and row.cells[place] is not None
                   for s in report.sections for g in s.of(Grid) for place, column in enumerate(g.columns)
                   for row in g.rows)  # fmt: skip


def test_imported_videos_have_no_metered_cost():
    report = build(runs.found("imported_unpriced"), "en")
    assert "made elsewhere" in texts(report)
    assert next(report.section("verdict").of(Facts)).items[2].number is None


def test_without_acceptance_another_outcome_is_compared():
    report = build(runs.found("no_acceptance"), "en")
    assert "steadiness" in facts(report)[0].label
    assert "points" not in facts(report)[0].value


def test_phrases_answers_and_the_paper_carry_this_runs_numbers():
    found = runs.found("complete")
    report = build(found, "en")
    chance = f"{100 * found.roi.chance_of_profit:.0f} %"
    assert any(chance in item.text for item in next(report.section("phrases").of(Bullets)).items)
    assert f"{len(found.losing)} of {found.run.confirm_prompts} prompts" in repr(report.section("questions"))
    assert len(report.section("paper").blocks[1].fields) == 8
    assert "plain" in repr(report.section("paper").blocks[1].fields[3])


def test_the_checklist_ticks_only_what_the_run_shows():
    known, people = build(runs.found("illustrative"), "en").section("checklist").of(Checklist)
    assert [item.done for item in known.items][:4] == [True, True, False, False]
    assert {item.done for item in people.items} == {None}


def test_every_swing_of_the_tornado_holds_the_standard_case():
    figure = next(f for f in build(runs.found("complete"), "en").section("roi").of(Figure) if f.kind == "tornado")
    widths = [abs(p.high - p.low) for p in figure.series[0].points]
    assert widths == sorted(widths, reverse=True)
    for point in figure.series[0].points:
        assert min(point.low, point.high) <= point.y <= max(point.low, point.high)


def test_missing_pieces_one_at_a_time_break_nothing():
    found = runs.found("complete")
    empty = dict.fromkeys(("choice", "hacking", "power", "price", "roi", "capacity"))
    several = ("arms", "comparisons", "scaling", "selection", "previews", "losing", "attempts", "judges", "notes")
    for name, value in {**empty, **dict.fromkeys(several, ()), "numbers": {}, "cells": {}}.items():
        report = build(dataclasses.replace(found, **{name: value}), "en")
        assert report.sections, name


def test_values_are_shown_in_their_columns_format():
    report = build(runs.found("complete"), "en")
    arms = grid(report, "arms")
    chosen = next(row for row in arms.rows if row.look == "chosen")
    assert shown(chosen.cells[5], arms.columns[5]) == f"{100 * chosen.cells[5]:.1f} %"


def test_findings_are_what_the_factory_says():
    found = runs.found("complete")
    assert isinstance(found, Findings)
    assert found.run.planned == found.run.done == 280


@pytest.mark.parametrize("variant", ["unpriced", "no_acceptance", "empty"])
def test_why_there_is_no_roi_is_japanese_in_japanese(variant):
    report = build(runs.found(variant), "ja")
    assert not re.search(r"[a-z]{3,} [a-z]{3,}", next(report.section("roi").of(Paragraph)).text)


def test_of_candidates_that_both_arms_choose_from_two_that_differ_are_shown():
    found = runs.found("complete")
    both = ("cell-a", "cell-b")
    lost = dataclasses.replace(found.losing[0], cells=(both, both))
    report = build(dataclasses.replace(found, losing=(lost,)), "en")
    [pair] = next(report.section("failures").of(Gallery)).pairs
    assert pair.left is not None
    assert pair.right is not None
    assert (pair.left.cell, pair.right.cell) == ("cell-b", "cell-a")


@pytest.mark.parametrize("variant", ["complete", "failing", "awkward"])
def test_the_region_meets_what_the_verdict_asks_for_and_the_highest_cost(variant):
    found = runs.found(variant)
    figure = next(build(found, "en").section("pareto").of(Figure))
    rule = next(reason for reason in found.verdict.reasons if reason.code == "uplift")
    least = found.arm(found.baseline).acceptance.value + rule.values["threshold"]
    now = found.arm(found.verdict.arm).cost.money_an_accepted_minute.value
    assert figure.region.y_low == pytest.approx(least)
    assert figure.region.x_high == pytest.approx(now * found.roi.highest_price / found.price.value)
    assert f"{100 * least:.1f}".removesuffix(".0") in figure.about


@pytest.mark.parametrize("variant", ["no_better", "unpriced", "imported"])
def test_without_a_known_limit_of_cost_only_the_target_acceptance_is_drawn(variant):
    figure = next(build(runs.found(variant), "en").section("pareto").of(Figure))
    assert figure.region is None
    assert [line.axis for line in figure.references] == ["y"]


def test_without_acceptance_there_is_no_target():
    figure = next(build(runs.found("no_acceptance"), "en").section("pareto").of(Figure), None)
    assert figure is None or (figure.region is None and not figure.references)
