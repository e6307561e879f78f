"""The queues and what is counted of them."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from duly.domain.errors import QueueNotFound
from duly.domain.state import State
from duly.domain.stats import Histogram, QueueDepth, QueueState
from duly.domain.task import Task, TaskId
from duly.ports.clock import Clock
from duly.stores.memory.database import MemoryDatabase


class MemoryQueues:
    """A QueueStore."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def states(self) -> list[QueueState]:
        """See QueueStore."""
        with self._database.lock:
            return sorted(self._database.queues.values(), key=lambda state: state.name)

    async def declare(self, queues: Collection[str]) -> None:
        """See QueueStore."""
        with self._database.lock:
            for name in queues:
                self._database.queues.setdefault(name, QueueState(name, paused=False))

    async def pause(self, queue: str, paused: bool) -> QueueState:
        """See QueueStore."""
        with self._database.lock:
            if queue not in self._database.queues:
                raise QueueNotFound(queue)
            state = QueueState(queue, paused, self._clock.now() if paused else None)
            self._database.queues[queue] = state
            return state

    async def depths(self) -> list[QueueDepth]:
        """See QueueStore."""
        with self._database.lock:
            live = [task for task in self._database.tasks.values() if not task.final]
        return [_depth(queue, [t for t in live if t.queue == queue]) for queue in sorted({t.queue for t in live})]

    async def ready(self, queues: Collection[str]) -> set[str]:
        """See QueueStore."""
        with self._database.lock:
            pending = {task.queue for task in self._database.tasks.values() if task.state is State.PENDING}
        return pending.intersection(queues)

    async def unclaimed(self, queue: str, older_than: timedelta, limit: int) -> list[tuple[TaskId, int]]:
        """See QueueStore."""
        with self._database.lock:
            until = self._clock.now() - older_than
            waiting = [
                task
                for task in self._database.tasks.values()
                if task.queue == queue and task.state is State.PENDING and task.run_at <= until
            ]
        waiting.sort(key=lambda task: (-task.priority, task.run_at, task.id))
        return [(task.id, task.priority) for task in waiting[:limit]]

    async def add_rates(self, histograms: Sequence[Histogram]) -> None:
        """See QueueStore."""
        with self._database.lock:
            self._database.rates.update({(h.process, h.queue, h.at): h for h in histograms})

    async def rates(self, since: timedelta) -> list[Histogram]:
        """See QueueStore."""
        with self._database.lock:
            start = self._clock.now() - since
            return [histogram for histogram in self._database.rates.values() if histogram.at >= start]

    async def drop_rates(self, older_than: timedelta) -> int:
        """See QueueStore."""
        with self._database.lock:
            before = self._clock.now() - older_than
            old = [key for key, histogram in self._database.rates.items() if histogram.at < before]
            for key in old:
                del self._database.rates[key]
            return len(old)


def _depth(queue: str, live: Sequence[Task]) -> QueueDepth:
    states = [task.state for task in live]
    return QueueDepth(
        queue=queue,
        scheduled=states.count(State.SCHEDULED),
        pending=states.count(State.PENDING),
        running=states.count(State.RUNNING),
        oldest_pending=min((task.run_at for task in live if task.state is State.PENDING), default=None),
    )
