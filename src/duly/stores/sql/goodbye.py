"""How connections are closed: the good-bye to a server is waited for a moment only, for a dead one never answers."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta

GOODBYE = timedelta(seconds=1)
"""A server that has not answered within that time is left behind: it notices by itself."""


async def briefly(closing: Awaitable[None], longest: timedelta = GOODBYE) -> None:
    """Wait for this no longer than a moment."""
    with suppress(TimeoutError):
        async with asyncio.timeout(longest.total_seconds()):
            await closing
