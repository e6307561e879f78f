"""Puts a worker together, on what :mod:`duly.assembly` opened."""

import asyncio
from datetime import timedelta
from importlib.metadata import version

from duly.assembly import Core, open_core, process_name
from duly.domain.task import DEFAULT_QUEUE, Task, WorkerId
from duly.engine.callbacks import callback_type
from duly.engine.crowd import Crowd
from duly.engine.handlers import Handlers, Served
from duly.engine.worker import Worker
from duly.engine.workshop import WorkerOptions, WorkerParts
from duly.links.ringing import WiredBell
from duly.parts import courier_of
from duly.settings import Settings
from duly.telemetry.context import REQUEST_ID, TASK
from duly.telemetry.tracing import trace_child

STALL_WARNING = timedelta(seconds=5)


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


def worker_parts(core: Core) -> WorkerParts:
    """What a worker on this core is made of."""
    service = core.service
    return WorkerParts(
        store=service.store,
        open_store=core.open_store,
        joined=core.joined,
        handlers=Served(service.handlers, callback_type(courier_of(core.settings, service.store.clock, core.tracing))),
        limits=service.limits,
        bell=core.bell,
        herald=core.herald,
        broker=core.broker,
        meter=core.meter,
        tally=core.tally,
        sweeper=core.sweeper,
        crowd=core.crowd,
        lookers=core.crowd if isinstance(core.bell, WiredBell) else Crowd(),
        emit=core.emit,
        bind=_bind,
        id=WorkerId(process_name()),
        tracing=core.tracing,
        trace_child=trace_child,
    )


def _bind(task: Task) -> None:
    """Put the task on every log line of its attempt, which has a context of its own."""
    TASK.set(task.id_text)
    if task.request_id is not None:
        REQUEST_ID.set(task.request_id)
