"""`sn-eval evaluate`: videos in, a table that one understands out; folders compared, metrics held against people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from sn_eval.cli.components import parse_params, writable_folder
from sn_eval.cli.console import (
    PARTIAL,
    WRONG_INPUT,
    AsJson,
    Bars,
    Quiet,
    err,
    friendly,
    plain,
    print_json,
    progress,
)
from sn_eval.results.files import ResultsError

if TYPE_CHECKING:
    from sn_eval.decision.agreement import Agreement
    from sn_eval.decision.pairing import Paired
    from sn_eval.evaluation.sources import Found, Source
    from sn_eval.evaluation.suite import Member, Suite
    from sn_eval.metrics.frechet import FrechetResult
    from sn_eval.results.evaluation import Evaluation
    from sn_eval.results.ratings import Ratings
    from sn_eval.results.vbench_json import Imported, Total

Option = typer.Option
NOWHERE = Path()


def evaluate(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Video files, folders or globs; with --manifest they may be left out.")
    ] = None,
    manifest: Annotated[
        Path | None,
        Option(help="CSV or JSONL with the columns path, prompt, fps, anchor (a picture), seed, frames_per_chunk, …"),
    ] = None,
    suite: Annotated[
        str, Option(help="What is measured: a suite by name (`sn-eval metrics list`), or a YAML file.")
    ] = "bundled",
    metric: Annotated[
        list[str] | None, Option(help="Measure this in place of a suite: a metric or reward; repeat for several.")
    ] = None,
    metric_param: Annotated[
        list[str] | None, Option(help="A parameter of --metric, key=value, for those that have it; may be repeated.")
    ] = None,
    mode: Annotated[
        Literal["fixed", "reference"] | None,
        Option(help="fixed: known faults mended; reference: the published formulas. Without it, the suite's own."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path],
        Option(
            help="Two folders of videos, or of evaluations that are done: videos are paired by name.",
            show_default=False,
        ),
    ] = (NOWHERE, NOWHERE),
    labels: Annotated[
        Path | None, Option(help="CSV of people's ratings (video, rating, rater): how far do metrics agree with them?")
    ] = None,
    against: Annotated[
        Path | None, Option(help="Folder of other videos: the Fréchet distance of features to them, too.")
    ] = None,
    vbench: Annotated[
        list[Path] | None, Option(help="*_eval_results.json of the official VBench tool, to stand beside; repeatable.")
    ] = None,
    table: Annotated[Literal["csv", "parquet", "json"], Option(help="Format of the tidy tables.")] = "csv",
    out: Annotated[Path, Option(help="Folder for tables, page and pictures, and for what is finished.")] = Path(
        "runs/evaluate"
    ),
    page: Annotated[bool, Option("--page/--no-page", help="Write page.html and a picture of curves a video.")] = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure videos: consistency, motion, drift. One row a measure, one column a video, and a page to look at.

    Works offline on any videos; the suites vbench and tabletop need weights, or our own world. A video that cannot be
    read is reported, the others are measured, and the exit code is then 3. A run that was stopped goes on where it
    stopped.

    Examples:

      sn-eval evaluate clips/ --out runs/clips

      sn-eval evaluate --manifest clips.csv --suite tabletop

      sn-eval evaluate --compare runs/plain runs/searched

      sn-eval evaluate clips/ --labels ratings.csv
    """
    writable_folder(out)
    with friendly(kept=out), progress(quiet=quiet) as bars:
        if compare != (NOWHERE, NOWHERE):
            _alone(paths=paths or manifest, labels=labels, against=against, vbench=vbench)
            sides, told = _compared(compare, _suite(suite, metric, metric_param, mode), out, page, bars)
        else:
            beside = Beside.read(labels, vbench or [], against)
            sources = _sources(paths, manifest)
            found = _evaluated(sources, _suite(suite, metric, metric_param, mode), out, bars)
            found, told = beside.held_against(found, sources, bars)
            told.files = _written(found, told, out, table, page)
            sides = [found]
    print_json(told.as_dict()) if as_json else told.show()
    failed = {path: why for side in sides for path, why in side.failed.items()}
    for path, why in failed.items():
        err.print(Text(f"not evaluated: {why if path in why else f'{path}: {why}'}"), soft_wrap=True)
    if failed:
        raise typer.Exit(PARTIAL if any(side.videos for side in sides) else WRONG_INPUT)


