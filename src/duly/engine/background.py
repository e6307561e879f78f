"""Work that goes on for as long as a context is open."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from duly.ports.telemetry import Emit


@asynccontextmanager
async def in_background(
    emit: Emit, *work: Coroutine[None, None, None], failed: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Run these until the context closes. What the body raises passes through as it is, in no group.

    When one of them fails the others end too; that is told at once, ``failed`` is set, and it is raised when the
    context closes.
    """
    together = asyncio.create_task(_together(emit, work, failed or asyncio.Event()))
    try:
        yield
    finally:
        together.cancel()
        await asyncio.wait([together])
        for one in work:
            one.close()  # one that had no time to begin
        failure = None if together.cancelled() else together.exception()
    if failure is not None:
        raise failure
        for one in work:
            one.close()  # a context that closes at once has started none of them


async def _together(emit: Emit, work: tuple[Coroutine[None, None, None], ...], failed: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except Exception as error:  # the top of everything that runs behind a service: say so before it is awaited
        emit("background.failed", {"error": repr(error)})
        failed.set()
        raise


async def follow(first: asyncio.Event, then: asyncio.Event) -> None:
    """Set the second once the first is set."""
    await first.wait()
    then.set()
