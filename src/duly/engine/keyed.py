"""A lane for submits that carry a key: somebody's open transaction on one key must not stall the others."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from datetime import timedelta

from duly.domain.errors import TooMany


class KeyedLane:
    """One at a time for each key, and so many in all: those that wait in the database hold its connections."""

    def __init__(self, width: int) -> None:
        self._slots = asyncio.Semaphore(width)
        self._locks: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._users: Counter[Hashable] = Counter()

    @asynccontextmanager
    async def turn(self, key: Hashable, longest: timedelta) -> AsyncIterator[bool]:
        """Have the key to oneself in this process; yields whether somebody else had it meanwhile.

        Raises TimeoutError when somebody else has it for longer than ``longest``, and TooMany when there is no room
        in the lane for so long, whoever has which key.
        """
        lock, waited = self._locks[key], self._users[key] > 0
        self._users[key] += 1
        try:
            async with asyncio.timeout(longest.total_seconds()) as patience, lock:
                patience.reschedule(None)
                async with self._room(longest):
                    yield waited
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]

    @asynccontextmanager
    async def _room(self, longest: timedelta) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(longest.total_seconds()):
                await self._slots.acquire()
        except TimeoutError as error:
            raise TooMany("Too many submits with a key are waiting for the database.") from error
        try:
            yield
        finally:
            self._slots.release()
