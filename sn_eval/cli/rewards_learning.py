"""`sn-eval rewards fit` and `next`: a reward learned from labels, and what to label next.

Measuring clips takes the time, so every clip's features are kept beside the head (clip_features.jsonl), by the
content of the clip and the recipe: a stopped run goes on where it was, and further heads over them are quick.
"""

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.components import writable_folder
from sn_eval.cli.console import AsJson, Quiet, friendly, plain, print_json, progress, say, show_table
from sn_eval.results.files import ResultsError, cannot_write, write_whole

if TYPE_CHECKING:
    from rewards.labelling.clip_features import ClipFeatures
    from rewards.labelling.heads import Head
    from rewards.labelling.labels import Clip

Option = typer.Option
DEFAULT_REWARDS = "lighting_consistency,motion_floor,anchor_consistency,object_persistence"
VIDEOS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi")
CACHE = "clip_features.jsonl"
LISTS = (".csv", ".jsonl", ".ndjson")
MADE_BY = "sn-eval rewards fit"
USABLE = '''"""What people's labels say a good clip is; for `--reward`, written by `sn-eval rewards fit`."""

from pathlib import Path
from typing import Literal

from rewards.learned import Learned
from rewards.registry import component


@component({name!r})
def reward(spread_weight: float = 0.5, unfamiliar: Literal["flag", "nan"] = "flag") -> Learned:
    """The head beside this file; 0..1. Its figures stand in the card of the same name, in JSON."""
    return Learned(str(Path(__file__).with_name({head!r})), spread_weight, unfamiliar)
'''


