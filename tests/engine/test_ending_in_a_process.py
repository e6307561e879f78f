"""A cancel and the process that it is meant for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from duly.domain.fact import Raised, Returned
from duly.domain.task import ClaimToken, Task
from duly.engine import child
from duly.engine.cause import Cause
from duly.engine.limits import Limits
from duly.engine.outcome import Judge
from duly.engine.process import Nursery, Processes
from duly.engine.running import Running
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
        )
    )
    yield made
    made.close()
    threads.close()


def an_attempt(below: int) -> Running:
    task: Task = replace(a_running_task(), payload=f'{{"below": {below}}}', token=ClaimToken(uuid4()))
    return Running(task, COUNTING, limits=Limits(), report=lambda *_: None, joined=None, now=lambda: NOW)


def judged(running: Running) -> Judge:
    return Judge(running.task, COUNTING.retry, 0.5)


async def test_a_cancel_that_comes_before_the_order_reaches_the_handler(processes: Processes):
    """It was dropped, and the handler was killed five seconds later instead of being asked."""
    warming, running = an_attempt(below=10), an_attempt(below=2_000_000_000)
    await processes.run(warming, COUNTING, judged(warming))
    running.end(Cause.CANCEL)

    fact = await processes.run(running, COUNTING, judged(running))

    assert isinstance(fact, Raised)
    assert fact.failure.type == "tour.app.Stopped"


async def test_a_cancel_that_comes_too_late_does_not_hit_the_next_task_of_the_process(processes: Processes):
    first, second = an_attempt(below=10), an_attempt(below=100)
    await processes.run(first, COUNTING, judged(first))
    (idle,) = processes._idle
    idle._lifeline.send(child.Ending(first.task.claim, Cause.CANCEL))

    fact = await processes.run(second, COUNTING, judged(second))

    assert isinstance(fact, Returned)
    assert '"count":25' in fact.result.replace(" ", "")
