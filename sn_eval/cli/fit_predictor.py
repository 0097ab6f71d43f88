"""`sn-eval models fit-predictor`: learns from a run's traces which candidates to decode, or checks how it did."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sn_eval.cli.components import writable_folder
from sn_eval.cli.console import AsJson, Quiet, friendly, percent, print_json, progress, say, show_table
from sn_eval.results.files import ResultsError

Option = typer.Option
HIT = "hit rate: how often the step's best candidate is in the share that is kept, on prompts held out in training"


def fit_predictor(
    run: Annotated[Path, typer.Argument(help="Folder of a run whose experiment says keep_features: true.")],
    out: Annotated[Path, Option(help="The predictor's file.")] = Path("predictor.skops"),
    look: Annotated[int, Option(min=0, help="Evaluations before it is asked; 0: noise and context alone.")] = 0,
    keep: Annotated[float, Option(help="Share of a beam's candidates that goes on to be previewed, 0 … 1.")] = 0.5,
    split: Annotated[Literal["dev", "confirm", "all"], Option(help="Prompts that it is trained on.")] = "dev",
    seed: Annotated[int, Option(min=0, help="Decides trees and resampling.")] = 0,
    check: Annotated[bool, Option("--check", help="Train nothing: how did the run's own predictor do?")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a light predictor of candidates' scores, which a search asks before it decodes anything.

    Every figure is of prompts that it was not trained on. Then give it to a method that searches:
    params: {predictor: predictor.skops}. It serves the model, rollout and reward of the run.

    Examples:

      sn-eval models fit-predictor runs/mine --look 1 --keep 0.5 --out predictor.skops

      sn-eval models fit-predictor runs/with_it --check
    """
    if check:
        _check(run, as_json)
        return
    if not 0 < keep < 1:
        raise ResultsError(f"--keep {keep:g}: a share between 0 and 1, such as 0.5; with all kept nothing is saved")
    if out.suffix != ".skops":
        raise ResultsError(f"--out {out}: a predictor's file ends in .skops, e.g. {out.stem or 'predictor'}.skops")
    with friendly(), progress(quiet=quiet) as bars:
        from sn_eval.poc.feature_table import load_table
        from sn_eval.search.predictor import LightPredictor, save
        from sn_eval.search.predictor_fitting import fit

        source = load_table(run, look, split)
        writable_folder(out.parent)
        found = fit(source.table, keep, seed, bars.add("fitting"))
        card = {
            "run": run.resolve().name, "split": split, "reward": source.scope.reward, "rows": len(source.table.score),
            "cells": source.cells, "cells_left_out": source.left_out, "look": look, "keep": keep, "kind": found.kind,
            "useful": found.figures.useful, **_plain(found),
        }  # fmt: skip
        save(LightPredictor(look, keep, found.how, source.scope, card), out)
    _report(card, out, as_json)
    if not card["useful"]:
        sys.stderr.write(f"warning: {_no_better(card)}\n")


def _plain(found: Any) -> dict[str, Any]:
    """Figures as plain data, which is what the file may hold."""
    return {
        "figures": vars(found.figures),
        "kinds": {name: vars(each) for name, each in found.kinds.items()},
        "ablation": {name: vars(each) for name, each in found.ablation.items()},
    }


def _no_better(card: Mapping[str, Any]) -> str:
    own = card["figures"]
    return (
        f"no better than chance as far as these prompts tell: the hit rate's interval begins at {percent(own['low'])}, "
        f"and a blind choice reaches {percent(own['chance'])}. Train on more prompts, or with a later --look"
    )


def _report(card: Mapping[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        print_json({**card, "out": out})
        return
    own = card["figures"]
    say(
        f"{card['rows']} candidates, {own['steps']} steps, {own['prompts']} prompts ({card['split']}) of "
        f"{card['run']}; reward {card['reward']}; look {card['look']}; chosen: {card['kind']}"
    )
    if card["cells_left_out"]:
        say(f"{card['cells_left_out']} cells have features of other shapes, steps or looks and were left out")
    every = {f"{name}, all features": each for name, each in card["kinds"].items()}
    every |= {f"{card['kind']}, {name} alone": each for name, each in card["ablation"].items()}
    rows = [
        [name, each["hit"], f"{each['low']:.3g} … {each['high']:.3g}", each["chance"], each["spearman"], each["gain"],
         each["gain_chance"]]
        for name, each in every.items()
    ]  # fmt: skip
    columns = ("predictor", "hit rate", "interval", "by chance", "rank corr.", "gain kept", "by chance ")
    gain = "gain kept: what the best kept candidate has above the average one, as a share of what the best of all has"
    show_table(f"On held-out prompts, {card['keep']:.0%} kept", columns, rows, f"{HIT}\n{gain}")
    say(f"{out}: give it to a method that searches, params: {{predictor: {out}}}")


def _check(run: Path, as_json: bool) -> None:
    from sn_eval.poc.feature_table import check_run

    found = check_run(run)
    if as_json:
        print_json(found)
        return
    rho = "not known" if found.spearman is None else f"{found.spearman:.3f}"
    say(
        f"{found.predicted} candidates guessed in {found.cells} cells, {found.previewed} previewed; rank correlation "
        f"of guess and preview among those, within {found.steps} steps: {rho}"
    )
    say("(only the kept ones were previewed, so it says less of the guesses than a comparison of all would)")
