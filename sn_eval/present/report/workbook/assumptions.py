"""The sheet of assumptions: every input with its range, unit and source, and what the run measured.

Yellow cells are there to be changed; all other sheets refer to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sn_eval.decision.findings import Roi
from sn_eval.decision.inputs import SHARES
from sn_eval.present.money import symbol
from sn_eval.present.report.teller import Teller
from sn_eval.present.report.workbook.book import HEADER, Cell, Sheet

MONEY = ("review", "rejection", "fallback", "one_off", "monthly", "compute_per_attempt", "hour_price")
UNITS = {
    "videos_per_month": "videos", "minutes_per_video": "minutes", "discount": "a_year", "utilisation": "share",
    "tax": "share", "attempts_cap": "attempts", "months": "months", "fiscal_year_starts": "month",
    "hour_price": "an_hour", "fallback": "a_video", "monthly": "a_month", "one_off": "once",
}  # fmt: skip
FIXED = ("months", "fiscal_year_starts")
"""Inputs that decide how sheets are laid out, and are no cells to change."""


@dataclass(frozen=True)
class Given:
    """Cells of one input."""

    value: Cell
    low: Cell | None = None
    high: Cell | None = None


@dataclass(frozen=True)
class Wording:
    """How this ROI's inputs are named and written."""

    t: Teller
    roi: Roi

    @property
    def money(self) -> str:
        """Money as it is written in cells: with decimals where amounts are small."""
        sign = symbol(self.roi.currency)
        small = min((each for each in (*self.roi.unit_cost, *self.roi.compute_an_attempt) if each > 0), default=1.0)
        decimals = ".00" if small < 100 else ""
        return f'"{sign}"#,##0{decimals};-"{sign}"#,##0{decimals}'

    def form(self, key: str) -> str:
        """Number format of an input."""
        if key in MONEY:
            return self.money
        return "0.0%" if key in SHARES or key.startswith("ramp") else "#,##0.##" if key not in FIXED else "0"

    def unit(self, key: str) -> str:
        """What an input counts."""
        unit = "share" if key.startswith("ramp") else UNITS.get(key, "an_attempt")
        words = self.t(f"office.unit.{unit}")
        return f"{self.roi.currency} {words}" if key in MONEY else words

    def arm(self, side: int) -> str:
        """Name of the baseline (0) or of the judged arm (1)."""
        findings = self.t.findings
        return findings.baseline if side == 0 or findings.choice is None else findings.choice.arm

    def input(self, key: str) -> float:
        """An input's likely value."""
        return next(each.value or 0.0 for each in self.roi.inputs if each.key == key)


def write_assumptions(sheet: Sheet, w: Wording) -> dict[str, Given]:
    """Every input with its range, unit and source; yellow cells are there to be changed."""
    names = ("input", "value", "low_input", "high_input", "unit", "source", "as_of", "kind")
    sheet.headers([w.t(f"office.column.{name}") for name in names])
    given: dict[str, Given] = {}
    row = HEADER + 1
    for each in w.roi.inputs:
        sheet.text(row, 0, w.t.input(each.key))
        cells: list[Cell | None] = []
        for column, value in enumerate((each.value, each.low, each.high), start=1):
            look = "number" if each.key in FIXED else "input"
            cells.append(None if value is None else sheet.number(row, column, value, w.form(each.key), look))
        for column, words in ((4, w.unit(each.key)), (5, each.source), (6, each.as_of)):
            sheet.text(row, column, words)
        kind = "example.word" if each.illustrative else "word.given" if each.value is not None else "word.open"
        sheet.text(row, 7, w.t(kind), "mark" if each.illustrative else "text")
        if cells[0] is not None:
            given[each.key] = Given(cells[0], cells[1], cells[2])
        row += 1
    given |= _measured(sheet, w, row, given)
    sheet.text(row + 4, 0, w.t("office.note.inputs"), "note")
    return given


def _measured(sheet: Sheet, w: Wording, row: int, given: Mapping[str, Given]) -> dict[str, Given]:
    """What the run measured: computing by arm, in hours a minute of video, or as multiples of the user's figure."""
    hourly = "hour_price" in given
    worth = given["hour_price" if hourly else "compute_per_attempt"].value.value
    if hourly:
        worth *= given["minutes_per_video"].value.value
    found: dict[str, Given] = {}
    for side, name in enumerate(("baseline", "method")):
        label = w.t("office.measured.hours" if hourly else "office.measured.times", arm=w.arm(side))
        sheet.text(row + side, 0, label)
        amount = w.roi.compute_an_attempt[side] / worth if worth else 0.0
        found[f"compute/{name}"] = Given(sheet.number(row + side, 1, amount, "0.000000"), None, None)
        sheet.text(row + side, 4, w.t(f"office.unit.{'hours_a_minute' if hourly else 'times'}"))
        sheet.text(row + side, 5, w.t("office.measured.source", run=w.t.findings.run.name))
    if hourly and "utilisation" in given:
        sheet.text(row + 2, 0, w.t("office.measured.utilisation"))
        value = given["utilisation"].value.value
        found["utilisation/priced"] = Given(sheet.number(row + 2, 1, value, "0.0%"), None, None)
        sheet.text(row + 2, 5, w.t("office.measured.utilisation_source"))
    return found
