"""Two handlers: one that is done at once, and one that waits as for a network."""

import asyncio

from duly import Duly

duly = Duly()

WAIT_SECONDS = 0.1


@duly.task(name="fleet.short")
async def short(number: int) -> int:
    """Nothing."""
    return number


@duly.task(name="fleet.wait")
async def wait(number: int) -> int:
    """A tenth of a second of somebody else's time."""
    await asyncio.sleep(WAIT_SECONDS)
    return number


@duly.task(name="fleet.media", queue="media")
async def media() -> None:
    """For a second queue, as most applications have one."""


@duly.task(name="fleet.web", queue="web")
async def web() -> None:
    """For a third."""
