"""A service whose spans are kept for a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID

import httpx
from opentelemetry import context, trace

from duly import Context, Duly, Retry, Settings
from duly.api.app import create_app
from duly.assembly import Core, open_core
from duly.assembly_worker import work
from duly.client import AsyncClient
from duly.domain.task import Task, TaskId
from duly.engine.call import COOPERATION
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.stage import LONG, RealClock

BASE = "http://127.0.0.1:8000"

duly = Duly()


def a_span(name: str):
    """As a user's own code makes one; a tracer that is kept would go on with the provider of an earlier test."""
    return trace.get_tracer("a user's own").start_as_current_span(name)


@duly.task
async def greet(name: str) -> str:
    with a_span("look the name up"):
        return f"hello {name}"


def _span_now() -> list[str]:
    found = trace.get_current_span().get_span_context()
    return [trace.format_trace_id(found.trace_id), trace.format_span_id(found.span_id)]


@duly.task(retry=Retry(max_attempts=2, initial=timedelta(milliseconds=1)))
async def second_time(ctx: Context) -> str:
    if ctx.attempt == 1:
        raise ConnectionError("postgresql://ada:pa55word@db")
    return "there"


@duly.task(name="span.async")
async def span_in_the_loop() -> list[str]:
    return _span_now()


@duly.task(name="span.thread")
def span_in_a_thread() -> list[str]:
    return _span_now()


@duly.task(name="span.process", executor="process")
def span_in_a_process() -> list[str]:
    return _span_now()


@duly.task(timeout=timedelta(milliseconds=50), retry=Retry(max_attempts=1))
async def deaf() -> None:
    """Leave a span open, and go on for a while after being told to end."""
    context.attach(trace.set_span_in_context(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)))
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(30)
    await asyncio.sleep(COOPERATION.total_seconds() + 0.2)


@duly.task
async def ask_another() -> str:
    return str((await greet.submit(name="Bob")).id)


class Running:
    """An API and a worker, in this process."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.transport = httpx.ASGITransport(create_app(core.service))
        self.client = AsyncClient(BASE, over=self.transport)
        self.http = httpx.AsyncClient(transport=self.transport, base_url=BASE)

    async def ended(self, task_id: UUID | str) -> Task:
        """The task once it is final."""
        task = await self.core.service.tasks.wait(TaskId(UUID(str(task_id))), LONG)
        assert task.final
        return task


@asynccontextmanager
async def running(**how: object) -> AsyncIterator[Running]:
    """At its end every attempt has ended, and its span."""
    database = MemoryDatabase()

    @asynccontextmanager
    async def opener() -> AsyncIterator[MemoryStore]:
        yield MemoryStore(database, RealClock())

    settings = Settings.model_construct(slots=3, grace=LONG, poll_interval=timedelta(milliseconds=20), **how)
    stop = asyncio.Event()
    async with open_core(settings, duly.handlers, opener=opener) as core, asyncio.TaskGroup() as group:
        with duly.on(core):
            working = group.create_task(work(core, stop))
            yield Running(core)
            stop.set()
            await working
