"""A cancel and the process that it is meant for."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from duly.domain.fact import Interrupted, Raised, Returned, Snoozed, Stopped
from duly.domain.task import ClaimToken, Task
from duly.engine import child
from duly.engine import process as process_module
from duly.engine.cause import Cause
from duly.engine.limits import Limits
from duly.engine.outcome import Judge
from duly.engine.process import Nursery, Processes
from duly.engine.running import Means, Running
from duly.engine.threads import Threads
from duly.testing import FakeClock
from tests.support.builders import a_running_task
from tour import app

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNTING = app.primes_count.task_type


@pytest.fixture
def processes() -> Iterator[Processes]:
    threads = Threads("test")
    made = Processes(
        Nursery(
            limits=Limits(),
            joined=None,
            clock=FakeClock(NOW),
            max_memory=None,
            threads=threads,
            emit=lambda *_: None,
        ),
        started_at_once=1,
        longest_turn=timedelta(milliseconds=20),
    )
    yield made
    made.close()
    threads.close()


def an_attempt(below: int) -> Running:
    task: Task = a_running_task()._replace(payload=f'{{"below": {below}}}', token=ClaimToken(uuid4()))
    return Running(task, COUNTING, Means(Limits(), lambda *_: None, joined=None, now=lambda: NOW))


def judged(running: Running) -> Judge:
    return Judge(running.task, COUNTING.retry, 0.5)


async def ours() -> bool:
    return True


async def test_a_cancel_that_comes_right_behind_the_order_reaches_the_handler(processes: Processes):
    """It was dropped, and the handler was killed five seconds later instead of being asked."""
    warming, running = an_attempt(below=10), an_attempt(below=2_000_000_000)
    await processes.run(warming, COUNTING, judged(warming), ours)

    async def ours_and_then_cancelled() -> bool:
        asyncio.get_running_loop().call_soon(running.end, Cause.CANCEL)
        return True

    fact = await processes.run(running, COUNTING, judged(running), ours_and_then_cancelled)

    assert isinstance(fact, Raised)
    assert fact.failure.type == "tour.app.Stopped"


@pytest.mark.parametrize(
    ("cause", "meaning"), [(Cause.CANCEL, Stopped), (Cause.LOST, Interrupted), (Cause.TIMEOUT, Snoozed)]
)
async def test_what_was_told_to_end_while_its_process_started_does_not_begin(processes: Processes, cause, meaning):
    """Once, it was given to the process all the same, and the handler began before it was told."""
    running = an_attempt(below=10)
    attempt = asyncio.ensure_future(processes.run(running, COUNTING, judged(running), ours))
    await asyncio.sleep(0)
    running.end(cause)

    fact = await attempt

    assert isinstance(fact, meaning)
    (idle,) = processes._idle
    assert idle._tasks == 0


async def test_what_waits_for_its_turn_when_its_worker_stops_is_put_back_at_once(processes: Processes):
    """It waited on, until the worker was gone, and was charged a crash although its handler had not begun."""
    running = an_attempt(below=10)
    async with processes._starting:
        attempt = asyncio.ensure_future(processes.run(running, COUNTING, judged(running), ours))
        await asyncio.sleep(0)
        running.end(Cause.STOP)

        fact = await asyncio.wait_for(attempt, 20)

    assert isinstance(fact, Interrupted)


async def test_what_waits_for_a_start_when_its_worker_stops_is_put_back_at_once(processes: Processes, monkeypatch):
    starting, go = threading.Event(), threading.Event()
    monkeypatch.setattr(process_module, "_started", lambda _: (starting.set(), go.wait(60)))
    running = an_attempt(below=10)
    attempt = asyncio.ensure_future(processes.run(running, COUNTING, judged(running), ours))
    await asyncio.to_thread(starting.wait, 20)
    running.end(Cause.STOP)

    fact = await asyncio.wait_for(attempt, 20)
    go.set()

    assert isinstance(fact, Interrupted)


async def test_a_process_that_is_killed_while_it_starts_is_no_crash_of_its_task(processes: Processes, monkeypatch):
    """systemd tells every process of a service to end: one that had only begun to start died of it."""
    await_start = process_module._Child.await_start

    def killed(self: process_module._Child) -> None:
        os.kill(self._process.pid or 0, signal.SIGTERM)
        await_start(self)

    monkeypatch.setattr(process_module._Child, "await_start", killed)
    running = an_attempt(below=10)

    fact = await processes.run(running, COUNTING, judged(running), ours)

    assert isinstance(fact, Snoozed)


async def test_what_is_to_run_alone_is_put_back_uncharged_when_its_turn_does_not_come_soon(processes: Processes):
    """Torture called two tasks poison that had waited for a process again and again, and lost the worker each time."""
    alone = an_attempt(below=10)
    alone.task = alone.task._replace(crashes=2)

    async with processes._starting:
        fact = await processes.run(alone, COUNTING, judged(alone), ours)

    assert isinstance(fact, Snoozed)


async def test_a_claim_that_was_lost_while_a_process_started_starts_no_handler(processes: Processes):
    """While the database is out of reach the keeper of leases cannot know it, and a process may be long in coming."""
    running = an_attempt(below=10)

    async def lost() -> bool:
        return False

    fact = await processes.run(running, COUNTING, judged(running), lost)

    assert isinstance(fact, Interrupted)
    (idle,) = processes._idle
    assert idle._tasks == 0


async def test_a_cancel_that_comes_too_late_does_not_hit_the_next_task_of_the_process(processes: Processes):
    first, second = an_attempt(below=10), an_attempt(below=100)
    await processes.run(first, COUNTING, judged(first), ours)
    (idle,) = processes._idle
    idle._lifeline.send(child.Ending(first.task.claim, Cause.CANCEL))

    fact = await processes.run(second, COUNTING, judged(second), ours)

    assert isinstance(fact, Returned)
    assert '"count":25' in fact.result.replace(" ", "")


async def test_a_process_that_was_killed_as_its_task_returned_gets_no_other(processes: Processes, monkeypatch):
    """For some moments it still counted as alive: the next task was given to it, and charged a crash."""
    converse = process_module._Child._converse

    def ended_in_time(self: process_module._Child, order: child.Order, running: Running) -> child.End | None:
        end = converse(self, order, running)
        running.end(Cause.TIMEOUT)
        return end

    monkeypatch.setattr(process_module._Child, "_converse", ended_in_time)
    running = an_attempt(below=10)

    fact = await processes.run(running, COUNTING, judged(running), ours)

    assert isinstance(fact, Returned)
    assert not processes._idle
