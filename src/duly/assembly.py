"""Puts the parts together: the only place that knows every class."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import version

from duly.caches.memory import MemoryCache
from duly.domain.families import POOL_WAIT
from duly.engine.ahead import Ahead
from duly.engine.background import in_background
from duly.engine.bell import LocalBell
from duly.engine.crowd import Crowd
from duly.engine.handlers import Handlers
from duly.engine.herald import Herald
from duly.engine.housekeeping import Housekeeping, Upkeep
from duly.engine.ids import Ids
from duly.engine.lag import BETWEEN, LagProbe
from duly.engine.landscape import Landscape
from duly.engine.limits import Limits
from duly.engine.lists import LOOK_AT_REPLICA, Lists
from duly.engine.loop import every
from duly.engine.meter import Meter, MeterReading
from duly.engine.overview import Overview
from duly.engine.parts import Parts
from duly.engine.reads import KEEP_LIVE, Reads
from duly.engine.relay import Relay
from duly.engine.service import Service
from duly.engine.survey import Count, Survey
from duly.engine.sweep import Sweeper
from duly.engine.tasks import Tasks
from duly.entrance import Entrance, open_entrance
from duly.parts import (
    limits_of,
    open_announcer,
    open_bell,
    open_broker,
    open_cache,
    open_counter,
    open_lists,
    siblings,
)
from duly.ports.bell import Bell
from duly.ports.broker import Announcer, Broker
from duly.ports.cache import Cache
from duly.ports.joined import Joined
from duly.ports.store import Retention, Store
from duly.ports.telemetry import Emit, Tally, Tracing
from duly.settings import Settings
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.open import joined_for, open_sql_store
from duly.stores.sql.runner import Waited, untold
from duly.stores.sql.sqlite_watch import watch, watched_file
from duly.stores.sql.store import SqlStore
from duly.telemetry.counted import CountedAnnouncer, CountedCache
from duly.telemetry.counting import counting
from duly.telemetry.lines import log_lines
from duly.telemetry.tally import PlainTally
from duly.telemetry.tracing import open_tracing

SUBMIT_PATIENCE = timedelta(seconds=5)
"""So long a submit goes on trying while the database is away, before its client is told to come back."""

LOOK_EVERY = timedelta(milliseconds=100)
"""How often waiting readers' tasks are looked at when nothing rings."""

KEEP_FINAL = timedelta(minutes=1)
RELAY_EVERY = timedelta(seconds=2)
TELL_SIBLINGS_EVERY = timedelta(seconds=1)

LONGEST_FLUSH = timedelta(seconds=3)
"""For the last spans of a process that ends."""

