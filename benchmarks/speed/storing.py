"""What a run of 10,000 finished cells takes to list, to tabulate, and to find that nothing is left to do.

`python -m benchmarks.speed.storing` prints it; `python -m benchmarks.speed` does too, with the rest. Exit code 1 where
something takes longer than two seconds. Each figure is a process of its own, from its start to its end, the best of
three; the contents of all records were put out of the system's memory before each. With `--step NAME FOLDER` it does
one of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sn_eval.results import snapshot
from sn_eval.results.experiment import Experiment
from sn_eval.results.plan import Plan, Planned
from sn_eval.results.record import Component, Cost, Environment, Quantity, Record, Seconds, versions
from sn_eval.results.run_folder import SPEC, RunFolder
from sn_eval.results.store import RunStore

LIMIT = 2.0  # seconds
PROMPTS, METHODS, SEEDS = 100, 10, 10
REPEATS = 3
FINISHED = 50  # cells whose commit is timed


def experiment() -> Experiment:
    """100 prompts × 10 methods × 10 seeds."""
    methods = [{"use": "plain"}, *({"use": "best_of_n", "name": f"best_of_{n}"} for n in range(2, METHODS + 1))]
    prompts = [f"a red ball rolls past the blue cube number {n} and comes to rest" for n in range(PROMPTS)]
    return Experiment.model_validate(
        {"name": "speed", "reward": "object_persistence", "evaluators": ["event_presence"], "methods": methods,
         "prompts": prompts, "seeds": range(SEEDS)}
    )  # fmt: skip


def plan(declared: Experiment) -> Plan:
    """Its cells."""
    cells = [
        Planned(cell=f"v1-{method.label}-s{seed}-{number:016x}", prompt=prompt.text, arm=method.label,
                method=method.label, repeat=seed)
        for number, prompt in enumerate(declared.prompts) for method in declared.methods for seed in declared.seeds
    ]  # fmt: skip
    return Plan(baseline="plain", judges=(), cells=tuple(cells))


def record(cell: Planned) -> Record:
    """As long as a real one."""
    count = Quantity.measured
    return Record(
        id=cell.cell, prompt=cell.prompt, model=Component(use="tabletop"), method=Component(use=cell.method),
        rollout=Component(use="chunk", params={"chunks": 6, "steps": 8, "preview": "early"}),
        rewards=(Component(use="object_persistence"), *(Component(use=f"judge_{n}") for n in range(5))),
        parameters={"method": {"beams": 2, "candidates": 8, "look": 4}, "fingerprint": "0" * 16, "budget_nfe": 384,
                    "winner": "f" * 16, "nominal_nfe": 384, "frames_per_chunk": 6, "start_frames": 1},
        seed=cell.repeat, frames=37, fps=8.0, width=256, height=256, frames_sha256="0" * 64,
        scores={f"judge_{n}[imagenet-lite0]/part_{part}": 0.1234567891234 * n for n in range(5) for part in range(4)},
        cost=Cost(
            nfe=count(384, "counted: evaluations of the denoiser × batch"), nfe_preview=count(256, "of previews"),
            decoded_frames=count(296, "counted where frames leave the decoder"), reward_frames=count(288, "counted"),
            seconds=Seconds(by_phase={f"phase_{n}": 1.23456789 * n for n in range(8)}, source="measured", how="clock"),
            flops=Quantity.estimated(1.2e12, "counted once for each shape of a batch, then multiplied"),
            peak_memory_bytes=count(2**29, "VmHWM of the process"), energy_joules=Quantity.none("no counter here"),
        ),
        environment=Environment(device="cpu", threads=2, max_batch=32), versions=dict(versions()),
        created="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def make_run(folder: Path) -> None:
    """A finished run, as `RunStore.finish` leaves it; without its waiting for the disk, 10,000 times."""
    declared = experiment()
    (folder / SPEC).write_text(json.dumps(declared.model_dump(mode="json")), "utf-8")  # JSON is YAML, too
    cells = plan(declared)
    cells.save(folder)
    files = {"video.mp4": b"v" * 100, "trace.jsonl": b"t" * 100, "contact_sheet.png": b"c" * 100}
    for cell in cells.cells:
        place = RunStore(folder).folder(cell.cell)
        place.mkdir(parents=True)
        for name, data in files.items():
            (place / name).write_bytes(data)
        noted = record(cell).model_copy(update={"files": {name: len(data) for name, data in files.items()}})
        (place / "record.json").write_text(noted.model_dump_json(indent=2) + "\n")
    os.sync()


def tabulate(folder: Path) -> int:
    """Rows of the table of a run's cells."""
    return len(snapshot.tabulate(RunStore(folder)))


def rerun(folder: Path) -> int:
    """Complete cells of a run that has nothing left to do: what a second `poc run` has to find out."""
    run = RunFolder.open(folder)
    return run.progress().done


STEPS: dict[str, Callable[[Path], int]] = {
    "list": lambda folder: len(RunStore(folder).ids()), "tabulate": tabulate, "rerun": rerun,
}  # fmt: skip


def seconds(step: str, folder: Path, cached: bool = True) -> float:
    """How long a process takes for one step on a finished run; without a snapshot where it is not `cached`."""
    taken = []
    for _ in range(REPEATS):
        if not cached:
            (folder / snapshot.FILE_NAME).unlink(missing_ok=True)
        for path in (*folder.glob("cells/*/record.json"), *folder.glob(snapshot.FILE_NAME)):
            _forget(path)
        command = [sys.executable, "-m", "benchmarks.speed.storing", "--step", step, str(folder)]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        taken.append(time.perf_counter() - began)
        if int(done.stdout) != PROMPTS * METHODS * SEEDS:
            raise RuntimeError(f"{step} found {done.stdout.strip()} cells")
    return min(taken)


def _forget(path: Path) -> None:
    """Put a file's contents out of the system's memory, where it can be told to (Linux)."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def commit_seconds(folder: Path) -> float:
    """Mean seconds of beginning and finishing a cell with three files, all of it on the disk."""
    store, cells = RunStore(folder), plan(experiment()).cells[:FINISHED]
    began = time.perf_counter()
    for cell in cells:
        place = store.begin(cell.cell)
        for name in ("video.mp4", "trace.jsonl", "contact_sheet.png"):
            (place / name).write_bytes(b"v" * 100_000)
        store.finish(cell.cell, record(cell))
    return (time.perf_counter() - began) / len(cells)


def report() -> tuple[list[str], bool]:
    """Lines to print, and whether the limits are kept."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        folder = Path(one)
        make_run(folder)
        taken = {
            "listed": seconds("list", folder),
            "tabulated without a snapshot": seconds("tabulate", folder, cached=False),
            "tabulated with one": seconds("tabulate", folder),
            "found finished by a second run": seconds("rerun", folder),
        }
        commit = commit_seconds(Path(other))
    cells = f"{PROMPTS * METHODS * SEEDS:,} cells"
    lines = [
        f"{cells} {what}: {took:.2f} s ({'within' if took <= LIMIT else 'ABOVE'} {LIMIT:g} s)"
        for what, took in taken.items()
    ]
    return [*lines, f"a cell of three files begun and committed to the disk: {1e3 * commit:.1f} ms"], all(
        took <= LIMIT for took in taken.values()
    )


def main() -> int:
    """Prints the lines, or the number of cells that a step found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.storing", description=__doc__)
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("folder", type=Path, nargs="?")
    options = parser.parse_args()
    if options.step:
        sys.stdout.write(f"{STEPS[options.step](options.folder)}\n")
        return 0
    lines, kept = report()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
