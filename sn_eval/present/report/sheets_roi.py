"""The ROI as sheets that compute: change an input, and saving, net present value and payback follow.

Acceptance by prompt is the beta distribution of `decision.acceptance`: α = μ·s + accepted, β = (1−μ)·s + tried −
accepted, s = 1/ρ − 1, with two half prompts beside the real ones (`decision.population`). Over a beta distribution

    fail = E[(1−a)^K] = Γ(β+K) Γ(α+β) / (Γ(β) Γ(α+β+K))
    E[N] = E[(1 − (1−a)^K)/a] = (α+β−1 − fail · (α+β+K−1)) / (α−1)

(E[1/a] = (α+β−1)/(α−1), and (1−a)^K/a integrates to a beta function again), so each prompt takes a cell, not a column
for each attempt. What no cell can compute stands as a number, and the sheet says so: ρ, and the method's attempts where
its acceptance is shifted in the conservative and the optimistic case.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln

from sn_eval.decision.acceptance import Smoothed, smooth, strength
from sn_eval.decision.arms import arms_of
from sn_eval.decision.economics import cumulative, payback, volume
from sn_eval.decision.findings import Findings, Roi, Swing
from sn_eval.decision.population import expected_population
from sn_eval.decision.retries import Retries, spread
from sn_eval.decision.roi import UPLIFT
from sn_eval.present.report.sheets import HEADER, Book, Cell, Sheet
from sn_eval.present.report.teller import Teller

MONEY = ("review", "rejection", "fallback", "one_off", "monthly", "compute_per_attempt", "hour_price")
SHARES = ("discount", "tax", "utilisation")
UNITS = {
    "videos_per_month": "videos", "minutes_per_video": "minutes", "discount": "a_year", "utilisation": "share",
    "tax": "share", "attempts_cap": "attempts", "months": "months", "fiscal_year_starts": "month",
    "hour_price": "an_hour", "fallback": "a_video", "monthly": "a_month", "one_off": "once",
}  # fmt: skip
FIXED = ("months", "fiscal_year_starts")
"""Inputs that decide how sheets are laid out, and are no cells to change."""

NUDGE = 1e-5
"""The closed form divides by α − 1; an α so near to 1 is moved away by as much, which changes E[N] by as little."""

ROWS = (
    "videos_per_month", "minutes_per_video", "review", "rejection", "fallback", "one_off", "monthly", "discount",
    "utilisation", "compute_per_attempt",
)  # fmt: skip
CASES = ("conservative", "standard", "optimistic")
Pair = tuple[Cell, Cell]


@dataclass(frozen=True)
class Given:
    """Cells of one input."""

    value: Cell
    low: Cell | None
    high: Cell | None


@dataclass(frozen=True)
class Case:
    """One column of the ROI: cells by name, and money by month."""

    kind: str
    cells: Mapping[str, Cell]


def write_roi(book: Book, t: Teller) -> None:
    """Assumptions, acceptance, ROI and cash flow; nothing where there is no ROI."""
    roi = t.findings.roi
    if roi is None or t.findings.choice is None:
        return
    model = _Model(book, t, roi)
    model.write()


class _Model:
    """The sheets of one ROI, each made of cells of those before it."""

    def __init__(self, book: Book, t: Teller, roi: Roi) -> None:
        self.book, self.t, self.roi = book, t, roi
        self.money = _money_form(roi)
        self.arms = smoothed_pair(t.findings)
        self.swings = {swing.key: swing for swing in roi.tornado}

    def write(self) -> None:
        """All of them, what managers change first."""
        assumptions = self.book.sheet(self.t("office.sheet.assumptions"))
        result = self.book.sheet(self.t("office.sheet.roi"))
        cash = self.book.sheet(self.t("office.sheet.cash"))
        acceptance = self.book.sheet(self.t("office.sheet.acceptance"))
        given = self._assumptions(assumptions)
        attempts = self._acceptance(acceptance, given)
        cases = [self._case(result, column, kind, given, attempts) for column, kind in enumerate(CASES, start=1)]
        last = self._cash(cash, cases, given)
        self._results(result, cases, last)
        for sheet in (assumptions, result, cash, acceptance):
            sheet.done(freeze=ACCEPTED + 1 if sheet is acceptance else HEADER + 1 + (sheet is cash))

    # --- assumptions --------------------------------------------------------------------------------------

    def _assumptions(self, sheet: Sheet) -> dict[str, Given]:
        """Every input with its range, unit and source; yellow cells are there to be changed."""
        names = ("input", "value", "low_input", "high_input", "unit", "source", "as_of", "kind")
        sheet.headers([self.t(f"office.column.{name}") for name in names])
        given: dict[str, Given] = {}
        row = HEADER + 1
        for each in self.roi.inputs:
            sheet.text(row, 0, self.t.input(each.key))
            cells: list[Cell | None] = []
            for column, value in enumerate((each.value, each.low, each.high), start=1):
                look = "number" if each.key in FIXED else "input"
                cells.append(None if value is None else sheet.number(row, column, value, self._form(each.key), look))
            for column, words in ((4, self._unit(each.key)), (5, each.source), (6, each.as_of)):
                sheet.text(row, column, words)
            kind = "example.word" if each.illustrative else "word.given" if each.value is not None else "word.open"
            sheet.text(row, 7, self.t(kind), "mark" if each.illustrative else "text")
            if cells[0] is not None:
                given[each.key] = Given(cells[0], cells[1], cells[2])
            row += 1
        given |= self._measured(sheet, row, given)
        sheet.text(row + 4, 0, self.t("office.note.inputs"), "note")
        return given

    def _measured(self, sheet: Sheet, row: int, given: Mapping[str, Given]) -> dict[str, Given]:
        """What the run measured: computing by arm, in hours a minute of video, or as multiples of the user's figure."""
        hourly = "hour_price" in given
        worth = given["hour_price" if hourly else "compute_per_attempt"].value.value
        if hourly:
            worth *= given["minutes_per_video"].value.value
        found: dict[str, Given] = {}
        for side, name in enumerate(("baseline", "method")):
            label = self.t("office.measured.hours" if hourly else "office.measured.times", arm=self._arm(side))
            sheet.text(row + side, 0, label)
            amount = self.roi.compute_an_attempt[side] / worth if worth else 0.0
            found[f"compute/{name}"] = Given(sheet.number(row + side, 1, amount, "0.000000"), None, None)
            sheet.text(row + side, 4, self.t(f"office.unit.{'hours_a_minute' if hourly else 'times'}"))
            sheet.text(row + side, 5, self.t("office.measured.source", run=self.t.findings.run.name))
        if hourly and "utilisation" in given:
            sheet.text(row + 2, 0, self.t("office.measured.utilisation"))
            value = given["utilisation"].value.value
            found["utilisation/priced"] = Given(sheet.number(row + 2, 1, value, "0.0%"), None, None)
            sheet.text(row + 2, 5, self.t("office.measured.utilisation_source"))
        return found

    def _unit(self, key: str) -> str:
        """What a value counts."""
        unit = "share" if key.startswith("ramp") else UNITS.get(key, "an_attempt")
        words = self.t(f"office.unit.{unit}")
        return f"{self.roi.currency} {words}" if key in MONEY else words

    def _form(self, key: str) -> str:
        if key in MONEY:
            return self.money
        return "0.0%" if key in SHARES or key.startswith("ramp") else "#,##0.##" if key not in FIXED else "0"

    def _arm(self, side: int) -> str:
        findings = self.t.findings
        return findings.baseline if side == 0 or findings.choice is None else findings.choice.arm

    # --- acceptance ---------------------------------------------------------------------------------------

    def _acceptance(self, sheet: Sheet, given: Mapping[str, Given]) -> tuple[Pair, Pair]:
        """By arm: (E[N], share without an accepted attempt)."""
        prompts = list(self.arms[0][0])
        titles = [self.t("office.column.prompt"), self.t("office.column.weight")]
        for side in (0, 1):
            titles += [f"{self.t(f'office.column.{name}')}: {self._arm(side)}" for name in PARTS]
        sheet.headers(titles, row=ACCEPTED)
        for row, words in enumerate((*prompts, self.t("office.half_always"), self.t("office.half_never"))):
            sheet.text(ACCEPTED + 1 + row, 0, words)
            weight = 1.0 if row < len(prompts) else 0.5
            sheet.number(ACCEPTED + 1 + row, 1, weight, "0.0")
        found = []
        for row, name in enumerate(SUMMARY):
            sheet.text(HEADER + 1 + row, 0, self.t(f"office.summary.{name}"), "label")
        for side in (0, 1):
            sheet.text(HEADER, 1 + side, self._arm(side), "header")
            found.append(_Side(sheet, side, self.arms[side][1], given["attempts_cap"].value).write())
        sheet.text(ACCEPTED - 1, 0, self.t("office.note.acceptance"), "note")
        return found[0], found[1]

    # --- money --------------------------------------------------------------------------------------------

    def _case(
        self, sheet: Sheet, column: int, kind: str, given: Mapping[str, Given], attempts: tuple[Pair, Pair]
    ) -> Case:
        """A column: inputs at their bad, likely or good end, and what follows."""
        sheet.text(HEADER, column, self.t(f"scenario.{kind}"), "header")
        cells: dict[str, Cell] = {}
        row = HEADER + 1

        def put(name: str, label: str, formula: str, value: float, form: str, look: str = "number") -> None:
            nonlocal row
            sheet.text(row, 0, label, "label" if look == "result" else "text")
            cells[name] = sheet.formula(row, column, formula, value, form, look)
            row += 1

        for key in (key for key in ROWS if key in given):
            cell = self._end(key, kind, given[key])
            put(key, self.t.input(key), cell.ref, cell.value, self._form(key))
        for side, name in enumerate(("baseline", "method")):
            formula, value = self._compute(name, given, cells)
            put(f"compute/{name}", f"{self.t('office.row.compute')}: {self._arm(side)}", formula, value, self.money)
        for side, name in enumerate(("baseline", "method")):
            for part, shown in enumerate(("attempts", "failed")):
                label = f"{self.t(f'office.row.{shown}')}: {self._arm(side)}"
                form = "0.000" if part == 0 else "0.0%"
                fixed = self._shifted(kind)[part] if side == 1 and kind != "standard" else None
                if fixed is None:
                    put(f"{shown}/{name}", label, attempts[side][part].ref, attempts[side][part].value, form)
                else:
                    sheet.text(row, 0, label)
                    cells[f"{shown}/{name}"] = sheet.number(row, column, fixed, form, "note")
                    row += 1
        for side, name in enumerate(("baseline", "method")):
            label = f"{self.t('office.row.unit_cost')}: {self._arm(side)}"
            put(f"unit/{name}", label, *_unit_cost(name, cells), self.money, "result")
        saved = f"{cells['videos_per_month'].ref}*({cells['unit/baseline'].ref}-{cells['unit/method'].ref})"
        amount = cells["videos_per_month"].value * (cells["unit/baseline"].value - cells["unit/method"].value)
        put("saving", self.t("office.row.saving"), saved, amount, self.money, "result")
        return Case(kind, cells)

    def _end(self, key: str, kind: str, given: Given) -> Cell:
        """The cell of an input's bad, likely or good end; bad is what lowers the net present value alone."""
        swing = self.swings.get(key)
        if kind == "standard" or swing is None or given.low is None or given.high is None:
            return given.value
        return given.low if _takes_low(swing, kind) else given.high

    def _shifted(self, kind: str) -> tuple[float, float]:
        """E[N] and failures of the method where its uplift is at the end of its range."""
        first, second = (expected_population(arm) for _, arm in self.arms)
        swing, cap = self.swings[UPLIFT], int(self._input("attempts_cap"))
        uplift = swing.low_input if _takes_low(swing, kind) else swing.high_input
        present = float((first.weights * first.alpha / (first.alpha + first.beta)).sum())
        found: Retries = spread(second).with_mean(min(max(present + uplift, 1e-6), 1 - 1e-6)).retries(cap)
        return float(found.attempts[0]), float(found.failed[0])

    def _compute(self, name: str, given: Mapping[str, Given], cells: Mapping[str, Cell]) -> tuple[str, float]:
        """Money for one attempt's computing."""
        amount = given[f"compute/{name}"].value
        if "compute_per_attempt" in cells:
            factor = cells["compute_per_attempt"]
            return f"{amount.ref}*{factor.ref}", amount.value * factor.value
        minutes, price = cells["minutes_per_video"], given["hour_price"].value
        used, priced = cells["utilisation"], given["utilisation/priced"].value
        formula = f"{amount.ref}*{minutes.ref}*{price.ref}*{priced.ref}/{used.ref}"
        return formula, amount.value * minutes.value * price.value * priced.value / used.value

    def _input(self, key: str) -> float:
        return next(each.value or 0.0 for each in self.roi.inputs if each.key == key)

    # --- months -------------------------------------------------------------------------------------------

    def _cash(self, sheet: Sheet, cases: list[Case], given: Mapping[str, Given]) -> list[Pair]:
        """Money by month; by case (net present value, months until it is paid back; −1 for never)."""
        ramp = [given[key] for key in given if key.startswith("ramp[")]
        months = int(self._input("months"))
        share = volume([each.value.value for each in ramp], months)
        sheet.headers([self.t("office.column.month"), self.t("office.column.volume")])
        first = HEADER + 3
        sheet.number(HEADER + 2, 0, 0, "0")
        for month in range(1, months + 1):
            sheet.number(HEADER + 2 + month, 0, month, "0")
            cell = ramp[min(month, len(ramp)) - 1].value
            sheet.formula(HEADER + 2 + month, 1, cell.ref, cell.value, "0.0%")
        found = []
        for index, case in enumerate(cases):
            found.append(_Months(self, sheet, case, 2 + 4 * index, share).write())
        self._cash_chart(sheet, first - 1, first + months - 1)
        return found

    def _cash_chart(self, sheet: Sheet, first: int, last: int) -> None:
        chart = self.book.book.add_chart({"type": "line"})
        for index, (kind, dash, colour) in enumerate(zip(CASES, ("dash", "solid", "round_dot"), COLOURS, strict=True)):
            chart.add_series({
                "name": self.t(f"scenario.{kind}"), "categories": f"={sheet.column(first, last, 0)}",
                "values": f"={sheet.column(first, last, 2 + 4 * index + 2)}",
                "line": {"color": colour, "width": 2.25, "dash_type": dash},
            })  # fmt: skip
        chart.set_title({"name": self.t("office.chart.cash"), "name_font": {"size": 12}})
        chart.set_x_axis({"name": self.t("office.column.month"), "interval_unit": 6, "label_position": "low"})
        chart.set_y_axis({"name": self.roi.currency, "num_format": "#,##0", "major_gridlines": {"visible": True}})
        chart.set_size({"width": 760, "height": 380})
        sheet.drawn.insert_chart(2, 15, chart, {"description": self.t("office.chart.cash")})

    def _results(self, sheet: Sheet, cases: list[Case], last: list[Pair]) -> None:
        """Net present value and payback, below everything that they follow from."""
        row = HEADER + 1 + len(cases[0].cells)
        for column, (worth, months) in enumerate(last, start=1):
            sheet.text(row, 0, self.t("office.row.npv"), "label")
            sheet.formula(row, column, worth.ref, worth.value, self.money, "result")
            sheet.text(row + 1, 0, self.t("office.row.payback"), "label")
            never = self.t("office.never").replace('"', "'")
            sheet.formula(row + 1, column, months.ref, months.value, f'0;"{never}"', "result")
        for offset, key in enumerate(("scenarios", "shifted", "draws"), start=3):
            sheet.text(row + offset, 0, self.t(f"office.note.{key}", draws=f"{self.roi.draws:,}"), "note")


