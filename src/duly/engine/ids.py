"""New ids, in the order of their making."""

import os
from datetime import datetime
from threading import Lock

from duly.domain.task import TaskId
from duly.domain.uuid7 import milliseconds, uuid7
from duly.engine.copied import lineage

_DRAWN = 256
"""So many steps are drawn at a time: to ask the system for each takes as long as all else."""


class Ids:
    """UUIDv7 (RFC 9562 §5.7): milliseconds, then 74 bits, random in each new millisecond and counting up within it.

    Ids of one maker never go back, even when its clock does; ids of two makers are ordered by their clocks.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._millisecond = 0
        self._tail = 0
        self._steps: list[int] = []
        self._home = lineage()

    def new(self, now: datetime) -> TaskId:
        """One more id; from any thread."""
        with self._lock:
            return self._next(milliseconds(now))

    def several(self, now: datetime, count: int) -> list[TaskId]:
        """So many more, in order; from any thread."""
        millisecond = milliseconds(now)
        with self._lock:
            return [self._next(millisecond) for _ in range(count)]

    def _next(self, millisecond: int) -> TaskId:
        if millisecond > self._millisecond:
            self._millisecond = millisecond
            self._tail = int.from_bytes(os.urandom(9), "big")
        else:
            self._tail += 1 + self._step()
        return TaskId(uuid7(self._millisecond, self._tail))

    def _step(self) -> int:
        """At random, below 2**32. In a forked copy they are drawn anew: else it would make our ids once more."""
        if not self._steps or self._home != lineage():
            self._home, self._steps = lineage(), list(memoryview(os.urandom(4 * _DRAWN)).cast("I"))
        return self._steps.pop()
