"""One timer for many time-outs."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from duly.engine.cause import Cause
from duly.engine.deadlines import Deadlines
from duly.engine.limits import Limits
from duly.engine.running import Means, Running
from tests.support.builders import a_task
from tests.support.serving import a_type


async def nothing() -> None:
    """A handler."""


class Ends:
    """Attempts, and which of them were ended, in that order."""

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self.ended: list[str] = []
        self.news = asyncio.Event()

    def begun(self, name: str, timeout: timedelta) -> Running:
        task = a_task(timeout=timeout)
        kind = a_type(task.type, nothing)
        means = Means(Limits(), lambda *_: None, joined=None, now=lambda: datetime.now(UTC))
        attempt = Running(task, kind, means)
        attempt.on_end(lambda cause: self._end(name, cause))
        self.deadlines.start(attempt, time.monotonic())
        return attempt

    def _end(self, name: str, cause: Cause) -> None:
        assert cause is Cause.TIMEOUT
        self.ended.append(name)
        self.news.set()

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(20):
            while self.ended != list(names):
                self.news.clear()
                await self.news.wait()


async def test_each_attempt_is_ended_when_its_own_time_is_up() -> None:
    ends = Ends()
    ends.begun("never", timedelta(hours=1))
    ends.begun("first", timedelta(milliseconds=20))
    ends.begun("second", timedelta(milliseconds=20))

    await ends.until("first", "second")


async def test_one_that_ended_before_is_left_alone_and_those_behind_it_are_not_forgotten() -> None:
    ends = Ends()
    done = ends.begun("done", timedelta(milliseconds=20))
    ends.begun("slow", timedelta(milliseconds=20))

    ends.deadlines.stop(done)
    ends.deadlines.stop(done)

    await ends.until("slow")


async def test_a_time_out_that_nobody_has_any_more_begins_anew() -> None:
    ends = Ends()
    ends.deadlines.stop(ends.begun("done", timedelta(milliseconds=10)))
    ends.begun("one", timedelta(milliseconds=10))
    await ends.until("one")

    ends.deadlines.stop(ends.begun("gone", timedelta(milliseconds=10)))
    await asyncio.sleep(0.05)
    ends.begun("two", timedelta(milliseconds=10))

    await ends.until("one", "two")
