"""Label files: which clips people judged, how, and which judgements belong together.

CSV (UTF-8, commas) or JSONL with the same keys. Two shapes::

    clip,label[,prompt,rater,fps,anchor,note]             label: pass/fail (1/0, true/false, yes/no) or 1 … 5
    clip_a,clip_b,preference[,prompt,rater,fps,note]      preference: a, b or tie

Paths count from the label file's folder. Rows without a label are passed over: a file that is half filled in is
fine. Judgements of one prompt form a group, since clips of one prompt resemble each other: a group is never split
between training and testing.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from rewards.base import UserError
from rewards.encoders import file_digest
from rewards.registry import did_you_mean

Kind: TypeAlias = Literal["pass", "grade", "pair"]
"""pass: values 0 or 1. grade: 1 … 5. pair: 1 (the first is better), ½ (tie), 0 (the second is better)."""

POINT, PAIR = ("clip", "label"), ("clip_a", "clip_b", "preference")
OPTIONAL = ("prompt", "rater", "fps", "anchor", "note")
WORDS = {"pass": 1.0, "true": 1.0, "yes": 1.0, "fail": 0.0, "false": 0.0, "no": 0.0}
CHOICES = {"a": 1.0, "tie": 0.5, "b": 0.0}

Row: TypeAlias = dict[str, str]


@dataclass(frozen=True)
class Clip:
    """A video file and what its rewards must know: prompt, frames a second (None: the file's), earlier frames."""

    path: Path
    prompt: str = ""
    fps: float | None = None
    anchor: Path | None = None


@dataclass(frozen=True)
class Labels:
    """Judgements, one a row of the file.

    clips: each once, in order of appearance. first, second: which clip a row judges, and which one it compares it
    to (`second` is None for single clips). values: see Kind. groups: equal numbers belong together. raters: who
    judged ("" where the file does not say). notes: what the reader of the figures must know, in words.
    """

    kind: Kind
    clips: tuple[Clip, ...]
    first: tuple[int, ...]
    second: tuple[int, ...] | None
    values: tuple[float, ...]
    groups: tuple[int, ...]
    raters: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_labels(paths: Sequence[Path]) -> Labels:
    """All judgements of these files, which must be of one kind.

    Raises UserError, in one line, for a missing, empty or oddly encoded file, unknown columns or labels, clips that
    do not exist, and labels that are all the same.
    """
    rows = [(where, row) for path in paths for where, row in _rows(path)]
    given = [(where, row) for where, row in rows if row[_judgement(row)]]
    notes = [f"{len(rows) - len(given)} rows without a label were passed over"] if len(given) < len(rows) else []
    if not given:
        raise UserError(f"{paths[0]} holds no labels: fill in a column 'label' or 'preference'")
    if len({_judgement(row) for _, row in given}) > 1:
        raise UserError("these files mix single clips and pairs: fit one head for each")
    pairs = _judgement(given[0][1]) == "preference"
    names = ("clip_a", "clip_b") if pairs else ("clip",)
    clips, places = _clips(given, names)
    _check_exist(clips)
    kind: Kind = "pair" if pairs else _scale([row["label"] for _, row in given])
    values = tuple(_value(kind, where, row) for where, row in given)
    _check_varied(kind, values)
    by_name = [[places[row_number][side] for row_number in range(len(given))] for side in range(len(names))]
    groups, said = _groups([row for _, row in given], by_name, clips)
    raters = tuple(row.get("rater", "") for _, row in given)
    second = tuple(by_name[1]) if pairs else None
    return Labels(kind, tuple(clips), tuple(by_name[0]), second, values, groups, raters, (*notes, *said))


def read_clips(path: Path, *, labelled: bool = False) -> tuple[Clip, ...]:
    """The clips that a file names (or those that it holds labels of), each once; UserError as for `read_labels`.

    A list of clips without labels may lack the column `label`.
    """
    rows = [(where, row) for where, row in _rows(path, list_of_clips=True) if not labelled or row.get(_judgement(row))]
    clips, _ = _clips(rows, ("clip_a", "clip_b") if rows and "clip_a" in rows[0][1] else ("clip",))
    _check_exist(clips)
    return tuple(clips)


# --- rows -------------------------------------------------------------------------------------------------


def _rows(path: Path, *, list_of_clips: bool = False) -> list[tuple[str, Row]]:
    """The rows as texts without blanks around, each with where it stands and its clips' paths made whole."""
    text = _text(path)
    wanted = ("clip",) if list_of_clips else POINT
    try:
        read = (_jsonl if path.suffix.lower() in (".jsonl", ".ndjson") else _csv)(path, text, wanted)
    except csv.Error as error:
        raise UserError(f"{path} is no CSV file: {error}. Save it as CSV (UTF-8, commas)") from error
    if not read:
        raise UserError(f"{path} holds no rows: give a header such as clip,label,prompt and a row a judgement")
    return [(f"{path}, line {line}", _with_paths(path, row)) for line, row in read]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}): save it as CSV in UTF-8") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot read {path}: {reason}. Give a CSV file with columns clip,label") from error


