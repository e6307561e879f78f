"""How a driver is made to give up: one that connects may forget that it was cancelled, and wait on without an end.

Before Python 3.12 ``asyncio.wait_for`` does, where the cancellation comes together with what it waited for. On a wire
that carries nothing any more, the next word of the server never comes then, and nobody's time limit ends the wait.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

AGAIN = 0.1
"""In seconds."""


async def insistently(connect: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
    """The driver's connection. A cancellation is told to the driver until it has heard it."""
    connecting = asyncio.ensure_future(connect(*arguments, **options))
    try:
        await asyncio.wait({connecting})
    except asyncio.CancelledError:
        await _given_up(connecting)
        raise
    return connecting.result()


async def _given_up(connecting: "asyncio.Future[Any]") -> None:
    while not connecting.done():
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=AGAIN)
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()
