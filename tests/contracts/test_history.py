"""HistoryStore: stories, purges, and the ids of what is gone."""

import asyncio
from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.event import Kind
from duly.domain.state import FINAL, State
from duly.ports.store import Retention
from tests.support.builders import NOON, a_failure, a_task, a_task_id, an_event
from tests.support.moves import a_change, added, claims, decided, ended, kinds_of, now_stored, running

DAY = timedelta(days=1)
WEEK = Retention(done=7 * DAY, failed=30 * DAY, queues={})


async def test_the_story_of_a_task_is_told_in_order(store, clock):
    task = await running(store)
    clock.advance(timedelta(seconds=1))
    task = await decided(store, task, facts.CancelAsked())
    clock.advance(timedelta(seconds=1))
    await decided(store, task, facts.Stopped(task.claim))

    assert await kinds_of(store, task) == [Kind.CANCEL_REQUESTED, Kind.CANCELLED]
    assert [event.version for event in await store.history.events(task.id)] == [3, 4]
    assert await store.history.events(a_task_id()) == []


async def test_events_that_change_no_task_are_kept_in_its_story(store):
    task, other = await running(store), await running(store)
    refused = [an_event(task, worker="worker-0", at=NOON), an_event(task, worker="worker-9", detail={"was": "a\0"})]

    await store.history.record([*refused, an_event(other)])
    await store.history.record([])

    assert await store.history.events(task.id) == refused
    assert len(await store.history.events(other.id)) == 1
    assert await now_stored(store, task) == task


async def test_an_event_of_a_task_that_is_gone_is_dropped(store):
    task, gone = await running(store), a_task()

    await store.history.record([an_event(gone), an_event(task)])

    assert await store.history.events(gone.id) == []
    assert len(await store.history.events(task.id)) == 1


@pytest.mark.parametrize("state", sorted(FINAL))
async def test_a_task_is_purged_once_its_retention_has_ended(store, clock, state):
    task = await ended(store, state)
    kept = 30 * DAY if state is State.FAILED else 7 * DAY

    clock.advance(kept - timedelta(seconds=1))
    assert await store.history.purge(WEEK, 10) == 0
    assert await now_stored(store, task) == task

    clock.advance(timedelta(seconds=2))
    assert await store.history.purge(WEEK, 10) == 1
    assert await store.tasks.get([task.id]) == {}
    assert await store.history.events(task.id) == []
    assert await store.history.purged([task.id, a_task_id()]) == {task.id}


async def test_a_queue_may_keep_its_tasks_for_another_time(store, clock):
    short = await ended(store, State.FAILED, queue="short")
    long = await ended(store, State.COMPLETED, queue="long")
    usual = await ended(store, State.COMPLETED, queue="Short")
    kept = Retention(done=7 * DAY, failed=30 * DAY, queues={"short": DAY, "long": 90 * DAY})

    clock.advance(2 * DAY)
    assert await store.history.purge(kept, 10) == 1
    assert await store.history.purged([short.id, long.id, usual.id]) == {short.id}

    clock.advance(40 * DAY)
    assert await store.history.purge(kept, 10) == 1
    assert await store.history.purged([short.id, long.id, usual.id]) == {short.id, usual.id}

    clock.advance(50 * DAY)
    assert await store.history.purge(kept, 10) == 1


async def test_a_queue_that_keeps_nothing_is_purged_at_once(store, clock):
    task = await ended(store, State.COMPLETED, queue="fleeting")
    clock.advance(timedelta(microseconds=1))

    assert await store.history.purge(Retention(DAY, DAY, {"fleeting": timedelta()}), 10) == 1
    assert await store.history.purged([task.id]) == {task.id}


@pytest.mark.mistake(49)
async def test_a_live_task_is_never_purged_however_old_it_is(store, clock):
    old = [await added(store), await added(store, state=State.SCHEDULED), await running(store, priority=9)]
    retried = await decided(store, await ended(store, State.FAILED, priority=9), facts.RetriedByHand())
    clock.advance(10_000 * DAY)

    assert await store.history.purge(Retention(timedelta(), timedelta(), {"default": timedelta()}), 100) == 0
    assert len(await store.tasks.get([task.id for task in [*old, retried]])) == 4


async def test_a_purge_takes_no_more_than_its_limit(store, clock):
    for _ in range(5):
        await ended(store, State.CANCELLED)
    clock.advance(8 * DAY)

    assert [await store.history.purge(WEEK, 2) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.mistake(49)
async def test_two_purges_at_once_take_each_task_once(open_store, clock):
    one, other = await open_store(), await open_store()
    tasks = [a_task() for _ in range(300)]
    await one.tasks.add(tasks)
    taken = await claims(one, limit=300)
    await one.tasks.apply([_failed(one, task) for task in taken])
    clock.advance(31 * DAY)

    counts: list[int] = []
    async with asyncio.TaskGroup() as group:
        for store in (one, other):
            group.create_task(_purge_all(store, counts))

    assert sum(counts) == 300
    assert await one.tasks.get([task.id for task in tasks]) == {}
    assert await other.history.purged([task.id for task in tasks]) == {task.id for task in tasks}


def _failed(store, task):
    return a_change(store, task, facts.Raised(task.claim, a_failure(), None))


async def _purge_all(store, counts):
    for _ in range(20):
        counts.append(await store.history.purge(WEEK, 50))


async def test_a_final_task_can_be_deleted_with_its_story(store):
    task = await ended(store, State.FAILED)

    assert await store.history.delete(task)

    assert await store.tasks.get([task.id]) == {}
    assert await store.history.events(task.id) == []
    assert await store.history.purged([task.id]) == {task.id}


async def test_a_task_that_has_changed_since_it_was_read_is_not_deleted(store):
    task = await ended(store, State.FAILED)
    again = await decided(store, task, facts.RetriedByHand())

    assert not await store.history.delete(task)

    assert await now_stored(store, task) == again
    assert await store.history.purged([task.id]) == set()
    assert await kinds_of(store, task) == [Kind.FAILED, Kind.RETRIED]


async def test_a_live_task_is_not_deleted(store):
    for task in (await running(store), await added(store, state=State.SCHEDULED), await added(store)):
        assert not await store.history.delete(task)
        assert await now_stored(store, task) == task


async def test_a_repeated_delete_harms_nothing(store):
    task = await ended(store, State.CANCELLED)
    await store.history.delete(task)

    await store.history.delete(task)

    assert await store.history.purged([task.id]) == {task.id}


async def test_the_key_of_a_deleted_task_is_free(store):
    await store.history.delete(await ended(store, State.FAILED, key="k"))
    successor = a_task(key="k")

    assert await store.tasks.add([successor]) == [successor]


async def test_purged_ids_are_forgotten_after_a_while(store, clock):
    first = await ended(store, State.CANCELLED)
    await store.history.delete(first)
    clock.advance(20 * DAY)
    others = [await ended(store, State.CANCELLED) for _ in range(3)]
    for task in others:
        await store.history.delete(task)
    clock.advance(11 * DAY)

    assert await store.history.forget(30 * DAY, 10) == 1
    assert await store.history.purged([first.id, others[0].id]) == {others[0].id}

    clock.advance(20 * DAY)
    assert [await store.history.forget(30 * DAY, 2) for _ in range(3)] == [2, 1, 0]
    assert await store.history.purged([]) == set()
