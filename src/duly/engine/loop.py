"""Things that are done again and again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from duly.domain.errors import StoreUnavailable
from duly.ports.telemetry import Emit

LONGEST_PAUSE = 10.0
SHORTEST_PAUSE = 0.005


async def every(interval: timedelta, step: Callable[[], Awaitable[object]], name: str, emit: Emit) -> None:
    """Do one step, wait, do the next, until cancelled. A step does one pass and returns what it did.

    A step that returns a timedelta gets the next one that soon, or that late. The pause otherwise varies by a fifth, so
    that many processes do not march in step. A step that fails is told and tried again: twice as late each time, ten
    seconds at most.
    """
    failures = 0
    while True:
        pause = interval.total_seconds()
        try:
            wanted = await step()
            failures = 0
            if isinstance(wanted, timedelta):
                await asyncio.sleep(max(wanted.total_seconds(), SHORTEST_PAUSE))
                continue
        except StoreUnavailable as error:
            failures += 1
            emit("store.unavailable", {"loop": name, "error": str(error), "failures": failures})
        except Exception as error:  # noqa: BLE001  # the top of a loop: one bad pass must not end the process
            failures += 1
            emit("loop.failed", {"loop": name, "error": repr(error), "failures": failures})
        longer = min(pause * 2 ** min(failures, 10), max(LONGEST_PAUSE, pause))
        await asyncio.sleep(longer * random.uniform(0.8, 1.0))  # noqa: S311  # jitter, not a secret
