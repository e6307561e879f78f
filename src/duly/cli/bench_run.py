"""What ``duly bench`` measures: submits, a drain, and latency, in one process on the configured store and broker."""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from duly.app import Duly
from duly.assembly import Core
from duly.assembly_worker import work
from duly.domain.errors import DulyError, IllegalMove
from duly.domain.query import TaskQuery
from duly.domain.state import State
from duly.handler import Handler
from duly.ports.store import Retention

QUEUE = "duly-bench"
TEXT = "x" * 200
PURGE = 500
LONGEST = timedelta(days=36_500)
PATIENCE = timedelta(seconds=60)
LOOK = 0.05
WARM = 5
PAUSES = (0.02, 0.1)
"""Seconds between two tasks of the idle system, by chance."""

Advance = Callable[[str, int], None]
"""Told of each step: its name, and how many were done since it was told last."""


class StoreInUse(DulyError):
    """The store has live tasks of somebody else, who would be disturbed and would disturb."""

    code = "store-in-use"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    tasks: int
    callers: int
    samples: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and the slowest in a hundred."""

    p50: timedelta
    p99: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured. Rates are tasks a second."""

    submit_rate: float
    submit: Spread
    drain_rate: float
    start: Spread
    result: Spread


class Bench:
    """One measurement. ``handlers`` must be what the core was opened with."""

    def __init__(self, plan: Plan, advance: Advance) -> None:
        self._plan = plan
        self._advance = advance
        self._duly = Duly()
        self._called = 0
        self._echo: Handler[float] = self._duly.task(name="duly-bench.echo", queue=QUEUE)(self._run)
        self.handlers = self._duly.handlers

    async def measure(self, core: Core) -> Figures:
        """Submit, drain, and one at a time; what is in the queue of ``duly bench`` is removed before and after."""
        await clean(core)
        try:
            with self._duly.on(core):
                submit_rate, took = await self._submit()
                async with _working(core):
                    drain_rate = await self._drained(core)
                    starts, results = await self._one_by_one()
        finally:
            await clean(core)
        return Figures(
            submit_rate=submit_rate,
            submit=_spread(took),
            drain_rate=drain_rate,
            start=_spread(starts),
            result=_spread(results),
        )

    async def _run(self, text: str) -> float:
        """When it was started."""
        del text
        self._called += 1
        if self._called <= self._plan.tasks:
            self._advance("drain", 1)
        return time.time()

    async def _submit(self) -> tuple[float, Sequence[float]]:
        took: list[float] = []
        numbers = iter(range(self._plan.tasks))

        async def caller() -> None:
            for _ in numbers:
                begun = time.perf_counter()
                await self._echo.submit(text=TEXT)
                took.append(time.perf_counter() - begun)
                self._advance("submit", 1)

        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.callers):
                group.create_task(caller())
        return self._plan.tasks / (time.perf_counter() - begun), took

    async def _drained(self, core: Core) -> float:
        """Tasks a second, until the store has no live one."""
        begun = time.perf_counter()
        while await _live(core):  # noqa: ASYNC110  # what is measured must not be told when it is done
            await asyncio.sleep(LOOK)
        return self._plan.tasks / (time.perf_counter() - begun)

    async def _one_by_one(self) -> tuple[Sequence[float], Sequence[float]]:
        """Seconds to the handler's start, and to the result in hand, while nothing else happens."""
        starts, results = [], []
        for number in range(WARM + self._plan.samples):
            await asyncio.sleep(random.uniform(*PAUSES))  # noqa: S311  # not for secrets
            begun = time.time()
            handle = await self._echo.submit(text=TEXT)
            started = await handle.result(PATIENCE)
            if number >= WARM:
                starts.append(max(0.0, started - begun))
                results.append(time.time() - begun)
                self._advance("latency", 1)
        return starts, results


async def foreign(core: Core) -> dict[str, int]:
    """Live tasks of other queues than ours, by queue."""
    depths = await core.service.store.queues.depths()
    live = {depth.queue: depth.scheduled + depth.pending + depth.running for depth in depths}
    return {queue: count for queue, count in live.items() if count and queue != QUEUE}


async def clean(core: Core) -> None:
    """Cancel what waits in the queue of ``duly bench``, and delete everything that was ever in it."""
    tasks, history = core.service.tasks, core.service.store.history
    while waiting := (await tasks.page(TaskQuery(queue=QUEUE, state=State.PENDING, limit=100))).tasks:
        for task in waiting:
            with suppress(IllegalMove):  # it was run meanwhile
                await tasks.cancel(task.id)
    kept = Retention(done=LONGEST, failed=LONGEST, queues={QUEUE: timedelta()})
    while await history.purge(kept, PURGE):
        pass


@asynccontextmanager
async def _working(core: Core) -> AsyncIterator[None]:
    """A worker in this process."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(work(core, stop))
        try:
            yield
        finally:
            stop.set()


async def _live(core: Core) -> int:
    depths = await core.service.store.queues.depths()
    return sum(depth.scheduled + depth.pending + depth.running for depth in depths if depth.queue == QUEUE)


def _spread(seconds: Sequence[float]) -> Spread:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return Spread(timedelta(seconds=cuts[49]), timedelta(seconds=cuts[98]))
