"""What a visitor of the dashboard waits for on a run of 10,000 cells, and whether videos stay out of its memory.

`python -m benchmarks.speed.showing` prints it; `python -m benchmarks.speed` does too, with the rest. Exit code 1 where
a limit is missed: three seconds to the first content in a real Chromium, one second from page to page, and eight videos
of 20 MB that raise the server's memory by less than one of them. The server has been started before, and has made the
run ready, whose snapshot was there; how long that took is printed, too. Needs playwright and a Chromium.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.speed import storing
from sn_eval.results import snapshot
from sn_eval.results.experiment import Experiment
from sn_eval.results.plan import Judge, Plan, Planned
from sn_eval.results.run_folder import SPEC, declared
from sn_eval.results.store import RunStore

FIRST, SWITCH = 3.0, 1.0  # seconds
VIDEOS, BYTES = 8, 20_000_000
PROMPTS, METHODS, SEEDS = 500, 5, 4
REPEATS = 3
READY = 120.0  # seconds that the server may take to start and to make the run ready
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TITLES = ("decision", "roi", "compare", "trajectories", "lab", "runs")


class Absent(Exception):
    """What this needs is not installed; one line."""


@dataclass(frozen=True)
class Waited:
    """Seconds. ready: from the server's start; first: to the first content; whole: to the end of that page.

    switches: by page, until its title is there; ends: until its footer is. memory: bytes that eight videos added.
    """

    ready: float
    first: float
    whole: float
    switches: dict[str, float]
    ends: dict[str, float]
    memory: int


# --- the run ----------------------------------------------------------------------------------------------


def experiment() -> Experiment:
    """As large as `storing.experiment`, with all that a decision needs."""

    def amount(value: float) -> dict[str, Any]:
        return {"value": value, "low": 0.8 * value, "high": 1.2 * value, "source": "made up for this benchmark"}

    exchange = {"of": "USD", "to": "JPY", "rate": 150.0, "on": "2026-01-05", "source": "made up"}
    rate = {"value": 2.0, "currency": "USD", "unit": "CPU-hour", "as_of": "2026-01-05", "source": "made up"}
    return Experiment.model_validate(
        {"name": "speed", "reward": "object_persistence", "evaluators": ["event_presence", "motion_floor"],
         "methods": [{"use": "plain"}, *({"use": "best_of_n", "name": f"best_of_{n}"} for n in range(2, METHODS + 1))],
         "prompts": [{"text": f"a red ball rolls past the blue cube number {n}", "group": ("near", "far")[n % 2],
                      "split": "confirm" if n >= 20 else "dev"} for n in range(PROMPTS)],
         "seeds": range(SEEDS), "acceptance": [{"evaluator": "event_presence", "at_least": 0.5}],
         "primary": [{"minimum_effect": 0.05}],
         "prices": {"rate": rate, "utilisation": amount(0.5), "currency": "JPY", "exchange": exchange,
                    "tax_included": False},
         "business": {"videos_per_month": amount(400), "minutes_per_video": {"value": 0.5, "source": "made up"},
                      "attempts_cap": 4, "review": amount(300), "rejection": amount(200), "fallback": amount(30000),
                      "one_off": amount(1_500_000), "monthly": amount(80_000), "discount": amount(0.05),
                      "months": 24}}
    )  # fmt: skip


def make_run(folder: Path) -> list[str]:
    """A finished run of 10,000 cells with its snapshot; ids of the cells that have a large video."""
    asked, store = experiment(), RunStore(folder)
    cells = tuple(
        Planned(cell=f"v1-{method.label}-s{seed}-{number:016x}", prompt=prompt.text, group=prompt.group,
                split=prompt.split, arm=method.label, method=method.label, repeat=seed)
        for number, prompt in enumerate(asked.prompts) for method in asked.methods for seed in asked.seeds
    )  # fmt: skip
    judges = tuple(Judge(label=each.label, key=each.label, families=()) for each in asked.evaluators)
    folder.mkdir(parents=True)
    (folder / SPEC).write_text(json.dumps(asked.model_dump(mode="json")), "utf-8")
    Plan(baseline="plain", judges=judges, cells=cells, declared=declared(asked)).save(folder)
    for number, cell in enumerate(cells):
        place = store.folder(cell.cell)
        place.mkdir(parents=True)
        gain = int(cell.arm.rpartition("_")[2]) if "_" in cell.arm else 0
        scores = {judge.label: (number * 37 % 101) / 101 * (1 + gain / 20) for judge in judges}
        (place / "record.json").write_text(storing.record(cell).model_copy(update={"scores": scores}).model_dump_json())
    large = [cell.cell for cell in cells[:VIDEOS]]
    for name in large:
        (store.folder(name) / "video.mp4").write_bytes(os.urandom(BYTES))
    snapshot.recorded(store)
    return large


# --- the server -------------------------------------------------------------------------------------------


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]", float]]:
    """(address, process, seconds until it had made the run ready)."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    command = [sys.executable, "-m", "dashboard", str(folder), "--port", str(port)]
    began = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    root = f"http://localhost:{port}"
    try:
        _healthy(server, root)
        _idle(server)
        yield root, server, time.perf_counter() - began
    finally:
        server.terminate()
        server.wait()


