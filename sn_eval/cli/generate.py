"""`sn-eval generate`: one long video from a prompt, searched or plain, with its trace, its cost and its picture."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from sn_eval.cli.components import Device, ModelParam, RewardParam, parse_params, pick_device, reward_named
from sn_eval.cli.console import AsJson, Quiet, friendly, print_json, progress, say, show_table

Option = typer.Option
_NONE: Mapping[str, Any] = {}
SHOWN = ("video.mp4", "contact_sheet.png", "search.png", "trace.jsonl", "record.json")
MADE = (*SHOWN[:-1], "video.partial.mp4", "candidates.jpg", "candidates.json")  # what a run leaves that did not finish


def generate(
    prompt: Annotated[str, typer.Argument(help="What the video shows, e.g. 'a red ball rolls to the left'.")],
    out: Annotated[Path, Option(help="Folder for video.mp4, contact_sheet.png, trace.jsonl, record.json.")] = Path(
        "out"
    ),
    model: Annotated[
        str, Option(help="tabletop, gaussian, a model folder, a hub id, pkg.mod:attr or file.py:attr.")
    ] = "tabletop",
    model_param: ModelParam = None,
    method: Annotated[
        str, Option(help="plain, random_pick, best_of_n, scaling_noise, halving, … or your own.")
    ] = "scaling_noise",
    reward: Annotated[
        str, Option(help="What the search looks for: a reward's name, pkg.mod:attr or file.py:attr.")
    ] = "tabletop_quality",
    reward_param: RewardParam = None,
    rollout: Annotated[
        str, Option(help="chunk (piece by piece) or fifo (a queue; needs per-frame noise levels).")
    ] = "chunk",
    image: Annotated[
        Path | None, Option(help="Start image; without one the tabletop model renders the prompt's scene.")
    ] = None,
    schedule: Annotated[
        Path | None, Option(help="Text file with a prompt a line: one a chunk, the last one repeats.")
    ] = None,
    chunks: Annotated[int | None, Option(help="Pieces of the video [6].")] = None,
    seconds: Annotated[float | None, Option(help="Length in place of --chunks.")] = None,
    steps: Annotated[int | None, Option(help="Denoising steps [8 for chunk, 12 for fifo].")] = None,
    guidance: Annotated[
        float | None, Option(help="Classifier-free guidance; 1 is none and costs half [the model's own].")
    ] = None,
    size: Annotated[str | None, Option(help="WxH of the frames, e.g. 512x320 [the model's own].")] = None,
    beams: Annotated[int | None, Option(help="Videos kept side by side while searching.")] = None,
    candidates: Annotated[
        int | None, Option(help="Noises tried a beam and piece (videos, for best_of_n and random_pick).")
    ] = None,
    look: Annotated[int | None, Option(help="Denoising steps before a candidate is judged.")] = None,
    preview: Annotated[
        str | None, Option(help="early (the first steps, reused), ahead, coarse (a short run of its own) or draft.")
    ] = None,
    proposals: Annotated[str | None, Option(help="Where candidates come from, e.g. gaussian or local,tilted.")] = None,
    eta: Annotated[float | None, Option(help="0 deterministic … 1 ancestral sampler.")] = None,
    seed: Annotated[int, Option(help="Decides the scene and all noise.")] = 0,
    budget: Annotated[
        int | None, Option(help="Denoiser evaluations (NFE) to size the method to; guidance counts 2.")
    ] = None,
    max_batch: Annotated[
        int | None, Option(help="Samples in one network call; halves itself when memory runs out.")
    ] = None,
    device: Device = "cpu",
    scale: Annotated[int, Option(help="Whole-number enlargement of the written video.")] = 4,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make one long video.

    The default is ScalingNoise: at each chunk several noises are tried, previewed, judged, and only the best finished.

    Examples:

      sn-eval generate "a blue cube slides to the right, on a marble table" --out first

      sn-eval generate "a red ball rolls toward a glass of red wine" --method best_of_n --candidates 4 --out bon

      sn-eval generate "a green ball rolls back and forth" --rollout fifo --steps 12 --out fifo
    """
    with friendly(kept=out), progress(quiet=quiet) as bars:
        from rewards.base import UserError
        from sn_eval.poc.cell import check_prompts, run_cell
        from sn_eval.poc.fingerprint import fingerprinted
        from sn_eval.results import record as records

        prompts = check_prompts([prompt] if schedule is None else _lines(schedule))
        if chunks is not None and seconds is not None:
            raise UserError("--chunks and --seconds both say how long; give one")
        if scale < 1:
            raise UserError(f"--scale {scale}: it must be 1 or more")
        bars.say(f"loading {model}")
        player, named = load_model(
            model, device, guidance=guidance, size=size, given=parse_params(model_param or [], "--model-param")
        )
        if seconds is not None:
            if not (math.isfinite(seconds) and seconds > 0):
                raise UserError(f"--seconds {seconds}: it must be above 0")
            chunks = math.ceil(seconds * player.fps / player.frames_per_chunk)
        if preview is None and player.capability == "black_box":
            preview = "coarse"  # the only kind that every one of them has
        cell = _cell(
            prompts, named, rollout, method, reward_named(reward, reward_param), seed, budget, image,
            {"chunks": chunks, "steps": steps, "preview": preview, "eta": eta, "max_batch": max_batch},
            {"beams": beams, "candidates": candidates, "look": look, "proposals": proposals},
        )  # fmt: skip
        judge, start = _reward(cell.reward, method), _image(image)
        _check(cell, player, start)
        folder = _empty(out)
        cell = fingerprinted(cell, player)
        bar = bars.add(f"{method}: {prompts[0][:48]}")
        made = run_cell(cell, folder, player, judge, image=start, scale=scale, on_progress=bar)
        records.save(made.record, folder)
    _report(made.record, folder, as_json)


