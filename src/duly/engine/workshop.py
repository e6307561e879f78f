"""Where claimed tasks are run: the lease keeper, the settler, threads and processes, opened and closed together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from duly.domain.task import Task, WorkerId
from duly.engine.background import in_background
from duly.engine.crowd import Crowd
from duly.engine.grace import Grace
from duly.engine.handlers import Runnable
from duly.engine.herald import Herald
from duly.engine.lease import LeaseKeeper
from duly.engine.limits import Limits
from duly.engine.meter import Meter
from duly.engine.process import Nursery, Processes
from duly.engine.run import Runner
from duly.engine.settle import Settler
from duly.engine.stall import StallWatch
from duly.engine.sweep import Sweeper
from duly.engine.threads import Threads
from duly.engine.tools import LastResort, Tools
from duly.ports.bell import Bell
from duly.ports.broker import Broker
from duly.ports.joined import Joined
from duly.ports.store import Store
from duly.ports.telemetry import Emit, Tally, Tracing


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works."""

    queues: tuple[str, ...]
    slots: int
    lease: timedelta
    grace: timedelta
    """From the word to stop to the end."""
    poll_interval: timedelta
    stall_warning: timedelta
    stall_limit: timedelta
    max_tasks: int | None
    """After so many attempts the process asks to be replaced."""
    max_memory: int | None
    """Beyond so many bytes the process asks to be replaced."""
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """What a worker is made of."""

    store: Store
    open_store: Callable[[], AbstractAsyncContextManager[Store]]
    """Another connection to the same store, for the lease keeper's thread."""
    joined: Callable[[], Joined] | None
    """Opens the door to callers' transactions in a process of its own; must be picklable."""
    handlers: Runnable
    limits: Limits
    bell: Bell
    herald: Herald
    broker: Broker | None
    meter: Meter
    tally: Tally
    sweeper: Sweeper
    crowd: Crowd
    lookers: Crowd
    """Those who share the look for tasks that nobody rang for: none where no bell reaches other processes."""
    emit: Emit
    bind: Callable[[Task], None]
    id: WorkerId
    last_resort: LastResort | None = None
    tracing: Tracing | None = None
    trace_child: Callable[[], Tracing | None] | None = None
    """Sets up traces in a process of its own; must be picklable."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Open. ``runner`` runs what is claimed; ``stall`` and ``keeper`` want to be told what happens meanwhile."""

    runner: Runner
    stall: StallWatch
    keeper: LeaseKeeper


@asynccontextmanager
async def open_workshop(parts: WorkerParts, options: WorkerOptions) -> AsyncIterator[Workshop]:
    """Leases are kept and settles are written until the context closes; threads that still run are left behind."""
    stall = StallWatch(warn_after=options.stall_warning, end_after=options.stall_limit, emit=parts.emit)
    keeper = LeaseKeeper(parts.open_store, lease=options.lease, grace=options.grace, stall=stall, emit=parts.emit)
    settler = Settler(parts.store, parts.herald, parts.emit)
    threads = Threads("duly-task")
    processes = Processes(_nursery(parts, options, threads))
    runner = Runner(_tools(parts, options, settler=settler, keeper=keeper, processes=processes, threads=threads))
    keeper.start()
    try:
        async with in_background(parts.emit, settler.run()):
            yield Workshop(runner, stall, keeper)
    finally:
        processes.close()
        threads.close()
        await asyncio.to_thread(keeper.stop)


def _tools(
    parts: WorkerParts,
    options: WorkerOptions,
    *,
    settler: Settler,
    keeper: LeaseKeeper,
    processes: Processes,
    threads: Threads,
) -> Tools:
    return Tools(
        store=parts.store,
        handlers=parts.handlers,
        limits=parts.limits,
        settler=settler,
        keeper=keeper,
        processes=processes,
        threads=threads,
        meter=parts.meter,
        emit=parts.emit,
        lease=options.lease,
        parting=Grace(options.grace).cooperation,
        bind=parts.bind,
        last_resort=parts.last_resort,
        posts=parts.tracing is None,  # a span tells the outcome too
    )


def _nursery(parts: WorkerParts, options: WorkerOptions, threads: Threads) -> Nursery:
    return Nursery(
        limits=parts.limits,
        joined=parts.joined,
        clock=parts.store.clock,
        max_memory=options.max_memory,
        threads=threads,
        emit=parts.emit,
        tracing=parts.tracing,
        trace_child=None if parts.tracing is None else parts.trace_child,
    )
