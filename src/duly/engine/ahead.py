"""Filling the cache ahead of its readers: with what was submitted, and with what has ended."""

import asyncio
from collections import deque
from collections.abc import Iterable

from duly.domain.errors import StoreUnavailable
from duly.domain.task import Task, TaskId
from duly.engine.reads import Reads
from duly.ports.store import MAX_BATCH
from duly.ports.telemetry import Emit

MAX_BEHIND = 10_000
"""Of more than so many tasks the oldest are left to their readers."""


class Ahead:
    """Takes tasks through a read, many at once: what is read was committed, and so is what the cache holds."""

    def __init__(self, reads: Reads, emit: Emit) -> None:
        self._reads = reads
        self._emit = emit
        self._behind: deque[TaskId] = deque(maxlen=MAX_BEHIND)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()

    def tell(self, tasks: Iterable[Task]) -> None:
        """Have these in the cache soon. From any thread; never waits, never raises."""
        self._behind.extend(task.id for task in tasks)
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Fill until cancelled. What a database that is away does not tell is left to the readers."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._behind:
                try:
                    await self._reads.refill(self._next())
                except StoreUnavailable:
                    self._behind.clear()
                except Exception as error:  # noqa: BLE001  # the top of a loop: readers fill the cache too
                    self._behind.clear()
                    self._emit("loop.failed", {"loop": "ahead", "error": repr(error)})

    def _next(self) -> set[TaskId]:
        return {self._behind.popleft() for _ in range(min(MAX_BATCH, len(self._behind)))}
