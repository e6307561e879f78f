"""All figures of one open Duly: what this process counts, and how its queues and workers stand."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from platform import python_version

from duly.domain import families
from duly.domain.errors import StoreUnavailable
from duly.domain.families import FAMILIES
from duly.domain.figures import Figures, Sets, merged
from duly.domain.stats import WorkerRecord
from duly.engine.meter import Meter
from duly.engine.overview import Overview, QueueView
from duly.engine.sweep import Sweeper
from duly.ports.telemetry import Siblings, Tally

PATIENCE = timedelta(seconds=4)
"""So long a scrape waits for the database; scrapers themselves wait ten seconds by default."""


@dataclass(frozen=True, slots=True)
class Count:
    """What this process counts, and those that are scraped as one with it. Does not touch the database."""

    meter: Meter
    sweeper: Sweeper
    tally: Tally
    siblings: Siblings | None
    version: str
    sets: Sets = field(default_factory=Sets)

    def own(self) -> Figures:
        """Of this process."""
        return (
            self.tally.figures()
            | self.meter.figures()
            | {
                families.SWEPT.name: {(): [self.sweeper.swept_at]},
                families.PROCESSES.name: {(): [1.0]},
                families.BUILD.name: {(self.version, python_version()): [1.0]},
            }
        )

    async def whole(self) -> Figures:
        """Of all. What is shown of this process is told first: another one that is asked next shows no less."""
        own = self.own()
        if self.siblings is None:
            return own
        await asyncio.to_thread(self.siblings.tell, own)
        others = await asyncio.to_thread(self.siblings.others)
        return merged([own, *others], FAMILIES, self.sets)

    async def step(self) -> None:
        """Tell the others."""
        if self.siblings is not None:
            await asyncio.to_thread(self.siblings.tell, self.own())

    async def last(self) -> None:
        """Tell the others before this process ends."""
        with suppress(OSError):  # the folder is gone, and with it whoever would have looked into it
            await self.step()


class Survey:
    """Read when it is asked for; nothing runs behind it."""

    def __init__(self, count: Count, overview: Overview) -> None:
        self._count = count
        self._overview = overview
        self._sets = Sets()

    async def figures(self) -> Figures:
        """What the processes of this target count, and how the queues and workers of the whole service stand."""
        return await self._count.whole() | await self._of_the_service()

    async def _of_the_service(self) -> Figures:
        """At most a few seconds old. While the database is away, only that it is."""
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                queues = await self._overview.queues()
                workers = await self._overview.workers()
        except (StoreUnavailable, TimeoutError):
            return {families.STORE_UP.name: {(): [0.0]}}
        deepest_first = sorted(queues, key=lambda queue: queue.pending, reverse=True)
        parts = [_of_queue(queue, workers) for queue in deepest_first]
        return merged([_of_workers(workers), *parts], FAMILIES, self._sets)


def _of_queue(queue: QueueView, workers: Iterable[WorkerRecord]) -> Figures:
    age = queue.oldest_pending_age
    name = queue.name
    return {
        families.QUEUE_TASKS.name: {
            (name, "scheduled"): [queue.scheduled],
            (name, "pending"): [queue.pending],
            (name, "running"): [queue.running],
        },
        families.QUEUE_OLDEST.name: {(name,): [0.0 if age is None else age.total_seconds()]},
        families.QUEUE_PAUSED.name: {(name,): [float(queue.paused)]},
        families.QUEUE_WORKERS.name: {(name,): [sum(name in worker.queues for worker in workers)]},
    }


def _of_workers(workers: Iterable[WorkerRecord]) -> Figures:
    known = list(workers)
    return {
        families.STORE_UP.name: {(): [1.0]},
        families.WORKERS.name: {(): [len(known)]},
        families.SLOTS.name: {(): [sum(worker.slots for worker in known)]},
        families.BUSY.name: {(): [sum(worker.running for worker in known)]},
    }
