"""`sn-eval metrics audit`: does a metric get worse where a video does, and what does it make of a frozen one?"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.auditing import PICTURES, Falls, Gates, Holds, Real, Rendered, Report, Uses
from sn_eval.cli.components import parse_params, writable_folder
from sn_eval.cli.console import AsJson, Bars, Quiet, progress
from sn_eval.results.files import ResultsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards.base import Reward
    from sn_eval.audit.trial import Trial
    from sn_eval.audit.windows import Window

Option = typer.Option


def audit(
    uses: Uses = None,
    suite: Annotated[str | None, Option(help="Audit the measurements of this suite, in its mode.")] = None,
    param: Annotated[list[str] | None, Option(help="A parameter of the metric, key=value; may be repeated.")] = None,
    falls: Falls = None,
    holds: Holds = None,
    windows: Rendered = 32,
    real: Real = None,
    full: Annotated[bool, Option("--full", help="All tricks, and what a score leans on; slower.")] = False,
    out: Annotated[Path, Option(help="Folder for the pages.")] = Path("runs/metrics-audit"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put metrics to the test: known faults, harmless changes, and a frozen video.

    The machinery and the severities of `sn-eval rewards audit`: faults on rendered scenes and on windows of real clips
    (`pip install "sn-eval[audit]"` brings those). Without names, every metric that needs no parameters and every
    variant that a suite measures by. Writes a page for each with the clips that moved it most. Exit code 1 where a gate
    is missed.

    Example: sn-eval metrics audit subject_consistency warping_error

    Example: sn-eval metrics audit drift --param quantity=light
    """
    from rewards.remembering import remembering

    report = Report("metric", writable_folder(out), as_json)
    with progress(quiet=quiet) as bars, remembering(PICTURES):
        chosen = _chosen(uses or [], suite, parse_params(param or []), bars)
        gates = Gates(bars, falls, holds, windows, real)
        gates.say_missing()
        for name, metric in chosen:
            trial, tried = gates.put(name, metric)
            report.add(_further(trial, metric, tried, full, bars))
    report.close()


def _chosen(
    uses: "Sequence[str]", suite: str | None, params: dict[str, Any], bars: Bars
) -> "list[tuple[str, Reward]]":
    """The metrics that are meant, each with what it is called in tables."""
    from sn_eval import metrics
    from sn_eval.cli.metrics import measurements
    from sn_eval.evaluation.by_piece import ByPiece
    from sn_eval.evaluation.suite import load_suite
    from sn_eval.metrics.base import key_of

    if uses and suite:
        raise ResultsError("name metrics or a --suite, not both")
    if params and not uses:
        raise ResultsError("--param is of one metric: name it, such as: sn-eval metrics audit drift --param …")
    found: list[Reward]
    if uses:
        found = [metrics.create(use, **params) for use in uses]
        return [(use if ":" in use else key_of(made.spec), made) for use, made in zip(uses, found, strict=True)]
    if suite:
        judges: list[Any] = [judge.metric for judge in load_suite(suite).judges]
        found = [judge.reward if isinstance(judge, ByPiece) else judge for judge in judges]
        return [(key_of(made.spec), made) for made in found]
    every = measurements()
    for each in every:
        if each.made is None:
            bars.say(f"not tried: {each.why}")
    return [(key_of(each.made.spec), each.made) for each in every if each.made is not None]


def _further(
    found: "Trial", metric: "Reward", windows: "Sequence[Window]", full: bool, bars: Bars
) -> "Trial":
    """The trial with what the metric makes of a frozen video; `full`: of every trick, and what it leans on."""
    from sn_eval.audit import trial

    samples = trial.samples_of(windows)
    if not full:
        return replace(found, adversaries=trial.frozen(metric, samples))
    leaning = trial.bias(metric, samples, bars.add(f"{found.name}: bias"))
    return replace(found, adversaries=trial.adversaries(metric, samples), bias=leaning)
