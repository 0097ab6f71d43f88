"""The first page: adopt it or not, what it saves, what could go wrong, and with which setting."""

from collections.abc import Iterator
from dataclasses import replace
from html import escape

import streamlit as st

from dashboard import blocks, exports, figures, setting
from dashboard.page import Page, begin, plain
from sn_eval.decision.findings import Losing, Reason
from sn_eval.decision.verdict import BUSINESS
from sn_eval.present.report.model import Checklist, Facts, Figure, Gallery, Paragraph
from sn_eval.present.report.sections.verdict import next_step, why

SIGNS = {"go": "✓", "conditional": "△", "continue": "→", "stop": "✗", "invalid": "!", "provisional": "…"}
SAVING = "roi/monthly_saving/p50"  # key of the number of the report's section "roi" that stands on this page, too
ADOPTED = ("go", "conditional")


def main() -> None:
    """Draw the page."""
    page = begin("decision")
    _headline(page)
    blocks.show(page, numbers(page))
    _why(page)
    _cost(page)
    _failures(page)
    if decided(page):
        _rules(page)
    _setting(page)
    st.header(page("decision_page.downloads"))
    exports.downloads(page)
    page.end()


def decided(page: Page) -> bool:
    """Whether there is a verdict: an unfinished run has none, whatever its numbers look like."""
    return page.report.decision != "provisional"


def _headline(page: Page) -> None:
    """The verdict in a sign, a colour and words."""
    done, decision = page.open.progress, page.report.decision
    values = {"arm": page.open.findings.verdict.arm, "done": done.done, "planned": done.planned}
    over = decision == "provisional" and page.open.state == "complete"  # nothing was declared that could decide
    words = page("decision_page.no_verdict") if over else page(f"decision_page.headline.{decision}", **values)
    st.html(
        f'<div class="sn-verdict sn-{decision}" role="status"><span class="sn-sign" aria-hidden="true">'
        f"{SIGNS[decision]}</span><span>{escape(words)}</span></div>"
    )


def numbers(page: Page) -> Facts:
    """The report's three figures, and what a month saves where there is an ROI; without how they came out as yet."""
    shown = next(page.report.section("verdict").of(Facts)).items
    saving = [fact for each in page.report.section("roi").of(Facts) for fact in each.items if fact.key == SAVING]
    return Facts(tuple(fact if decided(page) else replace(fact, tone="plain") for fact in (*shown, *saving)))


def _why(page: Page) -> None:
    """Why and what next, and beside it what could go wrong."""
    left, right = st.columns(2, border=True)
    with left:
        st.subheader(page("decision_page.why"))
        st.markdown(f"**{plain(why(page.teller))}**")
        if decided(page) or page.open.state != "complete":
            st.markdown(plain(next_step(page.teller)))
    with right:
        st.subheader(page("decision_page.risk"))
        first, *others = risks(page)
        st.markdown(f"**⚠ {plain(first)}**")
        for sentence in others:
            st.markdown(plain(sentence))


def risks(page: Page) -> Iterator[str]:
    """What could go wrong, the worst first: the rule that failed or is open, and where it lost."""
    found = page.open.findings
    rule = worst_rule(found.verdict.reasons) if decided(page) else None
    if rule is not None:
        yield page.teller.reason(rule)
    if found.losing:
        yield _lost(page, found.losing[0])
        counts = {"losing": len(found.losing), "prompts": found.run.confirm_prompts}
        yield page("decision_page.risk_losing", **counts)
    elif page.teller.chosen is None:
        yield page("decision_page.risk_unknown")
    elif rule is None:
        yield page("decision_page.risk_none")


def worst_rule(reasons: tuple[Reason, ...]) -> Reason | None:
    """The first that failed, else the first that is open; knowledge about the business comes after what was seen.

    >>> worst_rule((Reason("latency", True), Reason("profit", None), Reason("hacking", False))).code
    'hacking'
    """
    bad = [reason for reason in reasons if reason.holds is not True and reason.code != "finished"]
    bad.sort(key=lambda reason: (reason.code in BUSINESS, reason.holds is None))
    return bad[0] if bad else None


def _lost(page: Page, worst: Losing) -> str:
    t = page.teller
    difference = t.amount(worst.outcome, worst.difference, signed=True)
    return page(
        "decision_page.risk_prompt", prompt=worst.prompt, arm=page.open.findings.verdict.arm,
        outcome=t.outcome(worst.outcome), difference=difference,
    )  # fmt: skip


def _cost(page: Page) -> None:
    """Acceptance against cost; words where there is nothing to draw."""
    st.header(page("decision_page.cost"))
    section = page.report.section("pareto")
    drawn = next(section.of(Figure), None)
    if drawn is not None:
        figures.figure(page, drawn)
    else:
        for each in section.of(Paragraph):
            blocks.show(page, each)


def _failures(page: Page) -> None:
    """Where it lost, shown as early as where it won."""
    section = page.report.section("failures")
    st.header(section.title)
    for text in section.of(Paragraph):
        blocks.show(page, text)
    for gallery in section.of(Gallery):
        blocks.show(page, gallery)


def _rules(page: Page) -> None:
    for each in page.report.section("verdict").of(Checklist):
        st.header(each.title)
        blocks.show(page, replace(each, title=""))


def _setting(page: Page) -> None:
    """What to write into an experiment or a production file."""
    adopted = page.report.decision in ADOPTED
    st.header(page("decision_page.setting" if adopted else "decision_page.setting_judged"))
    found = setting.setting(page.open)
    if not found:
        st.markdown(page("decision_page.setting_none"))
        return
    st.markdown(f"**{page('decision_page.arm', arm=plain(found.pop('arm')))}**")
    if found:
        st.code(setting.as_yaml(found), language="yaml")
        st.caption(page("decision_page.setting_note"))


if __name__ == "__main__":
    main()
