"""The Idempotency-Key header field (draft-ietf-httpapi-idempotency-key-header)."""

import asyncio
import json
from datetime import timedelta

import pytest

from duly.domain.errors import KeyInFlight, StoreUnavailable
from duly.domain.fact import Returned
from tests.support.moves import claims, decided
from tests.support.serving import serving

HELLO = {"type": "text.reverse", "payload": {"text": "hello", "times": 2}}


def keyed(key='"order-1"'):
    return {"idempotency-key": key, "content-type": "application/json"}


async def submit(api, body=HELLO, key='"order-1"', **headers):
    return await api.client.post("/v1/tasks", content=json.dumps(body), headers=keyed(key) | headers)


@pytest.mark.standard("Idempotency-Key draft", "2.6", "A first request with its key is processed as any other.")
async def test_the_first_request_with_a_key_is_accepted_as_any_other(api):
    response = await submit(api)

    assert response.status_code == 202
    assert "idempotency-replayed" not in response.headers


@pytest.mark.mistake(3)
@pytest.mark.standard(
    "Idempotency-Key draft", "2.6", "A request repeated after the first was completed is answered with its result."
)
async def test_a_repeated_request_is_answered_with_the_task_as_it_now_is(api):
    first = await submit(api)
    (task,) = await claims(api.store)
    await decided(api.store, task, Returned(task.claim, '{"text":"olleh"}'))

    again = await submit(api)

    assert again.status_code == 200
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert (again.json()["id"], again.json()["state"]) == (first.json()["id"], "completed")
    assert await claims(api.store) == []


@pytest.mark.mistake(3)
@pytest.mark.standard("Idempotency-Key draft", "2.7", "A key that is used again with another payload is answered 422.")
async def test_a_key_with_another_body_is_422_key_reused(api):
    await submit(api)

    other = await submit(api, HELLO | {"priority": 9})

    assert other.status_code == 422
    assert other.json()["code"] == "key-reused"
    assert len(await claims(api.store)) == 1


@pytest.mark.standard(
    "Idempotency-Key draft", "2.7", "A request repeated while the first is still being processed is answered 409."
)
async def test_a_key_that_is_still_in_flight_is_409_with_retry_after(store, handlers, monkeypatch):
    async def held(*_, **__):
        raise KeyInFlight("order-1")

    monkeypatch.setattr(store.once, "add", held)
    monkeypatch.setattr("duly.engine.submitting.IN_FLIGHT", timedelta())
    async with serving(store, handlers) as api:
        response = await submit(api)

    assert response.status_code == 409
    assert response.json()["code"] == "key-in-flight"
    assert response.headers["retry-after"] == "1"


@pytest.mark.standard("Idempotency-Key draft", "2.1", "The field is one Structured Field String.")
@pytest.mark.parametrize(
    ("one", "same"),
    [('"order-1"', "order-1"), ('"a b"', '"a b";p=1'), (r'"a\"\\"', r' "a\"\\" '), ('"' + "k" * 255 + '"', "k" * 255)],
)
async def test_a_key_is_a_string_in_quotes_or_bare(api, one, same):
    first = await submit(api, key=one)
    again = await submit(api, key=same)

    assert (first.status_code, again.status_code) == (202, 200)


@pytest.mark.standard("Idempotency-Key draft", "2.1", "What is no such string is a bad request.")
@pytest.mark.parametrize("key", ["", '""', '"open', "a b", "a,b", '"a" "b"', r'"\x"', "é", "k" * 256, "a;b=1"])
async def test_what_is_no_key_is_400(api, key):
    response = await api.client.post("/v1/tasks", json=HELLO, headers=[("idempotency-key", key.encode("latin-1"))])

    assert response.status_code == 400
    assert await claims(api.store) == []


@pytest.mark.standard("Idempotency-Key draft", "2.1", "A request carries one key at most.")
async def test_two_keys_are_400(api):
    response = await api.client.post(
        "/v1/tasks", json=HELLO, headers=[("idempotency-key", '"a"'), ("idempotency-key", '"a"')]
    )

    assert response.status_code == 400


