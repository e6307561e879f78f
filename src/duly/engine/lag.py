"""How late the event loop is: a sleeper that looks at the clock when it wakes."""

import asyncio
from datetime import timedelta

from duly.domain.families import LOOP_LAG
from duly.ports.telemetry import Tally

SLEEP = timedelta(milliseconds=500)
BETWEEN = timedelta(milliseconds=10)


class LagProbe:
    """A step for ``every(BETWEEN, ...)``: nearly all of the time one sleeper is waiting to be late."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    async def step(self) -> None:
        """Sleep, and count how much longer it took."""
        loop = asyncio.get_running_loop()
        due = loop.time() + SLEEP.total_seconds()
        await asyncio.sleep(SLEEP.total_seconds())
        self._tally.observe(LOOP_LAG, max(loop.time() - due, 0.0))
