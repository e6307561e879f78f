"""Time-outs of many attempts: one timer for all that may take equally long, as those of one type do."""

import asyncio
import time
from collections import defaultdict
from datetime import timedelta

from duly.engine.cause import Cause
from duly.engine.running import Running


class Deadlines:
    """Ends attempts whose time is up. A timer of its own for each would cost more than starting one does."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends: defaultdict[timedelta, dict[Running, float]] = defaultdict(dict)
        """By time-out; in each the first to end stands first, as the first to begin does."""
        self._armed: set[timedelta] = set()

    def start(self, running: Running, began: float) -> None:
        """Its time-out began then (monotonic), after that of all that was told before."""
        timeout = running.task.timeout
        self._ends[timeout][running] = began + timeout.total_seconds()
        if timeout not in self._armed:
            self._arm(timeout)

    def stop(self, running: Running) -> None:
        """It has ended. Nothing happens when its time-out never began, or a second time."""
        ends = self._ends.get(running.task.timeout)
        if ends is not None:
            ends.pop(running, None)

    def _arm(self, timeout: timedelta) -> None:
        self._armed.add(timeout)
        first = next(iter(self._ends[timeout].values()))
        self._loop.call_later(max(first - time.monotonic(), 0), self._ring, timeout)

    def _ring(self, timeout: timedelta) -> None:
        """End what is due; the timer is set again for the next, or not at all when there is none."""
        self._armed.discard(timeout)
        ends, now = self._ends[timeout], time.monotonic()
        while ends and ends[first := next(iter(ends))] <= now:
            del ends[first]
            first.end(Cause.TIMEOUT)
        if ends:
            self._arm(timeout)
        else:
            del self._ends[timeout]
