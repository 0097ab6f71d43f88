"""`sn-eval compare`: methods against each other on the same prompts and seeds, at one budget."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sn_eval.cli.components import RewardParam, reward_named
from sn_eval.cli.console import AsJson, Quiet, friendly, print_json, progress, say, show_table

Option = typer.Option


def compare(
    suite: Annotated[str, Option(help="A suite in benchmarks/suites by name, or a YAML file of your own.")] = "demo",
    out: Annotated[
        Path | None, Option(help="Folder for videos, results.csv, summary.json, sheets/ [runs/<suite>].")
    ] = None,
    prompt: Annotated[list[str] | None, Option(help="In place of the suite's prompts; repeat for several.")] = None,
    method: Annotated[list[str] | None, Option(help="In place of the suite's methods; repeat for several.")] = None,
    reward: Annotated[
        str | None, Option(help="What is searched on, in place of the suite's: a name, pkg.mod:attr or file.py:attr.")
    ] = None,
    reward_param: RewardParam = None,
    judge: Annotated[list[str] | None, Option(help="In place of the suite's judges; repeat for several.")] = None,
    allow_same_family: Annotated[
        bool, Option("--allow-same-family", help="Judge by a family that is searched on, too; tables are then marked.")
    ] = False,
    seeds: Annotated[int | None, Option(min=1, help="How many seeds, from 0, in place of the suite's.")] = None,
    budget: Annotated[int | None, Option(help="Denoiser evaluations (NFE) a video, in place of the suite's.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare methods at one budget: paired differences with intervals, on measurements that were not searched on.

    A run that was stopped goes on where it stopped; a finished one is only read again.

    Examples:

      sn-eval compare

      sn-eval compare --suite chunk_search --out runs/chunk_search

      sn-eval compare --reward my_shop.py:my_shop --allow-same-family --out runs/my_shop

      sn-eval compare --prompt "a red ball rolls to the left" --method plain --method scaling_noise --budget 192
    """
    home = out or Path("runs") / Path(suite).stem
    with friendly(kept=home), progress(quiet=quiet) as bars:
        from sn_eval.poc.compare import run_suite
        from sn_eval.poc.spec import load_suite
        from sn_eval.results.record import Component

        chosen = _changed(load_suite(suite), prompt, method, seeds, budget)
        scoring = {
            "reward": reward and reward_named(reward, reward_param),
            "judges": judge and tuple(Component(use=use) for use in judge),
            "allow_same_family": allow_same_family,
        }
        chosen = chosen.model_copy(update={key: value for key, value in scoring.items() if value})
        cells = bars.add(f"{chosen.name}: videos")
        current = bars.add("this video")

        def on_cell(done: int, total: int, cell: Any) -> None:
            cells(done, total, f"{cell.method.use}, seed {cell.seed}: {cell.prompts[0][:40]}")

        found = run_suite(chosen, home, on_cell=on_cell, on_progress=current)
    if as_json:
        print_json(found.as_dict())
    else:
        show(found, home)


def _changed(
    suite: Any, prompts: list[str] | None, methods: list[str] | None, seeds: int | None, budget: int | None
) -> Any:
    """The suite with what the options change, checked again."""
    from pydantic import ValidationError

    from rewards.base import UserError

    fields = suite.model_dump()
    if prompts:
        fields["prompts"] = prompts
    if methods:
        known = {method["use"]: method for method in fields["methods"]}
        fields["methods"] = [known.get(use, {"use": use}) for use in methods]
        fields["baseline"] = fields["baseline"] if fields["baseline"] in methods else methods[0]
    if seeds:
        fields["seeds"] = list(range(seeds))
    if budget is not None:
        fields["budget_nfe"] = budget
    try:
        return type(suite).model_validate(fields)
    except ValidationError as error:
        raise UserError(error.errors(include_url=False)[0]["msg"]) from error


def show(found: Any, home: Path) -> None:
    """Cost, verdicts, losing prompts, and where to look."""
    suite = found.suite
    note = f"budget: {suite.budget_nfe} denoiser evaluations a video; unsized: {', '.join(suite.unsized)}"
    rows = [
        [use, cost["nfe"], cost["nfe_preview"], _percent(cost["share_of_budget"]), cost["seconds"], cost["teraflops"]]
        for use, cost in found.cost.items()
    ]
    columns = ["method", "NFE", "of which previews", "of budget", "seconds", "TFLOP"]
    show_table(f"{suite.name}: cost a video, mean of {found.videos // len(found.cost)}", columns, rows, note)
    verdicts = []
    for verdict in found.verdicts:
        d, mark = verdict.difference, " (searched family)" if verdict.searched_family else ""
        if d is None:
            verdicts.append([verdict.judge + mark, verdict.method, verdict.mean, "–", None, "–", None, None])
            continue
        span = "–" if d.low is None else f"{d.low:+.4f} … {d.high:+.4f}"
        verdicts.append(
            [verdict.judge + mark, verdict.method, verdict.mean, verdict.against, d.mean, span, d.p, len(d.losing)]
        )
    columns = ["judged by", "method", "mean", "against", "difference", "95 % interval", "p", "losing prompts"]
    how = next((v.difference.method for v in found.verdicts if v.difference), "")
    prompts, seeds = len(suite.prompts), len(suite.seeds)
    show_table(f"{prompts} prompts x {seeds} seeds, searched on {suite.reward.use}", columns, verdicts, how)
    for use, by_look in found.correlations.items():
        for look, rho in by_look.items():
            say(f"{use}: Spearman of preview (look {look}) and final score, kept branches: {rho:+.2f}")
    for verdict in found.verdicts:
        if verdict.difference and verdict.difference.losing and verdict.against == suite.baseline:
            lost = "; ".join(f"{p} ({verdict.difference.per_prompt[p]:+.3f})" for p in verdict.difference.losing)
            say(f"{verdict.method} loses to {verdict.against} by {verdict.judge} on: {lost}")
    say(f"videos          {home / 'cells'}/*/video.mp4")
    say(f"tables          {home / 'results.csv'}, {home / 'summary.json'}")
    for path in sorted((home / "sheets").glob("*.png")):
        say(f"contact sheet   {path}")
    for path in sorted(home.glob("cells/*/search.png"))[:1]:
        say(f"what it tried   {path}")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
