"""`sn-eval poc import`: videos that one already has become a run that `poc report` judges."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from sn_eval.cli.components import RewardParam, parse_params
from sn_eval.cli.console import PARTIAL, AsJson, Bar, Quiet, err, friendly, print_json, progress, say
from sn_eval.results.files import ResultsError

if TYPE_CHECKING:
    from sn_eval.poc.importing import Imported

Option = typer.Option


def import_(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|MANIFEST",
            help="A folder for each prompt (its name, or a prompt.txt in it, is the prompt), or files NAME_01.mp4, …, "
            "or a table (.csv, .jsonl): path, prompt, candidate, group, split, seconds, device, cost, accepted, …",
        ),
    ],
    out: Annotated[
        Path | None, Option(help="Folder of the run [runs/<name of the folder or manifest>].", show_default=False)
    ] = None,
    spec: Annotated[
        Path | None, Option(help="Experiment whose evaluators, acceptance, rules, prices and business hold.")
    ] = None,
    reward: Annotated[
        str | None,
        Option(help="What chooses among the candidates [anchor_consistency, or the spec's].", show_default=False),
    ] = None,
    reward_param: RewardParam = None,
    selector: Annotated[
        str | None, Option(help="A column of the manifest that they were chosen by, in place of --reward.")
    ] = None,
    evaluator: Annotated[
        list[str] | None,
        Option(help="What judges the videos, of another family than the reward; may be repeated [a few of bundled]."),
    ] = None,
    copy: Annotated[
        bool, Option("--copy/--no-copy", help="Copy the videos, or leave them there and link them.")
    ] = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge videos made elsewhere: would choosing the best of N have paid? No model, no GPU.

    Give N videos of each prompt, from any generator. Each is measured once; what the best of 2, 4 and 8 by the reward
    would score then follows for all choices at once. Without --spec an experiment is written that you can edit
    (spec.yaml): the report judges the same measurements by it. Videos that cannot be used are named and left out (exit
    code 3). An import that was stopped goes on where it stopped.

    seconds (of computing one video, on device gpu or cpu), cost (money for one) and accepted (1 or 0, by people) are
    your own figures, and are shown as such.

    Examples:

      sn-eval poc import clips/ --out runs/clips

      sn-eval poc import clips.csv --selector clip_score --spec rules.yaml

      sn-eval poc import clips/ --reward lighting_consistency --evaluator subject_consistency
    """
    from sn_eval.poc.imported_spec import run_name
    from sn_eval.poc.importing import Asked, Watched, import_videos
    from sn_eval.results.experiment import Evaluator
    from sn_eval.results.record import Component

    if reward_param and not reward:
        raise ResultsError("--reward-param goes with --reward NAME")
    chosen = Component(use=reward, params=parse_params(reward_param or [], "--reward-param")) if reward else None
    judges = tuple(Evaluator(use=use) for use in evaluator or [])
    folder = out or Path("runs") / run_name(place)
    with friendly(kept=folder), progress(quiet=quiet) as bars:
        watched = _Progress(bars.add("videos"))
        found = import_videos(
            place, folder, Asked(chosen, selector, judges, spec, copy), Watched(watched.video, watched.frames)
        )
    print_json(_as_dict(found)) if as_json else _show(found)
    for why in found.candidates.left_out.values():
        err.print(Text(f"left out: {why}"), soft_wrap=True)
    if found.candidates.left_out:
        raise typer.Exit(PARTIAL)


@dataclass
class _Progress:
    """One bar: videos done, and the frames of the one that is measured."""

    bar: Bar
    done: int = 0
    name: str = ""

    def video(self, done: int, total: int, name: str) -> None:
        """The next video."""
        self.done, self.name = done, name
        self.bar(done, total, name)

    def frames(self, done: int, total: int | None) -> None:
        """Frames of it."""
        self.bar(self.done, None, f"{self.name}, frame {done} of {total}")


def _show(found: "Imported") -> None:
    """What was imported, and what comes next."""
    prompts, experiment = found.candidates.by_prompt, found.experiment
    sizes = [f"{amount:g}" for amount in experiment.budget.amounts] if experiment.budget else []
    say(f"{len(found.candidates.videos)} videos of {len(prompts)} prompts; measured now: {found.measured}")
    if sizes:
        dev = sum(prompt.split == "dev" for prompt in experiment.prompts)
        choice = f", the size is chosen on {dev} prompts (dev)" if dev and len(sizes) > 1 else ""
        say(f"plain (one at random) against the best of {', '.join(sizes)} by {experiment.reward.use}{choice}")
    say(f"judged by {', '.join(judge.label for judge in experiment.evaluators)}")
    for note in found.notes:
        say(f"note: {note}")
    for key, count in found.unscored.items():
        say(f"note: {key} could not score {count} videos; errors.jsonl says why")
    say(f"run     {found.folder}")
    say(f"rules   {found.folder / 'spec.yaml'} (yours to edit)")
    say(f"next    sn-eval poc report {found.folder}")


def _as_dict(found: "Imported") -> dict[str, Any]:
    """For machines."""
    return {
        "run": str(found.folder),
        "videos": len(found.candidates.videos),
        "prompts": {prompt: len(some) for prompt, some in found.candidates.by_prompt.items()},
        "sizes": list(found.experiment.budget.amounts) if found.experiment.budget else [],
        "measured": found.measured,
        "unscored": dict(found.unscored),
        "left_out": dict(found.candidates.left_out),
        "notes": list(found.notes),
    }
