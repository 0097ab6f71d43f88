"""ROI: when it pays back, what it hangs on, where it pays, and on which inputs; any of them can be edited."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import assumption_words, assumptions, blocks, figures, runs, scenario_files, scenario_state, state
from dashboard.page import Page, begin, plain
from sn_eval.decision.findings import Findings, Roi
from sn_eval.decision.fiscal_years import fiscal_years
from sn_eval.decision.heat_map import PRICE, UPLIFT, heat_map, today
from sn_eval.present import fiscal_years as fiscal
from sn_eval.present import heat_map as maps
from sn_eval.present.report.drawing import drawing
from sn_eval.present.report.model import Bullets, Column, Fact, Facts, Grid, Row
from sn_eval.present.report.sections.roi import roi as roi_section
from sn_eval.present.report.sections.verdict import why
from sn_eval.present.report.teller import Teller
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.scenario import Difference, Scenario


def main() -> None:
    """Draw the page."""
    page = begin("roi")
    scenario, experiment = scenario_state.current(page)
    found = findings(page, experiment)
    t = Teller(found, page.lang)
    edited = found is not page.open.findings
    shown = replace(page, open=replace(page.open, findings=found)) if edited else page
    differing = scenario.differences(page.open.experiment, page("assumption.edited_by"))
    head, missing = st.container(), st.container()  # always there, so that the editor below keeps its place and state
    with head:
        _head(page, scenario, differing, t)
    with missing:
        _missing(page, scenario)
    with st.expander(page("roi_page.edit"), expanded=bool(scenario.gaps(page.open.experiment)), icon=":material/tune:"):
        assumptions.editor(page, scenario, t)
        scenario_files.files(page, scenario)
    if found.roi is not None:
        _charts(shown, t, found.roi, experiment)
    page.end()


def findings(page: Page, experiment: Experiment) -> Findings:
    """What the run's cells say under an experiment; the run's own where it is as declared."""
    run = page.open
    same = experiment == run.experiment
    return run.findings if same else runs.judged(run, run.id, run.version, experiment)


def _head(page: Page, scenario: Scenario, differing: Sequence[Difference], t: Teller) -> None:
    """Whether this is a what-if, the figures that matter, and what differs."""
    found = t.findings
    if differing:
        said = "roi_page.what_if_named" if scenario.name else "roi_page.what_if"
        st.info(page(said, count=len(differing), name=plain(scenario.name)), icon=":material/edit_note:")
    if found.roi is None:
        st.info(page("roi_page.none", why=plain(t.why(found.roi_words))), icon=":material/calculate:")
    else:
        _facts(page, t, found.roi)
    if differing:
        _what_if(page, differing, t)


# --- what if ------------------------------------------------------------------------------------------------


def _what_if(page: Page, differing: Sequence[Difference], t: Teller) -> None:
    """Both verdicts, and what differs."""
    own, edited = st.columns(2, gap="medium")
    with own:
        _verdict(page, page.teller, "roi_page.verdict_own")
    with edited:
        _verdict(page, t, "roi_page.verdict_edited")
    st.caption(page("roi_page.rules_stay"))
    if set(t.findings.watermark) - set(page.open.findings.watermark):
        inputs = plain(", ".join(map(t.input, t.findings.watermark)))
        st.warning(page("roi_page.watermark", inputs=inputs), icon=":material/warning:")
    rows = tuple(
        Row(
            (assumption_words.name_of(t, each.key), assumption_words.told(t, each.key, each.was),
             assumption_words.told(t, each.key, each.becomes), each.source),
            look="example" if each.illustrative else "plain",
        )
        for each in differing
    )  # fmt: skip
    columns = (
        Column(t("column.input")), Column(t("roi_page.was")), Column(t("roi_page.becomes")),
        Column(t("column.source"), wide=True),
    )  # fmt: skip
    blocks.show(page, Grid("differences", t("roi_page.differences"), columns, rows, t("roi_page.differences_note")))


def _verdict(page: Page, t: Teller, title: str) -> None:
    decision = t.findings.verdict.decision
    with st.container(border=True, height="stretch"):
        st.caption(page(title))
        st.markdown(f"### {plain(t(f'verdict.{decision}.title'))}")
        st.markdown(plain(why(t)))
        if t.findings.watermark:
            st.caption(f"{page('example.mark')} {page('roi_page.example_verdict')}")


# --- the figures that matter ----------------------------------------------------------------------------------


def _facts(page: Page, t: Teller, found: Roi) -> None:
    """Saving, net present value, chance of profit, payback; beside edited ones the run's own."""
    saving, npv, payback = next(roi_section(t).of(Facts)).items
    rule = page.open.experiment.rules.chance_of_profit
    chance = Fact(
        t("fact.profit"), t.percent(found.chance_of_profit), key=t.key("roi/chance_of_profit"),
        note=page("roi_page.chance_note", value=t.percent(rule)), number=found.chance_of_profit, mark=t.mark,
        tone="good" if found.chance_of_profit >= rule else "bad",
    )  # fmt: skip
    items = [saving, npv, chance, payback]
    own = page.open.findings.roi
    if own is not None and own is not found:
        tell = page.teller
        before = (
            tell.money(own.monthly_saving.p50, signed=True), tell.money(own.npv.p50, signed=True),
            tell.percent(own.chance_of_profit), tell.months(own.payback_months),
        )  # fmt: skip
        items = [
            replace(fact, note=page("roi_page.own", value=value)) for fact, value in zip(items, before, strict=True)
        ]
    blocks.show(page, Facts(tuple(items)))


