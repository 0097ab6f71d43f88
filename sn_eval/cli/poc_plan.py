"""`sn-eval poc plan`: what an experiment will take, before anything runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sn_eval.cli.console import AsJson, Quiet, duration, percent, print_json, progress, say, show_table
from sn_eval.results.experiment import Split

Option = typer.Option


def plan(
    spec: Annotated[str, typer.Argument(help="The experiment: a YAML file, or a name in benchmarks/suites.")],
    workers: Annotated[int, Option(min=1, help="Cells at once: processes here, or GPUs with --calibration.")] = 1,
    prices: Annotated[Path | None, Option(help="Price list of your own, beside the shipped one.")] = None,
    calibration: Annotated[
        str | None,
        Option(help="Published reading of a model in place of trials: no model is loaded, e.g. wan2.1-1.3b-480p."),
    ] = None,
    video_seconds: Annotated[
        float | None, Option(min=0.001, help="Length of one video, for --calibration [from the model's parameters].")
    ] = None,
    trial_seconds: Annotated[float, Option(min=1, help="Longest time for trials on this machine.")] = 60.0,
    headroom: Annotated[
        Path | None, Option(help="headroom.json of poc headroom: its spread in place of assumptions.")
    ] = None,
    out: Annotated[Path | None, Option(help="Folder of the run, for the disk that is free [runs/NAME].")] = None,
    split: Annotated[Split | None, Option(help="Only these prompts, as for poc run [both].")] = None,
    arm: Annotated[list[str] | None, Option(help="Only this arm, as for poc run; repeat it for several [all].")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show cells, evaluations, hours, money, disk, devices and the prompts that are needed. Nothing is made.

    This machine is tried for about a minute: a warm-up, and a short video of every arm.

    Examples:

      sn-eval poc plan shop.yaml --workers 2

      sn-eval poc plan shop.yaml --split confirm --arm plain --arm halving@96

      sn-eval poc plan shop.yaml --calibration wan2.1-1.3b-480p --video-seconds 20 --workers 8
    """
    with progress(quiet=quiet) as bars:
        from sn_eval.decision.headroom import spreads_of
        from sn_eval.decision.prices import load_prices
        from sn_eval.poc.estimate import Options, estimate
        from sn_eval.poc.part import Part
        from sn_eval.poc.spec import experiment_named

        experiment = experiment_named(spec)
        options = Options(
            workers, calibration, video_seconds, trial_seconds, out or Path("runs") / experiment.name,
            None if headroom is None else spreads_of(headroom), Part(split, tuple(arm or ())),
        )  # fmt: skip
        bar = bars.add("trying every arm")
        found = estimate(experiment, load_prices(prices), options, on_progress=bar)
    if as_json:
        print_json(found)
    else:
        show(found)


def show(found: Any) -> None:
    """The estimate in tables and sentences."""
    device = found.device.upper()
    rows = [
        [arm.name, arm.cells, arm.nfe, arm.nfe_total, percent(arm.share_of_budget), arm.seconds,
         duration(3600 * arm.hours),
         arm.device_seconds / 3600, arm.money, arm.disk and arm.disk / 1e6, arm.devices]
        for arm in found.arms
    ]  # fmt: skip
    rows.append(
        ["all", found.cells, None, sum(arm.nfe_total for arm in found.arms), "", None, duration(3600 * found.hours),
         found.device_hours, found.money, found.disk and found.disk / 1e6, None]
    )  # fmt: skip
    columns = [
        "arm", "cells", "NFE a cell", "NFE", "of budget", "seconds a cell", f"time, {found.workers} at once",
        f"{device}-hours", f"money {found.currency}".strip(), "disk MB", "devices",
    ]  # fmt: skip
    title = (
        f"{found.name}: {found.confirm_prompts} confirm and {found.dev_prompts} dev prompts, {found.seeds} seeds, "
        f"videos of {found.video_seconds:g} s, on {found.machine}"
    )
    show_table(title, columns, rows)
    for line in found.measured:
        say(line)
    if found.evaluators:
        each = ", ".join(f"{label} {seconds:.2g} s" for label, seconds in found.evaluators.items())
        say(f"evaluators, a video: {each}")
    say(f"price: {found.price_words}")
    say(f"disk: {'unknown' if found.disk is None else f'{found.disk / 1e9:.2g} GB'} of {found.free / 1e9:.0f} GB free")
    say(found.capacity_words)
    if found.sample_sizes:
        sizes = [
            [row.outcome, row.effect, row.assumed, row.needed, row.prompts, row.enough] for row in found.sample_sizes
        ]
        names = ["primary outcome", "effect", "if", "prompts needed", "there are", "enough"]
        show_table("Confirm prompts that show the minimum effect with a chance of 80 %", names, sizes)
    for warning in found.warnings:
        say(f"warning: {warning}")
