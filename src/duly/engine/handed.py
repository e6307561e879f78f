"""An intake that looks for nothing: somebody else's worker hands it the ids of tasks, one by one."""

import asyncio
import time

from duly.domain.errors import StoreUnavailable
from duly.domain.task import ClaimToken, Task, TaskId
from duly.engine.intake import Around, Demand, count_claim
from duly.engine.patience import patiently
from duly.engine.slot import Start, until_free
from duly.ports.store import Renewal


class Handed:
    """Claims and runs what it is handed. ``run`` ends when ``close`` was called and all attempts have ended."""

    def __init__(self, around: Around, demand: Demand, start: Start) -> None:
        self._store = around.store
        self._tally = around.tally
        self._emit = around.emit
        self._demand = demand
        self._start = start
        self._taken: set[tuple[TaskId, ClaimToken]] = set()
        self._under_way = 0
        self._closed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._started = 0

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return len(self._taken)

    @property
    def started(self) -> int:
        """Attempts started since the beginning."""
        return self._started

    def close(self) -> None:
        """Claim no more."""
        self._closed.set()

    async def run(self) -> None:
        """Wait until closed, and for what runs then."""
        await self._closed.wait()
        await self._idle.wait()

    async def take(self, queue: str, task_id: TaskId) -> bool:
        """Claim this task and run it to the attempt's end. False: it waits no more, or nothing is claimed here now.

        While the database is away this waits.
        """
        if self._closed.is_set():
            return False
        self._under_way += 1
        self._idle.clear()
        try:
            return await self._attempt(queue, task_id)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _attempt(self, queue: str, task_id: TaskId) -> bool:
        claimed_at, found = time.monotonic(), False
        try:
            task = await self._claim(queue, task_id, claimed_at)
        except StoreUnavailable as error:
            self._emit("store.unavailable", {"loop": "intake", "error": str(error)})
            task, found = await self._find(task_id), True
        if task is None:
            return False
        held = (task.id, task.claim)
        self._taken.add(held)
        try:
            if found and not await self._holds(task):
                return False
            self._started += 1
            await until_free(self._start, task, claimed_at)
        finally:
            self._taken.discard(held)
        return True

    async def _claim(self, queue: str, task_id: TaskId, since: float) -> Task | None:
        demand = self._demand
        claimed = await self._store.tasks.claim(queue, 1, demand.worker, demand.lease, among=[task_id])
        count_claim(self._tally, queue, len(claimed), since)
        return claimed[0] if claimed else None

    async def _find(self, task_id: TaskId) -> Task | None:
        """A claim whose answer was lost may have taken it."""
        claims = await patiently(lambda: self._store.roster.claims(self._demand.worker), None)
        found = (each for each in claims if each.id == task_id and (each.id, each.claim) not in self._taken)
        return next(found, None)

    async def _holds(self, task: Task) -> bool:
        """Whether it is claimed still: by another message it may have been run here since it was found."""
        renewal = Renewal(task.id, task.claim)
        return task.id in await patiently(lambda: self._store.tasks.renew([renewal], self._demand.lease), None)
