"""Waiting for tasks to end."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from duly.domain.errors import StoreUnavailable
from duly.domain.state import State
from duly.domain.task import Task, TaskId
from duly.engine.background import in_background
from duly.engine.bell import LocalBell
from duly.engine.watch import Watcher
from duly.ports.bell import task_topic
from tests.support.builders import a_task

LONG = timedelta(seconds=10)
NEVER_POLLS = timedelta(hours=1)


class Shelf:
    """Tasks to look at; counts the looks."""

    def __init__(self, *tasks: Task) -> None:
        self.tasks = {task.id: task for task in tasks}
        self.looks: list[set[TaskId]] = []
        self.looked = asyncio.Event()
        self.faults: list[Exception] = []

    async def __call__(self, ids: Collection[TaskId]) -> Mapping[TaskId, Task]:
        self.looks.append(set(ids))
        self.looked.set()
        if self.faults:
            raise self.faults.pop()
        return {id_: self.tasks[id_] for id_ in ids if id_ in self.tasks}

    def end(self, task: Task) -> Task:
        ended = task._replace(state=State.COMPLETED)
        self.tasks[task.id] = ended
        return ended


@asynccontextmanager
async def watching(shelf: Shelf, bell: LocalBell, poll: timedelta = NEVER_POLLS) -> AsyncIterator[Watcher]:
    watcher = Watcher(shelf, bell, poll)
    async with in_background(lambda *_: None, watcher.run()), asyncio.timeout(20):
        yield watcher


async def test_many_who_wait_share_one_look() -> None:
    task = a_task()
    shelf, bell = Shelf(task), LocalBell()
    async with watching(shelf, bell) as watcher:
        waiters = [asyncio.ensure_future(watcher.final(task.id, LONG)) for _ in range(50)]
        await shelf.looked.wait()
        looks = len(shelf.looks)

        ended = shelf.end(task)
        bell.ring([task_topic(task.id)])

        assert [await waiter for waiter in waiters] == [ended] * 50
        assert looks <= 2
        assert len(shelf.looks) <= looks + 2


async def test_a_ring_makes_it_look_at_that_task_alone() -> None:
    """It looked at all that anybody waited for: a thousand readers whose tasks ended cost a million rows."""
    task, others = a_task(), [a_task() for _ in range(20)]
    shelf, bell = Shelf(task, *others), LocalBell()
    async with watching(shelf, bell) as watcher:
        waiters = [asyncio.ensure_future(watcher.final(one.id, LONG)) for one in (task, *others)]
        await shelf.looked.wait()
        shelf.looks.clear()

        ended = shelf.end(task)
        bell.ring([task_topic(task.id)])

        assert await waiters[0] == ended
        assert shelf.looks == [{task.id}]
        for waiter in waiters[1:]:
            waiter.cancel()


async def test_one_look_is_enough_for_a_task_whose_end_is_rung_at_once() -> None:
    """It was looked at when somebody began to wait too, in the way of the worker's own claim."""
    task = a_task()
    shelf, bell = Shelf(task), LocalBell()
    async with watching(shelf, bell) as watcher:
        waiter = asyncio.ensure_future(watcher.final(task.id, LONG))
        await asyncio.sleep(0)
        ended = shelf.end(task)
        bell.ring([task_topic(task.id)])

        assert await waiter == ended
        assert shelf.looks == [{task.id}]


async def test_a_task_that_ended_just_before_somebody_waited_needs_no_ring() -> None:
    task = a_task()
    shelf = Shelf(task)
    async with watching(shelf, LocalBell()) as watcher:
        ended = shelf.end(task)

        assert await watcher.final(task.id, LONG) == ended
        assert shelf.looks == [{task.id}]


async def test_without_a_ring_it_looks_now_and_then() -> None:
    task = a_task()
    shelf = Shelf(task)
    async with watching(shelf, LocalBell(), timedelta(milliseconds=5)) as watcher:
        waiter = asyncio.ensure_future(watcher.final(task.id, LONG))
        await shelf.looked.wait()

        ended = shelf.end(task)

        assert await waiter == ended


async def test_after_the_longest_wait_there_is_no_answer_and_nothing_is_left_behind() -> None:
    task = a_task()
    bell = LocalBell()
    async with watching(Shelf(task), bell) as watcher:
        assert await watcher.final(task.id, timedelta(milliseconds=20)) is None

        assert watcher._waiting == {}
        assert bell._ears == {}


async def test_a_waiter_that_leaves_leaves_nothing_behind() -> None:
    task = a_task()
    shelf, bell = Shelf(task), LocalBell()
    async with watching(shelf, bell) as watcher:
        leaver = asyncio.ensure_future(watcher.final(task.id, LONG))
        stayer = asyncio.ensure_future(watcher.final(task.id, LONG))
        await shelf.looked.wait()

        leaver.cancel()
        await asyncio.wait([leaver])
        ended = shelf.end(task)
        bell.ring([task_topic(task.id)])

        assert leaver.cancelled()
        assert await stayer == ended
        assert watcher._waiting == {}
        assert bell._ears == {}


async def test_a_task_that_is_gone_is_waited_for_no_longer() -> None:
    task = a_task()
    shelf, bell = Shelf(task), LocalBell()
    async with watching(shelf, bell) as watcher:
        waiter = asyncio.ensure_future(watcher.final(task.id, LONG))
        await shelf.looked.wait()

        del shelf.tasks[task.id]
        bell.ring([task_topic(task.id)])

        assert await waiter is None


async def test_an_outage_is_waited_out() -> None:
    task = a_task(state=State.COMPLETED)
    shelf = Shelf(task)
    shelf.faults = [StoreUnavailable("away")]
    async with watching(shelf, LocalBell(), timedelta(milliseconds=5)) as watcher:
        assert await watcher.final(task.id, LONG) == task


async def test_a_fault_is_told_to_those_who_wait_and_does_not_end_the_watch() -> None:
    """A fault in one look ended the watch: every later reader waited until its time was over."""
    task = a_task(state=State.COMPLETED)
    shelf = Shelf(task)
    shelf.faults = [ZeroDivisionError()]
    async with watching(shelf, LocalBell(), timedelta(milliseconds=5)) as watcher:
        with pytest.raises(ZeroDivisionError):
            await watcher.final(task.id, LONG)

        assert await watcher.final(task.id, LONG) == task
