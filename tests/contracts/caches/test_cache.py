"""Cache: holds what was read, never goes back, never brings back what is gone."""

import asyncio
import random
from datetime import timedelta

import pytest

from duly.domain.state import State
from tests.support.builders import a_running_task, a_task, a_task_id

KEPT = timedelta(minutes=1)


async def test_a_task_that_was_put_is_got_exactly(cache, other):
    task = a_running_task(state=State.COMPLETED, result='"\\u00e9\\u0000"', tags=("a", "b"), key="ünique")
    await cache.put([task], KEPT)

    assert await other.get([task.id]) == {task.id: task}


async def test_what_is_not_held_is_absent(cache):
    held = a_task()
    await cache.put([held], KEPT)

    assert await cache.get([held.id, a_task_id()]) == {held.id: held}
    assert await cache.get([a_task_id()]) == {}
    assert await cache.get([]) == {}


async def test_many_are_got_at_once(cache):
    tasks = [a_task() for _ in range(500)]
    await cache.put(tasks, KEPT)

    assert await cache.get([task.id for task in tasks]) == {task.id: task for task in tasks}


async def test_nothing_to_put_or_drop_is_no_error(cache):
    await cache.put([], KEPT)
    await cache.drop([], KEPT)


@pytest.mark.mistake(35)
async def test_a_later_version_replaces_an_earlier_one(cache, other):
    task = a_task(version=9)
    await cache.put([task], KEPT)
    await other.put([later := task._replace(version=10, state=State.RUNNING)], KEPT)

    assert await cache.get([task.id]) == {task.id: later}


@pytest.mark.mistake(35)
async def test_writers_that_reorder_never_make_a_reader_see_an_older_state(cache, other):
    task = a_task()
    lives = [task._replace(version=version, progress_seq=seq) for version in range(1, 12) for seq in (2, 10, 9)]
    random.shuffle(lives)

    seen = []
    for number, one in enumerate(lives):
        await (cache, other)[number % 2].put([one], KEPT)
        seen += [(got.version, got.progress_seq) for got in (await cache.get([task.id])).values()]

    assert seen == sorted(seen)
    assert seen[-1] == (11, 10)


async def test_an_older_version_in_a_batch_spoils_nothing(cache):
    old, fresh = a_task(version=5), a_task()
    await cache.put([old], KEPT)
    await cache.put([old._replace(version=4), fresh, fresh._replace(version=2), fresh._replace(version=1)], KEPT)

    assert await cache.get([old.id, fresh.id]) == {old.id: old, fresh.id: fresh._replace(version=2)}


async def test_many_writers_at_once_leave_the_latest(cache, other):
    task = a_task()
    async with asyncio.TaskGroup() as group:
        for version in range(1, 101):
            group.create_task((cache, other)[version % 2].put([task._replace(version=version)], KEPT))

    assert (await cache.get([task.id]))[task.id].version == 100


@pytest.mark.mistake(35)
async def test_a_slow_writer_does_not_bring_back_what_is_gone(cache, other):
    task = a_task(version=3)
    await cache.put([task], KEPT)
    await cache.drop([task.id], KEPT)
    await other.put([task, late := a_task()], KEPT)
    await other.put([task._replace(version=99)], KEPT)

    assert await cache.get([task.id, late.id]) == {late.id: late}


async def test_what_is_gone_may_be_dropped_before_it_was_ever_held(cache):
    task = a_task()
    await cache.drop([task.id], KEPT)
    await cache.put([task], KEPT)

    assert await cache.get([task.id]) == {}


@pytest.mark.mistake(37)
async def test_everything_is_held_for_so_long_only(cache, clock):
    task, gone = a_task(), a_task()
    short = timedelta(milliseconds=50)
    await cache.put([task], short)
    await cache.drop([gone.id], short)
    clock.advance(short)

    for _ in range(200):
        if not await cache.get([task.id]):
            break
        await asyncio.sleep(0.01)
    assert await cache.get([task.id]) == {}
    await asyncio.sleep(0.06)
    await cache.put([gone], KEPT)
    assert await cache.get([gone.id]) == {gone.id: gone}


async def test_a_cache_says_what_it_is_and_may_be_closed_twice(cache):
    assert len((await cache.check()).split()) > 3
    await cache.close()
    await cache.close()
