"""`sn-eval models`: which models there are, and how far a preview can be trusted on the one at hand."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sn_eval.cli.components import Device, parse_numbers, show_list
from sn_eval.cli.console import AsJson, Quiet, print_json, progress, say, show_table
from sn_eval.cli.generate import load_model
from sn_eval.results.files import ResultsError
from sn_eval.results.paths import suites_path

if TYPE_CHECKING:
    from sn_eval.interfaces import Branch, Finished, Image, Rollout, State
    from sn_eval.search.correlation import LookReport

ENOUGH = 0.8  # a preview is good enough when its pick gains this share of the most there is


def list_models(as_json: AsJson = False) -> None:
    """List the video models that can be named by --model.

    Example: sn-eval models list
    """
    from sn_eval import models

    show_list(models.registry, "Video models", as_json)


def check(
    model: Annotated[str, typer.Argument(help="A name from `models list`, a folder, or file.py:attr.")],
    look: Annotated[str, typer.Option(help="Previews after so many evaluations, e.g. 1,2,4.")] = "1,2,4,6",
    candidates: Annotated[int, typer.Option(min=2, help="Noises compared for each chunk.")] = 16,
    prompts: Annotated[int, typer.Option(min=1, help="How many of the built-in prompts.")] = 6,
    prompt: Annotated[list[str] | None, typer.Option(help="Your own prompt; may be repeated.")] = None,
    image: Annotated[Path | None, typer.Option(help="Start image, for models that need one.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps of a finished chunk.")] = 8,
    chunks: Annotated[int, typer.Option(min=1, help="Chunks of each video.")] = 2,
    reward: Annotated[str, typer.Option(help="From `rewards list`, or file.py:attr.")] = "tabletop_quality",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds a prompt.")] = 1,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale [the model's own].")] = None,
    size: Annotated[str | None, typer.Option(help="WxH of the frames [the model's own].")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how much a preview says about the finished chunk, and which --look to search with.

    Every candidate is finished, so this costs more than a search, once for each new model.

    Example: sn-eval models check tabletop --look 2,4 --prompts 3
    """
    import rewards

    looks = parse_numbers(look, "--look")
    if looks[-1] > steps:
        raise ResultsError(f"--look {look}: a preview comes after at most --steps {steps} evaluations")
    texts = list(prompt) if prompt else dev_prompts()[:prompts]
    judge = rewards.create(reward)
    made, _ = load_model(model, device, guidance=guidance, size=size)
    plan = Plan(looks, candidates, texts, range(seeds))
    with progress(quiet=quiet) as bars:
        worth = [
            row
            for kind in kinds_of_preview(made.capability)
            for row in plan.measure(
                rollout_with(made, steps, chunks, kind), kind, judge, _start_image(image), bars.add
            )
        ]
    best = recommended(worth)
    if as_json:
        shown = [asdict(row.report) | {"preview": row.preview, "nfe": row.nfe} for row in worth]
        print_json({"model": model, "reward": reward, "prompts": texts, "looks": shown,
                    "recommended": best and {"preview": best.preview, "look": best.report.look}})  # fmt: skip
        return
    show_worth(worth, f"Previews of {model}, judged by {reward}")
    say(in_words(best, steps))


@dataclass(frozen=True)
class Worth:
    """What one look of one kind of preview is worth; `nfe` is its cost for one candidate."""

    preview: str
    report: "LookReport"
    nfe: int


@dataclass(frozen=True)
class Plan:
    """What is compared: candidates of every chunk of every prompt and seed."""

    looks: Sequence[int]
    candidates: int
    prompts: Sequence[str]
    seeds: Sequence[int]

    def measure(
        self, rollout: "Rollout", kind: str, reward: Any, image: "Image | None", add: Callable[..., Any]
    ) -> list[Worth]:
        """A row for each look."""
        from sn_eval.search.correlation import preview_correlation

        bar = add(f"{kind} previews", len(self.prompts) * len(self.seeds) * rollout.pieces)
        watched: Any = Watched(rollout, image, bar)
        reports = preview_correlation(
            watched, reward, self.prompts, self.looks, candidates=self.candidates, seeds=self.seeds
        )
        return [Worth(kind, r, rollout.preview_evaluations(0, 1, 0, r.look)) for r in reports]


class Watched:
    """A rollout that tells its progress, and starts from a given image; all else is the rollout's own."""

    def __init__(self, rollout: "Rollout", image: "Image | None", tell: Callable[[int], None]) -> None:
        self._rollout, self._image, self._tell, self._done = rollout, image, tell, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rollout, name)

    def start(self, prompts: Sequence[str], image: Any, seed: int) -> "State":
        """The beam before the first piece."""
        return self._rollout.start(prompts, self._image, seed)

    def commit(self, branches: "Sequence[Branch]") -> "list[Finished]":
        """Finish the branches, and say so."""
        finished = self._rollout.commit(branches)
        self._done += 1
        self._tell(self._done)
        return finished


def kinds_of_preview(capability: str) -> tuple[Literal["early", "coarse"], ...]:
    """The kinds of preview that a model can give."""
    return ("early", "coarse") if capability == "stepwise" else ("coarse",)


def rollout_with(model: Any, steps: int, chunks: int, kind: Literal["early", "coarse"]) -> "Rollout":
    """The chunk rollout with this kind of preview."""
    from sn_eval import rollouts

    made: Rollout = rollouts.create("chunk", model=model, steps=steps, chunks=chunks, preview=kind)
    return made


def dev_prompts() -> list[str]:
    """The built-in prompts for trying things out; never used in reported comparisons."""
    import yaml

    path = suites_path("dev_prompts.yaml")
    try:
        return list(yaml.safe_load(path.read_text(encoding="utf-8"))["prompts"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ResultsError(f"cannot read the prompts of {path}; give your own with --prompt") from error


def recommended(worth: Sequence[Worth]) -> Worth | None:
    """The cheapest look whose pick gains ENOUGH of the most there is, else the one that gains most.

    None where no look beats picking blindly.
    """
    useful = [row for row in worth if row.report.gain > 0 and row.report.rho > 0]
    good = [row for row in useful if row.report.gain >= ENOUGH * row.report.best_gain]
    if good:
        return min(good, key=lambda row: (row.nfe, row.preview != "early"))  # early ones are reused
    return max(useful, key=lambda row: row.report.gain, default=None)


def show_worth(worth: Sequence[Worth], title: str) -> None:
    """The table of all looks."""
    rows = [
        (row.preview, row.report.look, row.nfe, row.report.rho, row.report.rho_sd, row.report.gain,
         row.report.best_gain, row.report.contexts)
        for row in worth
    ]  # fmt: skip
    columns = ("preview", "look", "NFE", "rank corr.", "± sd", "gain of its pick", "of at most", "contexts")
    note = "NFE: denoiser evaluations of one preview. Gain: in the finished chunk's score, over the average."
    show_table(title, columns, rows, note)


def in_words(best: Worth | None, steps: int) -> str:
    """The advice in a sentence."""
    if best is None:
        return (
            "No look picks better than chance here: finish every candidate (best_of_n), try later looks, "
            "or a reward that tells these candidates apart."
        )
    share = best.report.gain / best.report.best_gain if best.report.best_gain else 0.0
    return (
        f"Recommended: --preview {best.preview} --look {best.report.look} (of {steps} steps): its pick keeps "
        f"{share:.0%} of what the best candidate gains, for {best.nfe} evaluations a candidate."
    )


def _start_image(path: Path | None) -> "Image | None":
    if path is None:
        return None
    from sn_eval.video import read_image

    return read_image(path)
