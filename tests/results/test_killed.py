"""kill −9 at any moment: what was finished stays, what was not runs again, and the end is the same as without."""

import multiprocessing
import os
import random
import signal
import time

import pytest
import storing

from sn_eval.results.store import RunStore

KILLS = 100
CELLS = 2  # finished in a life, at most, before its last moments begin
SPAN = 0.01  # seconds of these: a cell takes about as long


@pytest.fixture(scope="module")
def context():
    """Processes that are quick to start, each with the store and nothing heavy loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sn_eval.results.store"])
    return context


def start(context, target, *args):
    """A process and the end of a pipe that it writes to."""
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(args[0], there, *args[1:]), daemon=True)
    process.start()
    there.close()
    return process, here


def kill(process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def said(pipe) -> list[str]:
    """Everything that a dead process has said."""
    lines = []
    try:
        while pipe.poll():
            lines.append(pipe.recv())
    except EOFError:
        pass
    return lines


def files(store: RunStore) -> dict[str, bytes]:
    """Every file of every cell, and nothing but cells."""
    root = store.root / "cells"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def check_whole(store: RunStore) -> list[str]:
    """Complete cells, each with the bytes that belong to it."""
    found = store.ids()
    for cell in found:
        assert store.problems(cell) is None
        assert {name: (store.folder(cell) / name).read_bytes() for name in store.record(cell).files} == (
            storing.contents(cell)
        )
        assert store.record(cell).frames_sha256 == storing.made(cell).frames_sha256
    return found


@pytest.mark.slow
def test_100_kills_lose_nothing(tmp_path, context):
    """The process is killed at a random moment of a run that goes on where the last one was killed."""
    moments = random.Random(20260101)
    store, finished, checked = RunStore(tmp_path / "killed"), set(), set()
    for _ in range(KILLS):
        process, pipe = start(context, storing.run, store.root)
        for _ in range(moments.randint(1, CELLS)):
            finished.add(pipe.recv())
        time.sleep(moments.uniform(0, SPAN))
        kill(process)
        finished |= set(said(pipe))
        there = set(store.ids())
        assert finished <= there, "finished, and lost"
        assert [store.problems(cell) for cell in there - checked] == [None] * len(there - checked)
        checked = there
        assert {line["cell"] for line in store.errors()} <= set(storing.names(0, len(there) + 1))
    count = len(check_whole(store)) + 1
    for root in (store.root, tmp_path / "whole"):
        storing.fail_then_write(RunStore(root), storing.names(0, count))
    assert files(store) == files(RunStore(tmp_path / "whole"))
    assert store.error_log().damaged <= KILLS
    assert {line["cell"] for line in store.errors()} == set(storing.names(0, count, 3))


@pytest.mark.slow
def test_a_kill_at_any_line_loses_nothing(tmp_path, context):
    """Random moments seldom meet the few that matter, so each line of the store's code has its kill, too."""
    process, pipe = start(context, storing.die_at_every_line, tmp_path)
    process.join()
    assert process.exitcode == 0
    finished = said(pipe)
    places = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    assert len(places) > 50
    assert 0 < len(finished) < len(places)
    for place in places:
        store = RunStore(place)
        assert check_whole(store) in (["a1"], ["a1", "b3"])
        assert store.has("b3") or int(place.name) not in finished
        assert store.error_log().damaged == 0
        if not store.has("b3"):
            storing.write_cell(store, "b3")
        assert files(store) == files(RunStore(places[-1])), "what a killed writer left is still there"


@pytest.mark.slow
def test_two_writers_of_different_cells_do_not_meet(tmp_path, context):
    writers = [start(context, storing.run, tmp_path, first, 60, 2) for first in (0, 1)]
    for (process, pipe), first in zip(writers, (0, 1), strict=True):
        process.join()
        assert process.exitcode == 0
        assert said(pipe) == storing.names(first, 60, 2)
    store = RunStore(tmp_path)
    assert check_whole(store) == storing.names(0, 60)
    assert store.error_log().damaged == 0
    assert sorted(line["cell"] for line in store.errors()) == storing.names(0, 60, 3)


def test_one_of_many_holds_the_lock_and_a_killed_one_does_not(tmp_path, context):
    crowd = [start(context, storing.hold, tmp_path) for _ in range(6)]
    answers = [pipe.recv() for _, pipe in crowd]
    assert answers.count("held") == 1
    holder = crowd[answers.index("held")][0]
    second, pipe = start(context, storing.hold, tmp_path)
    line = pipe.recv()
    assert line.startswith(f"{tmp_path} is in use by process {holder.pid} on ")
    assert "finished cells stay" in line
    assert "\n" not in line
    second.join()
    assert RunStore(tmp_path).ids() == [], "reading needs no lock"
    kill(holder)
    assert (tmp_path / "run.lock.json").exists(), "what a killed holder leaves is no lock"
    last, pipe = start(context, storing.hold, tmp_path)
    assert pipe.recv() == "held"
    kill(last)


def test_the_writer_is_free_of_torch(tmp_path, context):
    process, pipe = start(context, storing.tell_modules, tmp_path)
    assert not {"torch", "pandas", "pyarrow"} & set(pipe.recv())
    process.join()
