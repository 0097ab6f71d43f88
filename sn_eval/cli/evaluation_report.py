"""What `sn-eval evaluate` prints: measures as rows with what they ask and which way is better, videos as columns."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sn_eval.cli import console
from sn_eval.cli.console import cell_text, say, show_table
from sn_eval.evaluation.comparison_page import some
from sn_eval.results.evaluation import mean_of_known

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
TOTAL = "ranks these videos; no VBench score"
Values = Sequence[float | None]  # one a video
Figures = Callable[[Values, bool], list[Any]]  # of values, and whether higher is better
ARROWS = {True: "↑ higher", False: "↓ lower"}
NARROW = 140  # columns of a terminal below which a table keeps the figures, and words stand under it
TIGHT = 100


def show_evaluation(found: "Evaluation") -> None:
    """The table of measures, the ranking of videos, and what must be known of both."""
    if not found.videos:
        return
    heads, figures = _columns(found.videos)
    names, narrow = short_names(found.measures), _width() < NARROW
    rows: list[list[Any]] = []
    for measure in found.measures:
        values = [video.values.get(measure.key) for video in found.videos]
        words = [names[measure.key], ARROWS[measure.higher_is_better][0]] if narrow else _words(measure)
        rows.append([*words, *figures(values, measure.higher_is_better)])
    totals = [video.total for video in found.videos]
    if any(total is not None for total in totals):
        words = ["total", ARROWS[True][0]] if narrow else ["total", TOTAL, ARROWS[True], "0 … 1"]
        rows.append([*words, *figures(totals, True)])
    title = f"{_count(found.videos)}, suite {found.suite}, mode {found.mode}"
    show_table(title, (*(("measure", "") if narrow else ("measure", "asks", "better", "range")), *heads), rows)
    if narrow:
        _show_words(found, names)
    if len(found.videos) > COLUMNS:
        _show_ranking(found.videos)
    _show_notes(found)


def _show_words(found: "Evaluation", names: "dict[str, str]") -> None:
    """What each measure asks, below a table that had no room for it."""
    say("↑ higher is better, ↓ lower is better")
    for m in found.measures:
        _, _, _, span = _words(m)
        say(f"{names[m.key]}: {m.about} ({', '.join(filter(None, (span, m.encoder)))})")
    if any(video.total is not None for video in found.videos):
        say(f"total: {TOTAL} (0 … 1)")


def short_names(measures: "Sequence[Measure]") -> dict[str, str]:
    """What each measure is called where room is scarce: without its encoder, unless that alone tells it from others."""
    count = Counter(m.name if m.key.startswith(f"{m.name}[") else m.key for m in measures)
    return {m.key: m.name if count[m.name] == 1 and m.key.startswith(f"{m.name}[") else m.key for m in measures}


def _width() -> int:
    """Columns that a table may have."""
    return console.out.width if console.out.is_terminal else console.WIDE


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
        return heads, lambda values, _: [mean_of_known([values[i] for i in each]) for each in members]
    names, heads = [video.video for video in videos], ["mean", "worst", "of", "best", "of "]
    if _width() < TIGHT:
        return heads[:4], lambda values, higher: _span(values, names, higher)[:4]
    return heads, lambda values, higher: _span(values, names, higher)


def _span(values: Values, names: Sequence[str], higher_is_better: bool) -> list[Any]:
    """Mean, the worst with its video, the best with its video."""
    known = sorted((value, name) for value, name in zip(values, names, strict=True) if value is not None)
    if not known:
        return [None, None, "–", None, "–"]
    worst, best = (known[0], known[-1]) if higher_is_better else (known[-1], known[0])
    return [mean_of_known(values), *worst, *best]


def _count(videos: Sequence[Any]) -> str:
    return f"{len(videos)} video{'s' if len(videos) > 1 else ''}"


def _show_ranking(videos: "Sequence[VideoResult]") -> None:
    ranked = sorted((video for video in videos if video.total is not None), key=lambda video: -(video.total or 0))
    if not ranked:
        return
    told = any(video.prompt for video in ranked)
    rows: list[list[Any]] = [
        [place, video.video, *([video.prompt or "–"] if told else []), video.total]
        for place, video in enumerate(ranked, 1)
    ]
    note, left = "", len(rows) - RANKED
    if left > 0:
        rows, note = rows[: RANKED // 2] + rows[-RANKED // 2 :], f"{left} in between are in the table file."
    show_table("By total", ("", "video", *(["prompt"] if told else []), "total"), rows, note)


def _show_notes(found: "Evaluation") -> None:
    """Each reason once, with the measures and the number of videos it is given for."""
    for note in found.notes:
        say(f"note: {note}")
    notes = _notes(found)
    for note in notes[:NOTES]:
        say(f"note: {note}")
    if len(notes) > NOTES:
        say(f"note: {len(notes) - NOTES} further notes are in evaluation.json")
    still = [video.video for video in found.videos if video.values.get("moving_share") == 0]
    if still:
        say(
            f"note: nothing moves in {some(still, 3)}: the total is 0. If that is as it should be, say minimum_motion "
            "0 in the manifest"
        )


def _notes(found: "Evaluation") -> list[str]:
    """Notes of videos, those of one reason and the same videos in one line."""
    keys = {measure.key for measure in found.measures}
    videos: dict[tuple[str, str], list[str]] = {}  # by measure ("" for none) and reason
    for video in found.videos:
        for note in video.notes:
            key, colon, reason = note.partition(": ")
            told = (key, reason) if colon and key in keys else ("", note)
            videos.setdefault(told, []).append(video.video)
    measures: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (key, reason), names in videos.items():
        measures.setdefault((reason, tuple(names)), []).append(key)
    return [
        f"{some(every, 2)}: {reason} ({names[0] if len(names) == 1 else f'{len(names)} videos'})".removeprefix(": ")
        for (reason, names), every in measures.items()
    ]


# --- comparisons and labels -------------------------------------------------------------------------------


def show_paired(paired: "Paired", names: tuple[str, str]) -> None:
    """Two folders: the mean difference of each measure with its interval, who is better, and where B loses."""
    rows, narrow = [], _width() < NARROW
    for each in paired.measures:
        d = each.difference
        span = "–" if d.low is None else f"{d.low:+.4f} … {d.high:+.4f}"
        name = [each.key.partition("[")[0], ARROWS[each.higher_is_better][0]]
        row = [each.key, ARROWS[each.higher_is_better], each.a, each.b, d.mean, span, each.p, each.words]
        rows.append([*name, d.mean, span, each.words] if narrow else [*row, f"{len(each.losses)} of {each.videos}"])
    columns = ["measure", "better", "A", "B", "B − A", "95 % interval", "p (Holm)", "verdict", "B loses in"]
    if narrow:
        columns = ["measure", "", "B − A", "95 % interval", "verdict"]
    how = next((each.difference.method for each in paired.measures if each.difference.mean is not None), "")
    show_table(f"{len(paired.videos)} pairs: A = {names[0]}, B = {names[1]}", columns, rows, how)
    if narrow:
        say("↑ higher is better, ↓ lower is better; the verdict heeds Holm's correction. A wider terminal shows more")
    for each in paired.measures:
        if each.losses and each.words in ("A better", "B better"):
            worst = "; ".join(f"{loss.video} ({loss.a:.3f} → {loss.b:.3f})" for loss in each.losses[:3])
            say(f"{each.key}: B loses most in {worst}")
    for side, alone in (("A", paired.only_a), ("B", paired.only_b)):
        if alone:
            say(f"note: only {side} has {some(alone)}")
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
        show_table(title, columns, rows)
        alpha = criterion.raters.alpha
        figure = "" if alpha.value is None else f"Krippendorff's alpha of the raters {_with_span(alpha)}: "
        say(f"{figure}{criterion.raters.words}")
        for note in criterion.notes:
            say(f"note: {note}")
    if found.unmatched:
        say(f"note: rated, but not evaluated: {some(found.unmatched)}")
    if found.unrated:
        say(f"note: evaluated, but not rated: {some(found.unrated)}")
    for note in found.notes:
        say(f"note: {note}")


def _with_span(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "–"
    span = "" if estimate.low is None else f" ({estimate.low:.2f} … {estimate.high:.2f})"
    return f"{estimate.value:.2f}{span}"


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
