"""The end of a process in which something does not end."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

from duly.ports.telemetry import Emit

R = TypeVar("R")

PATIENCE = 0.2
"""Seconds that what is cancelled at the very end may take."""

LOOK = 0.1

LEAVING = timedelta(seconds=0.2)
"""What the end of a process itself may take; of a short grace, a twentieth."""


async def alone(main: Coroutine[Any, Any, R]) -> R:
    """What it comes to. What else still runs then is cancelled, and not waited for if it pays no attention.

    ``asyncio.run`` would wait for it, without an end.
    """
    try:
        return await main
    finally:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for one in others:
            one.cancel()
        if others:
            _, deaf = await asyncio.wait(others, timeout=PATIENCE)
            for one in deaf:
                asyncio._unregister_task(one)  # noqa: SLF001  # documented: "Extending asyncio"


async def end_after(stop: asyncio.Event, grace: timedelta, emit: Emit) -> None:
    """Wait until the process is told to stop, and have it gone when the grace is over, whatever holds it up."""
    await stop.wait()
    end_at(time.monotonic() + within(grace).total_seconds(), emit)


def within(grace: timedelta) -> timedelta:
    """So long after the word to stop does a process leave that must be gone when its grace is over."""
    return grace - min(LEAVING, grace / 20)


def end_at(when: float, emit: Emit, *, unless: Callable[[], bool] = lambda: False) -> None:
    """End this process then (monotonic), if it still lives, whatever holds it up; later, when that is no more so.

    No task is lost: what was not put back until then is found by its lease.
    """
    Thread(target=_end, args=(when, emit, unless), name="duly-overdue", daemon=True).start()


def _end(when: float, emit: Emit, unless: Callable[[], bool]) -> None:
    time.sleep(max(when - time.monotonic(), 0))
    while unless():
        time.sleep(LOOK)
    emit("process.overdue", {"pid": os.getpid()})
    os._exit(os.EX_OK)
