"""POST /v1/tasks and /v1/tasks/batch."""

import asyncio
import sys
from datetime import timedelta
from uuid import UUID

import pytest

from duly.domain.fact import Returned
from tests.support.moves import claims, decided
from tests.support.serving import eventually

HELLO = {"type": "text.reverse", "payload": {"text": "hello"}}


@pytest.mark.mistake(2)
@pytest.mark.standard(
    "RFC 9110", "15.3.3", "202 describes the state of the request and points to where it can be watched."
)
async def test_a_submitted_task_is_answered_202_after_it_is_stored(api):
    response = await api.client.post("/v1/tasks", json=HELLO)

    task = response.json()
    stored = await api.store.tasks.get([UUID(task["id"])])
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/tasks/{task['id']}"
    assert response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "application/json"
    assert list(stored) == [UUID(task["id"])]


async def test_a_submitted_task_has_the_defaults_of_its_type(api):
    task = await api.submit()

    assert UUID(task.pop("id")).version == 7
    assert task == {
        "type": "text.reverse",
        "queue": "default",
        "state": "pending",
        "reason": None,
        "priority": 5,
        "payload": {"text": "hello"},
        "result": None,
        "error": None,
        "progress": None,
        "attempt": 0,
        "failures": 0,
        "max_attempts": 5,
        "run_at": "2026-06-01T12:00:00.123456Z",
        "created_at": "2026-06-01T12:00:00.123456Z",
        "started_at": None,
        "finished_at": None,
        "expires_at": None,
        "key": None,
        "tags": [],
        "version": 1,
        "waiting": {"reason": "no_worker", "detail": "No live worker serves the queue 'default'.", "until": None},
    }


async def test_every_option_of_a_submission_holds(api):
    task = await api.submit(
        queue="media",
        priority=9,
        max_attempts=2,
        timeout=1.5,
        expires_at="2026-06-01T14:00:00+01:00",
        key="order-1",
        tags=["a", "b"],
    )

    (stored,) = (await api.store.tasks.get([UUID(task["id"])])).values()
    assert task["queue"] == "media"
    assert task["priority"] == 9
    assert task["max_attempts"] == 2
    assert stored.timeout == timedelta(seconds=1.5)
    assert task["expires_at"] == "2026-06-01T13:00:00.000000Z"
    assert task["key"] == "order-1"
    assert task["tags"] == ["a", "b"]


@pytest.mark.parametrize("when", [{"delay": 90}, {"run_at": "2026-06-01T12:01:30.123456Z"}])
async def test_a_task_with_a_time_ahead_is_scheduled_and_says_so(api, when):
    response = await api.client.post("/v1/tasks", json=HELLO | when)

    task = response.json()
    assert task["state"] == "scheduled"
    assert task["run_at"] == "2026-06-01T12:01:30.123456Z"
    assert task["waiting"]["reason"] == "not_due"
    assert task["waiting"]["until"] == "2026-06-01T12:01:30.123456Z"
    assert response.headers["retry-after"] == "60"


@pytest.mark.mistake(4)
async def test_json_keeps_what_it_got(api):
    body = (
        '{"type":"anything","payload":{"value":{"z":123456789012345678901234567890,"a":"\\u0000é😀","b":[1.5,null]}}}'
    )

    response = await api.client.post("/v1/tasks", content=body, headers={"content-type": "application/json"})

    assert '{"z":123456789012345678901234567890,"a":"\\u0000\\u00e9\\ud83d\\ude00","b":[1.5,null]}' in response.text


@pytest.mark.mistake(3)
async def test_a_key_that_a_live_task_holds_gives_that_task_with_200(api):
    first = await api.submit(key="order-1")

    response = await api.client.post("/v1/tasks", json=HELLO | {"key": "order-1", "payload": {"text": "other"}})

    assert response.status_code == 200
    assert response.json() == first
    assert response.headers["location"] == f"/v1/tasks/{first['id']}"


async def test_a_key_is_free_again_once_its_task_is_final(api):
    first = await api.submit(key="order-1")
    await api.client.post(f"/v1/tasks/{first['id']}/cancel")

    second = await api.submit(key="order-1")

    assert second["id"] != first["id"]


async def test_a_submit_that_prefers_to_wait_is_answered_200_with_the_finished_task(api):
    async with asyncio.TaskGroup() as group:
        post = group.create_task(api.client.post("/v1/tasks", json=HELLO, headers={"prefer": "wait=10"}))
        (claimed,) = await eventually(lambda: claims(api.store))
        await decided(api.store, claimed, Returned(claimed.claim, '{"text":"olleh"}'))

    response = post.result()
    assert response.status_code == 200
    assert response.json()["result"] == {"text": "olleh"}
    assert response.headers["preference-applied"] == "wait=10"
    assert "retry-after" not in response.headers


