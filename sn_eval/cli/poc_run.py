"""`sn-eval poc run` and `sn-eval poc status`: make an experiment's videos, however often it takes, and see how far."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sn_eval.cli.console import (
    DONE,
    PARTIAL,
    STOPPED,
    AsJson,
    Quiet,
    duration,
    friendly,
    print_json,
    progress,
    say,
    show_table,
)
from sn_eval.results.experiment import Split

Option = typer.Option


def run(
    spec: Annotated[str, typer.Argument(help="The experiment's YAML file, or its name in benchmarks/suites.")],
    out: Annotated[Path | None, Option(help="Run folder [runs/<name of the experiment>].")] = None,
    executor: Annotated[
        str, Option(help="serial (in this process), process (several on this machine) or ray (a cluster).")
    ] = "serial",
    workers: Annotated[
        int | None, Option(min=1, help="Cells at once, for process and ray [as the cores, or GPUs, allow].")
    ] = None,
    threads: Annotated[
        int | None, Option(min=1, help="CPU threads a worker; their number may change bits [cores / workers].")
    ] = None,
    address: Annotated[
        str | None, Option(help="Of a Ray cluster, or auto [one on this machine, for this run].")
    ] = None,
    gpus_per_worker: Annotated[float | None, Option(min=0, help="For ray; 0.5 lets two share a GPU [0].")] = None,
    max_hours: Annotated[float | None, Option(min=0, help="Begin no further cell after so many hours.")] = None,
    max_money: Annotated[
        float | None, Option(min=0, help="Begin no further cell once the whole run has cost so much.")
    ] = None,
    prices: Annotated[
        Path | None, Option(help="Price list of your own, as data/prices.yaml [the run's, or the shipped one].")
    ] = None,
    retries: Annotated[int, Option(min=0, help="Further attempts of a cell that the machine failed.")] = 2,
    split: Annotated[Split | None, Option(help="Only these prompts now; the rest stays missing [both].")] = None,
    arm: Annotated[
        list[str] | None, Option(help="Only this arm now, or a method at all its budgets; repeat it for several [all].")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make every video of an experiment, and measure it; what is finished is never made again.

    Stop it whenever you like (Ctrl-C, a power cut, a cap) and go on by running it again. Changed prices, rules and
    business inputs make no new cells. With --split and --arm only a part is made now: settings are chosen on dev
    prompts, then the confirm prompts are run for the arms that matter. Exit code 3: some cells that were asked for are
    missing.

    Examples:

      sn-eval poc run demo

      sn-eval poc run shop.yaml --out runs/shop --executor process --workers 4 --max-hours 10

      sn-eval poc run shop.yaml --executor ray --address auto --gpus-per-worker 0.5 --max-money 50000

      sn-eval poc run shop.yaml --split dev

      sn-eval poc run shop.yaml --split confirm --arm plain --arm halving@96
    """
    from sn_eval.poc import executors
    from sn_eval.poc.part import Part
    from sn_eval.poc.run import Caps, Watched
    from sn_eval.poc.run import run as run_experiment
    from sn_eval.poc.spec import experiment_file
    from sn_eval.results.experiment_file import load_experiment

    file = experiment_file(spec)
    experiment = load_experiment(file)
    home, part = out or Path("runs") / experiment.name, Part(split, tuple(arm or ()))
    chosen = executors.create(
        executor, workers=workers, threads=threads, address=address, gpus_per_worker=gpus_per_worker
    )
    with friendly(kept=home), progress(quiet=quiet) as bars:
        named = " · ".join(filter(None, (experiment.name, part.words)))
        watched = Watched(bars.add(f"{named}: videos"), bars.add("this video"), bars.say)
        outcome = run_experiment(
            experiment, home, text=file.read_text(encoding="utf-8-sig"), executor=chosen, prices=prices,
            caps=Caps(max_hours, max_money, part), retries=retries, watched=watched,
        )  # fmt: skip
    _tell(outcome, f"sn-eval poc run {spec} --out {home}", home, part, as_json)


