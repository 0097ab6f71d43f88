"""Which videos are evaluated and what is known of each: files, folders, globs and manifests; opened block by block."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from sn_eval.evaluation.manifest import CHUNK, Manifest, Row, read_manifest
from sn_eval.metrics.base import Clip, block_length
from sn_eval.results import record as records
from sn_eval.results.files import ResultsError
from sn_eval.tabletop.scene import parse
from sn_eval.video import VideoInfo, probe, read_image, stream_video, uneven_note

SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".gif", ".apng", ".y4m", ".mpg", ".mpeg", ".m2ts", ".mts",
    ".wmv", ".flv", ".ogv", ".3gp", ".mxf", ".mjpeg",
})  # fmt: skip
UNFINISHED = ".partial.mp4"
OWN = "video.mp4"  # beside a record.json it is one of our own runs
START = "start_frames"
NOT_UTF8 = "{} has a name that is not UTF-8, so no table can hold it: rename it"


@dataclass(frozen=True)
class Source:
    """One video to evaluate. fps: None where the file itself shall say. anchor: the picture that it was made from."""

    path: Path
    name: str
    prompt: str = ""
    fps: float | None = None
    anchor: Path | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """Videos in the order in which they were named, what cannot be evaluated (path → why), and what must be known."""

    sources: list[Source]
    failed: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_sources(paths: Sequence[str], manifest: Path | None = None) -> Found:
    """The videos behind files, folders and globs, and what a manifest and the records of our own runs say of them.

    Folders are searched through for videos; hidden and unfinished ones (*.partial.mp4) are left out. Without paths, all
    rows of the manifest are meant; with paths, the manifest only tells what is known of those, found by their path or
    else by a file name that is the only one of its kind. Names are unique: the file's (or our run's folder's), with as
    many folders in front as that takes. UserError where no video is left.
    """
    table = Manifest((), {}) if manifest is None else read_manifest(manifest)
    named, failed = _named(paths) if paths else _rows(table)
    failed |= table.failed
    once, notes = _once(named)
    if paths and manifest is not None:
        once = _joined(once, table)
        if untold := [str(path) for path, row in once if row is None]:
            notes.append(f"{manifest} says nothing of {_listed(untold)}")
    failed |= {repr(str(path)): NOT_UTF8.format(repr(str(path))) for path, _ in once if not _is_utf8(path)}
    drafts = [_Draft.of(path, row) for path, row in once if _is_utf8(path)]
    drafts = _with_unique_given_names(drafts, failed)
    if not drafts:
        raise UserError(f"no video to evaluate: {_first(failed, paths)}")
    notes += [draft.note for draft in drafts if draft.note]
    sources = [replace(draft.source, name=name) for draft, name in zip(drafts, _names(drafts), strict=True)]
    return Found(sources, failed, tuple(notes))


def open_source(
    source: Source, block: int | None = None, info: VideoInfo | None = None
) -> tuple[Clip, Iterator[Float[Tensor, "t 3 h w"]]]:
    """What is known of a video, and its frames: RGB 0..1, `block` at a time (None: as its size suggests).

    info: from `probe`, if that was asked already. UserError, in one line, for a video that cannot be read, or whose
    rate is not known; while the frames come, for one whose end is damaged.
    """
    info = info or probe(source.path)
    fps = source.fps or info.fps
    if not fps:
        raise UserError(f"{source.path} does not say its frames per second: give them in the column fps of a manifest")
    size = (info.width, info.height)
    reference = None if source.anchor is None else read_image(source.anchor, size)
    clip = Clip(source.name, source.prompt, fps, info.frames, reference, source.metadata, _notes(source, info))
    return clip, _blocks(source.path, info, block or block_length(info.height, info.width))


def _notes(source: Source, info: VideoInfo) -> tuple[str, ...]:
    """What a reader of its scores must know; where the manifest gives the rate, that is the one that counts."""
    if source.fps is None:
        return info.notes
    notes = [note for note in info.notes if not (info.gaps and note == uneven_note(info.gaps))]
    if info.gaps:
        notes.append(uneven_note(info.gaps, f"the {source.fps:g} a second of the manifest"))
    elif info.fps and abs(source.fps - info.fps) > 0.01 * info.fps:
        notes.append(f"{source.fps:g} frames a second, as the manifest says; the file says {info.fps:g}")
    return tuple(notes)


def _blocks(path: Path, info: VideoInfo, block: int) -> Iterator[Float[Tensor, "t 3 h w"]]:
    """The frames; UserError at the end where fewer or more came than were counted."""
    seen = 0
    for frames in stream_video(path, block):
        seen += len(frames)
        yield frames.float() / 255
    if seen != info.frames:
        raise UserError(
            f"cannot read {path}: it holds {info.frames} frames, of which {seen} can be shown. Copy or make it anew"
        )


# --- which files are meant --------------------------------------------------------------------------------


def _named(paths: Sequence[str]) -> tuple[list[tuple[Path, Row | None]], dict[str, str]]:
    """Every file that the paths stand for; and paths that stand for none."""
    named: list[tuple[Path, Row | None]] = []
    failed: dict[str, str] = {}
    for path in paths:
        files, why = _files(os.path.expanduser(path))
        named += [(file, None) for file in files]
        if why:
            failed[path] = why
    return named, failed


def _files(path: str) -> tuple[list[Path], str]:
    """The videos behind one path, and what is wrong with it."""
    if os.path.isdir(path):
        files = _in_folder(path)
        return files, "" if files else f"no video in the folder {path}"
    if os.path.exists(path):
        return [Path(path)], ""
    if not glob.has_magic(path):
        return [], f"{path} does not exist: name a video, a folder or a glob"
    files = []
    for match in sorted(glob.glob(path, recursive=True)):
        files += _in_folder(match) if os.path.isdir(match) else [Path(match)] if _is_video(match) else []
    return list(dict.fromkeys(files)), "" if files else f"no video matches {path}"


def _in_folder(folder: str) -> list[Path]:
    """All videos below a folder, sorted; links to folders are followed once."""
    files, seen = [], set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(here, name) for name in names if _is_video(name)]
    return sorted(files)


def _is_video(path: str) -> bool:
    """Whether a file that nobody named is meant: by its name."""
    name = os.path.basename(path)
    return not name.startswith(".") and not name.endswith(UNFINISHED) and Path(name).suffix.lower() in SUFFIXES


def _rows(table: Manifest) -> tuple[list[tuple[Path, Row | None]], dict[str, str]]:
    """The videos of a manifest's rows; and those that are not there."""
    there: list[tuple[Path, Row | None]] = [(row.path, row) for row in table.rows if os.path.isfile(row.path)]
    gone = [str(row.path) for row in table.rows if not os.path.isfile(row.path)]
    return there, {path: f"{path} stands in the manifest, but there is no such file" for path in gone}


