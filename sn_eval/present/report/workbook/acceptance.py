"""The sheet of acceptance: each prompt's beta distribution, and from it the attempts that a video takes.

Acceptance by prompt is the beta distribution of `decision.acceptance`: α = μ·s + accepted, β = (1−μ)·s + tried −
accepted, s = 1/ρ − 1, with two half prompts beside the real ones (`decision.population`). Over a beta distribution

    fail = E[(1−a)^K] = Γ(β+K) Γ(α+β) / (Γ(β) Γ(α+β+K))
    E[N] = E[(1 − (1−a)^K)/a] = (α+β−1 − fail · (α+β+K−1)) / (α−1)

(E[1/a] = (α+β−1)/(α−1), and (1−a)^K/a integrates to a beta function again), so each prompt takes a cell, not a column
for each attempt. ρ is estimated from all prompts at once, which no cell can do, and stands as a number.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import gammaln

from sn_eval.decision.acceptance import Smoothed, smooth, strength
from sn_eval.decision.arms import arms_of
from sn_eval.decision.findings import Findings
from sn_eval.present.report.workbook.assumptions import Wording
from sn_eval.present.report.workbook.book import HEADER, Cell, Sheet

NUDGE = 1e-5
"""The closed form divides by α − 1; an α so near to 1 is moved away by as much, which changes E[N] by as little."""
ACCEPTED = 12
"""Row of the header of the table of prompts."""

PARTS = ("accepted", "tried", "alpha", "beta", "smoothed", "attempts", "failed")
SUMMARY = ("prompts", "tried", "mean", "correlation", "strength", "attempts", "failed", "accepted")
MEANS = (("attempts", 1), ("failed", 2), ("smoothed", 0))
Pair = tuple[Cell, Cell]
Prompts = tuple[tuple[str, ...], Smoothed]


def write_acceptance(sheet: Sheet, w: Wording, arms: tuple[Prompts, Prompts], cap: Cell) -> tuple[Pair, Pair]:
    """By arm: (E[N], share without an accepted attempt)."""
    prompts = list(arms[0][0])
    titles = [w.t("office.column.prompt"), w.t("office.column.weight")]
    for side in (0, 1):
        titles += [f"{w.t(f'office.column.{name}')}: {w.arm(side)}" for name in PARTS]
    sheet.headers(titles, row=ACCEPTED)
    for row, words in enumerate((*prompts, w.t("office.half_always"), w.t("office.half_never"))):
        sheet.text(ACCEPTED + 1 + row, 0, words)
        weight = 1.0 if row < len(prompts) else 0.5
        sheet.number(ACCEPTED + 1 + row, 1, weight, "0.0")
    found = []
    for row, name in enumerate(SUMMARY):
        sheet.text(HEADER + 1 + row, 0, w.t(f"office.summary.{name}"), "label")
    for side in (0, 1):
        sheet.text(HEADER, 1 + side, w.arm(side), "header")
        found.append(_Side(sheet, side, arms[side][1], cap).write())
    sheet.text(ACCEPTED - 1, 0, w.t("office.note.acceptance"), "note")
    return found[0], found[1]


def smoothed_pair(findings: Findings) -> tuple[Prompts, Prompts]:
    """(prompts, acceptance by prompt) of the baseline and of the judged arm, on the prompts that both have."""
    assert findings.choice is not None
    names = (findings.baseline, findings.choice.arm)
    arms = arms_of(findings.attempts, findings.baseline, "confirm")
    looked_at = [set(findings.arm(name).smoothed) for name in names]
    counts = [arms[name].counts() for name in names]
    common = [prompt for prompt in counts[0][0] if prompt in looked_at[0] & looked_at[1]]
    pair = []
    for prompts, accepted, tried in counts:
        places = [prompts.index(prompt) for prompt in common]
        pair.append((tuple(common), smooth(accepted[places], tried[places])))
    return pair[0], pair[1]


class _Side:
    """One arm's columns of the acceptance sheet."""

    def __init__(self, sheet: Sheet, side: int, arm: Smoothed, cap: Cell) -> None:
        self.sheet, self.side, self.arm, self.cap = sheet, side, arm, cap
        self.count = len(arm.tried)
        self.first, self.left = ACCEPTED + 1, 2 + len(PARTS) * side

    def write(self) -> Pair:
        """(E[N], failures), means over prompts."""
        usual = float(self.arm.tried.mean())
        rows = [(float(a), float(n)) for a, n in zip(self.arm.accepted, self.arm.tried, strict=True)]
        for index, (accepted, tried) in enumerate(rows):
            self.sheet.number(self.first + index, self.left, accepted, "0.##", "input")
            self.sheet.number(self.first + index, self.left + 1, tried, "0.##", "input")
        summary = self._summary(usual)
        for index, share in enumerate((1.0, 0.0), start=self.count):
            tried_ref = summary["tried"].ref
            for column, formula, value in ((0, f"{share:g}*{tried_ref}", share * usual), (1, tried_ref, usual)):
                self.sheet.formula(self.first + index, self.left + column, formula, value, "0.##")
        rows += [(usual, usual), (0.0, usual)]
        columns = np.array([self._prompt(index, *row, summary) for index, row in enumerate(rows)])
        weights = np.array([1.0] * self.count + [0.5, 0.5])
        means = [
            self._mean(place, name, columns[:, part], weights) for place, (name, part) in enumerate(MEANS, start=5)
        ]
        return means[0], means[1]

    def _summary(self, usual: float) -> dict[str, Cell]:
        """How alike prompts are."""
        accepted, tried = (self._range(part, self.count) for part in (0, 1))
        lines = (
            ("prompts", f"COUNT({tried})", float(self.count), "0"),
            ("tried", f"AVERAGE({tried})", usual, "0.##"),
            ("mean", f"(SUMPRODUCT({accepted}/{tried})+0.5)/(COUNT({tried})+1)", self.arm.mean, "0.0%"),
        )  # fmt: skip
        column = 1 + self.side
        found = {
            name: self.sheet.formula(HEADER + 1 + row, column, formula, value, form)
            for row, (name, formula, value, form) in enumerate(lines)
        }
        found["correlation"] = self.sheet.number(HEADER + 4, column, self.arm.correlation, "0.000", "input")
        found["strength"] = self.sheet.formula(
            HEADER + 5, column, f"1/{found['correlation'].ref}-1", float(strength(self.arm.correlation)), "0.00"
        )
        return found

    def _prompt(self, index: int, accepted: float, tried: float, summary: Mapping[str, Cell]) -> tuple[float, ...]:
        """One prompt's (share, attempts, failures)."""
        row, cap = self.first + index, self.cap
        mean, worth = summary["mean"], summary["strength"]
        won, all_tried = (self._ref(row, part) for part in (0, 1))
        alpha = mean.value * worth.value + accepted
        near = f"ABS({mean.ref}*{worth.ref}+{won}-1)<{NUDGE:.5f}"
        formula = f"IF({near},1+{NUDGE:.5f},{mean.ref}*{worth.ref}+{won})"
        a = self._put(row, 2, formula, 1 + NUDGE if abs(alpha - 1) < NUDGE else alpha, "0.000")
        beta = (1 - mean.value) * worth.value + tried - accepted
        b = self._put(row, 3, f"(1-{mean.ref})*{worth.ref}+{all_tried}-{won}", beta, "0.000")
        share = self._put(row, 4, f"{a.ref}/({a.ref}+{b.ref})", a.value / (a.value + b.value), "0.0%")
        k, both = cap.value, f"{a.ref}+{b.ref}"
        logs = f"GAMMALN({b.ref}+{cap.ref})+GAMMALN({both})-GAMMALN({b.ref})-GAMMALN({both}+{cap.ref})"
        log = gammaln(b.value + k) + gammaln(a.value + b.value) - gammaln(b.value) - gammaln(a.value + b.value + k)
        failed = self._put(row, 6, f"EXP({logs})", float(np.exp(log)), "0.0%")
        total = a.value + b.value
        expected = (total - 1 - failed.value * (total + k - 1)) / (a.value - 1)
        formula = f"({both}-1-{failed.ref}*({both}+{cap.ref}-1))/({a.ref}-1)"
        attempts = self._put(row, 5, formula, expected, "0.000")
        return share.value, attempts.value, failed.value

    def _mean(self, place: int, name: str, values: Any, weights: Any) -> Cell:
        """A mean over prompts, the two halves with them."""
        weight = self.sheet.column(self.first, self.first + self.count + 1, 1)
        formula = f"SUMPRODUCT({weight},{self._range(PARTS.index(name), self.count + 2)})/SUM({weight})"
        form = "0.000" if name == "attempts" else "0.0%"
        value = float(weights @ values / weights.sum())
        return self.sheet.formula(HEADER + 1 + place, 1 + self.side, formula, value, form, "result")

    def _put(self, row: int, part: int, formula: str, value: float, form: str) -> Cell:
        return self.sheet.formula(row, self.left + part, formula, value, form)

    def _ref(self, row: int, part: int) -> str:
        return self.sheet.ref(row, self.left + part)

    def _range(self, part: int, count: int) -> str:
        return self.sheet.column(self.first, self.first + count - 1, self.left + part)
