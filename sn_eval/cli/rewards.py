"""`sn-eval rewards`: what can steer a search, a file of one's own to begin with, and scores of clips at hand."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from sn_eval.cli.components import in_short, parse_params, show_one
from sn_eval.cli.console import (
    PARTIAL,
    WRONG_INPUT,
    AsJson,
    Quiet,
    cell_text,
    err,
    plain,
    print_json,
    progress,
    say,
    show_table,
)
from sn_eval.results.files import ResultsError, write_whole

if TYPE_CHECKING:
    from rewards.base import Reward, RewardSpec, Scores

Option = typer.Option
Use = Annotated[str, typer.Argument(help="A name, pkg.mod:attr or path/file.py:attr.")]


# --- what there is ----------------------------------------------------------------------------------------


def list_rewards(as_json: AsJson = False) -> None:
    """List the rewards that a search can follow: what they measure, with what, and what they cost.

    Example: sn-eval rewards list
    """
    import rewards

    found = [(in_short(rewards.describe(name)), _spec(name)[0]) for name in rewards.names()]
    if as_json:
        print_json([{**plain(described), "spec": spec} for described, spec in found])
        return
    rows = [
        (d.name, d.summary, ", ".join(p.name for p in d.parameters), *(_declared(spec).values() if spec else ["–"] * 4))
        for d, spec in found
    ]
    columns = ("name", "what it is", "parameters", "family", "range", "needs", "cost")
    show_table("Rewards", columns, rows, "– depends on its parameters: `sn-eval rewards show NAME`")


def show(use: Use, as_json: AsJson = False) -> None:
    """Explain one reward: what it measures, what it declares about itself, and its parameters.

    Example: sn-eval rewards show object_persistence
    """
    import rewards

    spec, why = _spec(use)
    if as_json:
        print_json({**plain(rewards.describe(use)), "spec": spec})
        return
    show_one(rewards.registry, use, as_json)
    if spec is None:
        say(f"What it declares depends on its parameters: {why}")
        return
    tested = {"must fall under": ", ".join(spec.falls_under), "must hold under": ", ".join(spec.holds_under)}
    rows = [(key, value or "–") for key, value in {**_declared(spec), **tested}.items()]
    show_table("What it declares", ("", ""), rows)


def _spec(use: str) -> "tuple[RewardSpec | None, str]":
    """What a reward declares with its default parameters; None, and why, where it cannot be made without."""
    import rewards

    target = rewards.resolve(use)
    if hasattr(target, "declared"):
        return target.declared, ""
    try:
        return rewards.create(use).spec, ""
    except rewards.UserError as error:
        return None, str(error)


def _declared(spec: "RewardSpec") -> dict[str, str]:
    """What a reward declares, in words."""
    return {
        "family": ", ".join(spec.families),
        "range": f"{cell_text(spec.range[0])} … {cell_text(spec.range[1])}",
        "needs": ", ".join(spec.needs) or "nothing",
        "cost": spec.cost,
    }


# --- a reward of one's own --------------------------------------------------------------------------------


def new(
    name: Annotated[str | None, typer.Argument(help="What the reward is called, such as my_shop.")] = None,
    template: Annotated[str, Option(help="What to begin with; --list names them all.")] = "blank",
    out: Annotated[Path, Option(help="Folder for the files.")] = Path(),
    list_templates: Annotated[bool, Option("--list", help="List the templates, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a working reward to change: NAME.py, NAME.yaml with weights and acceptance criteria, test_NAME.py.

    Example: sn-eval rewards new my_shop --template product_tabletop
    """
    from rewards.templates import scaffold

    if list_templates:
        found = scaffold.choices()
        if as_json:
            print_json(found)
        else:
            show_table("Templates", ("name", "what for"), list(found.items()))
        return
    if name is None:
        raise ResultsError("rewards new needs a NAME, such as: sn-eval rewards new my_shop --template product_tabletop")
    files = scaffold.write(name, template, out)
    use = f"{files[0]}:{name}"
    following = [
        f"sn-eval rewards show {use}",
        f"sn-eval rewards score {use} CLIP.mp4 --prompt 'what the clip shows'",
        f"sn-eval rewards audit {use}",
    ]
    if as_json:
        print_json({"use": use, "files": files, "next": following})
        return
    for file in files:
        say(f"wrote {file}")
    say(f"name it {use} wherever a reward is named (--reward); next:")
    for command in following:
        say(f"  {command}")