@dataclass
class Told:
    """All that one call found, to print."""

    evaluation: "Evaluation | None" = None
    paired: "Paired | None" = None
    names: tuple[str, str] = ("A", "B")
    agreement: "Agreement | None" = None
    frechet: "FrechetResult | None" = None
    vbench: "Total | None" = None
    files: Sequence[tuple[str, Path]] = ()

    def show(self) -> None:
        """As tables."""
        from sn_eval.cli import evaluation_report as report

        if self.evaluation is not None:
            report.show_evaluation(self.evaluation)
        if self.frechet is not None:
            report.show_frechet(self.frechet)
        if self.vbench is not None:
            report.show_vbench(self.vbench)
        if self.agreement is not None:
            report.show_agreement(self.agreement)
        if self.paired is not None:
            report.show_paired(self.paired, self.names)
        report.show_files(self.files)

    def as_dict(self) -> dict[str, Any]:
        """For machines; curves by frame are in the files."""
        told = {name: value for name, value in vars(self).items() if value is not None and name != "files"}
        if self.paired is None:
            del told["names"]
        found = plain(told)
        for video in found.get("evaluation", {}).get("videos", []):
            video.pop("curves")
        return {**found, "files": [str(path) for _, path in self.files]}


# --- one folder -------------------------------------------------------------------------------------------


def _suite(name: str, metric: Sequence[str] | None, params: Sequence[str] | None, mode: Any) -> "Suite":
    """The suite by name, or one of the metrics that are named."""
    from sn_eval.evaluation.suite import load_suite, make_suite

    if metric:
        return make_suite("chosen metrics", "", mode or "fixed", tuple(_members(metric, parse_params(params or []))))
    if params:
        raise ResultsError("--metric-param goes with --metric NAME; the parameters of a suite stand in its YAML")
    return load_suite(name, mode)


def _members(metric: Sequence[str], params: Mapping[str, Any]) -> "Iterator[Member]":
    """Each metric with those parameters that it has; ResultsError for one that none has."""
    from rewards.registry import did_you_mean, parameters_of
    from sn_eval import metrics
    from sn_eval.evaluation.suite import Member

    known = {use: [parameter.name for parameter in parameters_of(metrics.resolve(use))] for use in metric}
    every = sorted({name for names in known.values() for name in names})
    for key in params:
        if key not in every:
            hint = did_you_mean(key, every)
            raise ResultsError(f"--metric-param {key}: no chosen metric has it.{hint} They have: {', '.join(every)}")
    for use, names in known.items():
        yield Member(use=use, params={key: value for key, value in params.items() if key in names})


def _sources(paths: Sequence[str] | None, manifest: Path | None) -> "Found":
    """The videos that are named."""
    from sn_eval.evaluation.sources import find_sources

    if not paths and manifest is None:
        raise ResultsError("nothing to evaluate: name videos, a folder, or --manifest FILE")
    return find_sources(paths or [], manifest)


def _evaluated(found: "Found", suite: "Suite", out: Path, bars: Bars) -> "Evaluation":
    """All of them measured; finished ones are kept in `out`."""
    from sn_eval.evaluation.evaluate import Watched
    from sn_eval.evaluation.evaluate import evaluate as measure

    videos, this = bars.add(f"suite {suite.name}", len(found.sources)), bars.add("this video")
    watched = Watched(
        on_video=lambda done, total, name: videos(done, total, name),
        on_frames=lambda done, total: this(done, total, "frames"),
    )
    return measure(
        found.sources, suite, failed=found.failed, notes=found.notes, keep=out / "finished", watched=watched
    )  # fmt: skip


@dataclass
class Beside:
    """What the figures are held against; read before anything is measured, since that may take hours."""

    ratings: "Ratings | None" = None
    official: "Mapping[str, Imported] | None" = None
    others: "Found | None" = None

    @classmethod
    def read(cls, labels: Path | None, vbench: Sequence[Path], against: Path | None) -> "Beside":
        """The files that are named; ResultsError or UserError, in one line, for one that cannot be used."""
        from sn_eval.evaluation.sources import find_sources
        from sn_eval.results.ratings import read_ratings

        return cls(
            None if labels is None else read_ratings(labels),
            _official(vbench) if vbench else None,
            None if against is None else find_sources([str(against)]),
        )

    def held_against(self, found: "Evaluation", sources: "Found", bars: Bars) -> "tuple[Evaluation, Told]":
        """The evaluation (with the official figures and further files that failed), and what is told of it."""
        from sn_eval.decision.agreement import agreement
        from sn_eval.results.vbench_json import join, vbench_total

        told = Told()
        if self.official is not None:
            found, told.vbench = join(found, self.official), vbench_total(self.official)
        if self.others is not None and found.videos:
            failed = dict(found.failed)
            told.frechet = _frechet(sources, self.others, failed, bars)
            found = found.model_copy(update={"failed": failed})
        told.evaluation = found
        if self.ratings is not None and found.videos:
            told.agreement = agreement(found, self.ratings)
        return found, told


