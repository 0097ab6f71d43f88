"""Videos made elsewhere as candidates: which there are, of which prompt, and what their owner knows of each.

A folder for each prompt (its name, or a prompt.txt inside, is the prompt), files whose names differ by a number
(`a red ball_01.mp4`), or a table (`evaluation.manifest`) with the columns path, prompt, candidate, group, split, cost,
seconds, device, accepted and any score. What cannot be used is left out, with a reason; the others stay.
"""

import difflib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rewards.base import UserError
from rewards.encoders import file_digest
from sn_eval.evaluation.sources import Found, Source, find_sources
from sn_eval.results.experiment import Split
from sn_eval.video import VideoInfo, probe

MANIFESTS = (".csv", ".tsv", ".jsonl", ".ndjson")
PROMPT_FILE = "prompt.txt"
COLUMNS = (
    "path",
    "prompt",
    "candidate",
    "group",
    "split",
    "cost",
    "seconds",
    "device",
    "accepted",
    "fps",
    "anchor",
    "name",
    "seed",
)
MOST = 0.8  # share of the prompts that must have so many candidates; those with fewer are left out
YES, NO = ("1", "1.0", "true", "yes", "pass", "accepted"), ("0", "0.0", "false", "no", "fail", "rejected")


@dataclass(frozen=True)
class Candidate:
    """One video of a prompt. number: from 1, what names it among the prompt's.

    score: what it was chosen by elsewhere. seconds: of computing it, on `device`. cost: money it took. accepted: what
    people said. Each is the owner's own figure, None where nobody says.
    """

    source: Source
    info: VideoInfo
    sha256: str
    prompt: str
    number: int = 0
    group: str = ""
    split: Split | None = None
    score: float | None = None
    seconds: float | None = None
    device: Literal["gpu", "cpu"] = "gpu"
    cost: float | None = None
    accepted: bool | None = None

    @property
    def fps(self) -> float:
        """Frames a second: the owner's word counts."""
        return self.source.fps or self.info.fps


