"""`sn-eval tabletop`: look at a scene of the rendered world, train a model on that world, check it."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.components import Device, pick_device, writable_folder
from sn_eval.cli.console import (
    DONE,
    FAILED,
    AsJson,
    Bar,
    Bars,
    Quiet,
    friendly,
    plain,
    print_json,
    progress,
    say,
    show_table,
)
from sn_eval.cli.models import dev_prompts

if TYPE_CHECKING:
    from torch import Tensor

    from sn_eval.tabletop.render import Rendered
    from sn_eval.tabletop.scene import Scene
    from sn_eval.tabletop.train import Recipe, Training

BLOCK = 32  # frames rendered at a time
COLUMNS = 8  # of a contact sheet
SHEET_PROMPTS, SHEET_CHUNKS = 4, 3
EXISTING = typer.Argument(help="Folder of the weights; without one, the embedded model.")


# --- scene ------------------------------------------------------------------------------------------------


def scene(
    prompt: Annotated[str, typer.Argument(help="What happens, e.g. 'a red ball rolls to the left'.")],
    seed: Annotated[int, typer.Option(help="Decides what the prompt leaves open.")] = 0,
    frames: Annotated[int, typer.Option(min=1, help="Length; there are 8 frames a second.")] = 48,
    out: Annotated[Path, typer.Option(help="Folder for the video, the sheet and the truth.")] = Path("scene"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Render the scene that a prompt and a seed stand for, with its ground truth.

    Writes scene.mp4, contact_sheet.png and truth.json (where everything is, the light, the spilled wine).
    `generate` starts a video from the first frames of the same scene.

    Example: sn-eval tabletop scene "a blue ball rolls toward a glass of red wine" --seed 3
    """
    from sn_eval.models.tabletop import TabletopModel
    from sn_eval.results.files import write_whole
    from sn_eval.tabletop.scene import FPS
    from sn_eval.video import VideoWriter

    found = TabletopModel.scene(prompt, seed)
    truth = Truth(found)
    writable_folder(out)
    video = VideoWriter(out / "scene.mp4", fps=FPS, scale=6)
    with friendly(kept=out), progress(quiet=quiet) as bars, video as writer:
        bar = bars.add("rendering", frames)
        for rendered in _blocks(found, frames):
            writer.write(rendered.frames[0])
            truth.add(rendered)
            bar(writer.frames)
    told = {"prompt": prompt, "caption": found.said.caption(), "seed": seed, "fps": FPS, **truth.as_dict()}
    write_whole(out / "truth.json", json.dumps(plain(told)) + "\n")
    _scene_sheet(found, frames, out / "contact_sheet.png", f"{prompt}\nseed {seed}")
    paths = {name: out / name for name in ("scene.mp4", "contact_sheet.png", "truth.json")}
    if as_json:
        print_json({"caption": told["caption"], "frames": frames, "files": list(paths.values())})
        return
    say(f"shows: {found.said.caption()}")
    for path in paths.values():
        say(str(path))


@dataclass
class Truth:
    """The renderer's own truth by frame: centres (x, y) and areas in pixels, light 0..1, spilled wine."""

    scene: "Scene"
    centres: list[list[list[float]]] = field(default_factory=list)  # frame, object, (x, y)
    areas: list[list[float]] = field(default_factory=list)  # frame, object
    light: list[float] = field(default_factory=list)
    spill: list[float] = field(default_factory=list)

    def add(self, rendered: "Rendered") -> None:
        """Further frames."""
        import torch

        masks = rendered.masks[0, :, : len(self.scene.things)]
        places = torch.arange(masks.shape[-1]) + 0.5
        area = masks.sum((-1, -2))
        x, y = (masks.sum(dim) @ places / area for dim in (-2, -1))  # 0/0 is NaN: nothing of it is seen
        self.centres += _rounded(torch.stack([x, y], -1))
        self.areas += _rounded(area)
        self.light += _rounded(rendered.motion.level[0])
        self.spill += _rounded(rendered.spilled[0].sum((-1, -2)))

    def as_dict(self) -> dict[str, Any]:
        """Each object with its centre and area in every frame; then the light and the spill by frame."""
        objects = [
            {"kind": thing.kind, "colour": thing.colour, "motion": thing.motion, "lane": thing.lane,
             "centre": [frame[i] for frame in self.centres], "area": [frame[i] for frame in self.areas]}
            for i, thing in enumerate(self.scene.things)
        ]  # fmt: skip
        setting = {key: value for key, value in asdict(self.scene).items() if key not in ("things", "said")}
        return {"scene": setting, "objects": objects, "light_level": self.light, "spill_area": self.spill}


