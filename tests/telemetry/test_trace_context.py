"""Traces that come from outside, or go on without a server's span."""

import json

import pytest
from opentelemetry.trace import StatusCode

from duly.engine.submission import Submission
from tests.telemetry.tracing import duly, greet, running

CLIENTS = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CLIENTS}-00f067aa0ba902b7-01"


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
