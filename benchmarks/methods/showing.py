"""The table and the choice in Markdown, for an engineer to check and a manager to read."""

from collections.abc import Iterator

from benchmarks.methods.choosing import Choice, Judged
from benchmarks.methods.figures import ArmFigures, Difference
from benchmarks.methods.kept import Kept
from benchmarks.methods.reporting import Report

NOTHING = "–"
HEAD = "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"


def markdown(report: Report) -> str:
    """All of it: first what was chosen and what that is worth, then the tables that it comes from."""
    lines = [f"**{report.name}**: {report.dev_words}; {report.confirm_words}.", ""]
    lines += [f"- {line}" for line in (*choice_lines(report), *judged_lines(report))]
    for arm, judged in report.asked.items():
        lines += ["", f"{arm}, which was named and not chosen by the rule:", ""]
        lines += [f"- {line}" for line in _judged_lines(arm, judged, report)]
    for split, rows in (("Dev", report.dev), ("Confirm", report.confirm)):
        if rows:
            lines += ["", *table(split, rows, report)]
    return "\n".join([*lines, "", *notes(report)]) + "\n"


def choice_lines(report: Report) -> Iterator[str]:
    """What was chosen on dev prompts, and how firm that is."""
    choice, known = report.choice, {each.arm: each for each in report.dev}
    reference = known.get(report.reference)
    if reference is None:
        yield f"No choice: {report.reference} has no dev video yet."
        return
    gained = _interval(reference.gain)
    yield f"{report.reference} gains {gained} in {report.measure} over {report.baseline} on dev prompts."
    if not choice.clear:
        warned = "**That gain is not clearly above zero: shares of it mean little, and so does a choice by them.**"
        shown = f" If it is as it looks, about {choice.needed} prompts would show it."
        yield warned if choice.needed is None else warned + shown
    if choice.open:
        yield (
            f"**Provisional: {choice.open} dev videos are still to be made**, so arms stand on different prompts, and "
            "the choice may change."
        )
    if choice.arm is not None:
        yield _chosen(known[choice.arm], choice, report)
    elif choice.nearest is not None:
        near = known[choice.nearest]
        yield (
            f"**No cheaper arm keeps {_percent(choice.keep)} of it.** The nearest, {near.arm}, keeps "
            f"{_kept(near.kept)} at {_percent(near.cost)} of the cost."
        )
    else:
        yield f"**No arm can be chosen**: {report.reference} gains nothing on dev prompts, or shares none with any arm."


def _chosen(chosen: ArmFigures, choice: Choice, report: Report) -> str:
    words = (
        f"Chosen on dev prompts: **{chosen.arm}**, the cheapest that keeps at least {_percent(choice.keep)} of it: "
        f"{_kept(chosen.kept)} at {_percent(chosen.cost)} of the cost ({chosen.nfe:.0f} evaluations a video)."
    )
    if choice.clear and not choice.sure:
        words += f" That it keeps {_percent(choice.keep)} is the best guess, not shown: its interval begins below."
    return words


def judged_lines(report: Report) -> Iterator[str]:
    """What the chosen arm does on confirm prompts, or how to find out."""
    if report.judged is not None and report.choice.arm is not None:
        yield from _judged_lines(report.choice.arm, report.judged, report)


def _judged_lines(arm: str, judged: Judged, report: Report) -> Iterator[str]:
    if judged.figures is not None and judged.figures.gain.prompts:
        yield from _on_confirm(judged, judged.figures, report)
    if judged.missing:
        missing = ", ".join(f"{name} {count}" for name, count in judged.missing.items())
        yield f"Confirm videos still missing: {missing}. They are made by `{judged.command}`"
    elif judged.figures is None:
        how = f"go on with `{judged.command}`" if judged.command else "add some to the experiment, with split: confirm"
        yield f"This run has no confirm prompts: {how}"


