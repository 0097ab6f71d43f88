"""Where the search lost: shown early, since a decision that hides its failures is none."""

from collections.abc import Sequence

from sn_eval.decision.findings import Attempt, Losing
from sn_eval.present.report.model import Block, Clip, Column, Gallery, Grid, Pair, Paragraph, Row, Section
from sn_eval.present.report.teller import Teller
from sn_eval.results.experiment import ACCEPTANCE

SHOWN = 6  # pairs of videos; the table names all


def failures(t: Teller) -> Section:
    """Prompts on which the judged arm is worse than the baseline, worst first, and attempts without a video."""
    return Section("failures", t("section.failures"), (*_losing(t), *_unusable(t)))


def _losing(t: Teller) -> list[Block]:
    losing, prompts = t.findings.losing, t.findings.run.confirm_prompts
    if t.chosen is None:
        return [Paragraph(t("failures.no_arm"))]
    if not losing:
        return [Paragraph(t("failures.none", arm=t.chosen.name, prompts=prompts))]
    intro = t("failures.some", arm=t.chosen.name, losing=len(losing), prompts=prompts)
    pairs = tuple(_pair(t, each) for each in losing[:SHOWN])
    return [
        Paragraph(intro, look="lead"),
        Gallery(t("failures.gallery"), pairs, t("failures.gallery_note", shown=len(pairs), all=len(losing))),
        _table(t, losing),
    ]


def _table(t: Teller, losing: Sequence[Losing]) -> Grid:
    """All of them, acceptance in points and other outcomes in their own unit."""
    share = all(each.outcome == ACCEPTANCE for each in losing)
    columns = (
        Column(t("column.prompt"), wide=True),
        Column(t("column.group")),
        Column(t("column.outcome")),
        Column(t("column.difference"), "points" if share else "number", digits=1 if share else 3),
        Column(t("column.cells"), wide=True),
    )
    rows = tuple(
        Row((each.prompt, each.group, t.outcome(each.outcome), each.difference, ", ".join(sum(each.cells, ()))))
        for each in losing
    )
    return Grid("losing", t("failures.table"), columns, rows)


def _pair(t: Teller, losing: Losing) -> Pair:
    """The greatest loss, side by side; of candidates that both arms choose from, two that differ."""
    ours, theirs = losing.cells[1], losing.cells[0]
    right = ours[0] if ours else None
    left = next((cell for cell in theirs if cell != right), right if theirs else None)
    difference = t.amount(losing.outcome, losing.difference, signed=True)
    caption = t("failures.caption", outcome=t.outcome(losing.outcome), difference=difference)
    baseline, chosen = t.findings.baseline, t.findings.verdict.arm
    return Pair(losing.prompt, caption, _clip(t, left, baseline, losing), _clip(t, right, chosen, losing))


def _clip(t: Teller, cell: str | None, arm: str, losing: Losing) -> Clip | None:
    """A cell's video with what the judge said of it."""
    if cell is None:
        return None
    attempt = t.attempt.get(cell)
    return Clip(cell, arm, "" if attempt is None else _said(t, attempt, losing.outcome))


def _said(t: Teller, attempt: Attempt, outcome: str) -> str:
    if attempt.failed:
        return t("failures.no_video", why=attempt.why)
    if outcome == ACCEPTANCE:
        return t(
            "word.undecided" if attempt.accepted is None else "word.accepted" if attempt.accepted else "word.rejected"
        )
    return f"{outcome} {t.number(attempt.scores.get(outcome))}"


def _unusable(t: Teller) -> list[Block]:
    """Attempts whose method gave no usable video: rejected attempts, and never left out."""
    failed = [attempt for attempt in t.findings.attempts if attempt.failed and attempt.split == "confirm"]
    if not failed:
        return []
    columns = (Column(t("column.arm")), Column(t("column.prompt"), wide=True), Column(t("column.why"), wide=True))
    rows = tuple(Row((attempt.arm, attempt.prompt, attempt.why)) for attempt in failed)
    return [Grid("unusable", t("failures.unusable", count=len(failed)), columns, rows, t("failures.unusable_note"))]