# --- scores of clips --------------------------------------------------------------------------------------


def score(
    use: Use,
    clips: Annotated[list[Path], typer.Argument(help="Video files; their sizes and lengths may differ.")],
    prompt: Annotated[str, Option(help="What every clip shows.")] = "",
    prompts_from: Annotated[
        Path | None, Option(help="CSV with the columns clip and prompt, for clips of unlike prompts.")
    ] = None,
    anchor: Annotated[
        Path | None, Option(help="The picture that clips must stay true to [each clip's first frame].")
    ] = None,
    param: Annotated[list[str] | None, Option(help="A parameter of the reward, key=value; may be repeated.")] = None,
    per_frame: Annotated[bool, Option("--per-frame", help="A row for every frame in place of the parts.")] = False,
    out: Annotated[Path | None, Option(help="Write the table as CSV here, too.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score video files: the value and its parts, one row a clip; – means not scored.

    A file that cannot be read is reported, the others are scored, and the exit code is then 3.

    Example: sn-eval rewards score object_persistence a.mp4 b.mp4 --prompt "a red ball rolls" --out scores.csv
    """
    import rewards

    made = rewards.create(use, **parse_params(param or []))
    prompts = _prompts(made, clips, prompt, prompts_from)
    scored: list[Scored] = []
    failed: dict[str, str] = {}
    try:
        with progress(quiet=quiet) as bars:
            bar = bars.add(f"scoring with {made.spec.name}", len(clips))
            for clip, text in zip(clips, prompts, strict=True):
                try:
                    frames, fps, first = _read(clip, anchor)
                except rewards.UserError as error:
                    failed[str(clip)] = str(error)
                    err.print(Text(f"not scored: {error}"), soft_wrap=True)
                else:
                    scores = made(frames, [text], fps=fps, anchor=first)
                    scored.append(Scored.of(scores, str(clip), text, frames.shape[1], fps))
                bar(len(scored) + len(failed))
    finally:  # a reward that fails, or Ctrl-C, leaves what was finished
        table = _table(scored, made.spec.name, per_frame, needed=out is not None or not as_json)
        if out is not None:
            write_whole(out, _csv(table))
    if as_json:
        shown = [clip.as_dict(per_frame) for clip in scored]
        judged = list(_judged(made, scored))
        print_json({"reward": made.spec, "clips": shown, "failed": failed, "acceptance": judged})
    else:
        _show(made, scored, table)
    if failed:
        raise typer.Exit(PARTIAL if scored else WRONG_INPUT)


@dataclass(frozen=True)
class Scored:
    """A clip and its score; NaN is not scored."""

    clip: str
    prompt: str
    frames: int
    fps: float
    value: float
    parts: Mapping[str, float]
    per_frame: Sequence[float] | None

    @classmethod
    def of(cls, scores: "Scores", clip: str, prompt: str, frames: int, fps: float) -> "Scored":
        """From a batch of one."""
        parts = {name: part[0].item() for name, part in scores.parts.items()}
        by_frame = None if scores.per_frame is None else scores.per_frame[0].tolist()
        return cls(clip, prompt, frames, fps, scores.values[0].item(), parts, by_frame)

    def row(self) -> dict[str, Any]:
        """A row of the table."""
        return {"clip": self.clip, "value": self.value, **self.parts}

    def as_dict(self, per_frame: bool) -> dict[str, Any]:
        """For machines."""
        fields = dict(vars(self))
        return fields if per_frame else {key: value for key, value in fields.items() if key != "per_frame"}


def _prompts(made: "Reward", clips: Sequence[Path], prompt: str, table: Path | None) -> list[str]:
    """A prompt for every clip; ResultsError where one is needed and not given."""
    known = {} if table is None else _prompt_table(table)
    texts = [known.get(str(clip), known.get(clip.name, prompt)) for clip in clips]
    without = [str(clip) for clip, text in zip(clips, texts, strict=True) if not text.strip()]
    if without and ("prompt" in made.spec.needs or table is not None):
        raise ResultsError(f"no prompt for {without[0]}: give --prompt, or a row for it in --prompts-from FILE.csv")
    return texts


def _prompt_table(path: Path) -> dict[str, str]:
    """Prompts by clip, named by path or by file name."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(f"cannot read {path}: {error}. Give a CSV with the columns clip and prompt") from error
    if not rows or not {"clip", "prompt"} <= rows[0].keys():
        raise ResultsError(f"{path} must have the columns clip and prompt, and a row a clip")
    return {row["clip"]: row["prompt"] or "" for row in rows}


def _read(clip: Path, anchor: Path | None) -> tuple[Any, float, Any]:
    """A clip as [1 t 3 h w] in 0..1, its frames a second, and its anchor [1 1 3 h w], cropped to its size."""
    from rewards.base import UserError
    from sn_eval.video import probe, read_image, read_video

    frames = read_video(clip)
    if len(frames) < 2:
        raise UserError(f"{clip} holds {len(frames)} frame: a video has two or more")
    height, width = frames.shape[-2:]
    first = None if anchor is None else read_image(anchor, (width, height))[None, None]
    return frames[None].float() / 255, probe(clip).fps, first


def _table(scored: Sequence[Scored], name: str, per_frame: bool, *, needed: bool) -> list[dict[str, Any]]:
    """Rows of the table; where none is needed (JSON says null of what is not measured frame by frame), none."""
    if not needed:
        return []
    return _by_frame(scored, name) if per_frame else [clip.row() for clip in scored]


def _by_frame(scored: Sequence[Scored], name: str) -> list[dict[str, Any]]:
    """A row for every frame of every clip."""
    if any(clip.per_frame is None for clip in scored):
        raise ResultsError(f"reward {name!r} scores videos as a whole: leave --per-frame out")
    return [
        {"clip": clip.clip, "frame": number, "value": value}
        for clip in scored
        for number, value in enumerate(clip.per_frame or ())
    ]


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as CSV; what was not scored is left empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value != value else value for key, value in row.items()} for row in rows)
    return file.getvalue()


def _show(made: "Reward", scored: Sequence[Scored], table: Sequence[Mapping[str, Any]]) -> None:
    """The table, and how far the criteria of a reward that has some are met."""
    if not table:
        return
    columns = [key for key in dict.fromkeys(key for row in table for key in row) if "/" not in key]
    rows = [[row.get(column) for column in columns] for row in table]
    inner = any("/" in key for key in table[0])
    note = "Parts of parts are in --json and --out." if inner else ""
    show_table(f"{made.spec.name}, {' … '.join(map(cell_text, made.spec.range))}", columns, rows, note)
    judged = list(_judged(made, scored))
    if judged:
        rows = [list(row.values()) for row in judged]
        show_table("Acceptance, by share of scored clips", [key.replace("_", " ") for key in judged[0]], rows)


def _judged(made: "Reward", scored: Sequence[Scored]) -> Iterator[dict[str, Any]]:
    """How many clips keep each acceptance criterion, and whether these are enough."""
    for criterion in getattr(made, "acceptance", ()):
        share = criterion.share_of([{"value": clip.value, **clip.parts}[criterion.measure] for clip in scored])
        yield {
            "measure": criterion.measure,
            "rule": criterion.rule,
            "wanted": criterion.share,
            "found": share,
            "met": None if share is None else share >= criterion.share,
            "stands_for": criterion.stands_for,
        }
