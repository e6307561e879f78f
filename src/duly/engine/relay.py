"""From the database to the broker: announces what has become ready, and again what nobody claimed.

There is no outbox. What could not be announced (the broker was away, the process was killed in between, a queue was
purged) still waits in the database, and any process's relay finds it there.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

from duly.domain.callback import SYSTEM_QUEUE
from duly.domain.errors import BrokerUnavailable
from duly.domain.task import Task, TaskId
from duly.ports.broker import MAX_IDS, Announcer, Hint
from duly.ports.store import Store
from duly.ports.telemetry import Emit

UNCLAIMED_FOR = timedelta(seconds=2)
"""So long a pending task is left to its first announcement."""

LOW = 10
"""A queue with fewer messages in the broker than this is announced to again."""

AGAIN = 1_000
"""So many tasks of one queue are announced again in one pass at most."""

MAX_UNTOLD = 50_000
"""Beyond so many announcements that the broker has not taken yet, new ones are left to the next pass."""

MAX_ROUND = 5_000
PAUSE_AWAY = 1.0
LONGEST_GOODBYE = 0.5
WARN_EVERY = 60.0

Place = tuple[str, int]


class Relay:
    """``run`` announces what it is told, in batches and without delay; ``step`` is one pass over the database.

    Duly's own queue is left out: every worker looks there by itself.
    """

    def __init__(self, store: Store, broker: Announcer, emit: Emit) -> None:
        self._store = store
        self._broker = broker
        self._emit = emit
        self._untold: deque[tuple[Place, TaskId]] = deque()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._told = asyncio.Event()
        """Set while nothing is left to announce."""
        self._told.set()
        self._warned_at = float("-inf")

    def tell(self, tasks: Iterable[Task]) -> None:
        """Announce these soon. From any thread; when the broker does not keep up they are left to a later pass."""
        if len(self._untold) < MAX_UNTOLD:
            told = (task for task in tasks if task.queue != SYSTEM_QUEUE)
            self._untold.extend(((task.queue, task.priority), task.id) for task in told)
            self._loop.call_soon_threadsafe(self._hurry)

    async def run(self) -> None:
        """Announce until cancelled. While the broker is away, what is told is dropped: the passes find it again."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._untold:
                round_ = [self._untold.popleft() for _ in range(min(len(self._untold), MAX_ROUND))]
                try:
                    await self._broker.announce(hints_of(round_))
                except BrokerUnavailable as error:
                    self._untold.clear()
                    self._warn(error)
                    await asyncio.sleep(PAUSE_AWAY)
                except Exception as error:  # noqa: BLE001  # the top of a loop: what it announces is a hint, no more
                    self._emit("loop.failed", {"loop": "relay", "error": repr(error)})
                    await asyncio.sleep(PAUSE_AWAY)
            self._told.set()

    async def last(self) -> None:
        """Wait until all is announced, for half a second at most, before ``run`` is cancelled.

        A program may submit and end at once: its tasks would wait until somebody looks into the database.
        """
        await asyncio.sleep(0)  # what was told in this round of the loop is known in the next
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_GOODBYE):
                await self._told.wait()

    async def step(self) -> int:
        """Announce again what nobody has claimed for two seconds, where the broker holds little. Returns how many ids.

        Raises StoreUnavailable.
        """
        states = await self._store.queues.states()
        queues = [state.name for state in states if not state.paused and state.name != SYSTEM_QUEUE]
        try:
            depths = await self._broker.depths(queues)
            return sum([await self._again(queue) for queue in queues if depths.get(queue, LOW) < LOW])
        except BrokerUnavailable as error:
            self._warn(error)
            return 0

    async def _again(self, queue: str) -> int:
        waiting = await self._store.queues.unclaimed(queue, UNCLAIMED_FOR, AGAIN)
        if waiting:
            await self._broker.announce(hints_of([((queue, priority), task_id) for task_id, priority in waiting]))
        return len(waiting)

    def _hurry(self) -> None:
        self._told.clear()
        self._wake.set()

    def _warn(self, error: BrokerUnavailable) -> None:
        now = time.monotonic()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            self._emit("broker.unavailable", {"error": str(error)})


def hints_of(announced: Sequence[tuple[Place, TaskId]]) -> list[Hint]:
    """The same as hints: ids of one queue and priority together, MAX_IDS at most, the most urgent first."""
    by_place: defaultdict[Place, list[TaskId]] = defaultdict(list)
    for place, task_id in announced:
        by_place[place].append(task_id)
    return [
        Hint(queue, priority, tuple(ids[start : start + MAX_IDS]))
        for (queue, priority), ids in sorted(by_place.items(), key=lambda item: -item[0][1])
        for start in range(0, len(ids), MAX_IDS)
    ]
