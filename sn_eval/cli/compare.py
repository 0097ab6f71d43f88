"""`sn-eval compare`: methods against each other on the same prompts and seeds, at one budget."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sn_eval.cli.components import ModelParam, RewardParam, parse_params, reward_named
from sn_eval.cli.console import AsJson, Quiet, friendly, percent, print_json, progress, say, show_table
from sn_eval.results.experiment import short

Option = typer.Option


def compare(
    suite: Annotated[
        str, Option(help="An experiment in benchmarks/suites by name, or a YAML file of your own.")
    ] = "demo",
    out: Annotated[
        Path | None, Option(help="Folder for videos, results.csv, summary.json, sheets/ [runs/<suite>].")
    ] = None,
    prompt: Annotated[list[str] | None, Option(help="In place of the suite's prompts; repeat for several.")] = None,
    model: Annotated[
        str | None, Option(help="In place of the suite's: a name, a folder, a hub id, or file.py:attr.")
    ] = None,
    model_param: ModelParam = None,
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
        from sn_eval.poc.compare import run_and_compare
        from sn_eval.poc.run import Watched
        from sn_eval.poc.spec import experiment_file
        from sn_eval.results.experiment_file import load_experiment

        file = experiment_file(suite)
        written = load_experiment(file)
        chosen = _changed(
            written, prompts=prompt, methods=method, seeds=seeds, budget=budget, judges=judge,
            model=_model(model, parse_params(model_param or [], "--model-param")),
            reward=reward and reward_named(reward, reward_param).model_dump(), allow_same_family=allow_same_family,
        )  # fmt: skip
        text = file.read_text(encoding="utf-8-sig") if chosen == written else None
        watched = Watched(bars.add(f"{chosen.name}: videos"), bars.add("this video"), bars.say)
        found = run_and_compare(chosen, home, text=text, watched=watched)
    if as_json:
        print_json(found.as_dict())
    else:
        show(found, home)


def _changed(written: Any, **given: Any) -> Any:
    """The experiment with what the options change, checked again; rules of a verdict, which is not made here, go."""
    from pydantic import ValidationError

    from sn_eval.results.experiment import Experiment
    from sn_eval.results.files import ResultsError

    given = {option: value for option, value in given.items() if value not in (None, False)}
    if not given:
        return written
    kept = ("name", "about", "model", "rollout", "reward", "evaluators", "methods", "baseline", "budget", "prompts",
            "seeds", "allow_same_family")  # fmt: skip
    fields = written.model_dump(include=set(kept))
    for option, value in given.items():
        fields |= _CHANGES[option](fields, value)
    try:
        return Experiment.model_validate(fields)
    except ValidationError as error:
        raise ResultsError(error.errors(include_url=False)[0]["msg"]) from error


def _model(use: str | None, params: dict[str, Any]) -> dict[str, Any] | None:
    """What is given of the model; None where nothing is, so that the suite's stays."""
    return {"use": use, "params": params} if use or params else None


def _with_model(fields: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Another model with its parameters, or further parameters of the suite's."""
    if value["use"]:
        return {"model": value}
    return {"model": {"use": fields["model"]["use"], "params": {**fields["model"]["params"], **value["params"]}}}


def _methods(fields: dict[str, Any], uses: list[str]) -> dict[str, Any]:
    """The named methods, with the knobs of the file where it has them; the first is the baseline if its own is not."""
    known = {method["name"] or method["use"]: method for method in fields["methods"]}
    baseline = fields["baseline"] if fields["baseline"] in uses else short(uses[0])
    return {"methods": [known.get(use, {"use": use}) for use in uses], "baseline": baseline}


_CHANGES: dict[str, Callable[[dict[str, Any], Any], dict[str, Any]]] = {
    "prompts": lambda fields, value: {"prompts": value},
    "model": _with_model,
    "methods": _methods,
    "seeds": lambda fields, value: {"seeds": list(range(value))},
    "budget": lambda fields, value: {"budget": {**(fields["budget"] or {}), "unit": "nfe", "amounts": [value]}},
    "judges": lambda fields, value: {"evaluators": value},
    "reward": lambda fields, value: {"reward": value},
    "allow_same_family": lambda fields, value: {"allow_same_family": value},
}
"""What each option changes in an experiment's fields."""


_UNITS = {"nfe": "denoiser evaluations a video", "videos": "times what a plain video takes"}


def show(found: Any, home: Path) -> None:
    """Cost, verdicts, losing prompts, and where to look."""
    suite = found.experiment
    budget = suite.budget
    note = f"budget: {', '.join(f'{a:g}' for a in budget.amounts)} {_UNITS[budget.unit]}" if budget else ""
    rows = [
        [use, cost["nfe"], cost["nfe_preview"], percent(cost["share_of_budget"]), cost["seconds"], cost["teraflops"]]
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
        if verdict.difference and verdict.difference.losing and verdict.against == found.baseline:
            lost = "; ".join(f"{p} ({verdict.difference.per_prompt[p]:+.3f})" for p in verdict.difference.losing)
            say(f"{verdict.method} loses to {verdict.against} by {verdict.judge} on: {lost}")
    say(f"videos          {home / 'cells'}/*/video.mp4")
    say(f"tables          {home / 'results.csv'}, {home / 'summary.json'}")
    for path in sorted((home / "sheets").glob("*.png")):
        say(f"contact sheet   {path}")
    for path in sorted(home.glob("cells/*/search.png"))[:1]:
        say(f"what it tried   {path}")
