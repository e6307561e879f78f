"""What hints need of a store: claims among named tasks, and what nobody has claimed."""

from datetime import timedelta

from duly.ports.store import Store
from tests.support.builders import LEASE, NOON, WORKER, a_task


async def test_a_claim_among_hints_takes_only_those(store: Store):
    hinted, other = a_task(), a_task()
    await store.tasks.add([hinted, other])

    taken = await store.tasks.claim("default", 10, WORKER, LEASE, among=[hinted.id])

    assert [task.id for task in taken] == [hinted.id]
    assert taken[0].attempt == 1
    assert (await store.tasks.get([other.id]))[other.id].attempt == 0


async def test_a_hint_for_another_queue_or_for_a_task_that_is_taken_gives_nothing(store: Store):
    elsewhere, taken = a_task(queue="media"), a_task()
    await store.tasks.add([elsewhere, taken])
    await store.tasks.claim("default", 10, WORKER, LEASE)

    assert await store.tasks.claim("default", 10, WORKER, LEASE, among=[elsewhere.id, taken.id]) == []


async def test_a_hint_does_not_get_past_a_pause(store: Store):
    task = a_task()
    await store.tasks.add([task])
    await store.queues.declare(["default"])
    await store.queues.pause("default", True)

    assert await store.tasks.claim("default", 10, WORKER, LEASE, among=[task.id]) == []


async def test_no_hints_give_nothing(store: Store):
    await store.tasks.add([a_task()])

    assert await store.tasks.claim("default", 10, WORKER, LEASE, among=[]) == []


async def test_what_nobody_claimed_is_told_in_the_order_of_claims(store: Store):
    old = NOON - timedelta(minutes=1)
    low, high, new = a_task(priority=1, run_at=old), a_task(priority=9, run_at=old), a_task(run_at=NOON)
    claimed = a_task(queue="other", run_at=old)
    await store.tasks.add([low, high, new, claimed])

    assert await store.queues.unclaimed("default", timedelta(seconds=2), 10) == [(high.id, 9), (low.id, 1)]
    assert await store.queues.unclaimed("default", timedelta(seconds=2), 1) == [(high.id, 9)]
