"""Reads through a cache: never back, never wrong for long, and never in the way."""

import asyncio
from datetime import timedelta

import pytest

from duly.caches.memory import MemoryCache
from duly.domain.errors import CacheUnavailable, StoreUnavailable
from duly.domain.fact import RetriedByHand, Returned
from duly.domain.task import Task
from duly.domain.transition import decide
from duly.engine.ahead import Ahead
from duly.engine.background import in_background
from duly.engine.reads import Reads
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.testing.clock import FakeClock
from tests.support.builders import LEASE, NOON, WORKER, a_task
from tests.support.outage import Outage
from tests.support.serving import eventually
from tests.support.stage import becomes_true

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(MemoryDatabase(), clock)


def reads_of(store: MemoryStore, cache: object, told: list[str] | None = None) -> Reads:
    heard = [] if told is None else told
    return Reads(store.tasks, cache, MINUTE, lambda name, _: heard.append(name))  # type: ignore[arg-type]


async def completed(store: MemoryStore) -> Task:
    await store.tasks.add([a_task()])
    (claimed,) = await store.tasks.claim("default", 1, WORKER, LEASE)
    change = decide(claimed, Returned(claimed.claim, "1"), NOON)
    assert change is not None
    assert await store.tasks.apply([change]) == []
    return change.after


async def test_a_final_task_is_read_from_the_database_once(store: MemoryStore, clock: FakeClock):
    task = await completed(store)
    reads = reads_of(store, MemoryCache(clock))
    await reads.look([task.id])

    await store.history.delete(task)

    assert await reads.look([task.id]) == [task]


async def test_a_live_task_is_at_most_a_second_behind(store: MemoryStore, clock: FakeClock):
    await store.tasks.add([task := a_task()])
    reads = reads_of(store, MemoryCache(clock))
    await reads.look([task.id])
    await store.tasks.claim("default", 1, WORKER, LEASE)

    assert await reads.look([task.id]) == [task]
    clock.advance(timedelta(seconds=1.001))

    (now,) = await reads.look([task.id])
    assert now is not None
    assert now.attempt == 1


async def test_a_retry_by_hand_leaves_no_old_state_behind(store: MemoryStore, clock: FakeClock):
    task = await completed(store)
    reads = reads_of(store, MemoryCache(clock))
    await reads.look([task.id])

    change = decide(task, RetriedByHand(), NOON)
    assert change is not None
    async with reads.leaving(task.id):
        await store.tasks.apply([change])

    assert await reads.look([task.id]) == [change.after]


@pytest.mark.mistake(35)
async def test_a_retry_by_hand_that_takes_long_leaves_no_old_state_behind(store: MemoryStore, clock: FakeClock):
    """Its row was locked for six seconds: who read the old state before the commit kept it for a minute after it."""
    task = await completed(store)
    reads = reads_of(store, MemoryCache(clock))
    change = decide(task, RetriedByHand(), NOON)
    assert change is not None

    async with reads.leaving(task.id):
        clock.advance(timedelta(seconds=6))
        await reads.look([task.id])
        await store.tasks.apply([change])

    assert await reads.look([task.id]) == [change.after]


async def test_what_does_not_exist_is_not_remembered_as_missing(store: MemoryStore, clock: FakeClock):
    task = a_task()
    reads = reads_of(store, MemoryCache(clock))

    assert await reads.look([task.id]) == [None]
    await store.tasks.add([task])

    assert await reads.look([task.id]) == [task]


async def test_answers_stand_in_the_order_of_the_ids(store: MemoryStore, clock: FakeClock):
    tasks = [a_task() for _ in range(5)]
    await store.tasks.add(tasks)
    reads = reads_of(store, MemoryCache(clock))
    await reads.look([tasks[3].id])
    asked = [tasks[place] for place in (4, 0, 3, 1, 2)]

    assert await reads.look([task.id for task in asked]) == asked


class AwayCache:
    async def _refuse(self, *_: object) -> None:
        raise CacheUnavailable("away")

    get = put = drop = _refuse


async def test_a_cache_that_is_away_costs_one_warning_and_no_answer(store: MemoryStore):
    task = await completed(store)
    told: list[str] = []
    reads = reads_of(store, AwayCache(), told)

    for _ in range(3):
        assert await reads.look([task.id]) == [task]
    async with reads.leaving(task.id):
        pass

    assert told == ["cache.unavailable"]


async def test_without_a_cache_everybody_reads_the_database(store: MemoryStore):
    task = await completed(store)
    reads = reads_of(store, None)
    async with reads.leaving(task.id):
        pass

    assert await reads.look([task.id, task._replace(id=a_task().id).id]) == [task, None]
    assert await reads.fresh(task.id) == task


async def test_what_ends_is_in_the_cache_before_anybody_reads_it(store: MemoryStore, clock: FakeClock):
    task, cache = await completed(store), MemoryCache(clock)
    ahead = Ahead(reads_of(store, cache), lambda *_: None)

    async with in_background(lambda *_: None, ahead.run()):
        await asyncio.to_thread(ahead.tell, [task])
        await eventually(lambda: cache.get([task.id]))

    assert await cache.get([task.id]) == {task.id: task}


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ZeroDivisionError()], ids=["away", "unknown"])
async def test_what_a_database_does_not_tell_is_left_to_its_readers(
    store: MemoryStore, clock: FakeClock, error: Exception
):
    task, cache = await completed(store), MemoryCache(clock)
    outage = Outage(store)
    outage.faults["get"] = [error]
    ahead = Ahead(reads_of(outage, cache), lambda *_: None)  # type: ignore[arg-type]

    async with in_background(lambda *_: None, ahead.run()):
        ahead.tell([task])
        await becomes_true(lambda: not outage.faults["get"])
        ahead.tell([task])
        await eventually(lambda: cache.get([task.id]))

    assert outage.done["get"] == 1