def _official(files: Sequence[Path]) -> "dict[str, Imported]":
    """The dimensions of all files of the official tool."""
    from sn_eval.results.vbench_json import read_vbench

    official: dict[str, Imported] = {}
    for path in files:
        for name, dimension in read_vbench(path).items():
            if name in official:
                raise ResultsError(f"{path} holds {name}, as another --vbench file does: give each dimension once")
            official[name] = dimension
    return official


def _frechet(found: "Found", others: "Found", failed: dict[str, str], bars: Bars) -> Any:
    """Fréchet distance of the features of these videos to those of another folder; bad ones join `failed`."""
    from rewards.base import UserError
    from sn_eval.evaluation.sources import open_source
    from sn_eval.metrics.frechet import frechet

    bar = bars.add("Fréchet distance")
    failed |= others.failed

    def read(source: "Source") -> Iterator[Any]:
        try:
            yield from open_source(source)[1]
        except UserError as error:
            failed[str(source.path)] = str(error)

    def streams(sources: Sequence["Source"]) -> Iterator[Any]:
        for number, source in enumerate(sources):
            bar(number, len(sources), source.name)
            frames = read(source)
            if (first := next(frames, None)) is not None:
                yield chain([first], frames)

    good = [source for source in found.sources if str(source.path) not in failed]
    return frechet(streams(good), streams(others.sources))


def _written(found: "Evaluation", told: Told, out: Path, table: Any, page: bool) -> list[tuple[str, Path]]:
    """The files of one evaluation."""
    from sn_eval.evaluation import agreement_page
    from sn_eval.evaluation.outputs import write_files

    more = agreement_page.sections(told.agreement) if told.agreement is not None else []
    return write_files(found, out, table=table, page=page, more=more)


# --- two folders ------------------------------------------------------------------------------------------


def _compared(
    paths: tuple[Path, Path], suite: "Suite", out: Path, page: bool, bars: Bars
) -> tuple[list["Evaluation"], Told]:
    """Both sides evaluated, then paired by name."""
    from sn_eval.decision.pairing import pair
    from sn_eval.evaluation import comparison_page
    from sn_eval.results.files import write_whole

    sides = [_side(path, suite, out / name, bars) for path, name in zip(paths, ("A", "B"), strict=True)]
    paired = pair(*sides)
    if not paired.measures:
        first, more = next(iter(paired.refused), "both"), len(paired.refused) - 1
        why = paired.refused.get(first, "no measure")
        raise ResultsError(f"nothing to compare: {first}: {why}{f' (and {more} more)' if more > 0 else ''}")
    names = (str(paths[0]), str(paths[1]))
    write_whole(out / "comparison.json", json.dumps(plain(paired), ensure_ascii=False) + "\n")
    files = [("all of it", out / "comparison.json")]
    if page:
        files.append(("page", comparison_page.write(paired, out / "page.html", names=names)))
    return sides, Told(paired=paired, names=names, files=files)


def _alone(**others: Any) -> None:
    """ResultsError where --compare is given something that it does not look at."""
    named = ["PATH and --manifest" if name == "paths" else f"--{name}" for name, given in others.items() if given]
    if named:
        raise ResultsError(f"--compare takes its two folders itself: leave {', '.join(named)} out")


def _side(path: Path, suite: "Suite", out: Path, bars: Bars) -> "Evaluation":
    """One side of a comparison: a folder that is measured, or an evaluation that was saved (its file or folder)."""
    from rewards.base import UserError
    from sn_eval.evaluation.sources import find_sources
    from sn_eval.results.evaluation import FILE_NAME, Evaluation

    if path.suffix == ".json":
        return Evaluation.load(path)
    try:
        sources = find_sources([str(path)])
    except UserError:
        if (path / FILE_NAME).is_file():
            return Evaluation.load(path / FILE_NAME)
        raise
    done = _evaluated(sources, suite, out, bars)
    done.save(out / FILE_NAME)
    return done
