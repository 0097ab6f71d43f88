"""Several processes on this machine, each with a model of its own.

A process that the system kills (out of memory, say) is a failure of its cell only: another one takes its place.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from sn_eval.poc.executors import Crew, Result, lost


@dataclass
class _Member:
    """One process, and the call that it is working on."""

    process: BaseProcess
    pipe: Connection
    ticket: str | None = None


@dataclass
class Workers:
    """Processes, started when first needed. workers: how many [one a core]. threads: of each [cores / workers]."""

    workers: int | None = None
    threads: int | None = None
    slots: int = field(default=1, init=False)
    _crew: Crew | None = field(default=None, init=False)
    _members: list[_Member] = field(default_factory=list, init=False)

    def start(self, crew: Crew, steps: Callable[[int, int], None]) -> None:
        """Share the cores out."""
        found = cores()
        self.slots = self.workers or found
        self._crew = replace(crew, threads=self.threads or max(1, found // self.slots))

    def submit(self, ticket: str, method: str, *args: Any) -> None:
        """Send the call to a free process, or to a new one."""
        member = next((member for member in self._members if member.ticket is None), None) or self._another()
        member.ticket = ticket
        with contextlib.suppress(BrokenPipeError, ConnectionError):  # it has just ended: `next` will see that
            member.pipe.send((method, args))

    def next(self) -> tuple[str, Result]:
        """The first answer, or the first process that ends without one."""
        busy = {member.pipe: member for member in self._members if member.ticket is not None}
        member = busy[next(pipe for pipe in wait(list(busy)) if isinstance(pipe, Connection))]
        ticket, member.ticket = str(member.ticket), None
        try:
            return ticket, member.pipe.recv()
        except (EOFError, ConnectionError):  # the other end of the pipe is gone, and its process with it
            member.process.join()
            self._members.remove(member)
            return ticket, Result(failure=lost(_ended(member.process)))

    def close(self) -> None:
        """End them all at once; what they were doing stays unfinished in the store."""
        for member in self._members:
            member.process.kill()
        for member in self._members:
            member.process.join()
            member.pipe.close()
        self._members.clear()

    def _another(self) -> _Member:
        context = multiprocessing.get_context("spawn")  # forked torch deadlocks in its thread pools
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._crew), daemon=True)
        process.start()
        theirs.close()  # so that the pipe ends with the process
        self._members.append(_Member(process, ours))
        return self._members[-1]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ended(process: BaseProcess) -> str:
    """How a process ended, in words."""
    code = process.exitcode or 0
    if code >= 0:
        return f"worker process {process.pid} ended with exit code {code}"
    why = " (the system does so when memory runs out)" if code == -signal.SIGKILL else ""
    return f"worker process {process.pid} was ended by {signal.Signals(-code).name}{why}"


def _work(pipe: Connection, crew: Crew) -> None:
    """Answer calls until the pipe closes. Ctrl-C is for the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(crew.threads)  # before torch is loaded
    from sn_eval.poc.worker import Worker

    worker = Worker(crew)
    while True:
        try:
            method, args = pipe.recv()
        except EOFError:
            return
        pipe.send(worker.answer(method, *args))


def _end_with_parent() -> None:
    """A worker whose run was killed would go on writing a cell that the next run makes anew: end at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
