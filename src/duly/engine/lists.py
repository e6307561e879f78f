"""Lists from a read replica for as long as it keeps up; else from the database itself."""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from duly.domain.errors import SchemaOutdated, StoreUnavailable
from duly.domain.query import Page, TaskQuery
from duly.ports.store import Store
from duly.ports.telemetry import Emit

LOOK_AT_REPLICA = timedelta(seconds=5)

LONGEST_BEHIND = timedelta(seconds=30)
"""A replica that lacks for longer what the database had is left alone until it has caught up."""

LONGEST_WAIT = timedelta(seconds=3)
"""So long one call of a replica may take: the database itself answers instead."""

MOST_EXPECTED = 100
RECENT = timedelta(hours=1)
WARN_EVERY = 60.0
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

_AWAY = (StoreUnavailable, SchemaOutdated)


class Lists:
    """``step`` looks whether the replica is there and keeps up; until it has been seen to, it is not used."""

    def __init__(
        self,
        database: Store,
        open_replica: Callable[[], Awaitable[Store]],
        emit: Emit,
        longest_behind: timedelta = LONGEST_BEHIND,
    ) -> None:
        self._database = database
        self._open_replica = open_replica
        self._emit = emit
        self._longest_behind = longest_behind
        self._replica: Store | None = None
        self._used: Store | None = None
        self._expected: deque[tuple[float, datetime]] = deque(maxlen=MOST_EXPECTED)
        """What the database had and the replica has not shown yet, and when that was seen."""
        self._warned_at = float("-inf")

    async def page(self, query: TaskQuery) -> Page:
        """One page. A replica that fails costs its time limit once, and is then left alone."""
        if self._used is not None:
            try:
                return await self._used.tasks.page(query)
            except _AWAY as error:
                self._leave(str(error))
        return await self._database.tasks.page(query)

    async def step(self) -> bool:
        """One look. Whether the replica is used from now on. Raises StoreUnavailable when the database is away."""
        self._expected.append((time.monotonic(), await newest(self._database)))
        try:
            if self._replica is None:
                self._replica = await self._open_replica()
            shown = await newest(self._replica)
        except _AWAY as error:
            self._leave(str(error))
            return False
        return self._judge(self._replica, shown)

    async def close(self) -> None:
        """Give back the replica's connections."""
        self._used = None
        if self._replica is not None:
            await self._replica.close()

    def _judge(self, replica: Store, shown: datetime) -> bool:
        reached = False
        while self._expected and self._expected[0][1] <= shown:
            self._expected.popleft()
            reached = True
        behind = time.monotonic() - self._expected[0][0] if self._expected else 0.0
        if behind > self._longest_behind.total_seconds():
            self._leave(f"It has been behind for {behind:.0f} seconds.")
        elif reached and self._used is None:
            self._used = replica
            self._emit("replica.used", {})
        return self._used is not None

    def _leave(self, why: str) -> None:
        self._used = None
        now = time.monotonic()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            self._emit("replica.unavailable", {"error": why})


async def newest(store: Store) -> datetime:
    """The newest sign that the database has: a task that was submitted, or a worker that lives.

    No server needs to be asked how far it is behind: that is said differently everywhere, and to few.
    """
    tasks = (await store.tasks.page(TaskQuery(limit=1))).tasks
    workers = await store.roster.alive(RECENT)
    return max([NEVER, *(task.created_at for task in tasks), *(worker.seen_at for worker in workers)])