ACCEPTED = 12
"""Row of the header of the table of prompts."""

PARTS = ("accepted", "tried", "alpha", "beta", "smoothed", "attempts", "failed")
SUMMARY = ("prompts", "tried", "mean", "correlation", "strength", "attempts", "failed", "accepted")
COLOURS = ("#D55E00", "#0072B2", "#009E73")


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
        return self.sheet.column(row, row, self.left + part).partition(":")[0]

    def _range(self, part: int, count: int) -> str:
        return self.sheet.column(self.first, self.first + count - 1, self.left + part)


MEANS = (("attempts", 1), ("failed", 2), ("smoothed", 0))


class _Months:
    """One case's columns of the cash sheet: flow, discounted, so far, and whether it stays paid back."""

    def __init__(self, model: _Model, sheet: Sheet, case: Case, left: int, share: Any) -> None:
        self.model, self.sheet, self.case, self.left, self.share = model, sheet, case, left, share

    def write(self) -> Pair:
        """(net present value, months until paid back, −1 for never)."""
        c, money, last = self.case.cells, self.model.money, HEADER + 2 + len(self.share)
        so_far = cumulative(
            c["saving"].value, c["one_off"].value, c["monthly"].value, c["discount"].value, self.share
        )  # fmt: skip
        self.sheet.text(HEADER, self.left, self.model.t(f"scenario.{self.case.kind}"), "header")
        for offset, name in enumerate(("flow", "discounted", "cumulative", "stays")):
            self.sheet.text(HEADER + 1, self.left + offset, self.model.t(f"office.column.{name}"), "header")
        self.sheet.formula(HEADER + 2, self.left + 2, f"-{c['one_off'].ref}", float(so_far[0, 0]), money)
        for month, share in enumerate(self.share, start=1):
            row = HEADER + 2 + month
            month_ref, share_ref = (self._at(row, column) for column in (0, 1))
            value = float(share) * c["saving"].value - c["monthly"].value
            flow = self.sheet.formula(
                row, self.left, f"{share_ref}*{c['saving'].ref}-{c['monthly'].ref}", value, money
            )  # fmt: skip
            worth = self.sheet.formula(
                row, self.left + 1, f"{flow.ref}/(1+{c['discount'].ref})^({month_ref}/12)",
                value / (1 + c["discount"].value) ** (month / 12), money,
            )  # fmt: skip
            self.sheet.formula(
                row, self.left + 2, f"{self._at(row - 1, self.left + 2)}+{worth.ref}", float(so_far[0, month]), money
            )
        stays = True
        for month in range(len(self.share), -1, -1):
            row = HEADER + 2 + month
            stays = stays and bool(so_far[0, month] >= 0)
            after = f",{self._at(row + 1, self.left + 3)}=1" if row < last else ""
            self.sheet.formula(
                row, self.left + 3, f"IF(AND({self._at(row, self.left + 2)}>=0{after}),1,0)", float(stays), "0"
            )
        return self._ends(last, so_far)

    def _ends(self, last: int, so_far: Any) -> Pair:
        """Below the months."""
        money, months = self.model.money, float(payback(so_far)[0])
        worth = self.sheet.formula(
            last + 2, self.left + 2, self._at(last, self.left + 2), float(so_far[0, -1]), money, "result"
        )
        total = f"SUM({self.sheet.column(HEADER + 2, last, self.left + 3)})"
        formula = f"IF({total}=0,-1,{len(self.share) + 1}-{total})"
        back = self.sheet.formula(
            last + 3, self.left + 2, formula, months if np.isfinite(months) else -1.0, "0;–", "result"
        )  # fmt: skip
        for row, key in ((last + 2, "npv"), (last + 3, "payback")):
            self.sheet.text(row, 0, self.model.t(f"office.row.{key}"), "label")
        return worth, back

    def _at(self, row: int, column: int) -> str:
        return self.sheet.column(row, row, column).partition(":")[0]


