"""Work that goes on for as long as a context is open."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

from duly.ports.telemetry import Emit

R = TypeVar("R")

AGAIN = 1.0
"""In seconds. What goes on for so long after it was cancelled is cancelled again: a library may swallow a cancel."""


@asynccontextmanager
async def in_background(
    emit: Emit, *work: Coroutine[None, None, None], failed: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Run these until the context closes. What the body raises passes through as it is, in no group.

    When one of them fails the others end too; that is told at once, ``failed`` is set, and it is raised when the
    context closes.
    """
    each: list[asyncio.Task[None]] = []
    together = asyncio.create_task(_together(emit, work, each, failed or asyncio.Event()))
    try:
        yield
    finally:
        together.cancel()
        while not (await asyncio.wait([together], timeout=AGAIN))[0]:
            for task in each:
                task.cancel()
        for one in work:
            one.close()  # one that had no time to begin
        failure = None if together.cancelled() else together.exception()
    if failure is not None:
        raise failure


async def _together(
    emit: Emit, work: tuple[Coroutine[None, None, None], ...], each: list[asyncio.Task[None]], failed: asyncio.Event
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            each.extend(group.create_task(one) for one in work)
    except Exception as error:  # the top of everything that runs behind a service: say so before it is awaited
        emit("background.failed", {"error": repr(error)})
        failed.set()
        raise


async def follow(first: asyncio.Event, then: asyncio.Event) -> None:
    """Set the second once the first is set."""
    await first.wait()
    then.set()


async def unless(stop: asyncio.Event, doing: Awaitable[R], emit: Emit) -> R | None:
    """What this comes to; None, and it is cancelled, when ``stop`` is set before."""
    try:
        async with asyncio.timeout(None) as patience, in_background(emit, _at_an_end(stop, patience)):
            return await doing
    except TimeoutError:
        if patience.expired():
            return None
        raise


async def _at_an_end(stop: asyncio.Event, patience: asyncio.Timeout) -> None:
    await stop.wait()
    patience.reschedule(asyncio.get_running_loop().time())
