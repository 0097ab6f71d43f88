"""VBench's own form: `*_eval_results.json` written and read, and VBench's total where every dimension is at hand.

Source: VBench (arXiv:2311.17982) and the files of its tool: {dimension: [mean, [{"video_path", "video_results"}, …]]}.
What we write bears a dimension's name only where encoder, weights and mode are the published ones; all else is under a
name of ours, so no substitute passes for a VBench score. The total is only ever made of the official tool's results.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sn_eval.results.evaluation import Evaluation, Measure, VideoResult
from sn_eval.results.files import ResultsError, write_whole

RESULTS, INFO = "_eval_results.json", "_full_info.json"
PREFIX = "vbench:"
BY = "measured_by"  # our mark on each video: read back, our figures do not pass for those of the official tool


class Dimension(NamedTuple):
    """A dimension of VBench: what its tool measures it with, its weight, and the range that its total stretches it to.

    low: the least that it can return.
    """

    instrument: str
    worst: float = 0.0
    best: float = 1.0
    weight: float = 1.0
    low: float = 0.0


QUALITY: Mapping[str, Dimension] = {
    "subject_consistency": Dimension("DINO ViT-B/16", 0.1462),
    "background_consistency": Dimension("CLIP ViT-B/32", 0.2615),
    "temporal_flickering": Dimension("pixels", 0.6293),
    "motion_smoothness": Dimension("AMT-S", 0.706, 0.9975),
    "dynamic_degree": Dimension("RAFT", weight=0.5),
    "aesthetic_quality": Dimension("CLIP ViT-L/14 with LAION's head"),
    "imaging_quality": Dimension("MUSIQ-SPAQ"),
}
SEMANTIC: Mapping[str, Dimension] = {
    "object_class": Dimension("GRiT"),
    "multiple_objects": Dimension("GRiT"),
    "human_action": Dimension("UMT-L/16"),
    "color": Dimension("GRiT"),
    "spatial_relationship": Dimension("GRiT"),
    "scene": Dimension("Tag2Text", best=0.8222),
    "appearance_style": Dimension("CLIP ViT-B/32", 0.0009, 0.2855, low=-1.0),
    "temporal_style": Dimension("ViCLIP", best=0.364, low=-1.0),
    "overall_consistency": Dimension("ViCLIP", best=0.364, low=-1.0),
}
DIMENSIONS: Mapping[str, Dimension] = {**QUALITY, **SEMANTIC}
QUALITY_WEIGHT, SEMANTIC_WEIGHT = 4.0, 1.0

# Measures of ours that are VBench's own in mode "reference": encoder, and the first digits of its weights' SHA-256
# where a file of the user's decides. The others need what we have not (AMT-S, ViCLIP) or cannot recognise (LAION's
# head).
PUBLISHED: Mapping[str, tuple[str, str]] = {
    "subject_consistency": (r"dino:(.*/)?dino-vitb16(@224)?", ""),
    "background_consistency": (r"open_clip:ViT-B-32(-quickgelu)?/openai(@224)?", ""),
    "temporal_flickering": ("", ""),
    "dynamic_degree": (r"raft.*", "22a6c225"),
    "imaging_quality": (r"musiq-spaq", "358bb6af"),
}
PERCENT = "imaging_quality"  # in the tool's files 0…100 a video, while its mean is 0…1
LARGEST = 1e300  # more is no measurement, and some of it no float
YES_NO = "dynamic_degree"


class Imported(NamedTuple):
    """A dimension as the official tool measured it: its own mean, and each video's value (NaN: none) by its path."""

    mean: float
    videos: Mapping[str, float]
    note: str = ""


class Total(NamedTuple):
    """VBench's total; None where dimensions are `missing`."""

    total: float | None
    quality: float | None
    semantic: float | None
    missing: tuple[str, ...] = ()


# --- writing ----------------------------------------------------------------------------------------------


def vbench_name(measure: Measure) -> str:
    """What a measure is called in VBench's form: a dimension's own name only where it is computed as published.

    A name of ours that happens to be a dimension's gets its mode in brackets.
    """
    encoder, digest = PUBLISHED.get(measure.name, (None, ""))
    if (
        encoder is not None
        and measure.mode == "reference"
        and re.fullmatch(encoder, measure.encoder or "")
        and (measure.encoder_sha256 or "").startswith(digest)
    ):
        return measure.name
    return f"{measure.key}[{measure.mode}]" if measure.key in DIMENSIONS else measure.key


