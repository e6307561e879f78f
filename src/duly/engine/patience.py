"""Repeating what the database did not answer, for as long as somebody has the patience."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from duly.domain.errors import StoreUnavailable

R = TypeVar("R")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


async def patiently(attempt: Callable[[], Awaitable[R]], patience: timedelta | None) -> R:
    """Call ``attempt`` until it does not raise StoreUnavailable; every write of a store may be repeated as it is.

    With a patience, the last StoreUnavailable is raised once so much time has passed; with None it never gives up.
    Pauses double up to two seconds and are drawn at random, so that many processes do not come back at once.
    """
    loop = asyncio.get_running_loop()
    deadline = None if patience is None else loop.time() + patience.total_seconds()
    pause = _FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except StoreUnavailable:
            if deadline is not None and loop.time() + pause >= deadline:
                raise
        await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311  # jitter, not a secret
        pause = min(pause * 2, _LONGEST_PAUSE)
