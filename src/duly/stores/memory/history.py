"""Stories, and the ids of what is gone."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from duly.domain.event import TaskEvent
from duly.domain.state import State
from duly.domain.task import Task, TaskId
from duly.ports.clock import Clock
from duly.ports.store import Retention
from duly.stores.memory.database import MemoryDatabase


class MemoryHistory:
    """A HistoryStore."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def events(self, task_id: TaskId) -> list[TaskEvent]:
        """See HistoryStore."""
        with self._database.lock:
            return list(self._database.events.get(task_id, ()))

    async def record(self, events: Sequence[TaskEvent]) -> None:
        """See HistoryStore."""
        with self._database.lock:
            self._database.tell(events)

    async def purge(self, kept: Retention, limit: int) -> int:
        """See HistoryStore."""
        with self._database.lock:
            now = self._clock.now()
            ended = [task.id for task in self._database.tasks.values() if _has_ended(task, kept, now)][:limit]
            self._remove(ended, now)
            return len(ended)

    async def delete(self, task: Task) -> bool:
        """See HistoryStore."""
        with self._database.lock:
            current = self._database.tasks.get(task.id)
            if current is None or not current.final or current.version != task.version:
                return False
            self._remove([task.id], self._clock.now())
            return True

    def _remove(self, ids: Iterable[TaskId], now: datetime) -> None:
        for id_ in ids:
            del self._database.tasks[id_]
            self._database.events.pop(id_, None)
            self._database.purged[id_] = now

    async def purged(self, ids: Collection[TaskId]) -> set[TaskId]:
        """See HistoryStore."""
        with self._database.lock:
            return {id_ for id_ in ids if id_ in self._database.purged}

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """See HistoryStore."""
        with self._database.lock:
            before = self._clock.now() - older_than
            old = [id_ for id_, at in self._database.purged.items() if at < before][:limit]
            for id_ in old:
                del self._database.purged[id_]
            return len(old)


def _has_ended(task: Task, kept: Retention, now: datetime) -> bool:
    if not task.final or task.finished_at is None:
        return False
    by_state = kept.failed if task.state is State.FAILED else kept.done
    return task.finished_at + kept.queues.get(task.queue, by_state) < now