def _missing(page: Page, scenario: Scenario) -> None:
    """Names of what an ROI still needs."""
    gaps = scenario.gaps(page.open.experiment)
    if gaps:
        between = "、" if page.lang == "ja" else "; "
        names = plain(between.join(assumption_words.name_of(page.teller, key) for key in gaps))
        st.warning(page("roi_page.gaps", keys=names), icon=":material/edit:")


# --- charts and tables ----------------------------------------------------------------------------------------


def _charts(page: Page, t: Teller, found: Roi, experiment: Experiment) -> None:
    """In the order in which people ask."""
    section = roi_section(t)
    drawn = {block.key: block for block in section.blocks if not isinstance(block, Facts) and hasattr(block, "key")}
    st.subheader(page("roi_page.cash_title"))
    blocks.show(page, drawn["cumulative"])
    if "tornado" in drawn:
        st.subheader(page("roi_page.drivers_title"))
        blocks.show(page, drawn["tornado"])
    st.subheader(page("roi_page.map_title"))
    _map(page, t)
    blocks.show(page, next(section.of(Bullets)))
    st.subheader(page("roi_page.scenarios_title"))
    blocks.show(page, drawn["scenarios"])
    _fiscal(page, t, found, experiment)
    st.subheader(page("roi_page.inputs_title"))
    blocks.show(page, drawn["unit_cost"])
    blocks.show(page, drawn["inputs"])


def _map(page: Page, t: Teller) -> None:
    """The break-even map of two inputs that the reader chooses."""
    try:
        business = today(page.open.material, t.findings)
        names = {key: t.input(key) for key in business.keys}
        left, right = st.columns(2)
        with left:
            x = state.pick(page("roi_page.map_x"), names, "x")
        others = {key: name for key, name in names.items() if key != x}
        first = UPLIFT if UPLIFT in others else PRICE if PRICE in others else next(iter(others))
        ordered = {first: others[first]} | others
        with right:
            y = state.pick(page("roi_page.map_y"), ordered, "y")
        drawn = heat_map(business, x, y)
    except ResultsError as error:
        st.info(page("roi_page.no_map", why=plain(str(error))), icon=":material/grid_off:")
        return
    figures.chart(page, "heat_map", maps.drawing(drawn, t), maps.table(drawn, t), maps.about(drawn, t))


def _fiscal(page: Page, t: Teller, found: Roi, experiment: Experiment) -> None:
    """Cash by fiscal year; tax and exchange."""
    business = experiment.business
    if business is None:
        return
    standard = next(case.monthly_saving for case in found.scenarios if case.kind == "standard")
    years = fiscal_years(business, standard, business.fiscal_year_starts)
    if years:
        bars = drawing(fiscal.bars(years, business, t), page.lang)
        figures.chart(page, "fiscal", bars, fiscal.table(years, business, t), fiscal.about(business, t))
    table = fiscal.sensitivity(found, business, t)
    if len(table.rows) > 1:
        blocks.show(page, table)
    else:
        st.caption(page("fiscal.not_known"))


if __name__ == "__main__":
    main()