def _once(named: Sequence[tuple[Path, Row | None]]) -> tuple[list[tuple[Path, Row | None]], list[str]]:
    """Each file once, where it was named first; and which were named again."""
    first: dict[Path, tuple[Path, Row | None]] = {}
    again: list[str] = []
    for entry in named:
        if first.setdefault(entry[0].resolve(), entry) is not entry:
            again.append(str(entry[0]))
    return list(first.values()), [f"named more than once, evaluated once: {_listed(again)}"] if again else []


def _joined(named: Sequence[tuple[Path, Row | None]], table: Manifest) -> list[tuple[Path, Row | None]]:
    """The files with the rows that speak of them."""
    by_path = {row.path.resolve(): row for row in reversed(table.rows)}
    rows = Counter(row.path.name for row in table.rows)
    files = Counter(path.name for path, _ in named)
    by_name = {row.path.name: row for row in table.rows if rows[row.path.name] == files[row.path.name] == 1}
    return [(path, by_path.get(path.resolve()) or by_name.get(path.name)) for path, _ in named]


def _listed(paths: Sequence[str], most: int = 3) -> str:
    """The first ones, and how many more there are.

    >>> _listed(["a", "a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    each = list(dict.fromkeys(paths))
    return ", ".join(each[:most]) + (f" and {len(each) - most} more" if len(each) > most else "")


def _first(failed: Mapping[str, str], paths: Sequence[str]) -> str:
    """The first thing that is wrong, and how many more are."""
    if not failed:
        return f"none in {', '.join(paths)}" if paths else "the manifest has no rows"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{next(iter(failed.values()))}{more}"


def _is_utf8(path: Path) -> bool:
    """Whether the path can be written down."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# --- what is known of a file ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Draft:
    """A source before it has its name. parts: what a name may be made of, from the last on."""

    source: Source
    parts: tuple[str, ...]
    note: str = ""

    @classmethod
    def of(cls, path: Path, row: Row | None) -> "_Draft":
        """What the manifest says goes before what the record of a run says."""
        whole = Path(os.path.abspath(path))
        ours = path.name == OWN and (path.parent / records.FILE_NAME).is_file()
        prompt, metadata, note = _recorded(path.parent) if ours else ("", {}, "")
        row = row or Row(path)
        source = Source(path, row.name, row.prompt or prompt, row.fps, row.anchor, {**metadata, **row.metadata})
        return cls(source, whole.parent.parts if ours else whole.with_suffix("").parts, note)


