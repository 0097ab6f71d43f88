"""Records as a table: one row a cell, flat names, ready for pandas, CSV and statistics."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sn_eval.results.record import Quantity, Record

if TYPE_CHECKING:
    import pandas as pd


def row(record: Record) -> dict[str, Any]:
    """One flat row: identity, then `score.<name>`, `cost.<name>`, `seconds.<phase>` and `param.<name>`."""
    return {
        "id": record.id, "prompt": record.prompt, "seed": record.seed,
        "model": record.model.use, "rollout": record.rollout.use, "method": record.method.use,
        "frames": record.frames, "fps": record.fps, "seconds_of_video": record.seconds_of_video,
        "frames_sha256": record.frames_sha256,
        **{f"score.{name}": value for name, value in record.scores.items()},
        **{f"cost.{name}": amount.value for name, amount in record.cost if isinstance(amount, Quantity)},
        "cost.seconds": record.cost.seconds.total,
        **{f"seconds.{phase}": value for phase, value in record.cost.seconds.by_phase.items()},
        **{f"param.{name}": value for name, value in (record.parameters | record.method.params).items()},
    }


def table(records: Iterable[Record]) -> "pd.DataFrame":
    """All rows as a DataFrame; a column that a record lacks is empty there."""
    import pandas as pd

    return pd.DataFrame([row(record) for record in records])
