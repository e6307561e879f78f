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

import structlog

from duly.caches.memory import MemoryCache
from duly.domain.task import DEFAULT_QUEUE, Task, WorkerId
from duly.engine.background import in_background
from duly.engine.bell import LocalBell
from duly.engine.callbacks import callback_type
from duly.engine.handlers import Handlers, Served
from duly.engine.herald import Herald
from duly.engine.housekeeping import Housekeeping, Upkeep
from duly.engine.ids import Ids
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
from duly.engine.sweep import Sweeper
from duly.engine.tasks import Tasks
from duly.engine.worker import Worker
from duly.engine.workshop import WorkerOptions, WorkerParts
from duly.entrance import Entrance, open_entrance
from duly.parts import (
    callback_rules,
    courier_of,
    open_announcer,
    open_bell,
    open_broker,
    open_cache,
    open_counter,
    open_lists,
)
from duly.ports.bell import Bell
from duly.ports.broker import Announcer, Broker
from duly.ports.cache import Cache
from duly.ports.joined import Joined
from duly.ports.store import Retention, Store
from duly.ports.telemetry import Emit
from duly.settings import Settings
from duly.stores.sql.open import joined_for, open_sql_store
from duly.stores.sql.sqlite_watch import watch, watched_file
from duly.stores.sql.store import SqlStore
from duly.telemetry.lines import log_lines

SUBMIT_PATIENCE = timedelta(seconds=5)
"""So long a submit goes on trying while the database is away, before its client is told to come back."""

LOOK_EVERY = timedelta(milliseconds=100)
"""How often waiting readers' tasks are looked at when nothing rings."""

STALL_WARNING = timedelta(seconds=5)
KEEP_FINAL = timedelta(minutes=1)
RELAY_EVERY = timedelta(seconds=2)

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
    sweeper: Sweeper
    emit: Emit
    service: Service


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store that the settings name. Raises StoreUnavailable, SchemaOutdated, Misconfigured."""
    store = await open_sql_store(settings.database_url, longest=settings.database_timeout)
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
    lists: Lists | None
    entrance: Entrance
    emit: Emit

    @property
    def keep_final(self) -> timedelta:
        """A cache of this process alone cannot be told of a retry elsewhere, so it keeps nothing for long."""
        return KEEP_LIVE if isinstance(self.cache, MemoryCache) else KEEP_FINAL


@asynccontextmanager
async def open_core(
    settings: Settings, handlers: Handlers, *, opener: StoreOpener | None = None, emit: Emit | None = None
) -> AsyncIterator[Core]:
    """Open everything; what runs behind it (shared commits, sweeping, purging) runs until the context closes.

    ``opener`` opens another store than the one that the settings name.
    """
    tell = emit or log_lines()
    open_this = opener or partial(open_store, settings)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_this())
        local = LocalBell()
        bell = await stack.enter_async_context(open_bell(settings, local, tell)) if opener is None else local
        broker = await stack.enter_async_context(open_broker(settings, tell))
        fleet = await stack.enter_async_context(open_announcer(settings, tell))
        announcer = fleet if broker is None else broker
        relay = None if announcer is None else Relay(store, announcer, tell)
        cache = await stack.enter_async_context(open_cache(settings, store.clock))
        lists = await stack.enter_async_context(open_lists(settings, store, tell))
        entrance = await open_entrance(settings, store, await stack.enter_async_context(open_counter(settings)), tell)
        opened = Open(store, bell, broker, announcer, relay, cache, lists, entrance, tell)
        core = _core(settings, handlers, open_this, opened)
        background = [core.service.tasks.run(), _housekeeping(core, store).run()]
        if opener is None:
            background += _watching(settings, local)
        if relay is not None:
            background += [relay.run(), every(RELAY_EVERY, relay.step, "relay", tell)]
        if lists is not None:
            background.append(every(LOOK_AT_REPLICA, lists.step, "replica", tell))
        await stack.enter_async_context(in_background(tell, *background))
        yield core


def _core(settings: Settings, handlers: Handlers, opener: StoreOpener, opened: Open) -> Core:
    herald = Herald(opened.bell, opened.relay)
    meter = Meter(process_name())
    is_sql = isinstance(opened.store, SqlStore)
    return Core(
        settings=settings,
        open_store=opener,
        joined=partial(joined_for, settings.database_url) if is_sql else None,
        bell=opened.bell,
        herald=herald,
        broker=opened.broker,
        meter=meter,
        sweeper=Sweeper(opened.store, herald, settings.lease, opened.emit),
        emit=opened.emit,
        service=_service(settings, handlers, opened, herald, meter),
    )


async def work(core: Core, stop: asyncio.Event) -> bool:
    """Run a worker until ``stop`` is set; returns whether the process asks to be replaced."""
    return await Worker(worker_parts(core), worker_options(core.settings)).run(stop)


def served(settings: Settings, handlers: Handlers) -> tuple[str, ...]:
    """The queues of a worker. Without a word about queues: all that the handlers name."""
    if "queues" in settings.model_fields_set:
        return settings.queues
    return tuple(sorted({DEFAULT_QUEUE, *(task_type.queue for task_type in handlers)}))


async def run_worker(settings: Settings, handlers: Handlers, stop: asyncio.Event) -> bool:
    """Open everything and run a worker on it. Returns whether the process asks to be replaced."""
    async with open_core(settings, handlers) as core:
        return await work(core, stop)


@asynccontextmanager
async def open_service(settings: Settings, handlers: Handlers) -> AsyncIterator[Service]:
    """What the API is given."""
    async with open_core(settings, handlers) as core:
        yield core.service


def limits_of(settings: Settings) -> Limits:
    """The sizes and times that the settings allow."""
    return Limits(
        max_body=int(settings.max_body),
        max_result=int(settings.max_result),
        max_pending=settings.max_pending,
        max_streams=settings.max_streams,
        callbacks=callback_rules(settings),
        timeout=settings.default_timeout,
    )


def worker_options(settings: Settings) -> WorkerOptions:
    """How the settings want a worker."""
    return WorkerOptions(
        queues=settings.queues,
        slots=settings.slots,
        lease=settings.lease,
        grace=settings.grace,
        poll_interval=settings.poll_interval,
        stall_warning=STALL_WARNING,
        stall_limit=settings.stall_limit,
        max_tasks=settings.max_tasks_per_process or None,
        max_memory=settings.max_memory_mb * 1024 * 1024 or None,
        version=version("duly"),
    )


def process_name() -> str:
    """A name that no other process has had: host, process id, and chance."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"