@pytest.mark.standard("Idempotency-Key draft", "2.4", "The fingerprint is of what the payload says, not of its bytes.")
async def test_space_and_the_order_of_members_make_no_other_body(api):
    await submit(api)
    text = '{"payload": {"times": 2,   "text": "h\\u0065llo"}, "type": "text.reverse"}'

    again = await api.client.post("/v1/tasks", content=text, headers=keyed())

    assert again.status_code == 200


@pytest.mark.standard("Idempotency-Key draft", "2.2", "Another key is another request.")
async def test_another_key_makes_another_task(api):
    first = await submit(api, key='"a"')
    second = await submit(api, key='"A"')

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.standard("Idempotency-Key draft", "2.3", "A key is kept for a time that is published: 24 hours.")
async def test_a_key_is_kept_for_a_day(api, clock):
    first = await submit(api)
    clock.advance(timedelta(hours=23))
    await api.store.once.forget(timedelta(hours=24), 100)
    kept = await submit(api)
    clock.advance(timedelta(hours=2))
    await api.store.once.forget(timedelta(hours=24), 100)
    later = await submit(api)

    assert [answer.status_code for answer in (first, kept, later)] == [202, 200, 202]


async def test_a_repeated_batch_is_answered_with_all_its_tasks(api):
    body = {"tasks": [HELLO, HELLO | {"priority": 9}, HELLO]}
    first = await api.client.post("/v1/tasks/batch", json=body, headers={"idempotency-key": "batch-1"})

    again = await api.client.post("/v1/tasks/batch", json=body, headers={"idempotency-key": "batch-1"})
    other = await api.client.post("/v1/tasks/batch", json={"tasks": [HELLO]}, headers={"idempotency-key": "batch-1"})

    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 422)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()


async def test_a_repeated_request_whose_task_is_gone_is_410(api):
    first = await submit(api)
    await api.client.post(f"{first.headers['location']}/cancel")
    await api.client.delete(first.headers["location"])

    again = await submit(api)

    assert again.status_code == 410


async def test_a_repeated_request_that_would_not_fit_any_more_is_answered_all_the_same(api, clock):
    body = HELLO | {"expires_at": "2026-06-01T12:01:00Z"}
    first = await submit(api, body)
    clock.advance(timedelta(minutes=2))

    again = await submit(api, body)
    fresh = await submit(api, body, key="other")

    assert (first.status_code, again.status_code, fresh.status_code) == (202, 200, 422)


async def test_a_refused_request_leaves_its_key_free(api):
    refused = await submit(api, {"type": "unheard.of", "payload": {}})
    accepted = await submit(api)

    assert (refused.status_code, accepted.status_code) == (422, 202)


async def test_a_key_is_known_after_a_restart(store, handlers):
    async with serving(store, handlers) as before:
        first = await submit(before)
    async with serving(store, handlers) as after:
        again = await submit(after)

    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


async def test_a_key_of_the_task_and_a_key_of_the_request_go_together(api):
    first = await submit(api, HELLO | {"key": "K"}, key="a")
    other = await submit(api, HELLO | {"key": "K"}, key="b")
    again = await submit(api, HELLO | {"key": "K"}, key="b")

    assert [answer.status_code for answer in (first, other, again)] == [202, 200, 200]
    assert "idempotency-replayed" not in other.headers
    assert {answer.json()["id"] for answer in (first, other, again)} == {first.json()["id"]}


@pytest.mark.mistake(3)
async def test_of_fifty_equal_requests_at_once_one_makes_a_task(api):
    async with asyncio.TaskGroup() as group:
        posts = [group.create_task(submit(api)) for _ in range(50)]

    answers = [post.result() for post in posts]
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.mistake(3)
async def test_a_request_whose_outcome_is_unknown_may_be_repeated(store, handlers, monkeypatch):
    """The commit went through, but its answer was lost, and so was the answer to the client."""
    add = store.once.add

    async def losing(once, tasks, **how):
        await add(once, tasks)
        raise StoreUnavailable("The answer was lost.")

    monkeypatch.setattr(store.once, "add", losing)
    async with serving(store, handlers) as api:
        lost = await submit(api)
        monkeypatch.setattr(store.once, "add", add)
        again = await submit(api)

    assert (lost.status_code, again.status_code) == (503, 200)
    assert len(await claims(store)) == 1
