"""How Duly begins in a user's own web server: as the commands do, it waits for its parts, and marks what is logged."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from duly.assembly import Core
from duly.domain.errors import BrokerUnavailable, StoreUnavailable
from duly.engine.patience import patiently
from duly.settings import Settings
from duly.settings_rules import allowed_hosts
from duly.telemetry.lines import log_lines
from duly.telemetry.log import set_up

if TYPE_CHECKING:  # a worker has no use for a web framework, and it takes long to import
    from fastapi import FastAPI

R = TypeVar("R")

STORE_PATIENCE = timedelta(seconds=30)
"""So long the database is waited for: some twenty tries, further and further apart."""

BROKER_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between the tries to reach the broker. Then it begins without: what is submitted is announced later."""


class Openable(Protocol):
    """Duly itself."""

    @property
    def core(self) -> Core:
        """The open parts."""
        ...

    async def __aenter__(self) -> Self:
        """Open. Raises StoreUnavailable."""
        ...

    async def __aexit__(self, *about: object) -> None:
        """Close."""
        ...


def use_request_ids(app: "FastAPI", settings: Settings) -> None:
    """Give each request to a user's own application an id, as Duly's own service does.

    It is taken from ``X-Request-Id`` or made, returned, put on every log line of the request, and kept with every task
    that is submitted in it. Faults are logged with it and answered as a problem document. Where the settings ask nobody
    and do not allow anonymous access, requests to another Host than this machine's own names are refused.
    """
    from duly.api.door import Door  # noqa: PLC0415  # see the top

    app.add_middleware(Door, allowed_hosts=allowed_hosts(settings))


def use_log(settings: Settings) -> None:
    """Write every log line of this process in Duly's form, the web server's too. To be called in the lifespan."""
    set_up(settings.log_format, settings.log_level, sys.stderr)


@asynccontextmanager
async def started(duly: Openable) -> AsyncIterator[None]:
    """Open it once the database is there, and the broker, if it is not away for long. Raises StoreUnavailable."""
    async with AsyncExitStack() as stack:
        await awaited(partial(stack.enter_async_context, duly))
        await _wait_for_broker(duly.core)
        yield


async def awaited(attempt: Callable[[], Awaitable[R]]) -> R:
    """What needs the database, once that is there. Raises StoreUnavailable when it is away for too long."""

    async def told() -> R:
        try:
            return await attempt()
        except StoreUnavailable as error:
            log_lines()("store.unavailable", {"error": str(error)})
            raise

    return await patiently(told, STORE_PATIENCE)


async def _wait_for_broker(core: Core) -> None:
    broker = core.service.broker
    if broker is None:
        return
    for pause in BROKER_PAUSES:
        try:
            await broker.facts()
        except BrokerUnavailable as error:
            core.emit("broker.unavailable", {"error": str(error), "again_in": timedelta(seconds=pause)})
            await asyncio.sleep(pause)
        else:
            return
