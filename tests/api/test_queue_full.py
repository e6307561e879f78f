"""A queue has a cap where a setting says so, and overload is told as 429: nothing was done."""

import pytest

from duly.engine import cap
from duly.engine.limits import Limits
from tests.support.moves import claims
from tests.support.serving import serving

HELLO = {"type": "text.reverse", "payload": {"text": "hello"}}


@pytest.mark.mistake(8)
async def test_a_queue_takes_no_more_than_its_cap_and_other_queues_go_on(store, handlers):
    async with serving(store, handlers, limits=Limits(max_pending=2)) as api:
        accepted = [await api.client.post("/v1/tasks", json=HELLO) for _ in range(2)]
        refused = await api.client.post("/v1/tasks", json=HELLO)
        other = await api.client.post("/v1/tasks", json=HELLO | {"queue": "other"})

    assert [answer.status_code for answer in accepted] == [202, 202]
    assert refused.status_code == 429
    assert refused.json()["code"] == "queue-full"
    assert int(refused.headers["retry-after"]) > 0
    assert other.status_code == 202
    assert len(await claims(store)) == 2


@pytest.mark.mistake(8)
async def test_a_batch_that_does_not_fit_is_refused_whole(store, handlers):
    async with serving(store, handlers, limits=Limits(max_pending=2)) as api:
        refused = await api.client.post("/v1/tasks/batch", json={"tasks": [HELLO] * 3})

    assert refused.status_code == 429
    assert await claims(store) == []


async def test_a_queue_that_has_emptied_takes_tasks_again(store, handlers, monkeypatch):
    monkeypatch.setattr(cap, "FRESH", cap.FRESH * 0)
    async with serving(store, handlers, limits=Limits(max_pending=1)) as api:
        first = await api.client.post("/v1/tasks", json=HELLO)
        await claims(store)
        second = await api.client.post("/v1/tasks", json=HELLO)

    assert (first.status_code, second.status_code) == (202, 202)


async def test_a_repeated_submit_is_answered_though_the_queue_is_full_now(store, handlers):
    key = {"idempotency-key": '"order-1"'}
    async with serving(store, handlers, limits=Limits(max_pending=1)) as api:
        first = await api.client.post("/v1/tasks", json=HELLO, headers=key)
        again = await api.client.post("/v1/tasks", json=HELLO, headers=key)

    assert (first.status_code, again.status_code) == (202, 200)
