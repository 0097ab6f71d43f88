"""Measurements held against people's ratings, to look at: do people agree, and which measure agrees with them?"""

from collections.abc import Sequence

from sn_eval.decision.agreement import Agreement, CriterionAgreement, MeasureAgreement
from sn_eval.decision.ranks import Estimate
from sn_eval.evaluation.comparison_page import some
from sn_eval.page import Block, Cell, Chart, Section, Table, Words
from sn_eval.present.charts import svg
from sn_eval.present.intervals import Interval, intervals


def sections(found: Agreement) -> list[Section]:
    """A part of a page for each criterion that people rated."""
    made = [_section(criterion, found.confidence) for criterion in found.criteria]
    said = [*found.notes]
    said += [f"Rated, but not evaluated: {some(found.unmatched)}."] if found.unmatched else []
    said += [f"Evaluated, but not rated: {some(found.unrated)}."] if found.unrated else []
    return [*made, Section("Of the ratings", [*map(Words, said)])] if said else made


def _section(criterion: CriterionAgreement, confidence: float) -> Section:
    raters = criterion.raters
    heading = f"Agreement with people{f': {criterion.criterion}' if criterion.criterion else ''}"
    people = (
        f"{raters.raters} rater{'' if raters.raters == 1 else 's'}, {raters.videos} videos rated by two or more. "
        f"{raters.words[:1].upper()}{raters.words[1:]}. Krippendorff's alpha: {_figure(raters.alpha)} (1: they agree "
        f"fully, 0: as by chance). Rank correlation of a person with the mean of the others: {_figure(raters.person)}; "
        "a measure that reaches it follows people as well as a person does."
    )
    blocks: list[Block] = [Words(people), *map(Words, criterion.notes)]
    if criterion.split:
        blocks.append(Words(f"In {criterion.split} videos people are split half and half; they neither pass nor fail."))
    known = [each for each in criterion.measures if each.spearman.value is not None]
    if known:
        drawn = intervals(
            [_interval(each) for each in known], left="← against people", right="with people →", reach=1.0
        )  # fmt: skip
        blocks.append(Chart(svg(drawn), "Rank correlation of each measure with people, −1 to 1, with its interval"))
    if criterion.measures:
        blocks.append(_table(criterion.measures, confidence))
    return Section(heading, blocks)


def _interval(each: MeasureAgreement) -> Interval:
    found = each.spearman
    return Interval(each.key, found.value or 0.0, found.low, found.high, _figure(found))


def _table(measures: Sequence[MeasureAgreement], confidence: float) -> Table:
    """Figures and words; columns of pass or fail stand only where people said so."""
    verdicts = any(each.auc is not None or each.threshold is not None for each in measures)
    rows: list[Sequence[Cell]] = []
    for each in measures:
        told = (_value(each.auc), "" if each.threshold is None else each.threshold.words) if verdicts else ()
        figures = (each.spearman.value, each.kendall.value, each.pairs.value, each.p)
        rows.append((each.key, each.videos, *figures, *told, each.words))
    note = (
        "Signs are turned where lower is better. Drawn: Spearman's rank correlation, −1 to 1, with its "
        f"{confidence:.0%} interval. pairs: share of pairs of videos that it orders as people do (0.5 is chance). p is "
        "of these pairs, corrected for the number of measures."
    )
    more = ("AUC", "pass where") if verdicts else ()
    return Table(("measure", "videos", "Spearman", "Kendall", "pairs", "p", *more, ""), rows, note)


def _value(found: Estimate | None) -> float | None:
    return None if found is None else found.value


def _figure(found: Estimate) -> str:
    """0.71 (0.52 to 0.83), or why there is none."""
    if found.value is None:
        return f"not known ({found.why})"
    return f"{found.value:.2f}" if found.low is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