def _tell(outcome: Any, again: str, home: Path, part: Any, as_json: bool) -> None:
    """How the run stands, how to go on, and the exit code. again: the command that makes the whole."""
    from sn_eval.poc.run import INTERRUPTED

    if as_json:
        print_json(
            {"run": home, **_counts(outcome), "made": outcome.made, "stopped_by": outcome.stopped_by,
             "split": part.split, "arms": part.arms, "whole": _counts(outcome.whole)}
        )  # fmt: skip
    else:
        of = f" of {part.words}" if part.words else ""
        say(f"{outcome.done} of {outcome.total} videos{of} are in {home}, {outcome.made} of them made now")
        for category, count in outcome.failed.items():
            say(f"{count} failed ({category}): {_FAILED[category]} {home / 'errors.jsonl'}")
        _tell_rest(outcome, again, home, part)
    raise typer.Exit(STOPPED if outcome.stopped_by == INTERRUPTED else DONE if outcome.finished else PARTIAL)


def _counts(standing: Any) -> dict[str, Any]:
    """Cells of a part or of the whole, for machines."""
    return {
        "cells": standing.total, "done": standing.done, "failed": standing.failed, "left": standing.left,
        "finished": standing.finished,
    }  # fmt: skip


def _tell_rest(outcome: Any, again: str, home: Path, part: Any) -> None:
    """What was not measured, and what is left, of the part and of the whole."""
    from sn_eval.poc.status import status as status_of

    part_done = outcome.finished and not outcome.whole.finished
    found = status_of(home) if outcome.made or part_done else None
    if found is not None and outcome.made:
        _tell_unmeasured(found)
    if outcome.stopped_by:
        say(f"stopped by {outcome.stopped_by}; what was finished is kept")
    if not outcome.finished:
        say(f"go on with: {again}{part.options}")
    elif part_done:
        left = found.seconds_left if found else None
        time = "" if left is None else f", about {duration(left)} on one worker"
        whole = outcome.whole
        say(f"the whole run has {whole.done} of {whole.total}; {whole.left} are left{time}: {again}")
    else:
        say(f"next: sn-eval poc report {home}, or in a browser: sn-eval dashboard {home}")


def _tell_unmeasured(found: Any) -> None:
    """What gave no number for some of the finished videos: a search by such a reward chooses blindly."""
    for name, count in found.unmeasured.items():
        say(f"{name} gave no number for {count} of {found.done} videos: it failed (errors.jsonl says how), or gave NaN")


_FAILED = {
    "quality": "no usable video came out; they count as rejected. See",
    "infrastructure": "the machine failed; run it again. See",
    "input": "the prompt, reward or model refused; see",
}
"""What each kind of failure means, and what to do."""


def status(
    run: Annotated[Path, typer.Argument(help="The run's folder, e.g. runs/demo.")],
    as_json: AsJson = False,
) -> None:
    """How far a run is: cells by arm and split, failures, time and money; it may be under way.

    Examples:

      sn-eval poc status runs/demo
    """
    from sn_eval.poc.status import status as status_of

    found = status_of(run)
    if as_json:
        print_json(found)
        return
    rows = [[a.arm, a.split, a.planned, a.done, a.failed, a.planned - a.done - a.failed, a.seconds] for a in found.arms]
    columns = ["arm", "split", "cells", "done", "failed", "left", "seconds each"]
    show_table(f"{found.name}: {found.done} of {found.planned} cells", columns, rows)
    for category, count in found.failed.items():
        say(f"{count} failed ({category}); see {run / 'errors.jsonl'}")
    for cell, why in found.damaged.items():
        say(f"damaged: {cell}: {why} Running it again makes it anew")
    _tell_unmeasured(found)
    say(f"computed so far   {duration(found.seconds)}")
    if found.money is not None:
        say(f"spent so far      {found.money:,.4g} {found.currency}")
    else:
        say(f"spent so far      not known: {found.no_money}")
    if found.planned > found.done:
        left = "not known yet" if found.seconds_left is None else f"about {duration(found.seconds_left)} on one worker"
        say(f"left              {left}")