def _rounded(values: "Tensor") -> list[Any]:
    """As lists, with three decimals."""
    return values.double().round(decimals=3).tolist()


def _blocks(scene: "Scene", frames: int) -> "Iterator[Rendered]":
    """The scene, a few frames at a time, so that length costs no memory."""
    from sn_eval.tabletop.render import clip

    for start in range(0, frames, BLOCK):
        yield clip(scene, min(BLOCK, frames - start), float(start))


def _scene_sheet(scene: "Scene", frames: int, path: Path, caption: str) -> None:
    from sn_eval.tabletop.scene import FPS
    from sn_eval.video import SheetRow, contact_sheet, save_image, spread

    times = spread(frames, COLUMNS)
    save_image(contact_sheet([SheetRow("rendered", at(scene, times))], times, caption=caption, fps=FPS), path)


def at(scene: "Scene", times: list[int]) -> Any:
    """The scene's frames [t 3 h w] at these times."""
    import torch

    from sn_eval.tabletop.render import render

    return render([scene], torch.tensor([times], dtype=torch.float32)).frames[0]


# --- train ------------------------------------------------------------------------------------------------


def train(
    out: Annotated[Path, typer.Option(help="Folder for weights, checkpoint and contact sheets.")],
    minutes: Annotated[float, typer.Option(min=0.01, help="In all; earlier, resumed runs count.")] = 150.0,
    device: Device = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Clips a step; much larger on a GPU.")] = 16,
    seed: Annotated[int, typer.Option(help="Decides scenes, noise and first weights.")] = 0,
    every: Annotated[float, typer.Option("--checkpoint-minutes", min=0.0, help="Time between checkpoints.")] = 5.0,
    start_from: Annotated[
        Path | None, typer.Option(help="Folder with weights to begin with, e.g. data/models/tabletop.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train the embedded model from rendered scenes; a run that was stopped goes on from its checkpoint.

    At each checkpoint the averaged weights are saved, and a contact sheet shows what they make.

    Example: sn-eval tabletop train --out my_model --minutes 150
    """
    from sn_eval.tabletop import train as training
    from sn_eval.tabletop.train import Recipe

    place, recipe = str(pick_device(device)), Recipe(batch=batch, seed=seed)
    writable_folder(out)
    with friendly(kept=out), progress(quiet=quiet) as bars:
        bars.say(f"rendering the first {recipe.clips_at_start} clips; then training on {place}")
        watch = Watch(out, recipe, place, bars, bars.add("training", 1.0))
        try:
            made = training.train(out, minutes, recipe, place, every, start_from, watch.step, watch.checkpoint)
        except KeyboardInterrupt:
            watch.keep()
            raise
    result = {"out": out, "steps": made.step, "minutes": made.seconds / 60, "loss": watch.loss,
              "sheets": watch.sheets}  # fmt: skip
    if as_json:
        print_json(result)
        return
    say(f"{made.step} steps in {made.seconds / 60:.1f} min, loss {watch.loss:.3f}: weights in {out}")
    say(f"See {watch.sheets[-1]}, then measure it: sn-eval tabletop check {out}")


@dataclass
class Watch:
    """Follows a training: shows the smoothed loss, draws contact sheets, keeps the work when stopped."""

    out: Path
    recipe: "Recipe"
    device: str
    bars: Bars
    bar: Bar
    loss: float = math.nan
    latest: "Training | None" = None
    sheets: list[Path] = field(default_factory=list)

    def step(self, training: "Training", loss: float, done: float) -> None:
        """One step's loss; `done` 0..1."""
        if self.latest is None and training.step > 1:
            self.bars.say(f"going on from step {training.step - 1}")
        self.latest = training
        self.loss = loss if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * loss
        self.bar(min(done, 1.0), 1.0, f"step {training.step}, loss {self.loss:.3f}")

    def checkpoint(self, training: "Training") -> None:
        """Save the average's weights and show what they make."""
        from sn_eval.tabletop.train import save_weights

        save_weights(training, self.recipe, self.out)
        path = self.out / "sheets" / f"step_{training.step:06d}.png"
        draw_sheet(self.out, self.device, path, f"after {training.step} steps, loss {self.loss:.3f}")
        self.sheets.append(path)

    def keep(self) -> None:
        """The checkpoint and the weights of the last step, so that nothing is lost."""
        from sn_eval.tabletop.train import save_weights

        if self.latest is not None:
            self.latest.save(self.out / "checkpoint.pt")
            save_weights(self.latest, self.recipe, self.out)


def draw_sheet(weights: Path, device: str, path: Path, caption: str) -> None:
    """What the model makes of a few prompts, above what really happens."""
    from sn_eval.models.tabletop import TabletopModel
    from sn_eval.rollouts.chunk import ChunkRollout
    from sn_eval.video import SheetRow, contact_sheet, save_image, spread

    model = TabletopModel(path=str(weights), device=device)
    rollout = ChunkRollout(model, chunks=SHEET_CHUNKS)
    times, rows = spread(rollout.frames, COLUMNS), []
    for prompt in dev_prompts()[:SHEET_PROMPTS]:
        real = at(model.scene(prompt, 0), [model.context_frames + t for t in times])
        label = "\n".join(prompt.split(", on a ")[0].split(", "))  # what happens; the setting can be seen
        rows += [SheetRow(f"{label}\n(made)", _made(rollout, prompt)[times]), SheetRow("(rendered)", real)]
    save_image(contact_sheet(rows, times, caption=caption, fps=model.fps, tile=64), path)


def _made(rollout: Any, prompt: str) -> Any:
    """All frames [t 3 h w] of the plain sampler's video."""
    import torch

    from sn_eval import search

    frames: list[torch.Tensor] = []
    search.create("plain")(rollout, None, [prompt], emit=frames.append, seed=0)
    return torch.cat(frames)


# --- check ------------------------------------------------------------------------------------------------


def check(
    model: Annotated[Path | None, EXISTING] = None,
    scenes: Annotated[int, typer.Option(min=4, help="Held-out scenes; 64 or more to decide on.")] = 64,
    draw: Annotated[int, typer.Option(help="Which held-out scenes; 0 is reported, choose settings on others.")] = 0,
    guidance: Annotated[float, typer.Option(help="Classifier-free guidance; 1 is none.")] = 1.0,
    context_noise: Annotated[
        float | None, typer.Option(help="Level the context is noised to [the model's own default].")
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a tabletop model on scenes that it never saw, against what really happens in them.

    Exit code 1 where a gate is missed.

    Example: sn-eval tabletop check my_model --scenes 128
    """
    from sn_eval.audit import gates
    from sn_eval.models.tabletop import TabletopModel

    chosen: dict[str, Any] = {} if context_noise is None else {"context_noise": context_noise}
    weights = None if model is None else str(model)
    player = TabletopModel(weights, guidance, device=str(pick_device(device)), **chosen)
    with progress(quiet=quiet) as bars:
        found = gates.check(player, scenes, draw, on_progress=bars.add("held-out scenes"))
    passed = all(gate.passed for gate in found)
    if as_json:
        print_json({"passed": passed, "scenes": scenes, "draw": draw, "gates": found})
    else:
        show_gates(found)
    raise typer.Exit(DONE if passed else FAILED)


def show_gates(found: list[Any]) -> None:
    """The gates as a table."""
    rows = [
        ("ok" if g.passed else "MISSED", g.what, g.value, _interval(g.low, g.high), g.must, g.n, g.note) for g in found
    ]
    missed = sum(not gate.passed for gate in found)
    note = f"{missed} of {len(found)} gates missed" if missed else f"all {len(found)} gates passed"
    show_table("Gates", ("", "what", "figure", "95 % interval", "must be", "n", "note"), rows, note)


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.3g} … {high:.3g}"