def _recorded(folder: Path) -> tuple[str, dict[str, Any], str]:
    """Prompt and metadata of one of our own runs; and a note where its record cannot be read."""
    try:
        record = records.load(folder)
    except ResultsError as error:
        return "", {}, f"what {folder} was made from is not known: {error}"
    told: dict[str, Any] = {
        "seed": record.seed, "method": record.method.use, "model": record.model.use, "rollout": record.rollout.use,
    }  # fmt: skip
    for place in (record.parameters, record.rollout.params, record.model.params):
        told |= {key: place[key] for key in (CHUNK, START) if key in place}
    if record.model.use == "tabletop" and _asks_for_no_motion(record.prompt):
        told["minimum_motion"] = 0
    return record.prompt, told, ""


def _asks_for_no_motion(prompt: str) -> bool:
    """Whether everything stands still in the scene that a prompt of the tabletop world describes."""
    try:
        return all(thing.motion == "still" for thing in parse(prompt).things)
    except UserError:
        return False


def _with_unique_given_names(drafts: Sequence[_Draft], failed: dict[str, str]) -> list[_Draft]:
    """Those whose name in the manifest is their own; the others join `failed`."""
    owners: dict[str, Path] = {}
    kept = []
    for draft in drafts:
        name, path = draft.source.name, draft.source.path
        if name and owners.setdefault(name, path) is not path:
            failed[str(path)] = f"{path} has the name {name!r} of {owners[name]}: give each row a name of its own"
        else:
            kept.append(draft)
    return kept


def _names(drafts: Sequence[_Draft]) -> list[str]:
    """A name for each: the given one, else as few of its parts as tell it from all others."""
    same = Counter(draft.parts for draft in drafts)  # clip.mp4 beside clip.mov: only whole file names differ
    parts = [d.parts if same[d.parts] == 1 else Path(os.path.abspath(d.source.path)).parts for d in drafts]
    depth = [1] * len(drafts)
    while True:
        names = [
            draft.source.name or "/".join(some[-deep:]).replace("//", "/")
            for draft, some, deep in zip(drafts, parts, depth, strict=True)
        ]
        count = Counter(names)
        clash = [
            i for i, name in enumerate(names)
            if count[name] > 1 and not drafts[i].source.name and depth[i] < len(parts[i])
        ]  # fmt: skip
        if not clash:
            return names
        for i in clash:
            depth[i] += 1
