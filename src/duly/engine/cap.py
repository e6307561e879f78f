"""How many tasks may wait in a queue."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from duly.domain.errors import QueueFull, StoreUnavailable
from duly.domain.stats import QueueDepth
from duly.domain.task import Task
from duly.engine.fresh import Fresh

FRESH = timedelta(seconds=1)


class QueueCap:
    """Refuses tasks for a queue that is full. An approximation: what other processes add is seen a second later."""

    def __init__(self, depths: Callable[[], Awaitable[Sequence[QueueDepth]]], most: int) -> None:
        self._depths = depths
        self.bounded = bool(most)
        """Whether there is a limit at all."""
        self._most = most
        self._pending = Fresh(self._look, FRESH)

    async def admit(self, tasks: Sequence[Task]) -> None:
        """Count these in. Raises QueueFull, and then none is; without a limit, or without a database, all may pass."""
        if not self.bounded:
            return
        try:
            pending = await self._pending.get()
        except StoreUnavailable:
            return
        wanted = Counter(task.queue for task in tasks)
        for queue, count in wanted.items():
            if pending[queue] + count > self._most:
                raise QueueFull(queue, self._most)
        pending.update(wanted)

    async def _look(self) -> Counter[str]:
        return Counter({depth.queue: depth.pending for depth in await self._depths()})