def _csv(path: Path, text: str, wanted: Sequence[str]) -> list[tuple[int, Row]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if reader.fieldnames is None:
        return []
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames]
    _check_columns(path, reader.fieldnames, wanted)
    found = []
    for row in reader:
        if None in row or None in row.values():
            raise UserError(
                f"{path}, line {reader.line_num}: it does not hold the header's {len(reader.fieldnames)} fields; "
                "put texts with commas in double quotes"
            )
        found.append((reader.line_num, {key: value.strip() for key, value in row.items()}))
    return [(line, row) for line, row in found if any(row.values())]


def _jsonl(path: Path, text: str, wanted: Sequence[str]) -> list[tuple[int, Row]]:
    found = []
    for line, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        try:
            row = json.loads(written)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {line}: {error.msg}. Write one JSON object a line") from error
        if not isinstance(row, Mapping):
            raise UserError(f'{path}, line {line}: write one object, such as {{"clip": "a.mp4", "label": "pass"}}')
        _check_columns(path, list(row), wanted)
        found.append((line, {key: "" if row[key] is None else str(row[key]).strip() for key in row}))
    return found


def _check_columns(path: Path, columns: Sequence[str], point: Sequence[str]) -> None:
    """Raise UserError unless the columns are those of single clips or of pairs, and at most the optional ones."""
    wanted = PAIR if set(PAIR) & set(columns) else point
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise UserError(
            f"{path} has the columns {', '.join(columns)} but lacks {', '.join(missing)}: "
            f"it needs {','.join(POINT)} or {','.join(PAIR)}, separated by commas"
        )
    allowed = list(dict.fromkeys([*wanted, *(PAIR if wanted == PAIR else POINT), *OPTIONAL]))
    for name in columns:
        if name not in allowed:
            guess = did_you_mean(name, allowed)
            raise UserError(f"{path}: unknown column {name!r}.{guess} Allowed: {', '.join(allowed)}")


def _with_paths(file: Path, row: Row) -> Row:
    """The row with clips and anchors as paths from here: those in the file count from its folder."""
    places = ("clip", "clip_a", "clip_b", "anchor")
    return {key: str(file.parent / value) if key in places and value else value for key, value in row.items()}


def _judgement(row: Row) -> str:
    return "preference" if "preference" in row else "label"


# --- clips ------------------------------------------------------------------------------------------------


def _clips(rows: Sequence[tuple[str, Row]], names: Sequence[str]) -> tuple[list[Clip], list[tuple[int, ...]]]:
    """Each clip once (by path, prompt, rate and anchor), and which ones each row names."""
    known: dict[Clip, int] = {}
    places = []
    for where, row in rows:
        shown = [_clip(where, row, name) for name in names]
        if len(set(shown)) < len(names):
            raise UserError(f"{where}: clip_a and clip_b are the same clip, {shown[0].path}")
        places.append(tuple(known.setdefault(clip, len(known)) for clip in shown))
    return list(known), places


def _clip(where: str, row: Row, name: str) -> Clip:
    if not row[name]:
        raise UserError(f"{where}: {name} is empty; give the path of a video, counted from the file's folder")
    anchor = Path(row["anchor"]) if row.get("anchor") else None
    return Clip(Path(row[name]), row.get("prompt", ""), _rate(where, row.get("fps", "")), anchor)