def write_vbench(evaluation: Evaluation, path: Path) -> Path:
    """Write `path`, and the list of prompts and videos beside it as VBench calls it (`*_full_info.json`).

    Means are over the videos that were scored, as in the newer versions of the tool; measures that scored none and
    imported ones are left out. Under a dimension's own name values are as the tool has them: imaging quality 0…100 a
    video, dynamic degree true or false. ResultsError where it cannot be written.
    """
    names = {measure.key: vbench_name(measure) for measure in evaluation.measures if not _is_imported(measure.key)}
    results = {name: _result(evaluation, key, name) for key, name in names.items()}
    results = {name: result for name, result in results.items() if result[1]}
    stem = path.name.removesuffix(RESULTS) if path.name.endswith(RESULTS) else path.stem
    info = path.with_name(f"{stem}{INFO}")
    write_whole(info, _json(_full_info(evaluation.videos, list(results))))
    write_whole(path, _json(results))
    return path


def _result(evaluation: Evaluation, key: str, name: str) -> tuple[float, list[dict[str, Any]]]:
    """Mean and videos of one measure."""
    known = {video.path: value for video in evaluation.videos if (value := video.values.get(key)) is not None}
    shown: dict[str, float | bool] = dict(known)
    if name == PERCENT:
        shown = {path: value * 100 for path, value in known.items()}
    elif name == YES_NO:
        shown = {path: bool(value) for path, value in known.items()}
    mean = math.fsum(known.values()) / len(known) if known else math.nan
    return mean, [{"video_path": path, "video_results": value, BY: "sn-eval"} for path, value in shown.items()]


def _full_info(videos: Sequence[VideoResult], dimensions: list[str]) -> list[dict[str, Any]]:
    """One entry a prompt, in the order of the videos."""
    by_prompt: dict[str, list[str]] = {}
    for video in videos:
        by_prompt.setdefault(video.prompt, []).append(video.path)
    return [{"prompt_en": prompt, "dimension": dimensions, "video_list": paths} for prompt, paths in by_prompt.items()]


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=4) + "\n"


# --- reading ----------------------------------------------------------------------------------------------


def read_vbench(path: Path | str) -> dict[str, Imported]:
    """Dimensions in a results file of the official tool (0…1; booleans become 1 and 0).

    Imaging quality comes as 0…100 a video: such values are divided by 100, and `note` says so. Other dimensions than
    VBench's sixteen are taken as they are. ResultsError, in one line, for any other file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}. Name a *{RESULTS} of the VBench tool") from error
    except (ValueError, RecursionError) as error:
        raise _no_results(path, f"{type(error).__name__}: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or not content:
        what = f"a list, like *{INFO}" if isinstance(content, list) else "empty or no object"
        raise _no_results(path, f"it is {what}")
    return {name: _imported(path, name, found) for name, found in content.items()}


def _imported(path: Path | str, name: str, found: Any) -> Imported:
    """One dimension, checked and brought to 0…1."""
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[1], list)):
        raise _no_results(path, f"{name} is not [mean, [videos]]")
    mean = _number(path, name, found[0])
    videos: dict[str, float] = {}
    for entry in found[1]:
        if not isinstance(entry, dict) or not isinstance(entry.get("video_path"), str):
            raise _no_results(path, f"a video of {name} has no video_path")
        if BY in entry:
            raise _no_results(path, "sn-eval wrote it, so its figures are ours")
        value = _number(path, f"{name} of {entry['video_path']}", entry.get("video_results"))
        if not _same(videos.setdefault(entry["video_path"], value), value):
            raise _no_results(path, f"{name} has two values for {entry['video_path']}")
    note = ""
    if name == PERCENT and any(value > 1 for value in (mean, *videos.values())):
        scaled = [what for what, over in (("its mean", mean > 1), ("its values a video", _over(videos))) if over]
        note = f"{name} in {Path(path).name}: {' and '.join(scaled)} came as 0…100 and were divided by 100"
        mean = mean / 100 if mean > 1 else mean
        videos = {key: value / 100 for key, value in videos.items()} if _over(videos) else videos
    for value in (mean, *videos.values()):
        if name in DIMENSIONS and not (math.isnan(value) or -1.001 <= value <= 1.001 or name == PERCENT):
            raise _no_results(path, f"{name} is {value:g}, and VBench's lie in 0…1")
    return Imported(mean, videos, note)


def _over(videos: Mapping[str, float]) -> bool:
    return any(value > 1 for value in videos.values())


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _number(path: Path | str, what: str, value: Any) -> float:
    """A number or truth value as a number; null is NaN."""
    if value is None:
        return math.nan
    if not isinstance(value, int | float) or abs(value) > LARGEST:
        raise _no_results(path, f"{what} is {str(value)[:40]!r}, which is no number")
    return float(value)


def _no_results(path: Path | str, why: str) -> ResultsError:
    return ResultsError(f"{path} is no *{RESULTS} of the VBench tool: {why}. Name the file that its evaluate.py wrote")


# --- side by side -----------------------------------------------------------------------------------------


def join(evaluation: Evaluation, official: Mapping[str, Imported]) -> Evaluation:
    """The evaluation with the official tool's results beside ours, as measures "vbench:subject_consistency", ….

    Videos are matched by path, else by a file name (or our name for the video) that is the only one of its kind. Notes
    list which results belong to no video here, and where the tool's own mean is not that of the videos here.
    """
    notes: list[str] = []
    values: dict[str, dict[str, float]] = {}
    homes = _homes(evaluation.videos)
    strangers: dict[str, None] = {}
    for name, found in official.items():
        same_name = Counter(Path(path).name for path in found.videos)
        values[name] = {}
        for path, value in found.videos.items():
            home = homes.get(path) or (homes.get(Path(path).name) if same_name[Path(path).name] == 1 else None)
            if home is None:
                strangers[path] = None
            else:
                values[name][home] = value
        notes += [note for note in (found.note, _mean_note(name, found.mean, values[name])) if note]
    if strangers:
        names = sorted({Path(path).name for path in strangers})
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        notes.append(f"VBench's results of these match no video here: {', '.join(names[:5])}{more}")
    return evaluation.model_copy(
        update={
            "measures": (*evaluation.measures, *_new_measures(evaluation, list(official))),
            "videos": tuple(_with(video, values) for video in evaluation.videos),
            "notes": tuple(dict.fromkeys((*evaluation.notes, *notes))),
        }
    )


def _homes(videos: Sequence[VideoResult]) -> dict[str, str]:
    """Which path each path and each unmistakable file name stands for; for our names, with any video's suffix."""
    names: list[tuple[str, str]] = []
    for video in videos:
        file = Path(video.path)
        names += [(name, video.path) for name in {file.name, f"{Path(video.video).name}{file.suffix}"}]
    count = Counter(name for name, _ in names)
    return {name: path for name, path in names if count[name] == 1} | {video.path: video.path for video in videos}


