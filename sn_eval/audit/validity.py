"""Does a reward or metric fall under what it must fall under, and stay where nothing is wrong?

Gates (METRICS.md): over windows, the median Spearman correlation of severity and score is at most −0.9; the clean
window beats its own mid-severity copy in at least 95 %; a harmless change moves the score by at most 10 % of the
mid-severity effect. Each gate is taken apart for rendered and for real windows. Whoever cannot be evaluated is said so.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from rewards.base import Reward, UserError
from rewards.registry import did_you_mean
from sn_eval.audit.corruptions import CORRUPTIONS, NUISANCES, Corruption, Nuisance
from sn_eval.audit.upright import upright
from sn_eval.audit.windows import Window
from sn_eval.interfaces import Progress

MONOTONE, WINS, NUISANCE = -0.9, 0.95, 0.10
SOURCES = ("tabletop", "real")
BATCH = 16
LEAST = 5  # windows; fewer decide nothing


@dataclass(frozen=True)
class Finding:
    """One change on one kind of windows.

    source: "tabletop" or "real". n: windows that were scored. effect: median fall of the score at mid severity, or
    median movement under a harmless change. monotone: median Spearman. wins: share of windows whose clean copy scores
    higher. ratio: movement under a harmless change, as share of the mid-severity effect. passed: None where nothing
    was claimed or nothing can be evaluated; words say which.
    """

    change: str
    kind: Literal["must fall", "must hold", "no claim"]
    source: str
    n: int
    effect: float | None = None
    monotone: float | None = None
    wins: float | None = None
    ratio: float | None = None
    passed: bool | None = None
    words: str = ""


@dataclass(frozen=True)
class Moved:
    """What a change did to one window, in the score's own unit; a page shows the clips that moved it most."""

    change: str
    window: Window
    before: float
    after: float

    def clips(self) -> tuple[Float[Tensor, "t 3 h w"], Float[Tensor, "t 3 h w"]]:
        """The window before and after."""
        if self.change in CORRUPTIONS:
            made = CORRUPTIONS[self.change]
            after = made.on(self.window, made.mid)
            assert after is not None  # it was scored
            return self.window.video, after
        pair = NUISANCES[self.change].on(self.window)
        assert pair is not None
        return pair


@dataclass(frozen=True)
class Validity:
    """All findings of a reward or metric, and what moved it most. turned: lower is better, so its sign was turned."""

    findings: tuple[Finding, ...]
    moved: tuple[Moved, ...]
    turned: bool = False

    @property
    def missed(self) -> tuple[Finding, ...]:
        """The gates that were not met."""
        return tuple(f for f in self.findings if f.passed is False)

    @property
    def met(self) -> tuple[Finding, ...]:
        """The gates that were met."""
        return tuple(f for f in self.findings if f.passed)

    @property
    def words(self) -> str:
        """How many of the gates that could be evaluated were met."""
        count = f"{len(self.met)} of {len(self.met) + len(self.missed)} gates met"
        return f"{count} (lower is better: its sign is turned here)" if self.turned else count


