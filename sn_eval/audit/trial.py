"""A reward's whole trial: its gates, the tricks that fool it, what it leans on, and what comes of optimising it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewards.base import Reward, RewardSpec
from sn_eval.audit.adversaries import STILL, AdversaryTable, adversary_table
from sn_eval.audit.bias import Dependence, Groups, bias_words, by_group, covariates, partial_spearman, varied
from sn_eval.audit.hacking import Hacking, hacking_curve
from sn_eval.audit.pool import Pool
from sn_eval.audit.real_clips import real_windows
from sn_eval.audit.sample import Sample, score
from sn_eval.audit.upright import upright
from sn_eval.audit.validity import MONOTONE, NUISANCE, WINS, Finding, Validity
from sn_eval.audit.windows import Window, event_windows, seeded_windows, tabletop_windows
from sn_eval.interfaces import Progress
from sn_eval.page import Block, Chart, Clips, Pair, Section, Table, Words
from sn_eval.present.charts import curves

EVENTS = ("event_removed", "event_added", "late", "swapped_order")
TABLETOP_ENCODER = "tabletop-clip"  # trained on rendered scenes: of filmed ones it says nothing
SHOWN = 6  # clips on the page
RULE = (
    f"A fault must lower the score: median Spearman of severity and score at most {MONOTONE:g}, and the clean window "
    f"beats its mid-severity copy in at least {WINS:.0%} of the windows. A harmless change may move it by at most "
    f"{NUISANCE:.0%} of the mid-severity effect."
)


@dataclass(frozen=True)
class Bias:
    """What the score leans on, and how it differs between kinds of clips."""

    dependences: tuple[Dependence, ...]
    groups: Groups
    words: str


@dataclass(frozen=True)
class Trial:
    """All that was found about one reward; what was left out is None."""

    name: str
    validity: Validity
    adversaries: AdversaryTable | None = None
    bias: Bias | None = None
    hacking: Hacking | None = None
    judge: str = ""


def windows_for(spec: RewardSpec, falls: Sequence[str], rendered: int, real: int | None) -> list[Window]:
    """Windows on which these faults can be tried: with an event for those of events, with a subject for the others.

    rendered: how many rendered ones of each sort. real: how many real ones at most; None takes all. What measures the
    rendered world alone gets no real ones, and where it needs a seed, only scenes that have one.
    """
    if "seed" in spec.needs:
        return seeded_windows(rendered)
    if spec.encoder and spec.encoder.startswith(TABLETOP_ENCODER):
        real = 0
    events = [name for name in falls if name in EVENTS]
    ordinary = tabletop_windows(rendered) if len(events) < len(falls) or not falls else []
    return [
        *ordinary,
        *(event_windows(rendered) if events or not falls else []),
        *([] if real == 0 else real_windows(real)),
    ]


def samples_of(windows: Sequence[Window], every: int = 2) -> list[Sample]:
    """Every so many windows as clips for tricks and bias; a group is a prompt's first thing, or the clip's name."""
    return [
        Sample(w.video[1:], w.video[:1], w.prompt, w.fps, w.source, w.subject.split()[-1], w.metadata)
        for w in windows[::every]
    ]


def bias(reward: Reward, samples: Sequence[Sample], on_progress: Progress | None = None) -> Bias:
    """What the score leans on, over the samples and copies of them in other sizes and lengths."""
    more = varied(samples)
    values = []
    for done, sample in enumerate(more, 1):
        values.append(score(reward, [sample])[0])
        if on_progress:
            on_progress(done, len(more))
    rows = [covariates(sample.frames, sample.fps) for sample in more]
    properties = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    copies = len(more) // len(samples)
    clusters = [str(i // copies) for i in range(len(more))]
    name = reward.spec.name
    found = partial_spearman(np.array(values), properties, clusters)
    groups = by_group(np.array(values), [f"{s.source}: {s.group}" for s in more], name)
    return Bias(tuple(found), groups, bias_words(name, found))


def hacked(reward: Reward, judge: Reward, pool: Pool, on_progress: Progress | None = None) -> Hacking:
    """What the best of n by this reward is worth to a judge of another family."""
    names = (reward.spec.name, judge.spec.name)
    return hacking_curve(pool.scores(upright(reward), on_progress), pool.scores(upright(judge)), names=names)


def adversaries(reward: Reward, samples: Sequence[Sample]) -> AdversaryTable:
    """Which tricks make the score better."""
    return adversary_table(upright(reward), samples)


def frozen(metric: Reward, samples: Sequence[Sample]) -> AdversaryTable:
    """What a metric makes of videos that stand still, for those who read its figures."""
    table = adversary_table(upright(metric), samples, STILL)
    return AdversaryTable(table.rows, _frozen_words(metric.spec.name, table))


def _frozen_words(name: str, table: AdversaryTable) -> str:
    held = next(row for row in table.rows if row.name == "anchor_copy")
    if held.beats is None:
        return f"{name} scored none of these clips: what it makes of a frozen video is not known."
    share = f"in {held.beats:.0%} of {held.n} clips"
    if held.fools:
        return (
            f"A frozen video scores at least as well by {name} as the real one {share}: read it beside dynamic_degree "
            "and moving_share."
        )
    return f"{name} does not prefer a frozen video: it scores at least as well as the real one {share}."


# --- the page ---------------------------------------------------------------------------------------------

Row = tuple[str | float | int | bool | None, ...]


def gate_rows(findings: Sequence[Finding]) -> list[Row]:
    """The gate table: change, what is asked, windows, figures, verdict."""
    return [
        (
            f.change, f.kind, f.source, f.n, f.effect, f.monotone, f.wins, f.ratio,
            f.words if f.passed is None else f.passed,
        )
        for f in findings
    ]  # fmt: skip


GATE_COLUMNS = ("change", "asked", "windows of", "n", "effect", "Spearman", "clean wins", "of mid effect", "")


def sections(trial: Trial) -> list[Section]:
    """The audit page of a reward."""
    made = [Section("Does it measure what it claims?", [_gates(trial.validity), _most_moved(trial.validity)])]
    if trial.adversaries:
        rows = [
            (r.name, r.exploits, r.beats, r.higher, r.change, r.n, "fools it" if r.fools else "")
            for r in trial.adversaries.rows
        ]
        columns = ("trick", "what it exploits", "at least as good", "better", "mean gain", "n", "")
        made.append(Section("What fools it?", [Words(trial.adversaries.words), Table(columns, rows)]))
    if trial.bias:
        made.append(Section("What does it lean on?", _bias_blocks(trial.bias)))
    if trial.hacking:
        made.append(Section("What happens when it is optimised?", _hacking_blocks(trial)))
    return made


def _gates(found: Validity) -> Table:
    return Table(GATE_COLUMNS, gate_rows(found.findings), f"{found.words}. {RULE}")


def _most_moved(found: Validity) -> Clips:
    """The clips that moved the score most, one a change."""
    most = sorted(found.moved, key=lambda m: -abs(m.before - m.after))[:SHOWN]
    pairs = []
    for moved in most:
        clean, changed = moved.clips()
        label = f"{moved.change}: {moved.window.name}"
        pairs.append(Pair(label, clean, changed, moved.before, moved.after, moved.window.fps))
    return Clips("Clips that moved the score most", pairs)


def _bias_blocks(found: Bias) -> list[Block]:
    rows = [(d.name, d.rho, d.low, d.high, d.n, d.why) for d in found.dependences]
    table = Table(("property", "partial Spearman", "95 % from", "to", "n", ""), rows)
    groups = Table(
        ("kind of clip", "mean score", "95 % from", "to", "n"),
        [(g.name, g.mean, g.low, g.high, g.n) for g in found.groups.rows],
    )
    return [Words(found.words), table, Words(found.groups.words), groups]


def _hacking_blocks(trial: Trial) -> list[Block]:
    found = trial.hacking
    assert found is not None
    judge = trial.judge or "held-out"
    chart = curves(
        found.rows(trial.name, judge),
        ("d", "Distance from plain sampling, d = √KL"),
        ("gain", "Gain over plain sampling (standard deviations)"),
        series="score", title="Best of n by this reward", band=("low", "high"), label=("n", "n = "),
    )  # fmt: skip
    return [Words(found.words), Chart(chart, f"Gain of the best of n by {trial.name}, in itself and by {judge}")]
