"""The setting that was judged, as it can be written into an experiment file again."""

from typing import Any

import yaml

from dashboard.runs import OpenRun
from sn_eval.results.files import ResultsError
from sn_eval.results.record import Component, Record, load


def setting(run: OpenRun) -> dict[str, Any]:
    """Parts of the judged arm with the parameters that it ran with; {} where no arm is judged.

    Of videos made elsewhere nothing but the arm's name is known.
    """
    arm = run.findings.verdict.arm
    if not arm:
        return {}
    record = _record(run, arm)
    return {"arm": arm} if record is None else {"arm": arm, **parts(record)}


def parts(record: Record) -> dict[str, Any]:
    """Model, rollout, method and searched reward, and the budget where the method was sized to one."""
    solved = record.parameters.get("method")
    knobs = {**record.method.params, **(solved if isinstance(solved, dict) else {})}
    found: dict[str, Any] = {"model": told(record.model), "rollout": told(record.rollout)}
    found["methods"] = [{"use": record.method.use, **({"params": knobs} if knobs else {})}]
    found["reward"] = told(record.rewards[0]) if record.rewards else None
    budget = record.parameters.get("budget_nfe")
    if isinstance(budget, int | float):
        found["budget"] = {"unit": "nfe", "amounts": [budget]}
    return {name: value for name, value in found.items() if value is not None}


def told(part: Component) -> str | dict[str, Any]:
    """A component as an experiment file names it.

    >>> told(Component(use="chunk", params={"steps": 8})), told(Component(use="tabletop"))
    ({'use': 'chunk', 'params': {'steps': 8}}, 'tabletop')
    """
    return {"use": part.use, "params": dict(part.params)} if part.params else part.use


def as_yaml(found: dict[str, Any]) -> str:
    """Its text, in the order of the parts."""
    return yaml.safe_dump(found, allow_unicode=True, sort_keys=False, default_flow_style=None, width=100)


def _record(run: OpenRun, arm: str) -> Record | None:
    """Of the first cell of an arm that has one."""
    if run.findings.run.kind == "imported":
        return None
    for attempt in run.material.attempts:
        if attempt.arm == arm and not attempt.failed and attempt.cells:
            try:
                return load(run.run.store.folder(attempt.cells[0]))
            except ResultsError:
                continue
    return None
