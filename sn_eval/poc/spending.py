"""What a run has spent so far, in money, for the cap: seconds of workers at the price of an hour.

`spent.json` lies in the run's folder: device-seconds and seconds of workers over all calls, evaluators and failed
attempts included. Seconds are kept, not money, so that another price re-prices them.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from sn_eval.decision.attempts import compute_of
from sn_eval.decision.findings import Compute, HourPrice
from sn_eval.decision.prices import PriceList, hour_price, money, unit_problem
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError, write_whole
from sn_eval.results.plan import Plan
from sn_eval.results.record import Environment, Record

FILE_NAME = "spent.json"


def used(run: Path, records: dict[str, Record], plan: Plan) -> list[Compute]:
    """What the workers of all calls took; of a run without a count, what its finished cells took."""
    try:
        return [Compute(**each) for each in json.loads((run / FILE_NAME).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):  # not there, or damaged
        return [compute_of(records[cell]) for cell in {planned.cell for planned in plan.cells} & records.keys()]


@dataclass
class Spending:
    """Money of this and earlier calls. price: None where there is no cap and no usable price.

    folder: of the run; seconds: of workers by device, of all calls.
    """

    price: HourPrice | None
    folder: Path
    seconds: dict[str, Compute] = field(default_factory=dict)

    @classmethod
    def of(cls, experiment: Experiment, prices: PriceList, folder: Path, *, capped: bool) -> "Spending":
        """By the experiment's own prices. ResultsError, in one line, where a cap needs a price and there is none."""
        if experiment.prices is None:
            if capped:
                raise ResultsError(
                    "a cap in money needs a price: add prices to the experiment, or leave --max-money out"
                )
            return cls(None, folder)
        try:
            return cls(hour_price(experiment.prices, prices), folder)
        except ResultsError:
            if capped:
                raise
            return cls(None, folder)  # a price can still be given when the report is made

    @property
    def spent(self) -> float:
        """Money so far; 0 without a price."""
        if self.price is None:
            return 0.0
        return sum(money(self.price, each) or 0.0 for each in self.seconds.values())

    def earlier(self, records: dict[str, Record], plan: Plan) -> None:
        """Count what earlier calls took."""
        for each in used(self.folder, records, plan):
            self._add(each)

    def worked(self, seconds: float, where: Environment) -> None:
        """Count a worker's seconds on such a device, for good."""
        cpu = where.device.startswith("cpu")
        device_seconds = seconds * where.threads if cpu else seconds
        self._add(Compute("cpu" if cpu else "gpu", seconds=device_seconds, wall=seconds))
        kept = [{"device": c.device, "seconds": c.seconds, "wall": c.wall} for c in self.seconds.values()]
        write_whole(self.folder / FILE_NAME, json.dumps(kept) + "\n")

    def applies(self, where: Environment) -> None:
        """ResultsError where the price is not for such a device."""
        problem = self.price and unit_problem(self.price, "cpu" if where.device.startswith("cpu") else "gpu")
        if problem:
            raise ResultsError(f"a cap in money cannot be kept: {problem}")

    def _add(self, compute: Compute) -> None:
        before = self.seconds.get(compute.device, Compute(compute.device, 0.0, 0.0))
        self.seconds[compute.device] = Compute(
            compute.device,
            (before.seconds or 0.0) + (compute.seconds or 0.0),
            (before.wall or 0.0) + (compute.wall or 0.0),
        )

    def against(self, cap: float | None) -> str:
        """In words, e.g. "12.5 of 100 JPY"; nothing where no money is counted."""
        if self.price is None:
            return ""
        limit = "" if cap is None else f" of {cap:,g}"
        return f"{self.spent:,.4g}{limit} {self.price.currency}"
