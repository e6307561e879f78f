"""Waking the event loop of another thread."""

import asyncio
from threading import Lock


class Nudge:
    """Given in one thread, waited for in the event loop of another. One given between two waits is kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._given = False
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def give(self) -> None:
        """End the wait."""
        with self._lock:
            self._given = True
            if self._waiting is not None:
                loop, event = self._waiting
                loop.call_soon_threadsafe(event.set)

    async def wait(self, seconds: float) -> None:
        """Sleep until it is given, or for so long at most."""
        event = asyncio.Event()
        with self._lock:
            if not self._given:
                self._waiting = (asyncio.get_running_loop(), event)
        try:
            if self._waiting is not None:
                async with asyncio.timeout(seconds):
                    await event.wait()
        except TimeoutError:
            return
        finally:
            with self._lock:
                self._waiting = None
                self._given = False
