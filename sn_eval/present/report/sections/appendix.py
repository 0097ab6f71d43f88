"""Data behind the report: the run, the judges, every prompt, and every attempt with its cells."""

from sn_eval.decision.findings import ArmFindings, Attempt
from sn_eval.present.report.model import Block, Bullets, Column, Grid, Paragraph, Row, Section
from sn_eval.present.report.teller import Teller


def appendix(t: Teller) -> Section:
    """Run, notes, judges, groups, prompts, attempts."""
    notes = [Bullets(tuple(map(Paragraph, t.findings.notes)), t("appendix.notes"))] if t.findings.notes else []
    blocks: list[Block] = [_run(t), *notes, _judges(t), *_groups(t), *_scores(t), _prompts(t), _attempts(t)]
    return Section("appendix", t("section.appendix"), tuple(blocks), "engineer")


def _run(t: Teller) -> Grid:
    run = t.findings.run
    named = {
        "name": run.name, "kind": t(f"kind.{run.kind}"), "about": run.about, "spec": run.spec_sha256,
        "started": run.started, "ended": run.ended, "model": run.model, "rollout": run.rollout, "reward": run.reward,
        "devices": ", ".join(run.devices), "versions": ", ".join(f"{k} {v}" for k, v in run.versions.items()),
        "planned": run.planned, "done": run.done, "quality_failures": run.quality_failures,
        "infrastructure": run.infrastructure, "damaged": run.damaged,
    }  # fmt: skip
    rows = tuple(
        Row((t(f"run.{name}"), str(value) or "–"), ("", t.key(f"run/{name}"))) for name, value in named.items()
    )
    return Grid("run", t("appendix.run"), (Column(t("column.item")), Column(t("column.value"), wide=True)), rows)


def _judges(t: Teller) -> Grid:
    columns = (
        Column(t("column.evaluator")),
        Column(t("column.families"), wide=True),
        Column(t("column.encoder")),
        Column(t("column.better")),
        Column(t("column.remark")),
    )
    rows = tuple(
        Row(
            (
                judge.label, ", ".join(judge.families), judge.encoder or "–",
                t("word.higher" if judge.higher_is_better else "word.lower"),
                t("word.searched") if judge.searched else "",
            ),
            look="searched" if judge.searched else "plain",
        )
        for judge in t.findings.judges
    )  # fmt: skip
    return Grid("judges", t("appendix.judges"), columns, rows, t("comparisons.searched"))


def _groups(t: Teller) -> list[Block]:
    """Acceptance by group of prompts."""
    groups = list(dict.fromkeys(group for arm in t.findings.arms for group in arm.by_group if group))
    if not groups:
        return []
    columns = (Column(t("column.group")), *(Column(arm.name, "percent") for arm in t.findings.arms))
    rows = tuple(
        Row((group, *(arm.by_group[group].value if group in arm.by_group else None for arm in t.findings.arms)))
        for group in groups
    )
    return [Grid("groups", t("appendix.groups"), columns, rows)]


def _scores(t: Teller) -> list[Block]:
    """Mean of every evaluator by arm."""
    labels = [judge.label for judge in t.findings.judges]
    columns = (Column(t("column.arm")), *(Column(label, "number", digits=3) for label in labels))
    rows = tuple(
        Row(
            (arm.name, *(arm.scores[label].value if label in arm.scores else None for label in labels)),
            ("", *(t.key(f"score/{label}/{arm.name}") for label in labels)),
            "chosen" if arm.chosen else "baseline" if arm.baseline else "plain",
        )
        for arm in t.findings.arms
    )
    return [Grid("scores", t("appendix.scores"), columns, rows)] if labels and rows else []


def _prompts(t: Teller) -> Grid:
    """Every prompt with the smoothed acceptance that the ROI counts with."""
    sides = [(t("word.baseline"), t.baseline), (t("word.chosen"), t.chosen)]
    arms = [(name, arm) for name, arm in sides if arm is not None]
    columns = (
        Column(t("column.prompt"), wide=True),
        Column(t("column.group")),
        Column(t("column.split")),
        *(Column(f"{t('word.acceptance')}: {name}", "percent") for name, _ in arms),
        *(Column(f"{t('column.smoothed')}: {name}", "percent") for name, _ in arms),
    )
    grouped = {attempt.prompt: attempt for attempt in t.findings.attempts}
    rows = tuple(
        Row(
            (
                prompt, first.group, t(f"word.{first.split}"), *(_share(t, prompt, arm) for _, arm in arms),
                *(arm.smoothed.get(prompt) for _, arm in arms),
            )
        )
        for prompt, first in grouped.items()
    )  # fmt: skip
    return Grid("prompts", t("appendix.prompts"), columns, rows, t("appendix.prompts_note"), long=True)


def _share(t: Teller, prompt: str, arm: ArmFindings) -> float | None:
    """Share of an arm's attempts at a prompt that were accepted."""
    values = [
        attempt.accepted
        for attempt in t.by_place.get((prompt, arm.name), ())
        if attempt.accepted is not None
    ]  # fmt: skip
    return sum(values) / len(values) if values else None


def _attempts(t: Teller) -> Grid:
    labels = [judge.label for judge in t.findings.judges]
    columns = (
        Column(t("column.cells"), wide=True),
        Column(t("column.arm")),
        Column(t("column.prompt"), wide=True),
        Column(t("column.repeat"), "integer"),
        Column(t("column.split")),
        Column(t("word.accepted"), "number", digits=2),
        Column(t("column.searched"), "number", digits=3),
        Column(t("column.device_seconds"), "number", "s", digits=2),
        Column(t("column.nfe"), "number", digits=0),
        *(Column(label, "number", digits=3) for label in labels),
        Column(t("column.why"), wide=True),
    )
    rows = tuple(_attempt(t, each, labels) for each in t.findings.attempts)
    return Grid("attempts", t("appendix.attempts"), columns, rows, t("appendix.attempts_note"), long=True)


def _attempt(t: Teller, each: Attempt, labels: list[str]) -> Row:
    return Row(
        (
            ", ".join(each.cells), each.arm, each.prompt, each.repeat, t(f"word.{each.split}"), each.accepted,
            each.searched, each.compute.seconds, each.compute.nfe, *(each.scores.get(label) for label in labels),
            each.why,
        )
    )  # fmt: skip
