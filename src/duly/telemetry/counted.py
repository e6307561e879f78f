"""Counts what the broker and the cache do: each stands before the real one, which knows nothing of it."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from duly.domain.errors import BrokerUnavailable, CacheUnavailable
from duly.domain.families import CACHE_READS, PART_FAILURES, PART_UP
from duly.domain.task import Task, TaskId
from duly.ports.broker import Announcer, BrokerFacts, Hint
from duly.ports.cache import Cache
from duly.ports.telemetry import Tally


class CountedAnnouncer:
    """An Announcer. The relay asks for depths every two seconds, so its health is always fresh."""

    def __init__(self, behind: Announcer, tally: Tally) -> None:
        self._behind = behind
        self._tally = tally

    async def announce(self, hints: Sequence[Hint]) -> None:
        """See Announcer."""
        with _watched(self._tally, "broker", BrokerUnavailable):
            await self._behind.announce(hints)

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """See Announcer."""
        with _watched(self._tally, "broker", BrokerUnavailable):
            return await self._behind.depths(queues)

    async def facts(self) -> BrokerFacts:
        """See Announcer."""
        return await self._behind.facts()

    async def close(self) -> None:
        """See Announcer."""
        await self._behind.close()


class CountedCache:
    """A Cache. Reads come in batches, and are counted by the batch."""

    def __init__(self, behind: Cache, tally: Tally) -> None:
        self._behind = behind
        self._tally = tally

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """See Cache."""
        with _watched(self._tally, "cache", CacheUnavailable):
            held = await self._behind.get(ids)
        self._tally.add(CACHE_READS, "hit", by=len(held))
        self._tally.add(CACHE_READS, "miss", by=len(ids) - len(held))
        return held

    async def put(self, tasks: Collection[Task], kept: timedelta) -> None:
        """See Cache."""
        with _watched(self._tally, "cache", CacheUnavailable):
            await self._behind.put(tasks, kept)

    async def drop(self, ids: Collection[TaskId], kept: timedelta) -> None:
        """See Cache."""
        with _watched(self._tally, "cache", CacheUnavailable):
            await self._behind.drop(ids, kept)

    async def check(self) -> str:
        """See Cache."""
        return await self._behind.check()

    async def close(self) -> None:
        """See Cache."""
        await self._behind.close()


@contextmanager
def _watched(tally: Tally, part: str, unavailable: type[Exception]) -> Iterator[None]:
    try:
        yield
    except unavailable:
        tally.put(PART_UP, 0, part)
        tally.add(PART_FAILURES, part)
        raise
    tally.put(PART_UP, 1, part)