def _on_confirm(judged: Judged, chosen: ArmFigures, report: Report) -> Iterator[str]:
    base, reference = report.baseline, report.reference
    known = {each.arm: each for each in report.confirm}
    of = _interval(known[reference].gain) if reference in known else NOTHING
    yield (
        f"On confirm prompts {chosen.arm} gains {_interval(chosen.gain)} over {base}, {reference} {of}: it keeps "
        f"**{_kept(chosen.kept)}** of that gain ({chosen.kept.prompts} prompts, {chosen.kept.pairs} pairs)."
    )
    if chosen.kept.prompts and not chosen.kept.clear:
        yield f"**{reference}'s gain is not clearly above zero on confirm prompts: the share means little.**"
    reached = {True: "reached", False: "not reached", None: "not known"}[judged.cheap]
    yield (
        f"Its cost is **{_percent(chosen.cost)}** of {reference}'s evaluations ({_percent(chosen.time)} of its "
        f"seconds); the goal of at most {_percent(judged.goal)} is {reached}."
    )
    yield f"Against {reference} itself it differs by {_interval(judged.against)} in {report.measure}."
    if chosen.motion is not None:
        yield f"Motion (dynamic_degree) changes by {_interval(chosen.motion)} against {base}."
    losing = [f"“{prompt}” ({_signed(by)})" for prompt, by in chosen.gain.losing.items()]
    yield (
        f"It is worse than {base} on {len(losing)} of {chosen.gain.prompts} prompts"
        + (f", worst first: {'; '.join(losing)}." if losing else ".")
    )


def table(split: str, rows: tuple[ArmFigures, ...], report: Report) -> list[str]:
    """One row an arm."""
    chosen = report.choice.arm
    return [
        f"{split} prompts:", "",
        f"| arm | videos | NFE a video | cost | seconds | gain in {report.measure} | kept of {report.reference}'s "
        "| motion | searched reward | loses on |",
        HEAD,
        *(_row(each, bold=each.arm == chosen, report=report) for each in rows),
    ]  # fmt: skip


def _row(each: ArmFigures, *, bold: bool, report: Report) -> str:
    baseline = each.arm == report.baseline
    videos = f"{each.cells} of {each.planned}" + (f", {each.unusable} unusable" if each.unusable else "")
    nfe = NOTHING if each.nfe is None else f"{each.nfe:.4g}"
    compared = [
        _interval(each.gain), NOTHING if each.arm == report.reference else _kept(each.kept), _interval(each.motion),
        _interval(each.searched), f"{len(each.gain.losing)} of {each.gain.prompts}",
    ]  # fmt: skip
    cells = [
        f"**{each.arm}**" if bold else each.arm, videos, nfe, _percent(each.cost), _percent(each.time),
        *([NOTHING] * len(compared) if baseline else compared),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def notes(report: Report) -> Iterator[str]:
    """How to read it."""
    yield (
        f"Gain, motion and searched reward: mean paired difference from {report.baseline} over prompts, seeds averaged "
        "first, with a 95 % interval over prompts, of each arm by itself: of many arms some look better on dev prompts "
        "than they are. The searched reward is what was searched on (its verdict on the whole video): it shows that "
        "the search works, and judges nothing. Kept: the arm's gain over the reference's, on what both have. Cost, "
        f"seconds: of {report.reference}'s, videos that both have; seconds (without loading) compare only where the "
        "machine was as busy with both, so evaluations decide. Loses "
        f"on: prompts on which the arm is worse than {report.baseline}. NFE: denoiser evaluations, as measured."
    )


def _interval(found: Difference | None) -> str:
    """A mean with its interval, e.g. +0.021 (+0.012 to +0.030)."""
    if found is None or found.mean is None:
        return NOTHING
    if found.low is None or found.high is None:
        return f"{_signed(found.mean)} (no interval)"
    return f"{_signed(found.mean)} ({_signed(found.low)} to {_signed(found.high)})"


def _kept(found: Kept) -> str:
    """A share with its interval, e.g. 91 % (70 to 112 %)."""
    if found.share is None:
        return NOTHING
    if found.low is None or found.high is None:
        return f"{_percent(found.share)} (no interval)"
    low = _percent(found.low).removesuffix(" %")
    return f"{_percent(found.share)} ({low} to {_percent(found.high)})"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.0f} %".replace("-", "−")