def fit(
    labels: Annotated[
        list[Path],
        typer.Argument(help="CSV or JSONL: clip,label[,prompt,rater,fps,anchor] or clip_a,clip_b,preference[,prompt]."),
    ],
    out: Annotated[Path, Option(help="The head's file; its card, its reward file and its features lie beside it.")] = (
        Path("learned.skops")
    ),
    rewards: Annotated[
        str, Option(help="What the head looks at: rewards separated by commas (their values and parts), or none.")
    ] = DEFAULT_REWARDS,
    encoder: Annotated[
        str, Option(help="Look at pictures as well: an encoder such as imagenet-lite0@96 (slower), or none.")
    ] = "none",
    folds: Annotated[int, Option(help="Parts that the prompts are divided into; each is tested once.", min=2)] = 5,
    members: Annotated[int, Option(help="Members of the ensemble; their spread says how unsure it is.", min=2)] = 20,
    seed: Annotated[int, Option(help="Decides all resampling.", min=0)] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a reward from labelled clips: pass/fail, grades 1 to 5, or which of two clips is better.

    Give a column prompt: clips of one prompt are then never in training and testing at once, and all figures tell
    how the reward does on prompts that it has not seen. Label clips like those that it will judge: a search judges
    pieces of a video, with the frames before them (column anchor).

    Example: sn-eval rewards fit labels.csv --out my_head.skops
    """
    cache = out.with_name(CACHE)
    with friendly(kept=cache), progress(quiet=quiet) as bars:
        from rewards.labelling.clip_features import ClipFeatures
        from rewards.labelling.heads import save_head
        from rewards.labelling.labels import read_labels
        from rewards.labelling.learn import check_enough, learn

        _check_out(out)
        given = read_labels(labels)
        check_enough(given, folds, members)
        features = ClipFeatures(_names(rewards), None if encoder == "none" else encoder)
        found = _measure(given.clips, features, cache, bars.add("measuring clips", len(given.clips)))
        head = learn(
            given, found, features.recipe, folds=folds, members=members, seed=seed, on_progress=bars.add("fitting")
        )
        save_head(head, out)
        card = {**head.card, "head": out.name, "made_by": MADE_BY, "label_files": list(map(str, labels))}
        write_whole(out.with_suffix(".json"), _json(card))
        write_whole(out.with_suffix(".py"), USABLE.format(name=out.stem, head=out.name))
    _report(card, out, as_json)


def propose(
    clips: Annotated[
        list[Path], typer.Argument(help="Videos, folders of videos, or a CSV with a column clip (and prompt).")
    ],
    head: Annotated[Path, Option(help="The head that `sn-eval rewards fit` wrote.")],
    count: Annotated[int, Option(help="How many to propose.", min=1)] = 20,
    labels: Annotated[
        list[Path] | None, Option(help="Label files: what is labelled there is not proposed again; may be repeated.")
    ] = None,
    out: Annotated[Path, Option(help="CSV to fill in and give to `sn-eval rewards fit`.")] = Path("to_label.csv"),
    seed: Annotated[int, Option(help="Decides the random fifth.", min=0)] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Propose which clips to label next: those that the head is least sure of, and a fifth at random.

    Example: sn-eval rewards next clips/ --head my_head.skops --labels labels.csv --out to_label.csv
    """
    cache = head.with_name(CACHE)
    with friendly(kept=cache), progress(quiet=quiet) as bars:
        from rewards.labelling.clip_features import ClipFeatures
        from rewards.labelling.heads import load_head

        _check_new(out)
        fitted = load_head(head)
        features = ClipFeatures.of(fitted.recipe, str(head))
        pool = _pool(clips, labels or [])
        found = _measure(pool, features, cache, bars.add("measuring clips", len(pool)))
        chosen = _proposals(fitted, pool, fitted.table(found), count, seed)
        write_whole(out, _to_label(fitted, chosen, out.parent))
    if as_json:
        print_json({"out": out, "proposals": [{**row, "clips": [c.path for c in row["clips"]]} for row in chosen]})
        return
    rows = [
        [", ".join(str(clip.path) for clip in row["clips"]), row["why"], row["disagreement"], row["unfamiliar"]]
        for row in chosen
    ]
    columns = ("clip" if fitted.kind != "pair" else "clips a, b", "why", "disagreement", "unfamiliar")
    show_table(f"To label next, of {len(pool)} clips", columns, rows)
    say(f"fill in {out}, then: sn-eval rewards fit {' '.join(map(str, [*(labels or []), out]))} --out {head}")


# --- before anything is measured --------------------------------------------------------------------------


def _check_out(out: Path) -> None:
    """Everything that will be written can be, and nothing is lost by it."""
    if out.suffix != ".skops":
        raise ResultsError(f"--out {out}: a head's file ends in .skops, e.g. {out.stem or 'my_head'}.skops")
    for beside in (out.with_suffix(".py"), out.with_suffix(".json")):
        if beside.exists() and MADE_BY not in beside.read_text(encoding="utf-8", errors="replace"):
            raise ResultsError(f"--out {out}: {beside} is not of our making and would be lost; choose another name")
    writable_folder(out.parent)


def _check_new(out: Path) -> None:
    if out.exists():
        raise ResultsError(f"{out} exists, perhaps with labels in it: choose another --out, or delete it")
    writable_folder(out.parent)


def _names(text: str) -> list[str]:
    return [] if text.strip() == "none" else [name.strip() for name in text.split(",") if name.strip()]


def _pool(given: Sequence[Path], labels: Sequence[Path]) -> list["Clip"]:
    """The clips that files, folders and lists name, each once, less those that are labelled already."""
    from rewards.base import UserError
    from rewards.encoders import file_digest
    from rewards.labelling.labels import Clip, read_clips

    done = {file_digest(clip.path) for path in labels for clip in read_clips(path, labelled=True)}
    pool: dict[str, Clip] = {}
    for path in given:
        for clip in read_clips(path) if path.suffix.lower() in LISTS else map(Clip, _videos(path)):
            pool.setdefault(file_digest(clip.path), clip)
    left = [clip for content, clip in pool.items() if content not in done]
    if not left:
        why = f"all {len(pool)} clips are labelled already" if pool else f"no videos in {', '.join(map(str, given))}"
        raise UserError(f"{why}: give other clips")
    return left


def _videos(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEOS)
    if not path.is_file():
        raise ResultsError(f"there is no clip {path}: give videos, folders of videos, or a CSV with a column clip")
    return [path]


# --- features ---------------------------------------------------------------------------------------------


def _measure(
    clips: Sequence["Clip"], features: "ClipFeatures", cache: Path, on_progress: Callable[[float, float], None]
) -> list[dict[str, float]]:
    """Every clip's features, from the cache where it knows them; new ones are added to it at once."""
    known = dict(_cached(cache))
    found = []
    for number, clip in enumerate(clips, 1):
        key = _key(clip, features)
        if key not in known:
            known[key] = _features_of(clip, features)
            _append(cache, {"key": key, "features": known[key]})
        found.append(known[key])
        on_progress(number, len(clips))
    return found


def _key(clip: "Clip", features: "ClipFeatures") -> str:
    """What decides a clip's features: its bytes, its anchor's, prompt, rate and recipe."""
    from rewards.encoders import file_digest

    anchor = None if clip.anchor is None else file_digest(clip.anchor)
    parts = [file_digest(clip.path), anchor, clip.prompt, clip.fps, features.recipe]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _features_of(clip: "Clip", features: "ClipFeatures") -> dict[str, float]:
    """Decode and measure one clip; a UserError names the clip."""
    from rewards.base import UserError
    from sn_eval.video import probe, read_video

    frames = read_video(clip.path)[None].float() / 255
    fps = clip.fps or probe(clip.path).fps
    if not fps > 0:
        raise UserError(f"{clip.path} does not say its frames a second: give a column fps")
    try:
        found = features(frames, [clip.prompt], fps=fps, anchor=_anchor(clip, frames.shape[-1], frames.shape[-2]))
    except UserError as error:
        raise UserError(f"{clip.path}: {error}") from error
    return {name: float(value) for name, value in found.items()}


def _anchor(clip: "Clip", width: int, height: int) -> Any:
    """The clip's earlier frames `[1 ta 3 h w]`: a video, or a picture cropped to the clip's size."""
    from sn_eval.video import read_image, read_video

    if clip.anchor is None:
        return None
    if clip.anchor.suffix.lower() in VIDEOS:
        return read_video(clip.anchor)[None].float() / 255
    return read_image(clip.anchor, (width, height))[None, None]


def _cached(path: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """What an earlier run has measured; a line that a killed run left unfinished is passed over."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            yield row["key"], row["features"]
        except (ValueError, KeyError, TypeError):
            continue


def _append(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line, on a line of its own even behind an unfinished one."""
    try:
        with path.open("ab+") as file:
            file.seek(-1 if file.tell() else 0, os.SEEK_END)
            begin = b"" if file.read(1) in (b"\n", b"") else b"\n"
            file.write(begin + json.dumps(row).encode() + b"\n")
    except OSError as error:
        raise cannot_write(path, error) from error


# --- proposals --------------------------------------------------------------------------------------------


def _proposals(head: "Head", pool: Sequence["Clip"], table: Any, count: int, seed: int) -> list[dict[str, Any]]:
    """The clips, or pairs of clips of one prompt (or folder), to label next, with the reason."""
    from rewards.base import UserError
    from rewards.labelling.next_labels import pairs, propose

    if head.kind == "pair":
        places: list[tuple[int, ...]] = list(
            pairs([clip.prompt or str(clip.path.resolve().parent) for clip in pool], seed=seed)
        )
        if not places:
            raise UserError("no two of these clips have the same prompt (or folder): give clips that can be compared")
        first, second = (table[[pair[side] for pair in places]] for side in (0, 1))
        disagreement = head.chances(first, second).mean(-1).std(0)
    else:
        places = [(place,) for place in range(len(pool))]
        disagreement = head.scores(table).std(0)
    strange = head.unfamiliar(table)
    return [
        {
            "clips": [pool[place] for place in places[i]],
            "why": why,
            "disagreement": float(disagreement[i]),
            "unfamiliar": any(bool(strange[place]) for place in places[i]),
        }
        for i, why in propose(disagreement, places, count, seed)
    ]


def _to_label(head: "Head", chosen: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """The CSV to fill in: paths count from its folder."""
    judgement = "preference" if head.kind == "pair" else "label"
    names = ["clip_a", "clip_b"] if head.kind == "pair" else ["clip"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, judgement, "prompt", "rater", "fps", "anchor", "note"])
    for row in chosen:
        clip = row["clips"][0]
        paths = [os.path.relpath(one.path, folder) for one in row["clips"]]
        anchor = "" if clip.anchor is None else os.path.relpath(clip.anchor, folder)
        writer.writerow([*paths, "", clip.prompt, "", clip.fps or "", anchor, row["why"]])
    return text.getvalue()


# --- what is said -----------------------------------------------------------------------------------------


def _json(data: Any) -> str:
    return json.dumps(plain(data), ensure_ascii=False, indent=2) + "\n"


def _report(card: Mapping[str, Any], out: Path, as_json: bool) -> None:
    usage = f"--reward {out.with_suffix('.py')}:reward"
    if as_json:
        print_json({**card, "use": usage})
        return
    judged = f"{card['labels']} labels ({card['kind']}) of {card['clips']} clips, {card['prompts']} prompts"
    rows = [[f["name"], f["value"], _range(f), f["baseline"]] for f in card["figures"]]
    show_table(f"On held-out prompts: {judged}", ("figure", "head", "95 % interval", "commonest label"), rows)
    shown = [[row["stated"], row["true"], row["count"]] for row in card["calibration"]["reliability"]]
    show_table(f"Calibration ({card['calibration']['how']})", ("chance stated", "true", "judgements"), shown)
    names = list(card["learning_curve"][0])
    show_table("Learning curve", names, [[point[name] for name in names] for point in card["learning_curve"]])
    if card["thresholds"]:
        rows = [[t["part"], t["threshold"], _range(t), t["balanced_accuracy"]] for t in card["thresholds"]]
        columns = ("accept from", "value", "95 % interval", "balanced accuracy, held out")
        show_table("Thresholds", columns, rows)
    for note in card["notes"]:
        say(f"note: {note}")
    say(f"{out}, {out.with_suffix('.json')}")
    say(f'use it: sn-eval generate "…" {usage}')


def _range(row: Mapping[str, Any]) -> str:
    """An interval in words; a dash where there is none."""
    return "–" if math.isnan(row["low"]) else f"{row['low']:.3g} … {row['high']:.3g}"