@dataclass(frozen=True)
class Candidates:
    """What was found, prompt by prompt. size: N, candidates that every prompt here has, at least.

    left_out: path or prompt → why, in one line. notes: what a reader of the results must know.
    """

    videos: tuple[Candidate, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def by_prompt(self) -> dict[str, list[Candidate]]:
        """Candidates of each prompt."""
        found: dict[str, list[Candidate]] = defaultdict(list)
        for video in self.videos:
            found[video.prompt].append(video)
        return dict(found)

    @property
    def size(self) -> int:
        """How many candidates every prompt has."""
        return min(len(some) for some in self.by_prompt.values())


def find_candidates(place: Path, selector: str | None = None, apart: Path | None = None) -> Candidates:
    """The candidates in a folder or behind a manifest.

    selector: a column whose numbers they were chosen by. apart: a folder whose videos are none (the run's own). A
    folder that holds a manifest.csv (or .tsv, .jsonl) is read by it. UserError, in one line, where none is left.
    """
    found, root = _sources(place)
    if apart is not None:
        others = [s for s in found.sources if not s.path.resolve().is_relative_to(apart.resolve())]
        found = replace(found, sources=others)
    left_out, notes, videos = dict(found.failed), list(found.notes), []
    for source in sorted(found.sources, key=lambda source: _natural(str(source.path))):
        try:
            videos.append(_candidate(source, root, selector))
        except UserError as error:
            left_out[str(source.path)] = str(error)
    notes += _misspelt({key for source in found.sources for key in source.metadata} - {selector})
    once = _numbered(_alike(videos, left_out), left_out)
    if selector and once and all(video.score is None for video in once):
        raise UserError(f"no video has a number in the column {selector!r}: name a column of the manifest (--selector)")
    return comparable(once, left_out, notes)


def _misspelt(columns: Iterable[str | None]) -> list[str]:
    """Columns that nothing reads and whose names are nearly those of columns that are read."""
    found = []
    for column in sorted(str(column) for column in columns if column and column not in COLUMNS):
        near = difflib.get_close_matches(column.lower(), COLUMNS, n=1, cutoff=0.8)
        if near:
            found.append(f"column {column!r} is not read; did you mean {near[0]!r}?")
    return found


def comparable(videos: Sequence[Candidate], left_out: Mapping[str, str], notes: Sequence[str] = ()) -> Candidates:
    """Those of prompts that have enough candidates, with what differs between them said; UserError without any.

    Enough is the largest number that at least MOST of the prompts have (see `enough`).
    """
    if not videos:
        first = next(iter(left_out.values()), "no video there")
        more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
        raise UserError(f"no video can be imported: {first}{more}")
    counts = Counter(video.prompt for video in videos)
    size = enough(list(counts.values()))
    gone = {
        prompt: f"prompt {prompt!r} has {count} of the {size} candidates that most have: add some, or leave it out"
        for prompt, count in counts.items()
        if count < size
    }
    kept = tuple(video for video in videos if video.prompt not in gone)
    return Candidates(kept, {**left_out, **gone}, (*notes, *_differences(kept, size)))


def enough(counts: Sequence[int]) -> int:
    """The largest number of candidates that at least MOST of the prompts have.

    Prompts of one candidate compare nothing: where more than half have several, only those are asked.

    >>> enough([8, 8, 8, 8, 3]), enough([8, 8, 4]), enough([5]), enough([4, 4, 4, 1]), enough([4, 1])
    (8, 4, 5, 4, 1)
    """
    several = [count for count in counts if count > 1]
    asked = several if len(several) > len(counts) / 2 else counts
    return max(size for size in asked if sum(count >= size for count in asked) >= MOST * len(asked))


# --- one video --------------------------------------------------------------------------------------------


def _sources(place: Path) -> tuple[Found, Path]:
    """The videos, and the folder that is theirs in common."""
    if place.is_dir():
        tables = [path for suffix in MANIFESTS if (path := place / f"manifest{suffix}").is_file()]
        if not tables:
            return find_sources([str(place)]), place
        found = find_sources([], tables[0])
        return replace(found, notes=(f"read by {tables[0].name}, which lies in the folder", *found.notes)), place
    if not place.exists():
        raise UserError(f"{place} does not exist: name a folder of videos, or a manifest (.csv, .tsv, .jsonl)")
    if place.suffix.lower() not in MANIFESTS:
        raise UserError(f"{place} is neither a folder nor a manifest (.csv, .tsv, .jsonl): name one of these")
    return find_sources([], place), place.parent


def _candidate(source: Source, root: Path, selector: str | None) -> Candidate:
    """What is known of one video; UserError where it cannot be used."""
    told = source.metadata
    try:
        digest = file_digest(source.path)
    except OSError as error:
        raise UserError(f"cannot read {source.path}: {error.strerror}. Choose a video that plays") from error
    info = probe(source.path)
    if not (source.fps or info.fps):
        raise UserError(f"{source.path} does not say its frames per second: give them in the column fps of a manifest")
    prompt = source.prompt or _prompt_of(source.path, root)
    return Candidate(
        replace(source, prompt=prompt), info, digest, prompt, _whole(source, told.get("candidate")),
        str(told.get("group") or ""), _split(source, told.get("split")),
        _number(source, selector, told.get(selector)) if selector else None,
        _number(source, "seconds", told.get("seconds"), least=0), _device(source, told.get("device")),
        _number(source, "cost", told.get("cost"), least=0), _accepted(source, told.get("accepted")),
    )  # fmt: skip


def _prompt_of(path: Path, root: Path) -> str:
    """What the file's place says that it shows."""
    folder, said = path.parent, path.parent / PROMPT_FILE
    if said.is_file():
        try:
            text = " ".join(said.read_text(encoding="utf-8-sig").split())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {said}, the prompt of {path.name}: save it as UTF-8 text") from error
        if not text:
            raise UserError(f"{said} is empty: write the prompt of {path.name} and its neighbours into it")
        return text
    name = re.sub(r"[\s_.-]*\d+$", "", path.stem) if folder.resolve() == root.resolve() else folder.name
    if not name.strip():
        raise UserError(f"{path} does not say its prompt: use a manifest, or a folder for each prompt")
    return name if " " in name else name.replace("_", " ").strip()


def _natural(path: str) -> list[tuple[int, int | str]]:
    """Numbers in names count as numbers.

    >>> sorted(["a_10", "a_9"], key=_natural)
    ['a_9', 'a_10']
    """
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", path)]


def _number(source: Source, column: str, value: Any, least: float = -math.inf) -> float | None:
    """A number of a manifest; None where the cell is empty."""
    if value is None:
        return None
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= least
    if not right:
        rule = "a number" if least == -math.inf else f"a number of at least {least:g}"
        raise UserError(f"{source.path} has {column} {value!r} in the manifest: it must be {rule}")
    return float(value)


def _whole(source: Source, value: Any) -> int:
    """A candidate's number; 0 where nobody says."""
    number = _number(source, "candidate", value, least=1)
    if number is not None and number != int(number):
        raise UserError(f"{source.path} has candidate {value!r} in the manifest: it must be a whole number from 1")
    return int(number or 0)


def _split(source: Source, value: Any) -> Split | None:
    if value not in (None, "dev", "confirm"):
        raise UserError(f"{source.path} has split {value!r} in the manifest: it must be dev or confirm")
    return value  # type: ignore[no-any-return]


def _device(source: Source, value: Any) -> Literal["gpu", "cpu"]:
    if value not in (None, "gpu", "cpu"):
        raise UserError(f"{source.path} has device {value!r} in the manifest: it must be gpu or cpu")
    return value or "gpu"


def _accepted(source: Source, value: Any) -> bool | None:
    text = "" if value is None else str(value).strip().lower()
    if text and text not in (*YES, *NO):
        raise UserError(f"{source.path} has accepted {value!r} in the manifest: it must be 1 or 0")
    return text in YES if text else None


# --- all of them ------------------------------------------------------------------------------------------


def _alike(videos: Sequence[Candidate], left_out: dict[str, str]) -> list[Candidate]:
    """One of several files of the same content, and one group and split a prompt; what is against it is left out."""
    first: dict[tuple[str, str], Candidate] = {}
    leaders: dict[str, Candidate] = {}
    for video in videos:
        path, leader = str(video.source.path), leaders.setdefault(video.prompt, video)
        same = first.get((video.prompt, video.sha256))
        if (video.group, video.split) != (leader.group, leader.split):
            other = f"{path} has another group or split than {leader.source.path}, of the same prompt"
            left_out[path] = f"{other}: give one to all"
        elif same is not None:
            left_out[path] = f"{path} is the same video as {same.source.path}: a candidate counts once"
        else:
            first[video.prompt, video.sha256] = video
    return list(first.values())


def _numbered(videos: Sequence[Candidate], left_out: dict[str, str]) -> list[Candidate]:
    """Each with a number of its own among the prompt's: the given one, else the next that is free."""
    taken: dict[tuple[str, int], Candidate] = {}
    for video in videos:
        if video.number and (other := taken.setdefault((video.prompt, video.number), video)) is not video:
            path = str(video.source.path)
            left_out[path] = f"{path} has the candidate number {video.number} of {other.source.path}: give each its own"
    numbered = []
    for video in videos:
        if str(video.source.path) in left_out:
            continue
        number = video.number
        if not number:
            number = next(free for free in range(1, len(videos) + 1) if (video.prompt, free) not in taken)
            taken[video.prompt, number] = video
        numbered.append(replace(video, number=number))
    return numbered


def _differences(videos: Sequence[Candidate], size: int) -> list[str]:
    """What differs between videos that are compared."""
    notes = []
    lengths = sorted({video.info.frames for video in videos})
    if len(lengths) > 1:
        notes.append(f"videos have {lengths[0]} to {lengths[-1]} frames: what falls with length favours short ones")
    sizes = sorted({(video.info.width, video.info.height) for video in videos})
    if len(sizes) > 1:
        notes.append("sizes differ: " + ", ".join(f"{w}x{h}" for w, h in sizes[:3]) + (", …" if len(sizes) > 3 else ""))
    rates = sorted({round(video.fps, 2) for video in videos})
    if len(rates) > 1:
        notes.append(
            f"rates differ ({rates[0]:g} to {rates[-1]:g} frames a second), so change from frame to frame does"
        )
    counts = Counter(video.prompt for video in videos)
    if len(set(counts.values())) > 1:
        notes.append(f"prompts have {size} to {max(counts.values())} candidates: all count, for best of at most {size}")
    if size == 1:
        notes.append("one candidate a prompt: they are evaluated, and there is no best of several to compare with")
    return notes
