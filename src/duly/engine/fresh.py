"""A value that is looked up anew once it is too old, however many ask for it at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 0.02
"""In seconds. Whoever may have an older value waits so long for a new one."""

REST = 20
"""So many times as long as a look-up took that others did not wait for, its value is fresh: looking takes a twentieth
of the time at most."""


class Fresh(Generic[T]):
    """Calls ``load`` at most once in ``longest``; those who ask meanwhile wait for the same look-up.

    Where a look-up takes long, a value up to ``oldest`` is given instead of waiting for its end, and the next one comes
    the later the longer this one took.
    """

    def __init__(self, load: Callable[[], Awaitable[T]], longest: timedelta, oldest: timedelta = timedelta()) -> None:
        self._load = load
        self._longest = longest.total_seconds()
        self._oldest = oldest.total_seconds()
        self._looking: asyncio.Task[T] | None = None
        self._lock = asyncio.Lock()
        self._held: tuple[float, float, T] | None = None
        """When the look began, until when its value is fresh, and the value."""
        self._failed: tuple[float, Exception] | None = None
        self._forgotten = 0

    async def get(self) -> T:
        """The value, at most so old. Raises what ``load`` raised for whoever asked before it failed."""
        asked, held = time.monotonic(), self._held
        if held is not None and asked < held[1]:
            return held[-1]
        if held is None or asked - held[0] >= self._oldest:
            return await self._anew(asked)
        if self._looking is None:
            self._looking = asyncio.create_task(self._anew(asked))
            self._looking.add_done_callback(self._looked)
        looking = self._looking
        done, _ = await asyncio.wait({looking}, timeout=PATIENCE)
        return looking.result() if done else held[-1]

    def _looked(self, looking: "asyncio.Task[T]") -> None:
        self._looking = None
        if not looking.cancelled():
            looking.exception()  # who still waited for it has it

    async def _anew(self, asked: float) -> T:
        async with self._lock:
            if self._failed is not None and self._failed[0] > asked:
                raise self._failed[1]
            if self._held is not None and asked < self._held[1]:
                return self._held[-1]
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
            took = time.monotonic() - began
            rest = min(took * REST, self._oldest) if took > PATIENCE else 0.0
            self._held = (began, began + max(self._longest, rest), value)
        return value
