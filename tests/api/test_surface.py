"""The short way to hot routes gives what the long one through FastAPI gives."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.serving import Served, client_of

BODY = {"type": "text.reverse", "payload": {"text": "hello"}}
NAMED = {"x-request-id": "mine", "prefer": "wait=0"}
CHANGING = ("id", "run_at", "created_at")


def long_way(served: Served) -> Any:
    """The same application, past its short way."""

    async def ask(scope: Any, receive: Any, send: Any) -> None:
        await FastAPI.__call__(served.app, scope, receive, send)

    return client_of(ask)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/tasks", BODY),
        ("/v1/tasks", BODY | {"priority": 11}),
        ("/v1/tasks", {"type": "no.such"}),
        ("/v1/tasks?typo=1", BODY),
        ("/v1/tasks/batch", {"tasks": [BODY, BODY]}),
        ("/v1/tasks/batch", {"tasks": []}),
    ],
)
async def test_a_submit_is_answered_alike_on_both_ways(api: Served, path: str, body: dict[str, Any]) -> None:
    async with long_way(api) as long:
        expected = await long.post(path, json=body, headers=NAMED)

        answer = await api.client.post(path, json=body, headers=NAMED)

    assert answer.status_code == expected.status_code
    assert answer.headers.keys() == expected.headers.keys()
    assert answer.headers["x-request-id"] == "mine"
    assert without(answer.json()) == without(expected.json())


@pytest.mark.parametrize("etag", ["", 'W/"1.0"', 'W/"7.0"'])
async def test_a_status_read_is_answered_alike_on_both_ways(api: Served, etag: str) -> None:
    task = await api.submit()
    headers = NAMED | ({"if-none-match": etag} if etag else {})
    async with long_way(api) as long:
        expected = await long.get(f"/v1/tasks/{task['id']}", headers=headers)

        answer = await api.client.get(f"/v1/tasks/{task['id']}", headers=headers)

    assert answer.status_code == expected.status_code
    assert answer.headers == expected.headers
    assert answer.content == expected.content


@pytest.mark.parametrize("name", ["0" * 36, "0" * 35 + "/", "batch", "0" * 8 + "-0000-0000-0000-" + "0" * 12])
async def test_an_unknown_id_is_answered_alike_on_both_ways(api: Served, name: str) -> None:
    async with long_way(api) as long:
        expected = await long.get(f"/v1/tasks/{name}", headers=NAMED)

        answer = await api.client.get(f"/v1/tasks/{name}", headers=NAMED)

    assert answer.status_code == expected.status_code
    assert answer.json() == expected.json()


def without(document: Any) -> Any:
    """The document without what is another in every task."""
    if isinstance(document, list):
        return [without(part) for part in document]
    if isinstance(document, dict):
        return {name: without(value) for name, value in document.items() if name not in CHANGING}
    return document
