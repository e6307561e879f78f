"""A process under a parent: it tells that it lives, and drains when the parent is gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from duly.cli.link import ParentLink, link_to_parent
from duly.engine.loop import every
from duly.ports.telemetry import Emit

TELL_EVERY = timedelta(seconds=1)

Ready = Callable[[], Awaitable[bool]]


@asynccontextmanager
async def under_parent(descriptor: int | None, stop: asyncio.Event, ready: Ready, emit: Emit) -> AsyncIterator[None]:
    """While this is open, ``stop`` is set when the parent ends. Without a parent (None) it does nothing."""
    if descriptor is None:
        yield
        return
    async with link_to_parent(descriptor) as link, asyncio.TaskGroup() as group:
        link.beat(ready=False)  # before any task runs: one that kills this process must not look like a bad start
        following = group.create_task(_follow(link, stop, emit))
        telling = group.create_task(every(TELL_EVERY, partial(_tell, link, ready), "life", emit))
        yield
        following.cancel()
        telling.cancel()


async def _follow(link: ParentLink, stop: asyncio.Event, emit: Emit) -> None:
    await link.parent_gone()
    emit("parent.gone", {})
    stop.set()


async def _tell(link: ParentLink, ready: Ready) -> None:
    link.beat(ready=await ready())
