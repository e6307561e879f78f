"""The hot lane's own connections to PostgreSQL: taken and given back without a wait.

asyncpg's pool makes an asyncio task of each release and waits for it, so that every answer comes a round of the event
loop later; ours is emptied and filled between two awaits.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from duly.stores.sql.doubt import Doubt

LONGEST_IDLE = 300.0
"""In seconds. Firewalls forget connections on which nothing was said for long, and say nothing of it."""


class PostgresPool:
    """Up to ``most`` connections, each for one call at a time, the last used first."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], most: int, doubt: Doubt) -> None:
        self._connect = connect
        self._most = most
        self._doubt = doubt
        self._room = asyncio.Semaphore(most)
        self._idle: list[tuple[Any, float]] = []
        """With when each was last heard of."""
        self._taken: set[Any] = set()
        self._closed = False

    async def take(self) -> Any:
        """A connection that is open, as far as it can be told. It must be given back or dropped."""
        await self._room.acquire()
        try:
            connection = self._known_good() or await self._new()
        except BaseException:
            self._room.release()
            raise
        self._taken.add(connection)
        return connection

    def give_back(self, connection: Any) -> None:
        """The server has just answered on it."""
        self._idle.append((connection, self._doubt.heard()))
        self._taken.discard(connection)
        self._room.release()

    def drop(self, connection: Any) -> None:
        """It is not used again."""
        connection.terminate()
        self._taken.discard(connection)
        self._room.release()

    async def close(self) -> None:
        """Wait for those that are taken, and say good-bye; when cancelled, end all at once. May be called twice."""
        if self._closed:
            return
        self._closed = True
        held = 0
        try:
            while held < self._most:
                await self._room.acquire()
                held += 1
            while self._idle:
                await self._idle[-1][0].close()
                self._idle.pop()
        finally:
            for connection in (*self._taken, *(idle for idle, _ in self._idle)):
                connection.terminate()
            for _ in range(held):  # whoever waits for room, or comes later, is told that this is closed
                self._room.release()

    def _known_good(self) -> Any:
        while self._idle and not self._closed:
            connection, heard = self._idle.pop()
            if connection.is_closed():
                continue
            if not self._doubt.covers(heard) and time.monotonic() - heard < LONGEST_IDLE:
                return connection
            connection.terminate()
        return None

    async def _new(self) -> Any:
        if self._closed:
            raise asyncpg.InterfaceError("the pool is closed")
        return await self._connect()
