"""A lane for submits that carry a key: somebody's open transaction on one key must not stall the others."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from datetime import timedelta

from duly.domain.errors import TooMany


class KeyedLane:
    """One at a time for each key, and so many in all: those that wait in the database hold its connections."""

    def __init__(self, width: int, patience: timedelta) -> None:
        """So many at once; ``patience`` is how long one waits for room, whoever has which key."""
        self._patience = patience.total_seconds()
        self._slots = asyncio.Semaphore(width)
        self._locks: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._users: Counter[Hashable] = Counter()

    @asynccontextmanager
    async def turn(self, key: Hashable, longest: timedelta) -> AsyncIterator[bool]:
        """Have the key to oneself in this process; yields whether somebody else had it meanwhile.

        Raises TimeoutError when somebody else has it for longer than ``longest``, and TooMany when there is no room in
        the lane for as long as the lane's own patience.
        """
        lock, waited = self._locks[key], self._users[key] > 0
        self._users[key] += 1
        try:
            async with asyncio.timeout(longest.total_seconds()) as patience, lock:
                patience.reschedule(None)
                async with self._room():
                    yield waited
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]

    @asynccontextmanager
    async def _room(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                await self._slots.acquire()
        except TimeoutError as error:
            raise TooMany("Too many submits with a key are waiting for the database.") from error
        try:
            yield
        finally:
            self._slots.release()
