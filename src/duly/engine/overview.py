"""What may be asked of queues and workers."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from duly.domain.errors import QueueNotFound
from duly.domain.stats import BOUNDS_MS, Histogram, QueueDepth, WorkerRecord, percentile
from duly.engine.fresh import Fresh
from duly.engine.herald import Herald
from duly.engine.landscape import ALIVE_WITHIN, Landscape
from duly.ports.store import Store

RATES_OVER = timedelta(minutes=1)
FRESH = timedelta(seconds=2)
OLDEST = timedelta(seconds=10)
"""Counting millions that wait takes a while, and nobody waits for that: the stats say as of when they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A queue at a glance. Rates are per second, over the last minute."""

    name: str
    paused: bool
    scheduled: int
    pending: int
    running: int
    oldest_pending_age: timedelta | None
    in_rate: float
    out_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """A queue with percentiles of wait and run times over the last minute; None where nothing was counted."""

    queue: QueueView
    wait_p50: timedelta | None
    wait_p95: timedelta | None
    wait_p99: timedelta | None
    run_p50: timedelta | None
    run_p95: timedelta | None
    run_p99: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """All queues, as they were at ``as_of``."""

    as_of: datetime
    queues: tuple[QueueStats, ...]


class Overview:
    """Looks at the store every two seconds at most, however many ask; never counts history."""

    def __init__(self, store: Store, herald: Herald, landscape: Landscape) -> None:
        self._store = store
        self._herald = herald
        self._landscape = landscape
        self._stats = Fresh(self._look, FRESH, OLDEST)

    async def queues(self) -> list[QueueView]:
        """Every queue that a task or a worker has ever used, by name."""
        return [one.queue for one in (await self._stats.get()).queues]

    async def queue(self, name: str) -> QueueView:
        """One queue. Raises QueueNotFound."""
        for view in await self.queues():
            if view.name == name:
                return view
        raise QueueNotFound(name)

    async def pause(self, name: str, paused: bool) -> QueueView:
        """Pause or resume: no claim that starts after this takes a task of a paused queue. Raises QueueNotFound."""
        self._stats.forget()
        try:
            await self._store.queues.pause(name, paused)
        except QueueNotFound:
            await self.queue(name)  # raises, unless tasks wait there that no worker has come for yet
            await self._store.queues.declare([name])
            await self._store.queues.pause(name, paused)
        self._stats.forget()
        self._landscape.forget()
        if not paused:
            self._herald.resumed(name)
        return await self.queue(name)

    async def workers(self) -> list[WorkerRecord]:
        """The workers that live."""
        return await self._store.roster.alive(ALIVE_WITHIN)

    async def stats(self, queues: Collection[str] = ()) -> Stats:
        """Of all queues, or of these: with zeros for those that are not known."""
        stats = await self._stats.get()
        if not queues:
            return stats
        known = {one.queue.name: one for one in stats.queues}
        chosen = tuple(known.get(name) or _queue_stats(name, False, None, [], stats.as_of) for name in queues)
        return Stats(as_of=stats.as_of, queues=chosen)

    async def _look(self) -> Stats:
        as_of = self._store.clock.now()
        paused = {state.name: state.paused for state in await self._store.queues.states()}
        depths = {depth.queue: depth for depth in await self._store.queues.depths()}
        rates = await self._store.queues.rates(RATES_OVER)
        names = sorted(paused.keys() | depths.keys())
        return Stats(
            as_of=as_of,
            queues=tuple(_queue_stats(name, paused.get(name, False), depths.get(name), rates, as_of) for name in names),
        )


def _queue_stats(
    name: str, paused: bool, depth: QueueDepth | None, rates: Iterable[Histogram], as_of: datetime
) -> QueueStats:
    own = [histogram for histogram in rates if histogram.queue == name]
    waits = _sum(histogram.waits for histogram in own)
    runs = _sum(histogram.runs for histogram in own)
    oldest = None if depth is None else depth.oldest_pending
    view = QueueView(
        name=name,
        paused=paused,
        scheduled=depth.scheduled if depth else 0,
        pending=depth.pending if depth else 0,
        running=depth.running if depth else 0,
        oldest_pending_age=max(as_of - oldest, timedelta()) if oldest else None,
        in_rate=sum(histogram.submitted for histogram in own) / RATES_OVER.total_seconds(),
        out_rate=sum(histogram.completed + histogram.failed for histogram in own) / RATES_OVER.total_seconds(),
    )
    return QueueStats(
        queue=view,
        wait_p50=percentile(waits, 0.50),
        wait_p95=percentile(waits, 0.95),
        wait_p99=percentile(waits, 0.99),
        run_p50=percentile(runs, 0.50),
        run_p95=percentile(runs, 0.95),
        run_p99=percentile(runs, 0.99),
    )


def _sum(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    total = (0,) * (len(BOUNDS_MS) + 1)
    for row in rows:
        total = tuple(a + b for a, b in zip(total, row, strict=True))
    return total
