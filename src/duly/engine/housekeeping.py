"""What every process does now and then, whoever else does it too: no leader, no lock that could be left behind."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from duly.engine.crowd import Crowd
from duly.engine.loop import every
from duly.engine.meter import MeterReading
from duly.engine.sweep import Sweeper
from duly.ports.store import MAX_BATCH, Retention, Store
from duly.ports.telemetry import Emit

SWEEP_EVERY = timedelta(seconds=0.5)
READ_METER_EVERY = timedelta(seconds=10)
PURGE_EVERY = timedelta(seconds=60)
BURY_AFTER = timedelta(minutes=10)
KEEP_RATES = timedelta(hours=1)
KEEP_ONCE = timedelta(hours=24)
"""So long a client may repeat a submit under its Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How long things are kept."""

    retention: Retention
    purged_kept: timedelta


class Housekeeping:
    """Sweeps, writes the meter, purges."""

    def __init__(
        self,
        store: Store,
        sweeper: Sweeper,
        reading: MeterReading,
        upkeep: Upkeep,
        *,
        crowd: Crowd,
        lease: timedelta,
        emit: Emit,
    ) -> None:
        self._store = store
        self._sweeper = sweeper
        self._reading = reading
        self._upkeep = upkeep
        self._crowd = crowd
        self._sweep_every = min(SWEEP_EVERY, lease / 6)
        self._longest_pause = lease / 6
        self._emit = emit

    async def run(self) -> None:
        """Keep house until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(every(self._sweep_every, self.sweep, "sweep", self._emit))
            group.create_task(every(READ_METER_EVERY, self._read_meter, "meter", self._emit))
            group.create_task(every(PURGE_EVERY, self.purge, "purge", self._emit))

    async def sweep(self) -> timedelta:
        """Sweep once. Returns when to do so again: as the next task is due, and by turns with all other workers."""
        due = await self._sweeper.step()
        pause = self._crowd.pause(self._sweep_every, self._longest_pause)
        return pause if due is None else min(due + self._crowd.apart(), pause)

    async def purge(self) -> int:
        """Delete what has been kept long enough, in small batches. Returns how many tasks."""
        purged = 0
        while batch := await self._store.history.purge(self._upkeep.retention, MAX_BATCH):
            purged += batch
        while await self._store.history.forget(self._upkeep.purged_kept, MAX_BATCH):
            continue
        while await self._store.once.forget(KEEP_ONCE, MAX_BATCH):
            continue
        await self._store.roster.bury(BURY_AFTER)
        await self._store.queues.drop_rates(KEEP_RATES)
        if purged:
            self._emit("tasks.purged", {"count": purged})
        return purged

    async def _read_meter(self) -> int:
        return await self._reading.step(self._store.clock.now())