def smoothed_pair(findings: Findings) -> tuple[tuple[tuple[str, ...], Smoothed], tuple[tuple[str, ...], Smoothed]]:
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


def _takes_low(swing: Swing, kind: str) -> bool:
    """Whether the low end of an input belongs to this case."""
    rising = swing.at_low <= swing.at_high
    return rising == (kind == "conservative")


def _unit_cost(name: str, cells: Mapping[str, Cell]) -> tuple[str, float]:
    """E[N]·(g + ρ) + (E[N] − 1 + fail)·h + fail·M."""
    n, fail, g = (cells[f"{part}/{name}"] for part in ("attempts", "failed", "compute"))
    review, rejection, fallback = (cells[key] for key in ("review", "rejection", "fallback"))
    formula = (
        f"{n.ref}*({g.ref}+{review.ref})+({n.ref}-1+{fail.ref})*{rejection.ref}+{fail.ref}*{fallback.ref}"
    )  # fmt: skip
    value = n.value * (g.value + review.value) + (n.value - 1 + fail.value) * rejection.value
    return formula, value + fail.value * fallback.value


def _money_form(roi: Roi) -> str:
    """Money as it is written in cells: with decimals where amounts are small."""
    from sn_eval.present.money import symbol

    small = min(_positive((*roi.unit_cost, *roi.compute_an_attempt)), default=1.0)
    decimals = ".00" if small < 100 else ""
    return f'"{symbol(roi.currency)}"#,##0{decimals};-"{symbol(roi.currency)}"#,##0{decimals}'


def _positive(values: Iterable[float]) -> list[float]:
    return [value for value in values if value > 0]
