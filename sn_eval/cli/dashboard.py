"""`sn-eval dashboard`: a run in the browser, for people who decide and people who look closer."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from sn_eval.cli.console import say

Option = typer.Option


def dashboard(
    runs: Annotated[
        Path | None, typer.Argument(help="A run's folder, or a folder of runs [runs/, else the bundled demo run].")
    ] = None,
    host: Annotated[str, Option(help="Address to listen on; 0.0.0.0: all, behind a proxy.")] = "127.0.0.1",
    port: Annotated[int, Option(min=1, max=65535, help="Port.")] = 8501,
    allowed_host: Annotated[
        list[str] | None, Option(help="Name that visitors may reach it by, e.g. poc.example.com; may be repeated.")
    ] = None,
    ratings: Annotated[
        Path | None, Option(help="CSV that blind preferences are appended to [none are recorded].")
    ] = None,
    allow_code: Annotated[
        bool, Option(help="Let visitors name rewards that run code of this machine (file.py:attr, pkg.mod:attr).")
    ] = False,
) -> None:
    """Open runs in the browser: decision, ROI, comparisons, search trajectories, rewards, progress; Japanese, English.

    Nothing is changed unless --ratings names a file. It has no login: for others than yourself, put it behind a proxy
    that has one (README, "Dashboard").

    Examples:

      sn-eval dashboard

      sn-eval dashboard runs/shop --port 8600

      sn-eval dashboard runs --ratings ratings.csv
    """
    from sn_eval.results.files import ResultsError

    if find_spec("streamlit") is None:
        raise ResultsError("the dashboard needs Streamlit: pip install 'sn-eval[dashboard]'")
    told = [sys.executable, "-m", "dashboard", *_runs(runs), "--host", host, "--port", str(port)]
    told += [part for name in allowed_host or () for part in ("--allowed-host", name)]
    told += ["--ratings", str(ratings)] if ratings is not None else []
    told += ["--allow-code"] if allow_code else []
    say(f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{port}   (Ctrl-C ends it)")
    try:
        code = subprocess.run(told, check=False).returncode
    except KeyboardInterrupt:
        code = 0
    if code > 0:
        raise typer.Exit(1)


def _runs(asked: Path | None) -> list[str]:
    """The folder to show, absolute; none for the demo run."""
    from sn_eval.results.files import ResultsError

    if asked is None:
        return [str(Path("runs").resolve())] if Path("runs").is_dir() else []
    if not asked.is_dir():
        raise ResultsError(f"{asked} is no folder: name a run's folder, or one that holds runs")
    return [str(asked.resolve())]
