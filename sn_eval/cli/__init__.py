"""The command line `sn-eval`: one typer app, a file for each command group; commands import when they run."""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from sn_eval.cli import (
    compare,
    dashboard,
    doctor,
    evaluate,
    fit_predictor,
    generate,
    metrics,
    metrics_audit,
    models,
    poc_headroom,
    poc_import,
    poc_new,
    poc_plan,
    poc_report,
    poc_run,
    rewards,
    rewards_audit,
    rewards_learning,
    tabletop,
    tabletop_clip,
)
from sn_eval.cli.console import friendly, say


class OneLineErrors(TyperGroup):
    """Runs every command so that whatever goes wrong is one line on stderr and an exit code.

    Help is shown as it is written: rich would take "[the suite's own]" for markup, and swallow it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _as_written(self)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments."""
        with friendly():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with friendly():
            return super().invoke(ctx)


def _as_written(command: Any) -> None:
    """Escape brackets in the help of a command, its parameters and its commands."""
    for place in (command, *command.params):
        if getattr(place, "help", None):
            place.help = escape(place.help)
    for below in getattr(command, "commands", {}).values():
        _as_written(below)


def group(**options: Any) -> typer.Typer:
    """A typer app with the settings that all share."""
    same = {"no_args_is_help": True, "rich_markup_mode": "rich", "pretty_exceptions_enable": False}
    return typer.Typer(**same, **options)  # type: ignore[arg-type]


app = group(cls=OneLineErrors, add_completion=False)


def _show_version(asked: bool) -> bool:
    if asked:
        say(f"sn-eval {version('sn-eval')}")
        raise typer.Exit
    return asked


@app.callback()
def root(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make long videos by searching over a frozen model's noise, and measure at equal cost whether it pays.

    A first look, in a minute or two on any machine:

      sn-eval generate "a red ball rolls to the left" --method scaling_noise --out first

      sn-eval doctor
    """


app.command()(generate.generate)
app.command()(compare.compare)
app.command()(evaluate.evaluate)
app.command()(dashboard.dashboard)
app.command()(doctor.doctor)

_models = group(name="models", help="The video models, and how far their previews can be trusted.")
_models.command("list")(models.list_models)
_models.command("check")(models.check)
_models.command("fit-predictor")(fit_predictor.fit_predictor)
app.add_typer(_models)

_rewards = group(name="rewards", help="What can steer a search.")
_rewards.command("list")(rewards.list_rewards)
_rewards.command("show")(rewards.show)
_rewards.command("new")(rewards.new)
_rewards.command("score")(rewards.score)
_rewards.command("fit")(rewards_learning.fit)
_rewards.command("next")(rewards_learning.propose)
_rewards.command("audit")(rewards_audit.audit)
app.add_typer(_rewards)

_metrics = group(name="metrics", help="What judges videos.")
_metrics.command("list")(metrics.list_metrics)
_metrics.command("show")(metrics.show)
_metrics.command("audit")(metrics_audit.audit)
app.add_typer(_metrics)

_poc = group(name="poc", help="From an experiment, or from videos you have, to a decision.")
_poc.command("new")(poc_new.new)
_poc.command("plan")(poc_plan.plan)
_poc.command("headroom")(poc_headroom.headroom)
_poc.command("import")(poc_import.import_)
_poc.command("run")(poc_run.run)
_poc.command("status")(poc_run.status)
_poc.command("report")(poc_report.report)
app.add_typer(_poc)

_tabletop = group(name="tabletop", help="The rendered world, and the embedded model that learns it.")
_tabletop.command("scene")(tabletop.scene)
_tabletop.command("train")(tabletop.train)
_tabletop.command("check")(tabletop.check)
_tabletop.command("train-clip")(tabletop_clip.train_clip)
_tabletop.command("check-clip")(tabletop_clip.check_clip)
app.add_typer(_tabletop)


def main() -> None:
    """The entry point of `sn-eval`."""
    app(prog_name="sn-eval")
