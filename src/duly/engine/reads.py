"""Looking tasks up: through the cache where there is one, many ids at once."""

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from duly.domain.errors import CacheUnavailable
from duly.domain.task import Task, TaskId
from duly.ports.cache import Cache
from duly.ports.store import TaskStore
from duly.ports.telemetry import Emit

KEEP_LIVE = timedelta(seconds=1)
"""So much may a reader be behind who names no version; a cache of one process alone keeps final states no longer."""

LEAVING = timedelta(seconds=5)
"""So long a task that is about to leave its final state is read from the database by everybody."""

TOO_SLOW = 1.0
"""What took longer to read, in seconds, is not kept: it may be older than what a retry by hand has written since."""

WARN_EVERY = 60.0


class Reads:
    """A cache that is away costs a warning a minute, and reads that go to the database."""

    def __init__(self, tasks: TaskStore, cache: Cache | None, keep_final: timedelta, emit: Emit) -> None:
        self._tasks = tasks
        self._cache = cache
        self._keep_final = keep_final
        self._emit = emit
        self._warned_at = float("-inf")

    async def look(self, ids: Sequence[TaskId]) -> list[Task | None]:
        """What each id stands for, in their order; None: there is no such task. At most a second old."""
        found = await (self._tasks.get(ids) if self._cache is None else self._through(set(ids)))
        return [found.get(task_id) for task_id in ids]

    async def _through(self, wanted: set[TaskId]) -> dict[TaskId, Task]:
        held = await self._held(wanted)
        missing = wanted - held.keys()
        return held | await self._read(missing) if missing else held

    async def fresh(self, task_id: TaskId) -> Task | None:
        """The task as the database has it now."""
        return (await self._tasks.get([task_id])).get(task_id)

    async def refill(self, ids: set[TaskId]) -> None:
        """Have the cache hold these as the database has them now. Raises StoreUnavailable."""
        await self._read(ids)

    @asynccontextmanager
    async def leaving(self, *ids: TaskId) -> AsyncIterator[None]:
        """Final tasks are retried or deleted inside: nobody may keep their old state, whatever dies meanwhile.

        Said again at the end: it may have taken longer than LEAVING, and a write without an answer may be done.
        """
        await self._leave(ids)
        try:
            yield
        finally:
            await self._leave(ids)

    async def _leave(self, ids: Collection[TaskId]) -> None:
        if self._cache is not None:
            try:
                await self._cache.drop(ids, LEAVING)
            except CacheUnavailable as error:
                self._warn(error)

    async def _held(self, ids: set[TaskId]) -> dict[TaskId, Task]:
        if self._cache is None:
            return {}
        try:
            return await self._cache.get(ids)
        except CacheUnavailable as error:
            self._warn(error)
            return {}

    async def _read(self, ids: set[TaskId]) -> dict[TaskId, Task]:
        began = time.monotonic()
        found = await self._tasks.get(ids)
        if self._cache is not None and found and time.monotonic() - began < TOO_SLOW:
            await self._keep(self._cache, found)
        return found

    async def _keep(self, cache: Cache, found: Mapping[TaskId, Task]) -> None:
        final = [task for task in found.values() if task.final]
        live = [task for task in found.values() if not task.final]
        try:
            if final:
                await cache.put(final, self._keep_final)
            if live:
                await cache.put(live, KEEP_LIVE)
        except CacheUnavailable as error:
            self._warn(error)

    def _warn(self, error: CacheUnavailable) -> None:
        now = time.monotonic()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            self._emit("cache.unavailable", {"error": str(error)})
