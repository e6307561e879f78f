"""The bell within one process."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Lock, get_ident

from duly.domain.callback import SYSTEM_QUEUE
from duly.ports.bell import queue_topic

_DELIVERIES = queue_topic(SYSTEM_QUEUE)


class LocalEar:
    """Listens in the event loop that it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._rung = asyncio.Event()

    async def wait(self, longest: timedelta) -> bool:
        """Sleep until rung, or for so long at most. True when it was rung."""
        try:
            async with asyncio.timeout(longest.total_seconds()):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def hear(self) -> None:
        """Wake up; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody listens there any more
            if get_ident() == self._thread:
                self._rung.set()  # at once, not in the loop's next round
            else:
                self._loop.call_soon_threadsafe(self._rung.set)


class LocalBell:
    """Wakes those who listen in this process, in any of its event loops."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ears: defaultdict[str, set[LocalEar]] = defaultdict(set)

    def ring(self, topics: Collection[str]) -> None:
        """Wake all who listen to any of the topics."""
        with self._lock:
            ears = {ear for topic in topics for ear in self._ears.get(topic, ())}
        for ear in ears:
            ear.hear()

    def ring_all(self) -> None:
        """Wake everybody: something has changed, nobody knows what.

        Who waits for deliveries alone sleeps on until its next look: they are rare, and on SQLite any commit rings.
        """
        with self._lock:
            ears = {ear for topic, listening in self._ears.items() if topic != _DELIVERIES for ear in listening}
        for ear in ears:
            ear.hear()

    @contextmanager
    def listen(self, topics: Collection[str]) -> Iterator[LocalEar]:
        """An ear for these topics."""
        ear = LocalEar()
        with self._lock:
            for topic in topics:
                self._ears[topic].add(ear)
        try:
            yield ear
        finally:
            with self._lock:
                for topic in topics:
                    self._ears[topic].discard(ear)
                    if not self._ears[topic]:
                        del self._ears[topic]
