"""GET /v1/tasks/{id}, its result and its story."""

import asyncio
from datetime import timedelta

import pytest

from duly.domain.fact import Raised, Returned, Snoozed
from duly.domain.failure import Failure
from duly.domain.state import State
from duly.ports.store import Renewal
from tests.support.builders import LEASE, NOON, a_failure
from tests.support.moves import added, decided, ended, running


@pytest.mark.standard("RFC 9110", "8.8.3", "ETag is an opaque validator of the representation.")
@pytest.mark.standard("RFC 9110", "10.2.3", "Retry-After says in seconds when to ask again.")
async def test_a_task_is_shown_with_its_validator_and_when_to_ask_again(api):
    task = await added(api.store)

    response = await api.client.get(f"/v1/tasks/{task.id}")

    assert response.status_code == 200
    assert response.json()["id"] == str(task.id)
    assert response.headers["etag"] == 'W/"1.0"'
    assert response.headers["retry-after"] == "1"


async def test_a_final_task_is_not_to_be_asked_for_again(api):
    task = await ended(api.store, State.COMPLETED)

    response = await api.client.get(f"/v1/tasks/{task.id}")

    assert response.json()["state"] == "completed"
    assert response.json()["waiting"] is None
    assert "retry-after" not in response.headers


async def test_an_id_may_be_written_in_capitals(api):
    task = await added(api.store)

    response = await api.client.get(f"/v1/tasks/{str(task.id).upper()}")

    assert response.status_code == 200


@pytest.mark.parametrize("known", ['W/"1.0"', '"1.0"', "*", 'W/"0.0", W/"1.0"'])
@pytest.mark.mistake(39)
@pytest.mark.standard("RFC 9110", "15.4.5", "304 has no content, and the ETag that a 200 would have had.")
@pytest.mark.standard("RFC 9110", "13.1.2", "When an entity tag of the list matches, a GET is answered 304.")
async def test_who_has_this_version_is_answered_304_without_a_body(api, known):
    task = await added(api.store)

    response = await api.client.get(f"/v1/tasks/{task.id}", headers={"if-none-match": known})

    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["etag"] == 'W/"1.0"'
    assert response.headers["retry-after"] == "1"


@pytest.mark.standard("RFC 9110", "8.8.1", "A validator changes whenever what is shown changes.")
async def test_progress_changes_the_validator_but_not_the_version(api):
    task = await running(api.store)
    await api.store.tasks.renew([Renewal(task.id, task.claim, '{"fraction":0.5,"note":"half"}')], LEASE)

    response = await api.client.get(f"/v1/tasks/{task.id}", headers={"if-none-match": 'W/"2.0"'})

    assert response.status_code == 200
    assert response.headers["etag"] == 'W/"2.1"'
    assert response.json()["progress"] == {"fraction": 0.5, "note": "half"}
    assert response.json()["version"] == 2


async def test_a_bad_if_none_match_is_400(api):
    task = await added(api.store)

    response = await api.client.get(f"/v1/tasks/{task.id}", headers={"if-none-match": "1.0"})

    assert response.status_code == 400


@pytest.mark.mistake(39)
@pytest.mark.standard(
    "RFC 7240", "4.3", "wait: the client would rather wait so many seconds than be answered before it is done."
)
@pytest.mark.standard("RFC 7240", "3", "Preference-Applied tells which preferences were honoured.")
async def test_a_task_is_waited_for_until_it_is_final(api):
    task = await running(api.store)

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(api.client.get(f"/v1/tasks/{task.id}", headers={"prefer": "wait=30"}))
        await decided(api.store, task, Returned(task.claim, "1"))

    response = asked.result()
    assert response.status_code == 200
    assert response.json()["state"] == "completed"
    assert response.headers["preference-applied"] == "wait=30"


@pytest.mark.standard("RFC 7240", "4.3", "When the time has passed, the server answers with what there is.")
async def test_a_wait_that_ends_first_shows_the_task_as_it_is(api):
    task = await running(api.store)

    response = await api.client.get(f"/v1/tasks/{task.id}", headers={"prefer": "wait=1"})

    assert response.status_code == 200
    assert response.json()["state"] == "running"
    assert response.headers["preference-applied"] == "wait=1"


async def test_a_wait_for_what_does_not_change_is_304_for_who_knows_it(api):
    task = await running(api.store)

    response = await api.client.get(
        f"/v1/tasks/{task.id}", headers={"prefer": "wait=1", "if-none-match": f'W/"{task.validator}"'}
    )

    assert response.status_code == 304


