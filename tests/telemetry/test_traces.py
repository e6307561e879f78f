"""One trace from the client's request over the submit, the wait and each attempt to the callback."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
import structlog
from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode

from duly import Context, Duly, Retry, Settings
from duly.api.app import create_app
from duly.assembly import Core, open_core
from duly.assembly_worker import work
from duly.client import AsyncClient, Submit
from duly.domain.task import Task, TaskId
from duly.engine.call import COOPERATION
from duly.engine.submission import Submission
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.telemetry.log import set_up
from duly.telemetry.tracing import trace_processors
from tests.support.receiver import receiving
from tests.support.stage import LONG, RealClock

BASE = "http://127.0.0.1:8000"
CLIENTS = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CLIENTS}-00f067aa0ba902b7-01"

duly = Duly()


def a_span(name: str):
    """As a user's own code makes one; a tracer that is kept would go on with the provider of an earlier test."""
    return trace.get_tracer("a user's own").start_as_current_span(name)


def _span_now() -> list[str]:
    found = trace.get_current_span().get_span_context()
    return [trace.format_trace_id(found.trace_id), trace.format_span_id(found.span_id)]


@duly.task
async def greet(name: str) -> str:
    with a_span("look the name up"):
        return f"hello {name}"


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


async def test_one_trace_goes_from_the_clients_request_to_the_callback(spans):
    secret = "whsec_" + "c2VjcmV0LW9uZS0wMDAwMDAwMDAwMDAwMDAwMDAwMDA="
    async with (
        receiving() as receiver,
        running(callback_secrets=(secret,), callback_networks=("127.0.0.0/8",)) as here,
    ):
        with a_span("check out"):
            task = await here.client.submit("second_time", {}, callback_url=receiver.url)
        await here.ended(task.id)
        (call,) = await receiver.told()

    assert spans.tree() == [
        "check out",
        "  POST /v1/tasks",
        "    send default",
        "      wait default",
        "      process default",
        "      wait default",
        "      process default",
        "      wait duly.system",
        "      process duly.system",
    ]
    delivery = spans.one("process duly.system").context
    assert call.headers["traceparent"] == f"00-{delivery.trace_id:032x}-{delivery.span_id:016x}-03"
    assert len({span.context.trace_id for span in spans.all()}) == 1


async def test_the_spans_follow_the_conventions_for_messaging(spans):
    async with running() as here:
        task = await here.client.submit("second_time", {})
        await here.ended(task.id)

    sent, (first, second) = spans.one("send default"), spans.named("process default")
    assert sent.kind is SpanKind.PRODUCER
    assert dict(sent.attributes) == {
        "messaging.system": "duly",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "default",
        "messaging.message.id": str(task.id),
        "duly.task.type": "second_time",
    }
    assert (first.kind, second.kind) == (SpanKind.CONSUMER, SpanKind.CONSUMER)
    assert [link.context.span_id for link in second.links] == [sent.context.span_id]
    worker = second.attributes["messaging.client.id"]
    assert dict(second.attributes) == {
        "messaging.system": "duly",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "default",
        "messaging.message.id": str(task.id),
        "messaging.client.id": worker,
        "duly.task.type": "second_time",
        "duly.task.attempt": 2,
        "duly.task.outcome": "completed",
    }


async def test_a_failed_attempt_is_an_error_without_its_text(spans):
    """What an exception says may be a secret; its class is enough to find it by, and the task has the rest."""
    async with running() as here:
        await here.ended((await here.client.submit("second_time", {})).id)

    first, second = spans.named("process default")
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, None)
    assert first.attributes["error.type"] == "ConnectionError"
    assert (first.attributes["duly.task.outcome"], first.attributes["duly.task.reason"]) == (
        "scheduled",
        "handler_error",
    )
    assert second.status.status_code is StatusCode.UNSET
    assert not any("pa55word" in span.to_json() for span in spans.all())


async def test_an_attempt_is_told_of_whatever_its_handler_leaves_behind(spans):
    async with running() as here:
        await here.ended((await here.client.submit("deaf", {})).id)

    attempt = spans.one("process default")
    assert attempt.status.status_code is StatusCode.ERROR
    assert (attempt.attributes["duly.task.outcome"], attempt.attributes["error.type"]) == ("failed", "Timeout")


async def test_a_wait_ends_where_its_attempt_begins(spans):
    async with running() as here:
        await here.ended((await here.client.submit("greet", {"name": "Ada"})).id)

    waited, ran = spans.one("wait default"), spans.one("process default")
    assert waited.end_time == ran.start_time
    assert waited.start_time <= waited.end_time