StoreOpener = Callable[[], AbstractAsyncContextManager[Store]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One open Duly: what API, worker and applications share."""

    settings: Settings
    open_store: StoreOpener
    joined: Callable[[], Joined] | None
    bell: Bell
    herald: Herald
    broker: Broker | None
    meter: Meter
    tally: Tally
    count: Count
    sweeper: Sweeper
    crowd: Crowd
    emit: Emit
    tracing: Tracing | None
    service: Service


@asynccontextmanager
async def open_store(settings: Settings, waited: Waited = untold, doubt: Doubt | None = None) -> AsyncIterator[Store]:
    """The store that the settings name. Raises StoreUnavailable, SchemaOutdated, Misconfigured."""
    url, longest = settings.database_url, settings.database_timeout
    store = await open_sql_store(url, longest=longest, waited=waited, doubt=doubt)
    try:
        yield store
    finally:
        await store.close()


async def migrate(settings: Settings) -> None:
    """Bring the schema of the database that the settings name up to date. Raises StoreUnavailable, Misconfigured."""
    from duly.stores.sql.migrate import migrate as migrate_sql  # noqa: PLC0415  # slow to import, and used here alone

    await migrate_sql(settings.database_url)


@dataclass(frozen=True, slots=True)
class Open:
    """The parts that reach outside."""

    store: Store
    bell: Bell
    broker: Broker | None
    announcer: Announcer | None
    """The broker, or a fleet's that is none of Duly's own workers."""
    relay: Relay | None
    cache: Cache | None
    reads: Reads
    ahead: Ahead | None
    lists: Lists | None
    entrance: Entrance
    tally: Tally
    emit: Emit
    tracing: Tracing | None


@asynccontextmanager
async def open_core(
    settings: Settings, handlers: Handlers, *, opener: StoreOpener | None = None, emit: Emit | None = None
) -> AsyncIterator[Core]:
    """Open everything, and run what stands behind it; ``opener`` opens another store than the settings name."""
    tally = PlainTally()
    tracing, tell = _telling(tally, emit or log_lines())
    open_this = opener or partial(open_store, settings, partial(tally.observe, POOL_WAIT), Doubt())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_flush, tracing)
        store = await stack.enter_async_context(open_this())
        local = LocalBell()
        bell = await stack.enter_async_context(open_bell(settings, local, tell)) if opener is None else local
        broker = await stack.enter_async_context(open_broker(settings, tell))
        announcer = await stack.enter_async_context(open_announcer(settings, tell)) or broker
        relay = None if announcer is None else Relay(store, CountedAnnouncer(announcer, tally), tell)
        cache = await stack.enter_async_context(open_cache(settings, store.clock))
        reads = _reads(store, cache, tally, tell)
        ahead = Ahead(reads, tell) if settings.cache_ahead and cache is not None else None
        lists = await stack.enter_async_context(open_lists(settings, store, tell))
        entrance = await open_entrance(settings, store, await stack.enter_async_context(open_counter(settings)), tell)
        opened = Open(store, bell, broker, announcer, relay, cache, reads, ahead, lists, entrance, tally, tell, tracing)
        core = _core(settings, handlers, open_this, opened)
        watching = _watching(settings, local) if opener is None else []
        stack.push_async_callback(core.count.last)
        work = (*_background(core, opened), *watching)
        await stack.enter_async_context(in_background(tell, *work, failed=core.service.failed))
        if relay is not None:
            stack.push_async_callback(relay.last)
        yield core


async def _flush(tracing: Tracing | None) -> None:
    if tracing is not None:
        await asyncio.to_thread(tracing.flush, LONGEST_FLUSH)


def _telling(tally: Tally, log: Emit) -> tuple[Tracing | None, Emit]:
    """What happens is counted, told to the trace, if there is one, and written down."""
    tracing = open_tracing(log)
    return tracing, counting(tally, log if tracing is None else tracing.telling(log))


def _background(core: Core, opened: Open) -> list[Coroutine[None, None, None]]:
    """What runs for as long as a Duly is open."""
    relay, lists, emit = opened.relay, opened.lists, opened.emit
    running = [
        core.service.tasks.run(),
        _housekeeping(core, opened.store).run(),
        every(BETWEEN, LagProbe(core.tally).step, "lag", emit),
    ]
    if core.count.siblings is not None:
        running.append(every(TELL_SIBLINGS_EVERY, core.count.step, "metrics", emit))
    if relay is not None:
        running += [relay.run(), every(RELAY_EVERY, relay.step, "relay", emit)]
    if opened.ahead is not None:
        running.append(opened.ahead.run())
    if lists is not None:
        running.append(every(LOOK_AT_REPLICA, lists.step, "replica", emit))
    return running


def _reads(store: Store, cache: Cache | None, tally: Tally, emit: Emit) -> Reads:
    """A cache of this process alone cannot be told of a retry elsewhere, so it keeps nothing for long."""
    counted = None if cache is None else CountedCache(cache, tally)
    return Reads(store.tasks, counted, KEEP_LIVE if isinstance(cache, MemoryCache) else KEEP_FINAL, emit)


def _core(settings: Settings, handlers: Handlers, opener: StoreOpener, opened: Open) -> Core:
    herald = Herald(opened.bell, opened.relay, opened.ahead)
    meter = Meter(process_name())
    is_sql = isinstance(opened.store, SqlStore)
    sweeper = Sweeper(opened.store, herald, settings.lease, opened.emit)
    count = Count(meter, sweeper, opened.tally, siblings(settings, process_name()), version("duly"))
    return Core(
        settings=settings,
        open_store=opener,
        joined=partial(joined_for, settings.database_url) if is_sql else None,
        bell=opened.bell,
        herald=herald,
        broker=opened.broker,
        meter=meter,
        tally=opened.tally,
        count=count,
        sweeper=sweeper,
        crowd=Crowd(),
        emit=opened.emit,
        tracing=opened.tracing,
        service=_service(settings, handlers, opened, herald, count),
    )


@asynccontextmanager
async def open_service(settings: Settings, handlers: Handlers) -> AsyncIterator[Service]:
    """What the API is given."""
    async with open_core(settings, handlers) as core:
        yield core.service


def process_name() -> str:
    """A name that no other process has had: host, process id, and chance."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"


def _parts(handlers: Handlers, opened: Open, herald: Herald, meter: Meter, limits: Limits) -> Parts:
    return Parts(
        store=opened.store,
        reads=opened.reads,
        bell=opened.bell,
        herald=herald,
        handlers=handlers,
        limits=limits,
        ids=Ids(),
        meter=meter,
        patience=SUBMIT_PATIENCE,
        poll_interval=LOOK_EVERY,
        lists=opened.lists,
        tracing=opened.tracing,
    )


def _service(settings: Settings, handlers: Handlers, opened: Open, herald: Herald, count: Count) -> Service:
    limits, store = limits_of(settings), opened.store
    landscape = Landscape(store)
    overview = Overview(store, herald, landscape)
    tasks = Tasks(_parts(handlers, opened, herald, count.meter, limits), landscape)
    doors = opened.entrance
    return Service(
        tasks=tasks,
        overview=overview,
        handlers=handlers,
        store=store,
        limits=limits,
        broker=opened.announcer,
        cache=opened.cache,
        access=doors.access,
        quotas=doors.quotas,
        tally=count.tally,
        survey=None if settings.metrics == "off" else Survey(count, overview),
    )


def _watching(settings: Settings, bell: LocalBell) -> list[Coroutine[None, None, None]]:
    """On SQLite the commits of other processes ring the bell."""
    file = watched_file(settings.database_url)
    return [] if file is None else [watch(file, bell.ring_all)]


def _housekeeping(core: Core, store: Store) -> Housekeeping:
    settings = core.settings
    queues: Mapping[str, timedelta] = settings.retention_queues
    retention = Retention(settings.retention_done, settings.retention_failed, queues)
    reading = MeterReading(core.meter, store.queues)
    upkeep = Upkeep(retention, settings.purged_kept)
    return Housekeeping(store, core.sweeper, reading, upkeep, crowd=core.crowd, lease=settings.lease, emit=core.emit)
