"""Submits that were named by their client."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from duly.domain.task import Task
from duly.ports.clock import Clock
from duly.ports.once import Added, OnceKey, Seen
from duly.stores.memory.database import MemoryDatabase


class MemoryOnce:
    """A OnceStore."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, once: OnceKey, tasks: Sequence[Task], *, within: Collection[str] | None = None) -> Added | Seen:
        """See OnceStore."""
        ids = tuple(task.id for task in tasks)
        with self._database.lock:
            _, seen = self._database.once.get((once.scope, once.key), (None, None))
            if seen is not None and seen.ids != ids:
                return seen
            stored = tuple(self._database.insert_all(tasks, within))
            kept = Seen(once.fingerprint, tuple(task.id for task in stored))
            self._database.once[once.scope, once.key] = (self._clock.now(), kept)
            return Added(stored)

    async def seen(self, scope: str, key: str) -> Seen | None:
        """See OnceStore."""
        with self._database.lock:
            _, seen = self._database.once.get((scope, key), (None, None))
            return seen

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """See OnceStore."""
        with self._database.lock:
            before = self._clock.now() - older_than
            old = sorted((at, key) for key, (at, _) in self._database.once.items() if at < before)[:limit]
            for _, key in old:
                del self._database.once[key]
            return len(old)