def _rate(where: str, text: str) -> float | None:
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 10_000:
        raise UserError(f"{where}: fps {text!r}; give frames a second such as 8, or leave it empty for the file's own")
    return rate


def _check_exist(clips: Sequence[Clip]) -> None:
    """Raise UserError that names the first few files that are not there."""
    wanted = dict.fromkeys(path for clip in clips for path in (clip.path, clip.anchor) if path is not None)
    missing = [str(path) for path in wanted if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UserError(
            f"{len(missing)} of {len(wanted)} files do not exist: {', '.join(missing[:3])}{more}. "
            "Paths count from the label file's folder"
        )


# --- values -----------------------------------------------------------------------------------------------


def _scale(texts: Sequence[str]) -> Kind:
    """Grades, as soon as a number above 1 occurs; else pass or fail.

    >>> _scale(["1", "0"]), _scale(["1", "3"]), _scale(["pass", "fail"])
    ('pass', 'grade', 'pass')
    """
    return "grade" if {"2", "3", "4", "5"} & set(texts) else "pass"


def _value(kind: Kind, where: str, row: Row) -> float:
    text = row[_judgement(row)].lower()
    allowed = {
        "pass": {**WORDS, "1": 1.0, "0": 0.0},
        "grade": {str(grade): float(grade) for grade in range(1, 6)},
        "pair": CHOICES,
    }[kind]
    if text not in allowed:
        words = {"pass": "pass or fail (1 or 0)", "grade": "a grade 1, 2, 3, 4 or 5", "pair": "a, b or tie"}[kind]
        rule = f"the file's other rows say it must be {words}" if kind == "grade" else f"it must be {words}"
        raise UserError(f"{where}: {_judgement(row)} {text!r}; {rule}")
    return allowed[text]


def _check_varied(kind: Kind, values: Sequence[float]) -> None:
    if kind == "pair" and set(values) == {0.5}:
        raise UserError(f"all {len(values)} preferences are ties: there is nothing to learn; add decided pairs")
    if kind != "pair" and len(set(values)) == 1:
        word = f"grade {values[0]:g}" if kind == "grade" else ("pass" if values[0] else "fail")
        raise UserError(f"all {len(values)} labels are {word!r}: there is nothing to tell apart; label others too")


# --- groups -----------------------------------------------------------------------------------------------


def _groups(
    rows: Sequence[Row], sides: Sequence[Sequence[int]], clips: Sequence[Clip]
) -> tuple[tuple[int, ...], list[str]]:
    """A group number a row, and what must be said about the grouping. Rows that share a clip share a group."""
    files = [f"file {file_digest(clip.path)}" for clip in clips]
    named, notes = _group_names(rows, [clips[place].path for place in sides[0]])
    root: dict[str, str] = {}

    def find(key: str) -> str:
        while root.setdefault(key, key) != key:
            key = root[key]
        return key

    for number, name in enumerate(named):
        for side in sides:
            root[find(files[side[number]])] = find(name)
    joined = [find(name) for name in named]
    if len(set(joined)) < len(set(named)):
        few = len(set(joined))
        notes.append(f"clips that occur in several groups join them: {len(set(named))} groups became {few}")
    numbers = {key: number for number, key in enumerate(dict.fromkeys(joined))}
    return tuple(numbers[key] for key in joined), notes


def _group_names(rows: Sequence[Row], paths: Sequence[Path]) -> tuple[list[str], list[str]]:
    """The prompt; where there is none the clip's folder; where there is one folder only, each clip for itself."""
    prompts = [" ".join(row.get("prompt", "").casefold().split()) for row in rows]
    folders = [str(path.resolve().parent) for path in paths]
    several = len(set(folders)) > 1
    others = [f"folder {folder}" if several else f"clip {path}" for folder, path in zip(folders, paths, strict=True)]
    names = [f"prompt {prompt}" if prompt else other for prompt, other in zip(prompts, others, strict=True)]
    lacking = prompts.count("")
    if not lacking:
        return names, []
    where = "clips of one folder are taken for one prompt" if several else "every such clip counts as its own prompt"
    return names, [
        f"{lacking} of {len(rows)} rows have no prompt: {where}. Where clips of one prompt resemble each other across "
        "these groups, all figures look better than they are: fill in the column prompt"
    ]