def _healthy(server: "subprocess.Popen[bytes]", root: str) -> None:
    end = time.monotonic() + READY
    while server.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"{root}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the dashboard did not start (exit status {server.poll()})")


def _idle(server: "subprocess.Popen[bytes]") -> None:
    """Wait until it computes nothing any more."""
    end, before = time.monotonic() + READY, -1.0
    while time.monotonic() < end and (now := _cpu(server.pid)) - before > 0.05:
        before = now
        time.sleep(1.0)


def _cpu(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> int:
    """Bytes of memory that a process holds."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def fetched(root: str, run: str, cells: list[str]) -> int:
    """Bytes that came of these cells' videos, all at the same time, read as slowly as players do."""
    with_all = [urlopen(f"{root}/cells/{run}/{cell}/video.mp4") for cell in cells]
    found = 0
    while with_all:
        for answer in list(with_all):
            part = answer.read(1 << 18)
            found += len(part)
            if not part:
                answer.close()
                with_all.remove(answer)
    return found


# --- the browser ------------------------------------------------------------------------------------------


def browser() -> str:
    """Path of a Chromium. Absent where there is none, or a package is missing."""
    for package in ("streamlit", "playwright"):
        if find_spec(package) is None:
            raise Absent(f"the dashboard was not measured: {package} is not installed (pip install {package})")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None or not Path("/proc/self/stat").is_file():
        raise Absent("the dashboard was not measured: it needs Linux and a Chromium (Debian: apt-get install chromium)")
    return found


def visit(root: str, executable: str) -> tuple[float, float, dict[str, float], dict[str, float]]:
    """(first content, whole page, switches by page, ends by page), the best of a few visitors each."""
    from playwright.sync_api import sync_playwright

    first: list[float] = []
    whole: list[float] = []
    switches: dict[str, list[float]] = {}
    ends: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for _ in range(REPEATS):
            tab = chromium.new_page(viewport={"width": 1440, "height": 1000}, locale="en-US")
            tab.set_default_timeout(60_000)
            began = time.perf_counter()
            tab.goto(f"{root}/?{urlencode({'lang': 'en'})}")
            tab.get_by_role("heading", level=1).wait_for()
            first.append(time.perf_counter() - began)
            _ended(tab)
            whole.append(time.perf_counter() - began)
            for page in (*TITLES[1:], TITLES[0]):
                seen, end = _switch(tab, page)
                switches.setdefault(page, []).append(seen)
                ends.setdefault(page, []).append(end)
            tab.close()
        chromium.close()
    return min(first), min(whole), {p: min(t) for p, t in switches.items()}, {p: min(t) for p, t in ends.items()}


def _switch(tab: Any, page: str) -> tuple[float, float]:
    from sn_eval.present.words import say

    title = say("en", f"pages.{page}.title")
    link = tab.get_by_test_id("stSidebar").get_by_role("link", name=title)
    began = time.perf_counter()
    link.click()
    tab.get_by_role("heading", level=1, name=title, exact=True).wait_for()
    seen = time.perf_counter() - began
    _ended(tab)
    return seen, time.perf_counter() - began


def _ended(tab: Any) -> None:
    """Wait until the server has drawn everything."""
    tab.wait_for_function("document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'")


# --- printing ---------------------------------------------------------------------------------------------


def measured(executable: str) -> Waited:
    """Everything, on a run that it writes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "speed"
        large = make_run(folder)
        with serving(folder) as (root, server, ready):
            first, whole, switches, ends = visit(root, executable)
            fetched(root, "speed", large[:1])  # what the first answer loads is no growth
            before = memory_of(server.pid)
            if fetched(root, "speed", large) != VIDEOS * BYTES:
                raise RuntimeError("the videos did not come whole")
            return Waited(ready, first, whole, switches, ends, memory_of(server.pid) - before)


def report() -> tuple[list[str], bool]:
    """Lines to print, and whether the limits are kept; one line, and no miss, where there is no browser."""
    try:
        found = measured(browser())
    except Absent as absent:
        return [str(absent)], True
    lines = [
        f"dashboard on {PROMPTS * METHODS * SEEDS:,} cells: ready {found.ready:.1f} s after its start",
        f"first content in Chromium: {found.first:.2f} s ({_within(found.first <= FIRST)} {FIRST:g} s), "
        f"the whole page {found.whole:.2f} s",
        *(
            f"to the page {page}: {took:.2f} s ({_within(took <= SWITCH)} {SWITCH:g} s), "
            f"all of it {found.ends[page]:.2f} s"
            for page, took in found.switches.items()
        ),
        f"memory of the server after {VIDEOS} videos of {BYTES / 1e6:.0f} MB: {found.memory / 1e6:+.1f} MB "
        f"({_within(found.memory < BYTES)} {BYTES / 1e6:.0f} MB)",
    ]
    quick = found.first <= FIRST and all(took <= SWITCH for took in found.switches.values())
    return lines, quick and found.memory < BYTES


def _within(kept: bool) -> str:
    return "within" if kept else "ABOVE"


def main() -> int:
    """Prints the lines."""
    argparse.ArgumentParser(prog="python -m benchmarks.speed.showing", description=__doc__).parse_args()
    lines, kept = report()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
