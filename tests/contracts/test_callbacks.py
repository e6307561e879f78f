"""TaskStore.apply with callbacks: the delivery and the end of its task commit together, or neither does."""

import asyncio
import json
from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.errors import KeyTaken
from duly.domain.state import State
from duly.domain.transition import decide
from tests.support.builders import LEASE, NOON, a_failure, a_task
from tests.support.moves import a_change, added, claims, decided, ended, now_stored, running

URL = "https://receiver.example/done?of=" + "ü" * 200


async def deliveries(store):
    return await claims(store, "duly.system")


def told(delivery):
    return json.loads(delivery.payload)["event"]


async def test_a_task_keeps_its_callback(store):
    task = await added(store, callback_url=URL)

    assert (await now_stored(store, task)).callback_url == URL
    assert (await claims(store))[0].callback_url == URL
    keyed = await added(store, callback_url=URL, key="k")
    assert (await now_stored(store, keyed)).callback_url == URL


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
@pytest.mark.mistake(1)
async def test_the_delivery_is_there_as_soon_as_the_end_is(store, state):
    task = await ended(store, state, callback_url=URL)

    (delivery,) = await deliveries(store)
    assert told(delivery)["type"] == f"task.{state}"
    assert told(delivery)["data"]["version"] == task.version
    assert delivery.tags == (str(task.id),)


async def test_an_expiry_and_poison_are_told_too(store, clock):
    expired = await added(store, callback_url=URL, expires_at=NOON + timedelta(seconds=1))
    clock.advance(LEASE)
    await decided(store, expired, facts.Expired())
    poison = await running(store, callback_url=URL, crashes=9)
    clock.advance(LEASE)
    await decided(store, poison, facts.LeaseExpired(timedelta()))

    told_of = {told(one)["data"]["id"]: told(one)["data"]["reason"] for one in await deliveries(store)}
    assert told_of == {str(expired.id): "expired", str(poison.id): "poison"}


@pytest.mark.mistake(23)
async def test_a_settle_that_is_refused_adds_no_delivery(store, clock):
    task = await running(store, callback_url=URL)
    late = a_change(store, task, facts.Returned(task.claim, '"late"'))
    clock.advance(LEASE)
    await decided(store, task, facts.LeaseExpired(timedelta()))

    assert await store.tasks.apply([late]) == [late]
    assert await deliveries(store) == []


async def test_of_two_ends_of_one_task_one_is_told(store):
    task = await running(store, callback_url=URL)
    completed = a_change(store, task, facts.Returned(task.claim, "1"))
    failed = a_change(store, task, facts.Raised(task.claim, a_failure(), None))

    assert await store.tasks.apply([completed, failed]) == [failed]
    assert [told(one)["type"] for one in await deliveries(store)] == ["task.completed"]


async def test_a_settle_of_unknown_outcome_that_is_repeated_adds_one_delivery(store):
    task = await running(store, callback_url=URL)
    change = a_change(store, task, facts.Returned(task.claim, "1"))

    assert await store.tasks.apply([change]) == []
    assert await store.tasks.apply([change]) == [change]
    assert change.made(await now_stored(store, task))
    assert len(await deliveries(store)) == 1


async def test_settles_of_two_processes_at_once_give_one_delivery(open_store):
    stores = [await open_store() for _ in range(2)]
    task = await running(stores[0], callback_url=URL)
    change = a_change(stores[0], task, facts.Returned(task.claim, "1"))

    async with asyncio.TaskGroup() as group:
        applies = [group.create_task(stores[n % 2].tasks.apply([change])) for n in range(10)]

    assert sum(apply.result() == [] for apply in applies) == 1
    assert len(await deliveries(stores[0])) == 1


async def test_a_transaction_that_is_rolled_back_leaves_no_delivery(store):
    holder = await ended(store, State.FAILED, key="k")
    await added(store, key="k")
    task = await running(store, callback_url=URL, priority=9)
    changes = [
        a_change(store, task, facts.Returned(task.claim, "1")),
        a_change(store, holder, facts.RetriedByHand()),
    ]

    with pytest.raises(KeyTaken):
        await store.tasks.apply(changes)

    assert (await now_stored(store, task)).state is State.RUNNING
    assert await deliveries(store) == []


async def test_a_task_that_is_retried_by_hand_is_told_of_again(store, clock):
    first = await ended(store, State.COMPLETED, callback_url=URL)
    (before,) = await deliveries(store)
    again = await decided(store, first, facts.RetriedByHand())
    clock.advance(timedelta(seconds=1))
    last = await decided(store, again, facts.CancelAsked())

    (after,) = await deliveries(store)
    assert [told(one)["data"]["version"] for one in (before, after)] == [first.version, last.version]


async def test_a_batch_with_and_without_callbacks_is_settled_whole(store):
    tasks = await store.tasks.add([a_task(callback_url=URL if n % 5 == 0 else None) for n in range(20)])
    taken = await claims(store, limit=20)
    changes = [decide(task, facts.Returned(task.claim, "1"), store.clock.now()) for task in taken]

    assert await store.tasks.apply(changes) == []

    found = await store.tasks.get([task.id for task in tasks])
    assert {task.state for task in found.values()} == {State.COMPLETED}
    assert len(await deliveries(store)) == 4
