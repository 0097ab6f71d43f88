"""`sn-eval poc headroom`: is there anything to gain, before the big run?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from sn_eval.cli.console import (
    DONE,
    PARTIAL,
    STOPPED,
    AsJson,
    Quiet,
    friendly,
    print_json,
    progress,
    say,
    show_table,
)

Option = typer.Option


def headroom(
    spec: Annotated[str, typer.Argument(help="The experiment: a YAML file, or a name in benchmarks/suites.")],
    prompts: Annotated[int, Option(min=1, help="How many of its dev prompts (or of all, where none is dev).")] = 4,
    samples: Annotated[int, Option(min=2, help="Plain videos of each prompt.")] = 16,
    out: Annotated[Path | None, Option(help="Run folder [runs/NAME-headroom].")] = None,
    executor: Annotated[str, Option(help="serial, process or ray, as for poc run.")] = "serial",
    workers: Annotated[int | None, Option(min=1, help="Videos at once, for process and ray.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make plain samples of a few prompts and show what choosing among them gives: by the reward, and at most.

    The rule: worth going on if the most that choosing can gain (the oracle) reaches the primary's minimum effect; with
    this reward, if its own choice does. Run it again to go on where it stopped.

    Examples:

      sn-eval poc headroom shop.yaml

      sn-eval poc headroom shop.yaml --prompts 6 --samples 8 --executor process --workers 2
    """
    from sn_eval.poc import executors
    from sn_eval.poc.headroom import run_headroom
    from sn_eval.poc.run import INTERRUPTED, Watched
    from sn_eval.poc.spec import experiment_named

    experiment = experiment_named(spec)
    home = out or Path("runs") / f"{experiment.name}-headroom"
    with friendly(kept=home), progress(quiet=quiet) as bars:
        made = run_headroom(
            experiment, home, prompts=prompts, samples=samples, executor=executors.create(executor, workers=workers),
            watched=Watched(bars.add("samples"), bars.add("this video"), bars.say),
        )  # fmt: skip
    outcome = made.outcome
    if as_json:
        print_json({"run": home, "done": outcome.done, "left": outcome.left, "stopped_by": outcome.stopped_by,
                    "headroom": made.found, "files": made.files})  # fmt: skip
    elif made.found is None:
        say(f"{outcome.done} samples are in {home}, {outcome.left + sum(outcome.failed.values())} are missing")
        say(f"go on with: sn-eval poc headroom {spec} --out {home}")
    else:
        show(made.found, made.files)
    raise typer.Exit(STOPPED if outcome.stopped_by == INTERRUPTED else DONE if made.found else PARTIAL)


def show(found: Any, files: Any) -> None:
    """Curves, regret, variance, previews and the sentence."""
    rows = [
        [outcome.outcome, step.videos, step.chosen, step.oracle]
        for outcome in found.outcomes
        for step in outcome.curve
    ]  # fmt: skip
    say(f"{found.name}: {found.prompts} prompts, {found.samples} samples each, searched on {found.reward}")
    show_table("Best of N", ["outcome", "N", "by the reward", "oracle"], rows)
    rows = [
        [each.outcome, each.gain, each.ceiling, each.regret and each.regret.captured, each.variance and
         each.variance.icc, each.spread, each.effect, each.needed]
        for each in found.outcomes
    ]  # fmt: skip
    columns = ["outcome", "gain", "ceiling", "captured", "ICC", "spread", "minimum effect", "prompts needed"]
    show_table("What choosing gains over one video at random", columns, rows)
    say("captured: the reward's gain as a share of the ceiling; ICC: share of the variance that lies between prompts;")
    say("spread: of the prompts' differences, best-of-N less plain, with the experiment's repetitions")
    for each in found.previews:
        rho = each.rho
        span = "" if rho.low is None else f" ({max(rho.low, -1):+.2f} … {min(rho.high, 1):+.2f})"
        value = "not known" if rho.value is None else f"{rho.value:+.2f}{span}"
        say(f"preview after {each.look} steps and finished piece, Spearman among samples: {value}")
    if found.failed:
        say(f"{found.failed} samples gave no usable video")
    for path in files:
        say(str(path))
    say(found.words)