def load_model(
    use: str, device: str, *, guidance: float | None = None, size: str | None = None, given: Mapping[str, Any] = _NONE
) -> tuple[Any, Any]:
    """The model behind a name, a folder or a hub id, and the component that the record keeps.

    given: further parameters; those that an option names as well are the option's.
    """
    from sn_eval import models
    from sn_eval.poc.spec import model_named
    from sn_eval.results.record import Component

    place = str(pick_device(device))
    named = model_named(use)
    takes = {parameter.name for parameter in models.describe(named.use).parameters}
    params = {**named.params, **given}
    if place != "cpu" and not (device == "auto" and "device" not in takes):
        params["device"] = place
    if guidance is not None:
        params["guidance"] = guidance
    if size is not None:
        params |= _sized(named.use, size, takes)
    return models.create(named.use, **params), Component(use=named.use, params=params)


def _sized(name: str, size: str, takes: set[str]) -> dict[str, Any]:
    """The parameters that set the size of a model's frames."""
    from rewards.base import UserError

    width, height = _size(size)
    if {"width", "height"} <= takes:
        return {"width": width, "height": height}
    if name != "tabletop":
        raise UserError(f"--size {size}: model {name!r} takes no size here; set it where the model is made")
    if (width, height) != (64, 64):
        raise UserError(f"--size {size}: the tabletop model makes 64x64; leave --size out")
    return {}


def _check(cell: Any, model: Any, image: Any) -> None:
    """Everything that can be wrong is told before anything is made or removed."""
    from sn_eval.poc.cell import check_cell

    check_cell(cell, model)
    for prompt in dict.fromkeys(cell.prompts):
        model.condition([prompt], [model.start(prompt, image, cell.seed)])


def _size(text: str) -> tuple[int, int]:
    from rewards.base import UserError

    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UserError(f"--size {text!r}: write WIDTHxHEIGHT, e.g. 512x320")
    return int(width), int(height)


def _lines(path: Path) -> list[str]:
    """Prompts of a schedule file, one a line; empty lines and # comments are passed over."""
    from rewards.base import UserError

    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read schedule {path}: {error}") from error
    return [line for line in lines if line and not line.startswith("#")]


def _cell(
    prompts: tuple[str, ...], model: Any, rollout: str, method: str, reward: Any, seed: int, budget: int | None,
    image: Path | None, how: dict[str, Any], knobs: dict[str, Any],
) -> Any:  # fmt: skip
    """The cell that the options describe; what was not given keeps the component's own default."""
    from sn_eval.poc.cell import Cell
    from sn_eval.results.record import Component

    knobs = {key: value for key, value in knobs.items() if value is not None}
    how = {key: value for key, value in how.items() if value is not None}
    if "proposals" in knobs:
        knobs["proposals"] = [name.strip() for name in knobs["proposals"].split(",")]
    if method in ("best_of_n", "random_pick") and "candidates" in knobs:
        knobs["videos"] = knobs.pop("candidates")
    return Cell(
        prompts, model, Component(use=rollout, params=how), Component(use=method, params=knobs),
        reward, (), seed, budget, None if image is None else str(image),
    )  # fmt: skip


def _reward(named: Any, method: str) -> Any:
    import rewards

    if method in ("plain", "plain_more_steps", "random_pick"):
        return None
    return rewards.create(named.use, **named.params)


def _image(path: Path | None) -> Any:
    from sn_eval.video import read_image

    return None if path is None else read_image(path)


def _empty(out: Path) -> Path:
    """The output folder; what an unfinished run of ours left there is cleared, nothing else is ever removed."""
    from rewards.base import UserError
    from sn_eval.results.files import cannot_write

    if (out / "record.json").exists():
        raise UserError(f"{out} holds a finished video: choose another --out, or delete it")
    if (out / "video.mp4").exists() and not (out / "trace.jsonl").exists():
        raise UserError(f"{out} holds a video.mp4 that is not ours: choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        ours = (out / "trace.jsonl").exists()
        for name in MADE if ours else ():
            (out / name).unlink(missing_ok=True)
        if shutil.disk_usage(out).free < 1 << 20:
            raise UserError(f"less than 1 MiB is free in {out}: free some space or choose another --out")
    except OSError as error:
        raise cannot_write(out, error) from error
    return out


def _report(record: Any, folder: Path, as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(folder), **record.model_dump(mode="json")})
        return
    cost = record.cost
    rows = [
        ["video", f"{record.frames} frames, {record.seconds_of_video:.1f} s, {record.width}x{record.height}"],
        ["method", record.method.use],
        ["denoiser evaluations", f"{cost.nfe.value:.0f}, of which previews {cost.nfe_preview.value or 0:.0f}"],
        ["seconds", f"{cost.seconds.total:.1f}"],
        *([name, value] for name, value in record.scores.items()),
    ]
    show_table(record.prompt, ["", ""], rows)
    for name in SHOWN:
        if (folder / name).exists():
            say(str(folder / name))
