"""`sn-eval metrics audit`: does a metric get worse where a video does, and what does it make of a frozen one?"""

import inspect
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
SHORTER: dict[str, dict[str, Any]] = {"clip_to_clip_consistency": {"seconds": 0.25}}
"""Windows last about two seconds, one clip of VBench-Long's: there clips have the least frames, two to five."""


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
    from sn_eval.cli.metrics import measurements
    from sn_eval.evaluation.suite import members_of, read_suite

    if uses and suite:
        raise ResultsError("name metrics or a --suite, not both")
    if params and not uses:
        raise ResultsError("--param is of one metric: name it, such as: sn-eval metrics audit drift --param …")
    if uses:
        return [_made(use, params) for use in uses]
    if suite:
        spec = read_suite(suite)
        return [_made(member.use, dict(member.params), spec.mode) for member in members_of(spec)]
    every = measurements()
    for each in every:
        if each.made is None:
            bars.say(f"not tried: {each.why}")
    return [_made(each.use, dict(each.params)) for each in every if each.made is not None]


def _made(use: str, params: dict[str, Any], mode: str | None = None) -> "tuple[str, Reward]":
    """A metric as it is audited, and what it is called. mode: for those that know modes."""
    from sn_eval import metrics
    from sn_eval.metrics.base import key_of

    known = inspect.signature(metrics.resolve(use)).parameters
    extra = {key: value for key, value in SHORTER.get(use, {}).items() if key not in params}
    if mode is not None and "mode" in known:
        params = {"mode": mode, **params}
    made = metrics.create(use, **params, **extra)
    name = use if ":" in use else key_of(made.spec)
    return ", ".join([name, *(f"{key}={value}" for key, value in extra.items())]), made


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
