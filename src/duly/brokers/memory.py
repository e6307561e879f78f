"""A broker within one process: what the others are measured against."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from duly.domain.errors import BrokerUnavailable
from duly.domain.task import HIGHEST_PRIORITY
from duly.ports.broker import BrokerFacts, Hint

MAX_MESSAGES = 10_000
"""So many hints of one queue and priority are kept; what comes on top is dropped, and the relay finds its tasks."""


class MemoryBroker:
    """A Broker for one event loop."""

    def __init__(self) -> None:
        self._hints: defaultdict[str, list[deque[Hint]]] = defaultdict(_by_priority)
        self._subscriptions: set[MemorySubscription] = set()
        self._away = False

    async def announce(self, hints: Sequence[Hint]) -> None:
        """See Announcer."""
        self.check()
        for hint in hints:
            waiting = self._hints[hint.queue][hint.priority]
            if len(waiting) < MAX_MESSAGES:
                waiting.append(hint)
        self._wake()

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """See Announcer."""
        self.check()
        return {queue: sum(map(len, self._hints[queue])) for queue in queues}

    async def facts(self) -> BrokerFacts:
        """See Announcer."""
        self.check()
        return BrokerFacts("memory", "1", ("Only this process hears of what is announced here.",))

    async def close(self) -> None:
        """See Announcer."""

    @asynccontextmanager
    async def subscribe(self, queues: Collection[str]) -> AsyncIterator["MemorySubscription"]:
        """See Broker."""
        subscription = MemorySubscription(self, queues)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def stop(self) -> None:
        """Go away and forget everything, as a broker that is killed does."""
        self._away = True
        self._hints.clear()
        self._wake()

    def start(self) -> None:
        """Come back, empty."""
        self._away = False

    def check(self) -> None:
        """Raise BrokerUnavailable while stopped."""
        if self._away:
            raise BrokerUnavailable("The broker was stopped.")

    def pop(self, queues: Collection[str]) -> Hint | None:
        """The next hint of the highest priority, the oldest of it."""
        for priority in range(HIGHEST_PRIORITY, -1, -1):
            for queue in queues:
                if self._hints[queue][priority]:
                    return self._hints[queue][priority].popleft()
        return None

    def _wake(self) -> None:
        for subscription in self._subscriptions:
            subscription.wake()


class MemorySubscription:
    """A Subscription."""

    def __init__(self, broker: MemoryBroker, queues: Collection[str]) -> None:
        self._broker = broker
        self._queues = tuple(queues)
        self._changed = asyncio.Event()

    async def take(self, limit: int, longest: timedelta) -> list[Hint]:
        """See Subscription."""
        try:
            async with asyncio.timeout(longest.total_seconds()):
                return await self._take(limit)
        except TimeoutError:
            return []

    async def consume(self, queues: Collection[str]) -> None:
        """See Subscription."""
        self._queues = tuple(queues)
        self.wake()

    def wake(self) -> None:
        """Look again."""
        self._changed.set()

    async def _take(self, limit: int) -> list[Hint]:
        while True:
            self._broker.check()
            self._changed.clear()
            self._queues = (*self._queues[1:], *self._queues[:1])  # queues take turns in coming first
            hints: list[Hint] = []
            while sum(len(hint.ids) for hint in hints) < limit and (hint := self._broker.pop(self._queues)):
                hints.append(hint)
            if hints:
                return hints
            await self._changed.wait()


def _by_priority() -> list[deque[Hint]]:
    return [deque() for _ in range(HIGHEST_PRIORITY + 1)]
