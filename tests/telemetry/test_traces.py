"""One trace from the client's request over the submit, the wait and each attempt to the callback."""

import io
import json
import logging

import pytest
import structlog
from opentelemetry.trace import SpanKind, StatusCode

from duly.client import Submit
from duly.telemetry.log import set_up
from duly.telemetry.tracing import trace_processors
from tests.support.receiver import receiving
from tests.telemetry.tracing import a_span, running


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
