"""An event loop that stands still: the lease is kept, it is told, and it ends in time."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from duly.domain.state import State
from duly.engine.context import Context
from duly.engine.stall import EXIT_STALLED, StallWatch
from tests.support.serving import handlers_of
from tests.support.stage import a_stage, a_worker


@pytest.mark.mistake(16)
async def test_a_handler_that_blocks_the_event_loop_for_longer_than_a_lease_loses_none() -> None:
    async def block(ctx: Context) -> str:
        time.sleep(1.2)  # noqa: ASYNC251  # what must not be done
        return "blocked"

    async def beside() -> str:
        await asyncio.sleep(0.05)
        return "not disturbed"

    lease = timedelta(milliseconds=300)
    async with a_stage(handlers_of(block=block, beside=beside), lease=lease) as stage:
        aside = await stage.submit("beside")
        blocking = await stage.submit("block")
        async with a_worker(stage, stall_warning=timedelta(milliseconds=300)):
            tasks = [await stage.ended(aside), await stage.ended(blocking)]
            stalled = await stage.told.until("loop.stalled")

        assert [(task.state, task.attempt, task.crashes) for task in tasks] == [(State.COMPLETED, 1, 0)] * 2
        assert "time.sleep(1.2)" in str(stalled["stack"])


def _stand_still(lease: float, stall_limit: float) -> Iterator[str]:
    yield f"""
import asyncio, time
from datetime import timedelta
from tests.support.serving import handlers_of
from tests.support.stage import a_stage, a_worker

async def block() -> None:
    time.sleep(30)

async def main() -> None:
    async with a_stage(handlers_of(block=block), lease=timedelta(seconds={lease})) as stage:
        await stage.submit("block")
        async with a_worker(stage, stall_limit=timedelta(seconds={stall_limit})):
            await asyncio.sleep(30)

asyncio.run(main())
"""


@pytest.mark.system
async def test_a_loop_that_stands_still_beyond_the_limit_ends_its_process_and_shows_where() -> None:
    (program,) = _stand_still(lease=0.9, stall_limit=1.0)

    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == EXIT_STALLED
    assert "in block" in ended.stderr


class Watched:
    """A stall watch whose time a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("duly.engine.stall.time.monotonic", lambda: self.now)
        self.told: list[tuple[str, Any]] = []
        self.watch = StallWatch(
            warn_after=timedelta(seconds=5),
            end_after=timedelta(hours=1),
            emit=lambda name, facts: self.told.append((name, facts["seconds"])),
        )

    def looks(self, times: int, every: float = 1.0) -> None:
        for _ in range(times):
            self.now += every
            self.watch.look()


@contextmanager
def watched() -> Iterator[Watched]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Watched(monkeypatch)


def test_a_loop_that_moves_is_not_told_of() -> None:
    with watched() as one:
        for _ in range(100):
            one.watch.beat()
            one.looks(1)

    assert one.told == []


def test_a_loop_that_stands_still_is_told_of_less_and_less_often() -> None:
    with watched() as one:
        one.watch.beat()
        one.looks(42)

    assert one.told == [("loop.stalled", 5.0), ("loop.stalled", 10.0), ("loop.stalled", 20.0), ("loop.stalled", 40.0)]


def test_time_in_which_the_whole_process_stood_still_does_not_count() -> None:
    with watched() as one:
        one.watch.beat()
        one.looks(1)
        one.looks(1, every=3600)

    assert one.told == []
