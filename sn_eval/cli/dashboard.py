"""`sn-eval dashboard`: a run in the browser, for people who decide and people who look closer."""

import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.request import urlopen

import typer

from sn_eval.cli.console import AsJson, Quiet, print_json, say

Option = typer.Option
EVERYWHERE = ("127.0.0.1", "0.0.0.0", "::")
FIRST_PORT = 8501


def dashboard(
    runs: Annotated[
        Path | None, typer.Argument(help="A run's folder, or a folder of runs [runs/, else the bundled demo run].")
    ] = None,
    host: Annotated[str, Option(help="Address to listen on; 0.0.0.0: all, behind a proxy.")] = "127.0.0.1",
    port: Annotated[int | None, Option(min=1, max=65535, help="Port [the first free one from 8501 on].")] = None,
    allowed_host: Annotated[
        list[str] | None, Option(help="Name that visitors may reach it by, e.g. poc.example.com; may be repeated.")
    ] = None,
    ratings: Annotated[
        Path | None, Option(help="CSV that blind preferences are appended to [none are recorded].")
    ] = None,
    allow_code: Annotated[
        bool, Option(help="Let visitors name rewards that run code of this machine (file.py:attr, pkg.mod:attr).")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
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
    at = _port(host, port)
    told = [sys.executable, "-m", "dashboard", *_runs(runs), "--host", host, "--port", str(at)]
    told += [part for name in allowed_host or () for part in ("--allowed-host", name)]
    told += ["--ratings", str(ratings.resolve())] if ratings is not None else []
    told += ["--allow-code"] if allow_code else []
    quieter = {**os.environ, "STREAMLIT_LOGGER_LEVEL": "error"}
    server = subprocess.Popen(told, stdout=subprocess.DEVNULL, env=quieter)
    try:
        url = f"http://{'localhost' if host in EVERYWHERE else host}:{at}"
        _wait(server, url)
        if as_json:
            print_json({"url": url, "pid": server.pid, "runs": _runs(runs)})
        elif not quiet:
            say(f"{url}   (Ctrl-C ends it)")
        server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
    if server.returncode > 0:
        raise typer.Exit(1)


def _port(host: str, asked: int | None) -> int:
    """A port that nobody listens on; ResultsError where the one that was asked for is taken."""
    from sn_eval.results.files import ResultsError

    for port in (asked,) if asked is not None else range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
            except OSError as error:
                why = error.strerror
            else:
                return port
    raise ResultsError(f"cannot listen on {host}, port {asked or FIRST_PORT}: {why}. Choose another --host or --port")


def _wait(server: "subprocess.Popen[bytes]", url: str) -> None:
    """Until it answers; Exit 1 where it ended instead (it has said why)."""
    while server.poll() is None:
        try:
            with urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise typer.Exit(1)


def _runs(asked: Path | None) -> list[str]:
    """The folder to show, absolute; none for the demo run."""
    from sn_eval.results.files import ResultsError

    if asked is None:
        return [str(Path("runs").resolve())] if Path("runs").is_dir() else []
    if not asked.is_dir():
        raise ResultsError(f"{asked} is no folder: name a run's folder, or one that holds runs")
    return [str(asked.resolve())]
