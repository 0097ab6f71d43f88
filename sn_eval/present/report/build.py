"""From findings to a report in one language: the order of the sections is that in which people ask."""

from sn_eval.decision.findings import Findings
from sn_eval.present.report.model import Lang, Report
from sn_eval.present.report.sections.appendix import appendix
from sn_eval.present.report.sections.costs import capacity, costs
from sn_eval.present.report.sections.failures import failures
from sn_eval.present.report.sections.meeting import checklist, phrases, questions
from sn_eval.present.report.sections.paper import paper
from sn_eval.present.report.sections.quality import comparisons, pareto, scaling
from sn_eval.present.report.sections.roi import roi
from sn_eval.present.report.sections.search import search
from sn_eval.present.report.sections.statistics import statistics
from sn_eval.present.report.sections.verdict import verdict
from sn_eval.present.report.teller import Teller

SECTIONS = (
    verdict, failures, pareto, comparisons, roi, capacity, phrases, questions, checklist, paper, scaling, search,
    statistics, costs, appendix,
)  # fmt: skip


def build(findings: Findings, lang: Lang) -> Report:
    """The report of these findings; what is missing in them is said in words."""
    t = Teller(findings, lang)
    return Report(
        title=t("page.title", run=findings.run.name),
        subtitle=findings.run.about,
        lang=lang,
        decision=findings.verdict.decision,
        headline=t(f"verdict.{findings.verdict.decision}.title"),
        footer=_footer(t),
        watermark=(t("example.watermark"), t.examples) if findings.watermark else (),
        sections=tuple(section(t) for section in SECTIONS),
        folder=findings.run.folder,
        run=findings.run.name,
        currency=t.currency,
    )


def _footer(t: Teller) -> tuple[str, ...]:
    """For every page: run, rules, date of prices, exchange, n."""
    run, price = t.findings.run, t.findings.price
    found = [t("footer.run", run=run.name, spec=run.spec_sha256[:8])]
    found.append(t("footer.prices", date=price.as_of) if price is not None else t("footer.no_prices"))
    if price is not None and price.exchange:
        found.append(t("footer.exchange", exchange=price.exchange))
    return (*found, t("footer.n", prompts=run.confirm_prompts, done=run.done, planned=run.planned))
