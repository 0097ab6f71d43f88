"""A Ray cluster: this machine's own for the time of the run, or one that is there (`--address`).

Every worker is an actor. All machines must see the run folder under one path: what is finished is read from there.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sn_eval.poc.executors import Crew, Result, lost
from sn_eval.poc.executors.process import cores
from sn_eval.results.files import ResultsError


@dataclass
class Workers:
    """Actors, made when first needed.

    workers: how many [as many as the cluster's GPUs or cores allow]. threads: of each [1 with an address, else cores /
    workers]. address: of the cluster, "auto" for the one of this machine [a new one]. gpus_per_worker: fractions let
    several share a GPU [0].
    """

    workers: int | None = None
    threads: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0
    slots: int = field(default=1, init=False)
    _ray: Any = field(default=None, init=False)
    _crew: Crew | None = field(default=None, init=False)
    _free: list[Any] = field(default_factory=list, init=False)
    _under_way: dict[Any, tuple[str, Any]] = field(default_factory=dict, init=False)

    def start(self, crew: Crew, steps: Callable[[int, int], None]) -> None:
        """Connect; ResultsError where Ray is missing, the cluster is not there, or no worker fits on it."""
        self._ray = _connected(self.address)
        threads = self.threads or (1 if self.address else max(1, cores() // (self.workers or cores())))
        self._crew = replace(crew, threads=threads)
        self.slots = self.workers or self._room(threads)
        if self._room(threads) < 1:
            what = f"{threads} CPUs and {self.gpus_per_worker:g} GPUs"
            raise ResultsError(f"no worker of {what} fits on the Ray cluster: fewer --threads or --gpus-per-worker")

    def submit(self, ticket: str, method: str, *args: Any) -> None:
        """Send the call to a free actor, or to a new one."""
        actor = self._free.pop() if self._free else self._another()
        self._under_way[actor.answer.remote(method, *args)] = (ticket, actor)

    def next(self) -> tuple[str, Result]:
        """The first answer; an actor that is lost (with its machine, perhaps) is replaced by the next call."""
        done = self._ray.wait(list(self._under_way), num_returns=1)[0][0]
        ticket, actor = self._under_way.pop(done)
        try:
            result: Result = self._ray.get(done)
        except self._ray.exceptions.RayError as error:
            return ticket, Result(failure=lost(f"a Ray worker was lost: {_first_line(error)}"))
        self._free.append(actor)
        return ticket, result

    def close(self) -> None:
        """End all actors at once, and the cluster where it was made for this run."""
        if self._ray is not None:
            for actor in (*self._free, *(actor for _, actor in self._under_way.values())):
                self._ray.kill(actor)
            self._ray.shutdown()
        self._free.clear()
        self._under_way.clear()

    def _room(self, threads: int) -> int:
        """Workers that the cluster has room for."""
        there = self._ray.cluster_resources()
        by_cpu = int(there.get("CPU", 0) // threads)
        return min(by_cpu, int(there.get("GPU", 0) / self.gpus_per_worker)) if self.gpus_per_worker else by_cpu

    def _another(self) -> Any:
        assert self._crew is not None
        needs = {"num_cpus": self._crew.threads, "num_gpus": self.gpus_per_worker}
        return self._ray.remote(_Actor).options(**needs).remote(self._crew)


class _Actor:
    """A worker that loads torch where it runs."""

    def __init__(self, crew: Crew) -> None:
        os.environ["OMP_NUM_THREADS"] = str(crew.threads)
        from sn_eval.poc.worker import Worker

        self._worker = Worker(crew)

    def answer(self, method: str, *args: Any) -> Result:
        """What the worker answers."""
        return self._worker.answer(method, *args)


def _connected(address: str | None) -> Any:
    """Ray, once it is connected."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        import ray
    except ImportError as error:
        raise ResultsError(
            "executor ray needs Ray: pip install 'sn-eval[ray]', or choose --executor process"
        ) from error
    own = {} if address else {"num_cpus": cores(), "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        where = f"at {address}" if address else "on this machine"
        raise ResultsError(f"no Ray cluster {where}: {_first_line(error)}. Start one with ray start --head") from error
    return ray


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
