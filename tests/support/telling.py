"""What the engine tells, for a test to look at and to wait for."""

import asyncio
from collections.abc import Mapping
from threading import Lock


class Told:
    """An Emit that remembers; ``await told.until(name)`` waits until the event was told (so many times)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self._lock = Lock()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def __call__(self, name: str, facts: Mapping[str, object]) -> None:
        with self._lock:
            self.events.append((name, facts))
        self._loop.call_soon_threadsafe(self._news.set)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def of(self, name: str) -> list[Mapping[str, object]]:
        """The facts of all events of this name."""
        return [facts for told, facts in list(self.events) if told == name]

    async def until(self, name: str, times: int = 1) -> Mapping[str, object]:
        """The facts of the event, once it was told so often; fails after twenty seconds."""
        async with asyncio.timeout(20):
            while len(self.of(name)) < times:
                self._news.clear()
                if len(self.of(name)) < times:
                    await self._news.wait()
        return self.of(name)[times - 1]
