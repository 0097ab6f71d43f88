"""The sheet of the ROI: inputs at their bad, likely and good end, and what a video costs and saves then.

The method's attempts in the conservative and the optimistic case rest on a shifted acceptance, which no cell can
compute: they stand as numbers, and the sheet says so.
"""

from collections.abc import Mapping, Sequence

from sn_eval.decision.findings import Swing
from sn_eval.decision.population import expected_population
from sn_eval.decision.retries import spread
from sn_eval.decision.roi import UPLIFT
from sn_eval.present.report.teller import Teller
from sn_eval.present.report.workbook.acceptance import ACCEPTED, Pair, Prompts, smoothed_pair, write_acceptance
from sn_eval.present.report.workbook.assumptions import Given, Wording, write_assumptions
from sn_eval.present.report.workbook.book import HEADER, Book, Cell, Sheet
from sn_eval.present.report.workbook.cash import CASES, Case, write_cash

ROWS = (
    "videos_per_month", "minutes_per_video", "review", "rejection", "fallback", "one_off", "monthly", "discount",
    "utilisation", "compute_per_attempt",
)  # fmt: skip

ARMS = ("baseline", "method")


def write_roi(book: Book, t: Teller) -> None:
    """Assumptions, ROI, cash flow and acceptance, what managers change first; nothing where there is no ROI."""
    if t.findings.roi is None or t.findings.choice is None:
        return
    w = Wording(t, t.findings.roi)
    names = ("assumptions", "roi", "cash", "acceptance")
    assumptions, result, cash, acceptance = (book.sheet(t(f"office.sheet.{name}")) for name in names)
    arms = smoothed_pair(t.findings)
    given = write_assumptions(assumptions, w)
    attempts = write_acceptance(acceptance, w, arms, given["attempts_cap"].value)
    writer = _Cases(result, w, given, attempts, arms)
    cases = [writer.write(column, kind) for column, kind in enumerate(CASES, start=1)]
    writer.results(cases, write_cash(book, cash, w, cases, given))
    for sheet, header in ((assumptions, HEADER), (result, HEADER), (cash, HEADER + 1), (acceptance, ACCEPTED)):
        sheet.done(freeze=header + 1)


class _Cases:
    """The columns of the ROI sheet."""

    def __init__(
        self,
        sheet: Sheet,
        w: Wording,
        given: Mapping[str, Given],
        attempts: tuple[Pair, Pair],
        arms: tuple[Prompts, Prompts],
    ) -> None:
        self.sheet, self.w, self.given, self.attempts, self.arms = sheet, w, given, attempts, arms
        self.swings = {swing.key: swing for swing in w.roi.tornado}

    def write(self, column: int, kind: str) -> Case:
        """A column: inputs, then computing, attempts and costs of both arms, then the saving."""
        self.sheet.text(HEADER, column, self.w.t(f"scenario.{kind}"), "header")
        cells: dict[str, Cell] = {}

        def put(name: str, label: str, amount: tuple[str, float], form: str, look: str = "number") -> None:
            row = HEADER + 1 + len(cells)
            self.sheet.text(row, 0, label, "label" if look == "result" else "text")
            formula, value = amount
            if formula:
                cells[name] = self.sheet.formula(row, column, formula, value, form, look)
            else:
                cells[name] = self.sheet.number(row, column, value, form, "note")

        for key in (key for key in ROWS if key in self.given):
            end = self._end(key, kind)
            put(key, self.w.t.input(key), (end.ref, end.value), self.w.form(key))
        for side, name in enumerate(ARMS):
            put(f"compute/{name}", self._label("compute", side), self._compute(name, cells), self.w.money)
        for side, name in enumerate(ARMS):
            attempts, failed = self._tries(side, kind)
            put(f"attempts/{name}", self._label("attempts", side), attempts, "0.000")
            put(f"failed/{name}", self._label("failed", side), failed, "0.0%")
        for side, name in enumerate(ARMS):
            put(f"unit/{name}", self._label("unit_cost", side), _unit_cost(name, cells), self.w.money, "result")
        put("saving", self.w.t("office.row.saving"), _saving(cells), self.w.money, "result")
        return Case(kind, cells)

    def results(self, cases: Sequence[Case], last: Sequence[Pair]) -> None:
        """Net present value and payback, below everything that they follow from."""
        row = HEADER + 1 + len(cases[0].cells)
        never = self.w.t("office.never").replace('"', "'")
        for offset, key in enumerate(("npv", "payback")):
            self.sheet.text(row + offset, 0, self.w.t(f"office.row.{key}"), "label")
        for column, (worth, months) in enumerate(last, start=1):
            self.sheet.formula(row, column, worth.ref, worth.value, self.w.money, "result")
            self.sheet.formula(row + 1, column, months.ref, months.value, f'0;"{never}"', "result")
        for offset, key in enumerate(("scenarios", "shifted", "draws"), start=3):
            words = self.w.t(f"office.note.{key}", draws=f"{self.w.roi.draws:,}")
            self.sheet.text(row + offset, 0, words, "note")

    def _label(self, key: str, side: int) -> str:
        return f"{self.w.t(f'office.row.{key}')}: {self.w.arm(side)}"

    def _end(self, key: str, kind: str) -> Cell:
        """The cell of an input's bad, likely or good end; bad is what lowers the net present value alone."""
        swing, given = self.swings.get(key), self.given[key]
        if kind == "standard" or swing is None or given.low is None or given.high is None:
            return given.value
        return given.low if _takes_low(swing, kind) else given.high

    def _compute(self, name: str, cells: Mapping[str, Cell]) -> tuple[str, float]:
        """Money for computing one attempt: what was measured, at these minutes, price and utilisation."""
        amount = self.given[f"compute/{name}"].value
        if "compute_per_attempt" in cells:
            factor = cells["compute_per_attempt"]
            return f"{amount.ref}*{factor.ref}", amount.value * factor.value
        minutes, price = cells["minutes_per_video"], self.given["hour_price"].value
        used, priced = cells["utilisation"], self.given["utilisation/priced"].value
        formula = f"{amount.ref}*{minutes.ref}*{price.ref}*{priced.ref}/{used.ref}"
        return formula, amount.value * minutes.value * price.value * priced.value / used.value

    def _tries(self, side: int, kind: str) -> tuple[tuple[str, float], tuple[str, float]]:
        """(E[N], share without an accepted attempt): the acceptance sheet's, or numbers where acceptance is shifted."""
        if side == 0 or kind == "standard":
            attempts, failed = self.attempts[side]
            return (attempts.ref, attempts.value), (failed.ref, failed.value)
        first, second = (expected_population(arm) for _, arm in self.arms)
        swing = self.swings[UPLIFT]
        uplift = swing.low_input if _takes_low(swing, kind) else swing.high_input
        mean = float((first.weights * first.alpha / (first.alpha + first.beta)).sum()) + uplift
        shifted = spread(second).with_mean(min(max(mean, 1e-6), 1 - 1e-6)).retries(int(self.w.input("attempts_cap")))
        return ("", float(shifted.attempts[0])), ("", float(shifted.failed[0]))


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


def _saving(cells: Mapping[str, Cell]) -> tuple[str, float]:
    """Videos a month, times what each saves."""
    videos, before, after = (cells[key] for key in ("videos_per_month", "unit/baseline", "unit/method"))
    return f"{videos.ref}*({before.ref}-{after.ref})", videos.value * (before.value - after.value)
