"""What a run has spent so far, in money, for the cap: seconds of workers at the price of an hour."""

from dataclasses import dataclass

from sn_eval.decision.attempts import compute_of
from sn_eval.decision.findings import Compute, HourPrice
from sn_eval.decision.prices import PriceList, hour_price, money, unit_problem
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan
from sn_eval.results.record import Environment, Record


@dataclass
class Spending:
    """Money of this and earlier calls. price: None where there is no cap and no usable price: nothing is counted.

    Earlier calls count with the recorded cost of their finished cells; this one with all seconds of its workers, those
    of evaluators and of failed attempts included.
    """

    price: HourPrice | None
    spent: float = 0.0

    @classmethod
    def of(cls, experiment: Experiment, prices: PriceList, *, capped: bool) -> "Spending":
        """By the experiment's own prices. ResultsError, in one line, where a cap needs a price and there is none."""
        if experiment.prices is None:
            if capped:
                raise ResultsError(
                    "a cap in money needs a price: add prices to the experiment, or leave --max-money out"
                )
            return cls(None)
        try:
            return cls(hour_price(experiment.prices, prices))
        except ResultsError:
            if capped:
                raise
            return cls(None)  # a price can still be given when the report is made

    def earlier(self, records: dict[str, Record], plan: Plan) -> None:
        """Count the cells of a plan that are finished."""
        for cell in {planned.cell for planned in plan.cells} & records.keys():
            self._add(compute_of(records[cell]))

    def worked(self, seconds: float, where: Environment) -> None:
        """Count a worker's seconds on such a device."""
        cpu = where.device.startswith("cpu")
        device_seconds = seconds * where.threads if cpu else seconds
        self._add(Compute("cpu" if cpu else "gpu", seconds=device_seconds, wall=seconds))

    def applies(self, where: Environment) -> None:
        """ResultsError where the price is not for such a device."""
        problem = self.price and unit_problem(self.price, "cpu" if where.device.startswith("cpu") else "gpu")
        if problem:
            raise ResultsError(f"a cap in money cannot be kept: {problem}")

    def _add(self, compute: Compute) -> None:
        paid = None if self.price is None else money(self.price, compute)
        self.spent += paid or 0.0

    def against(self, cap: float | None) -> str:
        """In words, e.g. "12.5 of 100 JPY"; nothing where no money is counted."""
        if self.price is None:
            return ""
        limit = "" if cap is None else f" of {cap:,g}"
        return f"{self.spent:,.4g}{limit} {self.price.currency}"
