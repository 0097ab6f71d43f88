"""What an evaluation leaves in its folder: all of it as JSON, tidy tables, a page to look at, VBench's own form."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sn_eval.evaluation import evaluation_page
from sn_eval.evaluation.evaluation_view import remembering
from sn_eval.page import Section
from sn_eval.results.evaluation import FILE_NAME, Evaluation
from sn_eval.results.tidy import write_curves, write_table
from sn_eval.results.vbench_json import write_vbench

Format = Literal["csv", "parquet", "json"]
File = tuple[str, Path]  # what it is, in a word or two, and where


def write_files(
    found: Evaluation, out: Path, *, table: Format = "csv", page: bool = True, more: Sequence[Section] = ()
) -> list[File]:
    """Write everything into `out`; ResultsError where that cannot be. more: sections that join the page."""
    files = [("all of it", found.save(out / FILE_NAME))]
    if not found.videos:
        return files
    files += [
        ("table", write_table(found, out / f"results.{table}")),
        ("by frame", write_curves(found, out / f"curves.{table}")),
        ("as VBench", write_vbench(found, out / "vbench_eval_results.json")),
    ]
    if page:
        chunks = {video.video: video.frames_per_chunk for video in found.videos if video.frames_per_chunk}
        frames = remembering()  # page and pictures show the same ones
        shown = evaluation_page.write(found, out / "page.html", frames=frames, frames_per_chunk=chunks, more=more)
        drawn = evaluation_page.pictures(found, out / "pictures", frames=frames, frames_per_chunk=chunks)
        files += [("page", shown), *(("curves", path) for path in drawn)]
    return files
