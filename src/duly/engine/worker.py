"""A worker: claims tasks, runs them, and ends without losing or charging any."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import psutil

from duly.domain.callback import SYSTEM_QUEUE
from duly.domain.errors import StoreUnavailable
from duly.domain.stats import WorkerRecord
from duly.engine.background import in_background
from duly.engine.cause import Cause
from duly.engine.grace import Grace
from duly.engine.intake import Around, Demand, Intake
from duly.engine.intakes import Intakes, Intaking
from duly.engine.landscape import ALIVE_WITHIN
from duly.engine.loop import every
from duly.engine.slot import Start
from duly.engine.stall import StallWatch
from duly.engine.traced import traced_run
from duly.engine.workshop import WorkerOptions, WorkerParts, Workshop, open_workshop
from duly.ports.bell import CANCELS

BEAT_EVERY = timedelta(seconds=5)
PULSE = 0.25
HOUR = timedelta(hours=1)
SYSTEM_SLOTS = 10
"""Deliveries of callbacks that a worker makes at the same time, beside its own slots."""

LAST_SETTLES = timedelta(seconds=1.5)
"""Once nobody is waited for, so long is given to put back what still runs. A database that answers needs less, but
where a handler holds its task's row in a transaction, all that are put back with it wait for that row for a second."""

TAKING_LEAVE = timedelta(seconds=0.5)
"""Nobody counts on a silent worker for long."""


Opening = Callable[[Around, Demand, Start], Intaking]


class Worker:
    """One worker process's work. It looks for tasks by itself, unless it is given another way to come by them."""

    def __init__(self, parts: WorkerParts, options: WorkerOptions, intake: Opening = Intake) -> None:
        self._parts = parts
        self._options = options
        self._grace = Grace(options.grace)
        self._open_intake = intake
        self._queues = tuple(queue for queue in options.queues if queue != SYSTEM_QUEUE)
        self._started_at = parts.store.clock.now()
        self._recycle = False
        self._announced = False

    async def run(self, stop: asyncio.Event) -> bool:
        """Work until ``stop`` is set or the process should be replaced; then drain. Returns whether it should.

        Draining: claim no more, let attempts finish, put those back uncharged that do not, all within the grace.
        """
        async with open_workshop(self._parts, self._options) as workshop:
            intake = self._intake(workshop)
            self._parts.emit("worker.started", self._facts())
            emit = self._parts.emit
            async with in_background(
                emit,
                _pulse(workshop.stall),
                self._hear_cancels(workshop),
                every(BEAT_EVERY, partial(self._beat, intake), "beat", emit),
                every(BEAT_EVERY, partial(self._consider_recycling, intake, stop), "recycle", emit),
            ):
                ended = await self._until(stop, intake, workshop)
            if ended:  # else the database is away, and so much time has gone by waiting for it
                await self._leave()
        self._parts.emit("worker.stopped", self._facts() | {"recycle": self._recycle})
        return self._recycle

    def _intake(self, workshop: Workshop) -> Intaking:
        """Its own, and one of Duly's own queue, which no broker announces."""
        run = traced_run(workshop.runner.run, self._parts.tracing)
        unannounced = replace(self._parts, broker=None)
        own = self._demand(self._queues, self._options.slots)
        system = self._demand((SYSTEM_QUEUE,), SYSTEM_SLOTS)
        around = self._parts if self._queues else unannounced
        return Intakes(self._open_intake(around, own, run), Intake(unannounced, system, run))

    def _demand(self, queues: tuple[str, ...], slots: int) -> Demand:
        options = self._options
        return Demand(
            queues=queues,
            slots=slots,
            worker=self._parts.id,
            lease=options.lease,
            poll_interval=options.poll_interval,
        )

    async def _hear_cancels(self, workshop: Workshop) -> None:
        """A cancel that is rung reaches its handler at once, not with the keeper's next look."""
        with self._parts.bell.listen({CANCELS}) as ear:
            while True:
                if await ear.wait(HOUR):
                    workshop.keeper.look_for_cancels()

    async def _until(self, stop: asyncio.Event, intake: Intaking, workshop: Workshop) -> bool:
        """Whether all that ran has ended, or was put back."""
        async with asyncio.TaskGroup() as group:
            working = group.create_task(intake.run())
            stopping = group.create_task(stop.wait())
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            intake.close()
            done, _ = await asyncio.wait({working}, timeout=self._grace.work.total_seconds())
            return bool(done) or await self._put_back(working, workshop)

    async def _put_back(self, working: "asyncio.Task[None]", workshop: Workshop) -> bool:
        """The time for work is over: end what can be ended, put everything back, uncharged."""
        self._parts.emit("worker.putting_back", self._facts() | {"running": workshop.runner.count})
        workshop.runner.end_all(Cause.STOP)
        limit = self._grace.cooperation + LAST_SETTLES
        done, _ = await asyncio.wait({working}, timeout=limit.total_seconds())
        if not done:
            working.cancel()
        return bool(done)

    async def _beat(self, intake: Intaking) -> int:
        """Say that this worker lives; the first time, also free the tasks that waited for its handlers."""
        types = self._parts.handlers.names()
        record = WorkerRecord(
            id=self._parts.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=(*self._queues, SYSTEM_QUEUE),
            types=types,
            slots=self._options.slots,
            running=intake.busy,
            version=self._options.version,
            started_at=self._started_at,
            seen_at=self._parts.store.clock.now(),
        )
        self._parts.crowd.size = await self._parts.store.roster.beat(record, ALIVE_WITHIN)
        if self._announced:
            return 0
        await self._parts.store.queues.declare(record.queues)
        released = await self._parts.sweeper.release(types)
        self._announced = True
        return released

    async def _leave(self) -> None:
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(TAKING_LEAVE.total_seconds()):
                await self._parts.store.roster.leave(self._parts.id)

    async def _consider_recycling(self, intake: Intaking, stop: asyncio.Event) -> bool:
        """One that has begun nothing yet is never too large: its successor would be so too, and no task would run."""
        tasks, memory = self._options.max_tasks, self._options.max_memory
        self._recycle |= (tasks is not None and intake.started >= tasks) or (
            memory is not None and intake.started > 0 and psutil.Process().memory_info().rss > memory
        )
        if self._recycle:
            stop.set()
        return self._recycle

    def _facts(self) -> dict[str, object]:
        options = self._options
        return {"worker": self._parts.id, "queues": list(options.queues), "slots": options.slots, "pid": os.getpid()}


async def _pulse(stall: StallWatch) -> None:
    """Tell the watch that the event loop moves."""
    while True:
        stall.beat()
        await asyncio.sleep(PULSE)