def validity(
    reward: Reward, windows: Sequence[Window], falls: Sequence[str], holds: Sequence[str],
    on_progress: Progress | None = None,
) -> Validity:
    """Put a reward to its claims; without any claim every change is tried and nothing is judged.

    falls, holds: names of CORRUPTIONS and NUISANCES; UserError for an unknown one.
    """  # fmt: skip
    claimed = bool(falls or holds)
    faults = [_known(name, CORRUPTIONS) for name in (falls if claimed else CORRUPTIONS)]
    harmless = [_known(name, NUISANCES) for name in (holds if claimed else NUISANCES)]
    turned = upright(reward)
    score = Scorer(turned, on_progress, sum(map(len, map(steps, faults))) + 2 * len(harmless) + 1)
    clean = score([w.video for w in windows], windows)
    findings, moved = [], []
    for fault in faults:
        curves = _curves(fault, windows, score)
        moved += _most(fault.name, windows, clean, [curve[len(curve) // 2] if curve else None for curve in curves])
        findings += [_fall(fault, source, clean, curves, windows) for source in SOURCES]
    middle = {s: _middle([f for f in findings if f.source == s]) for s in SOURCES}
    for change in harmless:
        before, after = _pairs(change, windows, score)
        moved += _most(change.name, windows, before, after)
        fallen = [turned.spec.range[0] if value is None else value for value in after]
        findings += [_hold(change, source, before, fallen, windows, middle[source]) for source in SOURCES]
    if not claimed:
        findings = [replace(f, kind="no claim", passed=None) for f in findings]
    if turned is not reward:
        moved = [replace(m, before=-m.before, after=-m.after) for m in moved]
    return Validity(tuple(findings), tuple(moved), turned is not reward)


def _known(name: str, table: Mapping[str, Any]) -> Any:
    if table is CORRUPTIONS and name in NUISANCES:
        raise UserError(f"{name!r} is a harmless change, which must not move a score: name it under holds")
    if table is NUISANCES and name in CORRUPTIONS:
        raise UserError(f"{name!r} is a fault, which must lower a score: name it under falls")
    if name not in table:
        raise UserError(f"unknown change {name!r}.{did_you_mean(name, list(table))} Known: {', '.join(table)}")
    return table[name]


class Scorer:
    """Scores videos in batches of one size and rate; None in, None out; NaN becomes None."""

    def __init__(self, reward: Reward, on_progress: Progress | None, rounds: int) -> None:
        self.reward, self.on_progress, self.rounds, self.done = reward, on_progress, rounds, 0

    def __call__(
        self, videos: Iterable[Tensor | None], windows: Sequence[Window], extra: Mapping[str, Any] | None = None
    ) -> list[float | None]:
        """One score a video; `extra` joins what each window tells of itself."""
        groups: dict[Any, list[tuple[int, Tensor]]] = defaultdict(list)
        for i, video in enumerate(videos):
            if video is not None:
                groups[tuple(video.shape), windows[i].fps].append((i, video))
        values: list[float | None] = [None] * len(windows)
        for (_, fps), members in groups.items():
            for begin in range(0, len(members), BATCH):
                part = members[begin : begin + BATCH]
                for (i, _), value in zip(part, self._batch(part, windows, fps, extra or {}), strict=True):
                    values[i] = None if math.isnan(value) else value
        self.done += 1
        if self.on_progress:
            self.on_progress(self.done, self.rounds)
        return values

    def _batch(
        self, part: list[tuple[int, Tensor]], windows: Sequence[Window], fps: float, extra: Mapping[str, Any]
    ) -> list[float]:
        video = torch.stack([video for _, video in part])
        told = [{**windows[i].metadata, **extra} for i, _ in part]
        told = [row if row["mask"].shape == video.shape[-2:] else {**row, "mask": None} for row in told]
        prompts = [windows[i].prompt for i, _ in part]
        scores = self.reward(video[:, 1:], prompts, fps=fps, anchor=video[:, :1], metadata=told)
        return [float(v) for v in scores.values]


def steps(fault: Corruption) -> tuple[float, ...]:
    """The severities to try: one where a fault is there or is not."""
    return fault.severities if fault.mild < fault.strong else (fault.mid,)


def _curves(fault: Corruption, windows: Sequence[Window], score: Scorer) -> list[list[float | None] | None]:
    """Each window's scores along the severities; None where the fault cannot happen there."""
    columns, possible = [], [True] * len(windows)
    for severity in steps(fault):
        videos = [fault.on(w, severity) for w in windows]
        possible = [video is not None for video in videos]
        columns.append(score(videos, windows))
    return [[column[i] for column in columns] if possible[i] else None for i in range(len(windows))]


def _pairs(change: Nuisance, windows: Sequence[Window], score: Scorer) -> tuple[list, list]:
    """Each window's score before and after a harmless change."""
    pairs = [change.on(w) for w in windows]
    before = score([None if p is None else p[0] for p in pairs], windows, change.metadata)
    return before, score([None if p is None else p[1] for p in pairs], windows, change.metadata)


def _of(source: str, windows: Sequence[Window]) -> list[int]:
    return [i for i, w in enumerate(windows) if (w.source == "tabletop") == (source == "tabletop")]


def _fall(
    fault: Corruption, source: str, clean: Sequence[float | None], curves: Sequence[list | None],
    windows: Sequence[Window],
) -> Finding:
    """The two gates of a fault on one kind of windows. A copy that is not scored counts as not fallen."""
    chosen = [i for i in _of(source, windows) if curves[i] is not None and clean[i] is not None]
    if len(chosen) < LEAST:
        return Finding(fault.name, "must fall", source, len(chosen), words="not evaluable")
    before = np.array([clean[i] for i in chosen], float)
    table = np.array([[clean[i] if v is None else v for v in curves[i] or ()] for i in chosen], float)
    mid = table[:, table.shape[1] // 2]
    wins, monotone = float((before > mid + 1e-6).mean()), None
    if table.shape[1] > 1:
        monotone = float(np.median([_spearman(row) for row in table]))
    passed = wins >= WINS and (monotone is None or monotone <= MONOTONE + 1e-9)
    return Finding(
        fault.name, "must fall", source, len(chosen), float(np.median(before - mid)), monotone, wins, None, passed
    )  # fmt: skip


def _spearman(scores: np.ndarray) -> float:
    """Correlation of the order of severities with the scores; 0 where the score does not move."""
    if np.ptp(scores) < 1e-6:
        return 0.0
    return float(stats.spearmanr(np.arange(len(scores)), scores).statistic)


def _middle(findings: Sequence[Finding]) -> float | None:
    """The mid-severity effect that harmless changes are held against: the median over the faults."""
    effects = [f.effect for f in findings if f.effect is not None]
    return float(np.median(effects)) if effects else None


def _hold(
    change: Nuisance, source: str, before: Sequence[float | None], after: Sequence[float],
    windows: Sequence[Window], middle: float | None,
) -> Finding:
    """The gate of a harmless change on one kind of windows. A copy that is not scored counts as fallen to the least.

    The least of an endless range is infinite: the median over windows is so only where half of the copies are lost.
    """
    gaps = [abs(was - after[i]) for i in _of(source, windows) if (was := before[i]) is not None]
    if len(gaps) < LEAST or not middle or middle <= 0:
        return Finding(change.name, "must hold", source, len(gaps), words="not evaluable")
    effect = float(np.median(gaps))
    return Finding(
        change.name, "must hold", source, len(gaps), effect, None, None, effect / middle,
        effect / middle <= NUISANCE,
    )  # fmt: skip


def _most(
    name: str, windows: Sequence[Window], before: Sequence[float | None], after: Sequence[float | None]
) -> list[Moved]:
    """The window that a change moved most."""
    known = [
        Moved(name, w, b, a) for w, b, a in zip(windows, before, after, strict=True) if b is not None and a is not None
    ]
    return [max(known, key=lambda m: abs(m.before - m.after))] if known else []
