"""A supervisor on a machine that has no room for another process."""

import asyncio
import errno
import os
import sys
from datetime import timedelta

import pytest

from duly.cli import child as children
from duly.cli.child import PLACE, Part
from duly.cli.supervise import Supervisor
from tests.support.telling import Told

SHORT_LIVED = "import os, sys, time; os.write(int(sys.argv[1]), b'+'); time.sleep(0.2)"
PART = Part("worker-1", (sys.executable, "-c", SHORT_LIVED, PLACE))


async def test_a_child_for_which_there_is_no_room_is_started_later(monkeypatch: pytest.MonkeyPatch):
    """The supervisor ended with a traceback, and all other children with it."""
    start, starts = children.start, 0

    async def crowded(part: Part) -> children.Child:
        nonlocal starts
        starts += 1
        if starts == 2:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return await start(part)

    monkeypatch.setattr(children, "start", crowded)
    told = Told()
    supervisor = Supervisor([PART], timedelta(seconds=5), told)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(supervisor.run())
        await told.until("child.unstarted")
        await told.until("child.started", 2)
        supervisor.stop()

        assert await running == 0


async def test_at_the_first_start_it_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    async def crowded(_: Part) -> children.Child:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(children, "start", crowded)

    with pytest.raises(ExceptionGroup):
        await Supervisor([PART], timedelta(seconds=5), Told()).run()
