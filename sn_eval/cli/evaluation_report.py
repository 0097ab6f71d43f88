"""What `sn-eval evaluate` prints: measures as rows with what they ask and which way is better, videos as columns."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sn_eval.cli.console import cell_text, say, show_table

if TYPE_CHECKING:
    from sn_eval.decision.agreement import Agreement
    from sn_eval.decision.pairing import Paired
    from sn_eval.decision.ranks import Estimate
    from sn_eval.metrics.frechet import FrechetResult
    from sn_eval.results.evaluation import Evaluation, Measure, VideoResult
    from sn_eval.results.vbench_json import Total

COLUMNS = 4  # so many videos get a column each; of more, means of groups, or mean, worst and best are shown
GROUPS = 6  # columns of means, at most
RANKED = 20  # videos in the ranking
NOTES = 8
Values = Sequence[float | None]  # one a video
Figures = Callable[[Values, bool], list[Any]]  # of values, and whether higher is better
ARROWS = {True: "↑ higher", False: "↓ lower"}


def show_evaluation(found: "Evaluation") -> None:
    """The table of measures, the ranking of videos, and what must be known of both."""
    if not found.videos:
        return
    heads, figures = _columns(found.videos)
    rows: list[list[Any]] = []
    for measure in found.measures:
        values = [video.values.get(measure.key) for video in found.videos]
        rows.append([*_words(measure), *figures(values, measure.higher_is_better)])
    totals = [video.total for video in found.videos]
    if any(total is not None for total in totals):
        rows.append(["total", "ranks these videos; no VBench score", ARROWS[True], "0 … 1", *figures(totals, True)])
    title = f"{_count(found.videos)}, suite {found.suite}, mode {found.mode}"
    show_table(title, ("measure", "asks", "better", "range", *heads), rows)
    if len(found.videos) > COLUMNS:
        _show_ranking(found.videos)
    _show_notes(found)


def _words(measure: "Measure") -> list[str]:
    span = f"{cell_text(measure.low)} … {cell_text(measure.high)}"
    return [measure.key, measure.about, ARROWS[measure.higher_is_better], span]


def _columns(videos: "Sequence[VideoResult]") -> tuple[list[str], Figures]:
    """Heads, and what stands below: each video of a few, else the mean of each group, else mean, worst and best."""
    groups = list(dict.fromkeys(video.group for video in videos))
    if len(videos) <= COLUMNS:
        return [video.video for video in videos], lambda values, _: list(values)
    if 1 < len(groups) <= GROUPS:
        members = [[i for i, video in enumerate(videos) if video.group == group] for group in groups]
        heads = [f"{group or 'no group'}\nmean of {len(each)}" for group, each in zip(groups, members, strict=True)]
        return heads, lambda values, _: [_mean([values[i] for i in each]) for each in members]
    names = [video.video for video in videos]
    return ["mean", "worst", "of", "best", "of "], lambda values, higher: _span(values, names, higher)


def _span(values: Values, names: Sequence[str], higher_is_better: bool) -> list[Any]:
    """Mean, the worst with its video, the best with its video."""
    known = sorted((value, name) for value, name in zip(values, names, strict=True) if value is not None)
    if not known:
        return [None, None, "–", None, "–"]
    worst, best = (known[0], known[-1]) if higher_is_better else (known[-1], known[0])
    return [_mean(values), *worst, *best]


def _mean(values: Values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _count(videos: Sequence[Any]) -> str:
    return f"{len(videos)} video{'s' if len(videos) > 1 else ''}"


def _show_ranking(videos: "Sequence[VideoResult]") -> None:
    ranked = sorted((video for video in videos if video.total is not None), key=lambda video: -(video.total or 0))
    if not ranked:
        return
    rows: list[list[Any]] = [
        [place, video.video, video.prompt or "–", video.total] for place, video in enumerate(ranked, 1)
    ]
    note, left = "", len(rows) - RANKED
    if left > 0:
        rows, note = rows[: RANKED // 2] + rows[-RANKED // 2 :], f"{left} in between are in the table file."
    show_table("By total", ("", "video", "prompt", "total"), rows, note)


def _show_notes(found: "Evaluation") -> None:
    """Each note once, with how many videos it is said of."""
    by_note: dict[str, list[str]] = {}
    for video in found.videos:
        for note in video.notes:
            by_note.setdefault(note, []).append(video.video)
    for note in found.notes:
        say(f"note: {note}")
    for note, names in list(by_note.items())[:NOTES]:
        say(f"note: {note} ({names[0] if len(names) == 1 else f'{len(names)} videos'})")
    if len(by_note) > NOTES:
        say(f"note: {len(by_note) - NOTES} further notes are in evaluation.json")
    still = [video.video for video in found.videos if video.values.get("moving_share") == 0]
    if still:
        say(
            f"note: nothing moves in {_some(still, 3)}: the total is 0. If that is as it should be, say minimum_motion "
            "0 in the manifest"
        )


# --- comparisons and labels -------------------------------------------------------------------------------


def show_paired(paired: "Paired", names: tuple[str, str]) -> None:
    """Two folders: the mean difference of each measure with its interval, who is better, and where B loses."""
    rows = []
    for each in paired.measures:
        d = each.difference
        span = "–" if d.low is None else f"{d.low:+.4f} … {d.high:+.4f}"
        rows.append(
            [each.key, ARROWS[each.higher_is_better], each.a, each.b, d.mean, span, each.p, each.words,
             f"{len(each.losses)} of {each.videos}"]
        )  # fmt: skip
    columns = ("measure", "better", "A", "B", "B − A", "95 % interval", "p (Holm)", "verdict", "B loses in")
    how = next((each.difference.method for each in paired.measures if each.difference.mean is not None), "")
    show_table(f"{len(paired.videos)} pairs: A = {names[0]}, B = {names[1]}", columns, rows, how)
    for each in paired.measures:
        if each.losses and each.words in ("A better", "B better"):
            worst = "; ".join(f"{loss.video} ({loss.a:.3f} → {loss.b:.3f})" for loss in each.losses[:3])
            say(f"{each.key}: B loses most in {worst}")
    for side, alone in (("A", paired.only_a), ("B", paired.only_b)):
        if alone:
            say(f"note: only {side} has {_some(alone)}")
    for key, why in paired.refused.items():
        say(f"note: {key} is not compared: {why}")
    for note in paired.notes:
        say(f"note: {note}")


def show_agreement(found: "Agreement") -> None:
    """How far people agree with each other, and how far each measure agrees with them."""
    for criterion in found.criteria:
        rows = [
            [m.key, m.videos, _with_span(m.spearman), _with_span(m.pairs), None if m.auc is None else m.auc.value, m.p,
             "–" if m.threshold is None else m.threshold.words, m.words]
            for m in criterion.measures
        ]  # fmt: skip
        columns = ("measure", "videos", "Spearman", "pairs as people", "AUC", "p (Holm)", "pass from", "in words")
        title = f"Agreement with people{f': {criterion.criterion}' if criterion.criterion else ''}"
        show_table(title, columns, rows, criterion.raters.words)
        for note in criterion.notes:
            say(f"note: {note}")
    if found.unmatched:
        say(f"note: rated, but not evaluated: {_some(found.unmatched)}")
    if found.unrated:
        say(f"note: evaluated, but not rated: {_some(found.unrated)}")
    for note in found.notes:
        say(f"note: {note}")


def _with_span(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "–"
    span = "" if estimate.low is None else f" ({estimate.low:.2f} … {estimate.high:.2f})"
    return f"{estimate.value:.2f}{span}"


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def show_frechet(found: "FrechetResult") -> None:
    """The distance to another set, and what speaks against relying on it."""
    span = f"floor {found.floor:.3g}" if found.floor == found.floor else "no floor"
    one, other = found.videos
    say(f"Fréchet distance[{found.encoder}]: {found.value:.3f} ({span}; {one} against {other} videos)")
    if found.warning:
        say(f"note: do not lean on it: {found.warning}")


def show_vbench(found: "Total") -> None:
    """VBench's own total, where all of its dimensions were given."""
    if found.total is None:
        say(f"no VBench total: {', '.join(found.missing)} missing in the given files")
    else:
        say(f"VBench total of the given files: {found.total:.4f}")


def show_files(files: Sequence[tuple[str, Path]]) -> None:
    """Where everything lies; several of one sort by their folder."""
    for what in dict.fromkeys(what for what, _ in files):
        paths = [path for kind, path in files if kind == what]
        say(f"{what:<15} {paths[0] if len(paths) == 1 else f'{paths[0].parent}/ ({len(paths)} files)'}")
