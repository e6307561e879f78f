"""HEAD (RFC 9110, section 9.3.2)."""

import pytest

from duly.api.router import router
from duly.domain.state import State
from tests.support.builders import a_task_id
from tests.support.listening import connected, listening
from tests.support.moves import ended, running

ROUTES = [
    "/v1/tasks",
    "/v1/tasks?limit=0",
    "/v1/tasks/{id}",
    "/v1/tasks/{id}/result",
    "/v1/tasks/{id}/events",
    f"/v1/tasks/{a_task_id(1)}",
    "/v1/types",
    "/v1/queues",
    "/v1/queues/default",
    "/v1/workers",
    "/v1/capabilities",
    "/health/live",
    "/health/ready",
    "/openapi.json",
    "/docs",
]


def _stable(response):
    return {name: value for name, value in response.headers.items() if name != "x-request-id"}


@pytest.mark.standard("RFC 9110", "9.1", "A server that is for all supports GET and HEAD.")
@pytest.mark.standard("RFC 9110", "9.3.2", "HEAD is answered with the status and the fields of GET, without content.")
@pytest.mark.parametrize("path", ROUTES)
async def test_head_is_get_without_content(api, path):
    task = await ended(api.store, State.COMPLETED)
    path = path.format(id=task.id)

    got = await api.client.get(path)
    head = await api.client.head(path)

    assert (head.status_code, _stable(head)) == (got.status_code, _stable(got))
    assert head.content == b""
    assert int(head.headers["content-length"]) == len(got.content) > 0


async def test_the_head_of_a_stream_begins_none(api):
    task = await running(api.store)

    head = await api.client.head(f"/v1/tasks/{task.id}/events", headers={"accept": "text/event-stream"})

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert not api.service.tasks._watcher._waiting


@pytest.mark.standard("RFC 9110", "13.1.2", "When an entity tag of the list matches, a HEAD is answered 304.")
async def test_a_condition_counts_for_head_too(api):
    task = await ended(api.store, State.COMPLETED)

    head = await api.client.head(f"/v1/tasks/{task.id}", headers={"if-none-match": f'W/"{task.validator}"'})

    assert head.status_code == 304


async def test_what_answers_no_get_answers_no_head(api):
    head = await api.client.head("/v1/tasks/batch")

    assert (head.status_code, head.headers["allow"]) == (405, "POST")


async def test_the_connection_goes_on_after_a_head(api):
    async with listening(api.app) as port, connected(port) as wire:
        await wire.send(b"HEAD /v1/tasks HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await wire.send(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        head = (await wire._reader.readuntil(b"\r\n\r\n")).decode()
        live = await wire.answer()

    assert head.startswith("HTTP/1.1 200")
    assert (live.status, live.body) == (200, b'{"status":"ok"}')


async def test_the_routes_for_other_applications_answer_head_too(api):
    made = router(lambda: api.service, api.service.handlers)

    answering = {method: {r.path for r in made.routes if method in r.methods} for method in ("GET", "HEAD")}

    assert answering["HEAD"] == answering["GET"] != set()