def _service(settings: Settings, handlers: Handlers, opened: Open, herald: Herald, meter: Meter) -> Service:
    limits = limits_of(settings)
    store = opened.store
    landscape = Landscape(store)
    parts = Parts(
        store=store,
        reads=Reads(store.tasks, opened.cache, opened.keep_final, opened.emit),
        bell=opened.bell,
        herald=herald,
        handlers=handlers,
        limits=limits,
        ids=Ids(),
        meter=meter,
        patience=SUBMIT_PATIENCE,
        poll_interval=LOOK_EVERY,
        lists=opened.lists,
    )
    overview = Overview(store, herald, landscape)
    tasks = Tasks(parts, landscape)
    doors = opened.entrance
    return Service(tasks, overview, handlers, store, limits, opened.announcer, opened.cache, doors.access, doors.quotas)


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
    return Housekeeping(store, core.sweeper, reading, upkeep, lease=settings.lease, emit=core.emit)


def worker_parts(core: Core) -> WorkerParts:
    """What a worker on this core is made of."""
    service = core.service
    return WorkerParts(
        store=service.store,
        open_store=core.open_store,
        joined=core.joined,
        handlers=Served(service.handlers, callback_type(courier_of(core.settings, service.store.clock))),
        limits=service.limits,
        bell=core.bell,
        herald=core.herald,
        broker=core.broker,
        meter=core.meter,
        sweeper=core.sweeper,
        emit=core.emit,
        bind=_bind,
        id=WorkerId(process_name()),
    )


def _bind(task: Task) -> None:
    """Put the task on every log line of its attempt."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=str(task.id), request_id=task.request_id)
