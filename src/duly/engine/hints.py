"""What the broker said and nobody has claimed yet: a small, ordered buffer of ids in one worker."""

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from duly.domain.errors import BrokerUnavailable, StoreUnavailable
from duly.domain.task import TaskId
from duly.ports.broker import Hint, Subscription
from duly.ports.store import QueueStore
from duly.ports.telemetry import Emit

LOOK_AT_PAUSES = timedelta(seconds=1)
PAUSE_AWAY = 1.0
WARN_EVERY = 60.0


class Hints:
    """Takes from the broker what the free slots can use, the most urgent first. ``run`` must be running."""

    def __init__(self, subscription: Subscription, queues: tuple[str, ...], store: QueueStore, emit: Emit) -> None:
        self._subscription = subscription
        self._queues = queues
        self._store = store
        self._emit = emit
        self._held: list[tuple[int, int, Hint]] = []
        self._number = count()
        self._room = asyncio.Event()
        self._consumed: frozenset[str] = frozenset(queues)
        self._looked_at = float("-inf")
        self._warned_at = float("-inf")

    def take(self, limit: int) -> tuple[str, list[TaskId]] | None:
        """Up to ``limit`` ids of one queue, the most urgent there are; None when nothing is held."""
        if not self._held:
            self._room.set()
            return None
        urgency, number, hint = heapq.heappop(self._held)
        taken, rest = hint.ids[:limit], hint.ids[limit:]
        if rest:
            heapq.heappush(self._held, (urgency, number, Hint(hint.queue, hint.priority, rest)))
        if len(self._held) <= 1:
            self._room.set()
        return hint.queue, list(taken)

    async def run(self, wanted: Callable[[], int], heard: Callable[[], None], poll_interval: timedelta) -> None:
        """Fill the buffer until cancelled, whenever it has run low: at most one take is ahead of the slots."""
        while True:
            try:
                await self._follow_pauses()
                for hint in await self._subscription.take(max(wanted(), 1), poll_interval):
                    heapq.heappush(self._held, (-hint.priority, next(self._number), hint))
                if self._held:
                    self._room.clear()
                    heard()
                    await self._room.wait()
            except BrokerUnavailable as error:
                self._warn(error)
                await asyncio.sleep(PAUSE_AWAY)
            except StoreUnavailable:
                await asyncio.sleep(PAUSE_AWAY)
            except Exception as error:  # noqa: BLE001  # the top of a loop: a fault here must not end what runs
                self._emit("loop.failed", {"loop": "hints", "error": repr(error)})
                await asyncio.sleep(PAUSE_AWAY)

    async def _follow_pauses(self) -> None:
        """Leave the messages of paused queues in the broker."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_AT_PAUSES.total_seconds():
            return
        paused = {state.name for state in await self._store.states() if state.paused}
        self._looked_at = now
        active = frozenset(self._queues) - paused
        if active != self._consumed:
            await self._subscription.consume(active)
            self._consumed = active

    def _warn(self, error: BrokerUnavailable) -> None:
        now = time.monotonic()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            self._emit("broker.unavailable", {"error": str(error)})
