"""A value that is looked up anew once it is too old, however many ask for it at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """Calls ``load`` at most once in ``longest``; those who ask meanwhile wait for the same look-up."""

    def __init__(self, load: Callable[[], Awaitable[T]], longest: timedelta) -> None:
        self._load = load
        self._longest = longest.total_seconds()
        self._lock = asyncio.Lock()
        self._held: tuple[float, T] | None = None
        self._failed: tuple[float, Exception] | None = None
        self._forgotten = 0

    async def get(self) -> T:
        """The value, at most so old. Raises what ``load`` raised for whoever asked before it failed."""
        asked = time.monotonic()
        if self._held is not None and asked - self._held[0] < self._longest:
            return self._held[1]
        async with self._lock:
            if self._failed is not None and self._failed[0] > asked:
                raise self._failed[1]
            if self._held is not None and asked - self._held[0] < self._longest:
                return self._held[1]
            return await self._look()

    def forget(self) -> None:
        """Look again next time; what is being looked up now may be old already."""
        self._held = None
        self._forgotten += 1

    async def _look(self) -> T:
        began, forgotten = time.monotonic(), self._forgotten
        try:
            value = await self._load()
        except Exception as error:
            self._failed = (time.monotonic(), error)
            raise
        if forgotten == self._forgotten:
            self._held = (began, value)
        return value