def _with(video: VideoResult, values: Mapping[str, Mapping[str, float]]) -> VideoResult:
    """A video with imported values; one that was imported before stays."""
    new: dict[str, float | None] = {}
    for name, found in values.items():
        value, before = found.get(video.path, math.nan), video.values.get(f"{PREFIX}{name}")
        if before is not None and not math.isnan(value) and before != value:
            raise ResultsError(f"two VBench results give {name} of {video.path}: {before:g} and {value:g}. Keep one")
        new[f"{PREFIX}{name}"] = before if math.isnan(value) else value
    return video.model_copy(update={"values": {**video.values, **new}})


def _new_measures(evaluation: Evaluation, names: Sequence[str]) -> list[Measure]:
    """Columns for dimensions that are not there yet."""
    there = {measure.key for measure in evaluation.measures}
    new = [name for name in names if f"{PREFIX}{name}" not in there]
    known = {name: DIMENSIONS.get(name, Dimension("", low=-math.inf, best=math.inf)) for name in new}
    return [
        Measure(
            key=f"{PREFIX}{name}", name=name, mode="reference", higher_is_better=True, low=found.low,
            high=1.0 if name in DIMENSIONS else math.inf, families=(f"{PREFIX}{found.instrument or name}",),
            encoder=found.instrument or None, about="as the official VBench tool measured it; imported",
        )
        for name, found in known.items()
    ]  # fmt: skip


def _mean_note(name: str, mean: float, values: Mapping[str, float]) -> str:
    """Where the tool's mean is another than the one that a reader of the table would form."""
    known = [value for value in values.values() if not math.isnan(value)]
    if not known or math.isnan(mean) or abs(math.fsum(known) / len(known) - mean) <= 5e-4:
        return ""
    return (
        f"{PREFIX}{name}: the tool's own mean is {mean:.4f}, that of the {len(known)} videos here "
        f"{math.fsum(known) / len(known):.4f} (it weighs frames, or saw other videos)"
    )


def _is_imported(key: str) -> bool:
    return key.startswith(PREFIX)


# --- the total --------------------------------------------------------------------------------------------


def vbench_total(official: Mapping[str, Imported]) -> Total:
    """VBench's total from the official tool's means: (4·quality + semantic)/5, each a weighted mean of stretched ones.

    None, and which dimensions are missing, unless all sixteen are there: a total of fewer is no VBench total.
    """
    missing = tuple(name for name in DIMENSIONS if name not in official or math.isnan(official[name].mean))
    if missing:
        return Total(None, None, None, missing)
    means = {name: official[name].mean for name in DIMENSIONS}
    quality, semantic = _weighted(QUALITY, means), _weighted(SEMANTIC, means)
    weight = QUALITY_WEIGHT + SEMANTIC_WEIGHT
    return Total((QUALITY_WEIGHT * quality + SEMANTIC_WEIGHT * semantic) / weight, quality, semantic)


def _weighted(dimensions: Mapping[str, Dimension], means: Mapping[str, float]) -> float:
    """Weighted mean of dimensions, each stretched from its worst … best to 0 … 1."""
    stretched = {name: (means[name] - one.worst) / (one.best - one.worst) for name, one in dimensions.items()}
    return sum(stretched[name] * one.weight for name, one in dimensions.items()) / sum(
        one.weight for one in dimensions.values()
    )
