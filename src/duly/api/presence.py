"""A long answer is worth its while only as long as the client is there."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request
from starlette.types import Receive

from duly.domain.errors import BadRequest

R = TypeVar("R")


class ClientLeft(Exception):
    """The client has closed its connection."""


async def while_present(request: Request, work: Awaitable[R]) -> R:
    """What the work gives. When the client leaves first the work is cancelled and BadRequest raised, to nobody.

    The body must have been read, or be empty.
    """
    try:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(until_left(request.receive))
            result = await work
            watch.cancel()
    except ExceptionGroup as errors:
        if errors.subgroup(ClientLeft):
            raise BadRequest("The client left before the answer.") from None
        raise errors.exceptions[0] from None
    return result


async def until_left(receive: Receive) -> None:
    """Raises ClientLeft when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        continue
    raise ClientLeft
