"""Bell: who listens is woken, here and elsewhere, at once, and nobody who rings is held up."""

import asyncio
import statistics
import threading
import time
from contextlib import ExitStack
from datetime import timedelta

import pytest

from duly.ports.bell import queue_topic, task_topic
from tests.support.builders import a_task_id

SOON = timedelta(seconds=20)
NOT = timedelta(milliseconds=100)


async def test_a_ring_wakes_who_listens_here_and_elsewhere(bell, far):
    with bell.listen(["queue:mail"]) as near_ear, far.listen(["queue:mail"]) as far_ear:
        bell.ring(["queue:mail"])

        assert await near_ear.wait(SOON)
        assert await far_ear.wait(SOON)


async def test_a_ring_wakes_nobody_who_listens_to_something_else(bell, far):
    with far.listen(["queue:mail"]) as other, far.listen(["queue:reports"]) as ear:
        bell.ring(["queue:reports"])

        assert await ear.wait(SOON)
        assert not await other.wait(NOT)


async def test_one_ring_of_many_topics_wakes_all_of_theirs(bell, far):
    topics = [task_topic(a_task_id()) for _ in range(500)] + [queue_topic("ünï çode " * 20)]
    with ExitStack() as stack:
        ears = [stack.enter_context(far.listen([topic])) for topic in topics]
        await known(bell, far)
        bell.ring(topics)

        assert all([await ear.wait(SOON) for ear in ears])


@pytest.mark.parametrize("name", ["it's", "'); DROP TABLE duly_tasks; --", "back\\slash\\", "$1 :x %s", "Straße 🚲"])
async def test_a_queue_may_have_any_name(bell, far, name):
    with far.listen([queue_topic(name)]) as ear:
        bell.ring([queue_topic(name)])

        assert await ear.wait(SOON)


async def test_more_topics_than_can_be_told_wake_everybody(bell, far):
    topics = [task_topic(a_task_id()) for _ in range(5_000)]
    with far.listen(topics[4_990:]) as ear:
        await known(bell, far)
        bell.ring(topics)

        assert await ear.wait(SOON)


async def test_all_can_be_woken(bell, far):
    with bell.listen(["queue:a"]) as near_ear, far.listen(["queue:b"]) as far_ear:
        bell.ring_all()

        assert await near_ear.wait(SOON)
        assert await far_ear.wait(SOON)


async def test_a_ring_between_two_waits_is_kept(bell, far):
    with far.listen(["queue:mail"]) as ear, far.listen(["queue:mail"]) as witness:
        assert not await ear.wait(NOT)
        bell.ring(["queue:mail"])
        assert await witness.wait(SOON)

        assert await ear.wait(timedelta(milliseconds=1))
        assert not await ear.wait(NOT)


async def test_a_ring_is_heard_once_where_it_was_rung(bell):
    with bell.listen(["queue:mail"]) as ear:
        bell.ring(["queue:mail"])

        assert await ear.wait(SOON)
        assert not await ear.wait(timedelta(milliseconds=300))


async def test_who_rings_nothing_wakes_nobody(bell, far):
    with far.listen(["queue:mail"]) as ear:
        bell.ring([])

        assert not await ear.wait(NOT)


async def test_any_thread_may_ring(bell, far):
    """The loop sleeps; a timer wakes nobody but the thread."""
    with far.listen(["queue:mail"]) as ear:
        timer = threading.Timer(0.2, bell.ring, (["queue:mail"],))
        timer.start()

        began = time.perf_counter()
        assert await ear.wait(SOON)
        assert time.perf_counter() - began < 15
        timer.join()


async def test_a_ring_reaches_another_process_within_milliseconds(bell, far):
    took = []
    with far.listen(["queue:mail"]) as ear:
        for _ in range(30):
            began = time.perf_counter()
            bell.ring(["queue:mail"])
            assert await ear.wait(SOON)
            took.append(time.perf_counter() - began)

    assert statistics.median(took) < 0.5


async def test_ringing_often_holds_nobody_up(bell, far):
    with far.listen(["queue:last"]) as ear:
        began = time.perf_counter()
        for number in range(2_000):
            bell.ring([f"queue:{number}"])
        bell.ring(["queue:last"])
        took = time.perf_counter() - began

        assert await ear.wait(SOON)
    assert took < 5


async def known(bell, far) -> None:
    """Once the bell knows that somebody waits for tasks over there: until then it rings no ends of tasks for him."""
    topic = task_topic(a_task_id())
    with far.listen([topic]) as ear:
        async with asyncio.timeout(SOON.total_seconds()):
            while not await ear.wait(NOT):
                bell.ring([topic])
