"""A real store whose calls a test can make fail, lose their answers, or wait."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from duly.domain.callback import SYSTEM_QUEUE
from duly.domain.errors import StoreUnavailable
from duly.ports.store import Store


class Outage:
    """A Store around another. ``away``: nothing reaches it. Names are those of methods, such as ``claim``."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = store.clock
        self.away = False
        self.lost: Counter[str] = Counter()
        """So many answers of this method are lost: the call is made, and then StoreUnavailable is raised."""
        self.faults: dict[str, list[Exception]] = {}
        """What the next calls of this method raise before they do anything."""
        self.calls: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        """Calls that have done their work."""
        self.before: dict[str, Callable[[], Any]] = {}
        """Awaited before the method is called; ``after`` once it has been."""
        self.after: dict[str, Callable[[], Any]] = {}
        self.tasks: Any = _Part(self, store.tasks)
        self.history: Any = _Part(self, store.history)
        self.queues: Any = _Part(self, store.queues)
        self.roster: Any = _Part(self, store.roster)
        self.joined = store.joined

    async def facts(self) -> Any:
        return await self.store.facts()

    async def check(self) -> None:
        await self.store.check()

    async def close(self) -> None:
        await self.store.close()


class _Part:
    def __init__(self, outage: Outage, part: Any) -> None:
        self._outage = outage
        self._part = part

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            outage = self._outage
            if name == "claim" and args[0] == SYSTEM_QUEUE and not outage.away:
                return await self._part.claim(*args, **kwargs)  # a worker's other intake, which no test is about
            outage.calls[name] += 1
            if name in outage.before:
                await outage.before[name]()
            if outage.faults.get(name):
                raise outage.faults[name].pop(0)
            if outage.away:
                raise StoreUnavailable("away")
            answer = await getattr(self._part, name)(*args, **kwargs)
            outage.done[name] += 1
            if name in outage.after:
                await outage.after[name]()
            if outage.lost[name]:
                outage.lost[name] -= 1
                raise StoreUnavailable("the answer was lost")
            return answer

        return call


class Gate:
    """For ``before`` and ``after``: who comes is told of, and waits until it is opened. From any event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._come = asyncio.Event()
        self.opened = False

    async def __call__(self) -> None:
        self._loop.call_soon_threadsafe(self._come.set)
        while not self.opened:  # noqa: ASYNC110  # it may be asked from two event loops
            await asyncio.sleep(0.002)

    async def reached(self) -> None:
        async with asyncio.timeout(20):
            await self._come.wait()

    def open(self) -> None:
        self.opened = True
