"""Cells as a run leaves them, without a model; imported by processes that are killed, so it loads nothing heavy."""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from sn_eval.results.record import Component, Cost, Environment, Quantity, Record, Seconds
from sn_eval.results.store import RunStore


def made(cell: str, **changes) -> Record:
    """A record that follows from the cell's id alone."""
    none = Quantity.none("not counted")
    cost = Cost(
        nfe=Quantity.measured(48, "counted"), nfe_preview=none, decoded_frames=none, reward_frames=none,
        seconds=Seconds(by_phase={"generate": 1.5}, source="measured", how="clock"), flops=none,
        peak_memory_bytes=none, energy_joules=none,
    )  # fmt: skip
    fields = {
        "id": cell, "prompt": "a red ball", "model": Component(use="m"), "rollout": Component(use="chunk"),
        "method": Component(use="plain"), "seed": len(cell), "frames": 8, "fps": 8.0, "width": 64, "height": 64,
        "frames_sha256": hashlib.sha256(cell.encode()).hexdigest(), "scores": {"sharp": 0.5}, "cost": cost,
        "environment": Environment(device="cpu"),
    }  # fmt: skip
    return Record(**(fields | changes))


def contents(cell: str) -> dict[str, bytes]:
    """The cell's files, of lengths of their own."""
    seed = hashlib.sha256(cell.encode()).digest()
    return {"video.mp4": seed * (500 + seed[0]), "trace.jsonl": seed.hex().encode() * (1 + seed[1]) + b"\n"}


def write_cell(store: RunStore, cell: str) -> None:
    """Begin a cell, write its files bit by bit, and finish it."""
    folder = store.begin(cell)
    for name, data in contents(cell).items():
        with (folder / name).open("wb") as file:
            for start in range(0, len(data), 4096):
                file.write(data[start : start + 4096])
                file.flush()
    store.finish(cell, made(cell))


def fail_then_write(store: RunStore, cells: Iterable[str]) -> None:
    """What a run does with what is missing: here every third cell fails once before it is made."""
    for cell in store.missing(cells):
        if int(cell[1:]) % 3 == 0:
            store.fail(cell, OSError(f"lost the device of {cell}"))
        write_cell(store, cell)


def names(first: int, last: int, step: int = 1) -> list[str]:
    """Ids of cells."""
    return [f"c{number:05d}" for number in range(first, last, step)]


def run(root: Path, pipe, first: int = 0, last: int = 10**4, step: int = 1) -> None:
    """A process's whole work; it says through the pipe which cells it finished."""
    store = RunStore(root)
    for cell in store.missing(names(first, last, step)):
        fail_then_write(store, [cell])
        pipe.send(cell)


def die_at_every_line(root: Path, pipe) -> None:
    """For every line of the store's code that finishing a cell runs through: a process that is killed there.

    Each in a folder of its own, named after how many lines it got to; says which of them had finished their cell.
    """
    lines = 0
    while True:
        lines += 1
        child = os.fork()
        if child == 0:
            store = RunStore(root / str(lines))
            write_cell(store, "a1")
            sys.settrace(_killed_after(lines))
            store.fail("b3", OSError("lost"))
            write_cell(store, "b3")
            pipe.send(lines)
            sys.settrace(None)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return


def _killed_after(lines: int):
    """A trace function that kills its process after so many lines of `sn_eval.results`."""
    left = lines

    def trace(frame, event, _):
        nonlocal left
        if "/sn_eval/results/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def hold(root: Path, pipe) -> None:
    """Try to be the only writer, say how that went, and stay it."""
    try:
        with RunStore(root).locked():
            pipe.send("held")
            time.sleep(60)
    except ValueError as error:
        pipe.send(str(error))


def tell_modules(_: Path, pipe) -> None:
    """Say what is loaded in such a process."""
    pipe.send(list(sys.modules))
