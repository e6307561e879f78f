"""An in-memory Duly for tests: real serialisation, real transactions, and a clock that the test moves."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from duly.app import Duly
from duly.assembly import Core, open_core
from duly.assembly_worker import worker_options, worker_parts
from duly.domain.task import WorkerId
from duly.engine.slot import until_free
from duly.engine.traced import traced_run
from duly.engine.workshop import Workshop, open_workshop
from duly.ports.store import MAX_BATCH, Store
from duly.settings import Settings
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.testing.clock import FakeClock

WORKER = WorkerId("bench")
LOOK_AGAIN = 0.01
"""So many seconds pass at most before it is seen that a running handler has submitted something."""

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Bench:
    """Runs submitted tasks when the test says so; nothing happens by itself."""

    def __init__(self, core: Core, workshop: Workshop, clock: FakeClock) -> None:
        self.clock = clock
        self._core = core
        self._workshop = workshop

    async def run(self) -> int:
        """Run everything that is due by the bench's clock, and what follows from it, until nothing is ready.

        Returns how many attempts ran. A task that waits (a delay, a retry) runs once the clock was moved past it. What
        a handler submits runs beside it, so that it may wait for the result.
        """
        ran = 0
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as attempts:
            while started := await self._started(attempts) | running:
                ran += len(started - running)
                _, running = await asyncio.wait(started, timeout=LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        return ran

    async def run_after(self, delay: timedelta) -> int:
        """Move the clock on, then run what is due."""
        self.clock.advance(delay)
        return await self.run()

    async def _started(self, attempts: asyncio.TaskGroup) -> set[asyncio.Task[None]]:
        await self._core.sweeper.step()
        store, lease = self._core.service.store, self._core.settings.lease
        claimed = [
            await store.tasks.claim(depth.queue, MAX_BATCH, WORKER, lease) for depth in await store.queues.depths()
        ]
        run = traced_run(self._workshop.runner.run, self._core.tracing)
        return {attempts.create_task(until_free(run, task, time.monotonic())) for tasks in claimed for task in tasks}


@asynccontextmanager
async def bench(duly: Duly, start: datetime = START) -> AsyncIterator[Bench]:
    """Open this Duly on a store in memory, for as long as the context is open; its own settings are not read."""
    clock = FakeClock(start)
    database = MemoryDatabase()

    @asynccontextmanager
    async def opener() -> AsyncIterator[Store]:
        yield MemoryStore(database, clock)

    settings = Settings.model_construct()
    async with open_core(settings, duly.handlers, opener=opener, emit=_silent) as core:
        with duly.on(core):
            async with open_workshop(worker_parts(core), worker_options(settings)) as workshop:
                yield Bench(core, workshop, clock)


def _silent(_: str, __: Mapping[str, object]) -> None:
    """A test looks at tasks, not at log lines."""
