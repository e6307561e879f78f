"""Cancel, retry, delete."""

import pytest

from duly.domain.state import State
from tests.support.moves import added, ended, now_stored, running


async def test_a_waiting_task_is_cancelled_at_once_and_again_with_the_same_answer(api):
    task = await added(api.store)

    first = await api.client.post(f"/v1/tasks/{task.id}/cancel")
    second = await api.client.post(f"/v1/tasks/{task.id}/cancel")

    assert first.status_code == second.status_code == 200
    assert first.json()["state"] == "cancelled"
    assert first.json() == second.json()


async def test_a_running_task_is_asked_to_stop_and_again_with_the_same_answer(api):
    task = await running(api.store)

    first = await api.client.post(f"/v1/tasks/{task.id}/cancel")
    second = await api.client.post(f"/v1/tasks/{task.id}/cancel")

    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert first.json()["state"] == "running"
    assert (await now_stored(api.store, task)).cancelling


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
async def test_what_has_ended_cannot_be_cancelled(api, state):
    task = await ended(api.store, state)

    response = await api.client.post(f"/v1/tasks/{task.id}/cancel")

    assert response.status_code == 409
    assert response.json()["code"] == "illegal-move"
    assert response.json()["state"] == state


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
async def test_what_has_ended_is_run_again_under_its_id(api, state):
    task = await ended(api.store, state)

    response = await api.client.post(f"/v1/tasks/{task.id}/retry")

    assert response.status_code == 200
    assert response.json()["id"] == str(task.id)
    assert response.json()["state"] == "pending"
    assert response.json()["result"] is None
    assert response.headers["retry-after"] == "1"


async def test_a_retry_may_replace_the_payload(api):
    task = await ended(api.store, State.FAILED)

    response = await api.client.post(f"/v1/tasks/{task.id}/retry", json={"payload": {"text": "again"}})

    assert response.json()["payload"] == {"text": "again"}


async def test_a_retry_with_an_empty_object_keeps_the_payload(api):
    task = await ended(api.store, State.FAILED)

    response = await api.client.post(f"/v1/tasks/{task.id}/retry", json={})

    assert response.json()["payload"] == {"text": "hello"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"payload": {"text": 5}}, "/payload/text"),
        ({"payload": None}, "/payload"),
        ({"odd": 1}, "/odd"),
    ],
)
async def test_a_payload_that_does_not_fit_is_422_and_nothing_changes(api, body, pointer):
    task = await ended(api.store, State.FAILED)

    response = await api.client.post(f"/v1/tasks/{task.id}/retry", json=body)

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer
    assert await now_stored(api.store, task) == task


async def test_a_retry_with_a_body_of_another_type_is_415(api):
    task = await ended(api.store, State.FAILED)

    response = await api.client.post(f"/v1/tasks/{task.id}/retry", content=b"payload=1")

    assert response.status_code == 415


async def test_a_running_task_is_not_retried(api):
    task = await running(api.store)

    response = await api.client.post(f"/v1/tasks/{task.id}/retry")

    assert response.status_code == 409
    assert response.json()["code"] == "illegal-move"


async def test_a_retry_whose_key_lives_elsewhere_is_409(api):
    task = await ended(api.store, State.FAILED, key="order-1")
    await added(api.store, key="order-1")

    response = await api.client.post(f"/v1/tasks/{task.id}/retry")

    assert response.status_code == 409
    assert response.json()["code"] == "key-taken"


@pytest.mark.standard("RFC 9110", "9.3.5", "DELETE that was done, with nothing to say, is answered 204.")
async def test_a_final_task_is_deleted_and_gone(api):
    task = await ended(api.store, State.COMPLETED)

    deleted = await api.client.delete(f"/v1/tasks/{task.id}")
    again = await api.client.delete(f"/v1/tasks/{task.id}")

    assert deleted.status_code == 204
    assert deleted.content == b""
    assert again.status_code == 410


@pytest.mark.parametrize("make", [added, running])
@pytest.mark.standard(
    "RFC 9110", "15.5.10", "409: the request conflicts with the state of the resource, and the content says how."
)
async def test_only_a_final_task_is_deleted(api, make):
    task = await make(api.store)

    response = await api.client.delete(f"/v1/tasks/{task.id}")

    assert response.status_code == 409
    assert response.json()["code"] == "illegal-move"
