"""The workers that gave a sign of life."""

from dataclasses import replace
from datetime import timedelta

from duly.domain.state import State
from duly.domain.stats import WorkerRecord
from duly.domain.task import Task, WorkerId
from duly.ports.clock import Clock
from duly.ports.store import MAX_COUNTED
from duly.stores.memory.database import MemoryDatabase


class MemoryRoster:
    """A Roster."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def beat(self, worker: WorkerRecord, within: timedelta) -> int:
        """See Roster."""
        with self._database.lock:
            self._database.workers[worker.id] = replace(worker, seen_at=self._clock.now())
        return min(len(await self.alive(within)), MAX_COUNTED)

    async def leave(self, worker: WorkerId) -> None:
        """See Roster."""
        with self._database.lock:
            self._database.workers.pop(worker, None)

    async def alive(self, within: timedelta) -> list[WorkerRecord]:
        """See Roster."""
        with self._database.lock:
            since = self._clock.now() - within
            seen = [worker for worker in self._database.workers.values() if worker.seen_at >= since]
            return sorted(seen, key=lambda worker: (worker.started_at, worker.id))

    async def bury(self, silent_for: timedelta) -> int:
        """See Roster."""
        with self._database.lock:
            before = self._clock.now() - silent_for
            silent = [id_ for id_, worker in self._database.workers.items() if worker.seen_at < before]
            for id_ in silent:
                del self._database.workers[id_]
            return len(silent)

    async def claims(self, worker: WorkerId) -> list[Task]:
        """See Roster."""
        with self._database.lock:
            running = (task for task in self._database.tasks.values() if task.state is State.RUNNING)
            return [task for task in running if task.worker == worker]
