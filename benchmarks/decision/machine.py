"""Does a task for many seeds on all cores, and shows how far it is."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

AT_ONCE = 10  # experiments that a worker does before it reports

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Machine:
    """Workers and a bar."""

    pool: ProcessPoolExecutor
    progress: Progress

    def run(self, about: str, task: Callable[[int], Answer], count: int) -> list[Answer]:
        """The answers for seeds 0 to count − 1, in their order. task: a function of a module, or a partial of one."""
        bar = self.progress.add_task(about, total=count)
        found: list[Answer] = []
        parts = (range(start, min(start + AT_ONCE, count)) for start in range(0, count, AT_ONCE))
        for part in self.pool.map(partial(_some, task), parts):
            found += part
            self.progress.advance(bar, len(part))
        return found


@contextmanager
def all_cores() -> Iterator[Machine]:
    """Workers for a while, each with one thread; the bar is on stderr."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers are started afresh, and read it
    with (
        ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        yield Machine(pool, progress)


def _some(task: Callable[[int], Answer], seeds: range) -> list[Answer]:
    return [task(seed) for seed in seeds]
