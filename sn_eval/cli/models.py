"""`sn-eval models`: which models there are, and what the one at hand costs, obeys and shows early."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.components import (
    Device,
    ModelParam,
    RewardParam,
    in_short,
    parse_numbers,
    parse_params,
    reward_named,
)
from sn_eval.cli.console import DONE, FAILED, AsJson, Quiet, print_json, progress, show_table
from sn_eval.cli.generate import load_model
from sn_eval.results.files import ResultsError
from sn_eval.results.paths import suites_path

if TYPE_CHECKING:
    from sn_eval.interfaces import Image

LOOKS = (1, 2, 4, 6)
SMALL = "256x256"  # frames of a check where the model takes a size and none is given
FRAMES = ("num_frames", "frames_per_chunk")  # what adapters call the length of a chunk
Option = typer.Option


# --- list -------------------------------------------------------------------------------------------------------------


def list_models(as_json: AsJson = False) -> None:
    """List the video models that can be named by --model, and what each can do.

    Example: sn-eval models list
    """
    from sn_eval import models

    rows = [listed(name) for name in models.names()]
    if as_json:
        print_json(rows)
        return
    names = ("name", "summary", "regime", "rollouts", "previews", "noise_control")
    columns = ("name", "what it drives", "regime", "rollouts", "previews", "noise given as")
    note = (
        "A folder or a hub id (owner/name) finds its own adapter. What depends on the pipeline, `sn-eval models check` "
        "measures."
    )
    for row in rows:
        row["previews"] += [f"{kind} (some pipelines)" for kind in row["previews_of_some"]]
    lists = [[", ".join(row[n]) if isinstance(row[n], list) else row[n] for n in names] for row in rows]
    show_table("Video models", columns, lists, note)


def listed(name: str) -> dict[str, Any]:
    """What a model's class says of it, without making it."""
    from sn_eval import models

    target, found = models.resolve(name), in_short(models.describe(name))
    stepwise = getattr(target, "capability", None) == "stepwise"
    previews = ["early", "coarse", "ahead"] if stepwise else ["coarse"]
    return {
        "name": name,
        "summary": found.summary,
        "regime": "stepwise" if stepwise else "black box",
        "rollouts": ["chunk", "fifo"] if getattr(target, "per_frame_levels", False) else ["chunk"],
        "previews": [*previews, *(["draft"] if hasattr(target, "drafting") else [])],
        "previews_of_some": ["draft"] if getattr(target, "drafts_of_some", False) else [],
        "noise_control": "latents" if stepwise else getattr(target, "noise_control", "latents or generator"),
        "parameters": [parameter.name for parameter in found.parameters],
    }


# --- check ------------------------------------------------------------------------------------------------------------


