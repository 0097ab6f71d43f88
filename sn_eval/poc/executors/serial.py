"""One cell after the other, in this process."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sn_eval.poc.executors import Crew, Result

if TYPE_CHECKING:
    from sn_eval.poc.worker import Worker


@dataclass
class Workers:
    """This process is the only worker. threads: of torch [as they are]."""

    threads: int | None = None
    slots: int = field(default=1, init=False)
    _worker: "Worker | None" = field(default=None, init=False)
    _calls: deque[tuple[str, str, tuple[Any, ...]]] = field(default_factory=deque, init=False)

    def start(self, crew: Crew, steps: Callable[[int, int], None]) -> None:
        """Load torch."""
        from sn_eval.poc.worker import Worker

        self._worker = Worker(replace(crew, threads=self.threads), steps)

    def submit(self, ticket: str, method: str, *args: Any) -> None:
        """Remember the call."""
        self._calls.append((ticket, method, args))

    def next(self) -> tuple[str, Result]:
        """Make it now."""
        assert self._worker is not None
        ticket, method, args = self._calls.popleft()
        return ticket, self._worker.answer(method, *args)

    def close(self) -> None:
        """Forget the model."""
        self._worker = None
        self._calls.clear()