@pytest.mark.standard("RFC 7240", "4.3", "A request whose wait is over is answered 202 Accepted.")
async def test_a_submit_whose_wait_ends_first_is_answered_202(api):
    response = await api.client.post("/v1/tasks", json=HELLO, headers={"prefer": "wait=1"})

    assert response.status_code == 202
    assert "preference-applied" not in response.headers


async def test_a_request_id_is_stored_with_its_task(api):
    response = await api.client.post("/v1/tasks", json=HELLO, headers={"x-request-id": "mine 1"})

    (stored,) = (await api.store.tasks.get([UUID(response.json()["id"])])).values()
    assert stored.request_id == "mine 1"
    assert response.headers["x-request-id"] == "mine 1"


async def test_a_trace_context_is_stored_with_its_task(api):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    response = await api.client.post("/v1/tasks", json=HELLO, headers={"traceparent": trace})

    (stored,) = (await api.store.tasks.get([UUID(response.json()["id"])])).values()
    assert stored.traceparent == trace


async def test_a_batch_is_answered_202_in_its_order(api):
    texts = ["a", "b", "c"]

    response = await api.client.post(
        "/v1/tasks/batch", json={"tasks": [{"type": "text.reverse", "payload": {"text": text}} for text in texts]}
    )

    assert response.status_code == 202
    assert [task["payload"]["text"] for task in response.json()["tasks"]] == ["a", "b", "c"]


async def test_all_bad_items_of_a_batch_are_named(api):
    """After a hundred that did not even have the form of a task the others were left out."""
    tasks = [HELLO | {"priority": 99}] * 1_000

    response = await api.client.post("/v1/tasks/batch", json={"tasks": tasks})

    assert response.status_code == 422
    assert [e["pointer"] for e in response.json()["errors"]] == [f"/tasks/{n}/priority" for n in range(1_000)]


async def test_items_of_a_batch_that_lack_the_form_hide_no_others_that_do_not_fit(api):
    """They were named once all had the form of a task."""
    odd = [HELLO, 7, {"type": "nobody", "payload": None}, HELLO | {"payload": {"text": 1}}, HELLO | {"priority": 99}]

    response = await api.client.post("/v1/tasks/batch", json={"tasks": odd, "more": 1})

    named = [error["pointer"] for error in response.json()["errors"]]
    assert response.status_code == 422
    assert named == ["/more", "/tasks/1", "/tasks/2/type", "/tasks/3/payload/text", "/tasks/4/priority"]
    assert (await api.client.get("/v1/tasks")).json()["tasks"] == []


@pytest.mark.parametrize("tasks", [7, {"0": HELLO}, [7] * 1_001], ids=["number", "object", "too many"])
async def test_what_is_no_batch_is_422(api, tasks):
    response = await api.client.post("/v1/tasks/batch", json={"tasks": tasks})

    assert response.status_code == 422


async def test_a_bad_item_of_a_batch_is_named_and_none_is_stored(api):
    tasks = [HELLO, {"type": "nobody", "payload": None}, HELLO | {"payload": {"text": 1, "odd": 2}}]

    response = await api.client.post("/v1/tasks/batch", json={"tasks": tasks})

    listed = await api.client.get("/v1/tasks")
    assert response.status_code == 422
    assert [flaw["pointer"] for flaw in response.json()["errors"]] == [
        "/tasks/1/type",
        "/tasks/2/payload/text",
        "/tasks/2/payload/odd",
    ]
    assert listed.json()["tasks"] == []


async def test_an_unknown_field_of_an_item_is_named(api):
    response = await api.client.post("/v1/tasks/batch", json={"tasks": [HELLO, HELLO | {"callback_url": "http://x"}]})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/tasks/1/callback_url"


@pytest.mark.parametrize(("count", "status"), [(0, 422), (1000, 202), (1001, 413)])
async def test_a_batch_has_1_to_1000_tasks(api, count, status):
    item = {"type": "anything", "payload": {}}

    response = await api.client.post("/v1/tasks/batch", json={"tasks": [item] * count})

    assert response.status_code == status


@pytest.mark.mistake(9, 46)
@pytest.mark.parametrize(
    "name", ["antigravity", "antigravity.geohash", "os:system", "../antigravity", "__import__('antigravity')"]
)
async def test_a_type_is_looked_up_and_never_imported(api, name):
    answer = await api.client.post("/v1/tasks", json={"type": name, "payload": {}})

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-type")
    assert "antigravity" not in sys.modules