def check(
    model: Annotated[str, typer.Argument(help="A name from `models list`, a folder, a hub id, or file.py:attr.")],
    model_param: ModelParam = None,
    image: Annotated[Path | None, Option(help="Start image; models that need one get a test picture else.")] = None,
    size: Annotated[str | None, Option(help=f"WxH of the frames [{SMALL}, or the model's own].")] = None,
    frames: Annotated[int | None, Option(min=1, help="Frames of one call or chunk [the model's own].")] = None,
    steps: Annotated[int, Option(min=1, help="Denoising steps of a finished chunk.")] = 8,
    guidance: Annotated[float | None, Option(help="Guidance scale [the model's own].")] = None,
    max_batch: Annotated[int, Option(min=1, help="The largest batch that is tried.")] = 8,
    dtype: Annotated[str | None, Option(help="float32, bfloat16, … of a diffusers pipeline.")] = None,
    offload: Annotated[str | None, Option(help="none, model, sequential or group: spares GPU memory.")] = None,
    compile_: Annotated[bool, Option("--compile", help="Compile the network: slow to start, then faster.")] = False,
    attention: Annotated[str | None, Option(help="Attention backend of diffusers, e.g. flash or sage.")] = None,
    quick: Annotated[bool, Option("--quick", help="Leave out how far previews can be trusted.")] = False,
    look: Annotated[str | None, Option(help="Previews after so many evaluations [1,2,4,6].")] = None,
    candidates: Annotated[int, Option(min=2, help="Noises compared for each chunk.")] = 16,
    prompts: Annotated[int, Option(min=1, help="How many of the built-in prompts.")] = 6,
    prompt: Annotated[list[str] | None, Option(help="Your own prompt; may be repeated.")] = None,
    chunks: Annotated[int, Option(min=1, help="Chunks of each video.")] = 2,
    seeds: Annotated[int, Option(min=1, help="How many seeds a prompt.")] = 1,
    reward: Annotated[str, Option(help="From `rewards list`, or file.py:attr.")] = "tabletop_quality",
    reward_param: RewardParam = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Load a model and measure it: cost, batches, whether its noise decides, and which previews to search with.

    The last part finishes every candidate and costs more than a search; --quick leaves it out. Exit code 1 where the
    same noise gives another video, or other noise the same one: no search could work.

    Examples:

      sn-eval models check tabletop --look 2,4 --prompts 3

      sn-eval models check ./my-pipeline --quick --size 256x256 --frames 9 --steps 4 --dtype bfloat16
    """
    import rewards
    from sn_eval.cli.model_check import Subject, measured, rollout_with, start_images
    from sn_eval.cli.model_report import Report
    from sn_eval.cli.preview_worth import Plan

    looks, texts = _looks(look, steps), list(prompt) if prompt else dev_prompts()[:prompts]
    named = reward_named(reward, reward_param)
    judge = None if quick else rewards.create(named.use, **named.params)
    given = parse_params(model_param or [], "--model-param")
    given |= _options(dtype=dtype, offload=offload, compile=compile_ or None, attention=attention)
    start = _start_image(image)
    with progress(quiet=quiet) as bars:
        bars.say(f"loading {model}")
        begun = time.perf_counter()
        player, component = _small(model, device, guidance, size, frames, given)
        seconds = time.perf_counter() - begun
        images, source = start_images(player, start, dev_prompts()[0])
        subject = Subject(rollout_with(player, steps, chunks), texts[0], images(texts[0]))
        found = measured(subject, looks[0], max_batch, bars)
        plan = Plan(looks, candidates, texts, range(seeds))
        worth = [] if judge is None else plan.measure(subject.rollout, judge, images, bars)
    report = Report(model, component.use, seconds, source, found, worth, texts, None if quick else reward)
    if as_json:
        print_json(report.as_dict())
    else:
        report.show()
    raise typer.Exit(DONE if report.passed else FAILED)


def _small(
    use: str, device: str, guidance: float | None, size: str | None, frames: int | None, given: Mapping[str, Any]
) -> tuple[Any, Any]:
    """The model with frames as small and few as asked for, and the component that it is."""
    from sn_eval import models
    from sn_eval.poc.spec import model_named

    named = model_named(use)
    takes = [parameter.name for parameter in models.describe(named.use).parameters]
    params = {**named.params, **given}
    if frames is not None:
        names = [name for name in FRAMES if name in takes]
        if not names:
            raise ResultsError(f"--frames {frames}: model {named.use!r} has chunks of its own length; leave it out")
        params[names[0]] = frames
    if size is None and {"width", "height"} <= set(takes) and not {"width", "height"} & set(params):
        size = SMALL
    return load_model(named.use, device, guidance=guidance, size=size, given=params)


def _looks(text: str | None, steps: int) -> list[int]:
    """Where to look; by default at no more than the steps there are."""
    if text is None:
        return [look for look in LOOKS if look <= steps]
    looks = parse_numbers(text, "--look")
    if looks[-1] > steps:
        raise ResultsError(f"--look {text}: a preview comes after at most --steps {steps} evaluations")
    return looks


def _options(**given: Any) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in given.items() if value is not None}


def _start_image(path: Path | None) -> "Image | None":
    if path is None:
        return None
    from sn_eval.video import read_image

    return read_image(path)


def dev_prompts() -> list[str]:
    """The built-in prompts for trying things out; never used in reported comparisons."""
    import yaml

    path = suites_path("dev_prompts.yaml")
    try:
        return list(yaml.safe_load(path.read_text(encoding="utf-8"))["prompts"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ResultsError(f"cannot read the prompts of {path}; give your own with --prompt") from error
