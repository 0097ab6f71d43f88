"""`sn-eval tabletop train-clip` and `check-clip`: the small text–image model of the rendered world."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.components import writable_folder
from sn_eval.cli.console import DONE, FAILED, AsJson, Bars, Quiet, friendly, print_json, progress, say
from sn_eval.cli.tabletop import show_gates

if TYPE_CHECKING:
    from sn_eval.tabletop.train_clip import ClipTraining

Scenes = Annotated[int, typer.Option(min=4, help="Held-out rendered scenes to ask about; 400 to decide on.")]
Made = Annotated[int, typer.Option(min=0, help="Generated videos to ask about; 0 leaves them out.")]


def train_clip(
    out: Annotated[Path, typer.Option(help="Folder for weights, configuration and checkpoint.")],
    minutes: Annotated[float, typer.Option(min=0.01, help="In all; earlier, resumed runs count.")] = 15.0,
    batch: Annotated[int, typer.Option(min=2, help="Frames a step.")] = 64,
    seed: Annotated[int, typer.Option(help="Decides scenes, texts and first weights.")] = 0,
    every: Annotated[float, typer.Option("--checkpoint-minutes", min=0.0, help="Time between checkpoints.")] = 5.0,
    scenes: Scenes = 400,
    made: Made = 64,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train tabletop-clip on rendered frames and captions, then say how often it is right.

    A run that was stopped goes on from its checkpoint. The folder can be named as an encoder: open_clip:FOLDER.
    Exit code 1 where a goal is missed.

    Example: sn-eval tabletop train-clip --out my_clip --minutes 15
    """
    from sn_eval import models
    from sn_eval.tabletop import train_clip as training
    from sn_eval.tabletop.train_clip import ClipRecipe

    writable_folder(out)
    recipe = ClipRecipe(batch=batch, seed=seed)
    with friendly(kept=out), progress(quiet=quiet) as bars:
        bars.say(f"rendering the first {recipe.scenes_at_start} scenes")
        watch = Watch(bars)
        made_of = training.train(out, minutes, models.create("tabletop").codec, recipe, every, watch.step)
    spent = {"steps": made_of.step, "minutes": made_of.seconds / 60, "loss": watch.loss}
    _report(out, scenes, made, 0, as_json, quiet, spent)


def check_clip(
    folder: Annotated[Path | None, typer.Argument(help="Folder of the model; without one, the bundled one.")] = None,
    scenes: Scenes = 400,
    made: Made = 64,
    draw: Annotated[int, typer.Option(help="Which held-out scenes; 0 is reported, choose settings on others.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask tabletop-clip about frames that it never saw: rendered, decoded and generated ones.

    Exit code 1 where a goal is missed.

    Example: sn-eval tabletop check-clip my_clip
    """
    _report(folder, scenes, made, draw, as_json, quiet, {})


class Watch:
    """Shows the smoothed loss."""

    def __init__(self, bars: Bars) -> None:
        self.bars, self.bar = bars, bars.add("training", 1.0)
        self.loss: float | None = None
        self.begun = False

    def step(self, training: "ClipTraining", loss: float, done: float) -> None:
        """One step's loss; `done` 0..1."""
        if not self.begun and training.step > 1:
            self.bars.say(f"going on from step {training.step - 1}")
        self.begun = True
        self.loss = loss if self.loss is None else 0.98 * self.loss + 0.02 * loss
        self.bar(min(done, 1.0), 1.0, f"step {training.step}, loss {self.loss:.3f}")


def _report(
    folder: Path | None, scenes: int, made: int, draw: int, as_json: bool, quiet: bool, spent: dict[str, Any]
) -> None:
    """Measure, print, and exit with the verdict."""
    from rewards.encoders import create_encoder
    from sn_eval import models
    from sn_eval.audit.tabletop_clip import check_clip as check

    encoder = create_encoder("tabletop-clip" if folder is None else f"open_clip:{folder}")
    with progress(quiet=quiet) as bars:
        found = check(encoder, models.create("tabletop"), scenes, made, draw, bars.add("generating frames"))
    passed = all(gate.passed for gate in found)
    if as_json:
        identity = {"encoder": encoder.name, "sha256": encoder.sha256}
        print_json({"passed": passed, **identity, **spent, "scenes": scenes, "draw": draw, "gates": found})
    else:
        if spent:
            say(f"{spent['steps']} steps in {spent['minutes']:.1f} min: weights in {folder}")
        show_gates(found)
    raise typer.Exit(DONE if passed else FAILED)