async def test_a_wait_longer_than_a_minute_is_cut_to_one(api):
    task = await ended(api.store, State.COMPLETED)

    response = await api.client.get(f"/v1/tasks/{task.id}", headers={"prefer": "wait=3600"})

    assert response.headers["preference-applied"] == "wait=60"


async def test_a_failed_task_shows_its_error_with_the_traceback(api):
    task = await running(api.store, max_attempts=1)
    await decided(api.store, task, Raised(task.claim, Failure("ValueError", "no", "Traceback …"), timedelta(1)))

    shown = (await api.client.get(f"/v1/tasks/{task.id}")).json()

    assert shown["state"] == "failed"
    assert shown["reason"] == "handler_error"
    assert shown["error"] == {
        "type": "ValueError",
        "message": "no",
        "traceback": "Traceback …",
        "attempt": 1,
        "at": "2026-06-01T12:00:00.123456Z",
        "retryable": False,
    }


async def test_a_retried_task_says_why_it_waits_and_until_when(api):
    task = await running(api.store)
    await decided(api.store, task, Raised(task.claim, a_failure(), timedelta(seconds=30)))

    response = await api.client.get(f"/v1/tasks/{task.id}")

    assert response.json()["waiting"] == {
        "reason": "retry_wait",
        "detail": "The last attempt failed; the next one follows.",
        "until": "2026-06-01T12:00:30.123456Z",
    }
    assert response.headers["retry-after"] == "30"


@pytest.mark.mistake(37)
@pytest.mark.standard("RFC 9110", "15.5.11", "410: it was there, and is gone for good.")
async def test_a_purged_task_is_410(api):
    task = await ended(api.store, State.COMPLETED)
    await api.store.history.delete(task)

    for path in ("", "/result", "/events"):
        response = await api.client.get(f"/v1/tasks/{task.id}{path}")

        assert response.status_code == 410
        assert response.json()["code"] == "task-purged"


async def test_the_result_is_answered_bare(api):
    task = await running(api.store)
    await decided(api.store, task, Returned(task.claim, '{"n":123456789012345678901234567890}'))

    response = await api.client.get(f"/v1/tasks/{task.id}/result")

    assert response.status_code == 200
    assert response.text == '{"n":123456789012345678901234567890}'
    assert response.headers["content-type"] == "application/json"


async def test_a_task_without_a_result_yet_is_409_with_when_to_ask_again(api):
    task = await running(api.store)

    response = await api.client.get(f"/v1/tasks/{task.id}/result")

    assert response.status_code == 409
    assert response.json()["code"] == "not-finished"
    assert response.json()["state"] == "running"
    assert response.headers["retry-after"] == "1"


async def test_the_result_of_a_failed_task_is_409_with_its_error(api):
    task = await ended(api.store, State.FAILED)

    response = await api.client.get(f"/v1/tasks/{task.id}/result")

    assert response.status_code == 409
    assert response.json()["code"] == "not-finished"
    assert response.json()["error"]["message"] == "no such thing"
    assert "retry-after" not in response.headers


async def test_the_result_of_a_cancelled_task_is_409(api):
    task = await ended(api.store, State.CANCELLED)

    response = await api.client.get(f"/v1/tasks/{task.id}/result")

    assert response.status_code == 409
    assert response.json()["state"] == "cancelled"
    assert "retry-after" not in response.headers


async def test_a_story_is_told_oldest_first(api):
    task = await running(api.store)
    await decided(api.store, task, Snoozed(task.claim, timedelta(minutes=1)))

    response = await api.client.get(f"/v1/tasks/{task.id}/events")

    events = response.json()["events"]
    assert [event["kind"] for event in events] == ["submitted", "claimed", "put_back"]
    assert [event["version"] for event in events] == [1, 2, 3]
    assert events[0] == {
        "version": 1,
        "at": "2026-06-01T12:00:00.123456Z",
        "kind": "submitted",
        "attempt": 0,
        "worker": None,
        "detail": {},
    }
    assert events[2]["detail"]["run_at"] == "2026-06-01T12:01:00.123456Z"


async def test_tasks_read_together_share_one_look_at_the_store(api):
    tasks = [await added(api.store) for _ in range(20)]

    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(api.client.get(f"/v1/tasks/{task.id}")) for task in tasks]

    assert [read.result().json()["id"] for read in reads] == [str(task.id) for task in tasks]


async def test_created_at_is_in_utc(api):
    task = await added(api.store, created_at=NOON)

    assert (await api.client.get(f"/v1/tasks/{task.id}")).json()["created_at"] == "2026-06-01T12:00:00.123456Z"
