"""What `sn-eval rewards audit --json` found: gates that a reward met or missed, read from its JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sn_eval.results.files import ResultsError
from sn_eval.results.paths import data_path

BUILT_IN = "audits/rewards.json"
LARGEST = 8 * 2**20  # bytes of an audit
MOST = 5000  # gates
KINDS: Mapping[str, Literal["fall", "hold", "none"]] = {"must fall": "fall", "must hold": "hold", "no claim": "none"}


@dataclass(frozen=True)
class Gate:
    """One change, on rendered ("tabletop") or real windows. must: what the reward claims of it; "none": nothing.

    n: windows that were scored. monotone: median Spearman of severity and score, −1 falls strictly. wins: share of the
    windows whose clean copy scores higher. ratio: movement under a harmless change as a share of a fault's. met: None
    where nothing was claimed or nothing can be evaluated. Any of them is None where it is not known.
    """

    reward: str
    change: str
    must: Literal["fall", "hold", "none"]
    source: str
    n: int | None
    monotone: float | None
    wins: float | None
    ratio: float | None
    met: bool | None


def built_in_audit() -> tuple[Gate, ...]:
    """The built-in rewards', as the README shows it. ResultsError where the file is missing or damaged."""
    path = data_path(BUILT_IN)
    try:
        return read_audit(path.read_bytes())
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}. Install sn-eval again") from error


def read_audit(text: bytes) -> tuple[Gate, ...]:
    """The gates of an audit, in its order. ResultsError, in one line, for anything else."""
    if len(text) > LARGEST:
        raise ResultsError(f"the audit has {len(text):,} bytes, at most {LARGEST:,} are read: audit fewer rewards")
    try:
        found = json.loads(text)
        gates = tuple(_gate(_name(trial), row) for trial in found for row in _gates(trial))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResultsError("this is no audit: give what sn-eval rewards audit NAME --json prints") from error
    if not 1 <= len(gates) <= MOST:
        raise ResultsError(f"this audit holds {len(gates)} gates: give one with 1 to {MOST}")
    return gates


def _name(trial: Mapping[str, Any]) -> str:
    return str(trial["reward"] if "reward" in trial else trial["metric"])


def _gates(trial: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    rows = trial["gates"]
    if not isinstance(rows, list):
        raise TypeError("gates must be a list")
    return rows


def _gate(reward: str, row: Mapping[str, Any]) -> Gate:
    met, n = row["passed"], _number(row.get("n"))
    if met is not None and not isinstance(met, bool):
        raise TypeError("passed must be true, false or null")
    return Gate(
        reward, str(row["change"]), KINDS[row["kind"]], str(row["source"]), None if n is None else int(n),
        _number(row.get("monotone")), _number(row.get("wins")), _number(row.get("ratio")), met,
    )  # fmt: skip


def _number(value: Any) -> float | None:
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if right else None
