"""`sn-eval evaluate`: videos in, a table that one understands out; folders compared, metrics held against people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    from sn_eval.results.vbench_json import Total

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
        Option(help="fixed: known faults mended; reference: the published formulas [the suite's]."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path], Option(help="Two folders (or evaluation.json files): videos are paired by name.")
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
            if paths or manifest:
                raise ResultsError("--compare takes its two folders itself: leave PATH and --manifest out")
            sides, told = _compared(compare, _suite(suite, metric, metric_param, mode), out, page, bars)
        else:
            found = _evaluated(_sources(paths, manifest), _suite(suite, metric, metric_param, mode), out, bars)
            total = None
            if vbench:
                found, total = _joined(found, vbench)
            told = Told(found, vbench=total)
            told.agreement = None if labels is None else _agreement(found, labels)
            told.frechet = None if against is None else _frechet(_sources(paths, manifest), against, bars)
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


def _joined(found: "Evaluation", files: Sequence[Path]) -> "tuple[Evaluation, Total]":
    """With the figures of the official tool beside ours, and its total where every dimension was given."""
    from sn_eval.results.vbench_json import join, read_vbench, vbench_total

    official = {name: dimension for path in files for name, dimension in read_vbench(path).items()}
    return join(found, official), vbench_total(official)


def _agreement(found: "Evaluation", labels: Path) -> "Agreement":
    """The measures held against people."""
    from sn_eval.decision.agreement import agreement
    from sn_eval.results.ratings import read_ratings

    return agreement(found, read_ratings(labels))


def _frechet(found: "Found", against: Path, bars: Bars) -> Any:
    """Fréchet distance of the features of these videos to those of another folder."""
    from sn_eval.evaluation.sources import find_sources, open_source
    from sn_eval.metrics.frechet import frechet

    bar = bars.add("Fréchet distance")

    def streams(sources: Sequence["Source"]) -> Iterator[Any]:
        for number, source in enumerate(sources):
            bar(number, len(sources), source.name)
            yield open_source(source)[1]

    return frechet(streams(found.sources), streams(find_sources([str(against)]).sources))


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
    names = (str(paths[0]), str(paths[1]))
    write_whole(out / "comparison.json", json.dumps(plain(paired), ensure_ascii=False) + "\n")
    files = [("all of it", out / "comparison.json")]
    if page:
        files.append(("page", comparison_page.write(paired, out / "page.html", names=names)))
    return sides, Told(paired=paired, names=names, files=files)


def _side(path: Path, suite: "Suite", out: Path, bars: Bars) -> "Evaluation":
    """One side of a comparison: a folder that is measured, or an evaluation that was saved."""
    from sn_eval.evaluation.sources import find_sources
    from sn_eval.results.evaluation import FILE_NAME, Evaluation

    if path.suffix == ".json":
        return Evaluation.load(path)
    done = _evaluated(find_sources([str(path)]), suite, out, bars)
    done.save(out / FILE_NAME)
    return done
