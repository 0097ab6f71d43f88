"""evidence.json: every headline number with its formula and its cells, and the hashes of all that it was made from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sn_eval.decision.findings import Findings
from sn_eval.decision.numbers import formula
from sn_eval.results import plan as plans
from sn_eval.results.files import ResultsError, write_whole
from sn_eval.results.record import FILE_NAME as RECORD
from sn_eval.results.record import versions
from sn_eval.results.run_folder import PRICES, SPEC
from sn_eval.results.store import RunStore
from sn_eval.results.trace import plain

FILE_NAME = "evidence.json"
SCHEMA = 1
FILES = (SPEC, PRICES, plans.FILE_NAME)


def write_evidence(findings: Findings, path: Path, *, used: Mapping[str, Path] | None = None) -> Path:
    """Write the file, whole or not at all. used: what the run was judged by in place of its own spec or prices."""
    told = json.dumps(plain(evidence(findings, used or {})), ensure_ascii=False, indent=1, allow_nan=False)
    write_whole(path, told + "\n")
    return path


def evidence(findings: Findings, used: Mapping[str, Path]) -> dict[str, Any]:
    """All of it as plain data: numbers by key, sets of cells, sha256 of every file."""
    run = Path(findings.run.folder)
    ids = dict.fromkeys(cell for cells in findings.cells.values() for cell in cells)
    store = RunStore(run)
    numbers = {
        key: {"value": value, "formula": formula(key), "sets": list(sets)}
        for key, (value, sets) in findings.numbers.items()
    }
    return {
        "schema": SCHEMA,
        "run": asdict(findings.run),
        "verdict": asdict(findings.verdict),
        "watermark": list(findings.watermark),
        "numbers": numbers,
        "sets": {name: list(cells) for name, cells in findings.cells.items()},
        "sha256": {
            "files": {name: sha for name in FILES if (sha := _sha256(run / name)) is not None},
            "judged_by": {name: _sha256(path) for name, path in used.items()},
            "records": {cell: sha for cell in ids if (sha := _sha256(store.folder(cell) / RECORD)) is not None},
        },
        "versions": {"run": dict(findings.run.versions), "report": dict(versions())},
    }


def _sha256(path: Path) -> str | None:
    """Of a file's bytes; None where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(
            f"cannot read {path}: {error.strerror}. Make it readable, then write the report again"
        ) from error
