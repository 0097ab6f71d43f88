"""The sheet of cash flow: money by month in three cases, discounted and added up, and when it is paid back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sn_eval.decision.economics import cumulative, payback, volume
from sn_eval.present.report.workbook.assumptions import Given, Wording
from sn_eval.present.report.workbook.book import HEADER, Book, Cell, Sheet

CASES = ("conservative", "standard", "optimistic")
COLOURS = ("#D55E00", "#0072B2", "#009E73")
Pair = tuple[Cell, Cell]


@dataclass(frozen=True)
class Case:
    """One column of the ROI: its cells by name."""

    kind: str
    cells: Mapping[str, Cell]


def write_cash(book: Book, sheet: Sheet, w: Wording, cases: Sequence[Case], given: Mapping[str, Given]) -> list[Pair]:
    """Money by month; by case (net present value, months until it is paid back; −1 for never)."""
    ramp = [given[key] for key in given if key.startswith("ramp[")]
    months = int(w.input("months"))
    share = volume([each.value.value for each in ramp], months)
    sheet.headers([w.t("office.column.month"), w.t("office.column.volume")])
    first = HEADER + 3
    sheet.number(HEADER + 2, 0, 0, "0")
    for month in range(1, months + 1):
        sheet.number(HEADER + 2 + month, 0, month, "0")
        cell = ramp[min(month, len(ramp)) - 1].value
        sheet.formula(HEADER + 2 + month, 1, cell.ref, cell.value, "0.0%")
    found = []
    for index, case in enumerate(cases):
        found.append(_Months(w, sheet, case, 2 + 4 * index, share).write())
    _chart(book, sheet, w, first - 1, first + months - 1)
    return found


def _chart(book: Book, sheet: Sheet, w: Wording, first: int, last: int) -> None:
    chart = book.book.add_chart({"type": "line"})
    for index, (kind, dash, colour) in enumerate(zip(CASES, ("dash", "solid", "round_dot"), COLOURS, strict=True)):
        chart.add_series({
            "name": w.t(f"scenario.{kind}"), "categories": f"={sheet.column(first, last, 0)}",
            "values": f"={sheet.column(first, last, 2 + 4 * index + 2)}",
            "line": {"color": colour, "width": 2.25, "dash_type": dash},
        })  # fmt: skip
    chart.set_title({"name": w.t("office.chart.cash"), "name_font": {"size": 12}})
    chart.set_x_axis({"name": w.t("office.column.month"), "interval_unit": 6, "label_position": "low"})
    chart.set_y_axis({"name": w.roi.currency, "num_format": "#,##0", "major_gridlines": {"visible": True}})
    chart.set_size({"width": 760, "height": 380})
    sheet.drawn.insert_chart(2, 15, chart, {"description": w.t("office.chart.cash")})


class _Months:
    """One case's columns of the cash sheet: flow, discounted, so far, and whether it stays paid back."""

    def __init__(self, w: Wording, sheet: Sheet, case: Case, left: int, share: Any) -> None:
        self.w, self.sheet, self.case, self.left, self.share = w, sheet, case, left, share

    def write(self) -> Pair:
        """(net present value, months until paid back, −1 for never)."""
        c, money, last = self.case.cells, self.w.money, HEADER + 2 + len(self.share)
        so_far = cumulative(
            c["saving"].value, c["one_off"].value, c["monthly"].value, c["discount"].value, self.share
        )  # fmt: skip
        self.sheet.text(HEADER, self.left, self.w.t(f"scenario.{self.case.kind}"), "header")
        for offset, name in enumerate(("flow", "discounted", "cumulative", "stays")):
            self.sheet.text(HEADER + 1, self.left + offset, self.w.t(f"office.column.{name}"), "header")
        self.sheet.formula(HEADER + 2, self.left + 2, f"-{c['one_off'].ref}", float(so_far[0, 0]), money)
        for month, share in enumerate(self.share, start=1):
            row = HEADER + 2 + month
            month_ref, share_ref = (self.sheet.ref(row, column) for column in (0, 1))
            value = float(share) * c["saving"].value - c["monthly"].value
            flow = self.sheet.formula(
                row, self.left, f"{share_ref}*{c['saving'].ref}-{c['monthly'].ref}", value, money
            )  # fmt: skip
            worth = self.sheet.formula(
                row, self.left + 1, f"{flow.ref}/(1+{c['discount'].ref})^({month_ref}/12)",
                value / (1 + c["discount"].value) ** (month / 12), money,
            )  # fmt: skip
            before = self.sheet.ref(row - 1, self.left + 2)
            self.sheet.formula(row, self.left + 2, f"{before}+{worth.ref}", float(so_far[0, month]), money)
        stays = True
        for month in range(len(self.share), -1, -1):
            row = HEADER + 2 + month
            stays = stays and bool(so_far[0, month] >= 0)
            after = f",{self.sheet.ref(row + 1, self.left + 3)}=1" if row < last else ""
            self.sheet.formula(
                row, self.left + 3, f"IF(AND({self.sheet.ref(row, self.left + 2)}>=0{after}),1,0)", float(stays), "0"
            )
        return self._ends(last, so_far)

    def _ends(self, last: int, so_far: Any) -> Pair:
        """Below the months."""
        money, months = self.w.money, float(payback(so_far)[0])
        worth = self.sheet.formula(
            last + 2, self.left + 2, self.sheet.ref(last, self.left + 2), float(so_far[0, -1]), money, "result"
        )
        total = f"SUM({self.sheet.column(HEADER + 2, last, self.left + 3)})"
        formula = f"IF({total}=0,-1,{len(self.share) + 1}-{total})"
        back = self.sheet.formula(
            last + 3, self.left + 2, formula, months if np.isfinite(months) else -1.0, "0;–", "result"
        )  # fmt: skip
        for row, key in ((last + 2, "npv"), (last + 3, "payback")):
            self.sheet.text(row, 0, self.w.t(f"office.row.{key}"), "label")
        return worth, back