async def test_a_batch_is_one_span_and_each_task_of_it_a_trace_of_its_own_below(spans):
    async with running() as here:
        tasks = await here.client.submit_many([Submit(type="greet", payload={"name": name}) for name in "ab"])
        for task in tasks:
            await here.ended(task.id)

    sent = spans.one("send default")
    assert sent.attributes["messaging.batch.message_count"] == 2
    assert {span.parent.span_id for span in spans.named("process default")} == {sent.context.span_id}
    assert len(spans.named("process default")) == 2
    assert spans.tree()[:2] == ["POST /v1/tasks/batch", "  send default"]


@pytest.mark.parametrize("executor", ["async", "thread", "process"])
async def test_a_handlers_own_spans_lie_below_its_attempt(spans, executor):
    async with running() as here:
        task = await here.ended((await here.client.submit(f"span.{executor}", {})).id)

    attempt = spans.one("process default").context
    assert json.loads(task.result) == [f"{attempt.trace_id:032x}", f"{attempt.span_id:016x}"]


async def test_what_a_handler_submits_lies_below_its_attempt(spans):
    async with running() as here:
        task = await here.ended((await here.client.submit("ask_another", {})).id)
        await here.ended(json.loads(task.result))

    assert spans.tree() == [
        "POST /v1/tasks",
        "  send default",
        "    wait default",
        "    process default",
        "      send default",
        "        wait default",
        "        process default",
        "          look the name up",
    ]


async def test_a_submit_without_a_server_span_goes_on_with_the_trace_that_it_names(spans):
    async with running() as here, duly:
        handle = await greet.options(traceparent=TRACEPARENT).submit(name="Ada")
        await here.ended(handle.id)

    assert {f"{span.context.trace_id:032x}" for span in spans.all()} == {CLIENTS}


async def test_a_task_from_before_traces_is_a_trace_of_its_own(spans):
    async with running() as here:
        task = here.core.service.tasks.make(Submission(type="greet", payload={"name": "Ada"}))
        await here.core.service.store.tasks.add([task])
        await here.ended(task.id)

    assert spans.tree() == ["wait default", "  process default", "    look the name up"]


async def test_a_refused_submit_is_an_error_by_its_name_alone(spans):
    async with running() as here:
        answer = await here.http.post("/v1/tasks", json={"type": "greet", "payload": {"nome": "s3cret"}})

    sent = spans.one("send")
    assert answer.status_code == 422
    assert (sent.status.status_code, sent.attributes["error.type"]) == (StatusCode.ERROR, "Invalid")
    assert not sent.events
    assert "s3cret" not in sent.to_json()


@pytest.mark.parametrize(
    "header",
    [
        TRACEPARENT.upper(),
        TRACEPARENT + "-more",
        "ff" + TRACEPARENT[2:],
        TRACEPARENT.replace(CLIENTS, "0" * 32),
        TRACEPARENT.replace("00f067aa0ba902b7", "0" * 16),
        TRACEPARENT[:-1],
        "' OR 1=1",
    ],
)
async def test_a_bad_traceparent_begins_a_new_trace(spans, header):
    async with running() as here:
        answer = await here.http.post(
            "/v1/tasks", json={"type": "greet", "payload": {"name": "a"}}, headers={"traceparent": header}
        )
        await here.ended(answer.json()["id"])

    request = spans.one("POST /v1/tasks")
    assert request.parent is None
    assert f"{request.context.trace_id:032x}" != CLIENTS
    assert spans.one("process default").context.trace_id == request.context.trace_id


async def test_a_trace_that_its_client_does_not_sample_is_not_sampled_here(spans):
    async with running() as here:
        answer = await here.http.post(
            "/v1/tasks",
            json={"type": "span.async", "payload": {}},
            headers={"traceparent": TRACEPARENT[:-2] + "00"},
        )
        task = await here.ended(answer.json()["id"])

    assert spans.all() == []
    assert json.loads(task.result)[0] == CLIENTS


async def test_health_checks_make_no_spans(spans):
    async with running() as here:
        answer = await here.http.get("/health/live")

    assert answer.status_code == 200
    assert spans.all() == []


async def test_log_lines_carry_the_ids_of_their_span(spans):
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up("json", "info", stream, trace_processors())
    try:
        async with running() as here:
            await here.ended((await here.client.submit("greet", {"name": "Ada"})).id)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (settled,) = [line for line in lines if line["event"] == "task.settled"]
    attempt = spans.one("process default").context
    assert (settled["trace_id"], settled["span_id"]) == (f"{attempt.trace_id:032x}", f"{attempt.span_id:016x}")
    assert all("trace_id" not in line for line in lines if line["event"] == "worker.started")
